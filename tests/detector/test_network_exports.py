"""Whether the parts of all systems can be expressed in ONNX and LiteRT."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from asdkeras.detector.decision import decided
from asdkeras.detector.exports import export_model
from asdkeras.detector.fitted_machine import Machine
from asdkeras.layers.blockwise_conv1d import BlockwiseConv1D
from asdkeras.layers.blockwise_conv2d import BlockwiseConv2D
from asdkeras.layers.frame_windows import FrameWindows
from asdkeras.layers.grouped_conv2d import GroupedConv2D
from asdkeras.layers.heard_part import HeardPart
from asdkeras.layers.in_groups import InGroups
from asdkeras.layers.log_mel_spectrogram import LogMelSpectrogram
from asdkeras.layers.magnitude_spectrogram import MagnitudeSpectrogram
from asdkeras.layers.magnitude_spectrum import MagnitudeSpectrum
from asdkeras.layers.masked_copies import MaskedCopies
from asdkeras.layers.random_points import RandomPoints
from asdkeras.layers.spread_windows import SpreadWindows
from asdkeras.layers.window_points import WindowPoints
from asdkeras.networks.chunk_embeddings import chunk_embeddings
from asdkeras.networks.conformer_block import conformer_block
from asdkeras.networks.mobile_face_net import linear_embedding, mobile_face_net

_RATE_HZ = 2000
_CLIP_LENGTH = 3001  # Prime: the spectrum of the whole clip is computed by chirps.
_BANDS = 16


def transforms_and_blocks(waveforms, frames):
    """Both spectra, and strided convolutions computed on blocks."""
    spectrogram = MagnitudeSpectrogram(64, 256)(waveforms)[..., None]
    maps = BlockwiseConv2D(4, 3, strides=2, padding="same")(spectrogram)
    spectrum = BlockwiseConv1D(4, 64, strides=32, padding="same")(
        MagnitudeSpectrum()(waveforms)[..., None]
    )
    return ops.concatenate([ops.max(maps, axis=(1, 2)), ops.max(spectrum, axis=1)], axis=-1)


def chunks_in_a_loop(waveforms, frames):
    """Overlapping chunks that share rows, group after group."""
    chunk = keras.Input((16, _BANDS))
    features = mobile_face_net(chunk, stem_channels=4, groups=((2, 4, 1, 2),), num_features=4)
    network = keras.Model(chunk, linear_embedding(features, 3))
    return ops.std(chunk_embeddings(network, frames, hop=1, chunks_at_once=3), axis=1)


def best_points_first(waveforms, frames):
    """Points that are chosen by sorting, of a few windows at a time."""
    window, chosen = keras.Input((4, _BANDS)), keras.Input((20,), dtype="int32")
    points = WindowPoints()(window)
    known = ops.take_along_axis(points, chosen[..., None], axis=1)
    predicted = layers.Dense(1)(points[..., :2]) + ops.mean(known[..., 2:], axis=1, keepdims=True)
    order = ops.argsort(ops.abs(points[..., 2] - predicted[..., 0]), axis=1)
    best = ops.take_along_axis(points, order[:, :20, None], axis=1)
    model = keras.Model([window, chosen], ops.mean(best, axis=1))
    windows = FrameWindows(4, 2)(frames)
    return ops.mean(InGroups(model, 3)([windows, RandomPoints(20, seed=0)(windows)]), axis=1)


def masked_reconstruction(waveforms, frames):
    """Several masked copies of a clip, each filled in."""
    copies = MaskedCopies(2, 1, 3, 1, 3, dropout=0.1)(frames)
    spectrograms = ops.reshape(copies, (-1, *copies.shape[2:]))
    filled = layers.Dense(_BANDS)(conformer_block(spectrograms, kernel_size=3, num_heads=2))
    errors = ops.abs(ops.reshape(filled, (-1, *copies.shape[1:])) - frames[:, None])
    return ops.mean(errors, axis=(1, 2))


def groups_of_channels(waveforms, frames):
    """A convolution in groups, of windows spread over the clip."""
    windows = SpreadWindows(3, 8)(frames)
    images = ops.reshape(windows, (-1, 8, _BANDS, 1))
    maps = GroupedConv2D(8, 3, groups=4, strides=2)(layers.Conv2D(8, 3)(images))
    return ops.mean(ops.reshape(ops.mean(maps, axis=(1, 2)), (-1, 3, 8)), axis=1)


def _of_size_one(embedding):
    return embedding / ops.max(ops.abs(embedding), axis=-1, keepdims=True)


_PARTS = (
    transforms_and_blocks,
    chunks_in_a_loop,
    best_points_first,
    masked_reconstruction,
    groups_of_channels,
)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_parts_of_all_systems_can_be_expressed(format, tmp_path):
    # One graph of all, because most of the time goes into what every export does once.
    keras.utils.set_random_seed(0)
    waveform = keras.Input((None,), name="waveform")
    heard = HeardPart(_CLIP_LENGTH)(waveform)
    frames = 0.05 * LogMelSpectrogram(_RATE_HZ, 256, 128, _BANDS)(heard)
    # Each of the same size, for the embedding is compared by its largest value.
    embeddings = [_of_size_one(part(heard, frames)) for part in _PARTS]
    embedding = layers.Concatenate()(embeddings)
    score = ops.max(ops.abs(embedding), axis=-1)
    score, is_anomalous = decided(waveform, score, 1.0)
    outputs = {"anomaly_score": score, "is_anomalous": is_anomalous, "embedding": embedding}
    model = keras.Model(waveform, outputs)
    machine = Machine("fan", "fan", "section_00", _RATE_HZ, _CLIP_LENGTH, "start", 1.0)

    exported = export_model(model, tmp_path / "fan", format, machine)

    assert np.isfinite(exported.largest_difference)
