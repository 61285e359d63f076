"""Scores of several members for the same clips made one."""

import keras
import numpy as np
import pandas as pd
import pytest

from asdkeras.scorers.combination import (
    METHODS,
    WEIGHTED,
    Combination,
    combine,
    combine_by_section,
    combine_tensors,
)
from asdkeras.scorers.section_standardization import section_moments
from tests.golden import load_golden

SCORES = np.array(
    [
        [0.5, 2.0, 2.0, -1.0, np.nan, 7.0],
        [np.nan, 0.1, 0.3, 0.3, 0.3, -4.0],
        [1.0, -2.0, np.nan, 5.0, 6.0, 1.0],
    ]
)


def rank_among(score, references):
    """By counting; of a reference itself, its average rank."""
    lower = sum(each < score for each in references)
    alike = sum(each == score for each in references)
    return lower + 0.5 * alike + 0.5


def naive(scores, how, weights, is_reference):
    """One clip after the other, in plain Python."""
    result = []
    for clip in range(scores.shape[1]):
        values, of_values = [], []
        for row, weight in zip(scores, weights, strict=True):
            if np.isnan(row[clip]) or weight == 0.0:
                continue
            scored = [k for k in range(len(row)) if not np.isnan(row[k])]
            counted = [k for k in scored if is_reference[k]] or scored
            references = [row[k] for k in counted]
            values.append(rank_among(row[clip], references) if how == "rank" else row[clip])
            of_values.append(weight)
        total = sum(w * value for w, value in zip(of_values, values, strict=True))
        ordered = sorted(values)
        middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
        result.append(
            {
                "sum": total,
                "mean": total / sum(of_values),
                "rank": total / sum(of_values),
                "median": middle,
                "maximum": ordered[-1],
            }[how]
        )
    return result


@pytest.mark.parametrize("how", METHODS)
def test_each_method_is_what_it_says_for_every_clip(how):
    is_reference = np.array([True, True, False, True, False, True])

    result = combine(SCORES, how, ranked_among=is_reference)

    expected = naive(SCORES, how, [1.0, 1.0, 1.0], is_reference)
    np.testing.assert_allclose(result, expected, rtol=1e-14)


@pytest.mark.parametrize(("how", "expected"), [("maximum", -2.0), ("median", -2.5), ("sum", -5.0)])
def test_a_member_that_is_left_out_has_no_score_of_0(how, expected):
    np.testing.assert_array_equal(combine([[-3.0], [np.nan], [-2.0]], how), [expected])


@pytest.mark.parametrize("how", WEIGHTED)
def test_weights_count_where_a_member_scores_a_clip(how):
    weights = [0.5, 3.0, 0.25]

    result = combine(SCORES, how, weights)

    expected = naive(SCORES, how, weights, np.ones(6))
    np.testing.assert_allclose(result, expected, rtol=1e-14)


def test_weights_may_differ_from_clip_to_clip():
    weights = np.array([[1.0, 2.0], [3.0, 0.0]])

    result = combine([[1.0, 2.0], [5.0, 6.0]], "mean", weights)

    np.testing.assert_allclose(result, [16.0 / 4.0, 2.0])


@pytest.mark.parametrize("how", METHODS)
def test_a_clip_that_no_member_scores_has_no_score(how):
    result = combine([[np.nan, 1.0], [np.nan, 2.0]], how)

    assert np.isnan(result).tolist() == [True, False]


@pytest.mark.parametrize("how", WEIGHTED)
def test_a_member_of_weight_0_is_not_there(how):
    weights = [1.0, 0.0, 2.0]

    np.testing.assert_allclose(
        combine(SCORES, how, weights), combine(SCORES[[0, 2]], how, [1.0, 2.0]), rtol=1e-14
    )
    assert np.isnan(combine([[np.nan], [1.0]], how, [1.0, 0.0])).all()


