"""The loss of the neural process against closed forms in float64."""

import keras
import numpy as np
import pytest
from scipy import stats

from asdkeras.losses.negative_evidence import (
    NegativeEvidence,
    gaussian_divergence,
    gaussian_negative_log_likelihood,
)
from tests.contracts import check_layer


def gaussians(*shape, seed):
    """Means and standard deviations from 0.2 to 1.2."""
    generator = np.random.default_rng(seed)
    mean, deviation = generator.normal(size=shape), generator.uniform(0.2, 1.2, size=shape)
    return np.stack([mean, deviation], axis=-1).astype("float32")


VALUES = np.random.default_rng(0).normal(size=(3, 7)).astype("float32")
PREDICTED = gaussians(3, 7, seed=1)
POSTERIOR = gaussians(3, 5, seed=2)
PRIOR = gaussians(3, 5, seed=3)


def naive_likelihood(values, gaussians):
    return -stats.norm.logpdf(
        values.astype("float64"), gaussians[..., 0].astype("float64"), gaussians[..., 1]
    )


def naive_divergence(first, second):
    """From the general form with covariance matrices."""
    divergences = []
    for p, q in zip(first.astype("float64"), second.astype("float64"), strict=True):
        covariance_p, covariance_q = np.diag(p[:, 1] ** 2), np.diag(q[:, 1] ** 2)
        inverse, shift = np.linalg.inv(covariance_q), q[:, 0] - p[:, 0]
        logarithms = np.linalg.slogdet(covariance_q)[1] - np.linalg.slogdet(covariance_p)[1]
        total = np.trace(inverse @ covariance_p) + shift @ inverse @ shift - len(p) + logarithms
        divergences.append(total / 2)
    return np.array(divergences)


def test_the_likelihood_is_that_of_the_normal_distribution():
    unlikely = gaussian_negative_log_likelihood(VALUES, PREDICTED)
    np.testing.assert_allclose(unlikely, naive_likelihood(VALUES, PREDICTED), rtol=1e-5)


def test_the_divergence_is_that_of_multivariate_normal_distributions():
    divergence = gaussian_divergence(POSTERIOR, PRIOR)
    np.testing.assert_allclose(divergence, naive_divergence(POSTERIOR, PRIOR), rtol=1e-5)


def test_the_divergence_is_an_expectation_under_the_first():
    assert naive_divergence(POSTERIOR, PRIOR) != pytest.approx(naive_divergence(PRIOR, POSTERIOR))
    draws = np.random.default_rng(5).normal(*POSTERIOR[0, 0], size=200_000)
    log_ratio = stats.norm.logpdf(draws, *POSTERIOR[0, 0]) - stats.norm.logpdf(draws, *PRIOR[0, 0])

    divergence = gaussian_divergence(POSTERIOR[:1, :1], PRIOR[:1, :1])

    four_standard_errors = 4 * log_ratio.std() / np.sqrt(len(draws))
    assert float(divergence[0]) == pytest.approx(log_ratio.mean(), abs=four_standard_errors)


def test_equal_distributions_do_not_diverge():
    np.testing.assert_array_equal(gaussian_divergence(PRIOR, PRIOR), np.zeros(3))


def test_the_loss_has_the_divergence_once_per_window_by_the_number_of_targets():
    loss = NegativeEvidence()(VALUES, PREDICTED, POSTERIOR, PRIOR)

    unlikely = naive_likelihood(VALUES, PREDICTED)
    divergence = naive_divergence(POSTERIOR, PRIOR)
    expected = [np.mean(u) + d / 7 for u, d in zip(unlikely, divergence, strict=True)]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def model_of_loss():
    inputs = [keras.Input(each.shape[1:]) for each in (VALUES, PREDICTED, POSTERIOR, PRIOR)]
    model = keras.Model(inputs, NegativeEvidence()(*inputs))
    model.compile("sgd", run_eagerly=True)
    return model


def test_a_model_needs_no_other_loss_and_logs_the_parts():
    logs = model_of_loss().test_on_batch([VALUES, PREDICTED, POSTERIOR, PRIOR], return_dict=True)

    unlikely = naive_likelihood(VALUES, PREDICTED).mean()
    divergence = naive_divergence(POSTERIOR, PRIOR).mean() / 7
    assert logs == pytest.approx(
        {
            "loss": unlikely + divergence,
            "negative_log_likelihood": unlikely,
            "divergence": divergence,
        },
        rel=1e-5,
    )


def test_the_layer_keeps_the_contract():
    check_layer(NegativeEvidence(), VALUES, PREDICTED, POSTERIOR, PRIOR, output_shape=(3,))
