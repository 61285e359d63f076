"""Sound from a pipe, block by block: one channel at the detector's rate, and every gap.

Recordings may follow each other, as when a recorder begins anew; `asdkeras.data.wav` says where
one ends.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soxr

from asdkeras.data.audio import (
    HIGHEST_PEAK,
    ONE_CHANNEL,
    RESAMPLING_QUALITY,
    Channel,
    cancels_out,
    one_channel,
)
from asdkeras.data.wav import (
    HEAD,
    ByteStream,
    PcmFormat,
    Recording,
    decoded,
    foreign_kind,
    is_header,
    read_wav,
)
from asdkeras.errors import DataError, RecipeError
from asdkeras.progress import say

_PLACE = "standard input"
_BLOCK_S = 0.1
_CANCELED = "its channels cancel out, being of opposite phase: their mean is not the machine"
_LOOKED_AT = 4096  # bytes judged before anything is given out

Block = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Gap:
    """A place in a stream where the sound before and the sound after do not join.

    Attributes:
        num_samples: lost; the time stamps after the gap count them.
        waited_s: seconds without sound, though none is known to be lost; not counted.
        is_end: whether a recording ended there, of which what fills no window is scored too.
    """

    why: str
    num_samples: int = 0
    waited_s: float = 0.0
    is_end: bool = False


@dataclasses.dataclass(frozen=True)
class _Wishes:
    """How a stream is to be read, see `read_blocks`, and the notes that the user has seen."""

    pcm: PcmFormat | None
    sample_rate_hz: int
    channel: Channel
    resample_up: bool
    gap_s: float | None
    clock: Callable[[], float]
    said: set[str] = dataclasses.field(default_factory=set)

    def note(self, text: str) -> None:
        if text not in self.said:
            self.said.add(text)
            say(f"note: {text}")


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
        file: WAV, recognized by its header, or raw samples, and whatever recordings follow; read
            from where its descriptor stands, below its buffer.
        wanted: the format of raw samples; None takes WAV only.
        sample_rate_hz: of the blocks. Sound of a higher rate is resampled as it comes.
        channel: from 0, or `mean` over all channels.
        resample_up: resample sound of a lower rate too. Its upper band is empty, so it sounds
            unlike anything a detector has learned from.
        gap_s: seconds without sound that make a gap; None: none do, as when a file is decoded.

    Returns:
        waveforms `(samples,)`, in [-1, 1] but for a little overshoot, and gaps: pauses, blocks
        with samples that are no sound, and where another recording begins.

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
    wishes = _Wishes(wanted, sample_rate_hz, channel, resample_up, gap_s, clock)
    source = ByteStream(file, _PLACE)
    recording = _next_recording(source, wishes)
    _judge(recording, channel)
    return _joined(source, recording, wishes)


def _next_recording(source: ByteStream, wishes: _Wishes) -> Recording:
    recording = _recognize(source, wishes.pcm)
    pcm, wanted_hz = recording.pcm, wishes.sample_rate_hz
    if pcm.sample_rate_hz < wanted_hz and not wishes.resample_up:
        raise DataError(
            f"{_PLACE}: its rate must be at least the detector's {wanted_hz} Hz, else its "
            f"upper band is empty. Received: {pcm.sample_rate_hz} Hz. Record at a higher rate, or "
            "score it all the same: resample_up=True, on the command line --resample."
        )
    if pcm.num_channels > 1:
        used = "the mean" if wishes.channel == "mean" else f"channel {wishes.channel}, from 0,"
        wishes.note(f"{used} of {pcm.num_channels} channels is heard")
    if pcm.sample_rate_hz != wanted_hz:
        wishes.note(f"the sound is resampled from {pcm.sample_rate_hz} to {wanted_hz} Hz")
    return recording


def _recognize(source: ByteStream, wanted: PcmFormat | None) -> Recording:
    """What begins; `source` is at its first sample then."""
    head = source.peek(HEAD)
    if not head:
        raise DataError(f"{_PLACE}: is empty. Does the program before the pipe record anything?")
    if is_header(head):
        recording = read_wav(source)
        if wanted not in (None, recording.pcm):
            raise RecipeError(
                f"{_PLACE}: its WAV header says {recording.pcm}. Received: {wanted}. Leave out "
                "`--pcm`, `--rate` and `--channels`."
            )
        return recording
    if kind := foreign_kind(head):
        raise DataError(
            f"{_PLACE}: is {kind}, neither WAV nor raw samples. Decode it before the pipe, such "
            "as by `ffmpeg -i FILE -f wav -`."
        )
    if wanted is None:
        raise DataError(
            f"{_PLACE}: has no WAV header. Say what its samples are, such as "
            "`--pcm s16le --rate 16000 --channels 1`, or send WAV."
        )
    return Recording(source, wanted)


def _judge(recording: Recording, channel: Channel) -> None:
    """Refuse a beginning that is no sound, or lacks the channel."""
    pcm, head = recording.pcm, recording.peek(_LOOKED_AT)
    beginning = decoded(head[: len(head) // pcm.bytes_per_frame * pcm.bytes_per_frame], pcm)
    _one_channel(beginning, channel)
    if not _is_sound(beginning):
        raise DataError(
            f"{_PLACE}: has samples that are NaN, infinite or far beyond [-1, 1]. Read as: {pcm}. "
            "If they are written otherwise, say so with `--pcm`; else export them again."
        )
    if channel == "mean" and cancels_out(beginning):
        raise DataError(f"{_PLACE}: {_CANCELED}. {ONE_CHANNEL}")


def _joined(source: ByteStream, recording: Recording, wishes: _Wishes) -> Iterator[Block | Gap]:
    """All recordings, one after the other, at the wanted rate."""
    while True:
        pieces, rate_hz = _pieces(recording, wishes), recording.pcm.sample_rate_hz
        is_other = rate_hz != wishes.sample_rate_hz
        yield from _resampled(pieces, rate_hz, wishes.sample_rate_hz) if is_other else pieces
        if not recording.is_followed:
            return
        yield Gap("another recording begins", is_end=True)
        recording = _next_recording(source, wishes)


def _pieces(recording: Recording, wishes: _Wishes) -> Iterator[Block | Gap]:
    """Blocks and gaps at the rate of the recording."""
    pcm, channel, gap_s = recording.pcm, wishes.channel, wishes.gap_s
    frame = pcm.bytes_per_frame
    most = max(1, round(_BLOCK_S * pcm.sample_rate_hz)) * frame
    rest, last_came = b"", None
    while data := recording.some(most - len(rest)):
        now = wishes.clock()
        if gap_s is not None and last_came is not None and now - last_came > gap_s:
            yield Gap("no sound came", waited_s=now - last_came)
        last_came = now
        if recording.is_longer:
            end_s = f"{recording.announced_s:.4g} s"
            wishes.note(f"sound goes on behind {end_s}, which its WAV header announces; it is used")
        rest += data
        whole = len(rest) // frame * frame
        if whole:
            channels, rest = decoded(rest[:whole], pcm), rest[whole:]
            if not _is_sound(channels):
                yield Gap("samples that are no numbers or far beyond [-1, 1]", len(channels))
            elif channel == "mean" and cancels_out(channels):
                yield Gap(_CANCELED, len(channels))
            else:
                yield _one_channel(channels, channel)
    if recording.missing:
        say(f"{_PLACE}: ended {recording.missing} bytes before its WAV header says it would")
    elif rest:
        say(f"{_PLACE}: ended within a sample, {len(rest)} of {frame} bytes; is it {pcm}?")


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
