"""The attentive neural process as anomaly detector, the row ANP-Boot of Venkatesh et al. 2022.

The paper names the method and no more. What is here is put together from the abstract and
claims of patent US11978476B2 (Wichern, Chakrabarty, Wang, Le Roux), the released code of
attentive neural processes (github.com/deepmind/neural-processes, commit aca7e38) and
decisions of ours; what "Boot" means is one of them.
"""

import dataclasses
import math
from typing import Literal

import keras
import numpy as np
import pandas as pd
from keras import ops

from asdkeras.config import require
from asdkeras.data.context_batches import context_batches, num_known
from asdkeras.layers.frame_windows import FrameWindows
from asdkeras.layers.in_groups import InGroups
from asdkeras.layers.random_points import RandomPoints
from asdkeras.layers.window_points import WindowPoints
from asdkeras.losses.negative_evidence import NegativeEvidence, gaussian_negative_log_likelihood
from asdkeras.networks.attentive_neural_process import attentive_neural_process
from asdkeras.systems.baselines.front_end import FrontEnd, log_mel_model, require_frames
from asdkeras.systems.system import ScoreTable, Trained

SCORE = "negative_log_likelihood"
_KEEP = "start"
_CLIPS_AT_ONCE = 16
_FLOOR = float(np.finfo(float).eps)
_SMALLEST_VARIANCE = 1e-6  # In dB squared: a band that varies less carries no sound.
_PARTITIONS = (  # Context and what is predicted from it.
    ("low", "high"),
    ("high", "low"),
    ("early", "late"),
    ("late", "early"),
    ("even", "odd"),
    ("odd", "even"),
)
_NOTE = (
    "negative_log_likelihood is a reconstruction: the attentive neural process of this row is "
    "not published in full, and what `Boot` means is our reading"
)


@dataclasses.dataclass(frozen=True)
class AttentiveNeuralProcess:
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

    num_mel_bins: int
    window_length: int
    hop_length: int
    num_frames: int
    test_hop: int
    width: int
    num_heads: int
    context_fractions: tuple[float, ...]
    epochs: int
    batch_size: int
    learning_rate: float
    score: Literal["boot", "max"]
    boot_context: float
    windows_at_once: int

    def __post_init__(self):
        for name in (
            "window_length",
            "hop_length",
            "test_hop",
            "width",
            "num_heads",
            "epochs",
            "batch_size",
            "windows_at_once",
        ):
            require(getattr(self, name) >= 1, name, "must be at least 1", getattr(self, name))
        for name in ("num_mel_bins", "num_frames"):
            require(getattr(self, name) >= 2, name, "must be at least 2", getattr(self, name))
        require(
            self.window_length % 2 == 0,
            "window_length",
            "must be even, so that frames can be centered",
            self.window_length,
        )
        require(
            self.width % self.num_heads == 0,
            "width",
            f"must be a multiple of `num_heads`, {self.num_heads}",
            self.width,
        )
        require(self.learning_rate > 0, "learning_rate", "must be above 0", self.learning_rate)
        require(
            bool(self.context_fractions) and all(0.0 < f < 1.0 for f in self.context_fractions),
            "context_fractions",
            "must name shares between 0 and 1",
            list(self.context_fractions),
        )
        require(
            0.0 < self.boot_context < 1.0,
            "boot_context",
            "must lie between 0 and 1",
            self.boot_context,
        )

    @property
    def num_points(self):
        """Points of a window."""
        return self.num_frames * self.num_mel_bins


def train(config, clip_length, clips, context):
    """Train on random windows of all clips.

    Args:
        config: `AttentiveNeuralProcess`.
        clip_length: int, samples of every clip that are heard, from its start.
        clips: `ClipSet`; needs no labels.
        context: `RunContext`.

    Returns:
        `Trained`, with the score of every window of a clip.

    Raises:
        RecipeError: if clips have fewer frames than a window.
    """
    log_mel = _log_mel(config, clip_length, clips.store.sample_rate_hz)
    frames = context.store_frames(log_mel, clips, clip_length, _KEEP, _CLIPS_AT_ONCE)
    windows = frames.windows(config.num_frames, 1)
    context.say(
        f"{len(clips)} training clips, each epoch a window of {config.num_frames} frames "
        f"({config.num_points} points) of each"
    )
    network = context.fit(
        build=lambda: compiled(config, *_statistics(frames)),
        batches=lambda first_epoch: context_batches(
            windows,
            config.context_fractions,
            config.width,
            batch_size=config.batch_size,
            seed=context.seed,
            first_epoch=first_epoch,
            epochs=config.epochs,
        ),
        epochs=config.epochs,
        steps_per_epoch=math.ceil(len(clips) / config.batch_size),
        keep_epochs=(config.epochs,),
        watch=lambda model: {},
    ).models[config.epochs]
    scorer = clip_scores(config, network, log_mel, context.seed)
    return Trained({SCORE: scorer}, {}, clip_length, _KEEP)


