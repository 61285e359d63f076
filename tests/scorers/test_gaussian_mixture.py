"""Mixture scorers: the reference's numbers, the closed forms, too few clips."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from asdkeras.scorers.gaussian_mixture import (
    ClosestMixture,
    GaussianMixtureScorer,
    TargetMixtureScorer,
)
from tests.golden import load_golden


def unit_clips(n_clips, dim=16, seed=0):
    clips = np.random.default_rng(seed).normal(size=(n_clips, dim))
    return clips / np.linalg.norm(clips, axis=1, keepdims=True)


def closest_clip_score(embeddings, clips, reg_covar=1e-3):
    """The identity of the target mixture, for unit vectors."""
    dim, n_clips = clips.shape[1], len(clips)
    distances = (1 - embeddings @ clips.T).min(axis=1)
    return dim / 2 * np.log(2 * np.pi * reg_covar) + distances / reg_covar + np.log(n_clips)


def test_fit_takes_its_options_from_the_paper():
    embeddings, means = unit_clips(60), unit_clips(4, seed=1)
    theirs = GaussianMixture(4, reg_covar=1e-3, means_init=means, random_state=3).fit(embeddings)

    ours = GaussianMixtureScorer(4, random_state=3).fit(embeddings, means)

    np.testing.assert_allclose(ours.means_, theirs.means_, rtol=1e-12)
    np.testing.assert_allclose(ours.covariances_, theirs.covariances_, rtol=1e-12)
    np.testing.assert_allclose(ours.weights_, theirs.weights_, rtol=1e-12)
    assert ours.converged_ == theirs.converged_
    assert ours.n_components_ == 4


@pytest.mark.parametrize(
    ("component_weights", "key"),
    [(True, "gmm_score_max_weighted"), (False, "gmm_score_max_unweighted")],
)
def test_score_is_that_of_the_reference(component_weights, key):
    golden = load_golden("wilkinghoff_backend/backend")
    scorer = GaussianMixtureScorer(len(golden["gmm_means"]), component_weights=component_weights)
    scorer.weights_, scorer.means_ = golden["gmm_weights"], golden["gmm_means"]
    scorer.covariances_ = golden["gmm_covs"]

    np.testing.assert_allclose(scorer.anomaly_score(golden["test"]), golden[key], rtol=1e-8)


def test_start_of_the_means_matters():
    embeddings = unit_clips(60)
    by_kmeans = GaussianMixtureScorer(4).fit(embeddings)
    given = GaussianMixtureScorer(4).fit(embeddings, unit_clips(4, seed=1))
    assert np.abs(by_kmeans.means_ - given.means_).max() > 1e-3


def test_component_weights_shift_the_score_by_their_logarithm():
    embeddings = unit_clips(60)
    weighted = GaussianMixtureScorer(1).fit(embeddings)
    several = [
        GaussianMixtureScorer(3, component_weights=each).fit(embeddings) for each in (True, False)
    ]
    assert weighted.weights_ == [1.0]
    difference = several[0].anomaly_score(embeddings) - several[1].anomaly_score(embeddings)
    assert difference.min() > 0.0
    assert np.isclose(-np.log(several[0].weights_)[:, None], difference, atol=1e-9).any()


def test_one_component_is_mean_and_population_covariance():
    embeddings = unit_clips(20, dim=4)

    scorer = GaussianMixtureScorer(1, reg_covar=0.01).fit(embeddings)

    np.testing.assert_allclose(scorer.means_[0], embeddings.mean(axis=0))
    np.testing.assert_allclose(
        scorer.covariances_[0], np.cov(embeddings.T, ddof=0) + 0.01 * np.eye(4), rtol=1e-10
    )


def test_one_clip_gets_a_round_gaussian():
    clip, others = unit_clips(1), unit_clips(10, seed=1)

    scorer = GaussianMixtureScorer(16).fit(clip, unit_clips(16, seed=2))

    assert scorer.n_components_ == 1
    expected = closest_clip_score(others, clip)
    np.testing.assert_allclose(scorer.anomaly_score(others), expected, rtol=1e-10)


@pytest.mark.parametrize("n_clips", [2, 5, 8])
def test_fewer_clips_than_components_get_one_component_each(n_clips):
    clips = unit_clips(n_clips, dim=64)

    scorer = GaussianMixtureScorer(8).fit(clips, unit_clips(8, dim=64, seed=1))

    assert scorer.n_components_ == n_clips
    np.testing.assert_allclose(scorer.means_, clips, atol=1e-6)


def test_identical_clips_give_finite_scores():
    clips = np.repeat(unit_clips(2), 15, axis=0)
    scorer = GaussianMixtureScorer(8).fit(clips, unit_clips(8, seed=1))
    assert np.all(np.isfinite(scorer.anomaly_score(clips)))


def test_mixture_that_does_not_converge_is_kept_and_says_so(monkeypatch):
    monkeypatch.setattr(
        "asdkeras.scorers.gaussian_mixture.GaussianMixture",
        lambda *args, **kwargs: GaussianMixture(*args, **{**kwargs, "max_iter": 1, "tol": 0.0}),
    )
    scorer = GaussianMixtureScorer(4).fit(unit_clips(60))
    assert scorer.converged_ is False
    assert np.all(np.isfinite(scorer.anomaly_score(unit_clips(5, seed=1))))


def test_target_mixture_is_that_of_the_reference():
    golden = load_golden("wilkinghoff_backend/backend")

    scorer = TargetMixtureScorer().fit(golden["t3"])

    scores = scorer.anomaly_score(golden["test"])
    np.testing.assert_allclose(scores, golden["gmm3_score"], rtol=1e-9)
    np.testing.assert_allclose(scores, golden["gmm3_closed_form"], rtol=1e-9)


@pytest.mark.parametrize("n_clips", [1, 2, 3, 7])
@pytest.mark.parametrize("model", ["gmm", "closed_form"])
def test_target_score_is_the_cosine_distance_to_the_closest_clip(model, n_clips):
    clips, others = unit_clips(n_clips), unit_clips(20, seed=1)
    scores = TargetMixtureScorer(model=model).fit(clips).anomaly_score(others)
    np.testing.assert_allclose(scores, closest_clip_score(others, clips), rtol=1e-9)


def test_target_score_without_component_weights_lacks_the_number_of_clips():
    clips, others = unit_clips(3), unit_clips(20, seed=1)
    scores = TargetMixtureScorer(component_weights=False).fit(clips).anomaly_score(others)
    np.testing.assert_allclose(scores, closest_clip_score(others, clips) - np.log(3), rtol=1e-9)


def test_identical_target_clips_get_the_closed_form():
    clips, others = np.repeat(unit_clips(1), 3, axis=0), unit_clips(20, seed=1)
    scores = TargetMixtureScorer().fit(clips).anomaly_score(others)
    np.testing.assert_allclose(scores, closest_clip_score(others, clips), rtol=1e-9)


def test_target_clips_close_to_each_other_are_merged_by_the_fit_only():
    clips = unit_clips(1, dim=128) + 1e-4 * unit_clips(3, dim=128, seed=1)
    fitted = TargetMixtureScorer(model="gmm").fit(clips).means_
    closed = TargetMixtureScorer(model="closed_form").fit(clips).means_
    assert np.ptp(fitted, axis=0).max() < np.ptp(closed, axis=0).max()


@pytest.mark.parametrize("component_weights", [True, False])
def test_closest_mixture_scores_by_the_mixture_that_explains_a_clip_best(component_weights):
    mixtures = [
        GaussianMixtureScorer(count, component_weights=component_weights).fit(unit_clips(30) - gap)
        for count, gap in ((1, 0.0), (3, 1.0), (2, 2.0))
    ]
    others = np.concatenate([unit_clips(10, seed=1) - gap for gap in (0.0, 1.0, 2.0)])

    scores = ClosestMixture(mixtures).anomaly_score(others)

    each = np.array([mixture.anomaly_score(others) for mixture in mixtures])
    assert set(each.argmin(axis=0)) == {0, 1, 2}
    np.testing.assert_array_equal(scores, each.min(axis=0))


@pytest.mark.parametrize(
    ("arguments", "means", "message"),
    [
        ({"n_components": 0}, None, "at least 1.*Received: n_components=0"),
        ({"n_components": 2}, np.zeros((3, 16)), r"\(2, 16\).*Received.*\(3, 16\)"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(arguments, means, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixtureScorer(**arguments).fit(unit_clips(10), means)


@pytest.mark.parametrize("dim", [1, 5])
def test_embeddings_of_another_dimension_are_refused(dim):
    scorer = GaussianMixtureScorer(2).fit(unit_clips(10, dim=4))
    with pytest.raises(ValueError, match=rf"\(clips, 4\).*Received: .*\(10, {dim}\)"):
        scorer.anomaly_score(unit_clips(10, dim=dim))


def test_unknown_target_model_is_refused():
    with pytest.raises(ValueError, match=r"closed_form.*Received: model='knn'"):
        TargetMixtureScorer(model="knn").fit(unit_clips(3))
