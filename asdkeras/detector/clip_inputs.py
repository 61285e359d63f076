"""What a user hands a detector to score: files, folders, arrays; read as waveforms, one by one."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asdkeras.data import folders, naming, roles
from asdkeras.data.audio import (
    HIGHEST_PEAK,
    INT16_SCALE,
    AudioConfig,
    Channel,
    read_audio,
    read_header,
    soft_channels,
)
from asdkeras.data.normal_clips import machine_name
from asdkeras.detector.fitted_machine import Machine
from asdkeras.errors import DataError
from asdkeras.progress import say

Waveform = npt.NDArray[np.float32]

_LEAST_S = 1.0
_MOST_CHANNELS = 8


def read_clips(
    clips: Any,
    sample_rate_hz: int,
    channel: Channel = "mean",
    *,
    resample_up: bool = False,
    on_error: Callable[[DataError], None] | None = None,
    said: set[str] | None = None,
) -> Iterator[tuple[str, Waveform]]:
    """Read clips one after the other, each when it is asked for.

    Args:
        clips: a path of a file, or of a folder, which stands for all audio files in and below
            it; an array `(samples,)`, one clip, or `(clips, samples)`; or several paths or
            arrays `(samples,)`. Arrays are float in [-1, 1], or int16, at `sample_rate_hz`.
        sample_rate_hz: rate of the waveforms. Files of a higher rate are resampled.
        resample_up: files of a lower rate are resampled too. They have nothing in their upper
            band, so they sound unlike any clip a detector has learned from.
        on_error: called with the error of each clip that cannot be used; None raises the first.
        said: notes the user has seen; those of this call are added.

    Yields:
        name, which is the path, or the number of an array from 0; and float32 `(samples,)`.

    Raises:
        ValueError: if an array is of another type, shape or range, or holds NaN.
        DataError: if a clip is missing, damaged, no audio, silent, too short, or of a lower
            sample rate, or a folder holds no audio.
    """
    config = AudioConfig(sample_rate_hz, channel, "resample")
    said = set() if said is None else said
    for number, clip in enumerate(_one_by_one(clips)):
        if isinstance(clip, DataError):
            _report(clip, on_error)
            continue
        try:
            if isinstance(clip, Path):
                waveform = _read_file(clip, config, resample_up, said)
            else:
                waveform = _read_array(f"clip {number}", clip, sample_rate_hz)
        except DataError as error:
            _report(error, on_error)
            continue
        yield str(clip if isinstance(clip, Path) else number), waveform


def paths_of(clip: str | os.PathLike[str]) -> list[Path]:
    """The files that a path stands for: itself, or all audio files in and below a folder.

    Raises:
        DataError: if a folder holds no audio, or cannot be read.
    """
    path = Path(clip)
    if not os.path.isdir(path):  # Unlike that of `Path`, it refuses no name.
        return [path]
    files = folders.audio_files(path)
    if not files:
        raise DataError(f"{path}: holds no WAV or FLAC file. Check the path.")
    return [Path(folder, name) for folder, names in sorted(files.items()) for name in names]


def machine_of(path: str | os.PathLike[str], machines: Mapping[str, Machine]) -> str:
    """Name of the machine that a file, which need not be there, is a clip of.

    A detector of one machine takes any clip for one of that machine. Of several, the folder of a
    clip, or the one above `train`, `test` and the like, or its file name must name one, and if a
    machine type has several sections, an official file name the section.

    Raises:
        DataError: if not exactly one machine fits.
    """
    if len(machines) == 1:
        return next(iter(machines))
    fitting = _fitting(Path(path), machines)
    if len(fitting) == 1:
        return fitting[0]
    problem = f"may be of {', '.join(fitting)}" if fitting else "names no machine by itself"
    raise DataError(
        f"{path}: {problem}, and the detector knows {', '.join(machines)}. "
        "Say which it is: machine=NAME, on the command line --machine NAME."
    )


def _one_by_one(clips: Any) -> Iterator[Path | npt.NDArray[Any] | DataError]:
    """Single files and arrays, and errors of folders in their place."""
    if isinstance(clips, str | os.PathLike):
        try:
            yield from paths_of(clips)
        except DataError as error:
            yield error
    elif isinstance(clips, np.ndarray) or hasattr(clips, "__array__"):
        yield from _rows(np.asarray(clips))
    elif isinstance(clips, Iterable) and not isinstance(clips, bytes | Mapping):
        for clip in clips:
            if isinstance(clip, str | os.PathLike):
                yield from _one_by_one(clip)
            else:
                yield _vector(clip)
    else:
        raise ValueError(
            "`clips` must be paths, folders or arrays of samples. "
            f"Received: {type(clips).__name__}. Name a file, or pass an array (samples,)."
        )


def _rows(array: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    if array.ndim == 2 and array.shape[1] <= _MOST_CHANNELS < array.shape[0]:
        raise ValueError(
            "`clips` must be (samples,) or (clips, samples), one channel each. "
            f"Received: shape {array.shape}, which looks like (samples, channels). "
            "Pass one channel, or the mean: array.mean(axis=1)."
        )
    if array.ndim not in (1, 2):
        raise ValueError(
            f"`clips` must be (samples,) or (clips, samples). Received: shape {array.shape}. "
            "Pass one channel of each clip."
        )
    yield from array[None] if array.ndim == 1 else array


def _vector(clip: Any) -> npt.NDArray[Any]:
    array = np.asarray(clip)
    if array.ndim != 1:
        raise ValueError(
            "each of several `clips` must be a path or an array (samples,). "
            f"Received: {type(clip).__name__} of shape {array.shape}. For one clip pass its array "
            "itself; of several channels pass one."
        )
    return array


def _read_array(name: str, clip: npt.NDArray[Any], sample_rate_hz: int) -> Waveform:
    waveform = as_float32(name, clip)
    _check_length(name, len(waveform), sample_rate_hz)
    check_range(name, waveform)
    if waveform.min() == waveform.max():
        raise DataError(
            f"{name}: silent or constant, every sample is {waveform[0]:g}. Check the microphone."
        )
    return waveform


@np.errstate(over="ignore")  # Infinity is refused.
def as_float32(name: str, samples: npt.NDArray[Any]) -> Waveform:
    """Samples as float32, integers of 16 bits divided by their full scale.

    Raises:
        ValueError: if they are of another type, whose full scale is not known.
    """
    if samples.dtype == np.int16:
        return samples.astype(np.float32) * np.float32(INT16_SCALE)
    if np.issubdtype(samples.dtype, np.floating):
        return samples.astype(np.float32)
    raise ValueError(
        f"{name}: samples must be float in [-1, 1], or int16. Received: {samples.dtype}. "
        "Divide them by their full scale, such as 2**31 for int32."
    )


def check_range(name: str, waveform: Waveform) -> None:
    """Refuse samples that are no sound in [-1, 1], such as integers given as float.

    Raises:
        ValueError: if some are not finite, or lie beyond `HIGHEST_PEAK`.
    """
    peak = float(np.abs(waveform).max(initial=0.0))  # NaN if any sample is.
    if not np.isfinite(peak):
        raise ValueError(
            f"{name}: samples must be finite. Received: {np.sum(~np.isfinite(waveform))} of "
            f"{len(waveform)} that are NaN or infinite. Replace or leave out this clip."
        )
    if peak > HIGHEST_PEAK:
        raise ValueError(
            f"{name}: float samples must lie in [-1, 1]. Received: a peak of {peak:g}. "
            "Divide them by the full scale of their integers."
        )


def _read_file(path: Path, config: AudioConfig, resample_up: bool, said: set[str]) -> Waveform:
    header = read_header(path)
    wanted = config.sample_rate_hz
    _check_length(str(path), header.length, header.sample_rate_hz)
    if header.sample_rate_hz < wanted and not resample_up:
        raise DataError(
            f"{path}: sampled at {header.sample_rate_hz} Hz, and the detector hears {wanted} Hz: "
            f"nothing above {header.sample_rate_hz / 2:g} Hz would mean anything to it. Record at "
            f"{wanted} Hz or more, or score it all the same: resample_up=True, on the command "
            "line --resample."
        )
    waveform = read_audio(path, config)
    if header.sample_rate_hz != wanted:
        example = f"such as {path} at {header.sample_rate_hz} Hz"
        _note(f"clips of another sample rate are resampled to {wanted} Hz", example, said)
    if header.num_channels > 1:
        channel = config.channel
        heard = "the mean of all channels" if channel == "mean" else f"channel {channel}, from 0,"
        what = f"{heard} is heard of clips with several"
        soft = "" if what in said else soft_channels(path, config)
        _note(what, f"such as {path} with {header.num_channels}{soft and f': {soft}'}", said)
    return waveform


def _check_length(name: str, length: int, sample_rate_hz: int) -> None:
    if length < _LEAST_S * sample_rate_hz:
        raise DataError(
            f"{name}: too short. Received: {length / sample_rate_hz:.4g} s, {length} samples at "
            f"{sample_rate_hz} Hz. Record at least {_LEAST_S:g} s."
        )


def _note(what: str, example: str, said: set[str]) -> None:
    if what not in said:
        said.add(what)
        say(f"note: {what}, {example}")


def _report(error: DataError, on_error: Callable[[DataError], None] | None) -> None:
    if on_error is None:
        raise error
    on_error(error)


def _fitting(path: Path, machines: Mapping[str, Machine]) -> list[str]:
    path = path.absolute()
    # Folders such as `test` say nothing about the machine, unless it is named so: one above does.
    known = {*machines, *(each.machine_type for each in machines.values())}
    parents = (p for p in path.parents if p.name in known or not roles.said(p.name).is_role)
    folder = next(parents, path.parent)
    folder_names = {folder.name, machine_name(str(folder))}
    fitting = _named(folder_names.__contains__, machines) | _named(
        lambda name: _is_word_of(path.stem, name), machines
    )
    parsed = naming.parse_name(path.name)
    if parsed is not None and len(fitting) > 1:
        fitting = {name for name in fitting if machines[name].section == parsed.section}
    return sorted(fitting)


def _named(is_named: Callable[[str], bool], machines: Mapping[str, Machine]) -> set[str]:
    """Machines whose names are said, else those whose machine types are."""
    names = {name for name in machines if is_named(name)}
    return names or {name for name, each in machines.items() if is_named(each.machine_type)}


def _is_word_of(stem: str, name: str) -> bool:
    return re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", stem) is not None
