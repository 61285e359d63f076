"""Sound from a pipe, block by block: one channel at the detector's rate, and every gap told."""

import dataclasses
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from asdkeras.data.audio import HIGHEST_PEAK, RESAMPLING_QUALITY, Channel, one_channel
from asdkeras.detector.pcm_format import ENCODINGS, PLACE, ByteStream, PcmFormat
from asdkeras.detector.pcm_header import recognize
from asdkeras.errors import DataError, RecipeError
from asdkeras.progress import say

_BLOCK_S = 0.1
_LOOKED_AT = 4096  # bytes judged before anything is given out

Block = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Gap:
    """A place in a stream where the sound before and the sound after do not join.

    Attributes:
        why: a few words for the user.
        num_samples: that were lost; the time stamps after the gap count them.
        waited_s: for which no sound came, though none is known to be lost; not counted.
    """

    why: str
    num_samples: int = 0
    waited_s: float = 0.0


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
        file: WAV, recognized by its header, or raw samples; read from where its descriptor
            stands, below its buffer.
        wanted: the format of raw samples; None takes WAV only.
        sample_rate_hz: of the blocks. Sound of a higher rate is resampled as it comes.
        channel: the channel to hear, from 0, or `mean` over all channels.
        resample_up: sound of a lower rate is resampled too. It has nothing in its upper band,
            so it sounds unlike anything a detector has learned from.
        gap_s: no sound for longer than that is a gap; None: however long it takes, as when a
            file is decoded. Seconds.
        clock: seconds.

    Returns:
        iterator of waveforms `(samples,)`, in [-1, 1] but for a little overshoot, and of gaps:
        pauses, and blocks with samples that are no sound.

    Raises:
        DataError: if it is empty, no sound, has a lower rate, or cannot be read.
        RecipeError: if its header contradicts `wanted`, or `channel` is below 0.
    """
    if channel != "mean" and channel < 0:
        raise RecipeError(f"`channel` must be `mean`, or from 0. Received: {channel}")
    if file.isatty():
        raise DataError(
            f"{PLACE}: is a terminal. Send sound through a pipe, such as `arecord -t wav "
            f"-f S16_LE -r {sample_rate_hz} | asdkeras detect ... --stream`."
        )
    source = ByteStream(file)
    pcm, num_bytes = recognize(source, wanted)
    if pcm.sample_rate_hz < sample_rate_hz and not resample_up:
        raise DataError(
            f"{PLACE}: its rate must be at least the detector's {sample_rate_hz} Hz, else its "
            f"upper band is empty. Received: {pcm.sample_rate_hz} Hz. Record at a higher rate, or "
            "score it all the same: resample_up=True, on the command line --resample."
        )
    head = source.peek(_LOOKED_AT)
    beginning = _decoded(head[: len(head) // pcm.bytes_per_frame * pcm.bytes_per_frame], pcm)
    _heard_channel(beginning, channel)  # Refuses a channel that is not there.
    if not _is_sound(beginning):
        raise DataError(
            f"{PLACE}: has samples that are NaN, infinite or far beyond [-1, 1]. Read as: {pcm}. "
            "If they are written otherwise, say so with `--pcm`; else export them again."
        )
    pieces = _pieces(source, pcm, num_bytes, channel, gap_s, clock)
    if pcm.num_channels > 1:
        heard = "the mean" if channel == "mean" else f"channel {channel}, from 0,"
        say(f"note: {heard} of {pcm.num_channels} channels is heard")
    if pcm.sample_rate_hz == sample_rate_hz:
        return pieces
    say(f"note: the sound is resampled from {pcm.sample_rate_hz} to {sample_rate_hz} Hz")
    return _resampled(pieces, pcm.sample_rate_hz, sample_rate_hz)


def _pieces(
    source: ByteStream,
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
            is_sound = _is_sound(channels)
            yield (
                _heard_channel(channels, channel)
                if is_sound
                else Gap("samples that are no numbers or far beyond [-1, 1]", len(channels))
            )
    if num_bytes:
        say(f"{PLACE}: ended {num_bytes} bytes before its WAV header says it would")
    elif rest:
        say(f"{PLACE}: ended within a sample, {len(rest)} of {frame} bytes; is it {pcm}?")


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


def _heard_channel(channels: npt.NDArray[np.float32], channel: Channel) -> Block:
    return np.ascontiguousarray(one_channel(Path(PLACE), channels, channel))


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
