"""Which members of an ensemble count, and how, chosen by labels for each machine and domain.

What is chosen so has seen labels of test clips: it says what would have been best, not what
can be had, and is marked as an oracle.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.metrics.development import development_score
from asdkeras.metrics.official import RuleSet, rules_for
from asdkeras.scorers.ensembles import Method, combine_by_section

_Array = NDArray[np.float64]


class Best(NamedTuple):
    """What the best members say together.

    Attributes:
        scores: float, `(clips,)`.
        notes: which members count where, and where there were no labels to choose by.
        oracle: what was chosen by labels; empty if nothing was.
    """

    scores: _Array
    notes: tuple[str, ...]
    oracle: tuple[str, ...]


class _Place(NamedTuple):
    """A machine type, or a domain of it, that members are chosen for."""

    name: str
    of_machine: NDArray[np.intp]
    rows: NDArray[np.intp]


class _Choice(NamedTuple):
    members: tuple[int, ...]
    how: Method
    scores: _Array


def combine_best(
    answers: _Array,
    weights: _Array | None,
    names: Sequence[str],
    table: pd.DataFrame,
    *,
    numbers: Sequence[int],
    methods: Sequence[Method],
    otherwise: Method,
) -> Best:
    """Combine the n best members of each machine type and domain, n and method by labels too.

    The best have the highest development score of the machine type, measured on the clips of
    the domain alone. Of all numbers and methods, those count whose combined score has the
    highest; among equals the first. Where the rules set the normal clips of a domain against
    anomalies of both (2022 and later) or know no domains, a machine type has one choice: the
    scores of its domains meet in one AUC and must be of one kind.

    Args:
        answers: float, `(members, clips)`; NaN where a member does not score a clip. A member
            that lacks a test clip of a place is not chosen there.
        weights: float from 0 on, `(members, clips)`; None weighs all alike.
        names: of the members.
        table: clip table, in the order of the answers.
        numbers: how many members may count; where there are fewer, all of them.
        methods: how they may be combined.
        otherwise: how all members are combined where there are no labels.
    """
    rules = rules_for(str(table["dataset"].iloc[0]))
    scores = combine_by_section(answers, table, otherwise, weights)
    chosen, unlabelled = [], []
    for place in _places(table, rules):
        choice = _best(answers, weights, table, place, rules, numbers, methods)
        if choice is None:
            unlabelled.append(place.name)
            continue
        scores[place.rows] = choice.scores[np.isin(place.of_machine, place.rows)]
        how = f" by {choice.how}" if len(set(methods)) > 1 else ""
        chosen.append(f"{place.name} {', '.join(names[k] for k in choice.members)}{how}")
    notes = [f"chosen by labels: {'; '.join(chosen)}"] if chosen else []
    if unlabelled:
        notes.append(
            f"there are no labels to choose members for {', '.join(unlabelled)} by: all count "
            f"there, by {otherwise}"
        )
    oracle = ["the labels of development test clips chose which members count, and how"]
    return Best(scores, tuple(notes), tuple(oracle if chosen else ()))


def _places(table: pd.DataFrame, rules: RuleSet) -> Iterator[_Place]:
    tells_domains = rules.anomalies == "own" and "source" in rules.rows
    for machine_type, positions in table.groupby("machine_type").indices.items():
        of_machine = np.asarray(positions)
        if not tells_domains:
            yield _Place(str(machine_type), of_machine, of_machine)
            continue
        domains = table["domain"].iloc[of_machine].fillna("of unknown domain")
        for domain in sorted(set(domains)):
            rows = of_machine[(domains == domain).to_numpy(dtype=bool)]
            yield _Place(f"{machine_type} {domain}", of_machine, rows)


def _best(
    answers: _Array,
    weights: _Array | None,
    table: pd.DataFrame,
    place: _Place,
    rules: RuleSet,
    numbers: Sequence[int],
    methods: Sequence[Method],
) -> _Choice | None:
    """The choice for a place; its scores are those of the whole machine type."""
    clips, machine = table.iloc[place.rows], table.iloc[place.of_machine]
    is_test = (clips["split"] == "test").to_numpy(dtype=bool)
    measured = {}
    for number, answer in enumerate(answers[:, place.rows]):
        counts = weights is None or (weights[number, place.rows] > 0.0).all()
        if counts and np.isfinite(answer[is_test]).all():
            score = development_score(clips, answer, rules)
            if score is not None:
                measured[number] = score
    best_first = sorted(measured, key=lambda number: -measured[number])

    best, highest = None, -np.inf
    for how in dict.fromkeys(methods):
        for count in sorted({min(number, len(best_first)) for number in numbers} - {0}):
            members = sorted(best_first[:count])
            part = np.ix_(np.array(members), place.of_machine)
            of_part = None if weights is None else weights[part]
            scores = combine_by_section(answers[part], machine, how, of_part)
            inside = scores[np.isin(place.of_machine, place.rows)]
            score = development_score(clips, inside, rules)
            if score is not None and score > highest:
                best, highest = _Choice(tuple(members), how, scores), score
    return best
