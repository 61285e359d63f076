"""Machine types below a root: which folders hold clips, and what lies elsewhere."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from asdkeras.data import naming
from asdkeras.errors import DataError

_RENAMED = "test_rename"
_ORIGINALS = {"test", "source_test", "target_test"}

# Folder name: the split and the domain it stands for. Order matters: of a clip that lies
# in `test` and in `source_test`, the latter says more.
FOLDERS: dict[str, tuple[str, str | None]] = {
    "train": ("train", None),
    "source_test": ("test", "source"),
    "target_test": ("test", "target"),
    "test": ("test", None),
    _RENAMED: ("test", None),  # Copies of `test` under labeled names, by the NTT baseline.
    "supplemental": ("supplemental", None),
}


@dataclasses.dataclass(frozen=True)
class MachineFolder:
    """The folder of one machine type, whose name it has."""

    machine_type: str
    path: str  # Below the root as it was given.
    files: dict[str, list[str]]  # Sorted audio file names by folder, as in `FOLDERS`.


def find_machine_folders(
    root: Path, within: Sequence[str] | None = None
) -> tuple[list[MachineFolder], tuple[str, ...]]:
    """Search the folders `within`, by default the root, at any depth; hidden ones do not count.

    Returns machine folders in order of their paths, and lines the user should see.

    Raises:
        DataError: if no machine type has audio, a folder cannot be read, or a link leads nowhere.
    """
    found: dict[str, dict[str, list[str]]] = {}
    elsewhere: dict[str, int] = {}
    tops = (os.fspath(root),) if within is None else tuple(within)
    for folder, names in audio_files(root, tops).items():
        parent, name = os.path.split(folder)
        if name in FOLDERS and folder not in tops:
            found.setdefault(parent, {})[name] = names
        else:
            elsewhere[folder] = len(names)
    if not found:
        raise DataError(_nothing_found(root, elsewhere))
    machines, num_copies = _without_copies(found)
    notes = []
    if num_copies:
        notes.append(f"{num_copies} clips in {_RENAMED} are not read: they are copies of others.")
    if elsewhere:
        places = ", ".join(f"{path} ({count})" for path, count in sorted(elsewhere.items())[:3])
        more = f" and {len(elsewhere) - 3} other folders" if len(elsewhere) > 3 else ""
        notes.append(
            f"{sum(elsewhere.values())} audio files lie in no train or test folder and are not "
            f"read: {places}{more}."
        )
    return machines, tuple(notes)


def audio_files(root: Path, within: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Sorted names of the audio files in each folder that holds any; see `find_machine_folders`.

    Raises:
        DataError: if a folder cannot be read, or a link leads nowhere.
    """
    broken: list[str] = []
    seen: set[tuple[int, int]] = set()
    tops = (os.fspath(root),) if within is None else within
    found = {
        folder: sorted(names) for top in tops for folder, names in _walk(top, seen, broken) if names
    }
    if broken:
        raise DataError(
            f"{root}: {len(broken)} links lead to files that are not there. Restore the files or "
            "remove the links:" + "".join(f"\n  {path}" for path in sorted(broken))
        )
    return found


def _without_copies(found: dict[str, dict[str, list[str]]]) -> tuple[list[MachineFolder], int]:
    """Drop renamed copies of clips whose originals lie there too; also returns their number.

    The NTT baseline lower-cases the path it writes its copies to, so they may lie in a
    machine folder beside the right one.
    """
    names = {path: os.path.basename(os.path.abspath(path)) for path in sorted(found)}
    originals = {names[path].lower() for path in names if _ORIGINALS & found[path].keys()}
    machines, num_copies = [], 0
    for path, machine_type in names.items():
        files = {name: found[path][name] for name in FOLDERS if name in found[path]}
        if _ORIGINALS & files.keys() or (
            files.keys() == {_RENAMED} and machine_type.lower() in originals
        ):
            num_copies += len(files.pop(_RENAMED, ()))
        if files:
            machines.append(MachineFolder(machine_type, path, files))
    return machines, num_copies


def _walk(
    top: str, seen: set[tuple[int, int]], broken: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """Folders and the names of their audio files, each folder once however it is linked."""

    def refuse(error: OSError) -> NoReturn:
        place = f"{error.filename}: cannot be read: {error.strerror}."
        raise DataError(f"{place} Check its rights.") from error

    for folder, subfolders, names in os.walk(top, onerror=refuse, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        # Real folders before links, so that a linked copy of a folder is the one left out.
        order = sorted((os.path.islink(os.path.join(folder, name)), name) for name in subfolders)
        subfolders[:] = [name for _, name in order if not name.startswith(".")]
        own = [name for name in names if naming.is_audio_name(name)]
        for path in (os.path.join(folder, name) for name in own):
            if os.path.islink(path) and not os.path.exists(path):
                broken.append(path)
        yield folder, own


def _nothing_found(root: Path, elsewhere: dict[str, int]) -> str:
    rule = "Put training clips into <machine type>/train and test clips into <machine type>/test."
    if not elsewhere:
        is_empty = root.is_dir() and not any(root.iterdir())
        return f"{root}: {'is empty' if is_empty else 'holds no WAV or FLAC file'}. {rule}"
    folder, count = min(elsewhere.items())
    return (
        f"{root}: {sum(elsewhere.values())} audio files, none in a folder named train or test "
        f"({count} in {folder}). {rule} Or list them in a CSV file with the columns path, "
        "machine_type, split."
    )
