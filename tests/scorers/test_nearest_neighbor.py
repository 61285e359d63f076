"""NearestNeighborScorer: the definition pair by pair, the paper restated, leaving a clip out."""

import math
import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from asdkeras.scorers.nearest_neighbor import NearestNeighborScorer
from asdkeras.scorers.thresholds import gamma_threshold
from tests.contracts import check_scorer
from tests.golden import load_golden

METRICS = ("cosine", "euclidean")


def clips(n_clips, dim=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n_clips, dim))


def cosine(x, y):
    product = sum(a * b for a, b in zip(x, y, strict=True))
    lengths = math.sqrt(sum(a * a for a in x)) * math.sqrt(sum(b * b for b in y))
    return 1.0 - product / lengths


def euclidean(x, y):
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))


DISTANCES = {"cosine": cosine, "euclidean": euclidean}


@pytest.mark.parametrize("metric", METRICS)
def test_the_score_is_the_distance_to_the_nearest_normal_clip(metric):
    normal, others = clips(30), clips(12, seed=1)

    scores = NearestNeighborScorer(metric).fit(normal).anomaly_score(others)

    expected = [min(DISTANCES[metric](each, one) for one in normal) for each in others]
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_leaving_a_clip_out_compares_it_with_all_others(metric):
    normal = clips(20)

    scores = NearestNeighborScorer(metric).fit(normal).leave_self_out()

    expected = [
        min(DISTANCES[metric](each, one) for j, one in enumerate(normal) if j != i)
        for i, each in enumerate(normal)
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_only_the_clip_itself_is_left_out_and_not_its_double(metric):
    normal = clips(8)
    normal[5] = normal[2]

    scores = NearestNeighborScorer(metric).fit(normal).leave_self_out()

    np.testing.assert_allclose(scores[[2, 5]], 0.0, atol=1e-15)
    assert np.delete(scores, [2, 5]).min() > 0.01


@pytest.mark.parametrize("metric", METRICS)
def test_the_size_of_the_blocks_changes_nothing(metric):
    normal, others = clips(700), clips(300, seed=1)
    scorer = NearestNeighborScorer(metric).fit(normal)
    expected = scorer.anomaly_score(others), scorer.leave_self_out()

    with sklearn.config_context(working_memory=0.1):  # MiB: 18 rows at once.
        again = scorer.anomaly_score(others), scorer.leave_self_out()

    for one, other in zip(expected, again, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("merge", ["mean", "std"])
def test_scores_of_merged_chunks_are_those_of_the_restated_paper(merge):
    chunks = load_golden("venkatesh/by_spec_arrays")
    expected = load_golden("venkatesh/by_spec.json")[merge]
    # Over the chunks of a clip; NumPy's standard deviation divides by their number.
    merged = {name: getattr(each, merge)(axis=1) for name, each in chunks.items()}
    training = {"sec": merged["tr_s"], "att": merged["tr_a"]}
    test = {"sec": merged["te_s"], "att": merged["te_a"]}
    for parts in (training, test):
        parts["cat"] = np.concatenate([parts["sec"], parts["att"]], axis=1)

    scores = {
        name: NearestNeighborScorer().fit(training[name]).anomaly_score(test[name])
        for name in ("cat", "sec", "att")
    }

    for name, each in scores.items():
        np.testing.assert_allclose(each, expected[name], rtol=1e-10)
    weighted = 0.9 * scores["sec"] + 0.1 * scores["att"]
    np.testing.assert_allclose(weighted, expected["weighted_09_01"], rtol=1e-10)
    left_out = NearestNeighborScorer().fit(training["cat"]).leave_self_out()
    np.testing.assert_allclose(left_out, expected["loo_train_cat"], rtol=1e-10)


@pytest.mark.parametrize("merge", ["mean", "std"])
@pytest.mark.parametrize("percentile", [90, 60])
def test_thresholds_of_merged_chunks_are_those_of_the_restated_paper(merge, percentile):
    chunks = load_golden("venkatesh/by_spec_arrays")
    expected = load_golden("venkatesh/by_spec.json")[merge]
    merged = [getattr(chunks[name], merge)(axis=1) for name in ("tr_s", "tr_a")]
    scores = NearestNeighborScorer().fit(np.concatenate(merged, axis=1)).leave_self_out()

    threshold = gamma_threshold(scores, percentile)

    # Of 14 scores the search ends elsewhere if one differs in its last bit: 2e-5 for `std`.
    tolerance = {"mean": 1e-6, "std": 1e-4}[merge]
    assert threshold.value == pytest.approx(expected[f"thr_{percentile}"], rel=tolerance)
    assert threshold[1:4] == pytest.approx(expected["gamma"], rel=tolerance)


def test_scorer_contract():
    check_scorer(NearestNeighborScorer("euclidean"), clips(30))


def test_scorer_contract_for_directions():
    # As `check_scorer`, but a clip's distance to itself is 0 up to rounding, which no relative
    # tolerance forgives, and what is far is what points the other way.
    normal, scorer = np.abs(clips(30)), NearestNeighborScorer()
    with pytest.raises(NotFittedError):
        scorer.anomaly_score(normal)
    with pytest.raises(NotFittedError):
        scorer.leave_self_out()
    read_only = normal.copy()
    read_only.setflags(write=False)
    fitted = clone(scorer)
    assert fitted.fit(read_only) is fitted
    others = np.abs(clips(20, seed=1))
    others.setflags(write=False)

    scores = fitted.anomaly_score(others)

    assert scores.shape == (20,)
    assert (scores > 0).all()
    order = np.random.default_rng(0).permutation(20)
    np.testing.assert_allclose(fitted.anomaly_score(others[order]), scores[order], rtol=1e-12)
    np.testing.assert_allclose(fitted.anomaly_score(others[:2]), scores[:2], rtol=1e-12)
    assert fitted.anomaly_score(-others).min() > scores.max()
    refitted = clone(scorer).fit(normal + 1.0).fit(normal)
    np.testing.assert_array_equal(refitted.anomaly_score(others), scores)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.anomaly_score(others), scores)
    np.testing.assert_array_equal(copy.leave_self_out(), fitted.leave_self_out())
    for method in (fitted.anomaly_score, clone(scorer).fit):
        with pytest.raises(ValueError, match="NaN"):
            method(np.full_like(normal, np.nan))


def test_directions_have_no_length():
    normal, others = clips(30), clips(12, seed=1)
    lengths = np.random.default_rng(2).uniform(0.01, 100.0, (30, 1))
    np.testing.assert_allclose(
        NearestNeighborScorer().fit(lengths * normal).anomaly_score(1000.0 * others),
        NearestNeighborScorer().fit(normal).anomaly_score(others),
        rtol=1e-12,
    )


def test_a_zero_vector_is_at_right_angles_to_everything():
    normal = clips(5)
    scorer = NearestNeighborScorer().fit(normal)
    assert scorer.anomaly_score(np.zeros((1, 6))).tolist() == [1.0]

    scorer = NearestNeighborScorer().fit(np.zeros((2, 6)))
    assert scorer.anomaly_score(normal).tolist() == [1.0] * 5
    assert scorer.leave_self_out().tolist() == [1.0, 1.0]


def test_close_clips_far_from_the_origin_keep_their_distance():
    normal = 1e6 + clips(10)
    others = normal + 1e-4
    scores = NearestNeighborScorer("euclidean").fit(normal).anomaly_score(others)
    expected = [euclidean(*pair) for pair in zip(others, normal, strict=True)]
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


def test_a_single_clip_scores_others_and_cannot_leave_itself_out():
    scorer = NearestNeighborScorer().fit([[1.0, 0.0]])

    assert scorer.anomaly_score([[0.0, 2.0], [-3.0, 0.0]]).tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match=r"at least 2 clips\. Received: .*1 clip\. Fit it to more"):
        scorer.leave_self_out()


