"""What labels of test clips choose of an ensemble: weights of its members, or the members.

What is chosen so has seen labels of test clips: it says what would have been best, not what
can be had, and is marked as an oracle.
"""

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


# A machine type, or a domain of it, that members are chosen for: its name, the rows of the
# machine type, and those of the group.
_Group = tuple[str, NDArray[np.intp], NDArray[np.intp]]


def best_members(
    scores: _Floats,
    weights: _Floats | None,
    names: Sequence[str],
    table: pd.DataFrame,
    combination: Combination,
) -> tuple[_Floats, tuple[str, ...], tuple[str, ...]]:
    """Combine the n best members of each machine type and domain, n and method by labels too.

    The best have the highest development score of the machine type, measured on the clips of
    the domain alone. Of all numbers and methods, those count whose combined score has the
    highest; among equals the first. Where the rules set the normal clips of a domain against
    anomalies of both (2022 and later) or know no domains, a machine type has one choice: the
    scores of its domains meet in one AUC and must be of one kind. Where there are no labels, all
    members are combined as the combination says.

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
    for group in _groups(table, rules):
        name, _, rows = group
        choice = _best(scores, weights, table, group, rules, combination)
        if choice is None:
            unlabelled.append(name)
            continue
        result[rows], members, method = choice
        how = f" by {method}" if len(set(combination.methods)) > 1 else ""
        chosen.append(f"{name} {', '.join(names[k] for k in members)}{how}")
    notes = [f"chosen by labels: {'; '.join(chosen)}"] if chosen else []
    if unlabelled:
        notes.append(
            f"there are no labels to choose members for {', '.join(unlabelled)} by: all count "
            f"there, by {combination.how}"
        )
    oracle = ["the labels of development test clips chose which members count, and how"]
    return result, tuple(notes), tuple(oracle if chosen else ())


def _groups(table: pd.DataFrame, rules: RuleSet) -> Iterator[_Group]:
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


def _best(
    scores: _Floats,
    weights: _Floats | None,
    table: pd.DataFrame,
    group: _Group,
    rules: RuleSet,
    combination: Combination,
) -> tuple[_Floats, list[int], Method] | None:
    _, of_machine, rows = group
    clips, machine = table.iloc[rows], table.iloc[of_machine]
    is_test = (clips["split"] == "test").to_numpy(dtype=bool)
    measured = {}
    for number, row in enumerate(scores[:, rows]):
        counts = weights is None or (weights[number, rows] > 0.0).all()
        if counts and np.isfinite(row[is_test]).all():
            score = development_score(clips, row, rules)
            if score is not None:
                measured[number] = score
    best_first = sorted(measured, key=lambda number: -measured[number])
    counts_of = {min(number, len(best_first)) for number in combination.best_from_labels} - {0}

    best, highest = None, -np.inf
    for how in dict.fromkeys(combination.methods):
        for count in sorted(counts_of):
            members = sorted(best_first[:count])
            part = np.ix_(np.array(members), of_machine)
            of_part = None if weights is None else weights[part]
            result = combine_by_section(scores[part], machine, how, of_part)
            inside = result[np.isin(of_machine, rows)]
            score = development_score(clips, inside, rules)
            if score is not None and score > highest:
                best, highest = (inside, members, how), score
    return best
