"""Endless sound scored in a sliding window, one line per hop, in bounded memory."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, TextIO

import numpy as np
import numpy.typing as npt

from asdkeras.data.audio import Channel
from asdkeras.detector.fitted_machine import Machine
from asdkeras.detector.live import newest_blocks
from asdkeras.detector.pcm import Block, Gap, PcmFormat, read_blocks
from asdkeras.detector.windows import Window, windows_of
from asdkeras.errors import RecipeError

_LEAST_WINDOW_S = 1.0
_LEAST_HOP_S = 0.1
_MOST_HOP_S = 86400.0
_PLAIN = "{:>10}  {:>10}  {:>10}  {:>10}  {:<9}  {}"
_HEADING = _PLAIN.format("start", "end", "score", "threshold", "decision", "note")

Score = Callable[[Block], Mapping[str, npt.NDArray[Any]]]


@dataclasses.dataclass(frozen=True)
class WindowScore:
    """What is said of one window of a stream.

    Attributes:
        start_s, end_s: in seconds of sound since the beginning of the stream.
        anomaly_score: higher is more anomalous; None if there was nothing to score.
        threshold: of the machine.
        is_anomalous: whether the score lies above the threshold; None without a score.
        note: what the user should know about it, such as a gap before; empty if nothing.
    """

    start_s: float
    end_s: float
    anomaly_score: float | None
    threshold: float
    is_anomalous: bool | None
    note: str


def score_stream(
    blocks: Iterable[Block | Gap],
    score: Score,
    *,
    machine: Machine,
    window_s: float | None = None,
    hop_s: float | None = None,
) -> Iterator[WindowScore]:
    """Score a sliding window, each as soon as it is full.

    Args:
        blocks: float waveforms `(samples,)` of any length at the rate of the machine, one after
            the other, with a `Gap` wherever two do not join: no window goes across.
        score: from float32 `(1, samples)` to `anomaly_score` and `is_anomalous`, arrays `(1,)`;
            such as `Detector.scorer()`.
        machine: whose sound it is.
        window_s: from 1 to the seconds of a clip that the system hears. Default: those.
        hop_s: from one window to the next, at least 0.1. Default: half a window. Seconds.

    Returns:
        iterator of one result per hop. Silent windows have no score, nor has a stretch without
        any whole window. A stream that ends before its first window is full, but has 1 s of
        sound, gets one result, for that.

    Raises:
        RecipeError: if `window_s` or `hop_s` are outside their range.
        DataError: if the stream ends with less than that.
        ValueError: if a block is no float waveform.
    """
    window, hop = _lengths(machine, window_s, hop_s)
    windows = windows_of(blocks, window, hop, machine.sample_rate_hz)
    return (_scored(each, score, machine) for each in windows)


def run_stream(
    detector: Any,
    file: BinaryIO,
    out: TextIO,
    *,
    machine: str | None = None,
    pcm: str | None = None,
    rate: int | None = None,
    channels: int | None = None,
    channel: Channel = "mean",
    resample_up: bool = False,
    hop_s: float | None = None,
    window_s: float | None = None,
    live: bool = False,
    gap_s: float = 2.0,
    as_json: bool = False,
) -> bool:
    """Score what comes through a pipe until it ends or Ctrl-C, and write one line per hop.

    Args:
        detector: `asdkeras.detector.detector.Detector`.
        file: WAV or raw samples, such as `sys.stdin.buffer`.
        out: for a table, or for one JSON object per line; flushed with every line.
        machine: name; needed if the detector knows several.
        pcm: encoding of raw samples, such as `s16le`; None takes WAV only.
        rate: of raw samples, in Hz.
        channels: of raw samples. Default: 1.
        channel: see `asdkeras.detector.pcm.read_blocks`.
        resample_up: see there.
        hop_s: see `score_stream`.
        window_s: see there.
        live: the sound does not wait. If scoring is too slow, the oldest of it is left out, and
            no sound for longer than `gap_s` seconds is a gap. Otherwise nothing is left out,
            and the program before the pipe has to wait.
        gap_s: see `live`.
        as_json: one JSON object per line in place of the table.

    Returns:
        whether any window was anomalous.

    Raises:
        RecipeError, DataError: see `read_blocks` and `score_stream`, before the graph is
            loaded wherever possible.
        BrokenPipeError: if nobody reads `out` any more.
    """
    chosen = _chosen(detector, machine)
    window, _ = _lengths(chosen, window_s, hop_s)
    if not gap_s > 0:
        raise RecipeError(f"`gap_s` must lie above 0 seconds. Received: {gap_s}")
    is_any_anomalous = False
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        blocks = read_blocks(
            file,
            _raw_format(pcm, rate, channels),
            chosen.sample_rate_hz,
            channel=channel,
            resample_up=resample_up,
            gap_s=gap_s if live else None,
        )
        if live:  # Room for a whole window behind what is left out.
            blocks = stack.enter_context(contextlib.closing(newest_blocks(blocks, 2 * window)))
        score = detector.scorer(chosen.name)
        results = score_stream(blocks, score, machine=chosen, window_s=window_s, hop_s=hop_s)
        if not as_json:
            print(_HEADING, file=out, flush=True)
        for each in results:
            is_any_anomalous |= bool(each.is_anomalous)
            line = _json_line(each, chosen) if as_json else _plain_line(each)
            print(line, file=out, flush=True)
    return is_any_anomalous


def _lengths(machine: Machine, window_s: float | None, hop_s: float | None) -> tuple[int, int]:
    """Window and hop in samples."""
    rate_hz, longest = machine.sample_rate_hz, machine.clip_length
    longest_s = longest / rate_hz
    least_s = min(_LEAST_WINDOW_S, longest_s)
    window_s = longest_s if window_s is None else window_s
    if not least_s <= window_s <= longest_s:
        raise RecipeError(
            f"`window_s` must be from {least_s:g} to {longest_s:g}, the seconds of a clip that the "
            f"system hears. Received: {window_s:g}"
        )
    hop_s = window_s / 2 if hop_s is None else hop_s
    if not _LEAST_HOP_S <= hop_s <= _MOST_HOP_S:
        raise RecipeError(
            f"`hop_s` must be from {_LEAST_HOP_S} to {_MOST_HOP_S:g} seconds. Received: {hop_s:g}"
        )
    return round(window_s * rate_hz), round(hop_s * rate_hz)


def _scored(window: Window, score: Score, machine: Machine) -> WindowScore:
    anomaly_score, is_anomalous, notes = None, None, [window.note]
    if window.waveform is not None and window.waveform.min() == window.waveform.max():
        notes.append("silent")
    elif window.waveform is not None:
        outputs = score(window.waveform[None])
        anomaly_score = float(outputs["anomaly_score"][0])
        is_anomalous = bool(outputs["is_anomalous"][0])
        if not np.isfinite(anomaly_score):
            anomaly_score, is_anomalous = None, None
            notes.append("the score is no finite number")
    return WindowScore(
        window.start / machine.sample_rate_hz,
        window.end / machine.sample_rate_hz,
        anomaly_score,
        machine.threshold,
        is_anomalous,
        "; ".join(filter(None, notes)),
    )


def _chosen(detector: Any, name: str | None) -> Machine:
    machines: dict[str, Machine] = detector.machines
    if name is None and len(machines) == 1:
        return next(iter(machines.values()))
    if name not in machines:
        raise RecipeError(
            f"`--machine` must be one of {', '.join(machines)}, for a stream does not say whose "
            f"sound it is. Received: {name}"
        )
    return machines[name]


def _raw_format(pcm: str | None, rate: int | None, channels: int | None) -> PcmFormat | None:
    if pcm is None:
        if rate is not None or channels is not None:
            raise RecipeError(
                "`--rate` and `--channels` describe raw samples, whose encoding is needed too. "
                "Add `--pcm`, such as `--pcm s16le`, or leave them out for WAV."
            )
        return None
    if rate is None:
        raise RecipeError(f"`--pcm {pcm}` needs `--rate` too: raw samples do not tell theirs.")
    return PcmFormat(pcm, rate, 1 if channels is None else channels)


def _json_line(each: WindowScore, machine: Machine) -> str:
    return json.dumps({"machine": machine.name, **dataclasses.asdict(each)}, ensure_ascii=False)


def _plain_line(each: WindowScore) -> str:
    score, decision = "-", "-"
    if each.anomaly_score is not None:
        score = f"{each.anomaly_score:.4g}"
        decision = "anomalous" if each.is_anomalous else "normal"
    times = f"{each.start_s:.2f}", f"{each.end_s:.2f}"
    return _PLAIN.format(*times, score, f"{each.threshold:.4g}", decision, each.note).rstrip()
