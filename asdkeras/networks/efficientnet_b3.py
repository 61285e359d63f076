"""EfficientNet-B3 for spectrograms: the network of Keras without what it does to pixels."""

import keras

from asdkeras.layers.fused_batch_normalization import with_fused_normalization
from asdkeras.mixed_precision import network

_LEAST_SIZE = 32  # The network halves both axes five times.
_FOR_PIXELS = (keras.layers.Rescaling, keras.layers.Normalization)


@network
def efficientnet_b3(spectrograms):
    """Feature map of a spectrogram, 32 times smaller in both directions, of 1536 channels.

    The network of Keras, not pre-trained, changed where `tf_efficientnet_b3_ns` of PyTorch
    Image Models is another network when it is created without arguments:

    - no division by 255 and no normalization in front: spectrograms are no pixels;
    - no stochastic depth, where Keras drops residual branches with up to 0.2;
    - batch normalizations whose moving averages keep 0.9, where Keras has 0.99; epsilon is
      1e-3 in both.

    What stays different are the initial kernels: normal with the same variance, 2 / (size *
    filters) and 2 / size in depthwise convolutions, but truncated at two deviations. Strided
    convolutions pad as TensorFlow does, which the `tf_` of the name stands for.

    With one channel in there are 10,695,512 trainable weights. A spectrogram of 256 frames
    and 256 bands becomes 8 x 8 x 1536. The layers are those of an inner model,
    `efficientnetb3`.

    Args:
        spectrograms: Keras tensor, float, `(batch, frames, bands, channels)`, all but the
            batch fixed, frames and bands at least 32 each.

    Returns:
        `(batch, ceil(frames / 32), ceil(bands / 32), 1536)`, not below -0.279, the least
        value of the last swish.

    Raises:
        ValueError: if the spectrograms have another rank, no fixed size or are too small.

    References:
        Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
        Networks", ICML 2019. Compared with github.com/huggingface/pytorch-image-models,
        commit aa4b585. Named by Kuroyanagi et al., "Anomalous Sound Detection with Ensemble
        of Autoencoder and Binary Classification Approaches", DCASE 2021 Challenge.
    """
    shape = tuple(spectrograms.shape[1:])
    if len(shape) != 3 or None in shape or min(shape[:2]) < _LEAST_SIZE:
        raise ValueError(
            "`spectrograms` must have the shape (batch, frames, bands, channels) with fixed "
            f"frames and bands of at least {_LEAST_SIZE} each, because the network halves both "
            f"five times. Received: spectrograms of shape {tuple(spectrograms.shape)}. Use "
            "longer windows or more bands."
        )
    network = keras.applications.EfficientNetB3(include_top=False, weights=None, input_shape=shape)
    return keras.models.clone_model(network, clone_function=_adapted, call_function=_called)(
        spectrograms
    )


def _adapted(layer):
    layer = with_fused_normalization(layer)
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.momentum = 0.9
    return layer


def _called(layer, *args, **kwargs):
    """The output of a layer, or its input if the layer is one that is left out."""
    if isinstance(layer, (*_FOR_PIXELS, keras.layers.Dropout)):
        return args[0]
    return layer(*args, **kwargs)
