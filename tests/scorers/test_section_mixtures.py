"""SectionMixtures: each term against the same term written out, one clip at a time."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.exceptions import NotFittedError

from asdkeras.scorers.section_mixtures import SectionMixtures
from asdkeras.scorers.terms import OfArrays, representation

DIM = 6


def unit(values):
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    centers = unit(rng.normal(size=(3, DIM)))
    attributes = np.repeat([4, 7, 9], 12)
    source = unit(centers[np.repeat([0, 1, 2], 12)] + 0.15 * rng.normal(size=(36, DIM)))
    return {
        "source": source,
        "attributes": attributes,
        "target": unit(rng.normal(size=(3, DIM))),
        "maxima": rng.normal(size=(36, 4)) + attributes[:, None],
        "test": unit(rng.normal(size=(8, DIM))),
        "test_maxima": rng.normal(size=(8, 4)) + 7.0,
    }


def fitted(clips, n_components=2, **options):
    return SectionMixtures(n_components, **options).fit(
        clips["source"],
        clips["attributes"],
        target_embeddings=clips["target"],
        temporal_maxima=clips["maxima"],
    )


def scores_of(mixtures, clips):
    """Name of a term -> its values for the test clips, or None."""
    arrays = {"embedding": clips["test"], "maxima": clips["test_maxima"]}
    on = OfArrays(arrays, np.full(8, False), np.full(8, ""))
    terms = mixtures.terms(representation("embedding"), representation("maxima"))
    return {name: None if each is None else on(each) for name, each in terms._asdict().items()}


def likeliest_component(mixture, embedding):
    """-max_k [log pi_k + log N(x; mu_k, Sigma_k)] of one clip."""
    return -max(
        np.log(weight) + multivariate_normal(mean, covariance).logpdf(embedding)
        for weight, mean, covariance in zip(
            mixture.weights_, mixture.means_, mixture.covariances_, strict=True
        )
    )


def test_the_section_term_is_the_likeliest_component_of_all_source_clips(clips):
    mixtures = fitted(clips)

    terms = scores_of(mixtures, clips)

    expected = [likeliest_component(mixtures.section_, x) for x in clips["test"]]
    np.testing.assert_allclose(terms["section"], expected, rtol=1e-9)
    center = mixtures.section_.weights_ @ mixtures.section_.means_
    np.testing.assert_allclose(center, clips["source"].mean(axis=0), atol=1e-6)


def test_the_attribute_term_is_the_likeliest_attribute(clips):
    mixtures = fitted(clips)

    terms = scores_of(mixtures, clips)

    assert len(mixtures.attributes_) == 3
    expected = [
        min(likeliest_component(mixture, x) for mixture in mixtures.attributes_)
        for x in clips["test"]
    ]
    np.testing.assert_allclose(terms["attributes"], expected, rtol=1e-9)
    own = [mixture.weights_ @ mixture.means_ for mixture in mixtures.attributes_]
    for label, mean in zip([4, 7, 9], own, strict=True):
        chosen = clips["source"][clips["attributes"] == label]
        np.testing.assert_allclose(mean, chosen.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("target_model", ["gmm", "closed_form"])
def test_the_target_term_is_the_cosine_distance_to_the_closest_target_clip(clips, target_model):
    terms = scores_of(fitted(clips, target_model=target_model), clips)

    distance = (1.0 - clips["test"] @ clips["target"].T).min(axis=1)
    expected = DIM / 2 * np.log(2 * np.pi * 1e-3) + distance / 1e-3 + np.log(3)
    np.testing.assert_allclose(terms["target"], expected, rtol=1e-9)


def test_the_tmax_term_is_the_likeliest_attribute_of_the_temporal_maxima(clips):
    terms = scores_of(fitted(clips), clips)

    gaussians = []
    for label in (4, 7, 9):
        maxima = clips["maxima"][clips["attributes"] == label]
        covariance = np.cov(maxima.T, ddof=0) + 1e-3 * np.eye(4)
        gaussians.append(multivariate_normal(maxima.mean(axis=0), covariance))
    expected = [min(-g.logpdf(x) for g in gaussians) for x in clips["test_maxima"]]
    np.testing.assert_allclose(terms["tmax"], expected, rtol=1e-9)


def test_without_component_weights_no_mixture_counts_them(clips):
    terms = scores_of(fitted(clips), clips)
    plain = scores_of(fitted(clips, component_weights=False), clips)

    np.testing.assert_allclose(terms["target"] - plain["target"], np.log(3))
    assert (terms["section"] > plain["section"]).all()
    assert (terms["attributes"] > plain["attributes"]).all()


def test_a_mixture_of_both_domains_is_fitted_to_source_and_target_clips_if_asked_for(clips):
    mixtures = fitted(clips, n_components=1, pools_domains=True)

    terms = scores_of(mixtures, clips)

    everyone = np.concatenate([clips["source"], clips["target"]])
    covariance = np.cov(everyone.T, ddof=0) + 1e-3 * np.eye(DIM)
    gaussian = multivariate_normal(everyone.mean(axis=0), covariance)
    np.testing.assert_allclose(terms["pooled"], -gaussian.logpdf(clips["test"]), rtol=1e-9)
    plain = scores_of(fitted(clips, n_components=1), clips)
    assert plain.pop("pooled") is None
    for name, values in plain.items():
        np.testing.assert_array_equal(terms[name], values)


def test_mixtures_of_attributes_may_be_left_out_and_the_temporal_maxima_stay(clips):
    mixtures = fitted(clips, has_attributes=False)

    terms = scores_of(mixtures, clips)

    assert terms["attributes"] is None
    assert mixtures.attributes_ == []
    np.testing.assert_array_equal(terms["tmax"], scores_of(fitted(clips), clips)["tmax"])


def test_what_has_no_clips_has_no_term(clips):
    mixtures = SectionMixtures(2, pools_domains=True).fit(
        clips["source"], clips["attributes"], target_embeddings=np.empty((0, DIM))
    )

    terms = scores_of(mixtures, clips)

    assert terms["target"] is None
    assert terms["pooled"] is None
    assert terms["tmax"] is None
    assert np.isfinite(terms["section"]).all()


def test_learned_centers_are_where_the_mixtures_start(clips):
    far = unit(np.random.default_rng(1).normal(size=(10, 2, DIM)).reshape(-1, DIM))
    far = far.reshape(10, 2, DIM)

    plain = scores_of(fitted(clips), clips)
    mixtures = SectionMixtures(2).fit(
        clips["source"],
        clips["attributes"],
        target_embeddings=clips["target"],
        section_means=far[0],
        attribute_means=far,
    )
    started = scores_of(mixtures, clips)

    assert not np.allclose(plain["section"], started["section"])


def test_the_random_state_decides_alone(clips):
    first, again = (scores_of(fitted(clips, random_state=3), clips) for _ in range(2))

    for name in first:
        np.testing.assert_array_equal(first[name], again[name])


def test_terms_need_a_fit(clips):
    with pytest.raises(NotFittedError):
        scores_of(SectionMixtures(2), clips)
