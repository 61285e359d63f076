"""Copies of a spectrogram, each with parts of its own hidden."""

import keras
import numpy as np
from keras import ops

from asdkeras.layers.spec_augment import SpecAugment


@keras.saving.register_keras_serializable(package="asdkeras")
class MaskedCopies(keras.layers.Layer):
    """Shows each spectrogram several times, every time with other parts missing.

    A network that has learned to fill in what is missing then makes several guesses about
    the same spectrogram, and pooling their errors gives some of the gain of an ensemble with
    one network. Each copy has time and band masks of its own, drawn as `SpecAugment` draws
    them, which hide by zeros, and then loses single values by dropout, what is left growing
    by `1 / (1 - dropout)`. It does so in training and inference alike.

    The masks are drawn once, when the layer is built, and are the same for every spectrogram
    and every call. The paper gives each copy its own masks and does not say whether they
    change from clip to clip; that they do not is our decision: the score of a clip then
    depends on the clip alone, not on what was scored before it, and no difference between
    two clips comes from a difference of their masks. What hides is a weight, so a saved model
    keeps it whatever becomes of the generator.

    Args:
        num_copies: int, at least 1.
        num_time_masks: int, at least 0, per copy.
        time_width: as in `SpecAugment`, frames.
        num_band_masks: int, at least 0, per copy.
        band_width: as in `SpecAugment`, bands.
        dropout: float in [0, 1). Share of the values that is lost.
        seed: int, not negative. Of all the masks.

    Call arguments:
        spectrograms: float, `(batch, frames, bands)`, frames and bands fixed. Zero should be
            a value that says little, as the mean of a band does after normalization.

    Attributes:
        factors: weight, `(num_copies, frames, bands)`, not trained: what the values are
            multiplied by, 0 or `1 / (1 - dropout)`.

    Output shape: `(batch, num_copies, frames, bands)`.

    Raises:
        ValueError: if an argument is out of range; when built, if a size is unknown or a mask
            may be wider than its axis is long.

    References:
        Kuroyanagi et al., "Anomalous Sound Detection with Ensemble of Autoencoder and Binary
        Classification Approaches", DCASE 2021 Challenge.
    """

    def __init__(
        self,
        num_copies,
        num_time_masks,
        time_width,
        num_band_masks,
        band_width,
        dropout,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_copies < 1:
            raise ValueError(f"`num_copies` must be at least 1. Received: num_copies={num_copies}")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(
                "`dropout` must lie in [0, 1): at 1 nothing would be left. "
                f"Received: dropout={dropout}"
            )
        if seed < 0:
            raise ValueError(f"`seed` must not be negative. Received: seed={seed}")
        self.num_copies = num_copies
        self.num_time_masks = num_time_masks
        self.time_width = time_width
        self.num_band_masks = num_band_masks
        self.band_width = band_width
        self.dropout = dropout
        self.seed = seed
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self._masking(seed)  # It refuses what it cannot draw, now and not when first called.

    def build(self, input_shape):
        _, frames, bands = input_shape
        if frames is None or bands is None:
            raise ValueError(
                "MaskedCopies needs to know frames and bands. Received: spectrograms of shape "
                f"{tuple(input_shape)}"
            )
        self.factors = self.add_weight(
            name="factors",
            shape=(self.num_copies, frames, bands),
            # A function, for Keras calls it outside the graph that may just be traced.
            initializer=self._drawn_factors,
            trainable=False,
        )
        self.input_spec = keras.layers.InputSpec(shape=(None, frames, bands))

    def _drawn_factors(self, shape, dtype):
        masks, losses = (
            int(each) for each in np.random.default_rng(self.seed).integers(2**31, size=2)
        )
        masked = self._masking(masks)(ops.ones(shape, "float32"), training=True)
        return ops.cast(keras.random.dropout(masked, self.dropout, seed=losses), dtype)

    def _masking(self, seed):
        return SpecAugment(
            self.num_time_masks,
            self.time_width,
            self.num_band_masks,
            self.band_width,
            fill="zero",
            seed=seed,
            dtype="float32",
        )

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_copies, *input_shape[1:])

    def call(self, spectrograms):
        return ops.expand_dims(spectrograms, 1) * self.factors
