"""Files among the clips that are neither clips nor known companions of them."""

import os
import re
from collections.abc import Collection, Iterator

from asdkeras.data import folders, naming

_TABLE = re.compile(r"attributes_.*\.csv")
_OF_THE_SYSTEM = {"Thumbs.db", "desktop.ini", "__MACOSX"}  # Hidden names do not count either.


def unknown_files(machine_folders: Collection[str]) -> Iterator[tuple[str, str]]:
    """Files below machine folders that nothing reads.

    Clips, copies of clips that `folders.py` leaves out on purpose, tables of attributes, and
    files of the operating system are known.

    Args:
        machine_folders: absolute paths.

    Returns:
        pairs of machine type and path.
    """
    seen: set[tuple[int, int]] = set()
    for top in sorted(machine_folders):
        for folder, subfolders, names in os.walk(top, followlinks=True):
            status = os.stat(folder)
            is_again = (status.st_dev, status.st_ino) in seen
            if is_again or (folder != top and folder in machine_folders):
                subfolders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            subfolders[:] = sorted(filter(_counts, subfolders))
            parent, base = os.path.split(folder)
            holds_clips = parent == top and base in folders.FOLDERS
            for name in sorted(filter(_counts, names)):
                is_clip = holds_clips and naming.is_audio_name(name)
                if not is_clip and not _TABLE.fullmatch(name):
                    yield os.path.basename(top), os.path.join(folder, name)


def _counts(name: str) -> bool:
    return not name.startswith(".") and name not in _OF_THE_SYSTEM
