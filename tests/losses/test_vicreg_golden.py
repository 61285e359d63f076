"""VICReg, Consistency and MixedDivergence against recorded outputs of public code."""

import numpy as np
import pytest
import tensorflow as tf

from asdkeras.losses.mixed_divergence import MixedDivergence
from asdkeras.losses.vicreg import (
    Consistency,
    VICReg,
    covariance_term,
    squared_distance,
    variance_term,
)
from tests.golden import load_golden

VICREG = load_golden("vicreg/vicreg_terms")
X, Y = VICREG["x"].astype("float32"), VICREG["y"].astype("float32")
DGMIX = load_golden("vicreg/dgmix_losses")


def approx(value):
    """Equal but for the rounding of float32."""
    return pytest.approx(float(value), rel=2e-6)


def test_loss_and_terms_are_those_of_the_released_code():
    layer = VICReg()

    loss = layer(X, Y)

    assert float(loss) == approx(VICREG["loss"])
    assert {metric.name: float(metric.result()) for metric in layer.metrics} == {
        name: approx(VICREG[name]) for name in ("invariance", "variance", "covariance")
    }


def test_gradients_are_those_of_the_released_code():
    x, y = tf.constant(X), tf.constant(Y)
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        loss = VICReg()(x, y)
    gradients = tape.gradient(loss, [x, y])
    for name, gradient in zip("xy", gradients, strict=True):
        # Sums of terms up to 0.3 that may cancel.
        np.testing.assert_allclose(gradient, VICREG[f"grad_{name}"], rtol=1e-5, atol=1e-6)


def test_the_terms_as_printed_are_those_recorded():
    assert float(squared_distance(X, Y, "sum")) == approx(VICREG["paper_s_sum_over_D"])
    assert float(squared_distance(X, Y, "mean")) == approx(VICREG["paper_s_mean_over_ND"])
    assert float(variance_term(X)) == approx(VICREG["paper_v_x"])
    assert float(variance_term(Y)) == approx(VICREG["paper_v_y"])
    assert float(variance_term(X, epsilon=0.0)) == approx(VICREG["paper_v_x_noeps"])
    assert float(covariance_term(X)) == approx(VICREG["paper_c_x"])
    assert float(covariance_term(Y)) == approx(VICREG["paper_c_y"])


def test_the_printed_loss_is_the_weighted_sum_of_the_terms_as_printed():
    terms = (
        VICREG["paper_s_sum_over_D"],
        float(variance_term(X, epsilon=0.0)) + float(variance_term(Y, epsilon=0.0)),
        VICREG["paper_c_x"] + VICREG["paper_c_y"],
    )
    assert float(VICReg(form="printed")(X, Y)) == approx(np.dot((25.0, 25.0, 1.0), terms))


def test_the_variance_is_unbiased():
    assert float(variance_term(X)) != pytest.approx(float(VICREG["paper_v_x_biased"]), rel=0.02)


@pytest.fixture(scope="module")
def dgmix():
    """What enters the losses of DG-Mix, in float64, from the recorded inputs and maps."""
    half = len(DGMIX["spec"]) // 2
    weight = DGMIX["lam_used_float32"][:, None]

    def encoded(images):
        rows = np.repeat(images[:, None], 3, axis=1).reshape(len(images), -1)
        return np.tanh(rows @ DGMIX["W_encoder"])

    def mixed(values):
        by_row = weight.reshape(-1, *[1] * (values.ndim - 1))
        return by_row * values[:half] + (1.0 - by_row) * values[half:]

    together, alone = encoded(mixed(DGMIX["spec"])), encoded(DGMIX["spec"])
    return {
        "Z": alone[:half] @ DGMIX["W_expander"],
        "Zprime": alone[half:] @ DGMIX["W_expander"],
        "Zlambda": together @ DGMIX["W_expander"],
        "mixture": mixed(alone @ DGMIX["W_expander"]),
        "encoded": together,
        "encoded mixture": mixed(alone),
        "logits": together @ DGMIX["W_section"] + DGMIX["b_section"],
        "labels": mixed(DGMIX["section_onehot"]),
    }


@pytest.mark.parametrize("name", ["Z", "Zprime", "Zlambda"])
def test_our_reading_of_the_recorded_maps_gives_the_recorded_embeddings(dgmix, name):
    np.testing.assert_allclose(dgmix[name], DGMIX[name], rtol=1e-7, atol=1e-8)


def test_the_pretraining_loss_is_that_of_the_unofficial_code(dgmix):
    layer = VICReg()

    loss = layer(dgmix["Z"], dgmix["Zprime"], compared=(dgmix["Zlambda"], dgmix["mixture"]))

    assert float(loss) == approx(DGMIX["pre_loss"])
    assert {metric.name: float(metric.result()) for metric in layer.metrics} == {
        "invariance": approx(DGMIX["pre_repr_loss"]),
        "variance": approx(DGMIX["pre_std_loss"]),
        "covariance": approx(DGMIX["pre_cov_loss"]),
    }


@pytest.mark.parametrize(
    ("form", "name"),
    [("released", "eq1_encoder_mean"), ("printed", "eq1_encoder_sum_over_D")],
)
def test_the_consistency_of_the_encoder_is_the_recorded_one(dgmix, form, name):
    loss = Consistency(form=form)(dgmix["encoded"], dgmix["encoded mixture"])
    assert float(loss) == approx(DGMIX[name])


def test_the_finetuning_loss_is_that_of_the_unofficial_code(dgmix):
    divergence = MixedDivergence()(dgmix["labels"], dgmix["logits"])
    consistency = Consistency()(dgmix["encoded"], dgmix["encoded mixture"])
    assert float(divergence) == approx(DGMIX["fin_section_loss"])
    assert float(divergence + consistency) == approx(DGMIX["fin_loss"])
