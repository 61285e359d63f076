"""Audio: every storage format gives the same waveform, every bad file gives its reason."""

import struct

import numpy as np
import pytest
import soundfile

from asdkeras.data.audio import AudioConfig, check_rates, read_audio, read_header, read_samples
from asdkeras.errors import DataError
from tests.real_data import real_data

RATE_HZ = 16000


def config(sample_rate_hz=RATE_HZ, channel=0, mixed_rates="refuse"):
    return AudioConfig(sample_rate_hz, channel, mixed_rates)


def tone(length=RATE_HZ // 4, rate_hz=RATE_HZ, frequency_hz=500.0):
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(length) / rate_hz)


def write(path, samples=None, rate_hz=RATE_HZ, **options):
    soundfile.write(path, tone() if samples is None else samples, rate_hz, **options)
    return path


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [
        ("wav", "PCM_U8", 2 / 128),
        ("wav", "PCM_16", 1 / 32768),
        ("wav", "PCM_24", 1e-6),
        ("wav", "PCM_32", 1e-6),
        ("wav", "FLOAT", 1e-6),
        ("wav", "DOUBLE", 1e-6),
        ("flac", "PCM_S8", 2 / 128),
        ("flac", "PCM_16", 1 / 32768),
        ("flac", "PCM_24", 1e-6),
    ],
)
def test_every_storage_format_gives_the_waveform(tmp_path, suffix, subtype, tolerance):
    path = write(tmp_path / f"a.{suffix}", subtype=subtype)

    waveform = read_audio(path, config())

    assert waveform.dtype == np.float32
    np.testing.assert_allclose(waveform, tone(), atol=tolerance)


@pytest.mark.parametrize("format_name", ["WAV", "WAVEX", "RF64", "FLAC"])
def test_16_bit_files_come_as_their_integers(tmp_path, format_name):
    integers = np.random.default_rng(0).integers(-32768, 32768, 999, np.int16)
    suffix = "flac" if format_name == "FLAC" else "wav"
    path = write(tmp_path / f"a.{suffix}", integers, subtype="PCM_16", format=format_name)

    samples = read_samples(path, config())

    assert samples.dtype == np.int16
    assert np.array_equal(samples, integers)
    assert np.array_equal(read_audio(path, config()), integers / np.float32(32768))


def test_one_channel_or_the_mean_of_all(tmp_path):
    left, right = tone(), 0.25 * tone()
    path = write(tmp_path / "a.wav", np.stack([left, right], axis=1), subtype="DOUBLE")

    np.testing.assert_allclose(read_audio(path, config(channel=0)), left, atol=1e-6)
    np.testing.assert_allclose(read_audio(path, config(channel=1)), right, atol=1e-6)
    np.testing.assert_allclose(
        read_audio(path, config(channel="mean")), (left + right) / 2, atol=1e-6
    )


@pytest.mark.parametrize(
    ("num_channels", "channel", "rate_hz", "dtype"),
    [
        (1, "mean", RATE_HZ, "int16"),
        (1, 0, RATE_HZ, "int16"),
        (2, 1, RATE_HZ, "int16"),
        (2, "mean", RATE_HZ, "float32"),
        (1, 0, 48000, "float32"),
    ],
)
def test_integers_stay_integers_where_nothing_is_computed(
    tmp_path, num_channels, channel, rate_hz, dtype
):
    path = write(tmp_path / "a.wav", np.stack([tone()] * num_channels, axis=1), rate_hz)

    samples = read_samples(path, config(channel=channel))

    assert samples.dtype == dtype
    assert samples.flags.c_contiguous


@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100, 48000])
def test_other_rates_are_resampled(tmp_path, rate_hz):
    path = write(tmp_path / "a.wav", tone(rate_hz, rate_hz), rate_hz, subtype="FLOAT")

    waveform = read_audio(path, config())

    assert len(waveform) == RATE_HZ
    middle = slice(1000, -1000)
    np.testing.assert_allclose(waveform[middle], tone(RATE_HZ)[middle], atol=1e-4)


