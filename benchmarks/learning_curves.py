"""Learning curves on one corpus: against auxiliary classes, clips, steps, and pre-training.

    python -m benchmarks.learning_curves --corpus DIR --runs DIR --out results/bench/classes.csv

Trains wilkinghoff2024 on parts of the training clips and scores the same test clips every time, the
development sections of `--scored` machine types. A network learns one of these, or several machine
types together; the development sections alone, or the additional ones as well; their attributes,
or sections and domains alone. All networks of the curves `classes` and `clips` have as many updates
as the one that learns everything by its recipe. The mean spectrum beside it has the same training
clips. Of nejjar2022 there is a curve over pre-training (`--curves pretraining`). Runs that are
there are not repeated. Draws the curves beside (`.svg`).
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import soundfile

from asdkeras.data.clip_table import clip_table, find_clips
from asdkeras.data.labels import domain_labels
from asdkeras.experiment.open_run import run_on_clips
from asdkeras.experiment.recipe import find_recipe, load_recipe
from asdkeras.metrics.official import rules_for
from benchmarks.drawn import draw_curves
from benchmarks.trials import (
    finish,
    is_missing,
    overrides_for,
    percent,
    pooled,
    print_markdown,
    rounded,
    write_rows,
)

LEARNER, CONTROL, PRETRAINED = "wilkinghoff2024", "controls2026", "nejjar2022"
CURVES = ("classes", "clips", "steps", "pretraining")
SHOWN = ("curves", "system", "machine_types", "sections", "attributes", "classes")
SHOWN += ("clips_per_section", "steps")


class Point(NamedTuple):
    """What a network learns; None is all there is."""

    curves: tuple[str, ...]
    machine_types: int | None = None
    has_additional: bool = True
    has_attributes: bool = True
    clips: int | None = None  # Per section.
    epochs: int | None = None  # None: as many updates as the network that learns everything.


class Reference(NamedTuple):
    """What all points share."""

    table: pd.DataFrame
    scored: tuple[str, ...]
    epochs: int
    batch_size: int

    @property
    def steps(self) -> int:
        """Updates of the network that learns everything by its recipe."""
        return self.epochs * self.steps_per_epoch(self.table)

    def steps_per_epoch(self, table: pd.DataFrame) -> int:
        """Batches, of which the last may be smaller."""
        return math.ceil(int((table["split"] == "train").sum()) / self.batch_size)


def points(options: argparse.Namespace) -> list[Point]:
    """The grid; the network that learns everything belongs to three curves."""
    grid = [
        Point(("classes",), 1, has_additional=False, has_attributes=False),
        Point(("classes",), 1, has_additional=False),
        Point(("classes",), 1),
        Point(("classes",), 2),
        Point(("classes",), has_additional=False),
        Point(("classes",), has_attributes=False),
        Point(("classes", "clips", "steps")),
        *(Point(("clips",), clips=count) for count in options.clips),
        *(Point(("steps",), epochs=count) for count in options.epochs),
    ]
    return [point for point in grid if {*point.curves} & {*options.curves}]


def main() -> None:
    """Train, measure, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--curves", nargs="+", choices=CURVES, default=list(CURVES[:3]))
    parser.add_argument("--scored", nargs="+", help="machine types; default: every second one")
    parser.add_argument("--clips", type=int, nargs="+", default=[12, 25, 50], help="per section")
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 3, 30], help="of all clips")
    parser.add_argument("--pretraining", type=int, nargs="+", default=[2, 8, 32], help="epochs")
    parser.add_argument("--set", action="append", default=[], metavar="[SYSTEM:]KEY=VALUE")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    table, _ = clip_table(options.corpus, find_clips(options.corpus))
    names = sorted(set(table["machine_type"]))
    config = config_of(LEARNER, table, options)
    scored = tuple(options.scored or names[::2])
    reference = Reference(table, scored, int(config["epochs"]), int(config["batch_size"]))
    rows = []
    for point in points(options):
        rows.append(row_of(point, reference, options))
        write_rows(options.out, rows)
    if "pretraining" in options.curves:
        for epochs in options.pretraining:
            rows.append(pretraining_row(epochs, reference, options))
            write_rows(options.out, rows)
    draw(options.out.with_suffix(".svg"), rows)
    print_markdown(
        [*(name.replace("_", " ") for name in SHOWN), "official score", "mean spectrum"],
        map(cells_of, rows),
    )


