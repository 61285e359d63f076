"""What is computed from the clips of a store once, and kept beside it for all who want it.

Systems, variants, seeds and units that read the same clips through the same front end read the same
file. It is named by a key of all that its content depends on, and says so itself. One process at a
time works in the folder, others wait and find the file there. All of it can be made again: what is
damaged, or of another key, is replaced.
"""

import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdkeras.files import exclusive, write_arrays, write_text

FRAMES = ".float32"
_INDEX, _MOMENTS, _KEY = ".json", ".npz", "key"


def kept_arrays(
    path: Path, key: str, compute: Callable[[], Mapping[str, NDArray[Any]]]
) -> dict[str, NDArray[Any]]:
    """Arrays of a file; computed, and written into it, unless they are there under this key."""
    arrays = _read(path, key)
    if arrays is None:
        with exclusive(path.parent):
            arrays = _read(path, key)
            if arrays is None:
                arrays = dict(compute())
                write_arrays(path, {**arrays, _KEY: np.array(key)})
    return arrays


def _read(path: Path, key: str) -> dict[str, NDArray[Any]] | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = dict(content)
        return arrays if str(arrays.pop(_KEY)) == key else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, AttributeError):
        return None


def moments_path(frames: Path) -> Path:
    """Where the moments of a file of frames are."""
    return frames.with_suffix(_MOMENTS)


def digest_of_frames(path: Path, key: str, num_bytes: int) -> str | None:
    """The digest of frames that lie whole in a file under this key; else None.

    Files that were used are marked as such: see `make_room`.
    """
    index = path.with_suffix(_INDEX)
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        frames = path.stat()
        # Whoever changed the frames afterwards cannot set the time of that change back.
        is_untouched = frames.st_ctime_ns <= index.stat().st_ctime_ns
        is_own = content[_KEY] == key and frames.st_size == num_bytes
        if is_own and is_untouched:
            os.utime(index)
            return str(content["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def write_digest(path: Path, key: str, digest: str) -> None:
    """Write the index of frames that are there, which makes them count."""
    write_text(path.with_suffix(_INDEX), json.dumps({_KEY: key, "digest": digest}))


def make_room(path: Path, num_bytes: int, room: int) -> None:
    """Delete other frames of the folder, longest unused first, until all take at most `room` bytes.

    Whoever has them open reads on. `path` is deleted, too: its `num_bytes` are to be written.
    """

    def last_use(frames: Path) -> int:
        index = frames.with_suffix(_INDEX)
        return index.stat().st_mtime_ns if index.exists() else 0

    for frames in sorted(path.parent.glob(f"*{FRAMES}"), key=last_use, reverse=True):
        size = frames.stat().st_size
        if frames != path and num_bytes + size <= room:
            num_bytes += size
            continue
        for suffix in (_INDEX, _MOMENTS, FRAMES):
            frames.with_suffix(suffix).unlink(missing_ok=True)
