"""Files of a detector's graph for other runtimes, none written that disagrees with it."""

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from asdkeras.detector.export_check import Graph, check_agreement, check_not_finite
from asdkeras.detector.export_formats import FORMATS, IN_FLOAT32, as_numpy_function
from asdkeras.detector.fitted_machine import Machine
from asdkeras.errors import AsdkerasError, DataError, ExportError
from asdkeras.files import PART_PREFIX, replacing
from asdkeras.mixed_precision import in_float32


@dataclasses.dataclass(frozen=True)
class Exported:
    """A file that was written, or the folder of a SavedModel.

    Attributes:
        largest_difference: from the Keras graph over the compared clips: of scores relative to
            score or threshold, whichever is larger; of embeddings relative to their largest value.
    """

    path: Path
    format: str
    num_bytes: int
    largest_difference: float


def export_model(
    model: keras.Model, path: str | os.PathLike[str], format: str, machine: Machine
) -> Exported:
    """Write the graph of one machine for another runtime, and compare there and here.

    The file is loaded again in its own runtime before it gets its name, and scores generated clips
    of 1 s, of the clip length and of half as much again. The scores must agree with those of the
    Keras graph within 1e-4 of the score or the threshold, whichever is larger, the embeddings
    within 1e-4 of their largest value, and the decisions wherever the score is not as near to the
    threshold as that. Clips with a sample that is NaN or infinite must be anomalous.

    In `onnx` and `litert` networks compute in float32, whatever they were trained in, and are
    compared with the Keras graph in float32: runtimes of theirs know no bfloat16.

    Args:
        model: from waveforms `(batch, samples)` to `anomaly_score`, `is_anomalous` and `embedding`,
            with the decision of `asdkeras.detector.decision`.
        path: where to; a folder for `saved_model`, which replaces a SavedModel but nothing
            else. For `keras` it ends in `.keras`.
        format: `keras`; `saved_model`, of TensorFlow, with the signature `serving_default`;
            `onnx`, for ONNX Runtime among others; `litert`, for phones and small computers,
            computed in float32. The input is `waveform` in all of them, float32
            `(batch, samples)`, both sizes free, and the outputs are called as in Keras.

    Raises:
        ValueError: if the format is unknown.
        ExportError: if the format cannot express the graph or the written graph disagrees;
            then `path` is as it was.
        AsdkerasError: if a package is missing or `path` is not one to write to.
    """
    _require_known(format)
    path = Path(path)
    _require_writable(path, format)
    if format in IN_FLOAT32:
        model = in_float32(model)
    replacing_path = _replacing_folder if format == "saved_model" else replacing
    wanted = as_numpy_function(model)
    with replacing_path(path) as temporary:
        try:
            write, read = FORMATS[format]
            write(model, temporary)
            exported = read(temporary)
            difference = check_agreement(wanted, exported, machine)
            check_not_finite(exported, machine)
        except ExportError as error:
            raise ExportError(f"{path}: not written as {format}, because {error}") from error
        except (AsdkerasError, OSError, MemoryError):
            raise
        except Exception as error:  # Converters and runtimes have no errors in common.
            reason = f"the format cannot express it ({_first_line(error)})"
            raise ExportError(f"{path}: not written as {format}, because {reason}") from error
        num_bytes = _size(temporary)
    return Exported(path, format, num_bytes, difference)


def load_exported(path: str | os.PathLike[str], format: str) -> Graph:
    """Read a file of `export_model` as a function, in the runtime of its format.

    Returns:
        function from float32 waveforms `(batch, samples)` to `anomaly_score` `(batch,)`,
        `is_anomalous` `(batch,)` and `embedding` `(batch, dim)`.

    Raises:
        ValueError: if the format is unknown.
        DataError: if there is no such file, or it is none of this format.
        AsdkerasError: if a package is missing.
    """
    _require_known(format)
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    try:
        compute = FORMATS[format][1](path)
    except (AsdkerasError, MemoryError):
        raise
    except Exception as error:  # Runtimes have no errors in common.
        raise DataError(f"{path}: cannot be read as {format} ({_first_line(error)})") from error
    return lambda waveforms: compute(np.asarray(waveforms, "float32"))


def _require_known(format: str) -> None:
    if format not in FORMATS:
        raise ValueError(f"`format` must be one of {tuple(FORMATS)}. Received: format={format!r}")


def _require_writable(path: Path, format: str) -> None:
    if format == "keras" and path.suffix != ".keras":
        raise AsdkerasError(f"{path}: the name of a file in the format keras must end in .keras")
    is_saved_model = (path / "saved_model.pb").exists()
    if format == "saved_model" and path.exists() and not is_saved_model:
        raise AsdkerasError(f"{path}: there is something else; name a folder that is not there")
    if format != "saved_model" and path.is_dir():
        raise AsdkerasError(f"{path}: there is a folder, and the format {format} is one file")


@contextlib.contextmanager
def _replacing_folder(path: Path) -> Iterator[Path]:
    """As `files.replacing`, for a folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=PART_PREFIX) as beside:
        temporary = Path(beside) / path.name
        yield temporary
        if path.exists():
            path.rename(Path(beside) / "old")
        temporary.rename(path)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)