def test_ranks_of_references_are_average_ranks_and_others_fall_between():
    references = [True, True, True, False, False, False, False]

    ranks = combine([[3.0, 1.0, 3.0, 0.0, 1.0, 2.0, 9.0]], "rank", ranked_among=references)

    assert ranks.tolist() == [2.5, 1.0, 2.5, 0.5, 1.0, 1.5, 3.5]


def test_a_member_that_scores_no_reference_is_ranked_among_all_its_clips():
    scores = [[4.0, 8.0, np.nan], [np.nan, 1.0, 2.0]]

    ranks = combine(scores, "rank", ranked_among=[False, False, True])

    np.testing.assert_allclose(ranks, [1.0, (2.0 + 0.5) / 2, 1.0])


def test_one_member_is_itself_and_its_ranks_keep_its_order():
    one = np.random.default_rng(0).normal(size=(1, 30))

    for how in ("sum", "mean", "median", "maximum"):
        np.testing.assert_array_equal(combine(one, how), one[0])
    np.testing.assert_array_equal(np.argsort(combine(one, "rank")), np.argsort(one[0]))


def test_normalization_and_methods_are_those_of_the_restatement():
    golden = load_golden("kuroyanagi/ensembles")
    table = pd.DataFrame({"machine_type": "fan", "section": "00", "split": ["train"] * 10})
    rows = []
    for scores in golden["ens_scores"]:
        moments = section_moments(pd.Series(scores), table)
        rows.append((scores - moments.mean) / moments.spread)

    np.testing.assert_allclose(rows, golden["ens_z"], rtol=1e-12)
    names = {"mean": "average", "median": "median", "maximum": "maximum", "rank": "ranking"}
    for how, name in names.items():
        np.testing.assert_allclose(combine(rows, how), golden[f"ens_{name}"], rtol=1e-12)


def section_table():
    """Section 00 of the fan at positions 0, 2, 4; 01 at 1, 3, without test clips; the valve."""
    rows = [
        *[("fan", "00", "test"), ("fan", "01", "train"), ("fan", "00", "train")],
        *[("fan", "01", "train"), ("fan", "00", "test"), ("valve", "00", "test")],
    ]
    return pd.DataFrame(rows, columns=["machine_type", "section", "split"], index=range(30, 36))


def test_ranks_are_among_the_test_clips_of_the_section():
    scores = np.array([[5.0, 100.0, 6.0, 1.0, 7.0, -3.0]])

    ranks = combine_by_section(scores, section_table(), "rank")

    np.testing.assert_allclose(ranks, [1.0, 2.0, 1.5, 1.0, 2.0, 1.0])


def test_other_methods_do_not_mind_sections():
    weights = np.random.default_rng(1).uniform(size=SCORES.shape)

    result = combine_by_section(SCORES, section_table(), "mean", weights)

    np.testing.assert_array_equal(result, combine(SCORES, "mean", weights))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("how", [how for how in METHODS if how != "rank"])
def test_tensors_are_combined_as_arrays(how, count):
    scores, weights = np.random.default_rng(0).normal(size=(count, 20)), [0.5, 3.0, 0.25, 1.0]
    inputs = [keras.Input((), dtype="float64") for _ in scores]

    model = keras.Model(inputs, combine_tensors(inputs, how, weights[:count]))

    expected = combine(scores, how, weights[:count] if how in WEIGHTED else None)
    np.testing.assert_allclose(model(list(scores)), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "options", [{"how": "average"}, {"best_from_labels": (1,), "methods_from_labels": ("max",)}]
)
def test_methods_of_a_combination_are_known(options):
    with pytest.raises(ValueError, match=r"one of sum, mean, .* Received: (average|max)$"):
        Combination(**{"how": "sum", **options})


def test_labels_choose_the_weights_of_sums_alone():
    assert Combination("mean", weights_from_labels=True).weights_from_labels
    for how in ("rank", "maximum"):
        with pytest.raises(ValueError, match=rf"Received: how='{how}'"):
            Combination(how, weights_from_labels=True)


def test_labels_choose_weights_or_members():
    with pytest.raises(ValueError, match=r"leave out one. Received: best_from_labels=\(1,\)"):
        Combination("sum", weights_from_labels=True, best_from_labels=(1,))


