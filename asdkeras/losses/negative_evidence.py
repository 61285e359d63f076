"""What a neural process minimizes: how unlikely its targets are, and what the latent tells."""

import math

import keras
from keras import ops

from asdkeras.replicas import LossLayer
from asdkeras.shapes import check_shapes

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


def gaussian_negative_log_likelihood(values, gaussians):
    """Minus the natural logarithm of the density of normal distributions.

    Args:
        values: float, `(...)`.
        gaussians: float, `(..., 2)`, mean and standard deviation of each.

    Returns:
        float `(...)`; negative where the density exceeds 1.

    Raises:
        ValueError: if an input has another shape.
    """
    check_shapes(
        "the likelihood", in_graph=False, values=(values, "..."), gaussians=(gaussians, "... 2")
    )
    mean, deviation = gaussians[..., 0], gaussians[..., 1]
    distance = (values - mean) / deviation
    return 0.5 * ops.square(distance) + ops.log(deviation) + _HALF_LOG_TWO_PI


def gaussian_divergence(first, second):
    """Kullback-Leibler divergence of normal distributions of independent coordinates.

    Args:
        first: float, `(batch, dim, 2)`, mean and standard deviation of each coordinate; what
            the expectation is taken over.
        second: the same, of the distribution it is compared with.

    Returns:
        float `(batch,)`, not negative, 0 for equal ones: the sum over the coordinates of
        `log(s2 / s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2`.

    Raises:
        ValueError: if an input has another shape.
    """
    check_shapes(
        "the divergence",
        in_graph=False,
        first=(first, "batch dim 2"),
        second=(second, "batch dim 2"),
    )
    first_mean, first_deviation = first[..., 0], first[..., 1]
    second_mean, second_deviation = second[..., 0], second[..., 1]
    ratio = first_deviation / second_deviation
    shift = (first_mean - second_mean) / second_deviation
    terms = 0.5 * (ops.square(ratio) + ops.square(shift) - 1.0) - ops.log(ratio)
    return ops.sum(terms, axis=-1)


@keras.saving.register_keras_serializable(package="asdkeras")
class NegativeEvidence(LossLayer):
    """The training loss of a neural process, a bound of how unlikely the targets are.

    Minus the mean over the targets of their log-likelihood, which wants all points of a
    window to be predicted from some of them, plus the divergence of what the latent knows
    from the targets (the posterior) from what it knows from the context alone (the prior),
    once per window and divided by the number of targets. The prior learns to tell as much
    from the context as the posterior from everything.

    A model that calls this needs no other loss: it is added to those of the model, as the
    mean over the batch. Its two parts are logged on their own. Computed in float32.

    Call arguments:
        values: float, `(batch, targets)`, standardized.
        predicted: float, `(batch, targets, 2)`, mean and standard deviation.
        posterior: float, `(batch, dim, 2)`, likewise.
        prior: float, `(batch, dim, 2)`, likewise.

    Output shape: `(batch,)`, the loss of each window.

    Raises:
        ValueError: if an input has another shape.

    References:
        Kim et al., "Attentive Neural Processes", ICLR 2019, as its released code has it:
        github.com/deepmind/neural-processes, commit aca7e38.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.likelihood_metric = keras.metrics.Mean(name="negative_log_likelihood")
        self.divergence_metric = keras.metrics.Mean(name="divergence")

    def call(self, values, predicted, posterior, prior):
        check_shapes(
            self,
            values=(values, "batch targets"),
            predicted=(predicted, "batch targets 2"),
            posterior=(posterior, "batch dim 2"),
            prior=(prior, "batch dim 2"),
        )
        values, predicted, posterior, prior = (
            ops.cast(each, "float32") for each in (values, predicted, posterior, prior)
        )
        unlikely = ops.mean(gaussian_negative_log_likelihood(values, predicted), axis=1)
        divergence = gaussian_divergence(posterior, prior) / values.shape[1]
        self.likelihood_metric.update_state(unlikely)
        self.divergence_metric.update_state(divergence)
        loss = unlikely + divergence
        self.add_loss(ops.mean(loss))
        return loss