def test_what_was_fitted_does_not_change_with_the_array_it_was_fitted_to():
    normal, others = clips(10), clips(5, seed=1)
    scorer = NearestNeighborScorer().fit(normal)
    before = scorer.anomaly_score(others), scorer.leave_self_out()

    normal[:] = 1.0

    np.testing.assert_array_equal(scorer.anomaly_score(others), before[0])
    np.testing.assert_array_equal(scorer.leave_self_out(), before[1])


@pytest.mark.parametrize("metric", METRICS)
def test_single_precision_is_scored_in_double(metric):
    normal, others = clips(10).astype(np.float32), clips(5, seed=1).astype(np.float32)
    np.testing.assert_array_equal(
        NearestNeighborScorer(metric).fit(normal).anomaly_score(others),
        NearestNeighborScorer(metric)
        .fit(normal.astype(np.float64))
        .anomaly_score(others.astype(np.float64)),
    )


@pytest.mark.parametrize(
    ("metric", "embeddings", "message"),
    [
        ("manhattan", clips(3), r"one of \['cosine', 'euclidean'\]\. Received: metric='manhattan'"),
        ("cosine", np.empty((0, 6)), "Found array with 0 sample"),
        ("cosine", clips(3)[0], "Expected 2D array"),
        ("cosine", np.full((2, 6), np.inf), "infinity"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(metric, embeddings, message):
    with pytest.raises(ValueError, match=message):
        NearestNeighborScorer(metric).fit(embeddings)


@pytest.mark.parametrize("metric", METRICS)
def test_embeddings_of_another_dimension_are_refused(metric):
    scorer = NearestNeighborScorer(metric).fit(clips(3))
    with pytest.raises(ValueError, match="Incompatible dimension"):
        scorer.anomaly_score(clips(3, dim=5))
