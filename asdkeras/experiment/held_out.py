"""Thresholds from held-out normal clips: which clips they are, and what they promise.

A network scores clips it has learned from lower than others, and so does a scorer, so neither may
have seen the clips that a threshold rests on. Neighbors in time are alike, so clips are held out in
contiguous parts of the recording order, which file names are taken to give, of each condition that
attributes state, the longer the longer neighbors are alike. Where a network learns, it is the last
part, for good. Where scorers alone learn, they are fitted once more for each of several blocks.
"""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import signal, stats

from asdkeras.data.store import ClipStore
from asdkeras.scorers.conformal import conformal_threshold, likely_rates
from asdkeras.scorers.thresholds import Thresholds

FEWEST_CLIPS = 4  # Of a section, to hold some of them out.
_FEWEST_OF_CONDITION = 5

Floats = NDArray[np.float64]

_SECTION = ["machine_type", "section"]
_BLOCKS = (2, 10)
_WINDOW, _LONGEST, _FLOOR = 1024, 65536, 1e-12  # Samples; power.
_LENGTHS_PER_BLOCK = 4  # Of correlation lengths: what lies this far apart was not recorded at once.
_FAR, _FEWEST_TOGETHER = 3.0, 3  # Three scores say little of how far others lie.
_DRIFT, _CERTAIN = 0.75, 1e-3
_MOST_LINES = 3


