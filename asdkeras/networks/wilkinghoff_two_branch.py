"""The two-branch network of Wilkinghoff's waveform systems."""

import keras
from keras import layers, ops

from asdkeras.layers.blockwise_conv1d import BlockwiseConv1D
from asdkeras.layers.blockwise_conv2d import BlockwiseConv2D
from asdkeras.layers.fused_batch_normalization import FusedBatchNormalization
from asdkeras.layers.magnitude_spectrogram import MagnitudeSpectrogram
from asdkeras.layers.magnitude_spectrum import MagnitudeSpectrum
from asdkeras.mixed_precision import dtype_without_bound, network

_SPECTRUM_CONVOLUTIONS = ((256, 64), (64, 32), (16, 4))  # Kernel size, stride.
_SPECTRUM_UNITS = 128
_SPECTRUM_DENSE_LAYERS = 4
_STAGE_FILTERS = (16, 32, 64, 128)
_FIRST_BLOCK_NORMS = ("shortcut", "residual")
_LEAST_FRAMES = 5  # The first pooling needs 3 of the frames that the first convolution halves.


@network
def two_branch(
    waveforms,
    *,
    embedding_dim=512,
    window_length=1024,
    hop_length=512,
    first_block_norm="shortcut",
    weight_decay=1e-5,
):
    """Embedding of a waveform: half from its whole spectrum, half from its spectrogram.

    The spectrum tells stationary sounds apart by their exact frequencies and goes through
    one-dimensional convolutions along the frequency axis. The spectrogram shows what
    changes: its mean over time is taken away, per bin, and a modified ResNet follows, whose
    last pooling takes the maximum over all time that is left. There is no bias anywhere;
    batch normalizations have their scale and offset.

    The embedding is the concatenation [spectrum, spectrogram] and has no length of 1: loss
    and scorer normalize the concatenation, not its halves.

    Args:
        waveforms: Keras tensor, float, `(batch, samples)`, of fixed length: the spectrum
            branch is built for it. At least `window_length + 4 * hop_length` samples.
        embedding_dim: int, even. 512 in the paper, 256 in the released code.
        window_length: int, samples, 8 or more, of the spectrogram.
        hop_length: int, samples.
        first_block_norm: where the batch normalization inside the first residual unit
            sits. `shortcut` normalizes what the unit adds to, as in the released code and
            thus most probably in all numbers published before 2024. `residual` normalizes
            between the two convolutions, as in the author's correction.
        weight_decay: float, L2 on the kernels of all convolutions and dense layers.

    Returns:
        `(batch, embedding_dim)`, not normalized. Layers `spectrum`, `spectrogram`,
        `embedding_spectrum` and `embedding_spectrogram` are the front ends and the halves.

    Raises:
        ValueError: if `embedding_dim` is odd, `first_block_norm` unknown, `window_length`
            too short, or the waveforms are too short or of unknown length.

    References:
        Wilkinghoff, "AdaProj: Adaptively Scaled Angular Margin Subspace Projections for
        Anomalous Sound Detection with Auxiliary Classification Tasks", DCASE 2024.
        Layer sizes: github.com/wilkinghoff/AdaProj, commit 10baa68; `residual`:
        github.com/wilkinghoff/icassp2023, commit 4f55738.
    """
    _check(waveforms, embedding_dim, window_length, hop_length, first_block_norm)
    decay = keras.regularizers.L2(weight_decay)
    spectrum = MagnitudeSpectrum(name="spectrum")(waveforms)
    spectrogram = MagnitudeSpectrogram(window_length, hop_length, name="spectrogram")(waveforms)
    parts = {
        "embedding_spectrum": _spectrum_branch(spectrum, decay),
        "embedding_spectrogram": _spectrogram_branch(spectrogram, first_block_norm, decay),
    }
    halves = [
        _dense(x, embedding_dim // 2, decay, dtype="float32", name=name)
        for name, x in parts.items()
    ]
    return layers.Concatenate(dtype="float32", name="embedding")(halves)


def _check(waveforms, embedding_dim, window_length, hop_length, first_block_norm):
    if embedding_dim < 2 or embedding_dim % 2:
        raise ValueError(
            "`embedding_dim` must be even and at least 2: each branch makes half of it. "
            f"Received: embedding_dim={embedding_dim}"
        )
    if first_block_norm not in _FIRST_BLOCK_NORMS:
        raise ValueError(
            f"`first_block_norm` must be one of {_FIRST_BLOCK_NORMS}. "
            f"Received: first_block_norm={first_block_norm!r}"
        )
    if window_length < 8:
        raise ValueError(
            "`window_length` must be at least 8, so that the pooling of the spectrogram has "
            f"5 bins. Received: window_length={window_length}"
        )
    samples, least = waveforms.shape[-1], window_length + (_LEAST_FRAMES - 1) * hop_length
    if samples is None or samples < least:
        raise ValueError(
            f"`waveforms` must have one fixed length of at least {least} samples, "
            f"{_LEAST_FRAMES} frames of the spectrogram, so that every pooling has an output. "
            f"Received: waveforms of shape {tuple(waveforms.shape)}. Use longer clips or a "
            "shorter window and hop."
        )


def _spectrum_branch(spectrum, decay):
    x = ops.expand_dims(spectrum, axis=-1)
    dtype = dtype_without_bound()  # The loudest bin grows with the clip.
    for number, (size, strides) in enumerate(_SPECTRUM_CONVOLUTIONS, start=1):
        options = _options(decay) | {"name": f"spectrum_conv1d_{number}", "dtype": dtype}
        x = BlockwiseConv1D(_SPECTRUM_UNITS, size, strides, **options)(x)
        x = layers.ReLU(dtype=dtype)(x)
    x = layers.Flatten(dtype=dtype)(x)
    for number in range(_SPECTRUM_DENSE_LAYERS):
        x = _dense(x, _SPECTRUM_UNITS, decay, dtype=None if number else dtype)
        x = layers.ReLU()(_normalization(x))
    return x


def _spectrogram_branch(spectrogram, first_block_norm, decay):
    x = spectrogram - ops.mean(spectrogram, axis=1, keepdims=True)
    x = ops.expand_dims(_normalization(x), axis=-1)  # The last axis is still frequency.
    x = BlockwiseConv2D(_STAGE_FILTERS[0], 7, strides=2, name="stem", **_options(decay))(x)
    x = layers.ReLU()(_normalization(x))
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = _first_stage(x, first_block_norm, decay)
    for filters in _STAGE_FILTERS[1:]:
        x = _unit(x, filters, decay, is_halving=True)
        x = _unit(x, filters, decay)
    x = layers.Flatten()(ops.max(x, axis=1))
    return _normalization(x)


def _first_stage(x, first_block_norm, decay):
    """Two units unlike the others, in every release of the author.

    The first has no batch normalization at its entry, the second has the inner one behind
    its ReLU.
    """
    filters = _STAGE_FILTERS[0]
    residual = _convolution(layers.ReLU()(x), filters, 3, decay)
    if first_block_norm == "residual":
        residual = _normalization(residual)
    else:
        x = _normalization(x)
    residual = _convolution(layers.ReLU()(residual), filters, 3, decay)
    x = _normalization(layers.Add()([x, residual]))

    residual = _convolution(layers.ReLU()(x), filters, 3, decay)
    residual = _normalization(layers.ReLU()(residual))
    residual = _convolution(residual, filters, 3, decay)
    return layers.Add()([x, residual])


def _unit(x, filters, decay, is_halving=False):
    """What the unit adds to is normalized too; behind the addition nothing is."""
    x = _normalization(x)
    residual = _convolution(layers.ReLU()(x), filters, 3, decay, strides=2 if is_halving else 1)
    residual = layers.ReLU()(_normalization(residual))
    residual = _convolution(residual, filters, 3, decay)
    if is_halving:
        x = layers.MaxPooling2D(2, padding="same")(x)
        x = _convolution(x, filters, 1, decay)
    return layers.Add()([x, residual])


def _convolution(x, filters, size, decay, strides=1):
    return layers.Conv2D(filters, size, strides=strides, **_options(decay))(x)


def _options(decay):
    """What all convolutions have in common."""
    return {"padding": "same", "use_bias": False, "kernel_regularizer": decay}


def _dense(x, units, decay, dtype=None, name=None):
    return layers.Dense(units, use_bias=False, kernel_regularizer=decay, dtype=dtype, name=name)(x)


def _normalization(x):
    return FusedBatchNormalization(momentum=0.99, epsilon=1e-3)(x)
