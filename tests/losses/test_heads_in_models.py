"""Every head in anybody's model: `fit`, precision, compilation, saving, and huge scales."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.errors import TrainingError
from asdkeras.losses.ada_proj import AdaProj
from asdkeras.losses.arc_face import ArcFace, ArcFaceCrossEntropy
from asdkeras.losses.class_compactness import ClassCompactness, CompactnessLoss
from asdkeras.losses.finite_training import FiniteTraining
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos

NUM_CLASSES, DIM = 4, 8
HEADS = {
    "sub_cluster_adacos": (lambda **more: SubClusterAdaCos(4, 3, **more), MixedCrossEntropy),
    "ada_proj": (lambda **more: AdaProj(4, 3, **more), MixedCrossEntropy),
    "arc_face": (lambda **more: ArcFace(4, 16.0, **more), lambda: ArcFaceCrossEntropy(0.2, 16.0)),
    "class_compactness": (lambda **more: ClassCompactness(4, **more), CompactnessLoss),
}
ADAPTIVE = ["sub_cluster_adacos", "ada_proj"]
POLICIES = ["float32", "mixed_float16", "mixed_bfloat16"]


@pytest.fixture(autouse=True)
def _same_weights_in_every_run():
    keras.utils.set_random_seed(0)


def training_data():
    rng = np.random.default_rng(0)
    classes = rng.integers(NUM_CLASSES, size=32)
    one_hot = np.eye(NUM_CLASSES, dtype="float32")[classes]
    inputs = one_hot @ rng.normal(size=(NUM_CLASSES, 6)) + 0.1 * rng.normal(size=(32, 6))
    return inputs.astype("float32"), one_hot


def mixed(values, weights):
    return weights * values + (1.0 - weights) * values[::-1]


def model_of(name, policy="float32", **arguments):
    make_head, make_loss = HEADS[name]
    inputs, labels = keras.Input((6,)), keras.Input((NUM_CLASSES,))
    embedding = keras.layers.Dense(DIM, use_bias=False, dtype=policy)(inputs)
    model = keras.Model([inputs, labels], make_head(dtype=policy)(embedding, labels))
    model.compile(keras.optimizers.Adam(0.01), make_loss(), **arguments)
    return model


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def share_right(model, inputs, labels):
    """Share of the clips whose main label has the largest logit; near ties do not count."""
    logits = model.predict_on_batch([inputs, labels])
    is_right = logits.argmax(axis=1) == labels.argmax(axis=1)
    return np.mean(is_right[labels.max(axis=1) > 0.7])


def check_training(name, policy, **arguments):
    """A head learns one-hot labels, then mixed ones, and everything stays finite."""
    model = model_of(name, policy, **arguments)
    inputs, one_hot = training_data()
    weights = np.random.default_rng(1).uniform(size=(32, 1)).astype("float32")
    before = share_right(model, inputs, one_hot)
    for data, labels in [(inputs, one_hot), (mixed(inputs, weights), mixed(one_hot, weights))]:
        model.fit(
            [data, labels],
            labels,
            batch_size=8,
            epochs=15,
            verbose=0,
            callbacks=[FiniteTraining()],
        )
        assert share_right(model, data, labels) > max(0.85, before + 0.2)
    assert all(np.all(np.isfinite(weight)) for weight in model.get_weights())


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADS)
def test_head_trains_in_half_precision(name):
    check_training(name, "mixed_float16")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "run_eagerly"),
    [("float32", False), ("mixed_bfloat16", False), *((policy, True) for policy in POLICIES)],
)
@pytest.mark.parametrize("name", HEADS)
def test_head_trains_in_any_precision_with_and_without_a_graph(name, policy, run_eagerly):
    check_training(name, policy, run_eagerly=run_eagerly)


_FIT_WITH_XLA = """
import warnings
from tests.losses.test_heads_in_models import HEADS, POLICIES, check_training, keras
warnings.filterwarnings("error", message=".*jit_compile")
for name in HEADS:
    for policy in POLICIES:
        keras.utils.set_random_seed(0)
        check_training(name, policy, jit_compile=True)
        print(name, policy)
