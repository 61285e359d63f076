"""The dense autoencoder of the official baselines, the same in every year that had one."""

from keras import layers

from asdkeras.layers.fused_batch_normalization import FusedBatchNormalization
from asdkeras.mixed_precision import network

_HIDDEN_UNITS = (128, 128, 128, 128, 8, 128, 128, 128, 128)


@network
def baseline_autoencoder(vectors):
    """Reconstruction of a few stacked log-mel frames through a bottleneck of 8 units.

    Trained with the mean squared error on normal sounds only, it learns what they have in
    common; what it cannot reconstruct is taken for anomalous. Nine hidden layers of 128
    units, 8 in the middle one, each dense, batch normalization, ReLU in this order; the
    output is dense alone, so it can be negative, as decibels are.

    The weights come in the order of the official Keras models: kernel, bias, gamma, beta,
    moving mean and moving variance of every hidden layer, then kernel and bias of the
    output. With 640 values there are 269,992, 267,928 of them trainable.

    Args:
        vectors: Keras tensor, float, `(batch, dim)`, of fixed `dim`, in dB and not scaled:
            5 frames of 128 bands, one frame after the other, in the baselines.

    Returns:
        `(batch, dim)`, in dB.

    Raises:
        ValueError: if the vectors have another rank or no fixed length.

    References:
        github.com/y-kawagu/dcase2021_task2_baseline_ae, commit 7d7f5cc;
        github.com/Kota-Dohi/dcase2022_task2_baseline_ae, commit 8ab52e1;
        github.com/nttcslab/dcase2023_task2_baseline_ae, commit 3542486, where PyTorch's
        momentum of 0.01 is the 0.99 of Keras.
    """
    if len(vectors.shape) != 2 or vectors.shape[-1] is None:
        raise ValueError(
            "`vectors` must have the shape (batch, dim) with a fixed dim: the output layer has "
            f"as many units. Received: vectors of shape {tuple(vectors.shape)}. Stack the frames "
            "of a vector along its last axis."
        )
    x = vectors
    for units in _HIDDEN_UNITS:
        x = layers.Dense(units)(x)
        x = FusedBatchNormalization(momentum=0.99, epsilon=1e-3)(x)
        x = layers.ReLU()(x)
    return layers.Dense(vectors.shape[-1], dtype="float32")(x)
