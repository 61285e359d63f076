"""VICReg and its form for mixtures: embeddings of a pair agree, and do not collapse."""

import keras
from keras import ops

from asdkeras.replicas import LossLayer, whole_batch
from asdkeras.shapes import check_shapes

_FORMS = ("released", "printed")
_PAIRS = "Row i of one belongs to row i of the other."
_REDUCTIONS = {"mean": ops.mean, "sum": ops.sum}


def squared_distance(first, second, form):
    """Squared Euclidean distance of embeddings, row by row, as a mean over the batch.

    Args:
        first: float, `(batch, dim)`.
        second: float, `(batch, dim)`.
        form: `mean` also averages over the dimensions, as the code of VICReg does; `sum`
            adds them up, as DG-Mix, eq. 1, is printed, which is `dim` times as much.

    Returns:
        float scalar, not negative, 0 for equal embeddings.

    Raises:
        ValueError: if `form` is unknown or the shapes differ.
    """
    if form not in _REDUCTIONS:
        raise ValueError(f"`form` must be one of {tuple(_REDUCTIONS)}. Received: form={form!r}")
    check_shapes("the distance", _PAIRS, first=(first, "batch dim"), second=(second, "batch dim"))
    return ops.mean(_REDUCTIONS[form](ops.square(first - second), axis=1))


def variance_term(embeddings, epsilon=1e-4):
    """How far the dimensions of a batch are from a standard deviation of 1: a hinge.

    `max(0, 1 - sqrt(variance + epsilon))`, where the variance of a dimension is unbiased
    (over batch - 1). What already spreads enough counts nothing.

    Args:
        embeddings: float, `(batch, dim)`, at least two rows.
        epsilon: float, not negative, added to the variance. 0, as DG-Mix prints it, is
            allowed: a dimension that is constant then counts 1 and has no gradient, in
            place of the infinite slope of the root.

    Returns:
        float scalar in [0, 1], the mean over the dimensions (paper: v).

    Raises:
        ValueError: if the batch is known to have one row.
    """
    variance = ops.sum(ops.square(_centered(embeddings)), axis=0) / _degrees(embeddings) + epsilon
    is_positive = variance > 0.0
    # The inner choice keeps the infinite slope of the root out of the gradient.
    deviation = ops.where(is_positive, ops.sqrt(ops.where(is_positive, variance, 1.0)), 0.0)
    return ops.mean(ops.relu(1.0 - deviation))


def covariance_term(embeddings):
    """How much the dimensions of a batch tell the same: squared covariances of their pairs.

    Args:
        embeddings: float, `(batch, dim)`, at least two rows.

    Returns:
        float scalar, not negative: the sum over all ordered pairs of different dimensions of
        their squared covariance (over batch - 1), divided by `dim` (paper: c).

    Raises:
        ValueError: if the batch is known to have one row.
    """
    dim = embeddings.shape[1]
    centered = _centered(embeddings)
    covariances = ops.matmul(ops.transpose(centered), centered) / _degrees(embeddings)
    between = covariances * (1.0 - ops.eye(dim, dtype=covariances.dtype))
    return ops.sum(ops.square(between)) / dim


def _centered(embeddings):
    return embeddings - ops.mean(embeddings, axis=0, keepdims=True)


def _degrees(embeddings):
    """Rows less one, as a float."""
    if embeddings.shape[0] == 1:
        raise ValueError(
            "Variance and covariance over the batch need at least two rows. "
            f"Received: embeddings.shape={tuple(embeddings.shape)}"
        )
    return ops.cast(ops.shape(embeddings)[0] - 1, embeddings.dtype)


