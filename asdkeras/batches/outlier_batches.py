"""Batches that tell the clips of one section from those of everything else, as tf.data.

Half of a batch is of the section, half is not, however many clips there are of each. Where few
clips are of the target domain, a part of each batch is made of these and of what lies between
them and the others.
"""

import dataclasses
from typing import Literal

import numpy as np
from keras import ops

from asdkeras.batches import pipeline
from asdkeras.batches.step_orders import endless_positions
from asdkeras.batches.waveform_noise import augment

# Every order and the draws of the steps have a stream of random numbers of their own.
_POSITIVES, _NEGATIVES, _TARGETS, _DRAWS = range(4)


@dataclasses.dataclass(frozen=True)
class Crop:
    """Some neighboring frames of a clip's spectrogram whose frames are centered on the hops.

    What is cropped is the piece of waveform whose spectrogram without padding has these
    frames: frame t covers the samples from `t * hop_length - window_length // 2` on.

    Attributes:
        window_length: int, samples of a frame.
        hop_length: int, samples from frame to frame.
        num_frames: int, of a crop.
        pad_mode: `constant` or `reflect`, what lies beyond the ends of a clip.
    """

    window_length: int
    hop_length: int
    num_frames: int
    pad_mode: Literal["constant", "reflect"]

    @property
    def num_samples(self):
        """Samples of the piece of waveform."""
        return (self.num_frames - 1) * self.hop_length + self.window_length

    def num_places(self, clip_length):
        """How many crops a clip has.

        Raises:
            ValueError: if it has none.
        """
        num_frames = 1 + clip_length // self.hop_length
        if num_frames < self.num_frames:
            raise ValueError(
                f"a crop needs {self.num_frames} frames. Received: clip_length={clip_length}, "
                f"which has {num_frames} with hop_length={self.hop_length}. Use longer clips."
            )
        return num_frames - self.num_frames + 1

    def first_samples(self, places):
        """Where crops start that begin with these frames, counted from the start of the clip."""
        return places * self.hop_length - self.window_length // 2


@dataclasses.dataclass(frozen=True)
class OutlierClips:
    """Clips of the section and of others, and how loud each shall be taken.

    The waveform of clip i is heard as `(x - mean[i]) / deviation[i]`; beyond the ends of a
    clip it is mirrored or zero after that.

    Attributes:
        clips: `ClipSet`, or any object with `__len__` and
            `read_chunks(positions, first_samples, num_samples, clip_length, keep, pad_mode)`,
            which returns a new array and may be called by several threads at once.
        clip_length: int, samples.
        keep: `start` or `end`, which part of a longer clip is heard.
        mean: float `(clips,)`, of the samples.
        deviation: float `(clips,)`, above 0, standard deviation of the samples.
    """

    clips: object
    clip_length: int
    keep: Literal["start", "end"]
    mean: np.ndarray
    deviation: np.ndarray

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

    def read(self, positions, places, crop):
        """Crops of some clips, normalized, float32 `(batch, crop.num_samples)`."""
        firsts = crop.first_samples(places)
        waveforms = self.clips.read_chunks(
            positions, firsts, crop.num_samples, self.clip_length, self.keep, crop.pad_mode
        )
        waveforms -= np.asarray(self.mean, np.float32)[positions, np.newaxis]
        waveforms /= np.asarray(self.deviation, np.float32)[positions, np.newaxis]
        if crop.pad_mode == "constant":
            samples = firsts[:, np.newaxis] + np.arange(crop.num_samples)
            waveforms[(samples < 0) | (samples >= self.clip_length)] = 0.0
        return waveforms


