"""Every front end in anybody's model: `fit`, precision, compilation, saving, any length."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.layers.frame_windows import FrameWindows
from asdkeras.layers.log_mel_spectrogram import LogMelMagnitudes, LogMelSpectrogram
from asdkeras.layers.magnitude_spectrogram import MagnitudeSpectrogram
from asdkeras.layers.magnitude_spectrum import MagnitudeSpectrum

SAMPLES = 400


def log_mel(layer_class=LogMelSpectrogram, **arguments):
    return layer_class(8000, window_length=64, hop_length=32, num_mel_bins=8, **arguments)


def windows_of_log_mel(**arguments):
    return keras.Sequential([log_mel(**arguments), FrameWindows(5, hop=2, **arguments)])


FRONT_ENDS = {
    "log_mel": log_mel,
    "log_mel_above_an_added_floor": lambda **more: log_mel(floor_by="addition", **more),
    "log_mel_of_magnitudes": lambda **more: log_mel(LogMelMagnitudes, pad_mode=None, **more),
    "windows_of_log_mel": windows_of_log_mel,
    "magnitude_spectrogram": lambda **more: MagnitudeSpectrogram(64, 32, **more),
    "magnitude_spectrum": MagnitudeSpectrum,
}
OTHER_LOG_MELS = {"log_mel_above_an_added_floor", "log_mel_of_magnitudes"}


@pytest.fixture(autouse=True)
def _same_weights_in_every_run():
    keras.utils.set_random_seed(0)


def recordings(samples=SAMPLES):
    """Faint noise, every other clip with a tone, and which ones have it."""
    rng = np.random.default_rng(0)
    has_tone = np.arange(32) % 2 == 0
    tone = np.sin(2 * np.pi * 1000 / 8000 * np.arange(samples) + rng.uniform(0, 6, (32, 1)))
    waveforms = 0.02 * rng.normal(size=(32, samples)) + 0.2 * has_tone[:, None] * tone
    return waveforms.astype("float32"), has_tone[:, None].astype("float32")


def classifier_of(front_end, policy):
    waveforms = keras.Input((SAMPLES,))
    x = keras.layers.Flatten(dtype=policy)(front_end(dtype=policy)(waveforms))
    x = keras.layers.BatchNormalization(dtype=policy)(x)
    probability = keras.layers.Dense(1, activation="sigmoid", dtype="float32")(x)
    model = keras.Model(waveforms, probability)
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    return model


@pytest.mark.parametrize(
    "policy", [pytest.param("float32", marks=pytest.mark.slow), "mixed_float16"]
)
@pytest.mark.parametrize("name", sorted(set(FRONT_ENDS) - OTHER_LOG_MELS))
def test_model_with_a_front_end_learns_and_loads_as_it_was(name, policy, tmp_path):
    waveforms, has_tone = recordings()
    model = classifier_of(FRONT_ENDS[name], policy)

    losses = model.fit(waveforms, has_tone, batch_size=8, epochs=5, verbose=0).history["loss"]

    assert losses[-1] < 0.5 * losses[0]
    assert all(np.all(np.isfinite(weight)) for weight in model.get_weights())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(
        loaded.predict_on_batch(waveforms), model.predict_on_batch(waveforms), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_front_end_is_the_same_in_a_graph_and_with_xla(name):
    waveforms, _ = recordings()
    front_end = FRONT_ENDS[name]()
    expected = np.asarray(front_end(waveforms))
    for arguments in ({}, {"jit_compile": True}):
        features = tf.function(front_end, **arguments)(tf.constant(waveforms))
        np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(FRONT_ENDS) - {"magnitude_spectrum"}))
def test_graph_for_clips_of_any_length_is_that_of_each_length(name):
    front_end = FRONT_ENDS[name]()
    graph = tf.function(front_end, input_signature=[tf.TensorSpec((None, None))])
    for samples in (SAMPLES, 777):
        waveforms, _ = recordings(samples)
        expected = np.asarray(front_end(waveforms))
        np.testing.assert_allclose(graph(waveforms), expected, rtol=1e-5, atol=1e-5)
