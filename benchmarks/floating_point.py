"""Floating-point operations of a network's convolutions and dense layers, and the machine's rate.

Counted by formula from the layers: a layer does `positions of its output x size of its
kernel` multiply-adds per clip, two operations each. Training counts them up to three times:
forward, for the gradient of the kernel, and for the gradient of the input where something
trainable lies before. Left out: Fourier transforms, batch normalization, activations,
pooling, heads and the optimizer, and what an implementation pads or computes twice.
"""

import math
import statistics
import time

import keras
import tensorflow as tf

_COUNTED = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Dense)
_MATRIX_SIZES = (1024, 2048, 4096)


def forward_operations(network):
    """Operations per clip of embedding it."""
    return sum(2 * _multiply_adds(layer) for layer in _counted(network))


def training_operations(network):
    """Operations per clip of a training step."""
    total = 0
    for layer in _counted(network):
        is_behind_weights = bool(keras.Model(network.input, layer.input).trainable_weights)
        total += (3 if is_behind_weights else 2) * 2 * _multiply_adds(layer)
    return total


def matrix_product_rates(repeats=3):
    """Operations per second, and per second of processor time, of float32 matrix products.

    With all threads, at the size that is fastest.
    """
    return max(_rates(size, repeats) for size in _MATRIX_SIZES)


def timed(run):
    """Seconds that pass while `run()` runs, and processor seconds of this process in them."""
    started = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - started[0], time.process_time() - started[1]


def _counted(network):
    return [layer for layer in network.layers if isinstance(layer, _COUNTED)]


def _multiply_adds(layer):
    return math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)


def _rates(size, repeats):
    product = tf.function(tf.matmul)
    left, right = tf.random.normal((size, size)), tf.random.normal((size, size))
    product(left, right).numpy()  # Traces.
    times = [timed(lambda: product(left, right).numpy()) for _ in range(repeats)]
    return tuple(2 * size**3 / statistics.median(each) for each in zip(*times, strict=True))
