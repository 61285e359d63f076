"""Networks of the released code as their recordings describe them, layer by layer."""

import re

import numpy as np

_COMPARED = ("Add", "BatchNormalization", "Conv1D", "Conv2D", "Dense", "LeakyReLU", "ReLU")


def count(weights):
    """How many numbers the weights hold."""
    return sum(int(np.prod(weight.shape)) for weight in weights)


def fill(model, golden, own_names):
    """Give the model the weights of the recording, made from their seeds and rules.

    Args:
        model: Keras model.
        golden: recording of the released network.
        own_names: released name -> name of the layer in our network, for those that have
            one; the others are counted by kind in both.
    """
    for weight in golden["weights"]:
        layer = _layer(model, golden, weight["layer"], own_names)
        getattr(layer, weight["weight"]).assign(_values(weight))


def check_layers(model, golden, own_names):
    """Assert that both have the same layers, with the same shapes and parameters."""
    layers = [layer for layer in golden["layers"] if layer["cls"] in _COMPARED]
    for expected in layers:
        layer = _layer(model, golden, expected["name"], own_names)
        shape = _shape(expected["out"])
        # The spectrogram has no axis for channels yet when it is normalized.
        assert layer.output.shape in (shape, shape[:-1] if shape[-1] == 1 else shape)
        assert count(layer.trainable_weights) == expected["trainable"]
        assert count(layer.non_trainable_weights) == expected["non_trainable"]
    assert len(layers) == sum(
        any(kind.__name__ in _COMPARED for kind in type(layer).__mro__) for layer in model.layers
    )


def _layer(model, golden, name, own_names):
    """The layer of the model that is the one of that name in the recording."""
    if name in own_names:
        return model.get_layer(own_names[name])
    kind = _kind_and_number(name)[0]
    released = [layer["name"] for layer in golden["layers"]]
    ours = _numbered(kind, [layer.name for layer in model.layers])
    theirs = _numbered(kind, [each for each in released if each not in own_names])
    return model.get_layer(ours[theirs.index(name)])


def _numbered(kind, names):
    """Names of one kind, `conv2d` say, in the order in which Keras gave them to layers."""
    return sorted(
        (name for name in names if _kind_and_number(name)[0] == kind), key=_kind_and_number
    )


def _kind_and_number(name):
    """`conv2d_5` as (`conv2d`, 5), `conv2d` as (`conv2d`, 0); a faster form as what it is of."""
    kind, number = re.fullmatch(r"(?:fused_)?(.*?)(?:_(\d+))?", name).groups()
    return kind, int(number or 0)


def _shape(text):
    """`(None, 311, 513, 1)` as a tuple."""
    return tuple(None if size == "None" else int(size) for size in re.findall(r"\w+", text))


def _values(weight):
    noise = np.random.RandomState(weight["seed"]).randn(*weight["shape"])
    return {
        "randn*sqrt(2/prod(shape[:-1]))": noise * np.sqrt(2 / np.prod(weight["shape"][:-1])),
        "0.1*randn": 0.1 * noise,
        "1+0.1*randn": 1 + 0.1 * noise,
        "1+0.1*abs(randn)": 1 + 0.1 * np.abs(noise),
    }[weight["rule"]]
