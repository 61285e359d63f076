"""The attentive neural process as anomaly detector, the row ANP-Boot of Venkatesh et al. 2022.

The paper names the method and no more. This is put together from the abstract and
claims of patent US11978476B2 (Wichern, Chakrabarty, Wang, Le Roux), the released code of
attentive neural processes (github.com/deepmind/neural-processes, commit aca7e38) and
decisions of ours; what "Boot" means is one of them.
"""

import dataclasses
import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

import keras
import numpy as np
from keras import ops

from asdkeras.batches.context_batches import context_batches, num_known
from asdkeras.batches.steps import Schedule
from asdkeras.config import (
    Checked,
    Constraint,
    Count,
    Positive,
    at_least,
    multiple_of,
    multiple_of_field,
)
from asdkeras.data.clip_set import ClipSet
from asdkeras.layers.frame_windows import FrameWindows
from asdkeras.layers.in_groups import InGroups
from asdkeras.layers.random_points import RandomPoints
from asdkeras.layers.window_points import WindowPoints
from asdkeras.losses.negative_evidence import NegativeEvidence, gaussian_negative_log_likelihood
from asdkeras.networks.attentive_neural_process import attentive_neural_process
from asdkeras.optimizers.fused_adam import FusedAdam
from asdkeras.readings import Reading
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import Floats, computed, representation
from asdkeras.scorers.thresholds import ThresholdRule
from asdkeras.systems.log_mel_front_end import (
    KEEP,
    LogMelFrontEnd,
    require_frames,
    stored_frames,
)
from asdkeras.systems.model_files import Models, TrainedNetwork
from asdkeras.systems.system import NormalClips, RunContext, System
from asdkeras.systems.window_training import front_end_of

if TYPE_CHECKING:
    from asdkeras.systems.venkatesh2022 import Config

SCORE = "negative_log_likelihood"
_EVEN = multiple_of(2, "must be even, so that frames can be centered")
_SHARE = Constraint("must lie between 0 and 1", lambda value: 0.0 < value < 1.0)
_SHARES = Constraint(
    "must name shares between 0 and 1",
    lambda value: bool(value) and all(0.0 < share < 1.0 for share in value),
    show=list,
)
_FLOOR = float(np.finfo(float).eps)
_PARTITIONS = (  # Context and what is predicted from it.
    ("low", "high"),
    ("high", "low"),
    ("early", "late"),
    ("late", "early"),
    ("even", "odd"),
    ("odd", "even"),
)


@dataclasses.dataclass(frozen=True)
class AttentiveNeuralProcess(Checked):
    """Features, network, training and score.

    Attributes:
        window_length: samples of a frame.
        hop_length: samples from frame to frame.
        num_frames: frames of a window. Attention takes memory and time by the square of
            `num_frames * num_mel_bins`.
        test_hop: frames from window to window of a clip that is scored. In training a
            clip has one window an epoch, anywhere.
        width: units of every layer and size of the latent.
        context_fractions: shares of the points that a batch in training may know.
        score: `boot` predicts all points from random ones, then takes those that were
            predicted best as the context to predict the others; `max` predicts halves from
            their other halves, low from high, early from late, even from odd bands and the
            other way round, and takes the largest score of each window.
        boot_context: share of the points that are the context, in both passes of `boot`.
        windows_at_once: windows scored at once, which bounds the memory.
    """

    num_mel_bins: Annotated[int, at_least(2)]
    window_length: Annotated[Count, _EVEN]
    hop_length: Count
    num_frames: Annotated[int, at_least(2)]
    test_hop: Count
    width: Annotated[Count, multiple_of_field("num_heads")]
    num_heads: Count
    context_fractions: Annotated[tuple[float, ...], _SHARES]
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    score: Annotated[
        Literal["boot", "max"],
        Reading(
            "only the name ANP-Boot",
            "`boot` is what we take the name for; `max` is the largest score of fixed partitions, "
            "as the claims of patent US11978476B2 have it",
        ),
    ]
    boot_context: Annotated[float, _SHARE]
    windows_at_once: Count

    @property
    def num_points(self) -> int:
        """Points of a window."""
        return self.num_frames * self.num_mel_bins


