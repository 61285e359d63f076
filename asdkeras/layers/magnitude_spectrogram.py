"""Magnitude spectrogram of a waveform."""

import keras
from keras import ops
from scipy.signal.windows import hann

from asdkeras.dsp.spectrograms import magnitude_spectrogram


@keras.saving.register_keras_serializable(package="asdkeras")
class MagnitudeSpectrogram(keras.layers.Layer):
    """Magnitude of the Fourier transform of overlapping frames, linear in both directions.

    Periodic Hann window, no padding, no scaling: the first frame starts at the first
    sample, and samples behind the last whole frame are left out. Always computed in
    float32: half precision overflows in the squares. Every magnitude is within 1e-6 of the
    loudest of its frame (on a CPU, against float64).

    Args:
        window_length: int, samples, 2 or more; also the length of the transform.
        hop_length: int, samples.

    Attributes:
        window_values: ndarray `(window_length,)`.

    Input shape: `(batch, samples)`.
    Output shape: `(batch, 1 + (samples - window_length) // hop_length,
        window_length // 2 + 1)`.

    Raises:
        ValueError: if `window_length` is below 2 or `hop_length` below 1; when called, if a
            waveform is shorter than the window.
    """

    def __init__(self, window_length=1024, hop_length=512, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=2)
        for name, value, least in (
            ("window_length", window_length, 2),
            ("hop_length", hop_length, 1),
        ):
            if value < least:
                raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")
        self.window_length = window_length
        self.hop_length = hop_length
        self.window_values = hann(window_length, sym=False).astype("float32")

    def call(self, waveforms):
        waveforms = ops.cast(waveforms, "float32")
        return magnitude_spectrogram(waveforms, self.window_values, self.hop_length)
