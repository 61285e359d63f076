"""NearestNeighborScorer: the definition pair by pair, the references, leaving a clip out."""

import math

import numpy as np
import pandas as pd
import pytest
import sklearn

from asdkeras.errors import DataError
from asdkeras.scorers.nearest_neighbor import NearestNeighborScorer, require_neighbors
from asdkeras.scorers.thresholds import gamma_threshold, percentile_threshold
from tests.golden import load_golden


def clips(n_clips, dim=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n_clips, dim))


def dot(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True))


DISTANCES = {
    "cosine": lambda x, y: 1.0 - dot(x, y) / math.sqrt(dot(x, x) * dot(y, y)),
    "euclidean": lambda x, y: math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True))),
    "dot": lambda x, y: 1.0 - dot(x, y),
}


def mean_distance(clip, normal, metric, n_neighbors):
    """To the nearest of the normal clips, all of them if there are fewer."""
    distances = sorted(DISTANCES[metric](clip, each) for each in normal)[:n_neighbors]
    return sum(distances) / len(distances)


@pytest.mark.parametrize("n_neighbors", [1, 3, 30, 31])
@pytest.mark.parametrize("metric", DISTANCES)
def test_the_score_is_the_mean_distance_to_the_nearest_normal_clips(metric, n_neighbors):
    normal, others = clips(30), clips(12, seed=1)

    scores = NearestNeighborScorer(metric, n_neighbors).fit(normal).anomaly_score(others)

    expected = [mean_distance(each, normal, metric, n_neighbors) for each in others]
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


@pytest.mark.parametrize("n_neighbors", [1, 3, 19, 20, 21])
@pytest.mark.parametrize("metric", DISTANCES)
def test_leaving_a_clip_out_compares_it_with_all_others_and_its_double(metric, n_neighbors):
    normal = clips(20)
    normal[5] = normal[2]

    scores = NearestNeighborScorer(metric, n_neighbors).fit(normal).leave_self_out()

    expected = [
        mean_distance(each, np.delete(normal, i, axis=0), metric, n_neighbors)
        for i, each in enumerate(normal)
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("n_neighbors", [1, 3, 30])
@pytest.mark.parametrize("metric", DISTANCES)
def test_clips_of_the_section_are_left_out_one_by_one_and_others_stay(metric, n_neighbors):
    normal, own = clips(20), np.array([3, 7, 8, 19])

    with sklearn.config_context(working_memory=0.0005):  # MiB: 3 rows at once.
        scores = NearestNeighborScorer(metric, n_neighbors).fit(normal, own).leave_self_out()

    expected = [
        mean_distance(normal[row], np.delete(normal, row, axis=0), metric, n_neighbors)
        for row in own
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-12, atol=1e-15)


def test_by_default_the_nearest_clip_counts_by_its_direction():
    scorer = NearestNeighborScorer()
    assert (scorer.metric, scorer.n_neighbors) == ("cosine", 1)


@pytest.mark.parametrize("n_neighbors", [1, 3])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_size_of_the_blocks_changes_nothing(metric, n_neighbors):
    normal, others = clips(700), clips(300, seed=1)
    scorer = NearestNeighborScorer(metric, n_neighbors).fit(normal)
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


def golden_scorer(means):
    """By means of source clips and the target clips of the reference."""
    golden = load_golden("wilkinghoff_backend/backend")
    exemplars = np.concatenate([golden[means], golden["tgt"]])
    return golden, NearestNeighborScorer("dot").fit(exemplars)


def test_scores_from_saved_means_are_those_of_the_reference():
    golden, scorer = golden_scorer("adaproj_centers_ninit10")
    scores = scorer.anomaly_score(golden["test"])
    np.testing.assert_allclose(scores, golden["adaproj_score_ninit10"], rtol=1e-12)
    np.testing.assert_allclose(scorer.anomaly_score(golden["tgt"]), 0.0, atol=1e-12)


def test_scores_from_means_of_all_clips_are_those_of_the_older_reference():
    golden, scorer = golden_scorer("icassp_centers")
    # That one leaves out the 1 and takes minus the largest product.
    scores = scorer.anomaly_score(golden["test"]) - 1.0
    np.testing.assert_allclose(scores, golden["icassp_score"], atol=1e-12)


def test_threshold_of_the_source_clips_is_that_of_the_reference():
    golden, scorer = golden_scorer("adaproj_centers_ninit10")
    threshold = percentile_threshold(scorer.anomaly_score(golden["src"]), 90.0)
    assert threshold == pytest.approx(float(golden["thr90"]), rel=1e-12)


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
    expected = [DISTANCES["euclidean"](*pair) for pair in zip(others, normal, strict=True)]
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


@pytest.mark.parametrize("metric", DISTANCES)
def test_leaving_clips_out_changes_no_later_score(metric):
    normal = clips(10)
    scorer = NearestNeighborScorer(metric).fit(normal)
    before = scorer.anomaly_score(normal)

    scorer.leave_self_out()

    np.testing.assert_array_equal(scorer.anomaly_score(normal), before)


@pytest.mark.parametrize("metric", DISTANCES)
def test_single_precision_is_scored_in_double(metric):
    normal, others = clips(10).astype(np.float32), clips(5, seed=1).astype(np.float32)
    np.testing.assert_array_equal(
        NearestNeighborScorer(metric).fit(normal).anomaly_score(others),
        NearestNeighborScorer(metric)
        .fit(normal.astype(np.float64))
        .anomaly_score(others.astype(np.float64)),
    )


@pytest.mark.parametrize(
    ("arguments", "embeddings", "message"),
    [
        (("manhattan",), clips(3), r"one of \['cosine', 'dot', 'eu.*\: metric='manhattan'"),
        (("cosine", 0), clips(3), r"`n_neighbors` must be at least 1\. Received: n_neighbors=0"),
        ((), np.empty((0, 6)), "Found array with 0 sample"),
        ((), clips(3)[0], "Expected 2D array"),
        ((), np.full((2, 6), np.inf), "infinity"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(arguments, embeddings, message):
    with pytest.raises(ValueError, match=message):
        NearestNeighborScorer(*arguments).fit(embeddings)


@pytest.mark.parametrize("metric", DISTANCES)
def test_embeddings_of_another_dimension_are_refused(metric):
    scorer = NearestNeighborScorer(metric).fit(clips(3))
    with pytest.raises(ValueError, match="dimension"):
        scorer.anomaly_score(clips(3, dim=5))


def test_a_section_with_one_training_clip_is_refused_by_name():
    table = pd.DataFrame({"machine_type": "fan", "section": ["02", "00", "00", "01"]})

    require_neighbors(table[table["section"] == "00"])
    with pytest.raises(DataError, match=r"^fan: section 01, 02 has one training clip\. .*two"):
        require_neighbors(table)


def test_a_machine_type_with_one_training_clip_is_refused_by_name():
    table = pd.DataFrame({"machine_type": "fan", "section": ["00", "01"]})

    require_neighbors(table, "machine_type")
    with pytest.raises(DataError, match=r"^fan: machine type fan has one training clip\. A mach"):
        require_neighbors(table[:1], "machine_type")
