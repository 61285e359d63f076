"""Windows cut from blocks of any length, none of them across a gap."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from asdkeras.detector.pcm import Block, Gap
from asdkeras.errors import DataError

_LEAST_S = 1.0  # A detector hears nothing shorter.


@dataclasses.dataclass(frozen=True)
class Window:
    """A stretch of a stream.

    Attributes:
        start, end: in samples since the beginning of the stream, lost ones counted.
        waveform: float32 `(samples,)`; None if the stretch held no whole window.
        note: what came between this window and the one before; empty if nothing.
    """

    start: int
    end: int
    waveform: Block | None
    note: str


def windows_of(
    blocks: Iterable[Block | Gap], window: int, hop: int, sample_rate_hz: int
) -> Iterator[Window]:
    """Cut a stream into windows; holds one window and one block at a time.

    Args:
        blocks: see `asdkeras.detector.stream.score_stream`.
        window: samples of each.
        hop: samples from the start of one to the start of the next; after a gap the first
            starts right behind it.
        sample_rate_hz: for what is said in seconds.

    Yields:
        windows in the order of time. What is left at the end is not heard, unless there was no
        window at all.

    Raises:
        DataError: if there was none, and less than 1 s is left.
        ValueError: if a block is no float waveform.
    """
    cutter = _Cutter(window, hop, sample_rate_hz)
    for block in blocks:
        piece = block if isinstance(block, Gap) else _checked(block)
        yield from cutter.restart(piece) if isinstance(piece, Gap) else cutter.hear(piece)
    yield from cutter.end()


class _Cutter:
    """The samples since the last gap that belong to the next window."""

    def __init__(self, window: int, hop: int, sample_rate_hz: int) -> None:
        self._held = np.empty(window, np.float32)
        self._num_held = 0
        self._num_skipped = 0  # still to skip, where the hop is longer than the window
        self._hop = hop
        self._rate_hz = sample_rate_hz
        self._position = 0
        self._told = 0  # the end of what the user was told about
        self._is_any = False
        self._gaps: dict[str, Gap] = {}  # since the last window, one for each reason

    def hear(self, block: Block) -> Iterator[Window]:
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

    def restart(self, gap: Gap) -> Iterator[Window]:
        before = self._gaps.get(gap.why, Gap(gap.why))
        self._gaps[gap.why] = Gap(
            gap.why, before.num_samples + gap.num_samples, before.waited_s + gap.waited_s
        )
        self._position += gap.num_samples
        self._num_held = self._num_skipped = 0
        if self._position - self._told >= len(self._held) + self._hop:
            yield self._window(None, "no whole window")

    def end(self) -> Iterator[Window]:
        if self._is_any:
            return
        if self._num_held >= _LEAST_S * self._rate_hz:
            seconds = len(self._held) / self._rate_hz
            yield self._window(
                self._held[: self._num_held].copy(), f"shorter than {seconds:g} s, repeated"
            )
        elif not self._told:
            raise DataError(
                f"the stream ended before a window of {len(self._held) / self._rate_hz:g} s was "
                f"full. Received: {self._num_held / self._rate_hz:.3g} s of sound since its "
                "beginning or its last gap. At least 1 s is needed."
            )

    def _window(self, waveform: Block | None, note: str = "") -> Window:
        notes = [self._gap_note(gap) for gap in self._gaps.values()]
        start = self._told if waveform is None else self._position - len(waveform)
        self._gaps.clear()
        self._told = self._position
        self._is_any |= waveform is not None
        return Window(start, self._position, waveform, "; ".join(filter(None, [*notes, note])))

    def _move_on(self) -> None:
        self._num_held = max(0, len(self._held) - self._hop)
        self._held[: self._num_held] = self._held[len(self._held) - self._num_held :].copy()
        self._num_skipped = max(0, self._hop - len(self._held))

    def _gap_note(self, gap: Gap) -> str:
        lost = f"{gap.num_samples / self._rate_hz:.2f} s lost" if gap.num_samples else ""
        waited = f"for {gap.waited_s:.1f} s" if gap.waited_s else ""
        return f"gap: {' '.join(filter(None, (gap.why, waited)))}{lost and f', {lost}'}"


def _checked(block: Block) -> Block | Gap:
    if not isinstance(block, np.ndarray) or block.ndim != 1 or block.dtype.kind != "f":
        received = getattr(block, "dtype", type(block).__name__), getattr(block, "shape", "")
        raise ValueError(
            "each block must be a float waveform (samples,) in [-1, 1], or a Gap. "
            f"Received: {received[0]} {received[1]}. Divide integers by their full scale."
        )
    if not np.isfinite(block).all():
        return Gap("samples that are no numbers", len(block))
    return block
