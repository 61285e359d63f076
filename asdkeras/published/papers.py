"""The tables of the papers and of the official baselines, as printed, one CSV file each.

A paper follows the rules of its year in which clips meet, or does not, and may print means that
no evaluator computes. Its figures can only be compared with ours under its own convention. Where
that is not the one of its year, the first line of the file says it: `# convention: {from: RULES,
FIELD: VALUE}`, with fields of `asdkeras.metrics.official.RuleSet`.
"""

import dataclasses
import functools
from importlib import resources

import pandas as pd

from asdkeras.config import did_you_mean, parse_yaml
from asdkeras.errors import RecipeError
from asdkeras.metrics.official import RULES, RuleSet

_NUMBERS = {
    **{"percent": "float64", "percent_sd": "float64", "n_sections": "int64"},
    **{"printed": "float64", "recomputed": "float64", "place": "float64"},
}

COLUMNS = {
    name: _NUMBERS.get(name, "string")
    for name in (
        *("table", "dataset", "part", "machine_type", "section", "domain", "system_row"),
        *("metric", "average", "percent", "percent_sd", "n_sections", "rules", "note"),
    )
}

CONTRADICTION_COLUMNS = {
    name: _NUMBERS.get(name, "string")
    for name in (
        *("system", "table", "dataset", "part", "machine_type", "domain", "system_row"),
        *("metric", "average", "parts", "printed", "recomputed", "reason"),
    )
}

FIGURE_COLUMNS = {
    name: _NUMBERS.get(name, "string")
    for name in ("figure", "rules", "metrics", "axis", "variant", "place", "note")
}

_CONTRADICTIONS = "contradictions"
_SETUPS = "venkatesh2022_setups"
_SETUP_COLUMNS = {
    **{"machine_type": "string", "msl": "string"},
    **dict.fromkeys(("msl_weight", "anp_weight"), "float64"),
    **dict.fromkeys(("section_weight", "attribute_weight"), "float64"),
}
_CONVENTION = "# convention:"


def load(system: str) -> pd.DataFrame:
    """What the paper of a system prints, or what is published of an official baseline.

    Args:
        system: such as `wilkinghoff2021` or `baseline2021`; `baseline2023` is also that of 2024.

    Returns:
        one row per printed figure in the order of print, with the columns of `COLUMNS`:

        - `table`: number of the table in the paper; `text` for its prose; for a baseline
          the repository and commit whose README has the table;
        - `dataset` and `part` (`dev`, `eval`); both `all` for a mean over datasets;
        - `machine_type`, `section`, `domain`, each `all` for a mean over them. The domain
          `all` of one section means all its clips, and so does `all` under the rules
          `wilkinghoff2024`;
        - `system_row`: row or column of the table; `evaluator_example` is the example in
          the README of a year's evaluator, which does not name the system;
        - `metric`: `auc`, `pauc`, `precision`, `recall`, `f1`; `official_score` for a mean
          of AUCs and pAUCs; `ci95` for the evaluator's interval of 2022 to 2024;
        - `average`: `harmonic` or `arithmetic`, the mean over sections, machine types and
          domains, empty for the figure of a single section. Where both are printed, the
          mean of the year's rules comes first;
        - `percent`: the figure, NaN where it cannot be read;
        - `percent_sd`: its standard deviation over the trials, NaN where none is printed;
        - `n_sections`: how many sections of all machine types it averages over;
        - `rules`: say which clips meet; figures of different rules must not be compared;
        - `note`: where the figure looks wrong or needs a word.

    Raises:
        RecipeError: if there is no table of that name.
    """
    if system not in names():
        raise RecipeError(
            f"no published tables of a system `{system}`.{did_you_mean(system, names())} "
            f"There are: {', '.join(names())}"
        )
    return _read(system, COLUMNS)


@functools.cache
def convention(system: str) -> RuleSet | None:
    """How a paper averages what it prints; None if like its year, or if it has no table."""
    if system not in names():
        return None
    with resources.files("asdkeras.published").joinpath(f"{system}.csv").open() as file:
        line = file.readline()
    if not line.startswith(_CONVENTION):
        return None
    fields = parse_yaml(line.removeprefix(_CONVENTION), f"published/{system}.csv, line 1")
    year = RULES[fields.pop("from")]
    fields = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
    if "evaluation" in fields:
        sets = (RULES[name].evaluation for name in fields["evaluation"])
        fields["evaluation"] = frozenset().union(*sets)
    return dataclasses.replace(year, name=system, **fields)


def names() -> list[str]:
    """Systems with published tables, sorted."""
    files = (path.name for path in resources.files("asdkeras.published").iterdir())
    found = {name.removesuffix(".csv") for name in files if name.endswith(".csv")}
    return sorted(name for name in found - {_CONTRADICTIONS} if "_" not in name)


def contradictions() -> pd.DataFrame:
    """Printed means that do not follow from the figures printed for their parts.

    A figure printed with two digits may lie half a hundredth to either side. A mean is
    listed if its parts, each moved within its digits, cannot give what is printed.

    Returns:
        one row per mean and set of parts, with the columns of `CONTRADICTION_COLUMNS`:
        `system` (as for `load`), then the place of the mean as in its table; `parts`, what
        it was recomputed from (`sections`, `machine types`, `domains`, `metrics`,
        `datasets`, or the other table or paper that prints it or its parts); `printed` and
        `recomputed`, both in percent; and the `reason` as far as it is known.
    """
    return _read(_CONTRADICTIONS, CONTRADICTION_COLUMNS)


def figures(system: str) -> pd.DataFrame:
    """Which runs the figures of a paper are drawn from that print no values.

    Returns:
        one row per figure and variant, with the columns of `FIGURE_COLUMNS`; none if there is
        no such figure:

        - `figure`: its number;
        - `rules`: of its means, `paper` (`convention`) or `challenge` (those of the year);
        - `metrics`: as for `load`, several with blanks between them;
        - `axis` and `place`: what the variants differ in, and how much of it each has; empty
          and NaN if they only stand side by side;
        - `variant`: of our system; `note`: what a reader of the figure must know.
    """
    name = f"{system}_figures"
    if resources.files("asdkeras.published").joinpath(f"{name}.csv").is_file():
        return _read(name, FIGURE_COLUMNS)
    return pd.DataFrame(columns=list(FIGURE_COLUMNS)).astype(FIGURE_COLUMNS)


def venkatesh2022_setups() -> pd.DataFrame:
    """Table 4 of Venkatesh et al. 2022: what its authors chose by labels of the development set.

    Returns:
        one row per machine type, which is the index, in the order of print:

        - `msl`: whose network S1 takes, as the variant of ours;
        - `msl_weight` and `anp_weight`: of both systems in S2. By its scores, which are those of
          S1 to the last digit, ANP had no part in ToyCar;
        - `section_weight` and `attribute_weight`: of both distances in S4 (paper: w_S, w_A).
    """
    return _read(_SETUPS, _SETUP_COLUMNS).set_index("machine_type")


def _read(name: str, columns: dict[str, str]) -> pd.DataFrame:
    numbers = {column: [""] for column, kind in columns.items() if kind == "float64"}
    with resources.files("asdkeras.published").joinpath(f"{name}.csv").open("rb") as file:
        if not file.readline().startswith(_CONVENTION.encode()):
            file.seek(0)
        return pd.read_csv(file, dtype=columns, keep_default_na=False, na_values=numbers)
