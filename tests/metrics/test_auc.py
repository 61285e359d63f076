"""AUC and pAUC: the definition by counting pairs, scikit-learn, the challenge's own numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from asdkeras.metrics.auc import auc, partial_auc
from tests.metrics.labelled import labelled_scores

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/metrics/metrics_small.json").read_text())


def auc_by_definition(scores, labels):
    """Share of pairs in the right order, ties half."""
    pairs = [
        1.0 if anomalous > normal else 0.5 if anomalous == normal else 0.0
        for anomalous in scores[labels]
        for normal in scores[~labels]
    ]
    return sum(pairs) / len(pairs)


@settings(deadline=None)  # A busy machine is no failure.
@given(labelled_scores())
def test_auc_is_the_share_of_pairs_in_order(case):
    assert auc(*case) == pytest.approx(auc_by_definition(*case), abs=1e-12)


@settings(deadline=None)  # A busy machine is no failure.
@given(labelled_scores())
def test_auc_equals_scikit_learn(case):
    scores, labels = case
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@settings(deadline=None)  # A busy machine is no failure.
@given(labelled_scores(), st.sampled_from([0.05, 0.1, 0.25, 0.5, 1.0]))
def test_partial_auc_equals_scikit_learn(case, max_fpr):
    scores, labels = case
    expected = roc_auc_score(labels, scores, max_fpr=max_fpr)
    assert partial_auc(scores, labels, max_fpr) == pytest.approx(expected, abs=1e-12)


def test_large_samples_equal_scikit_learn():
    rng = np.random.default_rng(0)
    labels = rng.random(20_000) < 0.3
    scores = np.round(rng.normal(size=20_000) + labels, 2)

    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    expected = roc_auc_score(labels, scores, max_fpr=0.1)
    assert partial_auc(scores, labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("case", GOLDEN["cases"].values(), ids=GOLDEN["cases"])
def test_values_have_the_digits_of_the_official_scripts(case):
    assert auc(case["s"], case["y"]) == case["expected"]["auc_all"]
    assert partial_auc(case["s"], case["y"]) == case["expected"]["pauc_all"]


def test_values_have_the_digits_that_the_evaluator_printed():
    folder = Path(__file__).parents[1] / "golden/metrics"
    printed = (folder / "evaluator_2021_result.csv").read_text().splitlines()
    ours = []

    with np.load(folder / "evaluator_inputs.npz", allow_pickle=False) as arrays:
        names = {key.rpartition("/")[0] for key in arrays if key.startswith("2021/")}
        for name in names:
            scores, labels = arrays[f"{name}/score"], arrays[f"{name}/y_true"]
            section, domain = name.split("_")[-3:-1]
            ours.append(f"{section},{domain},{auc(scores, labels)},{partial_auc(scores, labels)}")

    rows = [line for line in printed if line[:2].isdigit()]
    assert len(rows) == 42
    assert sorted(",".join(line.split(",")[:4]) for line in rows) == sorted(ours)


@settings(deadline=None)  # A busy machine is no failure.
@given(labelled_scores())
def test_monotone_map_of_the_scores_changes_nothing(case):
    scores, labels = case
    mapped = np.exp(scores) - 3.0
    assert auc(mapped, labels) == auc(scores, labels)
    assert partial_auc(mapped, labels) == partial_auc(scores, labels)


@settings(deadline=None)  # A busy machine is no failure.
@given(labelled_scores(), st.randoms(use_true_random=False))
def test_order_of_the_clips_is_irrelevant(case, random):
    scores, labels = case
    order = list(range(len(scores)))
    random.shuffle(order)
    assert auc(scores[order], labels[order]) == auc(scores, labels)
    assert partial_auc(scores[order], labels[order]) == partial_auc(scores, labels)


@settings(deadline=None)  # A busy machine is no failure.
@given(labelled_scores())
def test_opposite_scores_mirror_the_auc(case):
    scores, labels = case
    assert auc(-scores, labels) == pytest.approx(1.0 - auc(scores, labels), abs=1e-12)


def test_perfect_scores_give_one_and_the_worst_give_the_floors():
    labels = np.repeat([False, True], 50)
    scores = np.arange(100.0)

    assert [auc(scores, labels), partial_auc(scores, labels)] == [1.0, 1.0]
    assert auc(-scores, labels) == 0.0
    assert partial_auc(-scores, labels) == pytest.approx(9 / 19, abs=1e-12)


@pytest.mark.parametrize("metric", [auc, partial_auc])
@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([], [], r"needs clips.*Received: no scores"),
        ([1.0, 2.0], [True], r"same length.*Received: shapes \(2,\) and \(1,\)"),
        ([[1.0, 2.0]], [[False, True]], r"must be vectors.*Received: shapes \(1, 2\)"),
        ([1.0, np.nan, np.inf], [0, 1, 1], r"must be finite.*Received: 2 of 3"),
        ([1.0, 2.0], [False, False], r"Received: 2 normal and 0 anomalous"),
        ([1.0, 2.0], [1, 1], r"Received: 0 normal and 2 anomalous"),
        ([1.0, 2.0], [1, 2], r"must hold bool, or 0 and 1.*Received"),
        ([1.0, 2.0], [True, None], r"leave out clips without a label.*Received: dtype object"),
        ([1.0, 2.0], [0.0, np.nan], r"must hold bool, or 0 and 1.*Received"),
    ],
)
def test_what_gives_no_curve_is_refused_with_the_reason(metric, scores, labels, message):
    with pytest.raises(ValueError, match=message):
        metric(scores, labels)


@pytest.mark.parametrize("max_fpr", [0.0, -0.1, 1.5, np.nan])
def test_max_fpr_out_of_range_is_refused(max_fpr):
    with pytest.raises(ValueError, match=r"\(0, 1\]. Received: max_fpr="):
        partial_auc([0.0, 1.0], [False, True], max_fpr)
