"""LogMelSpectrogram against its definition and against what the authors' code computed."""

import keras
import numpy as np
import pytest

from asdkeras.layers.log_mel_spectrogram import LogMelMagnitudes, LogMelSpectrogram
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


@pytest.mark.parametrize(
    ("year", "pad_mode"),
    [
        ("2021_librosa060", "reflect"),
        ("2022_librosa091", "constant"),
        ("2023_librosa092", "constant"),
    ],
)
def test_features_are_those_of_the_official_baselines(year, pad_mode):
    golden = load_golden("official_baselines/official_logmel")
    waveforms = golden["pcm_int16"][None].astype("float32") / 32768
    layer = LogMelSpectrogram(
        int(golden["sr"]), window="periodic", pad_mode=pad_mode, floor=np.finfo(float).eps
    )

    log_mel = np.asarray(layer(waveforms))

    assert log_mel.shape == (1, 47, 128)
    np.testing.assert_allclose(log_mel[0], golden[f"logmel_{year}"], rtol=0, atol=1e-4)


def mel(hz):
    """Slaney's scale: linear up to 1000 Hz, which is 15, then 27 bands per factor of 6.4."""
    return 3 * hz / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)


def hertz(mels):
    return 200 * mels / 3 if mels < 15 else 1000 * 6.4 ** ((mels - 15) / 27)


def log_mel_by_definition(
    waveform,
    sample_rate_hz,
    window_length,
    hop_length,
    num_mel_bins,
    window,
    pad_mode,
    floor,
    floor_by,
    power=2,
):
    """Log-mel of one waveform in float64, by the text of the fact sheet on the baselines."""
    period = window_length if window == "periodic" else window_length - 1
    hann = [0.5 - 0.5 * np.cos(2 * np.pi * n / period) for n in range(window_length)]
    padded = waveform.astype("float64")
    if pad_mode is not None:
        padded = np.pad(padded, window_length // 2, mode=pad_mode)
    bins = np.arange(window_length // 2 + 1)
    rotation = np.exp(-2j * np.pi * np.outer(bins, np.arange(window_length)) / window_length)
    edges = [hertz(mels) for mels in np.linspace(0, mel(sample_rate_hz / 2), num_mel_bins + 2)]
    rows = []
    for start in range(0, len(padded) - window_length + 1, hop_length):
        spectrum = np.abs(rotation @ (hann * padded[start : start + window_length])) ** power
        row = []
        for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
            band = 0.0
            for f, value in zip(bins * sample_rate_hz / window_length, spectrum, strict=True):
                slope = min((f - low) / (middle - low), (high - f) / (high - middle))
                band += max(0.0, slope) * 2 / (high - low) * value
            row.append(band + floor if floor_by == "addition" else max(band, floor))
        rows.append(row)
    return 10 * np.log10(rows)


@pytest.mark.parametrize("floor_by", ["maximum", "addition"])
@pytest.mark.parametrize(
    ("sample_rate_hz", "window_length", "hop_length", "num_mel_bins", "window", "pad"),
    [
        (16000, 512, 200, 40, "periodic", "constant"),
        (16000, 300, 170, 11, "symmetric", "reflect"),
        (8000, 256, 256, 5, "periodic", "reflect"),
        (44100, 512, 400, 8, "symmetric", "constant"),
    ],
)
def test_features_are_those_of_the_definition(
    sample_rate_hz, window_length, hop_length, num_mel_bins, window, pad, floor_by
):
    rng = np.random.default_rng(0)
    waveforms = (0.01 * rng.normal(size=(2, 1000))).astype("float32")
    waveforms[:, 500:] *= 0.01  # The floor shall matter for the second half.
    floor = 1e-7
    arguments = (sample_rate_hz, window_length, hop_length, num_mel_bins, window, pad)

    log_mel = LogMelSpectrogram(*arguments, floor=floor, floor_by=floor_by)(waveforms)

    expected = [log_mel_by_definition(each, *arguments, floor, floor_by) for each in waveforms]
    assert np.mean(np.asarray(expected) < -65) > 0.2
    np.testing.assert_allclose(log_mel, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("pad_mode", ["reflect", None])
@pytest.mark.parametrize("floor_by", ["maximum", "addition"])
def test_bands_of_magnitudes_are_those_of_the_definition(pad_mode, floor_by):
    rng = np.random.default_rng(0)
    waveforms = (0.01 * rng.normal(size=(2, 1000))).astype("float32")
    waveforms[:, 500:] *= 0.01
    arguments = (16000, 256, 100, 24, "periodic", pad_mode, 2e-5, floor_by)

    log_mel = LogMelMagnitudes(*arguments)(waveforms)

    expected = [log_mel_by_definition(each, *arguments, power=1) for each in waveforms]
    assert np.shape(expected) == (2, 11 if pad_mode else 8, 24)
    assert np.mean(np.asarray(expected) < 10 * np.log10(4e-5)) > 0.05
    np.testing.assert_allclose(log_mel, expected, rtol=0, atol=1e-4)


def test_power_of_frames_from_the_first_sample_on_is_that_of_the_definition(waveforms):
    arguments = (16000, 256, 100, 24, "periodic", None, 1e-7, "maximum")
    log_mel = LogMelSpectrogram(*arguments)(waveforms[:, :955])
    expected = [log_mel_by_definition(each[:955], *arguments) for each in waveforms]
    assert np.shape(expected) == (2, 7, 24)
    np.testing.assert_allclose(log_mel, expected, rtol=0, atol=1e-4)


def test_a_piece_has_the_frames_of_its_clip(waveforms):
    arguments = {"window_length": 256, "hop_length": 100, "num_mel_bins": 24}
    whole = LogMelMagnitudes(16000, **arguments)(waveforms)
    pieces = LogMelMagnitudes(16000, **arguments, pad_mode=None)(waveforms[:, 572:1428])
    np.testing.assert_allclose(pieces, whole[:, 7:14], rtol=0, atol=1e-4)


def test_a_piece_shorter_than_a_frame_is_refused():
    layer = LogMelSpectrogram(16000, pad_mode=None)
    with pytest.raises(ValueError, match=r"at least 1024 samples.*Received.*\(2, 1023\).*longer"):
        layer(np.zeros((2, 1023), "float32"))


def test_periodic_and_symmetric_windows_differ(waveforms):
    layers = [LogMelSpectrogram(16000, window=window) for window in ["symmetric", "periodic"]]
    difference = np.abs(np.asarray(layers[0](waveforms)) - np.asarray(layers[1](waveforms)))
    assert difference.max() > 1e-2


@pytest.mark.parametrize("floor_by", ["maximum", "addition"])
def test_silence_lies_at_the_floor(floor_by):
    log_mel = LogMelSpectrogram(16000, floor_by=floor_by)(np.zeros((1, 2000), "float32"))
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
        ({"floor_by": "sum"}, "maximum.*addition.*Received: floor_by='sum'"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(arguments, message):
    with pytest.raises(ValueError, match=message):
        LogMelSpectrogram(sample_rate_hz=16000, **arguments)


@pytest.mark.parametrize("more", [{}, {"floor_by": "addition"}])
def test_layer_contract(waveforms, more):
    layer = LogMelSpectrogram(16000, window_length=256, hop_length=100, num_mel_bins=16, **more)
    check_layer(layer, waveforms, output_shape=(2, 41, 16))


def test_layer_contract_for_magnitudes_of_pieces(waveforms):
    layer = LogMelMagnitudes(16000, 256, 100, 16, pad_mode=None)
    check_layer(layer, waveforms, output_shape=(2, 38, 16))
