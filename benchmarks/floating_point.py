"""Floating-point operations of a model, counted in its graph, and the machine's rate.

Counted are multiply-adds of convolutions and matrix products, two operations each. Training counts
them three times: forward, for the gradient of the kernel, and for that of the input. Left out:
Fourier transforms, batch normalization, activations, pooling, the optimizer, and what an
implementation pads or computes twice; sizes that no graph knows count as 1.
"""

import functools
import math
import statistics
import time
from typing import NamedTuple

import tensorflow as tf

_MATRIX_SIZES = (1024, 2048, 4096)
_BATCH = 2
_FREE = ("Const", "Identity", "Placeholder", "ReadVariableOp", "Reshape", "Cast", "StopGradient")


class Cost(NamedTuple):
    """Operations of products and convolutions, and floating-point values that operations write."""

    operations: float
    values: float

    def times(self, number):
        return Cost(number * self.operations, number * self.values)

    def plus(self, other):
        return Cost(self.operations + other.operations, self.values + other.values)

    def seconds(self, rates):
        return sum(count / rate for count, rate in zip(self, rates, strict=True))


NOTHING = Cost(0.0, 0.0)


def forward_operations(network):
    """Operations per clip of embedding it."""
    return graph_cost(network).operations


def training_operations(network):
    """Operations per clip of a training step."""
    return 3.0 * graph_cost(network, training=True).operations


def graph_cost(model, *, training=False):
    """Forward `Cost` of one example, from the operations of the model's graph."""
    signature = tf.nest.map_structure(
        lambda each: tf.TensorSpec((_BATCH, *each.shape[1:]), each.dtype), model.input
    )
    run = tf.function(lambda inputs: model(inputs, training=training))
    graph = run.get_concrete_function(signature).graph
    return _cost_of_graph(graph).times(1.0 / _BATCH)


def _cost_of_graph(graph):
    return functools.reduce(Cost.plus, map(_cost_of_operation, graph.get_operations()), NOTHING)


def _cost_of_operation(operation):
    kind = operation.type
    if kind in ("While", "StatelessWhile"):
        body = operation.graph._get_function(operation.get_attr("body").name).graph
        lists = (each.op for each in operation.inputs if each.op.type == "TensorListFromTensor")
        return _cost_of_graph(body).times(float(max(each.inputs[0].shape[0] for each in lists)))
    if kind in ("PartitionedCall", "StatefulPartitionedCall"):
        inner = operation.graph._get_function(operation.get_attr("f").name)
        return _cost_of_graph(inner.graph)
    if kind in _FREE or not operation.outputs or not operation.outputs[0].dtype.is_floating:
        return NOTHING
    return Cost(2.0 * _multiply_adds(operation), _size(operation.outputs[0]))


def _multiply_adds(operation):
    kind, result = operation.type, operation.outputs[0]
    if kind == "Conv2D":
        return _size(result) * math.prod(operation.inputs[1].shape[:3])
    if kind == "DepthwiseConv2dNative":
        return _size(result) * math.prod(operation.inputs[1].shape[:2])
    if kind in ("MatMul", "BatchMatMulV2"):
        is_transposed = operation.get_attr("transpose_a" if kind == "MatMul" else "adj_x")
        size = operation.inputs[0].shape[-2 if is_transposed else -1]
        return _size(result) * (size or 1)
    if kind == "Einsum":
        texts = operation.get_attr("equation").decode().split("->")[0].split(",")
        sizes = {
            letter: size
            for text, each in zip(texts, operation.inputs, strict=True)
            for letter, size in zip(text, each.shape, strict=True)
        }
        return math.prod(size or 1 for size in sizes.values())
    return 0


def _size(tensor):
    return math.prod(size or 1 for size in tensor.shape)


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


def _rates(size, repeats):
    product = tf.function(tf.matmul)
    left, right = tf.random.normal((size, size)), tf.random.normal((size, size))
    product(left, right).numpy()  # Traces.
    times = [timed(lambda: product(left, right).numpy()) for _ in range(repeats)]
    return tuple(2 * size**3 / statistics.median(each) for each in zip(*times, strict=True))
