"""Batches that tell the clips of one section from those of everything else.

Half of a batch is of the section, half is not, however many clips there are of each. Where few
clips are of the target domain, a part of each batch is made of these and of what lies between
them and the others; half of that part, too, is of the section.
"""

import dataclasses
from typing import Literal

import numpy as np
import tensorflow as tf

from asdkeras.batches.chunk_batches import Crop
from asdkeras.batches.mixup import beta_weights, between, check_alpha
from asdkeras.batches.steps import endless_positions, folded_seed, read_ahead, read_arrays
from asdkeras.batches.waveform_noise import augment

# Streams of random numbers: orders of the four kinds of clips, and all other draws.
_ORDERS, _DRAWS = (0, 1, 2, 4), 3


@dataclasses.dataclass(frozen=True)
class OutlierClips:
    """Clips of the section and of others, and how they are cropped and normalized.

    The waveform of clip i becomes `(x - mean[i]) / deviation[i]`; beyond the ends of a clip it
    is mirrored or zero after that.

    Attributes:
        clips: `ClipSet`, or an object like it, see `chunk_batches`.
        keep: which part of a longer clip is used.
        mean: float `(clips,)`, of the samples.
        deviation: float `(clips,)`, above 0, standard deviation of the samples.
        crop: all crops of a clip are equally probable.
    """

    clips: object
    clip_length: int
    keep: Literal["start", "end"]
    mean: np.ndarray
    deviation: np.ndarray
    crop: Crop

    def __post_init__(self):
        for name in ("mean", "deviation"):
            shape = np.shape(getattr(self, name))
            if shape != (len(self.clips),):
                raise ValueError(
                    f"`{name}` must have one number per clip. Received: {name} of shape "
                    f"{shape} for {len(self.clips)} clips"
                )
        if not np.all(np.asarray(self.deviation) > 0):
            raise ValueError(
                "`deviation` must be above 0, for silence cannot be made as loud as other "
                f"clips. Received: {np.min(self.deviation)}. Leave such clips out."
            )

    def read(self, positions, places):
        """Crops of some clips, normalized, float32 `(batch, crop.num_samples)`."""
        crop, firsts = self.crop, self.crop.first_samples(places)
        waveforms = self.clips.read_chunks(
            positions, firsts, crop.num_samples, self.clip_length, self.keep, crop.pad_mode
        )
        waveforms -= np.asarray(self.mean, np.float32)[positions, np.newaxis]
        waveforms /= np.asarray(self.deviation, np.float32)[positions, np.newaxis]
        if crop.pad_mode == "constant":
            samples = firsts[:, np.newaxis] + np.arange(crop.num_samples)
            waveforms[(samples < 0) | (samples >= self.clip_length)] = 0.0
        return waveforms


@dataclasses.dataclass(frozen=True)
class TargetSlots:
    """The last clips of each batch, for training on the target domain.

    The first half of them are crops of target clips of the section, the second half crops of
    target clips of other sections and machines. Each, with a probability, is mixed with a crop of
    a source clip: `weight * target + (1 - weight) * source`, weight ~ Beta(alpha, alpha), and the
    labels alike. The source clip is positive or negative with equal chance, so over many batches
    the labels of the slots sum up to half their number. Waveforms are normalized before they are
    mixed.

    Attributes:
        positives: int `(positives,)`, positions of the clips of the section in the target domain.
        negatives: int `(negatives,)`, of all other clips in the target domain.
        num_slots: even and above 0, of a batch (paper: 16).
        mixup_probability: in [0, 1].
        alpha: at least 0.05.

    References:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
    """

    positives: np.ndarray
    negatives: np.ndarray
    num_slots: int
    mixup_probability: float
    alpha: float

    def __post_init__(self):
        check_alpha(self.alpha)
        if not 0.0 <= self.mixup_probability <= 1.0:
            raise ValueError(
                "`mixup_probability` must lie in [0, 1]. "
                f"Received: mixup_probability={self.mixup_probability}"
            )