def row_of(point: Point, reference: Reference, options: argparse.Namespace) -> dict[str, object]:
    """Train the networks of a point, one for each group of machine types, and score them as one."""
    groups = list(groups_of(point, reference))
    tables = [part_of(reference.table, group, point) for group in groups]
    found, classes, steps = [], set(), set()
    for group, table in zip(groups, tables, strict=True):
        per_epoch = reference.steps_per_epoch(table)
        epochs = point.epochs or max(1, round(reference.steps / per_epoch))
        name = f"{'+'.join(group)}_{'all' if point.has_additional else 'development'}"
        name += f"_{point.clips or 'all'}clips_{epochs}epochs" + "_merged" * (
            not point.has_attributes
        )
        change = f"config.epochs={epochs}"
        found.append(scores_of(LEARNER, table, options.runs / name, options, [change], reference))
        training = table[table["split"] == "train"]
        classes.add(len(domain_labels(training.reset_index(drop=True)).classes))
        steps.add(epochs * per_epoch)
        print(f"    {name}: {len(training)} clips, {max(steps)} updates", flush=True)
    rules = rules_for(str(reference.table["dataset"].iloc[0]))
    # The spectrum of a clip is compared with its own section alone, and with no attribute.
    alone = Point((), has_additional=False, clips=point.clips)
    everything = part_of(reference.table, reference.scored, alone)
    own = options.runs / f"control_{point.clips or 'all'}clips"
    control = scores_of(CONTROL, everything, own, options, [], reference)
    training = [table[table["split"] == "train"] for table in tables]
    row = {
        "curves": " ".join(point.curves),
        "system": LEARNER,
        "machine_types": len(groups[0]),
        "sections": len(training[0][["machine_type", "section"]].drop_duplicates()),
        "attributes": "kept" if point.has_attributes else "merged",
        "classes": max(classes),
        "clips_per_section": training[0].groupby(["machine_type", "section"]).size().max(),
        "training_clips": max(map(len, training)),
        "networks": len(groups),
        "steps": max(steps),
        "trials": len(options.seeds),
        **pooled(found, rules),
        "mean_spectrum": pooled([control], rules)["official_score"],
    }
    return rounded(row)


def groups_of(point: Point, reference: Reference) -> Iterator[tuple[str, ...]]:
    """Machine types that are learned together, so that every scored one is in one group."""
    names = sorted(set(reference.table["machine_type"]))
    size = point.machine_types or len(names)
    if size >= len(reference.scored):
        others = [name for name in names if name not in reference.scored]
        yield tuple(sorted((*reference.scored, *others[: size - len(reference.scored)])))
        return
    for start in range(0, len(reference.scored), size):
        yield reference.scored[start : start + size]


def part_of(table: pd.DataFrame, machine_types: Sequence[str], point: Point) -> pd.DataFrame:
    """The clips of a point: its training clips, and all test clips of its machine types.

    The few training clips of the target domain stay; of the others the first ones are taken, in
    which conditions take turns.
    """
    table = table[table["machine_type"].isin(machine_types)]
    key = ["machine_type", "section"]
    if not point.has_additional:
        tested = table.loc[table["split"] == "test", key].drop_duplicates()
        table = table.merge(tested, on=key)
    is_training = table["split"] == "train"
    if point.clips is not None:
        is_target = is_training & (table["domain"] == "target")
        num_target = is_target.groupby([table[name] for name in key]).transform("sum")
        numbers = table[is_training & ~is_target].groupby(key).cumcount()
        is_first = numbers < (point.clips - num_target)[numbers.index]
        is_training = is_target | is_first.reindex(table.index, fill_value=False)
        table = table[is_training | (table["split"] == "test")]
    if not point.has_attributes:
        table = table.assign(attributes=table["attributes"].mask(table["split"] == "train", ""))
    return table.reset_index(drop=True)


