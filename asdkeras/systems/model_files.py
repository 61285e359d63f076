"""The record of a finished training: typed values in one file, networks in files of their own."""

import dataclasses
import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from asdkeras.dsp.clip_length import Keep
from asdkeras.errors import RecipeError
from asdkeras.files import reading, write_arrays

if TYPE_CHECKING:
    import keras

_FILE = "models.npz"
_RECORD = "record"


class TrainedNetwork:
    """A network of a finished training, loaded when it is asked for, unless it is in memory."""

    def __init__(self, path: Path, model: "keras.Model | None" = None) -> None:
        self.path = path
        if model is not None:
            self.model = model

    @functools.cached_property
    def model(self) -> "keras.Model":
        import keras

        with reading(self.path):
            return keras.saving.load_model(self.path)


@dataclasses.dataclass(frozen=True)
class Models:
    """What a training leaves; systems add fields of their own.

    Fields are texts, numbers, arrays, `TrainedNetwork`, None, and tuples and dicts of these.

    Attributes:
        clip_length: samples that the models take of a clip.
        keep: which part of a longer clip they take.
    """

    clip_length: int
    sample_rate_hz: int
    keep: Keep


AnyModels = TypeVar("AnyModels", bound=Models)


def has_models(folder: Path) -> bool:
    """Whether the folder of a task holds the record of a finished training."""
    return (folder / _FILE).is_file()


def save_models(models: Models, folder: Path) -> None:
    """Write the record into the folder of the task, whole or not at all."""
    arrays: dict[str, Any] = {}
    fields = (field.name for field in dataclasses.fields(models))
    record = {name: _plain(getattr(models, name), folder, arrays) for name in fields}
    write_arrays(folder / _FILE, {**arrays, _RECORD: np.array(json.dumps(record))})


def load_models(models_class: type[AnyModels], folder: Path) -> AnyModels:
    """Read the record of a task; its networks are loaded when they are asked for.

    Raises:
        RecipeError: if there is none, or the file of a network is gone.
    """
    if not has_models(folder):
        raise RecipeError(f"{folder}: holds no finished training. `asdkeras train` finishes it.")
    with reading(folder / _FILE), np.load(folder / _FILE) as arrays:
        record = json.loads(str(arrays[_RECORD]))
        return models_class(**{name: _typed(each, folder, arrays) for name, each in record.items()})


def _plain(value: Any, folder: Path, arrays: dict[str, Any]) -> Any:
    """A value as JSON has it; arrays go into `arrays`."""
    if isinstance(value, TrainedNetwork):
        return {"network": str(value.path.relative_to(folder))}
    if isinstance(value, np.ndarray):
        name = f"array{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, dict):
        return {"items": [_plain(pair, folder, arrays) for pair in value.items()]}
    if isinstance(value, tuple):
        return [_plain(each, folder, arrays) for each in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(
        "a record holds texts, numbers, arrays, networks, None, tuples and dicts. "
        f"Received: {type(value).__name__}"
    )


def _typed(value: Any, folder: Path, arrays: Any) -> Any:
    """The inverse of `_plain`."""
    if isinstance(value, list):
        return tuple(_typed(each, folder, arrays) for each in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "items" in value:
        return dict(_typed(pair, folder, arrays) for pair in value["items"])
    path = folder / value["network"]
    if not path.is_file():
        raise RecipeError(
            f"{path}: the weights of a finished training are gone. Delete {folder} to train anew."
        )
    return TrainedNetwork(path)