def with_clips_held_out(
    table: pd.DataFrame, store: ClipStore, false_alarm_rate: float
) -> pd.DataFrame:
    """The clip table with the last training clips of each section held out: split `held_out`.

    They are as many as the rate asks for, `1 / false_alarm_rate - 1`, but at least a fifth and at
    most a third; where neighbors sound alike at least four correlation lengths, up to a half. Of
    each condition it is the last part; rare ones, as of the target domain, lose few or none.
    """
    split = table["split"].copy()
    for _, clips in table[split == "train"].groupby(_SECTION):
        count = len(clips)
        if count < FEWEST_CLIPS:
            continue
        ordered = clips.iloc[recording_order(clips["path"])]
        conditions = conditions_of(ordered)
        length = correlation_length(_log_spectra(store, ordered.index), conditions)
        asked = math.ceil(round(1.0 / false_alarm_rate, 9)) - 1
        wanted = min(count // 3, max(count // 5, asked))
        if length > 1:
            apart = _LENGTHS_PER_BLOCK * length * count // _usual_size(conditions)
            wanted = max(wanted, min(count // 2, apart))
        for _, part in ordered.groupby(conditions):
            num_last = (len(part) * wanted + count // 2) // count
            split[part.index[len(part) - num_last :]] = "held_out"
    return table.assign(split=split)


def _log_spectra(store: ClipStore, rows: Iterable[int]) -> Floats:
    """Mean power of the first seconds of clips by frequency, in decibels, `(clips, 513)`."""
    spectra = []
    for row in rows:
        length = min(max(int(store.lengths[row]), _WINDOW), _LONGEST)
        _, power = signal.welch(store.read([row], length, "start")[0], nperseg=_WINDOW)
        spectra.append(10.0 * np.log10(power + _FLOOR))
    return np.array(spectra, np.float64)


def conditions_of(clips: pd.DataFrame) -> NDArray[np.int64]:
    """A number for each clip of a section: that of its domain and attributes, as far as known.

    Where most clips are of conditions with fewer than five, attributes do not count, nor then does
    the domain.
    """
    for keys in (["domain", "attributes"], ["domain"]):
        numbers = clips.groupby(keys, dropna=False).ngroup().to_numpy()
        if _usual_size(numbers) >= _FEWEST_OF_CONDITION:
            return numbers.astype(np.int64)
    return np.zeros(len(clips), np.int64)


def _usual_size(conditions: NDArray[np.integer]) -> int:
    """Clips of the condition that a clip in the middle has."""
    return int(np.median(np.bincount(conditions)[conditions]))


def recording_order(paths: Iterable[str]) -> NDArray[np.int64]:
    """Positions in the order of recording as paths have it: by text, numbers by value."""
    keys = [re.split(r"(\d+)", str(path)) for path in paths]
    values = [[int(part) if i % 2 else part for i, part in enumerate(key)] for key in keys]
    return np.array(sorted(range(len(values)), key=values.__getitem__), np.int64)


def correlation_length(vectors: Floats, conditions: NDArray[np.int64]) -> int:
    """How many clips apart, in the order of recording, clips differ as much as any two.

    1 where neighbors are no more alike than others: then the order says nothing, and the clips are
    taken as exchangeable. Clips of one condition alone are compared.

    Args:
        vectors: `(clips, dim)`, embeddings in that order.
        conditions: `(clips,)`, see `conditions_of`.
    """
    places = [np.flatnonzero(conditions == each) for each in np.unique(conditions)]
    rng = np.random.default_rng(0)
    pairs = [rng.choice(rows, (20 * len(rows), 2)) for rows in places]
    between = _distances(vectors, np.concatenate(pairs))
    farthest = np.quantile(between, 0.9)  # A clip of a machine that was off counts no more.
    between = np.minimum(between, farthest)
    lag, longest = 1, max(map(len, places)) // 2
    while lag < longest:
        pairs = [np.stack([rows[:-lag], rows[lag:]], axis=1) for rows in places]
        near = np.minimum(_distances(vectors, np.concatenate(pairs)), farthest)
        if near.mean() >= between.mean() - 2.0 * between.std() / math.sqrt(len(near)):
            break
        lag = max(lag + 1, round(lag * 1.25))
    return lag


def _distances(vectors: Floats, pairs: NDArray[np.int64]) -> Floats:
    """Of pairs `(pairs, 2)`, those of a clip with itself left out."""
    first, second = pairs[pairs[:, 0] != pairs[:, 1]].T
    distances: Floats = np.linalg.norm(vectors[first] - vectors[second], axis=1)
    return distances


class RecordingOrder(NamedTuple):
    """The normal clips of one section in the order of recording.

    Attributes:
        rows: `(clips,)`, their positions in the clip table.
        length: see `correlation_length`.
        blocks: positions in the clip table to hold out in turn: of each condition, contiguous
            blocks of at least four correlation lengths, 2 to 10 of them; none if clips are held out
            for good, or too few.
    """

    rows: NDArray[np.int64]
    length: int
    blocks: Sequence[NDArray[np.int64]]

    def normal_scores(self, table: pd.DataFrame, scores: pd.Series) -> "NormalScores":
        """The scores of these clips, where those of blocks are by refitted scorers."""
        clips = table.iloc[self.rows]
        values = scores[clips.index].to_numpy(np.float64)
        apart = np.full(len(clips), bool(self.blocks)) | (clips["split"] == "held_out").to_numpy()
        far = np.full(len(clips), False)
        for rows in (apart, ~apart):
            far[rows] = is_far_out(values[rows])
        # What lies far below sets no threshold anyway.
        is_low = values < np.nanmedian(values)
        return NormalScores(
            clips, values, apart & (~far | is_low), far, len(self.blocks), self.length
        )


def recording_order_of(
    table: pd.DataFrame, rows: NDArray[np.int64], embeddings: Floats
) -> RecordingOrder:
    """The order of the normal clips of a section, and what of it to hold out.

    Args:
        rows: `(clips,)`, positions of all clips of the section in the table.
        embeddings: `(clips, dim)` of these.
    """
    is_normal = table["split"].iloc[rows].isin(["train", "held_out"]).to_numpy(bool)
    own = rows[is_normal]
    order = recording_order(table["path"].iloc[own])
    own, vectors = own[order], embeddings[is_normal][order]
    conditions = conditions_of(table.iloc[own])
    length = correlation_length(vectors.reshape(len(own), -1), conditions)
    blocks: list[NDArray[np.int64]] = []
    if len(own) >= FEWEST_CLIPS and not (table["split"] == "held_out").any():
        count = _usual_size(conditions)
        supported = int(np.clip(count // (_LENGTHS_PER_BLOCK * length), *_BLOCKS))
        numbers = np.zeros(len(own), np.int64)
        for each in np.unique(conditions):
            rows = np.flatnonzero(conditions == each)
            numbers[rows] = np.arange(len(rows)) * supported // len(rows)
        blocks = [own[numbers == block] for block in range(supported)]
    return RecordingOrder(own, length, blocks)


def held_out_thresholds(
    scores: pd.Series, table: pd.DataFrame, held_out: pd.Series, false_alarm_rate: float
) -> Thresholds:
    """The conformal threshold of the held-out clips of its section, for every clip of a table.

    A section without held-out clips takes its training clips, and a note says so.

    Args:
        scores: of the clips; those of held-out and training clips are read.
        held_out: bool, of `TrialScores`.
    """
    values = pd.Series(np.nan, index=table.index)
    notes = []
    for place, clips in table.groupby(_SECTION):
        known = held_out_scores(scores, clips, held_out)
        if known.empty:
            known = scores[clips.index][clips["split"] == "train"].dropna()
            notes.append(
                f"{'_'.join(map(str, place))}: {len(known)} normal clips are too few to hold some "
                "out, so how many others are called anomalous is not known"
            )
        values[clips.index] = conformal_threshold(known.to_numpy(), false_alarm_rate)
    return Thresholds(values, tuple(notes))


def held_out_scores(scores: pd.Series, clips: pd.DataFrame, held_out: pd.Series) -> pd.Series:
    """Those of a section that a threshold rests on.

    Where clips of split `held_out` are among them, a system holds out others for purposes of its
    own, and these alone count.

    Args:
        clips: clip table of the section; `scores` and `held_out` may have more.
    """
    flags = held_out.reindex(clips.index, fill_value=False).astype(bool)
    is_apart = flags & (clips["split"] == "held_out")
    return scores[clips.index][is_apart if is_apart.any() else flags].dropna()


def is_far_out(values: Floats) -> NDArray[np.bool_]:
    """Which scores lie apart, a third at most: three times as far as others lie from one another.

    Args:
        values: `(clips,)`; NaN never lies apart.
    """
    far = np.full(len(values), False)
    for signed in (values, -values):
        known = np.sort(signed[~np.isnan(signed)])
        last = math.ceil(len(known) * 2 / 3) - 1  # Of those that never lie apart.
        if last >= _FEWEST_TOGETHER:
            reach, gaps = (known - known[0])[last:-1], np.diff(known)[last:]
            apart = np.flatnonzero(gaps > _FAR * reach)
            far |= signed > known[last + apart[0]] if apart.size else False
    return far


class NormalScores(NamedTuple):
    """Scores of the normal clips of one section, in the order of recording.

    Attributes:
        clips: clip table.
        scores: `(clips,)`.
        is_held_out: `(clips,)`: those that the threshold rests on.
        is_far: `(clips,)`: those that lie far from the others of their kind, see `is_far_out`.
        num_blocks: by which scorers were refitted; 0 if a part was held out for good.
        length: see `correlation_length`.
    """

    clips: pd.DataFrame
    scores: Floats
    is_held_out: NDArray[np.bool_]
    is_far: NDArray[np.bool_]
    num_blocks: int
    length: int

    @property
    def place(self) -> str:
        return "_".join(map(str, self.clips[_SECTION].iloc[0]))

    def promise(self, false_alarm_rate: float) -> str:
        """What the threshold rests on and means, in plain words; empty if nothing is held out."""
        count = int(self.is_held_out.sum())
        if not count:
            return ""
        if self.num_blocks:
            origin = f"of {count} normal clips, each block of {self.num_blocks} by the others"
        else:
            origin = (
                f"of {count} of {len(self.scores)} normal clips, which nothing has learned from"
            )
        expected = likely_rates(count, false_alarm_rate).expected
        if expected <= 1.001 * false_alarm_rate:  # Rounding.
            best = f"about {_percent(false_alarm_rate)} will be called anomalous"
        else:
            best = f"about {_percent(expected)} will be called anomalous ({count} promise no less)"
        independent = max(1, count // self.length)
        order = (
            f"neighbors are alike over {self.length} clips: worth {independent} independent ones"
            if self.length > 1
            else "the order of names shows no drift: taken as exchangeable"
        )
        rates = likely_rates(independent, false_alarm_rate)
        return (
            f"{self.place}: the threshold comes from the scores {origin}. Of normal clips like "
            f"these, {best}; {_percent(rates.low, '')} to {_percent(rates.high)} are likely "
            f"({order})"
        )

    def warnings(self) -> list[str]:
        """Clips far out, and drift, a line each."""
        lines = []
        if self.is_far.any():
            first = int(np.argmax(self.is_far))
            low, high = np.nanquantile(self.scores[~self.is_far], [0.05, 0.95])
            lines.append(
                f"{self.place}: {self.is_far.sum()} of {len(self.scores)} normal clips lie far "
                f"from the others, such as {Path(self.clips['path'].iloc[first]).name} "
                f"({self.scores[first]:.4g}; most have {low:.4g} to {high:.4g}). They set no "
                "threshold. Was the machine off? Then take them out and fit again"
            )
        if line := self._drift():
            lines.append(line)
        return lines

    def _drift(self) -> str:
        """Whether late clips score higher or lower than early ones; empty if they do not."""
        alike = self.is_held_out if self.num_blocks else ~self.is_held_out
        known = self.scores[alike & ~self.is_far & ~np.isnan(self.scores)]
        third = len(known) // 3
        conditions = self.clips[["domain", "attributes"]].drop_duplicates()
        if len(conditions) > 1 or third < FEWEST_CLIPS:  # Else names are in order of these.
            return ""
        test = stats.mannwhitneyu(known[-third:], known[:third])
        share = float(test.statistic) / third**2
        if test.pvalue > _CERTAIN or abs(share - 0.5) < _DRIFT - 0.5:
            return ""
        return (
            f"{self.place}: in {_percent(max(share, 1.0 - share))} of pairs, a clip of the last "
            f"third scores {'higher' if share > 0.5 else 'lower'} than one of the first: machine "
            f"or recording drifts, so {'more' if share > 0.5 else 'fewer'} false alarms than asked "
            "are likely"
        )


def notes_on(sections: Sequence[NormalScores], false_alarm_rate: float) -> list[str]:
    """Lines for the reader of the results: what thresholds promise, far clips, drift."""
    promises = [line for each in sections if (line := each.promise(false_alarm_rate))]
    if len(promises) > _MOST_LINES:
        counts = [int(each.is_held_out.sum()) for each in sections]
        rates = [
            likely_rates(max(1, int(each.is_held_out.sum()) // each.length), false_alarm_rate)
            for each in sections
        ]
        low, high = min(each.low for each in rates), max(each.high for each in rates)
        promises = [
            f"thresholds come from {min(counts)} to {max(counts)} held-out normal clips of each "
            f"section. Of normal clips like these, {_percent(false_alarm_rate)} shall be called "
            f"anomalous; with so few, {_percent(low, '')} to {_percent(high)} are likely"
        ]
    warnings = [line for each in sections for line in each.warnings()]
    if len(warnings) > _MOST_LINES:
        warnings[_MOST_LINES:] = [f"and {len(warnings) - _MOST_LINES} more such lines"]
    return [*promises, *warnings]


def _percent(share: float, unit: str = " percent") -> str:
    return (
        f"{100.0 * share:.0f}{unit}" if share >= 0.01 or not share else f"{100.0 * share:.1f}{unit}"
    )