def test_numbers_of_members_are_from_1_on():
    assert Combination("sum", best_from_labels=(1, 40)).best_from_labels == (1, 40)
    with pytest.raises(ValueError, match=r"from 1 on. Received: best_from_labels=\(0, 3\)"):
        Combination("sum", best_from_labels=(0, 3))


def test_methods_are_chosen_together_with_members():
    assert Combination("sum").methods == ("sum",)
    chosen = Combination("sum", best_from_labels=(1,), methods_from_labels=("rank", "mean"))
    assert chosen.methods == ("rank", "mean")
    with pytest.raises(ValueError, match=r"goes with `best_from_labels`.*\('rank',\)"):
        Combination("sum", methods_from_labels=("rank",))


@pytest.mark.parametrize(
    ("combination", "keeps_names"),
    [
        (Combination("sum"), True),
        (Combination("mean", weights_from_labels=True), True),
        (Combination("median"), False),
        (Combination("sum", normalize="section"), False),
        (Combination("sum", best_from_labels=(1,)), False),
    ],
)
def test_sums_of_scores_as_they_are_keep_names(combination, keeps_names):
    assert combination.keeps_names == keeps_names


@pytest.mark.parametrize(
    ("combination", "reason"),
    [
        (Combination("maximum", normalize="section"), ""),
        (Combination("sum", normalize_on="test"), ""),
        (Combination("rank"), "ranks among the test clips"),
        (Combination("sum", normalize="section", normalize_on="test"), "normalizes by the test"),
        (Combination("sum", weights_from_labels=True), "lets labels of test clips choose"),
        (Combination("sum", best_from_labels=(1,)), "lets labels of test clips choose"),
    ],
)
def test_combination_that_needs_other_clips_says_why(combination, reason):
    assert combination.needs_other_clips.startswith(reason)
    assert bool(combination.needs_other_clips) == bool(reason)


@pytest.mark.parametrize(
    ("combination", "lines"),
    [
        (Combination("mean", normalize="section", normalize_on="held_out"), []),
        (Combination("mean", normalize_on="test"), []),
        (Combination("mean", normalize="section", normalize_on="test"), ["normalized by the test"]),
        (Combination("rank"), ["ranks are among the test clips"]),
        (
            Combination("mean", best_from_labels=(1,), methods_from_labels=("mean", "rank")),
            ["ranks are among the test clips"],
        ),
    ],
)
def test_what_a_score_reads_of_other_test_clips_is_marked(combination, lines):
    assert len(combination.transductive) == len(lines)
    for line, words in zip(combination.transductive, lines, strict=True):
        assert words in line
        assert line.endswith("the score of a clip depends on the others")


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"one of sum, mean, median, .* Received: how='average'"):
        combine(SCORES, "average")


@pytest.mark.parametrize("scores", [np.zeros(3), np.zeros((0, 3))])
def test_scores_are_of_members_and_clips(scores):
    with pytest.raises(ValueError, match=r"of shape \(members, clips\), .*Received: shape \("):
        combine(scores, "mean")


@pytest.mark.parametrize("how", ["median", "maximum"])
def test_weights_are_refused_where_they_would_mean_nothing(how):
    with pytest.raises(ValueError, match=rf"`weights` go with .* Received: how='{how}'"):
        combine(SCORES, how, [1.0, 1.0, 1.0])


@pytest.mark.parametrize("weights", [[1.0, 1.0], np.ones((3, 5)), np.ones((1, 6))])
def test_weights_are_of_members(weights):
    with pytest.raises(ValueError, match=r"`weights` must be of shape .* Received: shape"):
        combine(SCORES, "mean", weights)


@pytest.mark.parametrize("weight", [-0.1, np.nan])
def test_weights_are_numbers_from_0_on(weight):
    with pytest.raises(ValueError, match=r"`weights` must be numbers from 0 on. Received"):
        combine(SCORES, "mean", [1.0, weight, 1.0])
