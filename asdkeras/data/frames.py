"""Frames of all clips in one file, of which only the windows of a batch come into memory.

A front end runs once over every clip, then every training reads the frames where they lie.
Neighboring windows share most of their frames: as vectors in memory, 3000 clips of 10 s with
5 frames a window take 2.4 GB in float32, as frames on disk a fifth of that. A window is one run
of bytes, read by one system call. Files are not mapped, so no page once touched stays resident.
"""

import dataclasses
import hashlib
import itertools
import math
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asdkeras.data import kept_files
from asdkeras.data.moments import band_moments
from asdkeras.errors import DataError
from asdkeras.files import exclusive, replacing

_VALUE_BYTES = np.dtype(np.float32).itemsize
_VALUES_AT_ONCE = 2**20  # Of which the moments are computed: 4 MB, and twice 8 MB in between.


class FrameStore:
    """The file of the frames of some clips: float32, clip after clip, frame after frame.

    `open` takes a file that lies whole under its key, and whose first frames are those of the first
    batch that `compute` gives; else it writes all batches, see `write_frames`. Without `compute`
    the file must exist and is opened at once. As a context manager the store closes the file and
    leaves it where it is.

    Args:
        key: of all that the frames depend on.
        room: bytes that the files of frames in a folder may take together; None sets no limit.
    """

    def __init__(
        self,
        path: Path,
        num_clips: int,
        num_frames: int,
        num_bands: int,
        compute: Callable[[], Iterable[npt.NDArray[np.float32]]] | None = None,
        key: str = "",
        room: int | None = None,
    ) -> None:
        self.path = path
        self.num_clips = num_clips
        self.num_frames = num_frames
        self.num_bands = num_bands
        self.key = key
        self._room = room
        self._compute = compute
        self._digest: str | None = None
        self._closing: weakref.finalize[[int], FrameStore] | None = None
        if compute is None:
            self._open_file()

    def open(self) -> None:
        """Open the file; write it first unless it is there. Others who want the same wait.

        Raises:
            OSError: if there is no room; it names the file.
            ValueError: if the computed frames do not have the announced shape.
        """
        if self._compute is not None and self._closing is None:
            with exclusive(self.path.parent):
                self._digest = self._known_or_written(iter(self._compute()))
                self._open_file()

    def _open_file(self) -> None:
        self._descriptor = os.open(self.path, os.O_RDONLY)
        self._closing = weakref.finalize(self, os.close, self._descriptor)

    def _known_or_written(self, batches: Iterator[npt.NDArray[np.float32]]) -> str:
        """The digest of the frames in the file."""
        num_bytes = math.prod((self.num_clips, self.num_frames, self.num_bands, _VALUE_BYTES))
        digest = kept_files.digest_of_frames(self.path, self.key, num_bytes)
        first = [*itertools.islice(batches, 1)]
        if digest is not None and first and _begins_with(self.path, first[0]):
            return digest  # Of this version of the front end, too.
        kept_files.make_room(self.path, num_bytes, num_bytes if self._room is None else self._room)
        everything = itertools.chain(first, batches)
        num_frames, num_bands, digest = _write(self.path, everything, self.num_clips)
        if (num_frames, num_bands) != (self.num_frames, self.num_bands):
            raise ValueError(
                f"a clip must have {self.num_frames} frames of {self.num_bands} bands. "
                f"Received: {num_frames} frames of {num_bands} bands"
            )
        kept_files.write_digest(self.path, self.key, digest)
        return digest

    def __enter__(self) -> "FrameStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        """Whether the file is not open, or not any more."""
        return self._closing is None or not self._closing.alive

    def close(self) -> None:
        """Close the file; windows cannot be read any more."""
        if self._closing is not None:
            self._closing()

    def windows(self, num_frames: int, hop: int, as_vectors: bool = False) -> "Windows":
        """All windows of a length, `hop` frames apart within a clip; see `Windows`."""
        return Windows(self, num_frames, hop, as_vectors)

    def moments(self) -> dict[str, npt.NDArray[np.float64]]:
        """`mean` and `variance` of each band over all frames, read in blocks; see `band_moments`.

        Those of deferred frames are kept beside them.

        Raises:
            DataError: if the file has been cut off since it was opened.
            ValueError: if the store has been closed.
        """
        self.open()
        self.require_open()
        if self._digest is None:
            return band_moments(self._blocks())
        path = kept_files.moments_path(self.path)
        return kept_files.kept_arrays(path, self._digest, lambda: band_moments(self._blocks()))

    def _blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        num_frames = self.num_clips * self.num_frames
        num_at_once = max(1, _VALUES_AT_ONCE // self.num_bands)
        for first in range(0, num_frames, num_at_once):
            block = np.empty((min(num_at_once, num_frames - first), self.num_bands), np.float32)
            self.read_into(block, first)
            yield block

    def require_open(self) -> None:
        """Raise a ValueError if the file is closed."""
        if self.is_closed:
            raise ValueError(
                f"frames can be read while their file is open. Received: {self.path}, "
                "closed. In a system, read them before `train` returns."
            )

    def read_into(self, values: npt.NDArray[np.float32], first_frame: int) -> None:
        """Fill an array with consecutive frames, counted over all clips.

        Raises:
            DataError: if the file has been cut off since it was opened.
        """
        offset = first_frame * self.num_bands * _VALUE_BYTES
        num_bytes = os.preadv(self._descriptor, [values.data], offset)
        if num_bytes < values.nbytes:
            raise DataError(
                f"{self.path}: cut off since it was written. Received: {num_bytes} of "
                f"{values.nbytes} bytes at {offset}. Run the same command again: it computes "
                "the frames anew."
            )


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows of `num_frames` consecutive frames, counted clip after clip.

    Window k is of clip `k // per_clip` and begins at its frame `(k % per_clip) * hop`. Frames
    behind the last whole window of a clip belong to none. `as_vectors` reads a window as one
    vector, frame after frame.
    """

    store: FrameStore
    num_frames: int
    hop: int
    as_vectors: bool = False

    def __post_init__(self) -> None:
        if self.num_frames < 1 or self.hop < 1:
            raise ValueError(
                "a window needs at least 1 frame and a hop of at least 1 frame. Received: "
                f"num_frames={self.num_frames}, hop={self.hop}"
            )
        if self.num_frames > self.store.num_frames:
            raise ValueError(
                f"a window must not be longer than a clip, which has {self.store.num_frames} "
                f"frames here. Received: num_frames={self.num_frames}. Take shorter windows, or "
                "hear more of each clip."
            )

    def __len__(self) -> int:
        return self.store.num_clips * self.per_clip

    @property
    def per_clip(self) -> int:
        """Windows of one clip."""
        return 1 + (self.store.num_frames - self.num_frames) // self.hop

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one window as it is read: frames and bands, or the length of the vector."""
        shape = (self.num_frames, self.store.num_bands)
        return (math.prod(shape),) if self.as_vectors else shape

    def read(self, indices: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Read windows in any order as a new array, `(len(indices), *self.shape)`.

        Several threads may read at once.

        Raises:
            DataError: if the file has been cut off since it was opened.
            ValueError: if there is no such window, or the store has been closed.
        """
        self.store.require_open()
        wanted = np.asarray(indices, np.int64)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise ValueError(
                f"there are windows 0 to {len(self) - 1}. Received: indices from {wanted.min()} "
                f"to {wanted.max()}"
            )
        clips, places = np.divmod(wanted, self.per_clip)
        first_frames = clips * self.store.num_frames + places * self.hop
        values = np.empty((len(wanted), self.num_frames, self.store.num_bands), np.float32)
        for window, first_frame in zip(values, first_frames.tolist(), strict=True):
            self.store.read_into(window, first_frame)
        return values.reshape(-1, *self.shape)


