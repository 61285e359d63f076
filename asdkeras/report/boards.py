"""Runs that may be compared, best first, and what one line of their table says."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from asdkeras.metrics.official import RuleSet
from asdkeras.report.finished_runs import FinishedRun, Measured

_SETS = {"dev": "development set", "eval": "evaluation set"}

Key = tuple[str, str, str]
"""Machine type, domain and metric of a mean."""


class Line(NamedTuple):
    """One line of a table.

    Attributes:
        name: of a run, or indented what stands below it: its spread over trials, or what its
            paper prints.
        figures: in percent.
        style: `bold` for the best run, `dim` for what stands below a run.
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
        place = "" if self.rules.name == "plain" else f", {_SETS[self.part]}"
        trials = "" if self._has_spread else ", 1 trial each"
        return (
            f"{self.dataset}{place}, percent: {_count(len(sections), 'section')}, "
            f"{_count(num_clips, 'clip')}{trials}"
        )

    @property
    def machine_title(self) -> str:
        """What `machine_keys` are."""
        is_joint = self.rules.mean == "harmonic"
        return f"{'mean of all AUCs and pAUCs' if is_joint else 'mean AUC'}, by machine type"

    @property
    def overall_keys(self) -> list[Key]:
        """The means over all machine types that the rules print."""
        domains = dict.fromkeys((*self.rules.rows, "all"))
        keys = [
            ("all", domain, metric)
            for domain in domains
            for metric in ("auc", "pauc")
            if self.rules.averaged_rows(metric, domain)
        ]
        is_joint = self.rules.mean == "harmonic"
        return [*keys, ("all", "all", "official_score")] if is_joint else keys

    @property
    def machine_keys(self) -> list[Key]:
        """The headline figure of each machine type; none if there is but one of them."""
        machine_types = sorted({place[0] for place in self.measured})
        if len(machine_types) < 2:
            return []
        return [(name, "all", _headline_metric(self.rules)) for name in machine_types]

    @property
    def names(self) -> list[str]:
        """System and variant of each run; if runs share them, where they lie as well."""
        names = [_name(run) for run in self.runs]
        return [
            f"{name} ({_place(run)})" if names.count(name) > 1 else name
            for name, run in zip(names, self.runs, strict=True)
        ]

    def lines(self, keys: Sequence[Key], plus_minus: str) -> Iterator[Line]:
        """The lines of a table with these means.

        Args:
            keys: which means.
            plus_minus: a sign that the output knows.

        Yields:
            a line per run, followed by its spread and by the published figures if any.
        """
        for rank, (name, run) in enumerate(zip(self.names, self.runs, strict=True)):
            means = run.means[run.means["part"] == self.part]
            of_place = means.set_index(["machine_type", "domain", "metric"])
            rows = of_place.loc[[key for key in keys if key in of_place.index]]
            is_best = rank == 0 and len(self.runs) > 1
            yield Line(name, _percents(rows["value"]), "bold" if is_best else "")
            if self._has_spread:
                trials = _count(int(means["n_seeds"].max()), "trial")
                spread = _percents(rows["standard_deviation"])
                yield Line(
                    f"  {plus_minus} over {trials}" if spread else f"  {trials}", spread, "dim"
                )
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


def _headline_metric(rules: RuleSet) -> str:
    return "official_score" if rules.mean == "harmonic" else "auc"


def _headline(run: FinishedRun, part: str) -> float:
    means = run.means.set_index(["part", "machine_type", "domain", "metric"])["value"]
    return float(means[part, "all", "all", _headline_metric(run.rules)])


def _name(run: FinishedRun) -> str:
    """What lines call it; names of several systems may be broken between them."""
    return f"{run.system.replace('+', ' + ')} {run.title}"


def _place(run: FinishedRun) -> Path:
    """The folder of all runs if this one lies there in the usual way, else its own."""
    usual = (run.system, run.variant, run.dataset)
    return run.folder.parents[2] if run.folder.parts[-3:] == usual else run.folder


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _percents(values: "pd.Series[float]") -> dict[Key, str]:
    return {
        (str(key[0]), str(key[1]), str(key[2])): f"{100.0 * value:.2f}"
        for key, value in zip(values.index, values, strict=True)
        if not math.isnan(value)
    }
