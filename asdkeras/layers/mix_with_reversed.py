"""Mixup of features inside a network."""

import keras
from keras import ops

from asdkeras.replicas import reversed_batch
from asdkeras.shapes import check_shapes


@keras.saving.register_keras_serializable(package="asdkeras")
class MixWithReversed(keras.layers.Layer):
    """Each clip of a training batch mixed with the one as far from the other end.

    Mixes features that a front end inside the model computes. The weights come from
    the input pipeline, which mixes the labels with them (`asdkeras.batches.mixup`), so that
    labels and features cannot disagree. On several replicas the batch is that of all of them.
    Outside training the features pass unchanged.

    Call arguments:
        features: float, `(batch, ...)`.
        weight: float in [0, 1], `(batch, 1)`, share of the clip itself. Read in
            training only.

    Output shape: that of `features`.

    Raises:
        ValueError: if the weights have another shape.
    """

    def call(self, features, weight, training=False):
        check_shapes(
            self, in_graph=training, features=(features, "batch ..."), weight=(weight, "batch 1")
        )
        if not training:
            return features
        weight = ops.reshape(weight, (-1, *(1,) * (len(features.shape) - 1)))
        # As `asdkeras.batches.mixup.mix`, but TensorFlow takes many times as long for `[::-1]`.
        return weight * features + (1.0 - weight) * reversed_batch(features)
