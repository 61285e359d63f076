"""How much each member of an ensemble counts: weights given, or chosen by labels."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from asdkeras.metrics.development import development_score
from asdkeras.metrics.official import RuleSet, rules_for

_NUM_STEPS = 20  # From 0 to 1 by 0.05: how finely the paper with such weights prints them.


class Choice(NamedTuple):
    """Weights that labels chose.

    Attributes:
        weights: for each member, float `(clips,)`.
        notes: which machine types had no labels to choose by.
        oracle: what was chosen by labels; empty if nothing was.
    """

    weights: list[pd.Series]
    notes: tuple[str, ...]
    oracle: tuple[str, ...]


def given_weights(
    by_machine_type: Sequence[Mapping[str, float]],
    elsewhere: Sequence[float],
    scored: Sequence[pd.Series],
    table: pd.DataFrame,
) -> list[pd.Series]:
    """The weight of each member for every clip; 0 for clips that it does not score.

    Args:
        by_machine_type: for each member, machine type -> weight.
        elsewhere: for each member, its weight where there is none.
        scored: for each member, whether it scores a clip, bool `(clips,)`.
        table: clip table.

    Raises:
        ValueError: if all weights of a machine type are 0.
    """
    weights = [
        pd.Series([of_member.get(str(name), other) for name in table["machine_type"]], table.index)
        * is_scored
        for of_member, other, is_scored in zip(by_machine_type, elsewhere, scored, strict=True)
    ]
    lost = table.loc[pd.concat(weights, axis=1).sum(axis=1) == 0.0, "machine_type"]
    if len(lost):
        raise ValueError(
            "`weights` must leave each machine type a member that counts. "
            f"Received: only zeros for {', '.join(sorted(set(lost)))}"
        )
    return weights


def best_weights(
    answers: Sequence[pd.Series],
    weights: Sequence[pd.Series],
    scored: Sequence[pd.Series],
    table: pd.DataFrame,
) -> Choice:
    """The weights w and 1 - w of two members that are best by labels, for each machine type.

    The best has the highest development score of the machine type, and is the smallest w
    among equals. Weights stay where a machine type has no labels, one member, or more than two.

    Args:
        answers: anomaly scores of each member, float `(clips,)`.
        weights: of `given_weights`.
        scored: for each member, whether it scores a clip, bool `(clips,)`.
        table: clip table.
    """
    rules = rules_for(str(table["dataset"].iloc[0]))
    weights = [weight.copy() for weight in weights]
    chosen: list[str] = []
    unlabelled: list[str] = []
    for machine_type, clips in table.groupby("machine_type"):
        pair = [k for k, is_scored in enumerate(scored) if is_scored[clips.index[0]]]
        if len(pair) != 2:
            continue
        first, second = (answers[k][clips.index] for k in pair)
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
    return Choice(weights, tuple(notes if unlabelled else ()), tuple(oracle if chosen else ()))


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


def describe_weights(
    names: Sequence[str],
    weights: Sequence[pd.Series],
    scored: Sequence[pd.Series],
    table: pd.DataFrame,
) -> list[str]:
    """One line on the weights of those machine types whose members do not all weigh 1.

    Without names of machine types where all of them have the same weights.
    """
    places: dict[str, str] = {}
    groups = table.groupby("machine_type")
    for machine_type, clips in groups:
        at = clips.index[0]
        present = [
            (n, w[at])
            for n, w, is_there in zip(names, weights, scored, strict=True)
            if is_there[at]
        ]
        if any(weight != 1.0 for _, weight in present):
            words = ", ".join(f"{name} {weight:.2f}" for name, weight in present)
            places[str(machine_type)] = words
    if len(places) == len(groups) > 1 and len(set(places.values())) == 1:
        return [f"weights: {next(iter(places.values()))}"]
    lines = [f"{machine_type} {words}" for machine_type, words in places.items()]
    return [f"weights: {'; '.join(lines)}"] if lines else []
