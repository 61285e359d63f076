"""Cosines between embeddings and class centers."""

import keras
from keras import ops

from asdkeras.mixed_precision import Float32Layer
from asdkeras.shapes import ONE_HOT, check_shapes


def unit_vectors(vectors, axis):
    """Vectors scaled to length 1; a zero vector stays zero and keeps a finite gradient.

    Args:
        vectors: float tensor.
        axis: int, the axis along which a vector lies.

    Returns:
        float tensor of the same shape.
    """
    squares = ops.sum(ops.square(vectors), axis=axis, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squares, 1e-12))


def cosines_to_centers(embeddings, centers, num_classes):
    """Cosine of every embedding to every center, by class.

    Args:
        embeddings: float, `(batch, dim)`.
        centers: float, `(dim, classes * subclusters)`, the centers of a class in a row.
        num_classes: int.

    Returns:
        float in [-1, 1] up to rounding, `(batch, classes, subclusters)`.
    """
    cosines = ops.matmul(unit_vectors(embeddings, axis=-1), unit_vectors(centers, axis=0))
    return ops.reshape(cosines, (-1, num_classes, centers.shape[-1] // num_classes))


def add_centers(layer, dim, num_centers):
    """Add the weight `centers` to a layer being built; its `trainable_centers` says if it trains.

    Args:
        layer: Keras layer.
        dim: int, of the embeddings.
        num_centers: int.

    Returns:
        The weight, float32, `(dim, num_centers)`.
    """
    return layer.add_weight(
        name="centers",
        shape=(dim, num_centers),
        initializer="glorot_uniform",
        dtype="float32",
        autocast=False,
        trainable=layer.trainable_centers,
    )


class CenterHead(Float32Layer):
    """A layer from embeddings and labels to logits of `num_classes`, by its weight `centers`."""

    def compute_output_spec(self, embeddings, labels=None, training=False):
        check_inputs(self, embeddings, labels, training)
        return keras.KerasTensor((embeddings.shape[0], self.num_classes), "float32")


def check_inputs(head, embeddings, labels, training):
    """Raise a ValueError unless the inputs of a head with `centers` have its shapes.

    Args:
        head: Keras layer, built.
        embeddings: `(batch, dim)`.
        labels: `(batch, num_classes)`, or None.
        training: bool.
    """
    check_shapes(
        head,
        ONE_HOT,
        in_graph=training,
        embeddings=(embeddings, f"batch {head.centers.shape[0]}"),
        labels=(labels, f"batch {head.num_classes}"),
    )
