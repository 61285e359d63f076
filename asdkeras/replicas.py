"""A model that trains on several devices: each has a replica and a part of every batch.

With `tf.distribute` a layer sees its own part alone, and whatever is taken over the batch needs
those of the others. Where Keras computes with another backend, a layer sees the whole batch.
"""

import threading
from typing import Any

import keras
from keras import ops

from asdkeras.mixed_precision import Float32Layer


def whole_batch(*tensors: Any) -> list[Any]:
    """Tensors with the rows of all replicas, in order; as they are if there is one replica.

    Gradients go back to the replica a row came from.

    Args:
        *tensors: `(batch, ...)` each.

    Returns:
        list of tensors.
    """
    replica = _replica()
    if replica is None:
        return list(tensors)
    gathered = [replica.all_gather(each, axis=0) for each in tensors]
    for rows, each in zip(gathered, tensors, strict=True):
        rows.set_shape((None, *each.shape[1:]))  # Which gathering forgets.
    return gathered


def reversed_batch(rows: Any) -> Any:
    """For each row the one as far from the other end of the whole batch.

    Args:
        rows: `(batch, ...)`.

    Returns:
        tensor of the shape of `rows`.
    """
    everyone = ops.flip(whole_batch(rows)[0], axis=0)
    replica = _replica()
    if replica is None:
        return everyone
    count = ops.shape(rows)[0]
    counts = replica.all_gather(ops.reshape(count, (1,)), axis=0)
    first = ops.sum(counts[: replica.replica_id_in_sync_group])
    return everyone[first : first + count]


class LossLayer(Float32Layer):
    """A layer that adds losses, in each replica to those of the replica alone.

    Keras has one list for what `add_loss` adds, which every replica empties when it calls the
    model. As replicas wait for each other in `whole_batch`, one would lose or count twice what
    another has added.
    """

    @property
    def _losses(self) -> list[Any]:
        if _replica() is None:
            return self._losses_of_all
        if not hasattr(self._of_thread, "losses"):  # Each replica runs in a thread of its own.
            self._of_thread.losses = []
        return self._of_thread.losses

    @_losses.setter
    def _losses(self, losses: list[Any]) -> None:
        self._losses_of_all, self._of_thread = losses, threading.local()


def number_of(variable: Any) -> float:
    """The float of a scalar variable, also of one that every replica has a copy of."""
    return float(ops.convert_to_numpy(variable))


def _replica() -> Any:
    """The replica in which this runs, or None if there is only one."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    return replica if replica is not None and replica.num_replicas_in_sync > 1 else None
