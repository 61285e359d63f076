"""The file of a detector: a zip of one JSON text and one Keras model for each machine."""

import dataclasses
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from asdkeras import __version__
from asdkeras.config import Checked, Count, build_config
from asdkeras.detector.fitted_machine import Machine
from asdkeras.errors import DataError, RecipeError
from asdkeras.files import PART_PREFIX, replacing

if TYPE_CHECKING:
    import keras

FORMAT = "asdkeras detector"
VERSION = 1
_CONTENTS = "detector.json"
_FIRST_BYTES = b"PK"  # Of any zip.
_COPY = "Copy it again, or fit the detector again."


@dataclasses.dataclass(frozen=True)
class _Contents(Checked):
    format: Literal["asdkeras detector"]
    version: Count
    asdkeras: str
    story: dict[str, Any]
    machines: tuple[Machine, ...]


def save_file(
    path: str | os.PathLike[str],
    story: dict[str, Any],
    machines: Mapping[str, Machine],
    models: "Mapping[str, keras.Model]",
) -> None:
    """Write a detector, its machines and their graphs by name, whole or not at all.

    Args:
        story: how the detector was made; JSON can hold it.

    Raises:
        ValueError: if a threshold is not finite.
    """
    contents = {
        "format": FORMAT,
        "version": VERSION,
        "asdkeras": __version__,
        "story": story,
        "machines": [dataclasses.asdict(machine) for machine in machines.values()],
    }
    text = json.dumps(contents, indent=1, allow_nan=False)
    with replacing(Path(path)) as whole, zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(_CONTENTS, text)
        for name in machines:
            with tempfile.TemporaryDirectory(dir=whole.parent, prefix=PART_PREFIX) as folder:
                part = Path(folder, "model.keras")
                models[name].save(part)
                archive.write(part, _member(name))


def read_file(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Machine]]:
    """How a detector was made, and its machines by name: all but the models.

    Raises:
        DataError: if there is no such file, or it is no detector, damaged, or of a newer asdkeras.
    """
    path = Path(path)
    with _archive(path) as archive:
        _check_members(path, archive)
        contents = _contents(path, archive)
        machines = {machine.name: machine for machine in contents.machines}
        for name in machines:
            if _member(name) not in archive.namelist():
                raise DataError(f"{path}: damaged, the model of {name} is missing. {_COPY}")
    return contents.story, machines


def read_model(path: Path, name: str) -> "keras.Model":
    """The graph of one machine, loaded in the safe mode of Keras.

    Raises:
        DataError: if the file was damaged, or holds what asdkeras and Keras do not.
    """
    with _archive(path) as archive:
        content = _read(path, archive, _member(name))
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder, "model.keras")
        part.write_bytes(content)
        return _loaded(path, name, part)


def _member(name: str) -> str:
    return f"machines/{name}.keras"


def _archive(path: Path) -> zipfile.ZipFile:
    if not path.is_file():
        what = "is a folder, not the file of a detector" if path.is_dir() else "no such file"
        raise DataError(f"{path}: {what}. `asdkeras fit DIR --out FILE.asd` makes a detector.")
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        with path.open("rb") as file:
            is_zip = file.read(len(_FIRST_BYTES)) == _FIRST_BYTES
        if is_zip:
            raise DataError(f"{path}: cut off or damaged: {error}. {_COPY}") from error
        raise DataError(
            f"{path}: not the file of a detector. `asdkeras fit DIR --out FILE.asd` makes one."
        ) from error


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    names = archive.namelist()
    unsafe = [
        name
        for name in names
        if "\\" in name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts
    ]
    if unsafe:
        raise DataError(
            f"{path}: not written by asdkeras: a part leads out of the file. Received: "
            f"{unsafe[0]!r}. Trust no file from where this one came."
        )
    if _CONTENTS in names:
        return
    if "model.weights.h5" in names:
        raise DataError(
            f"{path}: a Keras model, such as `asdkeras export` writes, not the file of a detector. "
            "Load it with keras.saving.load_model after `import asdkeras.keras_objects`."
        )
    raise DataError(f"{path}: a zip file, but not of a detector: it holds no {_CONTENTS}.")


def _read(path: Path, archive: zipfile.ZipFile, member: str) -> bytes:
    try:
        return archive.read(member)
    # Whatever broken compression, encryption or headers make of a part.
    except (zipfile.BadZipFile, EOFError, KeyError, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{path}: damaged, {member} cannot be read: {error}. {_COPY}") from error


def _contents(path: Path, archive: zipfile.ZipFile) -> _Contents:
    try:
        contents = json.loads(_read(path, archive, _CONTENTS).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: damaged, {_CONTENTS} is no JSON text: {error}. {_COPY}"
        ) from error
    if isinstance(contents, dict) and contents.get("format") == FORMAT:
        version = contents.get("version")
        if type(version) is int and version > VERSION:
            raise DataError(
                f"{path}: written by asdkeras {contents.get('asdkeras')}, format {version}; this "
                f"is asdkeras {__version__} and reads format {VERSION}. Update asdkeras."
            )
    try:
        checked: _Contents = build_config(_Contents, contents, _CONTENTS)
    except RecipeError as error:
        raise DataError(f"{path}: not the file of a detector, or damaged: {error}") from error
    return checked


def _loaded(path: Path, name: str, model: Path) -> "keras.Model":
    import keras

    import asdkeras.keras_objects  # noqa: F401  (registers our layers)

    try:
        return keras.saving.load_model(model)
    except MemoryError:
        raise
    except Exception as error:  # Keras has no errors of its own for what it does not load.
        reason = " ".join(str(error).split())
        if "Lambda" in reason or "lambda" in reason:
            raise DataError(
                f"{path}: the model of {name} holds code of its own (a Lambda layer), which is not "
                "run, and asdkeras writes none. Trust no file from where this one came."
            ) from error
        raise DataError(
            f"{path}: the model of {name} cannot be loaded; it is damaged or holds what neither "
            f"Keras nor asdkeras {__version__} has: {reason[:200]}"
        ) from error
