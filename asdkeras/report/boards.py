"""Runs that may be compared, best first, and what one line of their table says."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from asdkeras.metrics.official import RuleSet
from asdkeras.report.finished_runs import FinishedRun, Measured
from asdkeras.report.scored_runs import SETS

METRIC_NAMES = {
    **{"auc": "AUC", "pauc": "pAUC", "precision": "precision", "recall": "recall", "f1": "F1"},
    "official_score": "official score",
}

Key = tuple[str, str, str]
"""Machine type, domain and metric of a mean."""


class Line(NamedTuple):
    """One line of a table.

    Attributes:
        name: of a run; indented, of a line below it: the spread over trials, or the published
            figures.
        figures: in percent.
        style: `bold` for the best run, `dim` for the lines below a run.
    """

    name: str
    figures: dict[Key, str]
    style: str


@dataclasses.dataclass(frozen=True)
class Board:
    """Runs that were measured on the same clips.

    Attributes:
        dataset: its name.
        part: `dev` or `eval`.
        measured: the clips.
        runs: best first.
    """

    dataset: str
    part: str
    measured: Measured
    runs: tuple[FinishedRun, ...]

    @property
    def rules(self) -> RuleSet:
        """The rules of the dataset."""
        return self.runs[0].rules

    @property
    def title(self) -> str:
        """What all runs share."""
        sections = {place[:2] for place in self.measured}
        domains = {"all"} if "all" in self.rules.rows else set(self.rules.rows)
        num_clips = sum(place[3] + place[4] for place in self.measured if place[2] in domains)
        place = "" if self.rules.name == "plain" else f", {SETS[self.part]}"
        trials = "" if self._has_spread else ", 1 trial each"
        return (
            f"{self.dataset}{place}, percent: {count_of(len(sections), 'section')}, "
            f"{count_of(num_clips, 'clip')}{trials}"
        )

    @property
    def machine_title(self) -> str:
        """What `machine_keys` are."""
        is_joint = self.rules.mean == "harmonic"
        return f"{'mean of all AUCs and pAUCs' if is_joint else 'mean AUC'}, by machine type"

    @property
    def overall_keys(self) -> list[Key]:
        """The means over all machine types that the rules print."""
        keys = [
            ("all", domain, metric)
            for domain in dict.fromkeys((*self.rules.rows, "all"))
            for metric in ("auc", "pauc")
            if self.rules.averaged_rows(metric, domain)
        ]
        is_joint = self.rules.mean == "harmonic"
        return [*keys, ("all", "all", "official_score")] if is_joint else keys

    @property
    def machine_keys(self) -> list[Key]:
        """The headline figure of each machine type; none if there is but one of them."""
        machine_types = sorted({place[0] for place in self.measured})
        metric = headline_metric(self.rules)
        return [(name, "all", metric) for name in machine_types] if len(machine_types) > 1 else []

    @property
    def names(self) -> list[str]:
        """System and variant of each run; if runs share them, where they lie as well."""
        names = [_name(run) for run in self.runs]
        shown = []
        for name, run in zip(names, self.runs, strict=True):
            is_usual = run.folder.parts[-3:] == (run.system, run.variant, run.dataset)
            place = run.folder.parents[2] if is_usual else run.folder
            shown.append(f"{name} ({place})" if names.count(name) > 1 else name)
        return shown

    def means_of(self, run: FinishedRun) -> pd.DataFrame:
        """The means of a run on these clips, by `Key`."""
        means = run.means[run.means["part"] == self.part]
        return means.set_index(["machine_type", "domain", "metric"])

    def lines(self, keys: Sequence[Key], plus_minus: str) -> Iterator[Line]:
        """The lines of a table with these means.

        Args:
            keys: which means.
            plus_minus: a sign that the output knows.

        Yields:
            a line per run, followed by its spread and by the published figures if any.
        """
        for rank, (name, run) in enumerate(zip(self.names, self.runs, strict=True)):
            means = self.means_of(run)
            rows = means.loc[[key for key in keys if key in means.index]]
            is_best = rank == 0 and len(self.runs) > 1
            yield Line(name, _percents(rows["value"]), "bold" if is_best else "")
            if self._has_spread:
                trials = count_of(int(means["n_seeds"].max()), "trial")
                spread = _percents(rows["standard_deviation"])
                text = f"  {plus_minus} over {trials}" if spread else f"  {trials}"
                yield Line(text, spread, "dim")
            printed = _percents(rows["published"])
            if printed:
                yield Line("  published", printed, "dim")

    @property
    def _has_spread(self) -> bool:
        return any(run.means["n_seeds"].max() > 1 for run in self.runs)


def boards_of(runs: Sequence[FinishedRun]) -> list[Board]:
    """Runs grouped by the clips they were measured on, those of one dataset together."""
    groups: dict[tuple[str, str, Measured], list[FinishedRun]] = {}
    for run in runs:
        for part, measured in run.measured.items():
            groups.setdefault((run.dataset, part, measured), []).append(run)
    boards = []
    for (dataset, part, measured), members in groups.items():
        best_first = sorted(members, key=lambda run: (-_headline(run, part), _name(run)))
        boards.append(Board(dataset, part, measured, tuple(best_first)))
    return sorted(boards, key=lambda board: (board.dataset, board.part, -len(board.measured)))


def heading(domain: str, metric: str) -> str:
    """What a column is called that holds a mean over all machine types."""
    name = METRIC_NAMES[metric]
    return name if metric == "official_score" else f"{domain} {name}"


def headline_metric(rules: RuleSet) -> str:
    """The metric that ranks runs."""
    return "official_score" if rules.mean == "harmonic" else "auc"


def count_of(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _headline(run: FinishedRun, part: str) -> float:
    means = run.means.set_index(["part", "machine_type", "domain", "metric"])["value"]
    return float(means[part, "all", "all", headline_metric(run.rules)])


def _name(run: FinishedRun) -> str:
    """What lines call it; names of several systems may be broken between them."""
    return f"{run.system.replace('+', ' + ')} {run.title}"


def _percents(values: "pd.Series[float]") -> dict[Key, str]:
    known = values.dropna()
    return {key: f"{100.0 * value:.2f}" for key, value in zip(known.index, known, strict=True)}
