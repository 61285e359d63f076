"""SubClusterAdaCos and its loss against the numbers of the released code."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos
from tests.golden import golden_names, load_golden
from tests.losses.recorded import load_case

CASES = golden_names("wilkinghoff_losses", "SCAdaCos_*")
TRAININGS = golden_names("wilkinghoff_losses", "minitrain_SCAdaCos_*")

# The stable form and the form of the reference, each with its loss.
FORMS = pytest.mark.parametrize(
    ("scale_update", "form"), [("guarded", "log"), ("reference", "reference")]
)


def head_of(golden, scale_update):
    head = SubClusterAdaCos(
        int(golden["n_classes"]), int(golden["n_subclusters"]), scale_update=scale_update
    )
    head.build(golden["x"].shape)
    head.centers.assign(golden["W"])
    return head


def test_all_recorded_cases_are_here():
    assert (len(CASES), len(TRAININGS)) == (18, 4)


@FORMS
@pytest.mark.parametrize("name", CASES)
def test_five_training_calls_follow_the_released_code(name, scale_update, form):
    golden = load_case(name)
    head = head_of(golden, scale_update)
    loss_per_clip = MixedCrossEntropy(form, reduction=None)
    np.testing.assert_allclose(head.scale, golden["s_init"], rtol=1e-6)

    for step in range(5):
        logits = head(golden["x"], golden["y"], training=True)

        losses = loss_per_clip(golden["y"], logits)
        np.testing.assert_allclose(head.scale, golden["s_steps"][step], rtol=1e-5)
        np.testing.assert_allclose(np.mean(losses), golden["loss_steps"][step], rtol=1e-5)
        np.testing.assert_allclose(losses, golden["loss_per_sample_steps"][step], atol=3e-6)
        if "out_steps" in golden:
            probabilities = keras.ops.softmax(logits)
            np.testing.assert_allclose(probabilities, golden["out_steps"][step], atol=1e-6)


@FORMS
@pytest.mark.parametrize("name", CASES)
def test_inference_follows_the_released_code_and_leaves_the_scale(name, scale_update, form):
    golden = load_case(name)
    head = head_of(golden, scale_update)

    logits = head(golden["x"], golden["y"])

    losses = MixedCrossEntropy(form, reduction=None)(golden["y"], logits)
    probabilities = keras.ops.softmax(logits)[: len(golden["eval_out"])]
    np.testing.assert_allclose(probabilities, golden["eval_out"], atol=1e-6)
    np.testing.assert_allclose(losses, golden["eval_loss_per_sample"], atol=3e-6)
    np.testing.assert_allclose(head.scale, golden["s_after_eval"], rtol=1e-6)


@FORMS
@pytest.mark.parametrize("name", CASES)
def test_gradients_of_the_first_call_follow_the_released_code(name, scale_update, form):
    golden = load_case(name)
    head = head_of(golden, scale_update)
    embeddings = tf.constant(golden["x"])

    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = MixedCrossEntropy(form)(golden["y"], head(embeddings, golden["y"], training=True))
    by_embedding, by_center = tape.gradient(loss, [embeddings, head.centers.value])

    expected = golden["grad_x_step1"]
    np.testing.assert_allclose(by_embedding[: len(expected)], expected, atol=1e-6)
    if "grad_W_step1" in golden:
        np.testing.assert_allclose(by_center, golden["grad_W_step1"], atol=1e-6)


@FORMS
@pytest.mark.parametrize("name", TRAININGS)
def test_five_adam_steps_follow_the_released_code(name, scale_update, form):
    golden = load_golden(name)
    dim, num_centers = golden["W0"].shape
    num_classes = golden["y"].shape[1]
    inputs, labels = keras.Input(golden["x"].shape[1:]), keras.Input((num_classes,))
    dense = keras.layers.Dense(dim, use_bias=False, kernel_regularizer=keras.regularizers.L2(1e-5))
    head = SubClusterAdaCos(
        num_classes,
        num_centers // num_classes,
        trainable_centers="trainable" in name,
        scale_update=scale_update,
    )
    model = keras.Model([inputs, labels], head(dense(inputs), labels))
    model.compile(keras.optimizers.Adam(1e-3, epsilon=1e-7), MixedCrossEntropy(form))
    dense.kernel.assign(golden["kernel0"])
    head.centers.assign(golden["W0"])
    np.testing.assert_allclose(head.scale, golden["s0"], rtol=1e-6)

    for step in range(5):
        model.reset_metrics()
        loss = model.train_on_batch([golden["x"], golden["y"]], golden["y"])

        np.testing.assert_allclose(loss, golden["loss"][step], rtol=5e-5)
        np.testing.assert_allclose(head.scale, golden["s"][step], rtol=5e-5)
        np.testing.assert_allclose(dense.kernel, golden["kernel"][step], atol=5e-5)
        np.testing.assert_allclose(head.centers, golden["W"][step], atol=5e-5)
