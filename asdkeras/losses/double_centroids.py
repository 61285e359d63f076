"""DDCSAD, reconstructed: two classes, each drawn to its centroid and driven from the other."""

import keras
from keras import ops

from asdkeras.replicas import LossLayer, whole_batch
from asdkeras.shapes import check_shapes

_READINGS = ("two_centroid_deep_sad", "ratio", "normal_centroid")
_LEAST_SHARE = 1e-6  # of a class in a batch; less is the rounding of mixed labels


@keras.saving.register_keras_serializable(package="asdkeras")
class DoubleCentroids(LossLayer):
    """Deep double-centroids semi-supervised anomaly detection (DDCSAD), a reconstruction.

    The paper that defines the loss (arXiv 2106.06151, Section III) has not been read, and no
    code of it is public. The report that uses it (Kuroyanagi 2021) says that it acts on the
    embedding, together with a binary cross-entropy, with the centroids of the normal and of
    the outlier class, and that it lessens the variance within and enlarges that between the
    classes; the name derives from Deep SAD. The formulas, the weight and the moving average
    of the centroids are ours. So there are three readings of the loss of an embedding, with
    squared distances, `own` to the centroid of its class and `other` to that of the other:

    | reading | loss of a positive | loss of a negative |
    |---|---|---|
    | `two_centroid_deep_sad` | (own + epsilon) + 1 / (other + epsilon) | the same |
    | `ratio` | own / (other + epsilon) | the same |
    | `normal_centroid` | own + epsilon | 1 / (other + epsilon) |

    The last is Deep SAD as published, with labels for all clips and eta 1: the positive
    centroid alone counts. A label y between 0 and 1 makes y times the loss of a positive and
    1 - y times that of a negative.

    In training a batch first moves the centroids, then its distances are taken to the moved
    ones. A centroid moves to `momentum` times itself plus 1 - `momentum` times the mean of
    the batch, in which labels weigh; the first batch that has a class sets it. The centroids
    get no gradient and give none to the embeddings they are means of. A batch without a
    class, whose labels for it are below 1e-6 on average, leaves its centroid alone. What
    needs the centroid of a class that no batch has had yet counts 0 in the loss, whose mean
    is over the whole batch all the same.

    A model that calls this with labels needs nothing more: `weight` times the mean is added
    to its losses, in training and in validation, where the centroids stay. The mean squared
    distances to the centroid of the own and of the other class are logged as `within` and
    `between`. Computed in float32. A saved model loads without `custom_objects` once this
    module is imported.

    Args:
        reading: str, one of the table.
        weight: float, not negative (in the results: lambda).
        momentum: float in [0, 1). 0 takes the centroids of the batch alone.
        epsilon: float above 0. Deep SAD has 1e-6.

    Call arguments:
        embeddings: float, `(batch, dim)`.
        labels: float in [0, 1], `(batch, 1)`, 1 normal or positive, 0 outlier or negative;
            or None, for the distances alone.
        training: bool, True moves the centroids, unless the layer is not trainable.

    Attributes:
        centroids: weight, `(2, dim)`, of the positive and of the negative class, not
            trainable.
        is_met: weight, `(2,)`, 1 for a class that a batch has had, not trainable.

    Output shape: `(batch, 2)`, float32, squared distances to the positive and the negative
    centroid. The first is higher for an anomaly. To a centroid that has not been set it is
    the squared distance to the origin.

    Raises:
        ValueError: if an argument is out of range or inputs have another shape.

    References:
        Kuroyanagi et al., "Anomalous Sound Detection with Ensemble of Autoencoder and Binary
        Classification Approaches", DCASE 2021 Challenge. Ruff et al., "Deep Semi-Supervised
        Anomaly Detection", ICLR 2020, as github.com/lukasruff/Deep-SAD-PyTorch has it,
        commit 2e7aca3. Not read: Kuroyanagi et al., "Anomalous sound detection using a
        binary classification model and class centroids", arXiv 2106.06151.
    """

    def __init__(
        self, reading="two_centroid_deep_sad", weight=1.0, momentum=0.9, epsilon=1e-6, **kwargs
    ):
        super().__init__(**kwargs)
        if reading not in _READINGS:
            raise ValueError(f"`reading` must be one of {_READINGS}. Received: reading={reading!r}")
        if not weight >= 0.0:
            raise ValueError(f"`weight` must not be negative. Received: weight={weight}")
        if not 0.0 <= momentum < 1.0:
            raise ValueError(
                "`momentum` must lie in [0, 1): from 1 on the centroids never move. "
                f"Received: momentum={momentum}"
            )
        if not epsilon > 0.0:
            raise ValueError(
                "`epsilon` must be above 0: an embedding may lie on a centroid. "
                f"Received: epsilon={epsilon}"
            )
        self.reading = reading
        self.weight = weight
        self.momentum = momentum
        self.epsilon = epsilon
        self.within_metric = keras.metrics.Mean(name="within")
        self.between_metric = keras.metrics.Mean(name="between")

    def build(self, embeddings_shape, labels_shape=None):
        arguments = {
            "initializer": "zeros",
            "dtype": "float32",
            "autocast": False,
            "trainable": False,
            "aggregation": "only_first_replica",  # All of them come to the same value.
        }
        self.centroids = self.add_weight(
            name="centroids", shape=(2, embeddings_shape[-1]), **arguments
        )
        self.is_met = self.add_weight(name="is_met", shape=(2,), **arguments)

    def call(self, embeddings, labels=None, training=False):
        check_shapes(
            self,
            "A label is 1 for the positive class and 0 for the negative.",
            labels=(labels, "batch 1"),
            embeddings=(embeddings, f"batch {self.centroids.shape[1]}"),
        )
        embeddings = ops.cast(embeddings, "float32")
        centroids = ops.convert_to_tensor(self.centroids)
        if labels is None:
            return squared_distances(embeddings, centroids)
        labels = ops.cast(labels, "float32")
        shares = ops.concatenate([labels, 1.0 - labels], axis=1)
        is_met = ops.convert_to_tensor(self.is_met)
        if training and self.trainable:
            centroids, is_met = self._moved(*whole_batch(ops.stop_gradient(embeddings), shares))
            self.centroids.assign(centroids)
            self.is_met.assign(is_met)
        distances = squared_distances(embeddings, centroids)
        losses = self._losses_of_classes(distances, is_met)
        self.add_loss(self.weight * ops.mean(ops.sum(shares * losses, axis=1)))
        self.within_metric.update_state(distances, sample_weight=shares * is_met)
        self.between_metric.update_state(distances, sample_weight=(1.0 - shares) * is_met)
        return distances

    def _moved(self, embeddings, shares):
        """Centroids after a batch, and which are set then."""
        is_here = ops.mean(shares, axis=0) > _LEAST_SHARE
        totals = ops.where(is_here, ops.sum(shares, axis=0), 1.0)
        means = ops.matmul(ops.transpose(shares), embeddings) / totals[:, None]
        kept = ops.where(is_here, self.momentum * self.is_met, 1.0)[:, None]
        centroids = kept * self.centroids + (1.0 - kept) * means
        return centroids, ops.where(is_here, 1.0, self.is_met)

    def _losses_of_classes(self, distances, is_met):
        """`(batch, 2)`: of each embedding as a positive, and as a negative."""
        if self.reading == "normal_centroid":
            own = distances[:, :1] + self.epsilon
            return is_met[0] * ops.concatenate([own, 1.0 / own], axis=1)
        pushes = ops.flip(is_met / (distances + self.epsilon), axis=1)
        if self.reading == "ratio":
            return is_met * distances * pushes
        return is_met * (distances + self.epsilon) + pushes


def squared_distances(embeddings, centroids):
    """Squared Euclidean distances of embeddings to centroids.

    Args:
        embeddings: float, `(batch, dim)`.
        centroids: float, `(num_centroids, dim)`.

    Returns:
        float, `(batch, num_centroids)`, not negative.
    """
    return ops.sum(ops.square(embeddings[:, None] - centroids[None]), axis=-1)
