"""The networks of the paper: one trunk, an embedding or several, a classifier for each task."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from asdkeras.layers.gradient_reversal import GradientReversal
from asdkeras.losses.arc_face import ArcFace, ArcFaceCrossEntropy
from asdkeras.networks.chunk_embeddings import chunk_embeddings
from asdkeras.networks.mobile_face_net import linear_embedding, mobile_face_net
from asdkeras.optimizers.fused_adam import FusedAdam
from asdkeras.scorers.terms import Floats
from asdkeras.systems.venkatesh.spectrogram import centered_spectrogram, spectrogram
from asdkeras.systems.venkatesh.tasks import DOMAIN, SECTIONS, ClassifierTask, Tasks

if TYPE_CHECKING:
    from asdkeras.systems.venkatesh.embeddings import Embedders
    from asdkeras.systems.venkatesh2022 import Config

_CHUNKS_AT_ONCE = 47  # Six times as many are the chunks of 10 s: no group is filled up.
_REDUCTIONS = {"clip_mean": "sum_over_batch_size", "known_mean": "mean_with_sample_weight"}


def classifier(config: "Config", tasks: Tasks, learning_rate: float) -> keras.Model:
    """The network with its classifiers, ready for training.

    From the waveform of one chunk, `(batch, chunk_length)`, to logits by task. The losses of a
    clip add up, without the tasks whose class is not known of it (paper: eq. 3), and the loss of
    a batch is the mean over all its clips. With `attribute_loss: known_mean` each task has the
    mean over the clips of known class instead, 0 if there are none, and these add up.
    """
    front_end = config.front_end
    waveform = keras.Input((front_end.chunk_length,), name="waveform")
    network = _network(config, tasks)
    embeddings = dict(zip(tasks.embeddings, network(spectrogram(front_end, waveform)), strict=True))
    logits = {task.name: _logits(config, task, embeddings[task.embedding]) for task in tasks.tasks}
    model = keras.Model(waveform, logits)
    optimizer = FusedAdam(learning_rate, epsilon=config.adam_epsilon)
    model.compile(optimizer, {task.name: _loss(config, task) for task in tasks.tasks})
    return model


def _network(config: "Config", tasks: Tasks) -> keras.Model:
    """From the spectrogram of one chunk to the list of its embeddings."""
    front_end = config.front_end
    chunk = keras.Input((front_end.chunk_frames, front_end.num_bins), name="chunk")
    features = mobile_face_net(chunk)
    embeddings = [
        linear_embedding(features, dim, batch_norm=config.head_batch_norm, name=name)
        for name, dim in tasks.embeddings.items()
    ]
    return keras.Model(chunk, embeddings, name="network")


def _logits(
    config: "Config", task: ClassifierTask, embedding: keras.KerasTensor
) -> keras.KerasTensor:
    num_classes = len(task.labels.classes)
    if task.name == SECTIONS and config.variant == "sec_arcface":
        return ArcFace(num_classes, config.arcface_scale, name=task.name)(embedding)
    if task.name == DOMAIN:
        embedding = GradientReversal(config.adversarial_weight)(embedding)
    return keras.layers.Dense(num_classes, name=task.name)(embedding)


def _loss(config: "Config", task: ClassifierTask) -> keras.losses.Loss:
    reduction = _REDUCTIONS[config.attribute_loss]
    if task.name == SECTIONS and config.variant == "sec_arcface":
        return ArcFaceCrossEntropy(
            config.arcface_margin_rad, config.arcface_scale, reduction=reduction
        )
    return keras.losses.CategoricalCrossentropy(from_logits=True, reduction=reduction)


def clip_embedder(config: "Config", models: "Embedders", epoch: int) -> keras.Model:
    """Model from whole clips, `(batch, clip_length)`, to one vector each, `(batch, dim)`.

    The vector has all embeddings and behind them the views of `views`, merged over the chunks of
    the clip.
    """
    front_end = config.front_end
    trained = models.networks[epoch].model
    network = trained.get_layer("network")
    parts = dict(zip(models.embeddings, network.outputs, strict=True))
    for name, (embedding, basis) in views(models.readers, trained).items():
        reader = keras.layers.Dense(basis.shape[1], use_bias=False, name=f"view_{name}")
        parts[name] = reader(parts[embedding])
        reader.set_weights([basis])
    joined = list(parts.values())
    output = joined[0] if len(joined) == 1 else ops.concatenate(joined, axis=-1)
    waveform = keras.Input((models.clip_length,), name="waveform")
    chunks = chunk_embeddings(
        keras.Model(network.inputs, output),
        centered_spectrogram(front_end, waveform),
        hop=front_end.test_hop,
        chunks_at_once=_CHUNKS_AT_ONCE,
    )
    merge = ops.mean if models.merge == "mean" else ops.std
    return keras.Model(waveform, merge(chunks, axis=1))


def views(
    readers: Iterable[tuple[str, str, str]], trained: keras.Model
) -> dict[str, tuple[str, Floats]]:
    """The view that each classifier has of an embedding that several of them share.

    The part of it that is not orthogonal to every weight of the classifier, in coordinates of
    an orthonormal basis: the rest changes none of its logits.

    Args:
        readers: name, group and embedding of each task, see `ClassifierTask`.

    Returns:
        name of the task's group -> (name of the embedding, basis `(dim, classes)`).
    """
    shared = {}
    grouped = [(name, group, embedding) for name, group, embedding in readers if group]
    for name, group, embedding in grouped:
        if sum(each[2] == embedding for each in grouped) > 1:
            weights = ops.convert_to_numpy(trained.get_layer(name).kernel)
            basis, _ = np.linalg.qr(weights)
            shared[group] = (embedding, basis)
    return shared