def outlier_batches(
    outlier_clips, positives, negatives, schedule, augmentation=None, target_slots=None
):
    """Batches of one random crop per clip, half of them positive.

    Each kind of clips comes in an order of its own, see `endless_positions`.

    Args:
        outlier_clips: `OutlierClips`.
        positives: int `(positives,)`, positions of the clips of the section, those of the
            source domain if there are target slots.
        negatives: int `(negatives,)`, of all other clips, likewise.
        schedule: `Schedule` in steps. Without the target slots, its batch size is even.
        augmentation: `Augmentation` of the crops, after mixing, or None.
        target_slots: `TargetSlots`, or None.

    Returns:
        `tf.data.Dataset` of (inputs, label): inputs `waveform`, float32
        `(batch, crop.num_samples)`, and `label`, float32 `(batch, 1)`: 1 in the first half of
        the batch, which is positive, 0 in the second, and in [0, 1] in the target slots behind
        both, whose first half is positive but for what it is mixed with; the second `label` is
        the same.

    Raises:
        ValueError: if no half can be made, a kind of clips has none, or a clip has fewer frames
            than a crop.
    """
    num_slots = 0 if target_slots is None else target_slots.num_slots
    labels = _labels_of_halves(schedule.batch_size - num_slots, "batch_size")
    kinds = [(positives, len(labels) // 2), (negatives, len(labels) // 2)]
    if target_slots is not None:
        labels_of_targets = _labels_of_halves(num_slots, "num_slots")
        kinds += [
            (target_slots.positives, num_slots // 2),
            (target_slots.negatives, num_slots // 2),
        ]
    orders = _endless_orders(kinds, schedule)
    num_places = outlier_clips.crop.num_places(outlier_clips.clip_length)

    def batch(*steps):
        seeds = tf.random.split(folded_seed(schedule.seed, _DRAWS, steps[0][0]), 4)
        clips, label = tf.concat([positions for _, positions in steps], axis=0), labels
        if target_slots is not None:
            others, labels_of_others = _drawn_others(seeds[2], num_slots, positives, negatives)
            clips = tf.concat([clips, others], axis=0)
        places = tf.random.stateless_uniform(
            tf.shape(clips), seeds[0], maxval=num_places, dtype=tf.int64
        )
        crops = read_arrays(outlier_clips.read, [clips, places], (outlier_clips.crop.num_samples,))
        if target_slots is not None:
            sources, targets, others = tf.split(crops, [len(labels), num_slots, num_slots])
            weights = _drawn_weights(seeds[3], target_slots)
            crops = tf.concat([sources, between(targets, others, weights)], axis=0)
            mixed = between(labels_of_targets, labels_of_others, weights)
            label = tf.concat([labels, mixed], axis=0)
        if augmentation is not None:
            crops = augment(crops, augmentation, seeds[1])
        return {"waveform": crops, "label": label}, label

    return read_ahead(tf.data.Dataset.zip(*orders), batch)


def _endless_orders(kinds, schedule):
    """Of kinds of clips, each (positions, number in a batch)."""
    return [
        endless_positions(candidates, dataclasses.replace(schedule, batch_size=size), stream)
        for stream, (candidates, size) in zip(_ORDERS, kinds, strict=False)
    ]


def _labels_of_halves(count, name):
    """Labels float32 `(count, 1)`; the first half is positive."""
    if count < 2 or count % 2:
        what = (
            "the target slots of" if name == "num_slots" else "what is not of the target slots in"
        )
        raise ValueError(
            f"{what} a batch must be an even number above 0, half of it positive. "
            f"Received: {count}. Change `{name}`."
        )
    return np.repeat([[1.0], [0.0]], count // 2, axis=0).astype("float32")


def _drawn_others(seed, count, *classes):
    """Positions `(count,)` of source clips of either class, and their labels `(count, 1)`."""
    seeds = tf.random.split(seed, 3)
    is_positive = tf.random.stateless_uniform([count, 1], seeds[0]) < 0.5
    drawn = []
    for candidates, each in zip(classes, (seeds[1], seeds[2]), strict=True):
        which = tf.random.stateless_uniform([count], each, maxval=len(candidates), dtype=tf.int64)
        drawn.append(tf.gather(tf.constant(candidates, tf.int64), which))
    return tf.where(is_positive[:, 0], *drawn), tf.cast(is_positive, tf.float32)


def _drawn_weights(seed, target_slots):
    """Weights of the target crops, float32 `(num_slots, 1)`; 1 is not mixed."""
    seeds, count = tf.random.split(seed, 2), target_slots.num_slots
    draws = tf.random.stateless_uniform([count, 1], seeds[0])
    is_mixed = draws < target_slots.mixup_probability
    return tf.where(is_mixed, beta_weights(seeds[1], count, target_slots.alpha), 1.0)
