"""The network of the second approach: as it is trained, and as it scores clips."""

from typing import Any

import keras
from keras import ops

from asdkeras.batches.steps import as_written
from asdkeras.layers.resumable_dropout import ResumableDropout
from asdkeras.layers.spread_windows import SpreadWindows
from asdkeras.losses.arc_face import ArcFace, ArcFaceCrossEntropy
from asdkeras.losses.double_centroids import DoubleCentroids
from asdkeras.networks.efficientnet_b3 import efficientnet_b3
from asdkeras.networks.residual_networks import residual_network
from asdkeras.optimizers.one_cycle import OneCycle, OneCycleAdam
from asdkeras.systems.kuroyanagi.config_sections import Classifier
from asdkeras.systems.kuroyanagi.log_mel import log_mel

BACKBONE = "backbone"
"""Name of the layers before the head."""

_CENTROIDS, _HEAD, _ARC_FACE = "centroids", "head", "arc_face"


def training_model(
    settings: Classifier, sample_rate_hz: int, num_samples: int, steps: int
) -> keras.Model:
    """The classifier, ready for the batches of `outlier_batches` in the form of `targets_of`.

    The head learns at `head_rate`, all before it at `network_rate`; both follow one cycle.

    Returns:
        model from `waveform` and `label` to the logits `head`, the squared distances
        `centroids` and, where there is that loss, the logits `arc_face`.
    """
    waveform = keras.Input((num_samples,), name="waveform")
    label = keras.Input((1,), name="label")
    bands = log_mel(waveform, settings, sample_rate_hz, centered=False)
    embedding = _backbone(settings)(bands)
    outputs = {
        _CENTROIDS: DoubleCentroids(
            settings.ddcsad.reading,
            weight=settings.ddcsad.weight,
            momentum=settings.ddcsad.momentum,
            name=_CENTROIDS,
        )(embedding, label),
        _HEAD: keras.layers.Dense(1, name=_HEAD)(
            keras.layers.ReLU()(ResumableDropout(settings.dropout)(embedding))
        ),
    }
    losses = {_HEAD: keras.losses.BinaryCrossentropy(from_logits=True)}
    weights = {_HEAD: 1.0}
    face = settings.arc_face
    if face.weight > 0:
        outputs[_ARC_FACE] = ArcFace(2, face.scale, name=_ARC_FACE)(embedding)
        losses[_ARC_FACE] = ArcFaceCrossEntropy(face.margin_rad, face.scale)
        weights[_ARC_FACE] = face.weight
    model = keras.Model({"waveform": waveform, "label": label}, outputs)
    optimizer = OneCycleAdam(
        OneCycle(settings.head_rate, steps),
        slow_rate_ratio=settings.network_rate / settings.head_rate,
        fast=_HEAD,
        epsilon=settings.adam_epsilon,
    )
    model.compile(optimizer, losses, loss_weights=weights)
    return model


def targets_of(settings: Classifier, batches: Any) -> Any:
    """Batches of `outlier_batches` with a target for every output that has a loss."""

    def with_targets(
        inputs: keras.KerasTensor, label: keras.KerasTensor
    ) -> tuple[keras.KerasTensor, dict[str, keras.KerasTensor]]:
        targets = {_HEAD: label}
        if settings.arc_face.weight > 0:
            targets[_ARC_FACE] = ops.concatenate([label, 1.0 - label], axis=1)
        return inputs, targets

    return batches.map(as_written(with_targets))


def _backbone(settings: Classifier) -> keras.Model:
    """From a spectrogram `(batch, frames, bands)` to the mean of its feature map."""
    bands = keras.Input((settings.num_frames, settings.num_mel_bins), name="bands")
    image = bands[..., None]
    if settings.backbone == "efficientnet_b3":
        features = efficientnet_b3(image)
    else:
        features = residual_network(image, settings.backbone, settings.width)
    return keras.Model(bands, keras.layers.GlobalAveragePooling2D()(features), name=BACKBONE)


def scoring_model(
    settings: Classifier,
    trained: keras.Model,
    sample_rate_hz: int,
    clip_length: int,
    mean: float,
    deviation: float,
) -> keras.Model:
    """The answers of a trained classifier for whole clips, normalized by `mean` and `deviation`.

    Returns:
        model from waveforms `(batch, clip_length)` to means over the windows of a clip: `logit`
        and `posterior` of the section, squared `distance` to its centroid, all `(batch,)`,
        and `embedding` `(batch, dim)`.
    """
    waveform = keras.Input((clip_length,), name="waveform")
    normalized = keras.layers.Rescaling(1.0 / deviation, -mean / deviation)(waveform)
    bands = log_mel(normalized, settings, sample_rate_hz)
    windows = SpreadWindows(settings.num_windows, settings.num_frames)(bands)
    embeddings = trained.get_layer(BACKBONE)(ops.reshape(windows, (-1, *windows.shape[2:])))
    logits = trained.get_layer(_HEAD)(ops.relu(embeddings))
    distances = trained.get_layer(_CENTROIDS)(embeddings)

    def of_clips(values: keras.KerasTensor) -> keras.KerasTensor:
        return ops.mean(ops.reshape(values, (-1, settings.num_windows, values.shape[-1])), axis=1)

    return keras.Model(
        waveform,
        {
            "logit": of_clips(logits)[:, 0],
            "posterior": of_clips(ops.sigmoid(logits))[:, 0],
            "distance": of_clips(distances)[:, 0],
            "embedding": of_clips(embeddings),
        },
    )