@keras.saving.register_keras_serializable(package="asdkeras")
class VICReg(LossLayer):
    """Variance, invariance and covariance: a loss for pairs of embeddings without labels.

    Invariance draws the two embeddings of a pair together. Alone it would be least if all
    embeddings were the same point. Variance forbids that, as it wants every dimension to
    spread over the batch, and covariance forbids that all dimensions tell the same. No
    negative pairs, no second network and no stopped gradient are needed: all embeddings
    get a gradient from all terms they enter.

    In VICReg, `first` and `second` embed two augmented views of the same clips. In DG-Mix
    they embed different clips, and invariance is replaced: with `compared`, it draws the
    embedding of the mixture of the two clips to the mixture of their embeddings (eq. 1).
    Variance and covariance are always those of `first` and `second`, summed over the two.

    | term | `released` | `printed` |
    |---|---|---|
    | invariance | mean over batch and dimensions | mean over the batch, sum over dimensions |
    | variance | half the sum of both, epsilon 1e-4 | sum of both, no epsilon |
    | covariance | sum of both | sum of both |

    The usual weights belong to the released form. With 1280 dimensions the printed
    invariance is 1280 times as large and drowns the other two terms.

    On several replicas the batch is that of all of them.

    A model that calls this needs no other loss: `weights` times the terms is added to those
    of the model. The terms are logged without their weights, as `invariance`, `variance`
    and `covariance`. Computed in float32. A saved model loads without `custom_objects` once
    this module is imported.

    Args:
        weights: three floats, not negative: of invariance, variance and covariance.
        form: `released`, as the code of VICReg has it; `printed`, as DG-Mix prints it.

    Call arguments:
        first: float, `(batch, dim)`, at least two rows (paper: Z). With one row in a batch
            of unknown size the loss is NaN.
        second: float, `(batch, dim)` (paper: Z').
        compared: pair of float, `(batch, dim)`, or None. The embeddings of the mixtures
            (paper: Z with index lambda) and the mixtures of the embeddings
            (paper: lambda Z + (1 - lambda) Z'), whose distance stands for that of `first`
            and `second`.

    Output shape: `()`, the loss of the batch, float32.

    Raises:
        ValueError: if an argument is out of range, shapes differ, or the batch is known to
            have one row.

    References:
        Bardes et al., "VICReg: Variance-Invariance-Covariance Regularization for
        Self-Supervised Learning", ICLR 2022, as github.com/facebookresearch/vicreg has it,
        commit 4e12602. Nejjar et al., "DG-Mix", DCASE Workshop 2022, eq. 1 to 5.
    """

    def __init__(self, weights=(25.0, 25.0, 1.0), form="released", **kwargs):
        super().__init__(**kwargs)
        _check_form(form)
        if len(weights) != 3 or not all(weight >= 0.0 for weight in weights):
            raise ValueError(
                "`weights` must be three numbers that are not negative, of invariance, "
                f"variance and covariance. Received: weights={weights}"
            )
        self.term_weights = weights  # `weights` is the name of the variables of a layer.
        self.form = form
        self.invariance_metric = keras.metrics.Mean(name="invariance")
        self.variance_metric = keras.metrics.Mean(name="variance")
        self.covariance_metric = keras.metrics.Mean(name="covariance")

    def call(self, first, second, compared=None):
        pairs = (first, second, *(compared or ()))
        names = ("first", "second", "compared_first", "compared_second")
        check_shapes(
            self,
            _PAIRS,
            **{name: (each, "batch dim") for name, each in zip(names, pairs, strict=False)},
        )
        first, second, *compared = whole_batch(*(ops.cast(each, "float32") for each in pairs))
        invariance = _distance(*(compared or (first, second)), self.form)
        is_printed = self.form == "printed"
        epsilon = 0.0 if is_printed else 1e-4
        variance = variance_term(first, epsilon) + variance_term(second, epsilon)
        terms = {
            self.invariance_metric: invariance,
            self.variance_metric: variance if is_printed else variance / 2.0,
            self.covariance_metric: covariance_term(first) + covariance_term(second),
        }
        for metric, term in terms.items():
            # Weighted like the loss Keras logs, so that a smaller last batch counts less.
            metric.update_state(term, sample_weight=ops.shape(first)[0])
        loss = sum(w * term for w, term in zip(self.term_weights, terms.values(), strict=True))
        self.add_loss(loss)
        return loss


@keras.saving.register_keras_serializable(package="asdkeras")
class Consistency(LossLayer):
    """The embedding of a mixture is drawn to the mixture of the embeddings (DG-Mix, eq. 1).

    The first term of `VICReg` with `compared`, alone, for training with labels, which keep
    the embeddings from collapsing. It is added to the losses of the model, times `weight`,
    and logged without it, as `consistency`. Computed in float32.

    Args:
        weight: float, not negative. The paper names none.
        form: `released`, mean over batch and dimensions; `printed`, mean over the batch and
            sum over the dimensions.

    Call arguments:
        mixed: float, `(batch, dim)`, embeddings of the mixtures.
        mixture: float, `(batch, dim)`, mixtures of the embeddings.

    Output shape: `()`, the loss of the batch, float32.

    Raises:
        ValueError: if an argument is out of range or the shapes differ.

    References:
        Nejjar et al., "DG-Mix", DCASE Workshop 2022, eq. 1.
    """

    def __init__(self, weight=1.0, form="released", **kwargs):
        super().__init__(**kwargs)
        _check_form(form)
        if not weight >= 0.0:
            raise ValueError(f"`weight` must not be negative. Received: weight={weight}")
        self.weight = weight
        self.form = form
        self.consistency_metric = keras.metrics.Mean(name="consistency")

    def call(self, mixed, mixture):
        check_shapes(self, _PAIRS, mixed=(mixed, "batch dim"), mixture=(mixture, "batch dim"))
        distance = _distance(mixed, mixture, self.form)
        self.consistency_metric.update_state(distance, sample_weight=ops.shape(mixed)[0])
        loss = self.weight * distance
        self.add_loss(loss)
        return loss


def _distance(first, second, form):
    first, second = ops.cast(first, "float32"), ops.cast(second, "float32")
    return squared_distance(first, second, "sum" if form == "printed" else "mean")


def _check_form(form):
    if form not in _FORMS:
        raise ValueError(f"`form` must be one of {_FORMS}. Received: form={form!r}")
