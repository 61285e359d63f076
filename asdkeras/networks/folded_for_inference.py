"""Networks for inference: batch normalizations become part of the layers in front of them.

A batch normalization that does not learn multiplies every channel by a number and adds another.
The convolution or dense layer in front of it does the same at no cost, with another kernel and
bias, and TensorFlow computes the bias and a ReLU behind it in the pass of the convolution.
"""

import collections
import dataclasses
import functools
import operator

import keras
import numpy as np
from keras import ops

from asdkeras.networks.chunk_embeddings import ChunkEmbeddings

_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, *_DEPTHWISE)


def folded(model, known=None):
    """A model with as few batch normalizations as can be, for inference.

    One behind a convolution or dense layer without an activation becomes part of its kernel and
    bias. One behind a sum multiplies the terms of the sum in its place, if one of them is such a
    layer. Of one behind such a layer and a ReLU, leaky or not, the layer takes the factors, if all
    are above 0. A convolution that feeds a ReLU gets a bias, of zeros at least. Nothing else may
    use what lies between. All others stay, and so does all else: inputs, outputs, names, nested
    models. Values are those of `model(..., training=False)` up to rounding.

    Layers that are folded are new, with the weights of this moment; the others are those of the
    model.

    Args:
        model: Keras model, functional.
        known: dict of what was folded so far, to be passed on, so that a network that is part of
            several models stays one. None begins anew.

    Returns:
        A functional model, not compiled; `model` itself if there is nothing to fold.

    Raises:
        ValueError: if the model is not functional.
    """
    known = {} if known is None else known
    if id(model) not in known:
        if not _has_graph(model):
            raise ValueError(
                "`model` must be functional, because the graph of others cannot be read. "
                f"Received: {model!r}. Use `keras.Model(inputs, outputs)`."
            )
        # The model is kept too, so that no other can have its identity.
        known[id(model)] = (_folded(model, known), model)
    return known[id(model)][0]


def _has_graph(layer):
    return isinstance(layer, keras.Model) and hasattr(layer, "operations")


def _folded(model, known):
    graph = _Graph(model, known)
    replaced = {}  # Identity of a tensor -> the one in its place.

    def current(structure):
        return keras.tree.map_structure(lambda each: replaced.get(id(each), each), structure)

    for call in graph.calls:
        if call.is_normalization:
            terms, offset = graph.normalized(call)
            if any(graph.is_foldable(tensor) for tensor, _ in terms):
                replaced[id(call.outputs)] = _summed(graph, terms, offset, current)
                continue
            if activation := graph.scalable_activation(terms):
                ((_, scale),) = terms
                scaled = _summed(graph, [(activation.inputs[0], scale)], 0.0, current)
                added = ops.cast(offset, scaled.dtype)
                replaced[id(call.outputs)] = activation.layer(scaled) + added
                continue
        if graph.gains_by_bias(call):
            replaced[id(call.outputs)] = _summed(graph, [(call.outputs, 1.0)], 0.0, current)
        elif any(id(each) in replaced for each in call.inputs):
            outputs = call.layer(*current(call.args), **current(call.kwargs))
            pairs = map(keras.tree.flatten, (call.outputs, outputs))
            replaced |= {id(old): new for old, new in zip(*pairs, strict=True)}
    if not replaced and not graph.has_folded_parts:
        return model
    return keras.Model(graph.model.input, current(graph.model.output), name=model.name)


def _summed(graph, terms, offset, current):
    """The sum of scale times tensor over the terms, and the offset, which one layer takes."""
    values = []
    for tensor, scale in terms:
        # All but one change their sign and are subtracted: TensorFlow gives up all fusion in a
        # graph that adds to a convolution with bias and has several users of the sum, one a ReLU.
        sign = -1.0 if values else 1.0
        if graph.is_foldable(tensor):
            call = graph.call_of[id(tensor)]
            shape = call.inputs[0].shape
            layer = _with_scale_and_offset(call.layer, shape, sign * scale, sign * offset)
            values.append(layer(current(call.inputs[0])))
            offset = 0.0
        else:
            values.append(current(tensor) * ops.cast(sign * scale, tensor.dtype))
    return functools.reduce(operator.sub, values)


def _with_scale_and_offset(layer, input_shape, scale, offset):
    """A layer that gives `scale * layer(inputs) + offset`, computed in float64 and rounded once."""
    kernel, bias = (0.0 if each is None else _float64(each) for each in (layer.kernel, layer.bias))
    is_depthwise = isinstance(layer, _DEPTHWISE)
    initializer = "depthwise_initializer" if is_depthwise else "kernel_initializer"
    config = layer.get_config() | {"use_bias": True, initializer: "zeros"}
    new = type(layer).from_config(config)
    new.build(input_shape)
    of_kernel = np.reshape(scale, kernel.shape[-2:]) if is_depthwise else scale
    new.kernel.assign(kernel * of_kernel)
    new.bias.assign(np.broadcast_to(scale * bias + offset, new.bias.shape))
    return new


def _scale_and_offset(normalization):
    """What it multiplies by and adds in inference."""
    deviation = np.sqrt(_float64(normalization.moving_variance) + normalization.epsilon)
    scale = (_float64(normalization.gamma) if normalization.scale else 1.0) / deviation
    beta = _float64(normalization.beta) if normalization.center else 0.0
    return scale, beta - _float64(normalization.moving_mean) * scale


