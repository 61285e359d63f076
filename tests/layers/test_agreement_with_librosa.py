"""The front ends against librosa and NumPy in float64, over drawn parameters and clips."""

import librosa
import numpy as np
import pytest

from asdkeras.layers.log_mel_spectrogram import LogMelMagnitudes, LogMelSpectrogram
from asdkeras.layers.magnitude_spectrogram import MagnitudeSpectrogram
from asdkeras.layers.magnitude_spectrum import MagnitudeSpectrum

CASES = range(40)


def drawn_clips(rng, samples):
    """One to three clips at a random level: noise, a tone, a random walk, a sudden calm."""
    noise = rng.normal(size=(int(rng.integers(1, 4)), samples))
    times = np.arange(samples)
    kinds = [
        noise,
        np.sin(rng.uniform(0.01, 3) * times) + 1e-4 * noise,
        1 + 0.05 * np.cumsum(noise, axis=1),
        noise * np.where(times < samples // 2, 1, 1e-6),
    ]
    return (10 ** rng.uniform(-3, 0) * kinds[rng.integers(4)]).astype("float32")


def drawn_log_mel(case):
    """Parameters of a LogMelSpectrogram, and clips for it."""
    rng = np.random.default_rng(case)
    sample_rate_hz = int(rng.choice([8000, 16000, 22050, 44100, 48000]))
    parameters = {
        "sample_rate_hz": sample_rate_hz,
        "window_length": 2 * int(rng.integers(16, 1100)),
        "num_mel_bins": int(rng.integers(1, 140)),
        "window": str(rng.choice(["symmetric", "periodic"])),
        "pad_mode": str(rng.choice(["reflect", "constant"])),
        "floor": float(10 ** rng.uniform(-17, -6)),
        "floor_by": str(rng.choice(["maximum", "addition"])),
    }
    parameters["hop_length"] = int(rng.integers(20, parameters["window_length"] + 1))
    samples = int(rng.integers(parameters["window_length"], 6000))
    # Where the hop divides the clip, librosa 0.11 mirrors the last sample of the last frame
    # wrongly (it pads the tail by itself).
    samples += samples % parameters["hop_length"] == 0
    return parameters, drawn_clips(rng, samples)


def log_mel_of_librosa(clips, parameters):
    """Power above its floor, and that of bands filled by the loudest bin of their frame."""
    window_length = parameters["window_length"]
    is_periodic = parameters["window"] == "periodic"
    spectrogram = librosa.stft(
        clips.astype("float64"),
        n_fft=window_length,
        hop_length=parameters["hop_length"],
        window="hann" if is_periodic else np.hanning(window_length),
        pad_mode=parameters["pad_mode"],
    )
    power = np.abs(spectrogram) ** 2
    loudest = np.broadcast_to(power.max(axis=-2, keepdims=True), power.shape)
    band_power, full = (
        librosa.feature.melspectrogram(
            S=each, sr=parameters["sample_rate_hz"], n_mels=parameters["num_mel_bins"]
        ).swapaxes(-2, -1)
        for each in (power, loudest)
    )
    if parameters["floor_by"] == "addition":
        return band_power + parameters["floor"], full
    return np.maximum(band_power, parameters["floor"]), full


@pytest.mark.filterwarnings("ignore:Empty filters detected")  # Many bands, few bins: allowed.
@pytest.mark.parametrize("case", CASES)
def test_log_mel_is_that_of_librosa(case):
    parameters, clips = drawn_log_mel(case)
    power, full = log_mel_of_librosa(clips, parameters)

    log_mel = np.asarray(LogMelSpectrogram(**parameters)(clips), "float64")

    # float32 leaves about 1e-7 of the loudest magnitude in every bin, by which a band 80 dB
    # below is off by 1 / 1000 of its magnitude, 0.01 dB: no tolerance in dB holds for all.
    assert log_mel.shape == power.shape
    error_db = np.abs(log_mel - 10 * np.log10(power))
    assert error_db.max(where=power >= 1e-4 * full, initial=0.0) < 1e-4
    assert error_db.max(where=power >= 1e-8 * full, initial=0.0) < 1e-2
    is_faint = power < 1e-8 * full
    error = np.abs(10 ** (log_mel / 10) - power)
    assert np.all(error[is_faint] < 1e-10 * full[is_faint])


@pytest.mark.filterwarnings("ignore:Empty filters detected")
@pytest.mark.parametrize("case", range(0, 40, 5))
def test_log_mel_of_magnitudes_is_that_of_librosa(case):
    parameters, clips = drawn_log_mel(case)
    is_centered, window_length = case % 2 == 0, parameters["window_length"]
    parameters |= {"window": "periodic", "pad_mode": "reflect" if is_centered else None}
    parameters |= {"floor": 1e-5, "floor_by": "maximum"}
    mel = {"sr": parameters["sample_rate_hz"], "n_mels": parameters["num_mel_bins"]}
    stft = {"n_fft": window_length, "hop_length": parameters["hop_length"]}
    stft |= {"center": is_centered, "pad_mode": "reflect"}
    clips64 = clips.astype("float64")
    bands = librosa.feature.melspectrogram(y=clips64, power=1, **mel, **stft).swapaxes(-2, -1)
    spectrum = np.abs(librosa.stft(clips64, **stft))
    loudest = np.broadcast_to(spectrum.max(axis=-2, keepdims=True), spectrum.shape)
    full = librosa.feature.melspectrogram(S=loudest, **mel).swapaxes(-2, -1)
    expected = np.maximum(1e-5, bands)

    log_mel = np.asarray(LogMelMagnitudes(**parameters)(clips), "float64")

    # As for the power, in float32 there is no tolerance in dB that holds for faint bands.
    assert log_mel.shape == expected.shape
    error_db = np.abs(log_mel - 10 * np.log10(expected))
    assert error_db.max(where=expected >= 1e-2 * full, initial=0.0) < 1e-4
    error = np.abs(10 ** (log_mel / 10) - expected)
    assert np.all(error < 1e-6 * full + 3e-6 * expected)


@pytest.mark.filterwarnings("ignore:Empty filters detected")
def test_drawn_clips_reach_every_range_of_the_tolerance():
    counts = np.zeros(3)
    for case in CASES:
        parameters, clips = drawn_log_mel(case)
        power, full = log_mel_of_librosa(clips, parameters)
        is_above_floor = power > 1.5 * parameters["floor"]
        near, middle = power >= 1e-4 * full, power >= 1e-8 * full
        for kind, is_member in enumerate([near, middle & ~near, ~middle]):
            counts[kind] += np.sum(is_member & is_above_floor)
    assert counts.min() > 1000


@pytest.mark.parametrize("case", CASES)
def test_magnitude_spectrogram_is_that_of_librosa(case):
    rng = np.random.default_rng(case)
    window_length = int(rng.integers(2, 2500))
    hop_length = int(rng.integers(1 + window_length // 20, window_length + 200))
    clips = drawn_clips(rng, int(rng.integers(window_length, window_length + 4000)))

    magnitude = MagnitudeSpectrogram(window_length, hop_length)(clips)

    expected = librosa.stft(
        clips.astype("float64"), n_fft=window_length, hop_length=hop_length, center=False
    )
    expected = np.abs(expected).swapaxes(1, 2)
    error = np.abs(np.asarray(magnitude) - expected)
    assert error.shape == expected.shape
    assert np.all(error <= 1e-6 * expected.max(axis=2, keepdims=True))


@pytest.mark.parametrize("case", CASES)
def test_magnitude_spectrum_is_that_of_numpy(case):
    rng = np.random.default_rng(case)
    primes = [2, 3, 4999, 16001]
    samples = primes[case] if case < len(primes) else int(rng.integers(2, 20000))
    clips = drawn_clips(rng, samples)

    spectrum = MagnitudeSpectrum()(clips)

    expected = np.abs(np.fft.rfft(clips.astype("float64")))[:, : samples // 2]
    error = np.abs(np.asarray(spectrum) - expected)
    assert error.shape == expected.shape
    assert np.all(error <= 1e-6 * expected.max(axis=1, keepdims=True))
