"""What is not known to be normal is anomalous: NaN, infinity, and what layers make of them."""

import keras
import numpy as np
import pytest
from keras import ops

from asdkeras.detector.decision import NAME, decided, with_decision
from asdkeras.detector.fitted_machine import Machine

MACHINE = Machine("fan", "fan", "00", 100, 100, "start", 0.5)


def earlier(score):
    """A graph whose decision is a comparison."""
    waveform = keras.Input((None,), name="waveform")
    scores = score(waveform)
    outputs = {"anomaly_score": scores, "is_anomalous": scores > 0.5, "embedding": waveform[:, :2]}
    return keras.Model(waveform, outputs, name="detector")


SWALLOWING = {
    "limit": lambda waveform: ops.clip(ops.mean(ops.clip(waveform, 0.0, 0.4), axis=1), 0.0, 0.4),
    "part": lambda waveform: ops.mean(ops.abs(waveform[:, :100]), axis=1),
    "minimum": lambda waveform: ops.min(ops.minimum(ops.abs(waveform), 0.1), axis=1),
    "largest": lambda waveform: ops.top_k(-ops.abs(waveform), 1)[0][:, 0],
    "index": lambda waveform: 0.0 * ops.cast(ops.argmin(waveform, axis=1), "float32"),
}


@pytest.mark.parametrize("score", SWALLOWING.values(), ids=SWALLOWING)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 150])
def test_no_layer_hides_a_sample_that_is_not_finite(score, value, place):
    waveforms = 0.1 * np.random.default_rng(0).uniform(-1, 1, (3, 200)).astype("float32")
    waveforms[1, place] = value
    model = with_decision(earlier(score), MACHINE)

    outputs = {name: each.numpy() for name, each in model(waveforms).items()}

    assert outputs["is_anomalous"].tolist() == [False, True, False]
    assert np.isfinite(outputs["anomaly_score"]).tolist() == [True, False, True]
    np.testing.assert_array_equal(outputs["embedding"], waveforms[:, :2])


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_anomalous(score):
    _, is_anomalous = decided(np.zeros((1, 9), "float32"), np.float32([score]), 0.5)
    assert bool(is_anomalous[0])


def test_the_threshold_itself_is_normal():
    scores = np.float32([0.4, 0.5, 0.6, np.finfo(np.float32).min])
    found, is_anomalous = decided(np.zeros((4, 9), "float32"), scores, 0.5)
    assert ops.convert_to_numpy(is_anomalous).tolist() == [False, False, True, False]
    np.testing.assert_array_equal(found, scores)


def test_a_graph_is_given_the_decision_once():
    model = with_decision(earlier(SWALLOWING["limit"]), MACHINE)
    assert model.name == NAME
    assert with_decision(model, MACHINE) is model
