"""Intra-class compactness: every embedding is drawn to the center of its class."""

import keras
from keras import ops

from asdkeras.losses.cosines import CenterHead, add_centers, check_inputs, unit_vectors
from asdkeras.shapes import check_classes


@keras.saving.register_keras_serializable(package="asdkeras")
class ClassCompactness(CenterHead):
    """Class logits that are minus the squared distance to the center of the class.

    One center per class. Train with `CompactnessLoss`, which pulls an embedding to its
    own center and pushes it from none: with fixed centers and a network without biases
    it cannot collapse, because no single point is near them all. Joined with a
    cross-entropy on a `Dense` layer that reads the same embedding it is the loss of
    Perera & Patel. The largest logit is the nearest center. Always computed in float32.

    A saved model loads without `custom_objects` once this module is imported.

    Args:
        num_classes: int, at least 1. Classes of the auxiliary task (paper: C). With one,
            this is the one-class form of Ruff et al.
        normalize: bool. True measures on the unit sphere, where the squared distance is
            `2 - 2 cosine`; False between the embedding and the center as they are.
        trainable_centers: bool. Centers that train follow the embeddings, and then both
            may meet in one point.

    Call arguments:
        embeddings: float, `(batch, dim)`.
        labels: not read; taken so that every head is called alike.

    Attributes:
        centers: weight, `(dim, num_classes)`.

    Output shape: `(batch, num_classes)`, float32, not above 0 up to rounding and not
    below -4 if normalized.

    Raises:
        ValueError: if an argument is out of range or inputs have another shape.

    References:
        Ruff et al., "Deep One-Class Classification", ICML 2018. Perera & Patel, "Learning
        Deep Features for One-Class Classification", IEEE Transactions on Image
        Processing 2019. Compared in Wilkinghoff, "AdaProj", DCASE Workshop 2024, which
        leaves the form with several classes open; this one is ours.
    """

    def __init__(self, num_classes, normalize=True, trainable_centers=False, **kwargs):
        super().__init__(**kwargs)
        if num_classes < 1:
            raise ValueError(
                "ClassCompactness needs `num_classes` of at least 1. "
                f"Received: num_classes={num_classes}"
            )
        self.num_classes = num_classes
        self.normalize = normalize
        self.trainable_centers = trainable_centers

    def build(self, embeddings_shape, labels_shape=None):
        self.centers = add_centers(self, embeddings_shape[-1], self.num_classes)

    def call(self, embeddings, labels=None, training=False):
        check_inputs(self, embeddings, labels, training)
        embeddings = ops.cast(embeddings, "float32")
        centers = ops.convert_to_tensor(self.centers)
        if self.normalize:
            embeddings = unit_vectors(embeddings, axis=-1)
            centers = unit_vectors(centers, axis=0)
        squares = ops.sum(ops.square(embeddings), axis=-1, keepdims=True)
        squares += ops.sum(ops.square(centers), axis=0)
        return 2.0 * ops.matmul(embeddings, centers) - squares


@keras.saving.register_keras_serializable(package="asdkeras")
class CompactnessLoss(keras.losses.Loss):
    """Squared distance to the center of the own class: `-sum_c y_c logit_c`.

    For the logits of `ClassCompactness`. Mixed labels weigh the distances to both
    centers, which draws a mixture between them.

    Args:
        reduction: as in every Keras loss.
        name: str.

    Call arguments:
        y_true: float, not negative, `(batch, classes)`.
        y_pred: float, `(batch, classes)`, minus the squared distances.

    Returns:
        float scalar, the mean over the batch and not over classes, unless `reduction`
        says otherwise.

    Raises:
        ValueError: if an input has another shape.
    """

    def __init__(self, reduction="sum_over_batch_size", name="compactness_loss", **kwargs):
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true, y_pred):
        check_classes(self, y_true, y_pred)
        return -ops.sum(y_true * y_pred, axis=-1)
