"""The tables of the papers, as printed, one CSV file per system."""

import difflib
from importlib import resources

import pandas as pd

from asdkeras.errors import RecipeError

COLUMNS = {
    "table": "string",
    "dataset": "string",
    "part": "string",
    "machine_type": "string",
    "section": "string",
    "domain": "string",
    "system_row": "string",
    "metric": "string",
    "percent": "float64",
    "n_sections": "int64",
    "note": "string",
}


def load(system: str) -> pd.DataFrame:
    """What the paper of a system prints.

    Args:
        system: name of the system, such as `wilkinghoff2021`.

    Returns:
        one row per printed figure, with the columns of `COLUMNS`: number of the table
        in the paper, dataset, part (`dev`, `eval`), machine type, section and domain
        (`all`: a mean over them), row or column of the paper (`system_row`), metric
        (`auc`, `pauc`, `official_score`), the figure in percent (NaN where it cannot be
        read), how many sections of a machine type it averages over in all, and a note
        where the figure looks wrong.

    Raises:
        RecipeError: if there is no table of that name.
    """
    if system not in names():
        guess = difflib.get_close_matches(system, names(), n=1)
        hint = f" Did you mean `{guess[0]}`?" if guess else ""
        raise RecipeError(
            f"no published tables of a system `{system}`.{hint} There are: {', '.join(names())}"
        )
    with resources.files("asdkeras.published").joinpath(f"{system}.csv").open("rb") as file:
        return pd.read_csv(file, dtype=COLUMNS, keep_default_na=False, na_values={"percent": [""]})


def names() -> list[str]:
    """Systems with published tables, sorted."""
    files = (path.name for path in resources.files("asdkeras.published").iterdir())
    return sorted(name.removesuffix(".csv") for name in files if name.endswith(".csv"))
