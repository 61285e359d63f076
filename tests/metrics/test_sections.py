"""Many sections at once: equal to one at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from asdkeras.metrics.sections import section_metrics
from tests.metrics.labelled import labelled_scores


@settings(deadline=None)  # A busy machine is no failure.
@given(
    st.lists(labelled_scores(), min_size=1, max_size=5),
    st.sampled_from([0.05, 0.1, 0.5, 1.0]),
    st.randoms(use_true_random=False),
)
def test_sections_equal_scikit_learn_one_by_one(cases, max_fpr, random):
    scores = np.concatenate([scores for scores, _ in cases])
    labels = np.concatenate([labels for _, labels in cases])
    sections = np.repeat(np.arange(len(cases)), [len(scores) for scores, _ in cases])
    order = list(range(len(scores)))
    random.shuffle(order)

    metrics = section_metrics(scores[order], labels[order], sections[order], max_fpr)

    whole = [roc_auc_score(labels, scores) for scores, labels in cases]
    start = [roc_auc_score(labels, scores, max_fpr=max_fpr) for scores, labels in cases]
    assert metrics.auc == pytest.approx(whole, abs=1e-12)
    assert metrics.pauc == pytest.approx(start, abs=1e-12)


def test_sections_without_clips_of_both_kinds_are_nan_and_spoil_no_other():
    scores = [5.0, 6.0, 1.0, 2.0, 3.0, 7.0, 8.0]
    labels = [0, 0, 0, 1, 0, 1, 1]
    sections = [0, 0, 2, 2, 2, 3, 3]

    metrics = section_metrics(scores, labels, sections)

    assert np.isnan(metrics.auc).tolist() == [True, True, False, True]
    assert np.isnan(metrics.pauc).tolist() == [True, True, False, True]
    assert metrics.auc[2] == 0.5
    assert metrics.pauc[2] == pytest.approx(roc_auc_score([0, 1, 0], [1, 2, 3], max_fpr=0.1))


def test_scores_that_sections_share_tie_within_a_section_only():
    metrics = section_metrics(np.ones(5), [0, 1, 0, 0, 1], [0, 0, 1, 1, 1])
    assert metrics.auc.tolist() == [0.5, 0.5]
    assert metrics.pauc == pytest.approx([0.5, 0.5], abs=1e-15)


def test_many_clips_equal_scikit_learn():
    rng = np.random.default_rng(1)
    labels = rng.random((20, 500)) < 0.4
    scores = np.round(rng.normal(size=labels.shape) + labels, 1)
    sections = np.repeat(np.arange(20), 500)

    metrics = section_metrics(scores.ravel(), labels.ravel(), sections)

    pairs = list(zip(labels, scores, strict=True))
    whole = [roc_auc_score(*pair) for pair in pairs]
    start = [roc_auc_score(*pair, max_fpr=0.1) for pair in pairs]
    assert metrics.auc == pytest.approx(whole, abs=1e-12)
    assert metrics.pauc == pytest.approx(start, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "labels", "sections", "message"),
    [
        ([], [], [], "needs clips"),
        ([1.0, np.nan], [0, 1], [0, 0], "must be finite.*Received: 1 of 2"),
        ([1.0, 2.0], [0, 3], [0, 0], "must hold bool"),
        ([1.0, 2.0], [0, 1], [0], r"one value per clip, 2. Received: shape \(1,\)"),
        ([1.0, 2.0], [0, 1], [0, -1], "whole numbers from 0 on"),
        ([1.0, 2.0], [0, 1], [0.0, 1.0], "whole numbers.*Received: dtype float64"),
    ],
)
def test_other_arguments_are_refused_with_the_reason(scores, labels, sections, message):
    with pytest.raises(ValueError, match=message):
        section_metrics(scores, labels, sections)


@pytest.mark.parametrize("max_fpr", [0.0, 1.5])
def test_max_fpr_out_of_range_is_refused(max_fpr):
    with pytest.raises(ValueError, match=r"\(0, 1\]. Received: max_fpr="):
        section_metrics([0.0, 1.0], [0, 1], [0, 0], max_fpr)
