"""Start weights of a classifier's network from a file.

A file is a Keras model, `*.keras`, or the weights of one, `*.weights.h5`. It needs the layers of
the network before the head and may have others, such as a head of its own. Layers of a model are
found by their names, inside a layer `backbone` if it has one, as the models of a finished training
do; weights alone are found by the order of the layers, as Keras saves them.
"""

import re
import warnings
from pathlib import Path

import keras

from asdkeras.errors import RecipeError

RANDOM = "random"
_KEY = "bc.start_weights"


def require_start_weights(file: str) -> None:
    """Raise a RecipeError if there is no such file; `random` needs none."""
    if file != RANDOM and not Path(file).is_file():
        raise RecipeError(
            f"`{_KEY}`: {file}: there is no such file from {Path.cwd()}. Name a file of Keras "
            f"weights, or --set config.{_KEY}={RANDOM}."
        )


def load_start_weights(network: keras.Model, file: str) -> None:
    """Give a network the weights of a file, or leave it as it is with `random`.

    Raises:
        RecipeError: if the file cannot be read, or a layer of the network is not there or has
            other shapes.
    """
    if file == RANDOM:
        return
    require_start_weights(file)
    if file.endswith(".keras"):
        _load_layers(network, _model_in(file), file)
        return
    try:
        with warnings.catch_warnings():  # Of containers; a layer it does not find is an error.
            warnings.simplefilter("ignore")
            network.load_weights(file)
    except (ValueError, OSError, KeyError) as error:
        layer = re.search(r"name=([\w./]+)", str(error))
        if layer is None:
            what = f"cannot be read as weights: {_first_line(error)}"
        else:
            what = f"layer {layer[1]} is not in there or has weights of other shapes"
        raise _refusal(file, what) from error


def _model_in(file: str) -> keras.Model:
    try:
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise _refusal(file, f"cannot be read as a Keras model: {_first_line(error)}") from error
    inner = {layer.name: layer for layer in model.layers}.get("backbone")
    return model if inner is None else inner


def _load_layers(network: keras.Model, donor: keras.Model, file: str) -> None:
    known = {layer.name: layer.get_weights() for layer in donor.layers}
    for layer in network.layers:
        wanted = [weight.shape for weight in layer.get_weights()]
        found = [weight.shape for weight in known.get(layer.name, [])]
        if wanted and layer.name not in known:
            raise _refusal(file, f"has no layer {layer.name}")
        if wanted != found and wanted:
            raise _refusal(
                file, f"layer {layer.name} has weights of shapes {found}, the network {wanted}"
            )
    for layer in network.layers:
        if layer.get_weights():
            layer.set_weights(known[layer.name])


def _refusal(file: str, what: str) -> RecipeError:
    return RecipeError(
        f"`{_KEY}`: {file}: {what}. Take a file with the weights of this `bc.backbone` and "
        f"`bc.width`, for spectrograms of one channel, or --set config.{_KEY}={RANDOM}."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
