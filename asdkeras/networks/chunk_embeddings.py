"""Embeddings of all overlapping chunks of a spectrogram, in bounded memory."""

import keras
import numpy as np
from keras import ops

from asdkeras.dsp.fourier import is_by_matrix_products
from asdkeras.networks.folded_mobile_face_net import chunks_embedded, is_mobile_face_net

# With longer hops, rows in the midst of a chunk lie in too few other chunks.
_LONGEST_SHARED_HOP = 4


def chunk_embeddings(network, spectrograms, *, hop, chunks_at_once):
    """What a network makes of every chunk of a spectrogram.

    See `ChunkEmbeddings`, of which this is a call.

    Args:
        network: Keras model from `(batch, num_frames, bins)` to `(batch, dim)`.
        spectrograms: Keras tensor, float, `(batch, frames, bins)`, frames fixed.
        hop: int, frames from one chunk to the next.
        chunks_at_once: int.

    Returns:
        `(batch, chunks, dim)`.

    Raises:
        ValueError: as `ChunkEmbeddings`.
    """
    return ChunkEmbeddings(network, hop, chunks_at_once)(spectrograms)


@keras.saving.register_keras_serializable(package="asdkeras")
class ChunkEmbeddings(keras.layers.Layer):
    """What a network makes of every chunk of a spectrogram, in inference mode.

    Chunk k holds the frames `hop * k` to `hop * k + num_frames - 1`; frames behind the last
    whole chunk are left out. The network runs on groups of chunks, one group after the other,
    so the memory it takes depends neither on the batch nor on the length of the spectrograms.

    A network of `mobile_face_net` shares among the chunks of a group what it computes alike
    for them, if the hop is at most 4 frames; others see every chunk as a whole. The values
    are the same up to rounding; `results/chunk_embeddings` says what it saves.

    Args:
        network: Keras model, not a subclass with a `call` of its own, from `(batch,
            num_frames, bins)`, fixed but for the batch, to one tensor `(batch, dim)`.
        hop: int, at least 1. Frames from one chunk to the next (1 in the paper).
        chunks_at_once: int, at least 1. The most chunks of a group.

    Call arguments:
        spectrograms: float, `(batch, frames, bins)`, at least `num_frames` frames, their
            number fixed.

    Output shape: `(batch, 1 + (frames - num_frames) // hop, dim)`.

    Raises:
        ValueError: if an argument is out of range or the network of another form; when
            called, if the spectrograms are shorter than a chunk, of unknown length or have
            other bins than the chunks.

    References:
        Venkatesh, Wichern, Subramanian, Le Roux, "Improved Domain Generalization via
        Disentangled Multi-Task Learning in Unsupervised Anomalous Sound Detection", DCASE
        2022: 282 chunks of 32 frames of a clip of 10 s.
    """

    def __init__(self, network, hop, chunks_at_once, **kwargs):
        # Magnitudes have no bound that half precision would keep.
        super().__init__(autocast=False, **kwargs)
        for name, value in (("hop", hop), ("chunks_at_once", chunks_at_once)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        if not _is_of_chunks(network):
            raise ValueError(
                "`network` must map (batch, num_frames, bins) to one tensor (batch, dim), all "
                f"fixed but the batch. Received: a network from {network.input_shape} to "
                f"{network.output_shape}. Concatenate several embeddings."
            )
        self.network = network
        self.hop = hop
        self.chunks_at_once = chunks_at_once
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def get_config(self):
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "hop": self.hop,
            "chunks_at_once": self.chunks_at_once,
        }

    @classmethod
    def from_config(cls, config):
        network = keras.saving.deserialize_keras_object(config["network"])
        return cls(**{**config, "network": network})

    def compute_output_shape(self, input_shape):
        _, num_frames, bins = self.network.input_shape
        if input_shape[1] is None or input_shape[1] < num_frames or input_shape[2] != bins:
            raise ValueError(
                f"Spectrograms must have a fixed number of at least {num_frames} frames of {bins} "
                "bins, because the chunks of the network have as many. Received: spectrograms of "
                f"shape {tuple(input_shape)}. Use longer clips or a network of shorter chunks."
            )
        num_chunks = 1 + (input_shape[1] - num_frames) // self.hop
        return (input_shape[0], num_chunks, self.network.output_shape[1])

    def call(self, spectrograms):
        _, num_chunks, dim = self.compute_output_shape(spectrograms.shape)
        num_groups = -(-num_chunks // self.chunks_at_once)
        size = -(-num_chunks // num_groups)
        # The last group begins early enough to be as large as the others.
        starts = np.minimum(size * np.arange(num_groups, dtype="int32"), num_chunks - size)
        spectrograms = ops.cast(spectrograms, "float32")
        num_frames = (size - 1) * self.hop + self.network.input_shape[1]
        length = (1, num_frames, spectrograms.shape[2])

        def of_group(index):
            start = ops.take(self.hop * starts, index % num_groups)
            frames = ops.slice(spectrograms, (index // num_groups, start, 0), length)
            return self._of_chunks(frames[0], size)

        indices = ops.arange(ops.shape(spectrograms)[0] * num_groups)
        groups = _one_after_the_other(of_group, indices, (size, dim))
        embeddings = ops.reshape(groups, (-1, num_groups * size, dim))
        chunks = np.arange(num_chunks)
        group = np.minimum(chunks // size, num_groups - 1)
        return ops.take(embeddings, group * size + chunks - starts[group], axis=1)

    @property
    def shares_rows(self):
        """Whether chunks share rows; then its batch normalizations are folded there, too."""
        return self.hop <= _LONGEST_SHARED_HOP and is_mobile_face_net(self.network)

    def _of_chunks(self, frames, num_chunks):
        if self.shares_rows:
            return chunks_embedded(self.network, frames, num_chunks, self.hop)
        starts = self.hop * np.arange(num_chunks)[:, None]
        chunks = ops.take(frames, starts + np.arange(self.network.input_shape[1]), axis=0)
        return self.network(chunks, training=False)


def _one_after_the_other(function, indices, shape):
    """`function` of every index; each result has the shape."""
    if is_by_matrix_products():
        # For other runtimes, whose loops take one step at a time; ONNX cannot express the scan.
        return ops.map(function, indices)

    def step(_, index):
        result = function(index)
        return result, result

    # A scan takes one step after the other where `ops.map` may take ten at a time. It
    # carries the results because Keras wants what is carried to have their shape.
    return ops.scan(step, ops.zeros(shape), indices)[1]


def _is_of_chunks(network):
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        return False
    shapes = (network.input_shape[1:], network.output_shape[1:])
    return [len(shape) for shape in shapes] == [2, 1] and None not in (*shapes[0], *shapes[1])
