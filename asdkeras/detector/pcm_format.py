"""Raw samples in a pipe: how they are written, and their bytes as they come."""

import dataclasses
import select
from typing import BinaryIO

from asdkeras.errors import DataError, RecipeError

PLACE = "standard input"
ENCODINGS = {  # name as in ffmpeg: (name in libsndfile, byte order, bytes per sample)
    "u8": ("PCM_U8", "LITTLE", 1),
    "s8": ("PCM_S8", "LITTLE", 1),
    "s16le": ("PCM_16", "LITTLE", 2),
    "s16be": ("PCM_16", "BIG", 2),
    "s24le": ("PCM_24", "LITTLE", 3),
    "s24be": ("PCM_24", "BIG", 3),
    "s32le": ("PCM_32", "LITTLE", 4),
    "s32be": ("PCM_32", "BIG", 4),
    "f32le": ("FLOAT", "LITTLE", 4),
    "f32be": ("FLOAT", "BIG", 4),
    "f64le": ("DOUBLE", "LITTLE", 8),
    "f64be": ("DOUBLE", "BIG", 8),
    "mulaw": ("ULAW", "LITTLE", 1),
    "alaw": ("ALAW", "LITTLE", 1),
}
_HIGHEST_RATE_HZ = 768_000  # No sound card goes beyond.
_MOST_CHANNELS = 256


@dataclasses.dataclass(frozen=True)
class PcmFormat:
    """How samples are written one after another.

    Attributes:
        encoding: one of `ENCODINGS`, such as `s16le`.
        sample_rate_hz: from 1 to 768000.
        num_channels: interleaved, from 1 to 256.
    """

    encoding: str
    sample_rate_hz: int
    num_channels: int

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise RecipeError(
                f"`--pcm` must be one of {', '.join(ENCODINGS)}. Received: {self.encoding!r}"
            )
        if not 1 <= self.sample_rate_hz <= _HIGHEST_RATE_HZ:
            raise RecipeError(
                f"`--rate` must be from 1 to {_HIGHEST_RATE_HZ} Hz. Received: {self.sample_rate_hz}"
            )
        if not 1 <= self.num_channels <= _MOST_CHANNELS:
            raise RecipeError(
                f"`--channels` must be from 1 to {_MOST_CHANNELS}. Received: {self.num_channels}"
            )

    @property
    def bytes_per_frame(self) -> int:
        """Bytes of one sample of all channels."""
        return ENCODINGS[self.encoding][2] * self.num_channels

    def __str__(self) -> str:
        return f"{self.encoding}, {self.sample_rate_hz} Hz, channels: {self.num_channels}"


class ByteStream:
    """The bytes of a file or pipe as they come, with a look ahead.

    Reads below the buffer of `file`, if it has one: a buffer waits until it is full, and a
    thread that waits in it cannot be left behind when the program ends.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file: BinaryIO = getattr(file, "raw", file)
        self._ahead = b""

    def some(self, most: int) -> bytes:
        """Wait for bytes and return what is there, at most `most`; none at the end."""
        if not self._ahead:
            return self._read(most)
        data, self._ahead = self._ahead[:most], self._ahead[most:]
        return data

    def exactly(self, count: int) -> bytes:
        """Wait for `count` bytes; fewer at the end."""
        data = self.peek(count)
        self._ahead = self._ahead[count:]
        return data

    def peek(self, count: int) -> bytes:
        """Wait for `count` bytes, fewer at the end, and leave them to be read."""
        while len(self._ahead) < count and (data := self._read(count - len(self._ahead))):
            self._ahead += data
        return self._ahead[:count]

    def _read(self, most: int) -> bytes:
        try:
            data: bytes | None = self._file.read(most)
            while data is None:  # A pipe that does not wait, and has nothing yet.
                select.select([self._file], [], [])
                data = self._file.read(most)
        except OSError as error:
            raise DataError(f"{PLACE}: cannot be read: {error.strerror}.") from error
        return data