def test_what_lies_above_the_new_band_does_not_fold_back(tmp_path):
    path = write(tmp_path / "a.wav", tone(48000, 48000, 10000.0), 48000, subtype="FLOAT")
    waveform = read_audio(path, config())
    assert np.abs(waveform[1000:-1000]).max() < 1e-4


def test_header_says_rate_channels_length_and_format(tmp_path):
    path = write(tmp_path / "a.wav", np.zeros((7, 3)), 44100, subtype="PCM_24")
    header = read_header(path)
    assert (header.sample_rate_hz, header.num_channels, header.length) == (44100, 3, 7)
    assert header.subtype == "PCM_24"


def cut(path, count):
    path.write_bytes(path.read_bytes()[:-count])
    return path


@pytest.mark.parametrize("options", [{}, {"format": "RF64"}, {"format": "WAVEX"}])
@pytest.mark.parametrize("count", [2, 3000])
def test_a_wav_file_that_was_cut_off_is_refused(tmp_path, options, count):
    path = cut(write(tmp_path / "a.wav", subtype="PCM_16", **options), count)
    for read in (read_header, lambda path: read_audio(path, config())):
        with pytest.raises(DataError, match=rf"a\.wav: cut off, {count} bytes.*Copy or unpack"):
            read(path)


def test_a_flac_file_that_was_cut_off_is_refused(tmp_path):
    path = cut(write(tmp_path / "a.flac", np.random.default_rng(0).normal(size=9999) / 9), 5000)
    with pytest.raises(DataError, match=r"a\.flac: (cut off|damaged)"):
        read_audio(path, config())


def test_a_flac_file_shorter_than_announced_is_refused(tmp_path):
    path = write(tmp_path / "a.flac")
    content = bytearray(path.read_bytes())
    content[22:26] = struct.pack(">I", 5000)  # The number of samples, in the first block.
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.flac: (cut off|damaged)"):
        read_audio(path, config())


def test_a_decoder_that_ends_early_without_a_word_is_noticed(tmp_path, monkeypatch):
    path = write(tmp_path / "a.flac")
    read = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *a, **k: read(*a, **k)[:-1])
    with pytest.raises(DataError, match=r"a\.flac: cut off\. Received: 3999 of 4000 samples"):
        read_audio(path, config())


def test_chunks_before_and_after_the_audio_do_not_matter(tmp_path):
    path = write(tmp_path / "a.wav", np.array([1, -2, 3], np.int16))
    plain = path.read_bytes()
    odd_chunk = b"note" + struct.pack("<I", 3) + b"abc\0"
    path.write_bytes(plain[:12] + odd_chunk + plain[12:] + odd_chunk)
    assert read_samples(path, config()).tolist() == [1, -2, 3]


def test_a_stream_of_unknown_length_is_read_to_its_end(tmp_path):
    path = write(tmp_path / "a.wav", np.array([1, -2, 3], np.int16))
    content = path.read_bytes()
    place = content.index(b"data") + 4
    path.write_bytes(content[:place] + b"\xff\xff\xff\xff" + content[place + 4 :])
    assert read_samples(path, config()).tolist() == [1, -2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty. Received: 0 bytes"),
        (b"this is text", "no WAV or FLAC audio"),
        (b"RIFF\x24\0\0\0WAVE", "ended within its WAV header"),
        (b"RF64\x24\0\0\0WAVEds64\0\0\0\0", "ended within its WAV header"),
        (b"fLaC", "damaged, its header has no sample rate"),
        (b"fLaC" + bytes(40), "damaged, its header has no sample rate"),
    ],
)
def test_what_is_no_audio_is_refused(tmp_path, content, message):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.wav: {message}"):
        read_audio(path, config())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"a\.wav: cannot be opened: No such file"):
        read_audio(tmp_path / "a.wav", config())


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), "holds no samples"),
        (np.zeros(99), "silent, every sample is 0"),
        (np.full(99, 0.5), "constant, every sample is 0.5"),
        (np.array([0.0, np.nan, 0.1, np.inf]), "2 of 4 samples are NaN or infinite"),
        (np.array([0.0, 0.1, -np.inf]), "1 of 3 samples are NaN or infinite"),
        (
            np.array([0.0, 12345.0, 0.1]),
            r"float audio must lie in \[-1, 1\].*Received: a peak of 12345",
        ),
        (np.array([0.0, -3.0, 0.1]), "float audio .*a peak of 3"),
    ],
)
@pytest.mark.parametrize("rate_hz", [RATE_HZ, 48000])
def test_useless_samples_are_refused(tmp_path, samples, message, rate_hz):
    path = write(tmp_path / "a.wav", samples, rate_hz, subtype="FLOAT")
    with pytest.raises(DataError, match=rf"a\.wav: {message}"):
        read_audio(path, config())


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_U8"])
def test_silent_and_clipped_integers_are_refused(tmp_path, subtype):
    for samples, message in ((np.zeros(9), "silent"), (np.ones(9), "constant")):
        with pytest.raises(DataError, match=message):
            read_audio(write(tmp_path / "a.wav", samples, subtype=subtype), config())


