"""What labels of test clips choose of an ensemble: weights of its members, or the members.

What is chosen so has seen labels of test clips: it says what would have been best, not what
can be had, and is marked as an oracle.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.metrics.development import development_score
from asdkeras.metrics.official import RuleSet, rules_for
from asdkeras.scorers.combination import Combination, Method, combine_by_section

_NUM_STEPS = 20  # From 0 to 1 by 0.05: how finely the paper with such weights prints them.
_Floats = NDArray[np.float64]


def best_weights(
    scores: Sequence[pd.Series],
    weights: Sequence[pd.Series],
    scored: Sequence[pd.Series],
    table: pd.DataFrame,
) -> tuple[list[pd.Series], tuple[str, ...], tuple[str, ...]]:
    """The weights w and 1 - w of two members that are best by labels, for each machine type.

    The best has the highest development score of the machine type, and is the smallest w
    among equals. Weights stay where a machine type has no labels, one member, or more than two.

    Args:
        scores: main scores of each member; like `weights` float `(clips,)` each.
        scored: for each member, whether it scores a clip, bool `(clips,)`.

    Returns:
        weights of each member; notes on machine types without labels; what was chosen by labels,
        empty if nothing was.
    """
    rules = rules_for(str(table["dataset"].iloc[0]))
    weights = [weight.copy() for weight in weights]
    chosen: list[str] = []
    unlabelled: list[str] = []
    for machine_type, clips in table.groupby("machine_type"):
        pair = [k for k, is_scored in enumerate(scored) if is_scored[clips.index[0]]]
        if len(pair) != 2:
            continue
        first, second = (scores[k][clips.index] for k in pair)
        weight = _best_weight(first, second, clips, rules)
        if weight is None:
            unlabelled.append(str(machine_type))
            continue
        chosen.append(str(machine_type))
        weights[pair[0]].loc[clips.index] = weight
        weights[pair[1]].loc[clips.index] = 1.0 - weight
    notes = [f"there are no labels to choose the weights for {', '.join(unlabelled)} by"]
    oracle = [
        "the labels of development test clips chose the weights of the members for "
        + ", ".join(chosen)
    ]
    return weights, tuple(notes if unlabelled else ()), tuple(oracle if chosen else ())


def _best_weight(
    first: pd.Series, second: pd.Series, clips: pd.DataFrame, rules: RuleSet
) -> float | None:
    best, highest = None, -np.inf
    for step in range(_NUM_STEPS + 1):
        weight = step / _NUM_STEPS
        score = development_score(clips, weight * first + (1.0 - weight) * second, rules)
        if score is not None and score > highest:
            best, highest = weight, score
    return best


def best_members(
    scores: _Floats,
    weights: _Floats | None,
    names: Sequence[str],
    table: pd.DataFrame,
    combination: Combination,
) -> tuple[_Floats, tuple[str, ...], tuple[str, ...]]:
    """Combine the n best members of each machine type and domain, n and method by labels too.

    The best have the highest development score of the machine type, or of each section of it,
    measured on the clips of the domain alone. Of all numbers and methods, those count whose
    combined score has the highest; among equals the first. Where the rules set the normal clips
    of a domain against anomalies of both (2022 and later) or know no domains, a machine type has
    one choice: the scores of its domains meet in one AUC and must be of one kind. Where there are
    no labels, all members are combined as the combination says; a section without labels, of a
    machine type that has some, goes by those of its other sections.

    Args:
        scores: float, `(members, clips)`; NaN where a member does not score a clip. A member
            that lacks a test clip of a group is not chosen there.
        weights: float from 0 on, `(members, clips)`; None weighs all alike.
        combination: its `best_from_labels` and `methods` are what is chosen from; where there
            are fewer members than a number, all of them.

    Returns:
        scores, float `(clips,)`; notes on which members count where, and where there were no
        labels; what was chosen by labels, empty if nothing was.
    """
    rules = rules_for(str(table["dataset"].iloc[0]))
    result = combine_by_section(scores, table, combination.how, weights)
    chosen, unlabelled = [], []
    for name, of_machine, rows in _places(table, rules):
        group = _Group(scores, weights, table, rules, combination, of_machine, rows)
        choice = _best(group)
        if choice is None:
            unlabelled.append(name)
            continue
        result[rows], plan = choice
        words = {
            section: ", ".join(names[k] for k in members)
            + (f" by {method}" if len(set(combination.methods)) > 1 else "")
            for section, (members, method) in plan.items()
        }
        if len(set(words.values())) > 1:
            name += " section"
            words = {section: f"{section} {text}" for section, text in words.items()}
        chosen.append(f"{name} {' / '.join(dict.fromkeys(words.values()))}")
    notes = [f"chosen by labels: {'; '.join(chosen)}"] if chosen else []
    if unlabelled:
        notes.append(
            f"there are no labels to choose members for {', '.join(unlabelled)} by: all count "
            f"there, by {combination.how}"
        )
    oracle = ["the labels of development test clips chose which members count, and how"]
    return result, tuple(notes), tuple(oracle if chosen else ())


def _places(
    table: pd.DataFrame, rules: RuleSet
) -> Iterator[tuple[str, NDArray[np.intp], NDArray[np.intp]]]:
    """What members are chosen for: name, rows of the machine type, rows of the domain of it."""
    tells_domains = rules.anomalies == "own" and "source" in rules.rows
    for machine_type, positions in table.groupby("machine_type").indices.items():
        of_machine = np.asarray(positions)
        if not tells_domains:
            yield str(machine_type), of_machine, of_machine
            continue
        domains = table["domain"].iloc[of_machine].fillna("of unknown domain")
        for domain in sorted(set(domains)):
            rows = of_machine[(domains == domain).to_numpy(dtype=bool)]
            yield f"{machine_type} {domain}", of_machine, rows


_Plan = dict[str, tuple[list[int], Method]]  # Section -> members, one perhaps twice, and method.


@dataclasses.dataclass(frozen=True)
class _Group:
    """A machine type, or a domain of it, that members are chosen for.

    Attributes:
        of_machine: rows of the machine type, among whose test clips ranks are.
        rows: those of the group.
    """

    scores: _Floats
    weights: _Floats | None
    table: pd.DataFrame
    rules: RuleSet
    combination: Combination
    of_machine: NDArray[np.intp]
    rows: NDArray[np.intp]

    def sections(self) -> dict[str, NDArray[np.intp]]:
        """Rows of each section."""
        sections = self.table["section"].iloc[self.rows].to_numpy(str)
        return {str(each): self.rows[sections == each] for each in np.unique(sections)}

    def measured(self, rows: NDArray[np.intp], scores: _Floats) -> float | None:
        """The development score of some clips."""
        return development_score(self.table.iloc[rows], scores, self.rules)

    def best_first(self, rows: NDArray[np.intp]) -> list[int]:
        """The members that score the group, by the labels of some of its clips; none without."""
        is_test = (self.table["split"].iloc[self.rows] == "test").to_numpy(dtype=bool)
        measured = {}
        for number, row in enumerate(self.scores):
            counts = self.weights is None or (self.weights[number, self.rows] > 0.0).all()
            if counts and np.isfinite(row[self.rows][is_test]).all():
                score = self.measured(rows, row[rows])
                if score is not None:
                    measured[number] = score
        return sorted(measured, key=lambda number: -measured[number])

    def combined(self, rows: NDArray[np.intp], members: list[int], how: Method) -> _Floats:
        """Scores of some clips of the group."""
        part = np.ix_(np.array(members), self.of_machine)
        of_part = None if self.weights is None else self.weights[part]
        machine = self.table.iloc[self.of_machine]
        result = combine_by_section(self.scores[part], machine, how, of_part)
        return result[np.isin(self.of_machine, rows)]

    def best_method(self, rows: NDArray[np.intp], members: list[int]) -> Method:
        best, highest = self.combination.how, -np.inf
        for how in dict.fromkeys(self.combination.methods):
            score = self.measured(rows, self.combined(rows, members, how))
            if score is not None and score > highest:
                best, highest = how, score
        return best


def _best(group: _Group) -> tuple[_Floats, _Plan] | None:
    """Scores of a group, `(clips of it,)`, and what made them; None without labels."""
    rule, sections = group.combination, group.sections()
    ranking = group.best_first(group.rows)
    by_section = {section: group.best_first(rows) for section, rows in sections.items()}
    counts = {min(number, len(ranking)) for number in rule.best_from_labels} - {0}
    methods = (None,) if rule.method_of == "section" else tuple(dict.fromkeys(rule.methods))

    best, highest = None, -np.inf
    for how in methods:
        for count in sorted(counts):
            scores = np.full(len(group.table), np.nan)
            plan: _Plan = {}
            for section, rows in sections.items():
                members = ranking[:count]
                if rule.best_of == "section":
                    members = (by_section[section] or ranking)[:count]
                elif rule.best_of == "pooled_sections":
                    members = [one for each in by_section.values() for one in each[:count]]
                method = how or group.best_method(rows, members)
                plan[section] = sorted(members), method
                scores[rows] = group.combined(rows, sorted(members), method)
            score = group.measured(group.rows, scores[group.rows])
            if score is not None and score > highest:
                best, highest = (scores[group.rows], plan), score
    return best
