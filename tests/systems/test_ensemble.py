"""An ensemble that cannot be meant is refused where it is built."""

import pytest

from asdkeras.systems.system import Ensemble


def ensemble(pools_trials=False, combine="sum", **options):
    members = {"left": ("fan",), "right": None}
    return Ensemble(members, combine, pools_trials, None, {}, **options)


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


@pytest.mark.parametrize(
    "options", [{"combine": "average"}, {"best_from_labels": (1,), "combine_from_labels": ("max",)}]
)
def test_methods_are_known(options):
    with pytest.raises(ValueError, match=r"one of sum, mean, .* Received: (average|max)$"):
        ensemble(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"combine": "median"},
        {"combine": "maximum"},
        {"best_from_labels": (1,), "combine_from_labels": ("sum", "median")},
    ],
)
def test_methods_without_weights_refuse_them(options):
    weights = {"left": {"fan": 0.5}}
    assert ensemble(combine="rank", weights=weights).weights == weights
    with pytest.raises(ValueError, match=r"weights go with sum, mean, rank.*Received: combine=m"):
        ensemble(weights=weights, **options)


def test_labels_choose_the_weights_of_sums_alone():
    assert ensemble(combine="mean", weights_from_labels=True).weights_from_labels
    for how in ("rank", "maximum"):
        with pytest.raises(ValueError, match=rf"Received: combine='?{how}"):
            ensemble(combine=how, weights_from_labels=True)


def test_labels_choose_weights_or_members():
    with pytest.raises(ValueError, match=r"leave out one. Received: best_from_labels=\(1,\)"):
        ensemble(weights_from_labels=True, best_from_labels=(1,))


def test_numbers_of_members_are_from_1_on():
    assert ensemble(pools_trials=True, best_from_labels=(1, 40)).best_from_labels == (1, 40)
    with pytest.raises(ValueError, match=r"from 1 on. Received: best_from_labels=\(0, 3\)"):
        ensemble(best_from_labels=(0, 3))


def test_methods_are_chosen_together_with_members():
    assert ensemble(best_from_labels=(1,), combine_from_labels=("rank",)).combine == "sum"
    with pytest.raises(ValueError, match=r"goes with `best_from_labels`.*\('rank',\)"):
        ensemble(combine_from_labels=("rank",))
