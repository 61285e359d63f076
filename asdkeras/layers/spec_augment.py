"""SpecAugment: parts of a spectrogram hidden at random."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="asdkeras")
class SpecAugment(keras.layers.Layer):
    """Hides some frames and some bands of each spectrogram, anew at each call.

    A time mask hides neighboring frames in all bands, a band mask neighboring bands in all
    frames. Every mask of every example has a width of its own, each from the narrowest to the
    widest, both included, equally likely, and then a place of its own, each that keeps it
    inside equally likely; masks may overlap. Two views of the same spectrogram come from two
    calls. The time warp that comes before the masks is `TimeWarp`. No gradient reaches what is
    hidden, but through the mean where this is what hides.

    The state of the random generator is saved and loaded with the model: a training that
    goes on from a file draws what it would have drawn without the stop.

    Args:
        num_time_masks: int, at least 0 (paper: m_T).
        time_width: int, at least 0, frames. Width of the widest time mask (paper: T), the
            narrowest has 0; or both, the narrowest first.
        num_band_masks: int, at least 0 (paper: m_F).
        band_width: int, at least 0, bands. Width of the widest band mask (paper: F), or that
            of the narrowest and of the widest.
        fill: str. What hides: `mean`, of the example before it is masked, or `zero`.
        seed: int, or None for draws that differ from run to run.

    Call arguments:
        spectrograms: float, `(batch, frames, bands)`, frames and bands fixed, any scale.

    Output shape: that of `spectrograms`.

    Raises:
        ValueError: if a number or width is negative, a narrowest mask wider than the widest
            or `fill` unknown; when built, if a size is unknown or a mask may be wider than
            its axis is long.

    References:
        Park, Chan, Zhang, Chiu, Zoph, Cubuk, Le, "SpecAugment: A Simple Data Augmentation
        Method for Automatic Speech Recognition", Interspeech 2019. There a mask never
        touches the end of its axis, for its place is drawn from `[0, length - width)`; here
        it may.
    """

    def __init__(
        self,
        num_time_masks,
        time_width,
        num_band_masks,
        band_width,
        fill="mean",
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for name, value in (("num_time_masks", num_time_masks), ("num_band_masks", num_band_masks)):
            if value < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {name}={value}")
        for name, value in (("time_width", time_width), ("band_width", band_width)):
            narrowest, widest = _range(value)
            if not 0 <= narrowest <= widest:
                raise ValueError(
                    f"`{name}` must be a width from 0 on, or two, the narrowest first. "
                    f"Received: {name}={value}"
                )
        if fill not in ("mean", "zero"):
            raise ValueError(f"`fill` must be 'mean' or 'zero'. Received: fill={fill!r}")
        self.num_time_masks = num_time_masks
        self.time_width = time_width
        self.num_band_masks = num_band_masks
        self.band_width = band_width
        self.fill = fill
        self.seed = seed
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self._generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        _, frames, bands = input_shape
        if frames is None or bands is None:
            raise ValueError(
                "SpecAugment needs to know frames and bands. Received: spectrograms of shape "
                f"{tuple(input_shape)}"
            )
        axes = (("time_width", self.time_width, frames), ("band_width", self.band_width, bands))
        for name, width, length in axes:
            if _range(width)[1] > length:
                raise ValueError(
                    f"`{name}` must not be above the length of its axis, {length}, because every "
                    f"mask lies inside. Received: {name}={width}"
                )
        self.input_spec = keras.layers.InputSpec(shape=(None, frames, bands))

    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, spectrograms, training=False):
        if not training:
            return spectrograms
        num_examples = ops.shape(spectrograms)[0]
        _, frames, bands = spectrograms.shape
        hidden_frames = self._hidden(num_examples, frames, self.num_time_masks, self.time_width)
        hidden_bands = self._hidden(num_examples, bands, self.num_band_masks, self.band_width)
        hidden = ops.logical_or(hidden_frames[:, :, None], hidden_bands[:, None, :])
        return ops.where(hidden, self._filling(spectrograms), spectrograms)

    def _hidden(self, num_examples, length, num_masks, width):
        """Bool, `(num_examples, length)`: what any of the masks along an axis hides."""
        narrowest, widest = _range(width)
        shape = (num_examples, num_masks, 1)
        widths = narrowest + self._integers_below(widest - narrowest + 1, shape)
        starts = self._integers_below(length + 1 - widths, shape)
        positions = ops.arange(length, dtype="float32")
        is_inside = ops.logical_and(positions >= starts, positions < starts + widths)
        return ops.any(is_inside, axis=1)

    def _integers_below(self, bounds, shape):
        """Whole numbers from 0 up, in float32 whatever the layer computes in."""
        draws = keras.random.uniform(shape, dtype="float32", seed=self._generator)
        return ops.floor(draws * bounds)

    def _filling(self, spectrograms):
        if self.fill == "zero":
            return ops.zeros((), spectrograms.dtype)
        # The sum of some thousand values leaves the range of float16.
        mean = ops.mean(ops.cast(spectrograms, "float32"), axis=(1, 2), keepdims=True)
        return ops.cast(mean, spectrograms.dtype)

    def save_own_variables(self, store):
        store["generator"] = ops.convert_to_numpy(self._generator.state)

    def load_own_variables(self, store):
        self._generator.state.assign(store["generator"])


def _range(width):
    """The narrowest and the widest mask."""
    return (0, width) if isinstance(width, int) else width
