"""Inputs whose shapes do not belong together are refused before anything broadcasts."""

import collections
from collections.abc import Iterable
from typing import Any, TypeAlias

import keras
import numpy as np

ONE_HOT = (
    "Labels are one row for each clip, one-hot or mixed: "
    "make them of whole numbers by keras.utils.to_categorical(labels, num_classes)."
)


Place: TypeAlias = tuple[int | None, Any, int | None]  # Size, tensor, axis of the tensor.


def check_shapes(
    owner: object, advice: str = "", in_graph: bool = True, **inputs: tuple[Any, str]
) -> None:
    """Raise a ValueError unless all inputs have the axes they should and agree in their sizes.

    What is only known when a graph runs is compared there, with TensorFlow and without XLA, if
    `in_graph`.

    Args:
        owner: layer, loss or metric, or the name of a function, for the message.
        advice: str, ends the message.
        in_graph: bool, False for what is exported, as not every format has assertions.
        **inputs: name -> (tensor, axes); None in place of a tensor is passed over. Axes are
            words: a number is a size, a name a size that is the same wherever it stands. `...`
            in front is any number of axes, the same in all inputs; behind, whatever comes.

    Raises:
        ValueError: what was expected, what was received and the advice.
    """
    inputs = {name: pair for name, pair in inputs.items() if pair[0] is not None}
    places: dict[str, list[Place]] = collections.defaultdict(list)
    for name, (tensor, axes) in inputs.items():
        if (shape := _shape(tensor)) is None:
            continue
        names, rank = axes.split(), len(shape)
        if names[0] == "...":
            lead = max(rank - len(names) + 1, 0)
            names[:1] = [f"...{index}" for index in range(lead)]
            places["..."].append((lead, tensor, None))
        if names[-1] == "...":
            names.pop()
            rank = min(rank, len(names))
        places[f"axes of {name}"] += [(rank, tensor, None), (len(names), tensor, None)]
        for index, (axis, size) in enumerate(zip(names, shape, strict=False)):
            places[axis].append((size, tensor, index))
            if axis.isdigit():
                places[axis].append((int(axis), tensor, None))
    message = _message(owner, advice, inputs)
    if any(len({size for size, *_ in found} - {None}) > 1 for found in places.values()):
        raise ValueError(message)
    if in_graph and keras.backend.backend() == "tensorflow":
        _compare_in_the_graph(places.values(), message)


def check_classes(loss: keras.losses.Loss, y_true: Any, y_pred: Any) -> None:
    """Raise a ValueError unless labels and logits are both `(batch, classes)`."""
    axes = "batch classes"
    check_shapes(loss, ONE_HOT, y_true=(y_true, axes), y_pred=(y_pred, axes))


def _shape(tensor: Any) -> tuple[int | None, ...] | None:
    """Sizes as far as they are known, None if not even their number is."""
    shape = tensor.shape if hasattr(tensor, "shape") else np.shape(tensor)
    return None if getattr(shape, "rank", 0) is None else tuple(shape)


def _message(owner: Any, advice: str, inputs: dict[str, tuple[Any, str]]) -> str:
    who = owner if isinstance(owner, str) else f"{type(owner).__name__} `{owner.name}`"
    expected = [
        f"{name} of shape ({', '.join(axes.split())})" for name, (_, axes) in inputs.items()
    ]
    received = [f"{name} of shape {_shape(tensor)}" for name, (tensor, _) in inputs.items()]
    return f"{who} needs {', '.join(expected)}. Received: {', '.join(received)}. {advice}".rstrip()


def _compare_in_the_graph(places: Iterable[list[Place]], message: str) -> None:
    import tensorflow as tf

    for found in places:
        sizes = [
            tf.shape(tensor)[index] if size is None else size
            for size, tensor, index in found
            if size is not None or not isinstance(tensor, keras.KerasTensor)
        ]
        if not all(isinstance(size, int) for size in sizes):
            for other in sizes[1:]:
                tf.debugging.assert_equal(sizes[0], other, message)