def score(config, representations, table, seed):
    """The mean score of the windows of every clip, a `ScoreTable`."""
    scores = representations.clips[SCORE].mean(axis=1, dtype="float64")
    columns = pd.DataFrame({SCORE: scores}, index=table.index)
    return ScoreTable(columns, SCORE, SCORE, (SCORE,), (_NOTE,))


def graph(tensors, fit, column):
    """The mean score of the windows of a clip; their scores as embedding."""
    return ops.mean(tensors[SCORE], axis=1), tensors[SCORE]


def _log_mel(config, clip_length, sample_rate_hz):
    """The front end of the official baseline of 2022."""
    front_end = FrontEnd(
        clip_length=clip_length,
        window_length=config.window_length,
        hop_length=config.hop_length,
        num_mel_bins=config.num_mel_bins,
        pad_mode="constant",
        floor=_FLOOR,
        floor_by="maximum",
    )
    require_frames(config.num_frames, front_end, clip_length, "anp.num_frames")
    return log_mel_model(front_end, sample_rate_hz, clip_length)


def _statistics(frames):
    """Mean and population variance per band of a `FrameStore`, in one pass and float64.

    A band that never changes gets the variance 1: else a trace of sound in a test clip
    would drown all other bands.
    """
    clips = frames.windows(frames.num_frames, frames.num_frames)
    total, squares = 0.0, 0.0
    for clip in range(len(clips)):
        values = clips.read([clip])[0].astype("float64")
        total = total + values.sum(axis=0)
        squares = squares + (values**2).sum(axis=0)
    count = len(clips) * frames.num_frames
    mean = total / count
    variance = squares / count - mean**2
    return mean, np.where(variance > _SMALLEST_VARIANCE, variance, 1.0)


def compiled(config, mean, variance):
    """The network, ready for training; its loss is in it.

    Args:
        config: `AttentiveNeuralProcess`.
        mean: float `(bands,)`, in dB.
        variance: float `(bands,)`, in dB squared.

    Returns:
        model of the batches of `context_batches`; its output is the loss of each window.
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
    model.compile(keras.optimizers.Adam(config.learning_rate, epsilon=1e-8))
    return model


def clip_scores(config, network, log_mel, seed):
    """Model from waveform to the score of every window, `(batch, windows)`.

    Args:
        config: `AttentiveNeuralProcess`.
        network: trained, as `compiled` makes it.
        log_mel: model from waveform to frames `(batch, frames, bands)` in dB.
        seed: int, of the contexts that the first pass of `boot` draws.
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


def _boot_score(network, window, first_context):
    """What the best predicted points leave unexplained of the others.

    The sheet seeds the first context by file and window. A model that hears waveforms knows
    no file, so it is drawn from the trial's seed and the number of the window alone.
    """
    points = WindowPoints()(window)
    num_context = first_context.shape[1]
    first_pass = _unlikely(network, _taken(points, first_context), points)
    order = ops.argsort(first_pass, axis=1)
    best, others = (
        _taken(points, part) for part in (order[:, :num_context], order[:, num_context:])
    )
    return ops.mean(_unlikely(network, best, others), axis=1)


def _max_score(network, window):
    """The largest mean of the partitions that the patent's fixed protocol may be."""
    parts = {name: WindowPoints(name)(window) for pair in _PARTITIONS[::2] for name in pair}
    scores = [
        ops.mean(_unlikely(network, parts[known], parts[others]), axis=1)
        for known, others in _PARTITIONS
    ]
    return ops.max(ops.stack(scores, axis=1), axis=1)


def _unlikely(network, known, others):
    """Negative log-likelihood of points, given others, at the mean of the prior."""
    prior = network.get_layer("latent_path")(known)
    predicted = network.get_layer("prediction")([known, prior[..., 0], others[..., :2]])
    return gaussian_negative_log_likelihood(others[..., 2], predicted)


def _taken(points, numbers):
    """Some points of each window, `(batch, taken, 3)`."""
    return ops.take_along_axis(points, ops.expand_dims(numbers, -1), axis=1)
