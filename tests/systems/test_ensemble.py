"""An ensemble that cannot be meant is refused where it is built."""

import pytest

from asdkeras.systems.system import Ensemble


def ensemble(pools_trials=False, **options):
    members = {"left": ("fan",), "right": None}
    return Ensemble(members, "sum", pools_trials, None, {}, **options)


def test_weights_name_members():
    with pytest.raises(ValueError, match=r"must name members. Received: rigth"):
        ensemble(weights={"left": {"fan": 0.5}, "rigth": {"fan": 0.5}})


def test_weights_are_not_below_zero():
    assert ensemble(weights={"left": {"fan": 0.0}}).weights["left"] == {"fan": 0.0}
    with pytest.raises(ValueError, match=r"must not be below 0. Received: .*-0.1"):
        ensemble(weights={"left": {"fan": -0.1}})


def test_labels_do_not_choose_the_weights_of_pooled_trials():
    assert ensemble(weights_from_labels=True, weights={"left": {"fan": 0.5}}).weights_from_labels
    with pytest.raises(ValueError, match=r"leave out `pools_trials`. Received: pools_trials=True"):
        ensemble(weights_from_labels=True, pools_trials=True)
