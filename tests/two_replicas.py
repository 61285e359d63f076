"""Trainings on one device and on two, for the same batches: `python -m tests.two_replicas`.

Prints the losses of each, its numbers and its weights, as JSON. TensorFlow has to be told of
logical devices before it does anything else, hence a process of its own.
"""

import contextlib
import json
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from asdkeras.layers.mix_with_reversed import MixWithReversed
from asdkeras.losses.ada_proj import AdaProj
from asdkeras.losses.arc_face import ArcFace, ArcFaceCrossEntropy
from asdkeras.losses.batch_squared_error import BatchSquaredError
from asdkeras.losses.double_centroids import DoubleCentroids
from asdkeras.losses.finite_training import FiniteTraining, scales_of
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
from asdkeras.losses.scale_record import guard_notes, scale_values
from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos
from asdkeras.losses.vicreg import Consistency, VICReg
from asdkeras.optimizers.lars import LARS
from asdkeras.optimizers.one_cycle import OneCycle, OneCycleAdam
from asdkeras.systems.system import learning_rate

CLASSES, DIM, CLIPS, BATCH = 3, 5, 20, 8  # The last batch of an epoch has four clips.


def with_head(head, loss, optimizer="sgd"):
    def build():
        inputs = {"x": keras.Input((6,), name="x"), "y": keras.Input((CLASSES,), name="y")}
        embedding = keras.layers.Dense(DIM, name="embed")(inputs["x"])
        model = keras.Model(inputs, head()(embedding, inputs["y"]))
        model.compile(optimizer if isinstance(optimizer, str) else optimizer(), loss())
        return model

    return build


def mixed():
    inputs = {"x": keras.Input((6,), name="x"), "y": keras.Input((CLASSES,), name="y")}
    features = MixWithReversed()(inputs["x"], inputs["y"][:, :1] / 3.0)
    model = keras.Model(inputs, keras.layers.Dense(CLASSES, name="embed")(features))
    model.compile("sgd", "mse", metrics=[BatchSquaredError()])
    return model


def several_losses():
    """Layers that add losses before and behind others in which replicas wait for each other."""
    inputs = {"x": keras.Input((6,), name="x"), "y": keras.Input((CLASSES,), name="y")}
    dense = keras.layers.Dense(DIM, name="embed")
    embedding, other = dense(inputs["x"]), dense(2.0 * inputs["x"] + 1.0)
    losses = [Consistency(name="before")(embedding, other)]
    logits = AdaProj(CLASSES, 2, name="head")(embedding, inputs["y"])
    distances = DoubleCentroids(name="centroids")(embedding, inputs["y"][:, :1])
    losses += [VICReg(name="vicreg")(embedding, other)]
    losses += [Consistency(name="behind")(logits, inputs["y"])]
    model = keras.Model(inputs, {"logits": logits, "rest": distances + sum(losses)})
    model.compile(keras.optimizers.SGD(0.001), {"logits": MixedCrossEntropy()})
    return model


MODELS = {
    "ada_proj": with_head(
        lambda: AdaProj(CLASSES, 2, trainable_centers=True, scale_update="reference", name="head"),
        MixedCrossEntropy,
    ),
    "sub_cluster_adacos": with_head(
        lambda: SubClusterAdaCos(CLASSES, 2, scale_ceiling=2.5, name="head"),
        MixedCrossEntropy,
        lambda: LARS(0.1),
    ),
    "arc_face": with_head(
        lambda: ArcFace(CLASSES, 8.0, name="head"),
        lambda: ArcFaceCrossEntropy(0.3, 8.0),
        lambda: OneCycleAdam(OneCycle(0.01, 6)),
    ),
    "several_losses": several_losses,
    "mixed": mixed,
}


def training_data():
    generator = np.random.default_rng(0)
    one_hot = np.eye(CLASSES, dtype="float32")[generator.integers(CLASSES, size=CLIPS)]
    # The halves of a batch differ, and so do the scales that either would want.
    inputs = (
        generator.normal(size=(CLIPS, 6)) + 3.0 * (np.arange(CLIPS) % BATCH < BATCH // 2)[:, None]
    )
    return {"x": inputs.astype("float32"), "y": one_hot}


def train(build, scope):
    keras.utils.set_random_seed(0)
    data, batches = training_data(), []
    with scope:
        model = build()
    note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: batches.append(logs))
    labels = {} if model.loss is None else {"y": data["y"]}
    if isinstance(model.loss, dict):
        labels = {"y": {"logits": data["y"]}}
    history = model.fit(
        data,
        batch_size=BATCH,
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[FiniteTraining(), note],
        **labels,
    )
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        loaded = keras.saving.load_model(Path(folder) / "model.keras")
    weights = {
        weight.path: keras.ops.convert_to_numpy(weight).ravel().tolist()
        for weight in loaded.weights
    }
    return {
        "batches": batches,
        "history": history.history,
        "numbers": scale_values(model) | scales_of(model) | learning_rate(model),
        "notes": guard_notes(model),
        "weights": weights,
        "copies": copies(model),
    }


def copies(model):
    """How far the copies of weights differ between replicas."""
    return {
        weight.path: max(
            float(np.ptp(np.stack([each.numpy() for each in weight.value.values]), axis=0).max()),
            0.0,
        )
        for weight in model.weights
        if hasattr(weight.value, "values")
    }


def main():
    (device,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    results = {
        name: [train(build, scope()) for scope in (contextlib.nullcontext, strategy.scope)]
        for name, build in MODELS.items()
    }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
