"""Frames of all clips in one file, of which only the windows of a batch come into memory.

A front end runs once over every clip, then training reads the frames where they lie.
Neighboring windows share most of their frames: as vectors in memory, 3000 clips of 10 s with
5 frames a window take 2.4 GB in float32, as frames on disk a fifth of that. A window is one
run of bytes, so windows can be read in any order at the cost of one system call each. They
are read and not mapped, so that no page once touched stays resident.
"""

import dataclasses
import math
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asdkeras.data.moments import band_moments
from asdkeras.errors import DataError
from asdkeras.files import replacing

_VALUE_BYTES = np.dtype(np.float32).itemsize
_VALUES_AT_ONCE = 2**20  # Of which the moments are computed: 4 MB, and twice 8 MB in between.


class FrameStore:
    """The file of the frames of some clips, all of one shape.

    Also a context manager, which closes the file and leaves it where it is.

    Args:
        path: file of float32 values, clip after clip, frame after frame.
        num_clips: int > 0.
        num_frames: int > 0, of each clip.
        num_bands: int > 0, of each frame.
        compute: batches of frames, see `write_frames`; called by `open` if there is no file
            yet. None if there is one, which is opened at once.
    """

    def __init__(
        self,
        path: Path,
        num_clips: int,
        num_frames: int,
        num_bands: int,
        compute: Callable[[], Iterable[npt.NDArray[np.float32]]] | None = None,
    ) -> None:
        self.path = path
        self.num_clips = num_clips
        self.num_frames = num_frames
        self.num_bands = num_bands
        self._compute = compute
        self._closing: weakref.finalize[[int], FrameStore] | None = None
        if compute is None:
            self.open()

    def open(self) -> None:
        """Open the file, after its frames were computed unless it is there and whole.

        Raises:
            OSError: if there is no room; it names the file.
            ValueError: if the frames do not have the shape they should.
        """
        if self._closing is not None:
            return
        if self._compute is not None and not self._is_whole():
            with write_frames(self.path, self._compute(), self.num_clips) as written:
                received = written.num_frames, written.num_bands
            if received != (self.num_frames, self.num_bands):
                raise ValueError(
                    f"a clip must have {self.num_frames} frames of {self.num_bands} bands. "
                    f"Received: {received[0]} frames of {received[1]} bands"
                )
        self._descriptor = os.open(self.path, os.O_RDONLY)
        self._closing = weakref.finalize(self, os.close, self._descriptor)

    def _is_whole(self) -> bool:
        num_values = self.num_clips * self.num_frames * self.num_bands
        return self.path.exists() and self.path.stat().st_size == num_values * _VALUE_BYTES

    def __enter__(self) -> "FrameStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        """Whether it was never opened, or `close` has been called."""
        return self._closing is None or not self._closing.alive

    def close(self) -> None:
        """Close the file; windows cannot be read any more."""
        if self._closing is not None:
            self._closing()

    def windows(self, num_frames: int, hop: int, as_vectors: bool = False) -> "Windows":
        """All windows of a length, those of a clip `hop` frames apart; see `Windows`."""
        return Windows(self, num_frames, hop, as_vectors)

    def moments(self) -> dict[str, npt.NDArray[np.float64]]:
        """`mean` and `variance` of each band over all frames of all clips, see `band_moments`.

        Read in blocks, so memory does not grow with the clips.

        Raises:
            DataError: if the file has been cut off since it was opened.
            ValueError: if the store has been closed.
        """
        self.open()
        self.require_open()
        return band_moments(self._blocks())

    def _blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        num_frames = self.num_clips * self.num_frames
        num_at_once = max(1, _VALUES_AT_ONCE // self.num_bands)
        for first in range(0, num_frames, num_at_once):
            block = np.empty((min(num_at_once, num_frames - first), self.num_bands), np.float32)
            self.read_into(block, first)
            yield block

    def require_open(self) -> None:
        """Refuse to go on once the file is closed.

        Raises:
            ValueError: if it is.
        """
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
    """Windows of consecutive frames, counted clip after clip.

    Window k is of clip `k // per_clip` and begins at its frame `(k % per_clip) * hop`. Frames
    behind the last whole window of a clip belong to none.

    Attributes:
        store: `FrameStore`, which has to be open when windows are read.
        num_frames: int > 0, of a window.
        hop: int > 0, frames between the beginnings of two windows of a clip.
        as_vectors: bool, whether a window is read as one vector, frame after frame.
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
        """Of one window as it is read: frames and bands, or the length of the vector."""
        shape = (self.num_frames, self.store.num_bands)
        return (math.prod(shape),) if self.as_vectors else shape

    def read(self, indices: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Some windows; several threads may read at once.

        Args:
            indices: int `(batch,)`, in any order.

        Returns:
            float32 `(batch, *self.shape)`, a new array.

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

    The file is there whole or not at all.

    Args:
        path: where the file shall be; what is there is replaced.
        batches: `(batch, frames, bands)`, in the order of the clips; anything but the number
            of clips of a batch is the same for all. Kept as float32.
        num_clips: int, of all batches together.

    Returns:
        `FrameStore`, open.

    Raises:
        OSError: if there is no room; it names the file.
        ValueError: if the batches are not of one shape or do not hold `num_clips` clips.
    """
    shape: tuple[int, ...] | None = None
    num_written = 0
    with replacing(path) as temporary, temporary.open("wb", buffering=0) as file:
        for batch in batches:
            frames = np.ascontiguousarray(batch, np.float32)
            shape = frames.shape[1:] if shape is None else shape
            if frames.ndim != 3 or frames.shape[1:] != shape:
                raise ValueError(
                    "batches must be of the shape (clips, frames, bands), the last two the "
                    f"same for all. Received: {frames.shape}, at first {shape}"
                )
            _write_all(file, frames)
            num_written += len(frames)
        if num_written != num_clips or shape is None or 0 in shape:
            raise ValueError(
                f"the batches must hold {num_clips} clips, at least one, with frames and bands. "
                f"Received: {num_written} clips of {shape}"
            )
    num_frames, num_bands = shape
    return FrameStore(path, num_written, num_frames, num_bands)


def _write_all(file: FileIO, frames: npt.NDArray[np.float32]) -> None:
    """Write an array; the system may take less than what it is given at once."""
    rest = frames.data.cast("B")
    while rest:
        rest = rest[os.write(file.fileno(), rest) :]
