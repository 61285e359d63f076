"""One length for all clips, as part of a model: clips of any length go in."""

import keras
from keras import ops

_KEEPS = ("start", "end")


@keras.saving.register_keras_serializable(package="asdkeras")
class HeardPart(keras.layers.Layer):
    """The part of a clip that a network hears: its start or its end, or the clip repeated.

    What `fit_clip_length` does, for clips whose length is only known when they come.
    Sample `i` of the part is sample `(i + offset) % samples` of the clip, where `offset` is
    what a longer clip has too much if its end is kept, and 0 otherwise.

    Args:
        clip_length: int, at least 1, samples of the part.
        keep: `start` or `end`, which part of a longer clip stays. A shorter one is repeated
            from its start in either case.

    Call arguments:
        waveforms: `(batch, samples)`, any number of samples but 0, any type.

    Output shape: `(batch, clip_length)`, in the type of the waveforms.

    Raises:
        ValueError: if `clip_length` is below 1 or `keep` unknown; when called, if the
            waveforms are known to be empty.
    """

    def __init__(self, clip_length, keep="start", **kwargs):
        super().__init__(autocast=False, **kwargs)
        if clip_length < 1:
            raise ValueError(
                f"`clip_length` must be at least 1. Received: clip_length={clip_length}"
            )
        if keep not in _KEEPS:
            raise ValueError(f"`keep` must be one of {_KEEPS}. Received: keep={keep!r}")
        self.clip_length = clip_length
        self.keep = keep
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def compute_output_spec(self, waveforms):
        _check_not_empty(waveforms)
        return keras.KerasTensor((waveforms.shape[0], self.clip_length), waveforms.dtype)

    def call(self, waveforms):
        _check_not_empty(waveforms)
        samples = ops.shape(waveforms)[1]
        places = ops.arange(self.clip_length, dtype="int32")
        if self.keep == "end":
            places = places + ops.maximum(samples - self.clip_length, 0)
        return ops.take(waveforms, places % samples, axis=1)


def _check_not_empty(waveforms):
    if waveforms.shape[1] == 0:
        raise ValueError(
            "A clip needs at least one sample, for there is nothing to repeat otherwise. "
            f"Received: waveforms of shape {tuple(waveforms.shape)}"
        )
