"""Magnitude spectrum of a whole waveform."""

import keras
from keras import ops

from asdkeras.dsp.spectrograms import magnitude_spectrum


@keras.saving.register_keras_serializable(package="asdkeras")
class MagnitudeSpectrum(keras.layers.Layer):
    """Magnitude of the Fourier transform of the whole clip: all frequencies, no time.

    No window, no logarithm, no scaling. Of n samples the bins 0 to n // 2 - 1 are kept,
    bin k at k / n of the sample rate; the bin at half the sample rate is left out. Always
    computed in float32: half precision overflows in the squares. Every magnitude is within
    1e-6 of the loudest of its clip (on a CPU, against float64).

    Input shape: `(batch, samples)`, one fixed length of at least 2.
    Output shape: `(batch, samples // 2)`.

    Raises:
        ValueError: when called, if the number of samples is unknown or below 2.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def call(self, waveforms):
        return magnitude_spectrum(ops.cast(waveforms, "float32"))
