"""The heads against a second public implementation, in PyTorch."""

import math

import numpy as np
import pytest
import tensorflow as tf

from asdkeras.losses.ada_proj import AdaProj
from asdkeras.losses.arc_face import ArcFace, ArcFaceCrossEntropy
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos
from tests.golden import golden_names, load_golden

CASES = [
    *golden_names("asdkit_losses", "asdkit_AdaCos_*"),
    *golden_names("asdkit_losses", "asdkit_SCAdaCos_*"),
    *golden_names("asdkit_losses", "asdkit_AdaProj_*"),
]


def head_for(name, golden, scale_update):
    num_classes = golden["y"].shape[1]
    num_subclusters = golden["W"].shape[1] // num_classes
    if "AdaProj" in name:
        head = AdaProj(num_classes, num_subclusters, scale_update=scale_update)
    else:
        update = "adacos2019" if "_AdaCos" in name else scale_update
        head = SubClusterAdaCos(num_classes, num_subclusters, scale_update=update)
    head.build(golden["x"].shape)
    head.centers.assign(golden["W"])
    return head


def test_all_recorded_cases_are_here():
    assert len(CASES) == 6


@pytest.mark.parametrize("scale_update", ["guarded", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_five_training_calls_agree(name, scale_update):
    golden = load_golden(name)
    head = head_for(name, golden, scale_update)
    if "AdaProj" in name:
        # Its start value counts classes, not centers; all else agrees.
        assert float(golden["s_init"]) == pytest.approx(math.sqrt(2) * math.log(4))
        head.scale.assign(golden["s_init"])
    np.testing.assert_allclose(head.scale, golden["s_init"], rtol=1e-6)

    for scale, loss in zip(golden["s_steps"], golden["loss_steps"], strict=True):
        logits = head(golden["x"], golden["y"], training=True)

        np.testing.assert_allclose(head.scale, scale, rtol=1e-5)
        np.testing.assert_allclose(MixedCrossEntropy()(golden["y"], logits), loss, rtol=1e-5)
    assert float(head.scale_clamped) == 0.0


@pytest.mark.parametrize("name", CASES)
def test_gradient_of_the_first_call_agrees(name):
    golden = load_golden(name)
    head = head_for(name, golden, "guarded")
    head.scale.assign(golden["s_init"])
    embeddings = tf.constant(golden["x"])

    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = MixedCrossEntropy()(golden["y"], head(embeddings, golden["y"], training=True))

    gradient = tape.gradient(loss, embeddings)
    np.testing.assert_allclose(gradient, golden["grad_x_step1"], atol=1e-6)


# Made from the definition in float64, on the same embeddings, centers and labels. The
# numbers in the files are another function: the margin on every class.
@pytest.mark.parametrize(
    ("labels", "published", "margin_on_every_class"),
    [
        ("onehot", 55.17590672794208, 26.29040909),
        ("mixlin", 52.98051698093189, 23.27049065),
    ],
)
def test_arc_face_has_its_margin_on_the_labelled_class_only(
    labels, published, margin_on_every_class
):
    golden = load_golden(f"asdkit_losses/asdkit_ArcFace_n8_c5_s1_{labels}")
    head = ArcFace(5)
    head.build(golden["x"].shape)
    head.centers.assign(golden["W"])

    loss = float(ArcFaceCrossEntropy()(golden["y"], head(golden["x"], golden["y"])))

    assert loss == pytest.approx(published, rel=1e-6)
    assert golden["loss_steps"][0] == pytest.approx(margin_on_every_class, rel=1e-6)
    assert abs(loss - golden["loss_steps"][0]) > 1.0