def _float64(weight):
    return ops.convert_to_numpy(weight).astype("float64")


@dataclasses.dataclass(frozen=True)
class _Call:
    """A layer or operation where a graph calls it."""

    layer: keras.Operation
    args: tuple
    kwargs: dict
    outputs: object

    @functools.cached_property
    def inputs(self):
        values = keras.tree.flatten((self.args, self.kwargs))
        return [each for each in values if isinstance(each, keras.KerasTensor)]

    @property
    def is_normalization(self):
        """Whether it scales the last axis by what it has learned."""
        if not isinstance(self.layer, keras.layers.BatchNormalization):
            return False
        (inputs,) = self.inputs
        return (
            self.layer.axis in (-1, len(inputs.shape) - 1)
            and inputs.dtype == self.outputs.dtype
            and not self.kwargs.get("training")
        )

    @property
    def is_linear(self):
        """Whether it is a convolution or dense layer that can take a scale and an offset."""
        layer = self.layer
        if isinstance(layer, _CONVOLUTIONS):
            has_last_channels = layer.data_format == "channels_last"
        else:
            has_last_channels = isinstance(layer, keras.layers.Dense)
        return has_last_channels and layer.activation is keras.activations.linear

    @property
    def is_homogeneous(self):
        """Whether it is a ReLU, leaky or not, that has no other bound than 0."""
        if isinstance(self.layer, keras.layers.ReLU):
            return self.layer.max_value is None and self.layer.threshold == 0.0
        return isinstance(self.layer, keras.layers.LeakyReLU)

    @property
    def is_sum(self):
        """Whether it adds tensors of one shape, as layer or as operation."""
        return type(self.layer).__name__ == "Add" and (
            {getattr(each, "shape", ()) for each in keras.tree.flatten((self.args, self.kwargs))}
            == {self.outputs.shape}
        )


class _Graph:
    """A model called anew, with its parts folded.

    Attributes:
        model: the model anew; its layers are those of the original.
        calls: of its layers, in the order of computation.
        call_of: identity of a tensor -> the call that made it.
        has_folded_parts: bool, whether a layer has changed.
    """

    def __init__(self, model, known):
        self.calls, self.has_folded_parts = [], False

        def part(layer):
            new = layer
            if _has_graph(layer):
                new = folded(layer, known)
            elif isinstance(layer, ChunkEmbeddings) and not layer.shares_rows:
                network = folded(layer.network, known)
                if network is not layer.network:
                    new = ChunkEmbeddings(network, layer.hop, layer.chunks_at_once, name=layer.name)
            self.has_folded_parts |= new is not layer
            return new

        def call(layer, *args, **kwargs):
            outputs = layer(*args, **kwargs)
            self.calls.append(_Call(layer, args, kwargs, outputs))
            return outputs

        # The inner model is not compiled, as a clone of a compiled one would be.
        inner = keras.Model(model.input, model.output)
        self.model = keras.models.clone_model(inner, clone_function=part, call_function=call)
        self.call_of = {
            id(each): call for call in self.calls for each in keras.tree.flatten(call.outputs)
        }
        self._user_of = {id(each): call for call in self.calls for each in call.inputs}
        used = [each for call in self.calls for each in call.inputs] + self.model.outputs
        self._num_uses = collections.Counter(map(id, used))
        self._num_calls = collections.Counter(id(call.layer) for call in self.calls)

    def normalized(self, call):
        """What a normalization gives: pairs of tensor and scale, the terms of a sum; an offset."""
        scale, offset = _scale_and_offset(call.layer)
        terms, inner = self._terms(call.inputs[0])
        return [(tensor, scale * each) for tensor, each in terms], scale * inner + offset

    def is_foldable(self, tensor):
        """Whether a layer that is called once makes it, for one other that uses it."""
        call = self.call_of.get(id(tensor))
        return (
            call is not None
            and call.is_linear
            and self._num_calls[id(call.layer)] == self._num_uses[id(tensor)] == 1
        )

    def gains_by_bias(self, call):
        """Whether a bias, even of zeros, lets TensorFlow compute the ReLU behind with it."""
        if not call.is_linear or call.layer.use_bias or not self.is_foldable(call.outputs):
            return False
        user = self._user_of.get(id(call.outputs))
        return (
            isinstance(call.layer, keras.layers.Conv2D) and user is not None and user.is_homogeneous
        )

    def scalable_activation(self, terms):
        """The call of a (leaky) ReLU that is the only term, behind a layer that can be folded.

        Numbers above 0 may multiply before it as well as behind it. None if there is none.
        """
        tensor, scale = terms[0]
        call = self.call_of.get(id(tensor))
        if len(terms) > 1 or call is None or self._num_uses[id(tensor)] > 1:
            return None
        is_found = call.is_homogeneous and self.is_foldable(call.inputs[0]) and np.all(scale > 0.0)
        return call if is_found else None

    def _terms(self, tensor):
        call = self.call_of.get(id(tensor))
        if call is not None and self._num_uses[id(tensor)] == 1:
            if call.is_normalization:
                return self.normalized(call)
            if call.is_sum:
                lists, offsets = zip(*map(self._terms, call.inputs), strict=True)
                return [each for terms in lists for each in terms], sum(offsets)
        return [(tensor, 1.0)], 0.0
