"""Sound from a pipe, block by block: one channel at the detector's rate, and every gap.

Programs that write WAV into a pipe cannot go back to fill in its sizes, so the sizes of their
headers mean little, and a library that reads files cannot read what they write.
"""

import dataclasses
import io
import select
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from asdkeras.data.audio import HIGHEST_PEAK, RESAMPLING_QUALITY, Channel, one_channel
from asdkeras.errors import DataError, RecipeError
from asdkeras.progress import say

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
_OF_WAV = {  # format code and bytes per sample of a WAV header
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
_FOREIGN = {b"ID3": "MP3", b"fLaC": "FLAC", b"OggS": "Ogg", b"FORM": "AIFF", b"RIFX": "RIFX"}
_HIGHEST_RATE_HZ = 768_000  # No sound card goes beyond.
_MOST_CHANNELS = 256
# Recorders into a pipe announce 0, the largest number, or about 2 GiB (arecord, sox).
_SURELY_UNKNOWN_SIZE = 0x7FFF0000
_PLACE = "standard input"
_BLOCK_S = 0.1
_LOOKED_AT = 4096  # bytes judged before anything is given out

Block = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Gap:
    """A place in a stream where the sound before and the sound after do not join.

    Attributes:
        num_samples: lost; the time stamps after the gap count them.
        waited_s: seconds without sound, though none is known to be lost; not counted.
    """

    why: str
    num_samples: int = 0
    waited_s: float = 0.0


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
    def bytes_per_frame(self) -> int:
        return ENCODINGS[self.encoding][2] * self.num_channels

    def __str__(self) -> str:
        return f"{self.encoding}, {self.sample_rate_hz} Hz, channels: {self.num_channels}"


def read_blocks(
    file: BinaryIO,
    wanted: PcmFormat | None,
    sample_rate_hz: int,
    *,
    channel: Channel = "mean",
    resample_up: bool = False,
    gap_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Block | Gap]:
    """Read a stream as blocks of at most 0.1 s, as soon as they come.

    Its beginning is read and judged at once, the rest as the blocks are asked for.

    Args:
        file: little-endian WAV, recognized by its header, or raw samples; read from where its
            descriptor stands, below its buffer.
        wanted: the format of raw samples; None takes WAV only.
        sample_rate_hz: of the blocks. Sound of a higher rate is resampled as it comes.
        channel: from 0, or `mean` over all channels.
        resample_up: resample sound of a lower rate too. Its upper band is empty, so it sounds
            unlike anything a detector has learned from.
        gap_s: seconds without sound that make a gap; None: none do, as when a file is decoded.

    Returns:
        waveforms `(samples,)`, in [-1, 1] but for a little overshoot, and gaps: pauses, and blocks
        with samples that are no sound.

    Raises:
        DataError: if it is empty, no sound, has a lower rate, or cannot be read.
        RecipeError: if its header contradicts `wanted`, or `channel` is below 0.
    """
    if channel != "mean" and channel < 0:
        raise RecipeError(f"`channel` must be `mean`, or from 0. Received: {channel}")
    if file.isatty():
        raise DataError(
            f"{_PLACE}: is a terminal. Send sound through a pipe, such as `arecord -t wav "
            f"-f S16_LE -r {sample_rate_hz} | asdkeras detect ... --stream`."
        )
    source = _ByteStream(file)
    pcm, num_bytes = _recognize(source, wanted)
    if pcm.sample_rate_hz < sample_rate_hz and not resample_up:
        raise DataError(
            f"{_PLACE}: its rate must be at least the detector's {sample_rate_hz} Hz, else its "
            f"upper band is empty. Received: {pcm.sample_rate_hz} Hz. Record at a higher rate, or "
            "score it all the same: resample_up=True, on the command line --resample."
        )
    _judge(source.peek(_LOOKED_AT), pcm, channel)
    pieces = _pieces(source, pcm, num_bytes, channel, gap_s, clock)
    if pcm.num_channels > 1:
        used = "the mean" if channel == "mean" else f"channel {channel}, from 0,"
        say(f"note: {used} of {pcm.num_channels} channels is heard")
    if pcm.sample_rate_hz == sample_rate_hz:
        return pieces
    say(f"note: the sound is resampled from {pcm.sample_rate_hz} to {sample_rate_hz} Hz")
    return _resampled(pieces, pcm.sample_rate_hz, sample_rate_hz)


def _judge(head: bytes, pcm: PcmFormat, channel: Channel) -> None:
    """Refuse a beginning that is no sound, or lacks the channel."""
    beginning = _decoded(head[: len(head) // pcm.bytes_per_frame * pcm.bytes_per_frame], pcm)
    _one_channel(beginning, channel)
    if not _is_sound(beginning):
        raise DataError(
            f"{_PLACE}: has samples that are NaN, infinite or far beyond [-1, 1]. Read as: {pcm}. "
            "If they are written otherwise, say so with `--pcm`; else export them again."
        )


class _ByteStream:
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
            raise DataError(f"{_PLACE}: cannot be read: {error.strerror}.") from error
        return data


def _recognize(source: _ByteStream, wanted: PcmFormat | None) -> tuple[PcmFormat, int | None]:
    """The format, and the bytes of sound if known; `source` is at its first sample then."""
    head = source.peek(12)
    if not head:
        raise DataError(f"{_PLACE}: is empty. Does the program before the pipe record anything?")
    if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
        source.exactly(12)
        found, size = _read_wav_header(source)
        if wanted not in (None, found):
            raise RecipeError(
                f"{_PLACE}: its WAV header says {found}. Received: {wanted}. Leave out `--pcm`, "
                "`--rate` and `--channels`."
            )
        return found, size
    kind = "MP4" if head[4:8] == b"ftyp" else _FOREIGN.get(head[:4]) or _FOREIGN.get(head[:3])
    if kind:
        raise DataError(
            f"{_PLACE}: is {kind}, neither WAV nor raw samples. Decode it before the pipe, such "
            "as by `ffmpeg -i FILE -f wav -`."
        )
    if wanted is None:
        raise DataError(
            f"{_PLACE}: has no WAV header. Say what its samples are, such as "
            "`--pcm s16le --rate 16000 --channels 1`, or send WAV."
        )
    return wanted, None


def _read_wav_header(source: _ByteStream) -> tuple[PcmFormat, int | None]:
    found: PcmFormat | None = None
    while len(header := source.exactly(8)) == 8:
        name, size = struct.unpack("<4sI", header)
        if name == b"data":
            if found is None:
                raise DataError(f"{_PLACE}: its WAV header lacks the format, chunk `fmt `.")
            return found, size if 0 < size < _SURELY_UNKNOWN_SIZE else None
        chunk = source.exactly(size + size % 2)  # Chunks begin at even positions.
        if name == b"fmt ":
            found = _wav_format(chunk)
    raise DataError(f"{_PLACE}: ended within its WAV header, before any sound.")


def _wav_format(chunk: bytes) -> PcmFormat:
    if len(chunk) < 16:
        raise DataError(f"{_PLACE}: its WAV header is damaged. Received: {len(chunk)} bytes `fmt `")
    code, num_channels, rate_hz, frame, bits = struct.unpack("<HHI4xHH", chunk[:16])
    if code == _EXTENSIBLE and len(chunk) >= 26:
        code = struct.unpack("<H", chunk[24:26])[0]
    sample = frame // max(num_channels, 1)
    encoding = _OF_WAV.get((code, sample))
    if encoding is None or frame != sample * num_channels or not 8 * (sample - 1) < bits:
        raise DataError(
            f"{_PLACE}: WAV audio must be integers of 8 to 32 bits, floats of 32 or 64, A-law or "
            f"mu-law. Received: code {code}, {bits} bits, {frame} bytes for {num_channels} channels"
        )
    try:
        return PcmFormat(encoding, rate_hz, num_channels)
    except RecipeError as error:
        raise DataError(f"{_PLACE}: its WAV header is damaged: {error}") from error


def _pieces(
    source: _ByteStream,
    pcm: PcmFormat,
    num_bytes: int | None,
    channel: Channel,
    gap_s: float | None,
    clock: Callable[[], float],
) -> Iterator[Block | Gap]:
    """Blocks and gaps at the rate of the source."""
    frame = pcm.bytes_per_frame
    most = max(1, round(_BLOCK_S * pcm.sample_rate_hz)) * frame
    rest, last_came = b"", None
    while data := source.some(most - len(rest) if num_bytes is None else min(most, num_bytes)):
        now = clock()
        if gap_s is not None and last_came is not None and now - last_came > gap_s:
            yield Gap("no sound came", waited_s=now - last_came)
        last_came = now
        num_bytes = None if num_bytes is None else num_bytes - len(data)
        rest += data
        whole = len(rest) // frame * frame
        if whole:
            channels, rest = _decoded(rest[:whole], pcm), rest[whole:]
            if _is_sound(channels):
                yield _one_channel(channels, channel)
            else:
                yield Gap("samples that are no numbers or far beyond [-1, 1]", len(channels))
    if num_bytes:
        say(f"{_PLACE}: ended {num_bytes} bytes before its WAV header says it would")
    elif rest:
        say(f"{_PLACE}: ended within a sample, {len(rest)} of {frame} bytes; is it {pcm}?")


def _decoded(data: bytes, pcm: PcmFormat) -> npt.NDArray[np.float32]:
    """Bytes of whole frames as `(samples, channels)`, scaled as sound files are."""
    subtype, order, _ = ENCODINGS[pcm.encoding]
    channels: npt.NDArray[np.float32] = soundfile.read(
        io.BytesIO(data),
        dtype="float32",
        always_2d=True,
        format="RAW",
        subtype=subtype,
        endian=order,
        samplerate=pcm.sample_rate_hz,
        channels=pcm.num_channels,
    )[0]
    return channels


def _one_channel(channels: npt.NDArray[np.float32], channel: Channel) -> Block:
    return np.ascontiguousarray(one_channel(Path(_PLACE), channels, channel))


def _is_sound(channels: npt.NDArray[np.float32]) -> bool:
    return bool((np.abs(channels) <= HIGHEST_PEAK).all())  # False for NaN.


def _resampled(
    pieces: Iterator[Block | Gap], rate_hz: int, wanted_hz: int
) -> Iterator[Block | Gap]:
    """Resample each stretch between gaps for itself; the length of gaps keeps the time right."""
    resampler = soxr.ResampleStream(
        rate_hz, wanted_hz, 1, dtype="float32", quality=RESAMPLING_QUALITY
    )
    nothing = np.empty(0, np.float32)
    num_taken = num_given = 0
    for piece in pieces:
        if isinstance(piece, Gap):
            end = resampler.resample_chunk(nothing, last=True)
            resampler.clear()
            if len(end):
                yield end
            num_taken += piece.num_samples
            num_lost = max(0, round(num_taken * wanted_hz / rate_hz) - num_given - len(end))
            num_given += len(end) + num_lost
            yield dataclasses.replace(piece, num_samples=num_lost)
        else:
            block = resampler.resample_chunk(piece)
            num_taken, num_given = num_taken + len(piece), num_given + len(block)
            if len(block):
                yield block
    end = resampler.resample_chunk(nothing, last=True)
    if len(end):
        yield end
