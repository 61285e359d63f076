"""An autoencoder of whole spectrograms that is told the section it hears."""

import keras
from keras import layers, ops

from asdkeras.networks.conformer_block import conformer_block


def conformer_autoencoder(
    frames,
    sections,
    *,
    num_sections,
    num_blocks=4,
    width=144,
    latent_dim=64,
    block=conformer_block,
):
    """Reconstruct a spectrogram from a few numbers per frame and the section of the clip.

    A dense layer per frame, conformer blocks, a dense layer to the latent with ReLU; there a
    vector learned for the section is added to every frame; then a dense layer, conformer
    blocks and a dense layer back to the bands, linear. Nothing shortens time: what is narrow
    is the latent of each frame, and each frame may read all others before and after it.

    Train it to reconstruct the clean spectrogram of a masked one; the error is the absolute
    difference. With the defaults, 128 bands and 6 sections it has 3,941,856 parameters.

    The vectors of the sections start standard normal as in the trace, not within 0.05 as in
    Keras, beside which the latent would hide them; the other weights start as Keras has it.

    Args:
        frames: float, `(batch, frames, bands)`, bands normalized to mean 0.
        sections: int, `(batch,)`, from 0 to `num_sections - 1`.
        num_sections: int, at least 1.
        num_blocks: int, at least 1, of the encoder and of the decoder each. The code of the
            trace has 8 as its default and 4 in its configurations.
        width: int, units per frame in the blocks.
        latent_dim: int, at least 1. The default of the trace is 32, its configurations
            have 64.
        block: function of frames and `name`, `conformer_block` with arguments of its own.

    Returns:
        float, `(batch, frames, bands)`, the reconstruction.

    Raises:
        ValueError: if a number is below 1, and what the blocks raise.

    References:
        Kuroyanagi et al., "Anomalous Sound Detection with Ensemble of Autoencoder and Binary
        Classification Approaches", DCASE 2021 Challenge. Its code is not public; the form is
        that of an older network of the same authors, the trace:
        github.com/ibkuroyagi/birdclef-2021, commit f4ec03b.
    """
    sizes = {"num_sections": num_sections, "num_blocks": num_blocks, "latent_dim": latent_dim}
    for argument, size in sizes.items():
        if size < 1:
            raise ValueError(f"`{argument}` must be at least 1. Received: {argument}={size}")
    x = layers.Dense(width, name="input")(frames)
    for number in range(num_blocks):
        x = block(x, name=f"encoder_{number}")
    latent = layers.Dense(latent_dim, activation="relu", name="latent")(x)
    latent = latent + _section_vector(sections, num_sections, latent_dim)
    x = layers.Dense(width, name="expansion")(latent)
    for number in range(num_blocks):
        x = block(x, name=f"decoder_{number}")
    return layers.Dense(frames.shape[-1], name="reconstruction")(x)


def _section_vector(sections, num_sections, latent_dim):
    """Float, `(batch, 1, latent_dim)`."""
    vectors = layers.Embedding(
        num_sections,
        latent_dim,
        embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0),
        name="section_vector",
    )
    return ops.expand_dims(vectors(sections), 1)
