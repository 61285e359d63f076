"""What was tried to make the training step of the two-branch network faster, measured in turn.

    python -m benchmarks.train_step_attempts

Every attempt replaces one part of the network and trains on the same batch; a round measures
one step of each. Ratios above 1 are faster than the network as it is. Processor time is
hardly changed by other work on the machine. `results/train_step/README.md` holds the
figures and what was kept.
"""

import argparse
import contextlib
import statistics
import types
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from asdkeras.layers import magnitude_spectrogram
from asdkeras.networks import wilkinghoff_two_branch
from benchmarks.floating_point import timed
from benchmarks.train_step import BATCH_SIZE, NUM_CLASSES, classifier

_SAMPLES = 160_000


class FusedNormalization(layers.BatchNormalization):
    """TensorFlow's own operation for images, which `keras.ops` does not have."""

    def call(self, inputs, training=False):
        if len(inputs.shape) != 4 or not training:
            return super().call(inputs, training=training)
        outputs, *moments = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        _move(self, moments)
        return outputs


class NormalizationWithGradient(layers.BatchNormalization):
    """The gradient written out, in fewer passes than automatic differentiation makes."""

    def call(self, inputs, training=False):
        if not training:
            return super().call(inputs, training=training)
        axes = list(range(len(inputs.shape) - 1))

        @ops.custom_gradient
        def normalized(x, gamma, beta):
            count = ops.cast(ops.size(x), "float32") / x.shape[-1]
            mean = ops.mean(x, axis=axes)
            variance = ops.mean(ops.square(x - mean), axis=axes)
            inverse = ops.rsqrt(variance + self.epsilon)
            slope = gamma * inverse

            def gradient(upstream, *_):
                offset = ops.sum(upstream, axis=axes)
                scale = inverse * (ops.sum(upstream * x, axis=axes) - mean * offset)
                share = slope * inverse * scale / count
                of_x = slope * upstream - share * x + (share * mean - slope * offset / count)
                return of_x, scale, offset

            return (x * slope + (beta - mean * slope), mean, variance), gradient

        gamma, beta = ops.convert_to_tensor(self.gamma), ops.convert_to_tensor(self.beta)
        outputs, *moments = normalized(inputs, gamma, beta)
        _move(self, moments)
        return outputs


def _move(layer, moments):
    for weight, value in zip((layer.moving_mean, layer.moving_variance), moments, strict=True):
        weight.assign(weight * layer.momentum + value * (1 - layer.momentum))


def _spectrogram_by_matrix(waveforms, window, hop_length):
    """The transform as a convolution with sines and cosines, which matrix products compute."""
    length = len(window)
    angles = 2 * np.pi * np.outer(np.arange(length), np.arange(length // 2 + 1)) / length
    waves = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * window[:, None]
    kernel = waves.reshape(length // hop_length, hop_length, -1).astype("float32")
    blocks = waveforms.shape[1] // hop_length
    inputs = ops.reshape(waveforms[:, : blocks * hop_length], (-1, blocks, hop_length))
    real, imaginary = ops.split(ops.conv(inputs, kernel, padding="valid"), 2, axis=-1)
    return ops.sqrt(ops.square(real) + ops.square(imaginary))


@contextlib.contextmanager
def _layers(**replaced):
    """Inside, the network is built from these layers in place of those of Keras."""
    namespace = types.SimpleNamespace(**(vars(layers) | replaced))
    with mock.patch.object(wilkinghoff_two_branch, "layers", namespace):
        yield


@contextlib.contextmanager
def _half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


ATTEMPTS = {
    "as it is": contextlib.nullcontext,
    "stem as Conv2D": lambda: mock.patch.object(
        wilkinghoff_two_branch, "BlockwiseConv2D", layers.Conv2D
    ),
    "spectrum with Conv1D": lambda: mock.patch.object(
        wilkinghoff_two_branch, "BlockwiseConv1D", layers.Conv1D
    ),
    "batch norm, own gradient": lambda: _layers(BatchNormalization=NormalizationWithGradient),
    "batch norm of TensorFlow": lambda: _layers(BatchNormalization=FusedNormalization),
    "spectrogram by matrix": lambda: mock.patch.object(
        magnitude_spectrogram, "magnitude_spectrogram", _spectrogram_by_matrix
    ),
    "bfloat16": _half_precision,
}


def main():
    """Print times and ratios of all attempts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--attempts", nargs="+", choices=ATTEMPTS, default=list(ATTEMPTS))
    options = parser.parse_args()
    names = ["as it is", *(name for name in options.attempts if name != "as it is")]
    batch = _batch()
    models = {name: _model(name, batch) for name in names}
    found = {name: [] for name in names}
    for _ in range(options.rounds):
        for name, model in models.items():
            found[name].append(timed(lambda model=model: model.train_on_batch(*batch)))
    for name in names:
        print(f"{name:26s}", *_columns(found[name], found["as it is"]))


def _model(name, batch):
    keras.utils.set_random_seed(0)
    with ATTEMPTS[name]():
        model = classifier("wilkinghoff2024", _SAMPLES)
        for _ in range(2):
            model.train_on_batch(*batch)
    return model


def _batch():
    rng = np.random.default_rng(0)
    waveforms = 0.1 * rng.standard_normal((BATCH_SIZE, _SAMPLES), dtype="float32")
    labels = np.eye(NUM_CLASSES, dtype="float32")[rng.integers(NUM_CLASSES, size=BATCH_SIZE)]
    weight = np.ones((BATCH_SIZE, 1), "float32")
    inputs = {"waveform": waveforms, "weight": weight, "classes_label": labels}
    return inputs, {"classes": labels}


def _columns(times, reference):
    for kind, own, others in zip(
        ("wall", "processor"), zip(*times, strict=True), zip(*reference, strict=True), strict=True
    ):
        ratio = statistics.median(b / a for a, b in zip(own, others, strict=True))
        yield f"{kind} {statistics.median(own):.2f} s (ratio {ratio:.2f})"


if __name__ == "__main__":
    main()
