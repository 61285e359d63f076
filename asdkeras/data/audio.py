"""Sound files in, one channel at one sample rate out, and a reason for each file refused."""

import contextlib
import dataclasses
import io
import os
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from asdkeras.config import Checked, Count
from asdkeras.data.wav import HEAD, FileBytes, decoded, foreign_kind, is_header, read_wav
from asdkeras.errors import DataError

INT16_SCALE = 1.0 / 32768.0
_COPY = "Copy or unpack it again."
_CONVERT = "Convert it, such as by `ffmpeg -i FILE NEW.wav`, or remove it."
_LONGER = (
    "its header announces {:.4g} s, and more sound lies behind them. "
    "Write its header anew, such as by `ffmpeg -ignore_length 1 -i FILE NEW.wav`, or score it "
    "whole: `asdkeras detect --stream < FILE`."
)
_SPLIT = "Give each a file of its own, or score all: `asdkeras detect --stream < FILE`."
_STREAM = "Send it as a stream: `asdkeras detect --stream < FILE`."
ONE_CHANNEL = "Choose one: `audio.channel=0` of the recipe, `--channel 0` of a stream."
_SOFT = 10 ** (-30 / 20)
_LEAST_JUDGED = 256  # Samples.
_FLAC = b"fLaC"
_FLAC_LENGTH = 2**36 - 1
_MP3 = (b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2")  # Without a tag before.
_AT_ONCE = 2**18  # Bytes of WAV, samples of FLAC.
RESAMPLING_QUALITY = "HQ"
"""Of soxr: 20 bits, more than any 16-bit recording holds."""
HIGHEST_PEAK = 2.0
"""Float files may overshoot 1 a little, as resampling makes them; twice as much is no overshoot."""

Samples = npt.NDArray[Any]  # int16 or float32
Channel = Literal["mean", 0, 1, 2, 3, 4, 5, 6, 7]


@dataclasses.dataclass(frozen=True)
class AudioConfig(Checked):
    """How files become waveforms.

    Attributes:
        sample_rate_hz: files of another rate are resampled with soxr, quality HQ.
        channel: counted from 0, or `mean` over all channels.
        mixed_rates: whether files of one machine type with different sample rates are refused or
            resampled. An upsampled file has nothing above its old band edge, and that edge is
            easier to tell apart than the machine.
    """

    sample_rate_hz: Count
    channel: Channel
    mixed_rates: Literal["refuse", "resample"]


@dataclasses.dataclass(frozen=True)
class AudioHeader:
    """Rate, channels, samples per channel and storage format of a file."""

    sample_rate_hz: int
    num_channels: int
    length: int
    subtype: str


def read_header(path: Path) -> AudioHeader:
    """Read the header of a WAV or FLAC file.

    Raises:
        DataError: if the file is missing, no audio, holds no samples, or is cut off.
    """
    return _read(path)[0]


def read_audio(path: Path, config: AudioConfig) -> npt.NDArray[np.float32]:
    """Read a file as one waveform `(samples,)` in [-1, 1], which resampling may overshoot a little.

    Raises:
        DataError: if the file cannot be used; the message says why and what to do.
    """
    samples = read_samples(path, config)
    waveform = samples.astype(np.float32, copy=False)
    return waveform * np.float32(INT16_SCALE) if samples.dtype == np.int16 else waveform


def read_samples(path: Path, config: AudioConfig) -> Samples:
    """Read a file as one contiguous waveform `(samples,)`, as int16 if that is all it holds.

    That is so if it stores 16-bit integers at the wanted rate and one channel is taken as it is:
    divide these by 32768. Other samples are float32 as from `read_audio`.

    Raises:
        DataError: as `read_audio`.
    """
    header, channels = _read(path, config)
    if config.channel == "mean" and cancels_out(channels):
        raise DataError(
            f"{path}: its {header.num_channels} channels cancel out, being of opposite phase: "
            f"their mean is not the machine. {ONE_CHANNEL}"
        )
    samples = one_channel(path, channels, config.channel)
    _check_samples(path, samples)
    if header.sample_rate_hz != config.sample_rate_hz:
        samples = _resampled(path, samples, header.sample_rate_hz, config.sample_rate_hz)
    if len(samples) == 0:
        raise DataError(f"{path}: too short to resample. Received: {len(channels)} samples")
    return np.ascontiguousarray(samples)


def _resampled(path: Path, samples: Samples, rate_hz: int, wanted_hz: int) -> Samples:
    try:
        resampled: Samples = soxr.resample(samples, rate_hz, wanted_hz, quality=RESAMPLING_QUALITY)
    except (MemoryError, RuntimeError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be resampled from {rate_hz} to {wanted_hz} Hz: {error}. Is its sample "
            "rate right?"
        ) from error
    return resampled


def soft_channels(path: Path, config: AudioConfig) -> str:
    """For a note: which channels of a file make its mean softer than their sound; else empty.

    Raises:
        DataError: if the file cannot be read.
    """
    channels = _read(path, config)[1]
    spreads = channels.std(axis=0)
    soft = np.flatnonzero(spreads < _SOFT * spreads.max())
    if config.channel != "mean" or len(soft) == 0:
        return ""
    which = f"channel{'s' * (len(soft) > 1)} {', '.join(map(str, soft))}, from 0,"
    return f"{which} of {path} {'are' if len(soft) > 1 else 'is'} silent beside the loudest"


def check_rates(
    machine_types: Sequence[str], sample_rates_hz: Sequence[int], config: AudioConfig
) -> tuple[str, ...]:
    """Refuse mixed sample rates within a machine type; else a note for each type that is resampled.

    Both sequences have one entry per clip.

    Raises:
        DataError: if a machine type has several rates and `mixed_rates` is `refuse`.
    """
    counts: dict[str, dict[int, str]] = {}
    pairs = Counter(zip(machine_types, sample_rates_hz, strict=True))
    for (machine_type, rate), count in sorted(pairs.items()):
        counts.setdefault(machine_type, {})[rate] = f"{count} clips at {rate} Hz"
    texts = {machine_type: ", ".join(rates.values()) for machine_type, rates in counts.items()}
    mixed = [machine_type for machine_type, rates in counts.items() if len(rates) > 1]
    if mixed and config.mixed_rates == "refuse":
        raise DataError(
            "one machine type must have one sample rate, else its clips are told apart by their "
            "upper band edge and not by the machine. Received: "
            + "; ".join(f"{machine_type}: {texts[machine_type]}" for machine_type in mixed)
            + ". Record or convert them alike, or set `mixed_rates: resample`."
        )
    return tuple(
        f"{machine_type}: {texts[machine_type]}, resampled to {config.sample_rate_hz} Hz."
        for machine_type, rates in counts.items()
        if set(rates) != {config.sample_rate_hz}
    )


def _read(path: Path, config: AudioConfig | None = None) -> tuple[AudioHeader, Samples]:
    """The header of a file and, if there is a config, all its channels `(samples, channels)`."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
            raise DataError(f"{path}: is a pipe or device, not a file. {_STREAM}")
        with open(path, "rb") as file:
            source = FileBytes(file, str(path), os.fstat(file.fileno()).st_size)
            head = source.peek(HEAD)
            if is_header(head):
                header, channels = _read_wav(source, config)
            elif head[:4] == _FLAC:
                file.seek(0)
                header, channels = _read_flac(path, file.read(), config)
            else:
                raise DataError(f"{path}: {_foreign(head)} {_CONVERT}")
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror}. Check the path.") from error
    except MemoryError as error:
        raise DataError(f"{path}: is too long for the memory. Cut it into clips.") from error
    except (RuntimeError, ValueError, TypeError, SystemError) as error:  # Of the sound library.
        reason = getattr(error, "error_string", str(error)).rstrip(".")
        raise DataError(f"{path}: damaged, decoding fails: {reason}. {_COPY}") from error
    if header.length == 0:
        raise DataError(f"{path}: holds no samples. Remove it, or record it again.")
    return header, channels


def _foreign(head: bytes) -> str:
    if not head:
        return "is empty. Received: 0 bytes."
    kind = foreign_kind(head) or ("MP3" if head[:2] in _MP3 else None)
    what = f"is {kind}, whose end cannot be checked;" if kind else f"it begins with {head[:4]!r};"
    return f"no WAV or FLAC audio: {what}"


def _read_wav(source: FileBytes, config: AudioConfig | None) -> tuple[AudioHeader, Samples]:
    recording, data = read_wav(source), bytearray()
    if config is None:
        recording.skip()
    else:
        while piece := recording.some(_AT_ONCE):
            data += piece
    pcm, path = recording.pcm, source.place
    if recording.is_followed:
        raise DataError(f"{path}: holds another recording behind the first. {_SPLIT}")
    if recording.missing:
        raise DataError(f"{path}: cut off, {recording.missing} bytes of audio are missing. {_COPY}")
    if recording.is_longer:
        raise DataError(f"{path}: {_LONGER.format(recording.announced_s)}")
    length = recording.num_bytes // pcm.bytes_per_frame
    header = AudioHeader(pcm.sample_rate_hz, pcm.num_channels, length, pcm.subtype)
    del data[length * pcm.bytes_per_frame :]
    return header, decoded(data, pcm, _dtype(header, config))


def _read_flac(
    path: Path, content: bytes, config: AudioConfig | None
) -> tuple[AudioHeader, Samples]:
    """Hide the length from the decoder, which would end there, and see whether more comes."""
    fields = int.from_bytes(content[18:26].ljust(8, b"\0"), "big")
    announced = fields & _FLAC_LENGTH
    num_channels, bits = (fields >> 41 & 7) + 1, (fields >> 36 & 31) + 1
    header = AudioHeader(fields >> 44, num_channels, announced, f"PCM_{'S' * (bits == 8)}{bits}")
    if header.sample_rate_hz == 0:
        raise DataError(f"{path}: damaged, its header has no sample rate. {_COPY}")
    nothing = np.empty((0, num_channels), np.float32)
    if config is None and announced:
        return header, nothing
    pieces, count = [nothing.astype(_dtype(header, config))], 0
    unknown = (fields - announced).to_bytes(8, "big")
    with _Forward(io.BytesIO(content[:18] + unknown + content[26:])) as file:
        while most := min(announced - count, _AT_ONCE) if announced else _AT_ONCE:
            pieces.append(file.read(most, dtype=pieces[0].dtype.name, always_2d=True))
            count += len(pieces[-1])
            if len(pieces[-1]) == 0:
                break
        with contextlib.suppress(soundfile.LibsndfileError):  # What is behind it is no sound.
            if announced and len(file.read(1)):
                announced_s = announced / header.sample_rate_hz
                raise DataError(f"{path}: {_LONGER.format(announced_s)}")
    if count < announced:
        raise DataError(f"{path}: cut off. Received: {count} of {announced} samples. {_COPY}")
    return dataclasses.replace(header, length=count), np.concatenate(pieces)


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """Read from the beginning to the end alone, since not all that is sound can be searched."""

    def seekable(self) -> bool:
        return False


def _dtype(header: AudioHeader, config: AudioConfig | None) -> str:
    """int16 where a file stores it and one channel is taken as it is."""
    is_as_stored = config is not None and (
        header.subtype == "PCM_16"
        and header.sample_rate_hz == config.sample_rate_hz
        and (header.num_channels == 1 or config.channel != "mean")
    )
    return "int16" if is_as_stored else "float32"


@np.errstate(invalid="ignore", over="ignore")  # What comes of NaN is refused.
def cancels_out(channels: npt.NDArray[Any]) -> bool:
    """Whether the sum of `(samples, channels)` is 30 dB softer than the loudest of them.

    Channels that know nothing of each other add up to more than any of them, but over a few
    samples they may cancel out by chance.
    """
    if channels.shape[1] == 1 or len(channels) < _LEAST_JUDGED:
        return False
    # By matrix products: NumPy's own sums along such axes take several times longer.
    centered = channels - np.full(len(channels), 1 / len(channels), np.float32) @ channels
    products = centered.T @ centered
    return bool(products.sum() < _SOFT**2 * products.diagonal().max())


@np.errstate(invalid="ignore", over="ignore")  # What comes of NaN is refused.
def one_channel(path: Path, channels: npt.NDArray[Any], channel: Channel) -> Samples:
    """A channel of `(samples, channels)`, or the mean of all; `path` is for the message.

    Raises:
        DataError: if there is no such channel.
    """
    num_channels = channels.shape[1]
    if channel == "mean":
        if num_channels == 1:
            return channels[:, 0]
        # Not by NumPy's mean along short rows, which is several times slower.
        return channels @ np.full(num_channels, 1 / num_channels, np.float32)
    if channel >= num_channels:
        raise DataError(
            f"{path}: has {num_channels} channels, counted from 0. Received: channel={channel}. "
            "Choose one of them, or `channel: mean`."
        )
    return channels[:, channel]


@np.errstate(invalid="ignore", over="ignore")  # What comes of NaN is refused.
def _check_samples(path: Path, samples: Samples) -> None:
    low, high = float(samples.min()), float(samples.max())  # NaN if any sample is.
    if not np.isfinite([low, high]).all():
        count = int(np.count_nonzero(~np.isfinite(samples)))
        raise DataError(
            f"{path}: {count} of {len(samples)} samples are NaN or infinite. Export it again."
        )
    if low == high:
        what = "silent, every sample is 0" if low == 0 else f"constant, every sample is {low:g}"
        raise DataError(f"{path}: {what}. Check the microphone, or remove the file.")
    if samples.dtype != np.int16 and max(-low, high) > HIGHEST_PEAK:
        raise DataError(
            f"{path}: float audio must lie in [-1, 1]. Received: a peak of {max(-low, high):g}. "
            "Divide it by the full scale of its integers."
        )
