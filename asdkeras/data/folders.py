"""Machine types below a root: which folders hold clips, and what lies elsewhere."""

import dataclasses
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from asdkeras.data import naming, roles
from asdkeras.errors import DataError

_RENAMED = "test_rename"
_UNREAD = (".", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "@eaDir")  # Systems' own.
_ORIGINALS = {"test", "source_test", "target_test"}

# Kind of folder: the split and the domain it stands for. Order matters: of a clip that lies
# in `test` and in `source_test`, the latter says more. Other spellings are of one of these kinds.
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
    files: dict[str, list[str]]  # Sorted paths of audio files in it by kind, as in `FOLDERS`.
    said: dict[str, roles.Said]  # What its folders say of their clips, by path in it.


def find_machine_folders(
    root: Path, within: Sequence[str] | None = None
) -> tuple[list[MachineFolder], tuple[str, ...]]:
    """Search the folders `within`, by default the root, at any depth; hidden ones do not count.

    Returns machine folders in order of their paths, and lines the user should see.

    Raises:
        DataError: if no machine type has audio, a folder cannot be read, or a link leads nowhere.
    """
    found: dict[str, dict[str, list[str]]] = {}
    said: dict[str, dict[str, roles.Said]] = {}
    elsewhere: dict[str, int] = {}
    tops = (os.fspath(root),) if within is None else tuple(within)
    files = audio_files(root, tops)
    normal = (each for each in files if roles.label_of(os.path.basename(each)) is False)
    with_normal = {os.path.dirname(folder) for folder in normal}
    for folder in files:
        machine, own = _place(folder, with_normal, tops)
        if (kind := _kind(folder, own)) is None:
            elsewhere[folder] = len(files[folder])
            continue
        if machine not in tops and roles.said(os.path.basename(machine)).is_role:
            raise DataError(
                f"{folder}: the folders above say twice what its clips are, and no machine. Put "
                "them into MACHINE/train or MACHINE/test."
            )
        below = os.path.relpath(folder, machine)
        said.setdefault(machine, {})[below] = own
        names = [os.path.join(below, name) for name in files[folder]]
        found.setdefault(machine, {}).setdefault(kind, []).extend(names)
    if not found:
        raise DataError(_nothing_found(root, elsewhere))
    machines, num_copies = _without_copies(found, said)
    notes = _readings(said) + hidden_files(files)
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


def _place(
    folder: str, with_normal: Collection[str], tops: Collection[str]
) -> tuple[str, roles.Said]:
    """As `roles.place_of`; what lies beside `good` in a `test` folder is a kind of fault."""
    machine, said = roles.place_of(folder, tops)
    above = os.path.dirname(folder)
    if machine == folder and above in with_normal and folder not in tops:
        place, own = roles.place_of(above, tops)
        if own.split == "test":
            return place, own._replace(is_anomalous=True)
    return machine, said


def _kind(folder: str, said: roles.Said) -> str | None:
    """Which of `FOLDERS` a folder is, None if none."""
    if said.split == "test" and os.path.basename(folder).lower() == _RENAMED:
        return _RENAMED
    kind = f"{said.domain}_test" if said.domain and said.split == "test" else said.split
    return kind if kind in FOLDERS else None


def _readings(said: Mapping[str, Mapping[str, roles.Said]]) -> list[str]:
    """A note on what folders of other names than `FOLDERS` are taken for."""
    taken: dict[str, str] = {}
    for own in said.values():
        for folder, each in own.items():
            label = {None: "", True: "anomalous", False: "normal"}[each.is_anomalous]
            if folder not in FOLDERS:
                taken[folder] = " ".join(filter(None, (each.domain, label, each.split)))
    if not taken:
        return []
    return [f"folders are taken so: {', '.join(f'{name} ({taken[name]})' for name in taken)}."]


def hidden_files(read: Iterable[str]) -> list[str]:
    """A note on hidden audio files of folders, such as `._a.wav`, if there are any."""
    hidden = [
        os.path.join(folder, name)
        for folder in read
        for name in sorted(os.listdir(folder))
        if name.startswith(".") and naming.is_audio_name(name.lstrip("."))
    ]
    return [f"{len(hidden)} hidden files, such as {hidden[0]}, are not read."] if hidden else []


def audio_files(root: Path, within: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Sorted names of the audio files in each folder that holds any; see `find_machine_folders`.

    Raises:
        DataError: if a folder cannot be read, or a link leads nowhere.
    """
    broken: list[str] = []
    seen: dict[tuple[int, int], str] = {}
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


def _without_copies(
    found: dict[str, dict[str, list[str]]], said: dict[str, dict[str, roles.Said]]
) -> tuple[list[MachineFolder], int]:
    """Drop renamed copies of clips whose originals lie there too; also returns their number.

    The NTT baseline lower-cases the path it writes its copies to, so they may lie in a
    machine folder beside the right one.
    """
    names = {path: os.path.basename(os.path.abspath(path)) for path in sorted(found)}
    originals = {names[path].lower() for path in names if _ORIGINALS & found[path].keys()}
    machines, num_copies = [], 0
    for path, machine_type in names.items():
        files = {name: sorted(found[path][name]) for name in FOLDERS if name in found[path]}
        if _ORIGINALS & files.keys() or (
            files.keys() == {_RENAMED} and machine_type.lower() in originals
        ):
            num_copies += len(files.pop(_RENAMED, ()))
        if files:
            machines.append(MachineFolder(machine_type, path, files, said[path]))
    return machines, num_copies


def _walk(
    top: str, seen: dict[tuple[int, int], str], broken: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """Folders and the names of their audio files, each folder once however it is linked."""

    def refuse(error: OSError) -> NoReturn:
        place = f"{error.filename}: cannot be read: {error.strerror}."
        raise DataError(f"{place} Check its rights.") from error

    for folder, subfolders, names in os.walk(top, onerror=refuse, followlinks=True):
        status = os.stat(folder)
        first = seen.setdefault((status.st_dev, status.st_ino), folder)
        if first != folder:
            said = roles.said(os.path.basename(folder))
            if said.is_role and said != roles.said(os.path.basename(first)):
                raise DataError(
                    f"{folder}: is the same folder as {first}, whose name says something else of "
                    "its clips. Remove the link, or lead it to other clips."
                )
            subfolders.clear()
            continue
        # Real folders before links, so that a linked copy of a folder is the one left out.
        order = sorted((os.path.islink(os.path.join(folder, name)), name) for name in subfolders)
        subfolders[:] = [name for _, name in order if not name.startswith(_UNREAD)]
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
    if root.name in FOLDERS:
        rule = f"Name the folder of the machine, {root.absolute().parent}, or one above it."
    return (
        f"{root}: {sum(elsewhere.values())} audio files, none in a folder named train or test "
        f"({count} in {folder}). {rule} Or list them in a CSV file with the columns path, "
        "machine_type, split."
    )
