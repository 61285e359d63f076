"""The attentive neural process: some points of a window tell what the others may be."""

import dataclasses

import keras
from keras import layers, ops

from asdkeras.mixed_precision import network

_NUM_COORDINATES = 2  # Time and frequency.
_SMALLEST_DEVIATION = 0.1
_EPSILON = 1e-5  # Of the layer normalization; PyTorch's, where Keras has 1e-3.


@dataclasses.dataclass(frozen=True)
class NeuralProcess:
    """Two models that share no weights.

    Attributes:
        latent_path: from points `(batch, points, 3)` to normal distributions of the latent,
            `(batch, width, 2)`, mean and standard deviation, the latter in (0.1, 1). Of the
            context alone it is the prior, of all points the posterior.
        prediction: from [context points `(batch, context, 3)`, latent `(batch, width)`,
            places `(batch, targets, 2)`] to normal distributions of the values there,
            `(batch, targets, 2)`, mean and standard deviation, the latter above 0.1.
    """

    latent_path: keras.Model
    prediction: keras.Model


def attentive_neural_process(width=128, num_heads=8):
    """Predict the values of a spectrogram at any places from those at some places.

    A point is (time, frequency, value), a place (time, frequency). Two encoders read the
    context points, in whatever order they come: the deterministic path gives each point a
    vector, from which a target takes what it needs by attention, its place asking and the
    places of the context answering; the latent path sums the context up in one random
    vector, the same for all targets. A decoder turns what a target got, the latent and its
    place into a normal distribution. Targets know nothing of each other.

    Deterministic path: dense layers, then self-attention of the context, added to its
    input and layer-normalized. Latent path: dense layers, mean over the points, one more
    layer, mean and standard deviation `0.1 + 0.9 sigmoid`. Dense layers have ReLU but for
    the last; there are 4 in either encoder, 2 for keys and queries, which share them, and 3
    in the decoder, whose standard deviation is `0.1 + 0.9 softplus`. Attention has no
    biases and starts with a standard deviation of `width ** -0.5`.

    The memory of attention grows with context times targets: at 2048 targets and 1024
    context points each head holds 8 MB per window, and training several times that.

    Args:
        width: int, units of every layer and size of the latent, a multiple of `num_heads`.
            The published code has 128.
        num_heads: int, of both attentions.

    Returns:
        `NeuralProcess`.

    Raises:
        ValueError: if `width` is no multiple of `num_heads`.

    References:
        Kim et al., "Attentive Neural Processes", ICLR 2019, as its released code has it:
        github.com/deepmind/neural-processes, commit aca7e38. The self-attention is that of
        patent US11978476B2 on anomalous sound, its form here is ours.
    """
    if width < 1 or num_heads < 1 or width % num_heads:
        raise ValueError(
            "`width` must be a multiple of `num_heads`, for each head has as many units. "
            f"Received: width={width}, num_heads={num_heads}"
        )
    return NeuralProcess(_latent_path(width), _prediction(width, num_heads))


def _latent_path(width):
    points = keras.Input((None, _NUM_COORDINATES + 1), name="points")
    return keras.Model(points, _latent(points, width), name="latent_path")


@network
def _latent(points, width):
    summary = ops.mean(_dense_layers(points, [width] * 4, "latent"), axis=1)
    hidden = layers.Dense(width, activation="relu", name="latent_hidden")(summary)
    mean = layers.Dense(width, dtype="float32", name="latent_mean")(hidden)
    spread = layers.Dense(width, "sigmoid", dtype="float32", name="latent_spread")(hidden)
    return ops.stack([mean, _deviation(spread)], axis=-1)


def _prediction(width, num_heads):
    context = keras.Input((None, _NUM_COORDINATES + 1), name="context")
    latent = keras.Input((width,), name="latent")
    places = keras.Input((None, _NUM_COORDINATES), name="places")
    gaussians = _predicted(context, latent, places, width, num_heads)
    return keras.Model([context, latent, places], gaussians, name="prediction")


@network
def _predicted(context, latent, places, width, num_heads):
    encoded = _dense_layers(context, [width] * 4, "encoder")
    attended = _attention(width, num_heads, "self_attention")(encoded, encoded)
    encoded = layers.LayerNormalization(epsilon=_EPSILON, name="encoder_norm")(encoded + attended)
    address = _address(width)
    queries, keys = address(places), address(context[..., :_NUM_COORDINATES])
    found = _attention(width, num_heads, "cross_attention")(queries, encoded, keys)

    everywhere = ops.zeros_like(found) + ops.expand_dims(latent, 1)
    known = ops.concatenate([found, everywhere, places], axis=-1)
    decoded = _dense_layers(known, [width, width, 2], "decoder", dtype="float32")
    return ops.stack([decoded[..., 0], _deviation(ops.softplus(decoded[..., 1]))], axis=-1)


def _address(width):
    """What places ask with and answer to; one model, so that both share it."""
    places = keras.Input((None, _NUM_COORDINATES), name="address_places")
    return keras.Model(places, _dense_layers(places, [width] * 2, "address"), name="address")


def _dense_layers(x, sizes, name, dtype=None):
    """Dense layers of these sizes; `dtype` is that of the last one."""
    for number, size in enumerate(sizes[:-1]):
        x = layers.Dense(size, activation="relu", name=f"{name}_{number}")(x)
    return layers.Dense(sizes[-1], dtype=dtype, name=f"{name}_{len(sizes) - 1}")(x)


def _attention(width, num_heads, name):
    return layers.MultiHeadAttention(
        num_heads,
        width // num_heads,
        use_bias=False,
        kernel_initializer=keras.initializers.RandomNormal(stddev=width**-0.5),
        name=name,
    )


def _deviation(spread):
    """A standard deviation from a positive number; the bound keeps the likelihood finite."""
    return _SMALLEST_DEVIATION + (1.0 - _SMALLEST_DEVIATION) * spread
