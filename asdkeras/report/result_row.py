"""One line of CSV that says what a run is, what came out and how it was made.

Lines of all systems and years have the same columns, so that they make one table.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from asdkeras.config import RECIPE_DEFAULTS
from asdkeras.evaluation import KINDS, with_parts, write_csv
from asdkeras.report.comparison import MEASURED, convention_of, read_alike
from asdkeras.report.false_alarms import FalseAlarms, asked_rate
from asdkeras.report.provenance import read_stages, recipe_and_changes
from asdkeras.report.scored_runs import SETS, ScoredRun, read_environment, variant_of

FIGURES = {
    "auc_source": ("source", "auc"),
    "auc_target": ("target", "auc"),
    "auc": ("all", "auc"),
    "pauc": ("all", "pauc"),
    "official_score": ("all", "official_score"),
    **{metric: ("all", metric) for metric in ("precision", "recall", "f1")},
}
"""Column -> domain and metric."""

ALARMS = {
    "false_alarms_source": ("test source",),
    "false_alarms_target": ("test target",),
    "false_alarms": KINDS[2:],
}
"""Column -> kinds of test clips, the normal ones among them that were called anomalous."""

_ENVIRONMENT = (
    *("asdkeras", "commit", "python", "tensorflow", "keras", "machine", "jobs"),
    *("tensor_float_32", "data_fingerprint"),
)
_REBUILT = "reconstruction: "
_BESIDE = ["domain", "metric", "ours", "published"]


def write_row(
    run: Path,
    recipe: Mapping[str, Any],
    scores: ScoredRun,
    alarms: FalseAlarms,
    printed: pd.DataFrame,
) -> Path:
    """Write the headings and the line of a run to its `row.csv`.

    Figures are those of the main score by the rules of the year, means over the trials with their
    standard deviation, in percent with two digits. They are of the only machine type that a part of
    the dataset has, else means over `all` that it has. `_published` and `_difference` (ours
    minus published) stand beside figures that the paper prints of the same sections and reads
    alike; `by_paper` has the means of a paper that reads clips in its own way. `changes` has every
    value that is not that of the recipe that came with the system, so that a run that was scaled
    down says so. Whatever is not known is empty.

    Args:
        alarms: of `asdkeras.report.false_alarms.of_run`.
        printed: of `asdkeras.report.comparison.compare`, the system's own paper beside the main
            score; empty if there is none.
    """
    recipe_name, changes = recipe_and_changes(run)
    whole = {**RECIPE_DEFAULTS, **recipe}
    rebuilt = [note for note in scores.notes if note.startswith(_REBUILT)]
    row: dict[str, object] = {
        "system": recipe["system"],
        "variant": variant_of(run, dict(recipe)),
        "recipe": recipe_name,
        "changes": "; ".join(changes),
        "dataset": scores.dataset,
        "score": scores.main_score,
        "seeds": " ".join(map(str, scores.trials)),
        "trials": len(scores.trials),
        "untrained": int(whole["untrained"]),
        "oracle": "; ".join(scores.marks.oracle),
        "transductive": "; ".join(scores.marks.transductive),
        "reconstruction": "; ".join(note.removeprefix(_REBUILT) for note in rebuilt),
        "notes": "; ".join(note for note in scores.notes if note not in rebuilt),
        "threshold_rule": whole["thresholds"]["rule"],
        "false_alarms_asked": 100.0 * asked_rate(recipe),
    }
    is_alike = read_alike(convention_of(str(recipe["system"]), scores.dataset), alarms.rules)
    for part in SETS:
        of_part = _of_part(part, alarms, printed, is_alike)
        row |= {f"{part}_{name}": value for name, value in of_part}
    row["compared"] = "; ".join(
        f"{verdict} {count}" for verdict, count in printed["verdict"].value_counts().items()
    )
    stages, environment = read_stages(run), read_environment(run)
    row["minutes"] = None if stages is None else stages["seconds"].sum() / 60.0
    row["peak_memory_mib"] = None if stages is None else int(stages["peak_memory_mib"].max())
    row |= {name: environment.get(name) for name in _ENVIRONMENT}
    frame = pd.DataFrame([{name: _text(value) for name, value in row.items()}])
    write_csv(run / "row.csv", frame)
    return run / "row.csv"


def _of_part(
    part: str, alarms: FalseAlarms, printed: pd.DataFrame, is_alike: bool
) -> Iterator[tuple[str, object]]:
    """Columns of one part of the dataset and their values, without the name of the part."""
    frame = with_parts(alarms.frame, alarms.rules)
    tested = frame[(frame["part"] == part) & frame["kind"].isin(KINDS[2:])]
    names = sorted(set(tested["machine_type"]))
    clips = tested[["n_normal", "n_anomalous", "n_unlabelled"]].to_numpy().sum()
    yield "machine_types", " ".join(names)
    yield "sections", len(tested[["machine_type", "section"]].drop_duplicates())
    yield "test_clips", int(clips) // max(tested["seed"].nunique(), 1)
    means = alarms.means[(alarms.means["part"] == part) & (alarms.means["machine_type"] == "all")]
    ours = means.set_index(["domain", "metric"])[["value", "standard_deviation"]]
    place = names[0] if len(names) == 1 else "all"
    is_mean = (printed["part"] == part) & (printed["machine_type"] == place)
    is_mean &= (printed["section"] == "all") & printed["verdict"].isin(MEASURED)
    beside = printed[is_mean].drop_duplicates(["domain", "metric"])
    by_paper = [
        f"{domain} {metric} {own:.2f} published {published:.2f}"
        for domain, metric, own, published in beside[_BESIDE].itertuples(index=False)
        if not is_alike
    ]
    beside = beside.set_index(["domain", "metric"])
    for name, key in FIGURES.items():
        yield name, 100.0 * ours["value"].get(key, math.nan)
        yield f"{name}_sd", 100.0 * ours["standard_deviation"].get(key, math.nan)
        for column in ("published", "difference"):
            yield f"{name}_{column}", beside[column].get(key) if is_alike else None
    for name, kinds in ALARMS.items():
        counts = tested.loc[tested["kind"].isin(kinds), ["n_false_alarms", "n_normal"]].sum()
        share = counts["n_false_alarms"] / counts["n_normal"] if counts["n_normal"] else math.nan
        yield name, 100.0 * share
    yield "by_paper", "; ".join(by_paper)


def _text(value: object) -> str:
    """A cell: numbers with two digits, nothing for what is not known, never a second line."""
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}"
    return " ".join(str(value).splitlines())
