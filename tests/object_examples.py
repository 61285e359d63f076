"""An example of every layer, loss and metric of the package, with inputs it takes.

Who adds one adds it here: what holds for all of them is tested on these.
"""

import dataclasses
import inspect
from collections.abc import Callable

import keras
import numpy as np

from asdkeras.layers.blockwise_conv1d import BlockwiseConv1D
from asdkeras.layers.blockwise_conv2d import BlockwiseConv2D
from asdkeras.layers.exemplar_distance import ExemplarDistance
from asdkeras.layers.frame_windows import FrameWindows
from asdkeras.layers.fused_batch_normalization import FusedBatchNormalization
from asdkeras.layers.gaussian_scores import GaussianScores
from asdkeras.layers.gradient_reversal import GradientReversal
from asdkeras.layers.grouped_conv2d import GroupedConv2D
from asdkeras.layers.heard_part import HeardPart
from asdkeras.layers.in_groups import InGroups
from asdkeras.layers.log_mel_spectrogram import LogMelMagnitudes, LogMelSpectrogram
from asdkeras.layers.magnitude_spectrogram import MagnitudeSpectrogram
from asdkeras.layers.magnitude_spectrum import MagnitudeSpectrum
from asdkeras.layers.mahalanobis_distance import MahalanobisDistance
from asdkeras.layers.masked_copies import MaskedCopies
from asdkeras.layers.mix_with_reversed import MixWithReversed
from asdkeras.layers.mixture_score import MixtureScore
from asdkeras.layers.random_points import RandomPoints
from asdkeras.layers.resumable_dropout import ResumableDropout
from asdkeras.layers.section_posterior_score import SectionPosteriorScore
from asdkeras.layers.spec_augment import SpecAugment
from asdkeras.layers.spread_windows import SpreadWindows
from asdkeras.layers.time_warp import TimeWarp
from asdkeras.layers.unit_vectors import UnitVectors
from asdkeras.layers.window_points import WindowPoints
from asdkeras.losses.ada_proj import AdaProj
from asdkeras.losses.arc_face import ArcFace, ArcFaceCrossEntropy
from asdkeras.losses.batch_squared_error import BatchSquaredError
from asdkeras.losses.class_compactness import ClassCompactness, CompactnessLoss
from asdkeras.losses.double_centroids import DoubleCentroids
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
from asdkeras.losses.mixed_divergence import MixedDivergence
from asdkeras.losses.negative_evidence import NegativeEvidence
from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos
from asdkeras.losses.vicreg import Consistency, VICReg
from asdkeras.networks.chunk_embeddings import ChunkEmbeddings

BATCH, CLASSES, DIM = 8, 4, 6


@dataclasses.dataclass(frozen=True)
class Example:
    """How an object is made and called.

    Attributes:
        make: builds it.
        shapes: of its inputs, all of `BATCH` rows.
        free: (number of the input, its axis) that may have any size, whatever the others have;
            the batch of a single input is. None in place of the axis: any axes but the batch.
        call: calls it with its inputs, if that is not done one after the other.
    """

    make: Callable
    shapes: tuple
    free: tuple = ()
    call: Callable | None = None

    def __call__(self, each, inputs):
        if isinstance(each, keras.metrics.Metric):
            each.update_state(*inputs)
            return each.result()
        if isinstance(each, keras.losses.Loss):
            return each(*inputs)
        if self.call:
            return self.call(each, inputs)
        takes_training = "training" in inspect.signature(each.call).parameters
        return each(*inputs, **{"training": True} if takes_training else {})

    def inputs(self):
        return drawn(self.shapes)

    def is_free(self, number, axis):
        of_batch = axis == 0 and len(self.shapes) == 1
        return (
            of_batch or (number, axis) in self.free or (axis != 0 and (number, None) in self.free)
        )


def drawn(shapes):
    generator = np.random.default_rng(0)
    return [generator.uniform(0.1, 1.0, shape).astype("float32") for shape in shapes]


def _chunk_network():
    chunk = keras.Input((4, 3))
    return keras.Model(chunk, keras.layers.Dense(2)(keras.layers.Flatten()(chunk)))


def _window_network():
    inputs = [keras.Input((3,)), keras.Input((2,))]
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Concatenate()(inputs)))


def _head(make):
    return Example(make, ((BATCH, DIM), (BATCH, CLASSES)))


def _loss(make):
    return Example(make, ((BATCH, CLASSES), (BATCH, CLASSES)))


