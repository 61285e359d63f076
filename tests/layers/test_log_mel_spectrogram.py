"""LogMelSpectrogram against the reference's features and against librosa."""

import keras
import librosa
import numpy as np
import pytest

from asdkeras.layers.log_mel_spectrogram import LogMelSpectrogram
from tests.contracts import check_layer
from tests.golden import load_golden


@pytest.fixture
def waveforms():
    return (0.1 * np.random.default_rng(0).normal(size=(2, 4000))).astype("float32")


def test_features_are_those_of_the_reference():
    golden = load_golden("wilkinghoff_networks/features")
    noise = 0.1 * np.random.RandomState(7).randn(2, 160000)

    log_mel = np.asarray(LogMelSpectrogram(sample_rate_hz=16000)(noise.astype("float32")))

    assert log_mel.shape == (2, 313, 128)
    expected = golden["ijcnn_logmel_frames"]
    np.testing.assert_allclose(log_mel[0][golden["frames"]], expected, atol=1e-4)


def test_window_and_filters_are_those_of_the_reference():
    golden = load_golden("wilkinghoff_networks/features")
    layer = LogMelSpectrogram(sample_rate_hz=16000)
    np.testing.assert_allclose(layer.window_values, golden["ijcnn_window"], atol=1e-7)
    np.testing.assert_allclose(layer.mel_filters, golden["ijcnn_melW"], atol=1e-9)


@pytest.mark.parametrize("case", range(6))
def test_layer_agrees_with_librosa(case):
    rng = np.random.default_rng(case)
    window_length = 2 * int(rng.integers(64, 600))
    sample_rate_hz = int(rng.choice([8000, 16000, 44100, 48000]))
    arguments = {
        "hop_length": int(rng.integers(50, 600)),
        "num_mel_bins": int(rng.integers(4, 20)),
        "band_hz": (float(rng.uniform(0, 500)), float(rng.uniform(3000, sample_rate_hz / 2))),
        "window": ["symmetric", "periodic"][case % 2],
        "pad_mode": ["reflect", "constant"][case // 2 % 2],
        "floor": [1e-10, 1e-3, float(np.finfo(float).eps)][case % 3],
    }
    waveforms = (rng.normal(size=(2, 5000)) * rng.uniform(0.001, 0.3)).astype("float32")
    window = {"symmetric": np.hanning(window_length), "periodic": "hann"}[arguments["window"]]

    log_mel = LogMelSpectrogram(sample_rate_hz, window_length, **arguments)(waveforms)

    power = librosa.feature.melspectrogram(
        y=waveforms.astype("float64"),
        sr=sample_rate_hz,
        n_fft=window_length,
        hop_length=arguments["hop_length"],
        window=window,
        center=True,
        pad_mode=arguments["pad_mode"],
        power=2.0,
        n_mels=arguments["num_mel_bins"],
        fmin=arguments["band_hz"][0],
        fmax=arguments["band_hz"][1],
    )
    expected = 10 * np.log10(np.maximum(power, arguments["floor"])).swapaxes(1, 2)
    np.testing.assert_allclose(log_mel, expected, atol=1e-4)


def test_periodic_and_symmetric_windows_differ(waveforms):
    layers = [LogMelSpectrogram(16000, window=window) for window in ["symmetric", "periodic"]]
    difference = np.abs(np.asarray(layers[0](waveforms)) - np.asarray(layers[1](waveforms)))
    assert difference.max() > 1e-2


def test_silence_lies_at_the_floor():
    log_mel = LogMelSpectrogram(16000)(np.zeros((1, 2000), "float32"))
    np.testing.assert_allclose(log_mel, -100.0, atol=1e-4)


def test_features_stay_float32_under_a_half_precision_policy(waveforms):
    single = LogMelSpectrogram(16000)(waveforms)

    half = LogMelSpectrogram(16000, dtype="mixed_float16")(waveforms)

    assert keras.backend.standardize_dtype(half.dtype) == "float32"
    np.testing.assert_array_equal(half, single)


def test_clip_shorter_than_half_a_window_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"more than 512 samples.*\(1, 512\).*longer clips"):
        LogMelSpectrogram(16000)(np.zeros((1, 512), "float32"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window_length": 1023}, "even.*Received: window_length=1023"),
        ({"hop_length": 0}, "hop_length.*Received: hop_length=0"),
        ({"num_mel_bins": 0}, "num_mel_bins.*Received: num_mel_bins=0"),
        ({"window": "hann"}, "symmetric.*Received: window='hann'"),
        ({"pad_mode": "edge"}, "reflect.*Received: pad_mode='edge'"),
        ({"floor": 0.0}, "above 0.*Received: floor=0.0"),
        ({"band_hz": (0.0, 9000.0)}, "8000.*Received: band_hz="),
        ({"band_hz": (900.0, 100.0)}, "ascend.*Received: band_hz="),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(arguments, message):
    with pytest.raises(ValueError, match=message):
        LogMelSpectrogram(sample_rate_hz=16000, **arguments)


@pytest.mark.parametrize("band_hz", [None, (50.0, 7000.0)])
def test_layer_contract(waveforms, band_hz):
    layer = LogMelSpectrogram(
        16000, window_length=256, hop_length=100, num_mel_bins=16, band_hz=band_hz
    )
    check_layer(layer, waveforms, output_shape=(2, 41, 16))
