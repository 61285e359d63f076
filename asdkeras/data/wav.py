"""WAV of files and of pipes: header, samples, and what stands behind them.

One rule for both. The size in a header counts, unless it is 0 or so large that nobody can have
known it, as recorders into a pipe write it. Behind the end that it announces, other chunks and a
little junk are passed over, a header begins another recording, and all else is sound that the
header lacks. A file must be one recording with a right header, or it is refused; a stream says
what is wrong and goes on. Nothing is dropped without a word.
"""

import dataclasses
import io
import select
import struct
from typing import Any, BinaryIO

import numpy.typing as npt
import soundfile

from asdkeras.errors import DataError, RecipeError

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
_OF_WAV = {  # format code and bytes per sample of a little-endian WAV header
    (1, 1): "u8",
    (1, 2): "s16le",
    (1, 3): "s24le",
    (1, 4): "s32le",
    (3, 4): "f32le",
    (3, 8): "f64le",
    (6, 1): "alaw",
    (7, 1): "mulaw",
}
_EXTENSIBLE = 0xFFFE  # The true code begins the subformat.
_HIGHEST_RATE_HZ = 768_000  # No sound card goes beyond.
_MOST_CHANNELS = 256
HEAD = 12
"""Bytes that say whether a header begins."""
_NAMES = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_FOREIGN = {b"ID3": "MP3", b"fLaC": "FLAC", b"OggS": "Ogg", b"FORM": "AIFF"}
_FULL = 0xFFFFFFFF  # The true size, if it is known, stands in the chunk `ds64`.
_NEAR = 2**16  # Recorders into a pipe announce 0, 4 GiB or 2 GiB, or nearly (arecord, sox).
_LONGEST_FORMAT = 64  # Bytes of a chunk of the header that matter.
_LONGEST_CHUNK = 2**24  # Behind the sound: four bytes of it are a name and a size less often.
_LEAST_SOUND = 512  # Bytes: what is shorter behind the announced end is junk.
_LONGEST_PADDING = 2**20  # Zeros behind the announced end.


@dataclasses.dataclass(frozen=True)
class PcmFormat:
    """How samples are written one after another, interleaved; `encoding` is one of `ENCODINGS`."""

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
    def subtype(self) -> str:
        return ENCODINGS[self.encoding][0]

    @property
    def bytes_per_frame(self) -> int:
        return ENCODINGS[self.encoding][2] * self.num_channels

    def __str__(self) -> str:
        return f"{self.encoding}, {self.sample_rate_hz} Hz, channels: {self.num_channels}"


class ByteStream:
    """The bytes of a file or pipe as they come, with a look ahead.

    Reads below the buffer of `file`, if it has one: a buffer waits until it is full, and a
    thread that waits in it cannot be left behind when the program ends.
    """

    def __init__(self, file: BinaryIO, place: str) -> None:
        self._file: BinaryIO = getattr(file, "raw", file)
        self._ahead = b""
        self.place = place

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

    def give_back(self, data: bytes) -> None:
        """Let the bytes read last be read again."""
        self._ahead = data + self._ahead

    def skip(self, count: int) -> int:
        """Pass over bytes, and return how many there were."""
        left = count
        while left and (data := self.some(min(left, 2**16))):
            left -= len(data)
        return count - left

    def _read(self, most: int) -> bytes:
        try:
            data: bytes | None = self._file.read(most)
            while data is None:  # A pipe that does not wait, and has nothing yet.
                select.select([self._file], [], [])
                data = self._file.read(most)
        except OSError as error:
            raise DataError(f"{self.place}: cannot be read: {error.strerror}.") from error
        return data


class FileBytes(ByteStream):
    """The bytes of a regular file of `size` bytes, which can pass over some without reading."""

    def __init__(self, file: BinaryIO, place: str, size: int) -> None:
        super().__init__(file, place)
        self._size = size

    def skip(self, count: int) -> int:
        position = self._file.tell() - len(self._ahead)
        count = min(count, self._size - position)
        self._ahead = b""
        self._file.seek(position + count)
        return count