def write_frames(
    path: Path, batches: Iterable[npt.NDArray[np.float32]], num_clips: int
) -> FrameStore:
    """Write the frames of all clips to one file, batch by batch, and open it.

    Batches are `(batch, frames, bands)` in the order of the clips, frames and bands the same for
    all. The file is there whole or not at all; one that was there is replaced.

    Raises:
        OSError: if there is no room; it names the file.
        ValueError: if the batches are not of one shape or do not hold `num_clips` clips.
    """
    num_frames, num_bands, _ = _write(path, batches, num_clips)
    return FrameStore(path, num_clips, num_frames, num_bands)


def _write(
    path: Path, batches: Iterable[npt.NDArray[np.float32]], num_clips: int
) -> tuple[int, int, str]:
    """As `write_frames`; returns frames of a clip, bands, and the digest of all bytes."""
    shape: tuple[int, ...] | None = None
    num_written = 0
    digest = hashlib.blake2b(digest_size=16)
    with replacing(path) as temporary, temporary.open("wb", buffering=0) as file:
        for batch in batches:
            frames = np.ascontiguousarray(batch, np.float32)
            shape = frames.shape[1:] if shape is None else shape
            if frames.ndim != 3 or frames.shape[1:] != shape:
                raise ValueError(
                    "batches must be of the shape (clips, frames, bands), the last two the "
                    f"same for all. Received: {frames.shape}, at first {shape}"
                )
            rest = frames.data.cast("B")
            digest.update(rest)
            while rest:  # The system may write less than all at once.
                rest = rest[os.write(file.fileno(), rest) :]
            num_written += len(frames)
        if num_written != num_clips or shape is None or 0 in shape:
            raise ValueError(
                f"the batches must hold {num_clips} clips, at least one, with frames and bands. "
                f"Received: {num_written} clips of {shape}"
            )
    num_frames, num_bands = shape
    return num_frames, num_bands, digest.hexdigest()


def _begins_with(path: Path, frames: npt.NDArray[np.float32]) -> bool:
    expected = np.ascontiguousarray(frames, np.float32).tobytes()
    with path.open("rb") as file:
        return file.read(len(expected)) == expected
