"""Controls without a network: the spectrum of a clip, and the nearest normal clip.

Paper: none. A system that learns should beat what a few lines do with the same clips, so these
    runs stand in every table of results, and those that do not beat them are marked.
Code: none.

The spectrum of a clip is the mean of its magnitude spectrogram over time, or the standard
deviation over time. The score is the cosine distance to the nearest training clip of the section.
`log_mel_statistics` has mean and standard deviation of the log-mel spectrogram side by side, each
number standardized by those of the training clips of the section, and the Euclidean distance.

Where there is no paper to say it:
    - The variance over time is the mean of squares, not an estimate: divided by all frames.
    - Thresholds: a percentile of the scores of the training clips per section and domain.
"""

import dataclasses
from typing import Annotated, Final, Literal

import keras
from keras import ops

from asdkeras.config import Checked, Count, NaturalNumber, Percentile, Positive, multiple_of
from asdkeras.data.clip_set import ClipSet
from asdkeras.errors import RecipeError
from asdkeras.layers.log_mel_spectrogram import LogMelSpectrogram
from asdkeras.layers.magnitude_spectrogram import MagnitudeSpectrogram
from asdkeras.readings import Reading
from asdkeras.scorers.nearest_neighbor import NearestNeighborScorer, require_neighbors
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import Floats, Term, computed, representation, scored
from asdkeras.scorers.thresholds import ThresholdRule
from asdkeras.systems.log_mel_front_end import KEEP, heard_length, used_length
from asdkeras.systems.model_files import Models
from asdkeras.systems.system import NormalClips, RunContext, System

SPECTRUM: Final = "spectrum"
_OVER_TIME = {"mean_spectrum": ops.mean, "spectrum_deviation": ops.std}
_STATISTICS: Final = "log_mel_statistics"
_METRICS: Final[dict[str, Literal["cosine", "euclidean"]]] = {
    "mean_spectrum": "cosine",
    "spectrum_deviation": "cosine",
    _STATISTICS: "euclidean",
}


@dataclasses.dataclass(frozen=True)
class SpectrogramFrontEnd(Checked):
    """Lengths are in samples.

    Attributes:
        clip_length: how much of a clip is used; 0 for the longest training clip.
        window_length: even; also the length of the transform.
        hop_length: frame t is centered on sample t * hop_length.
        pad_mode: what lies beyond the ends of a clip.
        num_mel_bins: bands of `log_mel_statistics`.
        floor: power added to each of these bands before the logarithm.
    """

    clip_length: NaturalNumber
    window_length: Annotated[int, multiple_of(2, "must be even")]
    hop_length: Count
    pad_mode: Annotated[
        Literal["constant", "reflect"],
        Reading("no paper", "`constant` is zeros, which the deviation over time notices"),
    ]
    num_mel_bins: Count
    floor: Positive


@dataclasses.dataclass(frozen=True)
class Config(Checked):
    """Nothing has a default: the recipe states the values."""

    variant: Literal["mean_spectrum", "spectrum_deviation", "log_mel_statistics"]
    front_end: SpectrogramFrontEnd
    threshold_percentile: Percentile


def create(config: Config) -> "Controls2026":
    """The control of a variant."""
    return Controls2026(config)


class Controls2026(System[Config, Models]):
    """A spectrum per clip, scored by the nearest training clip of the section; learns nothing."""

    models_class = Models
    main_score = "nearest_neighbor"

    def check(self, clips: ClipSet, everything: ClipSet) -> None:
        """A section has two clips or more, and a window is not longer than clips."""
        front_end, clip_length = self.config.front_end, used_length(self.config.front_end, clips)
        require_neighbors(clips.table)
        if clip_length < front_end.window_length:
            raise RecipeError(
                f"a window has more samples, {front_end.window_length}, than are used of a clip, "
                f"{clip_length}. Use longer clips, or --set "
                f"config.front_end.window_length={clip_length // 2}."
            )

    def train(self, clips: ClipSet, context: RunContext) -> Models:
        clip_length = heard_length(self.config.front_end, clips, context)
        return Models(clip_length, clips.store.sample_rate_hz, KEEP)

    def represent(self, models: Models) -> dict[str, keras.Model]:
        front_end = self.config.front_end
        waveform = keras.Input((models.clip_length,), name="waveform")
        if self.config.variant == _STATISTICS:
            log_mel = LogMelSpectrogram(
                models.sample_rate_hz,
                front_end.window_length,
                front_end.hop_length,
                front_end.num_mel_bins,
                window="periodic",
                pad_mode=front_end.pad_mode,
                floor=front_end.floor,
                floor_by="addition",
            )(waveform)
            statistics = ops.concatenate([ops.mean(log_mel, 1), ops.std(log_mel, 1)], axis=-1)
            return {SPECTRUM: keras.Model(waveform, statistics)}
        half = front_end.window_length // 2
        padded = ops.pad(waveform, [(0, 0), (half, half)], mode=front_end.pad_mode)
        layer = MagnitudeSpectrogram(front_end.window_length, front_end.hop_length)
        spectrum = _OVER_TIME[self.config.variant](layer(padded), axis=1)
        return {SPECTRUM: keras.Model(waveform, spectrum)}

    def section_scorer(self, normal: NormalClips[Models]) -> SectionScorer:
        spectrum, metric = representation(SPECTRUM), _METRICS[self.config.variant]
        if self.config.variant == _STATISTICS:
            spectrum = _standardized(spectrum, normal.values(spectrum))
        scorer = NearestNeighborScorer(metric).fit(normal.values(spectrum))
        distance = scored(scorer, spectrum, leave_self_out=True)
        return SectionScorer({self.main_score: distance}, spectrum)

    @property
    def threshold_rule(self) -> ThresholdRule:
        percentile = self.config.threshold_percentile
        return ThresholdRule("section_and_domain", "percentile", percentile)


def _standardized(term: Term, values: Floats) -> Term:
    """A term less the mean of some values, by their deviation; what is always the same counts 0."""
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    deviation[deviation == 0.0] = 1.0
    return computed(
        lambda xp, own: (own - xp.array(mean, dtype=own.dtype)) / xp.array(deviation, own.dtype),
        term,
    )