class Recording:
    """The sound of one recording, up to the end that it truly has.

    Args:
        source: stands at the first sample.
        order: of the bytes of numbers, `<` or `>`.
        announced: bytes of sound; None if that is not known.
        is_sure: whether fewer would be a fault.

    Attributes:
        pcm: how it is written.
        num_bytes: of sound that were read or passed over.
        is_longer: whether sound goes on behind the end that the header announces.
        announced_s: where that end is.
        is_followed: whether the source stands at the header of another recording.
    """

    def __init__(
        self,
        source: ByteStream,
        pcm: PcmFormat,
        order: str = "<",
        announced: int | None = None,
        is_sure: bool = False,
    ) -> None:
        self.pcm = pcm
        self.num_bytes = 0
        self.is_longer = self.is_followed = False
        self._source, self._order = source, order
        self._left, self._is_sure = announced, is_sure
        self._is_over = False
        self.announced_s = 0.0

    @property
    def missing(self) -> int:
        """Bytes that were announced and did not come, once the recording is over."""
        return self._left or 0 if self._is_sure else 0

    def peek(self, most: int) -> bytes:
        """Wait for `most` bytes of sound, fewer at the end, and leave them to be read."""
        data = self._source.peek(most if self._left is None else min(most, self._left))
        return data[: _next_header(data)]

    def some(self, most: int) -> bytes:
        """Wait for bytes of sound, at most `most`; none at the end."""
        if not self._goes_on():
            return b""
        data = self._source.some(most if self._left is None else min(most, self._left))
        begin = _next_header(data)
        self._source.give_back(data[begin:])
        if begin < len(data):
            data = data[:begin]
            if not data:  # A header, or the first bytes of what may be one: wait for the others.
                self.is_followed = is_header(self._source.peek(HEAD))
                data = b"" if self.is_followed else self._source.exactly(1)
        self._count(len(data))
        return data

    def skip(self) -> None:
        """Pass over all of the sound, and see what is behind it."""
        while self._goes_on():
            self._count(self._source.skip(2**62 if self._left is None else self._left))

    def _goes_on(self) -> bool:
        while self._left == 0 and not self._is_over:
            self._look_behind()
        return not self._is_over

    def _count(self, num_bytes: int) -> None:
        self.num_bytes += num_bytes
        self._left = None if self._left is None else self._left - num_bytes
        self._is_over = num_bytes == 0

    def _look_behind(self) -> None:
        """Pass over a chunk behind the announced end, or see what else is there."""
        source = self._source
        for pad in (0, 1):  # Chunks begin at even positions, but not all programs keep to that.
            head = source.peek(pad + HEAD)[pad:]
            if is_header(head):
                source.exactly(pad)
                self.is_followed = self._is_over = True
                return
            name, size = struct.unpack(f"{self._order}4sI", head[:8].ljust(8, b"\0"))
            if _is_name(name) and size <= _LONGEST_CHUNK:
                source.exactly(pad + 8)
                if name == b"data":  # More sound.
                    self._left = size
                else:
                    source.skip(size)
                return
        rest = source.peek(_LEAST_SOUND)
        if rest.strip(b"\0"):
            self._is_over = len(rest) < _LEAST_SOUND
        else:
            rest = source.peek(_LONGEST_PADDING)
            self._is_over = len(rest) < _LONGEST_PADDING and not rest.strip(b"\0")
        if not self._is_over:
            self.is_longer, self._left = True, None
            self.announced_s = self.num_bytes / self.pcm.bytes_per_frame / self.pcm.sample_rate_hz


