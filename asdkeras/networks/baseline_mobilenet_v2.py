"""The section classifier of the official baselines of 2021 and 2022."""

import keras
from keras import layers, ops

from asdkeras.layers.fused_batch_normalization import with_fused_normalization
from asdkeras.mixed_precision import network

_LEAST_SIZE = 32  # The network halves both axes five times.


@network
def baseline_mobilenet_v2(windows, num_classes, width=0.5):
    """Probabilities of the sections, from a window of a log-mel spectrogram.

    MobileNetV2 as Keras has it, with its own padding, batch normalizations (momentum 0.999,
    epsilon 1e-3) and initial values, not pre-trained: the window is an image of frames by
    bands whose one channel is copied to the three it expects. Trained with the categorical
    cross-entropy on the section of normal sounds; a clip whose own section is improbable is
    taken for anomalous.

    The weights come in the order of the official Keras models. At half width there are
    710,067 of them with 3 classes (691,523 trainable), 713,910 with 6 (695,366 trainable).

    Args:
        windows: Keras tensor, float, `(batch, frames, bands)`, both fixed and at least 32,
            in dB and not scaled: 64 frames of 128 bands in the baselines.
        num_classes: int, at least 2. The sections of the set.
        width: float, above 0. Factor on the number of filters (alpha in Keras).

    Returns:
        `(batch, num_classes)`, softmax probabilities, not logits.

    Raises:
        ValueError: if the windows have another rank, no fixed size or are too small, or
            another argument is out of range.

    References:
        Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018;
        github.com/y-kawagu/dcase2021_task2_baseline_mobile_net_v2, commit e2bb4f7;
        github.com/Kota-Dohi/dcase2022_task2_baseline_mobile_net_v2, commit aaf3932.
    """
    _check(windows, num_classes, width)
    images = ops.repeat(ops.expand_dims(windows, axis=-1), 3, axis=-1)
    trunk = keras.applications.MobileNetV2(
        input_shape=images.shape[1:], alpha=width, weights=None, include_top=False, pooling="avg"
    )
    trunk = keras.models.clone_model(trunk, clone_function=with_fused_normalization)
    classify = layers.Dense(num_classes, "softmax", dtype="float32", name="predictions")
    return keras.Model(trunk.input, classify(trunk.output), name=trunk.name)(images)


def _check(windows, num_classes, width):
    sizes = tuple(windows.shape[1:])
    if len(sizes) != 2 or any(size is None or size < _LEAST_SIZE for size in sizes):
        raise ValueError(
            "`windows` must have the shape (batch, frames, bands) with fixed frames and bands of "
            f"at least {_LEAST_SIZE} each, because the network halves both five times. Received: "
            f"windows of shape {tuple(windows.shape)}. Use longer windows or more bands."
        )
    if num_classes < 2:
        raise ValueError(
            "`num_classes` must be at least 2: the probability of an only class is always 1. "
            f"Received: num_classes={num_classes}"
        )
    if not width > 0.0:
        raise ValueError(f"`width` must be above 0. Received: width={width}")