def outlier_batches(
    outlier_clips,
    positives,
    negatives,
    crop,
    *,
    augmentation=None,
    batch_size,
    seed,
    first_step,
    steps,
):
    """Batches of one random crop per clip, half of them positive.

    Positives and negatives come in orders of their own, see `endless_positions`. Every draw
    derives from (seed, step) alone, so a resumed training meets the batches it would have
    met.

    Args:
        outlier_clips: `OutlierClips`.
        positives: int `(positives,)`, positions of the clips of the section.
        negatives: int `(negatives,)`, of all other clips.
        crop: `Crop`; all crops of a clip are equally probable.
        augmentation: `Augmentation` of the crops, or None.
        batch_size: int, even.
        seed: int.
        first_step: int, from 0.
        steps: int, total; the batches end after step number `steps - 1`.

    Returns:
        `tf.data.Dataset` of (inputs, label): inputs `waveform`, float32
        `(batch, (num_frames - 1) * hop_length + window_length)`, and `label`, float32
        `(batch, 1)`: 1 in the first half of the batch, which is positive, 0 in the second;
        the second `label` is the same.

    Raises:
        ValueError: if `batch_size` is odd, there are no positives or no negatives, or a clip
            has fewer frames than a crop.
    """
    labels = _labels_of_halves(batch_size)
    read = _reader(outlier_clips, crop)

    def batch(positives, negatives):
        (step, positives), (_, negatives) = positives, negatives
        seeds = _seeds_of_step(seed, step)
        waveforms = read(seeds[0], ops.concatenate([positives, negatives]))
        return _element(waveforms, labels, augmentation, seeds[1])

    orders = _orders([positives, negatives], [len(labels) // 2] * 2, seed, first_step, steps)
    return pipeline.read_ahead(orders, batch)


def adaptation_batches(
    outlier_clips,
    positives,
    negatives,
    targets,
    crop,
    *,
    num_target,
    alpha,
    augmentation=None,
    batch_size,
    seed,
    first_step,
    steps,
):
    """Batches like those of `outlier_batches`, whose last clips are of the target domain.

    Each of the last `num_target` is, with equal chance, a crop of a target clip of the section,
    or such a crop mixed with one of any other clip: `weight * target + (1 - weight) * other`,
    weight ~ Beta(alpha, alpha), and the labels alike. The other one is positive or negative
    with equal chance. Waveforms are normalized before they are mixed.

    Args:
        outlier_clips: see `outlier_batches`, as are all that say no more here.
        positives: see there.
        negatives: see there.
        targets: int `(targets,)`, positions of the clips of the section in the target domain,
            which come in an order of their own.
        crop: see there.
        num_target: int > 0, of a batch (paper: 16).
        alpha: float, at least 0.05.
        augmentation: of what is heard, so after mixing.
        batch_size: int, of which `num_target` leave an even number above 0 (paper: 64).
        seed: see there.
        first_step: see there.
        steps: see there.

    Returns:
        As `outlier_batches`; of the batch the first `(batch_size - num_target) / 2` are
        positive and as many negative, with labels 1 and 0; the labels of the last lie in
        [0, 1].

    Raises:
        ValueError: as `outlier_batches`, or if there are no targets, or `alpha` is too small
            or not finite.

    References:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
    """
    pipeline.check_alpha(alpha)
    labels = _labels_of_halves(batch_size - num_target)
    read = _reader(outlier_clips, crop)
    draw_others = _drawer_of_others(positives, negatives)

    def batch(positives, negatives, targets):
        (step, positives), (_, negatives), (_, targets) = positives, negatives, targets
        seeds = _seeds_of_step(seed, step)
        others, labels_of_others = draw_others(seeds[2], targets)
        weights = _weights(seeds[3], targets, alpha)
        clips = ops.concatenate([positives, negatives, targets, others])
        crops = read(seeds[0], clips)
        mixed = weights * crops[len(labels) : batch_size] + (1.0 - weights) * crops[batch_size:]
        return _element(
            ops.concatenate([crops[: len(labels)], mixed]),
            ops.concatenate([labels, weights + (1.0 - weights) * labels_of_others]),
            augmentation,
            seeds[1],
        )

    kinds, sizes = [positives, negatives, targets], [len(labels) // 2] * 2 + [num_target]
    return pipeline.read_ahead(_orders(kinds, sizes, seed, first_step, steps), batch)


def _labels_of_halves(num_source):
    """Labels float32 `(num_source, 1)`, the first half of which is positive."""
    if num_source < 2 or num_source % 2:
        raise ValueError(
            "what is not of the target domain in a batch must be an even number above 0, half "
            f"of it positive. Received: {num_source}. Change `batch_size`."
        )
    return np.repeat([[1.0], [0.0]], num_source // 2, axis=0).astype("float32")


def _orders(kinds, sizes, seed, first_step, steps):
    """For each step a pair (step, positions) of each kind of clips, of its own size."""
    streams = (_POSITIVES, _NEGATIVES, _TARGETS)[: len(kinds)]
    return pipeline.side_by_side(
        *(
            endless_positions(candidates, size, seed, stream, first_step, steps)
            for candidates, size, stream in zip(kinds, sizes, streams, strict=True)
        )
    )


def _seeds_of_step(seed, step):
    """Seeds of the places of the crops, the augmentation, the other clips and the weights."""
    return pipeline.split_seed(pipeline.folded_seed(seed, _DRAWS, step), 4)


def _reader(outlier_clips, crop):
    """A function from a seed and positions `(n,)` to one random crop of each, `(n, samples)`."""
    num_places = crop.num_places(outlier_clips.clip_length)

    def read_crops(positions, places):
        return outlier_clips.read(positions, places, crop)

    def read(seed, positions):
        places = pipeline.draw_integers(seed, positions, num_places)
        return pipeline.read_arrays(read_crops, [positions, places], (crop.num_samples,))

    return read


def _drawer_of_others(positives, negatives):
    """A function from a seed and targets `(n,)` to n source clips of either class."""
    candidates = [ops.convert_to_tensor(each, "int64") for each in (positives, negatives)]

    def draw(seed, targets):
        """Positions `(n,)` and labels float32 `(n, 1)`."""
        seeds = pipeline.split_seed(seed, 3)
        is_positive = pipeline.draw_uniform(seeds[0], targets) < 0.5
        of_classes = [
            ops.take(each, pipeline.draw_integers(class_seed, targets, len(each)))
            for each, class_seed in zip(candidates, (seeds[1], seeds[2]), strict=True)
        ]
        return ops.where(is_positive[:, 0], *of_classes), ops.cast(is_positive, "float32")

    return draw


def _weights(seed, targets, alpha):
    """Of the target crops in what is heard, float32 `(n, 1)`; 1 is not mixed."""
    seeds = pipeline.split_seed(seed, 2)
    is_mixed = pipeline.draw_uniform(seeds[0], targets) < 0.5
    return ops.where(is_mixed, pipeline.beta_weights(seeds[1], targets, alpha), 1.0)


def _element(waveforms, labels, augmentation, seed):
    if augmentation is not None:
        waveforms = augment(waveforms, augmentation, seed)
    return {"waveform": waveforms, "label": labels}, labels