def read_wav(source: ByteStream) -> Recording:
    """Read a header; the source stands at the first sample then.

    Raises:
        DataError: if it is damaged, or announces what is no plain samples.
    """
    place = source.place
    order = ">" if source.exactly(HEAD)[:4] == b"RIFX" else "<"
    pcm, long_size = None, None
    while len(header := source.exactly(8)) == 8:
        name, size = struct.unpack(f"{order}4sI", header)
        if name == b"data":
            if pcm is None:
                raise DataError(f"{place}: its WAV header lacks the format, chunk `fmt `.")
            if size == _FULL and long_size:
                return Recording(source, pcm, order, long_size, is_sure=True)
            is_sure = 0 < size < _FULL - _NEAR and abs(size - 2**31) > _NEAR
            return Recording(source, pcm, order, None if size in (0, _FULL) else size, is_sure)
        chunk = source.exactly(min(size, _LONGEST_FORMAT))
        source.skip(size - len(chunk))
        if size % 2 and not _is_name(source.peek(4)):  # Chunks should begin at even positions.
            source.exactly(1)
        if name == b"fmt ":
            pcm = _format(chunk, order, place)
        if name == b"ds64" and len(chunk) >= 16:  # Sizes that do not fit into 32 bits.
            long_size = struct.unpack("<8xQ", chunk[:16])[0]
    raise DataError(f"{place}: ended within its WAV header, before any sound.")


def is_header(head: bytes) -> bool:
    return head[:4] in _NAMES and head[8:HEAD] == b"WAVE"


def foreign_kind(head: bytes) -> str | None:
    """The kind of a file that surely is no WAV."""
    return "MP4" if head[4:8] == b"ftyp" else _FOREIGN.get(head[:4]) or _FOREIGN.get(head[:3])


def decoded(data: bytes | bytearray, pcm: PcmFormat, dtype: str = "float32") -> npt.NDArray[Any]:
    """Bytes of whole frames as `(samples, channels)`, in [-1, 1] unless `dtype` is of integers."""
    subtype, order, _ = ENCODINGS[pcm.encoding]
    channels: npt.NDArray[Any] = soundfile.read(
        io.BytesIO(data),
        dtype=dtype,
        always_2d=True,
        format="RAW",
        subtype=subtype,
        endian=order,
        samplerate=pcm.sample_rate_hz,
        channels=pcm.num_channels,
    )[0]
    return channels


def _next_header(data: bytes) -> int:
    """Where a header begins, or may begin that goes on behind the data; else their length."""
    place = data.find(b"WAVE", 8)
    while place >= 0:
        if is_header(data[place - 8 : place + 4]):
            return place - 8
        place = data.find(b"WAVE", place + 1)
    for start in range(max(0, len(data) - HEAD + 1), len(data)):
        end = data[start:]
        is_begun = any(name.startswith(end[:4]) for name in _NAMES)
        if is_begun and b"WAVE".startswith(end[8:]):
            return start
    return len(data)


def _is_name(name: bytes) -> bool:
    """Whether bytes may name a chunk."""
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)


def _format(chunk: bytes, order: str, place: str) -> PcmFormat:
    if len(chunk) < 16:
        raise DataError(f"{place}: its WAV header is damaged. Received: {len(chunk)} bytes `fmt `")
    code, num_channels, rate_hz, frame, bits = struct.unpack(f"{order}HHI4xHH", chunk[:16])
    if code == _EXTENSIBLE and len(chunk) >= 26:
        code = struct.unpack(f"{order}H", chunk[24:26])[0]
    sample = frame // max(num_channels, 1)
    encoding = _OF_WAV.get((code, sample))
    if encoding is None or frame != sample * num_channels or not 8 * (sample - 1) < bits:
        raise DataError(
            f"{place}: WAV audio must be integers of 8 to 32 bits, floats of 32 or 64, A-law or "
            f"mu-law. Received: code {code}, {bits} bits, {frame} bytes for {num_channels} "
            "channels. Convert it, such as by `ffmpeg -i FILE -c:a pcm_s16le NEW.wav`."
        )
    if order == ">":
        encoding = encoding.replace("le", "be")
    try:
        return PcmFormat(encoding, rate_hz, num_channels)
    except RecipeError as error:
        raise DataError(f"{place}: its WAV header is damaged: {error}") from error