@dataclasses.dataclass(frozen=True)
class Process(Models):
    """The attentive neural process, see `compiled`, and the seed of the contexts of `boot`."""

    network: TrainedNetwork
    seed: int


class AnpBoot(System[Any, Process]):
    """A network per machine type, trained on random windows of its clips.

    The config has `front_end.clip_length`, `anp` and what `section_thresholds` reads.
    """

    models_class = Process
    combines_variants = True
    batch_size = 1
    main_score = SCORE

    @property
    def published_rows(self) -> dict[str, str]:
        return {SCORE: "anp_boot"}

    def check(self, clips: ClipSet, everything: ClipSet) -> None:
        """A window is not longer than clips; labels are not needed."""
        config = self.config.anp
        front_end = _front_end(config, self.config.front_end.clip_length)
        require_frames(config.num_frames, front_end, clips, "anp.num_frames")

    def train(self, clips: ClipSet, context: RunContext) -> Process:
        """Train on random windows of all clips."""
        config = self.config.anp
        front_end = _front_end(config, self.config.front_end.clip_length)
        clip_length, frames = stored_frames(front_end, clips, context)
        windows = frames.windows(config.num_frames, 1)
        context.say(
            f"{len(clips)} training clips, each epoch a window of {config.num_frames} frames "
            f"({config.num_points} points) of each"
        )
        network = context.fit(
            build=lambda: compiled(config, **frames.moments()),
            batches=lambda first: context_batches(
                windows,
                config.context_fractions,
                config.width,
                Schedule(config.batch_size, context.seed, first, config.epochs),
            ),
            epochs=config.epochs,
            steps_per_epoch=math.ceil(len(clips) / config.batch_size),
        ).networks[config.epochs]
        return Process(clip_length, clips.store.sample_rate_hz, KEEP, network, context.seed)

    def represent(self, models: Process) -> dict[str, keras.Model]:
        """The score of every window of a clip."""
        front_end = _front_end(self.config.anp, models.clip_length)
        log_mel = front_end_of(front_end, models)
        model = clip_scores(self.config.anp, models.network.model, log_mel, models.seed)
        return {SCORE: model}

    def section_scorer(self, normal: NormalClips[Process]) -> SectionScorer:
        windows = representation(SCORE)
        mean = computed(lambda xp, values: xp.mean(values, axis=1), windows)
        return SectionScorer({SCORE: mean}, embedding=windows)

    @property
    def threshold_rule(self) -> ThresholdRule:
        return section_thresholds(self.config)


def section_thresholds(config: "Config") -> ThresholdRule:
    """Thresholds of all variants: a percentile of a gamma distribution of training scores.

    The 60th instead of the 90th for fan and bearing, in the paper.
    """
    percentiles = config.machine_percentiles
    return ThresholdRule("section", "gamma_restarted", config.threshold_percentile, percentiles)


def _front_end(config: AttentiveNeuralProcess, clip_length: int) -> LogMelFrontEnd:
    """The front end of the official baseline of 2022."""
    return LogMelFrontEnd(
        clip_length=clip_length,
        window_length=config.window_length,
        hop_length=config.hop_length,
        num_mel_bins=config.num_mel_bins,
        pad_mode="constant",
        floor=_FLOOR,
        floor_by="maximum",
    )


