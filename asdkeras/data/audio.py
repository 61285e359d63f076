"""Sound files in, one channel at one sample rate out, and a reason for each file refused."""

import dataclasses
import os
import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from asdkeras.config import Checked, Count
from asdkeras.errors import DataError

INT16_SCALE = 1.0 / 32768.0
_COPY = "Copy or unpack it again."
_UNKNOWN_SIZE = 0xFFFFFFFF  # Written by programs that cannot seek back in a pipe.
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
    with _open(path) as file:
        return AudioHeader(file.samplerate, file.channels, file.frames, file.subtype)


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
    with _open(path) as file:
        rate_hz, num_samples = file.samplerate, file.frames
        as_stored = (
            file.subtype == "PCM_16"
            and rate_hz == config.sample_rate_hz
            and (file.channels == 1 or config.channel != "mean")
        )
        try:
            channels = file.read(dtype="int16" if as_stored else "float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise DataError(
                f"{path}: damaged, decoding fails: {error.error_string}. {_COPY}"
            ) from error
    if len(channels) < num_samples:
        raise DataError(
            f"{path}: cut off. Received: {len(channels)} of {num_samples} samples. {_COPY}"
        )
    samples = one_channel(path, channels, config.channel)
    _check_samples(path, samples)
    if rate_hz != config.sample_rate_hz:
        samples = soxr.resample(samples, rate_hz, config.sample_rate_hz, quality=RESAMPLING_QUALITY)
    if len(samples) == 0:
        raise DataError(f"{path}: too short to resample. Received: {num_samples} samples")
    return np.ascontiguousarray(samples)


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


def _open(path: Path) -> soundfile.SoundFile:
    try:
        missing = _missing_bytes(path)
        if os.path.getsize(path) == 0:
            raise DataError(f"{path}: is empty. Received: 0 bytes. {_COPY}")
        file = soundfile.SoundFile(os.fsencode(path))  # Not text: it need not be UTF-8.
    except (OSError, ValueError) as error:  # ValueError: no path holds a zero byte.
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be opened: {reason}. Check the path.") from error
    except soundfile.LibsndfileError as error:
        raise DataError(
            f"{path}: no WAV or FLAC audio: {error.error_string} Convert it, or remove it."
        ) from error
    if missing == 0 and file.frames > 0:
        return file
    file.close()
    if missing:
        raise DataError(f"{path}: cut off, {missing} bytes of audio are missing. {_COPY}")
    raise DataError(f"{path}: holds no samples. Remove it, or record it again.")


def _missing_bytes(path: Path) -> int:
    """Bytes of audio that the header of a WAV file announces and the file lacks.

    The audio library reads a WAV file that was cut off as if it ended there on purpose.
    """
    with open(path, "rb") as file:
        total = os.fstat(file.fileno()).st_size
        kind, form = struct.unpack("<4s4x4s", file.read(12).ljust(12))
        if kind not in (b"RIFF", b"RF64") or form != b"WAVE":
            return 0
        data_size = _UNKNOWN_SIZE
        while file.tell() < total:
            name, size = struct.unpack("<4sI", file.read(8).ljust(8, b"\0"))
            start = file.tell()
            if name == b"data":
                data_size = data_size if size == _UNKNOWN_SIZE else size
                return 0 if data_size == _UNKNOWN_SIZE else max(0, start + data_size - total)
            if name == b"ds64":  # Holds the sizes that do not fit into 32 bits.
                data_size = struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))[0]
            file.seek(start + size + size % 2)  # Chunks begin at even positions.
    return 0


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
