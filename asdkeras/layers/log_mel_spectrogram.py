"""Log-mel spectrogram of a waveform."""

import keras
import librosa
import numpy as np
from keras import ops
from scipy.signal.windows import hann

from asdkeras.dsp.spectrograms import decibels, magnitude_spectrogram, power_spectrogram

_WINDOWS = ("symmetric", "periodic")
_FLOORS_BY = ("maximum", "addition")


@keras.saving.register_keras_serializable(package="asdkeras")
class LogMelSpectrogram(keras.layers.Layer):
    """Power in bands of Slaney's mel scale, in dB, as `librosa` computes it.

    Hann window, centered frames, squared magnitude, triangular bands of equal area from 0 to
    half the sample rate, and the logarithm of what exceeds a floor. Always computed in float32:
    half precision overflows in the squares and underflows at the floor.

    Precision (on a CPU, against librosa in float64): call a band full when all of its bins
    are as loud as the loudest bin of its frame. Levels are within 1e-4 dB down to 40 dB
    below a full band and within 0.01 dB down to 80 dB below it; the power of fainter bands
    is within 1e-10 of that of a full one. TensorFloat-32, in which TensorFlow lets graphics
    processors multiply matrices, has 11 bits and costs up to 0.01 dB in every band;
    `tensorflow.config.experimental.enable_tensor_float_32_execution(False)` forbids it.

    Args:
        sample_rate_hz: float.
        window_length: int, samples, even; also the length of the transform.
        hop_length: int, samples.
        num_mel_bins: int.
        window: `symmetric` ends in zeros on both sides (`numpy.hanning`), `periodic`
            on the left only (the default of librosa).
        pad_mode: `reflect` or `constant`, what lies beyond the ends of the waveform: frames
            centered on the hops begin half a window before it. None is for pieces of a longer
            clip: the first frame starts at the first sample, and samples behind the last
            whole frame are left out.
        floor: float above 0, in the unit of the bands: a band without power lies at
            `10 log10(floor)`. The DCASE baselines have `numpy.finfo(float).eps`.
        floor_by: `maximum` for `10 log10(max(power, floor))`, in the DCASE baselines from
            2021 on, `addition` for `10 log10(power + floor)`, in that of 2020.

    Attributes:
        window_values: ndarray `(window_length,)`.
        mel_filters: ndarray `(window_length // 2 + 1, num_mel_bins)`.

    Input shape: `(batch, samples)`.
    Output shape: `(batch, 1 + samples // hop_length, num_mel_bins)`; not padded
        `(batch, 1 + (samples - window_length) // hop_length, num_mel_bins)`.

    Raises:
        ValueError: if `window_length` is odd, `window`, `pad_mode` or `floor_by` unknown or
            `floor` not above 0; when called, if a waveform is too short to be mirrored, or,
            not padded, for one frame.
    """

    spectrogram = staticmethod(power_spectrogram)

    def __init__(
        self,
        sample_rate_hz,
        window_length=1024,
        hop_length=512,
        num_mel_bins=128,
        window="symmetric",
        pad_mode="reflect",
        floor=1e-10,
        floor_by="maximum",
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=2)
        if window_length < 2 or window_length % 2:
            raise ValueError(
                "`window_length` must be even, so that frames can be centered. "
                f"Received: window_length={window_length}"
            )
        for name, value in (("hop_length", hop_length), ("num_mel_bins", num_mel_bins)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        if window not in _WINDOWS:
            raise ValueError(f"`window` must be one of {_WINDOWS}. Received: window={window!r}")
        if pad_mode not in ("reflect", "constant", None):
            raise ValueError(
                f"`pad_mode` must be `reflect`, `constant` or None. Received: pad_mode={pad_mode!r}"
            )
        if not floor > 0:
            raise ValueError(f"`floor` must be above 0. Received: floor={floor}")
        if floor_by not in _FLOORS_BY:
            raise ValueError(
                f"`floor_by` must be one of {_FLOORS_BY}. Received: floor_by={floor_by!r}"
            )
        self.sample_rate_hz = sample_rate_hz
        self.window_length = window_length
        self.hop_length = hop_length
        self.num_mel_bins = num_mel_bins
        self.window = window
        self.pad_mode = pad_mode
        self.floor = floor
        self.floor_by = floor_by
        self.window_values = hann(window_length, sym=window == "symmetric").astype("float32")
        self.mel_filters = np.ascontiguousarray(
            librosa.filters.mel(sr=sample_rate_hz, n_fft=window_length, n_mels=num_mel_bins).T
        )

    def call(self, waveforms):
        spectrogram = self.spectrogram(
            ops.cast(waveforms, "float32"), self.window_values, self.hop_length, self.pad_mode
        )
        bands = ops.matmul(spectrogram, self.mel_filters)
        if self.floor_by == "addition":
            return decibels(bands + self.floor)
        return decibels(ops.maximum(bands, self.floor))


@keras.saving.register_keras_serializable(package="asdkeras")
class LogMelMagnitudes(LogMelSpectrogram):
    """The same of magnitudes: bands sum up these and not their squares.

    Their levels are about half as far apart. Where a system takes `log10` of the bands, it is a
    tenth of what comes here.
    """

    spectrogram = staticmethod(magnitude_spectrogram)
