"""An ensemble that cannot be meant is refused where it is built."""

import pytest

from asdkeras.scorers.combination import Combination
from asdkeras.systems.system import Ensemble


def ensemble(combination=None, **options):
    members = {"left": ("fan",), "right": None}
    return Ensemble(members, combination or Combination("sum"), thresholds=None, **options)


def test_weights_name_members():
    with pytest.raises(ValueError, match=r"must name members. Received: rigth"):
        ensemble(weights={"left": {"fan": 0.5}, "rigth": {"fan": 0.5}})


def test_weights_are_not_below_zero():
    assert ensemble(weights={"left": {"fan": 0.0}}).weights["left"] == {"fan": 0.0}
    with pytest.raises(ValueError, match=r"must not be below 0. Received: .*-0.1"):
        ensemble(weights={"left": {"fan": -0.1}})


def test_labels_do_not_choose_the_weights_of_pooled_trials():
    combination = Combination("sum", weights_from_labels=True)
    assert ensemble(combination, weights={"left": {"fan": 0.5}}).combination == combination
    with pytest.raises(ValueError, match=r"leave out `pools_trials`. Received: pools_trials=True"):
        ensemble(combination, pools_trials=True)


@pytest.mark.parametrize(
    "combination",
    [
        Combination("median"),
        Combination("maximum"),
        Combination("sum", best_from_labels=(1,), methods_from_labels=("sum", "median")),
    ],
)
def test_methods_without_weights_refuse_them(combination):
    weights = {"left": {"fan": 0.5}}
    assert ensemble(Combination("rank"), weights=weights).weights == weights
    with pytest.raises(ValueError, match=r"weights go with sum, mean, rank.*Received: how=m"):
        ensemble(combination, weights=weights)