"""


@pytest.mark.slow
def test_head_trains_with_xla_in_any_precision():
    # A process of its own: Keras refuses XLA once determinism is asked for, as other tests do.
    training = run_python(_FIT_WITH_XLA)

    assert training.returncode == 0, training.stderr
    assert training.stdout.split("\n")[:-1] == [f"{n} {p}" for n in HEADS for p in POLICIES]


@pytest.mark.parametrize("name", HEADS)
def test_step_is_the_same_in_a_graph_and_with_xla(name):
    inputs, labels = training_data()
    make_head, make_loss = HEADS[name]
    steps = []
    for compile_step in (lambda step: step, tf.function, tf.function(jit_compile=True)):
        keras.utils.set_random_seed(0)
        head, loss = make_head(), make_loss()
        head.build(inputs.shape)

        @compile_step
        def step(embeddings, head=head, loss=loss):
            with tf.GradientTape() as tape:
                tape.watch(embeddings)
                value = loss(labels, head(embeddings, labels, training=True))
            return value, tape.gradient(value, embeddings)

        results = [step(tf.constant(inputs)) for _ in range(3)]
        steps.append([*results[-1], *head.get_weights()])

    for other in steps[1:]:
        for value, expected in zip(other, steps[0], strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


# Keras finds a class by the name it was registered under, hence the imports.
_LOAD = """
import sys
import keras
import numpy as np
import asdkeras.losses.ada_proj
import asdkeras.losses.arc_face
import asdkeras.losses.class_compactness
import asdkeras.losses.mixed_cross_entropy
import asdkeras.losses.sub_cluster_adacos
for name in sys.argv[2:]:
    recorded = np.load(f"{sys.argv[1]}/{name}.npz")
    model = keras.saving.load_model(f"{sys.argv[1]}/{name}.keras", safe_mode=True)
    logits = model([recorded["inputs"], recorded["labels"]])
    np.testing.assert_allclose(logits, recorded["logits"], rtol=1e-5)
    np.testing.assert_allclose(model.loss(recorded["labels"], logits), recorded["loss"], rtol=1e-5)
    assert int(model.optimizer.iterations) == 1
    print(name)
"""


@pytest.mark.slow
def test_saved_models_load_in_a_fresh_process_with_their_loss(tmp_path):
    inputs, labels = training_data()
    for name in HEADS:
        model = model_of(name, run_eagerly=True)
        model.train_on_batch([inputs, labels], labels)
        model.save(tmp_path / f"{name}.keras")
        logits = model([inputs, labels])
        loss = model.loss(labels, logits)
        np.savez(tmp_path / name, inputs=inputs, labels=labels, logits=logits, loss=loss)

    loading = run_python(_LOAD, tmp_path, *HEADS)

    assert loading.returncode == 0, loading.stderr
    assert loading.stdout.split() == [*HEADS]


@pytest.mark.parametrize("form", ["log", "reference"])
@pytest.mark.parametrize("scale", [1e4, 1e30])
@pytest.mark.parametrize("name", ADAPTIVE)
def test_loss_and_gradient_are_finite_as_long_as_the_scale_is(name, scale, form):
    inputs, labels = training_data()
    head = HEADS[name][0](scale_update="reference")
    head.build(inputs.shape)
    head.scale.assign(scale)
    embeddings = tf.constant(inputs)

    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = MixedCrossEntropy(form)(labels, head(embeddings, labels, training=True))

    assert np.isfinite(float(head.scale))
    assert np.isfinite(float(loss))
    assert np.all(np.isfinite(tape.gradient(loss, embeddings)))


@pytest.mark.parametrize("name", ADAPTIVE)
def test_infinite_scale_stops_the_training_by_name(name):
    inputs, labels = training_data()
    inputs_, labels_ = keras.Input((6,)), keras.Input((NUM_CLASSES,))
    head = HEADS[name][0](scale_update="reference", name="sections", trainable_centers=True)
    model = keras.Model([inputs_, labels_], head(inputs_, labels_))
    model.compile("sgd", MixedCrossEntropy())
    head.scale.assign(np.inf)

    with pytest.raises(TrainingError, match=r"loss no finite number \(sections_scale=(inf|nan)\)"):
        model.fit([inputs, labels], labels, verbose=0, callbacks=[FiniteTraining()])


@pytest.mark.parametrize("name", ADAPTIVE)
def test_guard_keeps_an_infinite_update_out(name):
    inputs, labels = training_data()
    head = HEADS[name][0]()
    head.build(inputs.shape)
    before = float(head.scale)

    head(np.full_like(inputs, np.nan), labels, training=True)

    assert float(head.scale) == before
    assert float(head.scale_clamped) == 1.0