def test_a_slight_overshoot_of_float_audio_is_kept(tmp_path):
    path = write(tmp_path / "a.wav", 2.4 * tone(), subtype="FLOAT")
    assert read_audio(path, config()).max() == pytest.approx(1.2, abs=1e-3)


def test_only_the_chosen_channel_is_judged(tmp_path):
    path = write(tmp_path / "a.wav", np.stack([tone(), np.zeros_like(tone())], axis=1))

    read_audio(path, config(channel=0))
    with pytest.raises(DataError, match="silent"):
        read_audio(path, config(channel=1))


def test_a_channel_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has 1 channels.*Received: channel=1\..*`channel: mean`"):
        read_audio(write(tmp_path / "a.wav"), config(channel=1))


def test_a_rate_below_1_is_refused():
    with pytest.raises(ValueError, match="Received: 0"):
        config(sample_rate_hz=0)


def test_mixed_rates_within_a_machine_type_are_refused_with_counts():
    machine_types = ["fan", "fan", "pump", "fan", "lathe", "lathe"]
    rates = [16000, 16000, 48000, 44100, 8000, 16000]
    with pytest.raises(
        DataError,
        match=r"Received: fan: 2 clips at 16000 Hz, 1 clips at 44100 Hz; "
        r"lathe: 1 clips at 8000 Hz, 1 clips at 16000 Hz\. .*`mixed_rates: resample`",
    ):
        check_rates(machine_types, rates, config())


def test_mixed_rates_are_resampled_if_asked_for_and_between_machine_types_anyway():
    asked = check_rates(["fan", "fan"], [16000, 44100], config(mixed_rates="resample"))
    anyway = check_rates(["fan", "lathe", "lathe"], [16000, 48000, 48000], config())
    alike = check_rates(["fan", "pump"], [16000, 16000], config())

    assert asked == ("fan: 1 clips at 16000 Hz, 1 clips at 44100 Hz, resampled to 16000 Hz.",)
    assert anyway == ("lathe: 2 clips at 48000 Hz, resampled to 16000 Hz.",)
    assert alike == ()


def test_real_8_channel_file_with_an_extensible_header_is_read():
    path = sorted(real_data("4_audio/mimii_8ch").glob("**/*.wav"))[0]

    channels = [read_audio(path, config(channel=channel)) for channel in range(8)]
    mean = read_audio(path, config(channel="mean"))

    assert read_header(path).num_channels == 8
    assert mean.shape == (160000,)
    np.testing.assert_allclose(mean, np.mean(channels, axis=0, dtype=np.float64), atol=1e-6)
    with pytest.raises(DataError, match="has 8 channels"):
        read_audio(path, config(channel=8))


def test_real_lathe_is_resampled_from_48_khz():
    path = sorted(real_data("4_audio/lathe").glob("train/*.wav"))[0]

    waveform = read_audio(path, config())

    assert read_header(path).sample_rate_hz == 48000
    assert waveform.shape == (16000,)
    original = read_audio(path, config(sample_rate_hz=48000))
    below_8_khz = np.fft.irfft(np.fft.rfft(original)[:8001]) / 3
    middle = slice(500, -500)
    assert np.corrcoef(waveform[middle], below_8_khz[middle])[0, 1] > 0.99
