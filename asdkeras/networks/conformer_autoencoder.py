"""An autoencoder of whole spectrograms and of the section they are of."""

import math

import keras
from keras import layers, ops

from asdkeras.mixed_precision import network
from asdkeras.networks.conformer_block import conformer_block


@network
def conformer_autoencoder(
    frames,
    sections,
    *,
    num_sections,
    section_id="regression",
    num_blocks=4,
    width=144,
    latent_dim=64,
    block=conformer_block,
):
    """Reconstruct a spectrogram, and its section, from a few numbers per frame.

    A dense layer per frame, conformer blocks, a dense layer to the latent with ReLU; then a
    dense layer, conformer blocks and a dense layer back to the features, linear. Nothing
    shortens time: what is narrow is the latent of each frame.

    Train it to reconstruct the clean features of a masked spectrogram; the error is the absolute
    difference. With the defaults, 128 bands and 6 sections it has 3,941,761 parameters, by
    embedding 3,941,856.

    Args:
        frames: float, `(batch, frames, bands)`, bands normalized to mean 0.
        sections: int, `(batch,)`, from 0 to `num_sections - 1`.
        num_sections: int, at least 1.
        section_id: `regression`, the paper's: one more feature of every frame, see
            `with_section_id`, which is reconstructed like the bands; or `embedding`, as in the
            trace: a learned vector that is added to the latent of every frame.
        num_blocks: int, at least 1, of the encoder and of the decoder each. The code of the
            trace has 8 as its default and 4 in its configurations.
        width: int, units per frame in the blocks.
        latent_dim: int, at least 1. The default of the trace is 32, its configurations
            have 64.
        block: function of frames and `name`, `conformer_block` with arguments of its own.

    Returns:
        float, `(batch, frames, bands + 1)`, the reconstruction, of the section ID in the last
        column; by embedding `(batch, frames, bands)`.

    Raises:
        ValueError: if a number is below 1 or `section_id` unknown, and what the blocks raise.

    References:
        Kuroyanagi et al., "Anomalous Sound Detection with Ensemble of Autoencoder and Binary
        Classification Approaches", DCASE 2021 Challenge. Its code is not public; the form is
        that of an older network of the same authors, the trace:
        github.com/ibkuroyagi/birdclef-2021, commit f4ec03b.
    """
    _check(section_id, num_sections=num_sections, num_blocks=num_blocks, latent_dim=latent_dim)
    is_feature = section_id == "regression"
    features = with_section_id(frames, sections, num_sections) if is_feature else frames
    x = layers.Dense(width, name="input")(features)
    for number in range(num_blocks):
        x = block(x, name=f"encoder_{number}")
    latent = layers.Dense(latent_dim, activation="relu", name="latent")(x)
    if not is_feature:
        latent = latent + _section_vector(sections, num_sections, latent_dim)
    x = layers.Dense(width, name="expansion")(latent)
    for number in range(num_blocks):
        x = block(x, name=f"decoder_{number}")
    return layers.Dense(features.shape[-1], dtype="float32", name="reconstruction")(x)


def _check(section_id, **sizes):
    for argument, size in sizes.items():
        if size < 1:
            raise ValueError(f"`{argument}` must be at least 1. Received: {argument}={size}")
    if section_id not in ("regression", "embedding"):
        raise ValueError(
            f"`section_id` must be 'regression' or 'embedding'. Received: section_id={section_id!r}"
        )


def with_section_id(frames, sections, num_sections):
    """Frames `(batch, frames, bands + 1)` whose last column is the section ID, one number.

    Section k of S has `(k - (S - 1) / 2) / sqrt((S^2 - 1) / 12)`: the IDs are as far from each
    other as the numbers of the sections and have mean 0 and variance 1, as the bands have. The
    paper does not say their scale. A single section has 0.

    Args:
        frames: float, `(batch, frames, bands)`.
        sections: int, `(batch,)`, from 0 to `num_sections - 1`.
        num_sections: int, at least 1.
    """
    deviation = math.sqrt((num_sections**2 - 1) / 12.0) or 1.0
    ids = (ops.cast(sections, frames.dtype) - (num_sections - 1) / 2.0) / deviation
    column = ids[:, None, None] + ops.zeros_like(frames[..., :1])
    return ops.concatenate([frames, column], axis=-1)


def _section_vector(sections, num_sections, latent_dim):
    """Float, `(batch, 1, latent_dim)`.

    They start standard normal as in the trace, not within 0.05 as in Keras, beside which the
    latent would hide them.
    """
    vectors = layers.Embedding(
        num_sections,
        latent_dim,
        embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0),
        name="section_vector",
    )
    return ops.expand_dims(vectors(sections), 1)
