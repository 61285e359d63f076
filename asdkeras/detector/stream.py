"""Endless sound scored in a sliding window, one line per hop, in bounded memory."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple, TextIO

import numpy as np
import numpy.typing as npt

from asdkeras.data.audio import Channel
from asdkeras.data.wav import PcmFormat
from asdkeras.detector.clip_inputs import as_float32, check_range
from asdkeras.detector.fitted_machine import Machine
from asdkeras.detector.live import newest_blocks
from asdkeras.detector.pcm import Block, Gap, read_blocks
from asdkeras.errors import DataError, RecipeError
from asdkeras.progress import say

_LEAST_WINDOW_S = 1.0
_LEAST_HOP_S = 0.1
_MOST_HOP_S = 86400.0
_PLAIN = "{:>10}  {:>10}  {:>10}  {:>10}  {:<9}  {}"
_HEADING = _PLAIN.format("start", "end", "score", "threshold", "decision", "note")

Score = Callable[[Block], Mapping[str, npt.NDArray[Any]]]


@dataclasses.dataclass(frozen=True)
class WindowScore:
    """The score of one window of a stream.

    Attributes:
        start_s, end_s: in seconds of sound since the beginning of the stream.
        anomaly_score: higher is more anomalous; None if there was nothing to score, or the score
            is no finite number.
        is_anomalous: whether the score lies above the threshold, or is no finite number; None if
            there was nothing to score.
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
        blocks: waveforms `(samples,)` of any length at the rate of the machine, float in [-1, 1] or
            int16, with a `Gap` wherever two do not join: no window goes across.
        score: from float32 `(1, samples)` to `anomaly_score` and `is_anomalous`, arrays `(1,)`;
            such as `Detector.scorer()`.
        window_s: from 1 to the seconds of a clip that the system takes. Default: those.
        hop_s: seconds from one window to the next, at least 0.1. Default: half a window.

    Returns:
        one result per hop. Silent windows have no score, nor has a stretch without any whole
        window. A recording that ends before its first window is full, but has 1 s of sound, gets
        one result; what else fills no window at its end is named.

    Raises:
        RecipeError: if `window_s` or `hop_s` are outside their range.
        DataError: if the stream ends with less than that.
        ValueError: if a block is no such waveform, or beyond [-1, 1].
    """
    window, hop = _lengths(machine, window_s, hop_s)
    windows = _windows(blocks, _Cutter(window, hop, machine.sample_rate_hz))
    return (_scored(each, score, machine) for each in windows)


@dataclasses.dataclass(frozen=True)
class StreamOptions:
    """How a stream is read, cut and printed; see also `read_blocks` and `score_stream`.

    Attributes:
        machine: needed if the detector knows several.
        pcm: encoding of raw samples, such as `s16le`; None takes WAV only.
        rate: of raw samples, in Hz.
        channels: of raw samples. Default: 1.
        channel: from 0, or `mean`; None takes what the detector has learned from.
        live: the sound does not wait: if scoring is too slow, the oldest of it is left out, and no
            sound for longer than `gap_s` seconds is a gap. Otherwise the program before the pipe
            waits.
    """

    machine: str | None = None
    pcm: str | None = None
    rate: int | None = None
    channels: int | None = None
    channel: Channel | None = None
    resample_up: bool = False
    hop_s: float | None = None
    window_s: float | None = None
    live: bool = False
    gap_s: float = 2.0
    as_json: bool = False


def run_stream(detector: Any, file: BinaryIO, out: TextIO, options: StreamOptions) -> bool:
    """Score a pipe until it ends or Ctrl-C; return whether any window was anomalous.

    Args:
        detector: `asdkeras.detector.detector.Detector`.
        out: for a table line or a JSON object per hop, each flushed.

    Raises:
        RecipeError, DataError: see `read_blocks` and `score_stream`, before the graph is
            loaded wherever possible.
        BrokenPipeError: if nobody reads `out` any more.
    """
    machine = _chosen(detector, options.machine)
    window_s, hop_s = options.window_s, options.hop_s
    window, _ = _lengths(machine, window_s, hop_s)
    if not options.gap_s > 0:
        raise RecipeError(f"`gap_s` must lie above 0 seconds. Received: {options.gap_s}")
    is_any_anomalous = False
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        blocks = read_blocks(
            file,
            _raw_format(options),
            machine.sample_rate_hz,
            channel=detector.channel if options.channel is None else options.channel,
            resample_up=options.resample_up,
            gap_s=options.gap_s if options.live else None,
        )
        if options.live:  # Room for a whole window behind what is left out.
            blocks = stack.enter_context(contextlib.closing(newest_blocks(blocks, 2 * window)))
        score = detector.scorer(machine.name)
        results = score_stream(blocks, score, machine=machine, window_s=window_s, hop_s=hop_s)
        if not options.as_json:
            print(_HEADING, file=out, flush=True)
        for each in results:
            is_any_anomalous |= bool(each.is_anomalous)
            values = {"machine": machine.name, **dataclasses.asdict(each)}
            as_json = options.as_json
            line = json.dumps(values) if as_json else _plain_line(each)
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


class _Window(NamedTuple):
    """A stretch of a stream, in samples with lost ones; no waveform if it held no whole window."""

    start: int
    end: int
    waveform: Block | None
    note: str


def _windows(blocks: Iterable[Block | Gap], cutter: "_Cutter") -> Iterator[_Window]:
    """Windows in the order of time; holds one window and one block at a time."""
    for number, block in enumerate(blocks):
        piece = block if isinstance(block, Gap) else _checked(block, number)
        yield from cutter.restart(piece) if isinstance(piece, Gap) else cutter.hear(piece)
    yield from cutter.end()


class _Cutter:
    """The samples since the last gap that belong to the next window."""

    def __init__(self, window: int, hop: int, sample_rate_hz: int) -> None:
        self._held = np.empty(window, np.float32)
        self._num_held = 0
        self._num_least = _LEAST_WINDOW_S * sample_rate_hz
        self._num_skipped = 0  # still to skip, where the hop is longer than the window
        self._hop = hop
        self._rate_hz = sample_rate_hz
        self._position = 0
        self._told = 0  # the end of what the user was told about
        self._is_any = False  # whether a window of this recording was full
        self._gaps: dict[str, Gap] = {}  # since the last window, one for each reason

    def hear(self, block: Block) -> Iterator[_Window]:
        while len(block):
            if self._num_skipped:
                num_used = min(self._num_skipped, len(block))
                self._num_skipped -= num_used
            else:
                num_used = min(len(self._held) - self._num_held, len(block))
                self._held[self._num_held : self._num_held + num_used] = block[:num_used]
                self._num_held += num_used
            self._position += num_used
            block = block[num_used:]
            if self._num_held == len(self._held):
                yield self._window(self._held.copy())
                self._move_on()

    def restart(self, gap: Gap) -> Iterator[_Window]:
        if gap.is_end:
            yield from self._end_recording()
        before = self._gaps.get(gap.why, Gap(gap.why))
        self._gaps[gap.why] = Gap(
            gap.why, before.num_samples + gap.num_samples, before.waited_s + gap.waited_s
        )
        self._position += gap.num_samples
        self._num_held = self._num_skipped = 0
        if self._position - self._told >= len(self._held) + self._hop:
            yield self._window(None, "no whole window")

    def end(self) -> Iterator[_Window]:
        if not (self._told or self._is_any) and self._num_held < self._num_least:
            raise DataError(
                f"the stream ended before a window of {len(self._held) / self._rate_hz:g} s was "
                f"full. Received: {self._num_held / self._rate_hz:.3g} s of sound since its "
                "beginning or its last gap. At least 1 s is needed."
            )
        yield from self._end_recording()

    def _end_recording(self) -> Iterator[_Window]:
        num_left = min(self._num_held, self._position - self._told)
        if not self._is_any and self._num_held >= self._num_least:
            seconds = len(self._held) / self._rate_hz
            yield self._window(
                self._held[: self._num_held].copy(), f"shorter than {seconds:g} s, repeated"
            )
        elif num_left:
            start, end = (self._position - num_left) / self._rate_hz, self._position / self._rate_hz
            say(f"note: from {start:.2f} to {end:.2f} s no window is full: not scored")
        self._is_any = False

    def _window(self, waveform: Block | None, note: str = "") -> _Window:
        notes = [self._gap_note(gap) for gap in self._gaps.values()]
        start = self._told if waveform is None else self._position - len(waveform)
        self._gaps.clear()
        self._told = self._position
        self._is_any |= waveform is not None
        return _Window(start, self._position, waveform, "; ".join(filter(None, [*notes, note])))

    def _move_on(self) -> None:
        self._num_held = max(0, len(self._held) - self._hop)
        self._held[: self._num_held] = self._held[len(self._held) - self._num_held :].copy()
        self._num_skipped = max(0, self._hop - len(self._held))

    def _gap_note(self, gap: Gap) -> str:
        lost = f"{gap.num_samples / self._rate_hz:.2f} s lost" if gap.num_samples else ""
        waited = f"for {gap.waited_s:.1f} s" if gap.waited_s else ""
        return f"gap: {' '.join(filter(None, (gap.why, waited)))}{lost and f', {lost}'}"


def _checked(block: Block, number: int) -> Block | Gap:
    if not isinstance(block, np.ndarray) or block.ndim != 1:
        received = getattr(block, "dtype", type(block).__name__), getattr(block, "shape", "")
        raise ValueError(
            "each block must be a waveform (samples,), float in [-1, 1] or int16, or a Gap. "
            f"Received: {received[0]} {received[1]}. Pass one channel."
        )
    waveform = as_float32(f"block {number}", block)
    if not np.isfinite(waveform).all():
        return Gap("samples that are no numbers", len(waveform))
    check_range(f"block {number}", waveform)
    return waveform


def _scored(window: _Window, score: Score, machine: Machine) -> WindowScore:
    anomaly_score, is_anomalous, notes = None, None, [window.note]
    if window.waveform is not None and window.waveform.min() == window.waveform.max():
        notes.append("silent")
    elif window.waveform is not None:
        outputs = score(window.waveform[None])
        anomaly_score = float(outputs["anomaly_score"][0])
        is_anomalous = bool(outputs["is_anomalous"][0])
        if not np.isfinite(anomaly_score):
            anomaly_score, is_anomalous = None, True
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


def _raw_format(options: StreamOptions) -> PcmFormat | None:
    if options.pcm is None:
        if options.rate is not None or options.channels is not None:
            raise RecipeError(
                "`--rate` and `--channels` describe raw samples, whose encoding is needed too. "
                "Add `--pcm`, such as `--pcm s16le`, or leave them out for WAV."
            )
        return None
    if options.rate is None:
        raise RecipeError(
            f"`--pcm {options.pcm}` needs `--rate` too: raw samples do not tell theirs."
        )
    return PcmFormat(options.pcm, options.rate, 1 if options.channels is None else options.channels)


def _plain_line(each: WindowScore) -> str:
    score = "-" if each.anomaly_score is None else f"{each.anomaly_score:.4g}"
    decision = {None: "-", True: "anomalous", False: "normal"}[each.is_anomalous]
    times = f"{each.start_s:.2f}", f"{each.end_s:.2f}"
    return _PLAIN.format(*times, score, f"{each.threshold:.4g}", decision, each.note).rstrip()