def scores_of(
    system: str,
    table: pd.DataFrame,
    runs: Path,
    options: argparse.Namespace,
    changes: Sequence[str],
    reference: Reference,
) -> dict[int, tuple[pd.DataFrame, pd.Series]]:
    """Clips and scores of each trial of a run on a clip table, of the scored machine types."""
    seeds = options.seeds[:1] if system == CONTROL else options.seeds
    own = [f"seeds={seeds}", *overrides_for(system, options.set), *changes]
    run = run_on_clips(system, table, options.corpus, overrides=own, runs=runs)
    scores = finish(run)
    trials = {}
    for seed, trial in scores.of(scores.main_score).items():
        is_scored = trial.table["machine_type"].isin(reference.scored)
        trials[seed] = (trial.table[is_scored], trial.anomaly_scores[is_scored])
    return trials


def pretraining_row(
    epochs: int, reference: Reference, options: argparse.Namespace
) -> dict[str, object]:
    """DG-Mix after so many epochs of pre-training on the machine types that are scored."""
    table = part_of(reference.table, reference.scored, Point(("pretraining",)))
    changes = [f"config.pretraining.epochs={epochs}"]
    runs = options.runs / f"pretraining_{epochs}epochs"
    trials = scores_of(PRETRAINED, table, runs, options, changes, reference)
    training = table[table["split"] == "train"]
    row = {
        "curves": "pretraining",
        "system": PRETRAINED,
        "sections": len(training[["machine_type", "section"]].drop_duplicates()),
        "training_clips": len(training),
        "networks": len(reference.scored),
        "steps": epochs * updates_per_epoch(config_of(PRETRAINED, table, options), training),
        "trials": len(options.seeds),
        **pooled([trials], rules_for(str(table["dataset"].iloc[0]))),
    }
    return rounded(row)


def updates_per_epoch(config: dict[str, Any], training: pd.DataFrame) -> int:
    """Batches of windows of one machine type, as `asdkeras.systems.nejjar.two_phases` has them."""
    front_end = config["front_end"]
    samples = front_end["clip_length"] or soundfile.info(training["path"].iloc[0]).frames
    frames = 1 + samples // front_end["hop_length"]
    windows = 1 + (frames - config["num_frames"]) // config["window_hop"]
    clips = int(training.groupby("machine_type").size().max())
    return int(clips * windows // config["pretraining"]["batch_size"])


def config_of(system: str, table: pd.DataFrame, options: argparse.Namespace) -> dict[str, Any]:
    """The config of a system's recipe for the corpus, as changed by `--set`."""
    source = find_recipe(system, str(table["dataset"].iloc[0]), None)
    return load_recipe(source, system, overrides=overrides_for(system, options.set)).config


def cells_of(row: dict[str, object]) -> list[object]:
    """A line of the table of a README."""
    names = ["" if is_missing(row.get(name)) else row[name] for name in SHOWN]
    score = percent(row["official_score"], row["official_score_sd"])
    return [*names, score, percent(row.get("mean_spectrum"))]


def draw(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """A panel for each curve; merged attributes make classes of another kind and are left out."""
    places = {
        "classes": "classes",
        "clips": "clips_per_section",
        "steps": "steps",
        "pretraining": "steps",
    }
    panels = {}
    for curve, place in places.items():
        own = [row for row in rows if curve in str(row["curves"]).split()]
        own = [row for row in own if row["attributes"] != "merged"]
        title = {"pretraining": "updates of pre-training"}.get(curve, place.replace("_", " "))
        lines = {"system": [(r[place], 100 * r["official_score"]) for r in own]}
        if curve != "pretraining":
            lines["mean spectrum"] = [(r[place], 100 * r["mean_spectrum"]) for r in own]
        if len({row[place] for row in own}) > 1:
            panels[title] = lines
    if panels:
        draw_curves(path, panels, "official score, percent; hollow: mean spectrum")


if __name__ == "__main__":
    main()