def compiled(config: AttentiveNeuralProcess, mean: Floats, variance: Floats) -> keras.Model:
    """The network of the batches of `context_batches`, ready for training.

    Its output is the loss of each window, which is in the model.

    Args:
        mean: `(bands,)`, in dB.
        variance: `(bands,)`, in dB squared.
    """
    shape = (config.num_frames, config.num_mel_bins)
    inputs = {
        "window": keras.Input(shape, name="window"),
        "context": keras.Input((None,), dtype="int32", name="context"),
        "noise": keras.Input((config.width,), name="noise"),
    }
    process = attentive_neural_process(config.width, config.num_heads)
    standardize = keras.layers.Normalization(
        axis=-1, mean=mean, variance=variance, name="standardized"
    )
    points = WindowPoints()(standardize(inputs["window"]))
    known = _taken(points, inputs["context"])
    posterior, prior = process.latent_path(points), process.latent_path(known)
    latent = posterior[..., 0] + posterior[..., 1] * inputs["noise"]
    predicted = process.prediction([known, latent, points[..., :2]])
    model = keras.Model(inputs, NegativeEvidence()(points[..., 2], predicted, posterior, prior))
    model.compile(FusedAdam(config.learning_rate, epsilon=1e-8))
    return model


def clip_scores(
    config: AttentiveNeuralProcess, network: keras.Model, log_mel: keras.Model, seed: int
) -> keras.Model:
    """Model from waveform to the score of every window, `(batch, windows)`.

    Args:
        network: trained, as `compiled` makes it.
        log_mel: model from waveform to frames `(batch, frames, bands)` in dB.
        seed: of the contexts that the first pass of `boot` draws.
    """
    windows = FrameWindows(config.num_frames, config.test_hop)(
        network.get_layer("standardized")(log_mel.output)
    )
    inputs = [windows]
    if config.score == "boot":
        num_context = num_known(config.boot_context, config.num_points)
        inputs.append(RandomPoints(num_context, seed)(windows))
    one_window = [keras.Input(each.shape[2:], dtype=each.dtype) for each in inputs]
    scored = _boot_score if config.score == "boot" else _max_score
    model = keras.Model(one_window, scored(network, *one_window), name="window_score")
    return keras.Model(log_mel.input, InGroups(model, config.windows_at_once)(inputs))


def _boot_score(
    network: keras.Model, window: keras.KerasTensor, first_context: keras.KerasTensor
) -> keras.KerasTensor:
    """Mean score of the other points, predicted from those that are predicted best.

    The sheet seeds the first context by file and window. A model of waveforms knows no file, so
    it is drawn from the trial's seed and the number of the window alone.
    """
    points = WindowPoints()(window)
    num_context = first_context.shape[1]
    first_pass = _unlikely(network, _taken(points, first_context), points)
    order = ops.argsort(first_pass, axis=1)
    best, others = (
        _taken(points, part) for part in (order[:, :num_context], order[:, num_context:])
    )
    return ops.mean(_unlikely(network, best, others), axis=1)


def _max_score(network: keras.Model, window: keras.KerasTensor) -> keras.KerasTensor:
    """The largest mean of the partitions that the patent's fixed protocol may be."""
    parts = {name: WindowPoints(name)(window) for pair in _PARTITIONS[::2] for name in pair}
    scores = [
        ops.mean(_unlikely(network, parts[known], parts[others]), axis=1)
        for known, others in _PARTITIONS
    ]
    return ops.max(ops.stack(scores, axis=1), axis=1)


def _unlikely(
    network: keras.Model, known: keras.KerasTensor, others: keras.KerasTensor
) -> keras.KerasTensor:
    """Negative log-likelihood of points, given others, at the mean of the prior."""
    prior = network.get_layer("latent_path")(known)
    predicted = network.get_layer("prediction")([known, prior[..., 0], others[..., :2]])
    return gaussian_negative_log_likelihood(others[..., 2], predicted)


def _taken(points: keras.KerasTensor, numbers: keras.KerasTensor) -> keras.KerasTensor:
    """Some points of each window, `(batch, taken, 3)`."""
    return ops.take_along_axis(points, ops.expand_dims(numbers, -1), axis=1)