def _vectors(make, *shape, free=()):
    return Example(make, ((BATCH, *shape),), tuple((0, axis) for axis in free))


def _spectrum(make):
    return _vectors(make, 64, free=(1,))


EXAMPLES = [
    _head(lambda: AdaProj(CLASSES, 2)),
    _head(lambda: SubClusterAdaCos(CLASSES, 2)),
    _head(lambda: SubClusterAdaCos(CLASSES, 2, scale_update="adacos2019")),
    _head(lambda: SubClusterAdaCos(CLASSES, 2, scale_update="fixed")),
    _head(lambda: ArcFace(CLASSES)),
    _head(lambda: ClassCompactness(CLASSES)),
    Example(DoubleCentroids, ((BATCH, DIM), (BATCH, 1))),
    _loss(ArcFaceCrossEntropy),
    _loss(MixedCrossEntropy),
    _loss(lambda: MixedCrossEntropy("reference")),
    _loss(MixedDivergence),
    _loss(CompactnessLoss),
    Example(BatchSquaredError, ((BATCH, 5, DIM), (BATCH, 5, DIM))),
    Example(BatchSquaredError, ((BATCH, 1), (BATCH, 1))),
    Example(NegativeEvidence, ((BATCH, 5), (BATCH, 5, 2), (BATCH, DIM, 2), (BATCH, DIM, 2))),
    Example(VICReg, ((BATCH, DIM), (BATCH, DIM))),
    Example(
        VICReg,
        ((BATCH, DIM),) * 4,
        call=lambda each, inputs: each(*inputs[:2], compared=inputs[2:]),
    ),
    Example(Consistency, ((BATCH, DIM), (BATCH, DIM))),
    Example(MixWithReversed, ((BATCH, 5, 3), (BATCH, 1)), free=((0, None),)),
    Example(
        lambda: InGroups(_window_network(), 3),
        ((BATCH, 2, 3), (BATCH, 2, 2)),
        call=lambda each, inputs: each(inputs),
    ),
    *(_vectors(lambda m=m: ExemplarDistance(3, m), DIM) for m in ("cosine", "euclidean", "dot")),
    _vectors(lambda: GaussianScores(2), 5, DIM, free=(1,)),
    _vectors(lambda: MahalanobisDistance(2), DIM),
    _vectors(lambda: MahalanobisDistance(2, "framewise"), DIM, DIM),
    _vectors(lambda: MixtureScore(2), DIM),
    _vectors(lambda: SectionPosteriorScore(1), 5, 3, free=(1,)),
    _vectors(lambda: MaskedCopies(2, 1, 2, 1, 2, 0.1), 8, DIM),
    _vectors(lambda: SpecAugment(1, 2, 1, 2), 8, DIM),
    _vectors(lambda: TimeWarp(2), 8, DIM, free=(2,)),
    _vectors(lambda: RandomPoints(4, 0), 3, 5, DIM),
    _vectors(WindowPoints, 5, DIM, free=(1, 2)),
    _vectors(lambda: FrameWindows(3), 5, DIM, free=(1, 2)),
    _vectors(lambda: SpreadWindows(2, 3), 5, DIM, free=(1, 2)),
    _spectrum(lambda: HeardPart(40)),
    _spectrum(lambda: LogMelSpectrogram(16000, 16, 8, 2)),
    _spectrum(lambda: LogMelMagnitudes(16000, 16, 8, 2)),
    _spectrum(lambda: MagnitudeSpectrogram(16, 8)),
    _spectrum(MagnitudeSpectrum),
    _vectors(lambda: BlockwiseConv1D(4, 3, strides=2, padding="same"), 8, DIM, free=(1,)),
    _vectors(lambda: BlockwiseConv2D(4, 3, strides=2, padding="same"), 8, DIM, 1, free=(1, 2)),
    _vectors(FusedBatchNormalization, 8, 16, free=(1,)),
    _vectors(lambda: GroupedConv2D(4, 3, groups=2), 8, DIM, 2, free=(1, 2)),
    _vectors(lambda: ChunkEmbeddings(_chunk_network(), 1, 3), 9, 3, free=(1,)),
    *(_vectors(each, DIM, free=(None,)) for each in (UnitVectors, GradientReversal)),
    _vectors(lambda: ResumableDropout(0.1), DIM, free=(None,)),
]
NAMES = [type(each.make()).__name__ for each in EXAMPLES]
