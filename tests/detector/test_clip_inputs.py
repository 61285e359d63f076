"""Clips for a detector: what they may be, and why one is refused."""

import numpy as np
import pytest
import soundfile

from asdkeras.detector.clip_inputs import machine_of, paths_of, read_clips
from asdkeras.detector.fitted_machine import Machine
from asdkeras.errors import DataError

RATE_HZ = 16000


def noise(length=RATE_HZ, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, length)


@pytest.fixture
def recordings(tmp_path):
    """A folder of four files that can be used: mono, stereo, at 48 kHz, and FLAC."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    soundfile.write(folder / "a.wav", noise(), RATE_HZ, subtype="FLOAT")
    soundfile.write(folder / "b.wav", np.stack([noise(), noise(seed=1)], 1), RATE_HZ)
    soundfile.write(folder / "c.wav", noise(48000), 48000)
    (folder / "old").mkdir()
    soundfile.write(folder / "old" / "d.flac", noise(), RATE_HZ)
    (folder / "notes.txt").write_text("not read")
    return folder


def heard(clips, **options):
    return list(read_clips(clips, RATE_HZ, **options))


def refusal(clips, **options):
    with pytest.raises(DataError) as caught:
        heard(clips, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_stands_for_all_audio_files_in_and_below_it(recordings):
    paths = [str(recordings / name) for name in ("a.wav", "b.wav", "c.wav", "old/d.flac")]

    assert [name for name, _ in heard(recordings)] == paths
    assert [name for name, _ in heard(str(recordings))] == paths
    assert [name for name, _ in heard([paths[2], recordings / "old"])] == [paths[2], paths[3]]
    assert list(map(str, paths_of(recordings))) == paths


def test_waveforms_are_float32_at_the_rate_of_the_detector(recordings):
    waveforms = [waveform for _, waveform in heard(recordings)]

    assert {waveform.dtype.name for waveform in waveforms} == {"float32"}
    assert {waveform.shape for waveform in waveforms} == {(RATE_HZ,)}
    np.testing.assert_array_equal(waveforms[0], noise().astype("float32"))


@pytest.mark.parametrize("channel", ["mean", 1])
def test_one_channel_is_heard(recordings, channel):
    ((_, waveform),) = heard(recordings / "b.wav", channel=channel)

    stored, _ = soundfile.read(recordings / "b.wav")
    expected = stored.mean(axis=1) if channel == "mean" else stored[:, 1]
    np.testing.assert_allclose(waveform, expected, rtol=0, atol=1e-6)


def test_resampling_and_mixing_are_said_once(recordings, capsys):
    paths = [recordings / name for name in ("b.wav", "c.wav")]
    said = set()

    heard(paths * 2, said=said)
    heard(paths, said=said)

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "the mean of all channels is heard" in lines[0]
    assert f"resampled to 16000 Hz, such as {paths[1]} at 48000 Hz" in lines[1]


def test_files_that_are_heard_as_they_are_need_no_note(recordings, capsys):
    heard(recordings / "a.wav")
    assert capsys.readouterr().err == ""


def test_a_lower_rate_is_refused_unless_one_insists(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(8000), 8000)

    message = refusal(tmp_path / "a.wav")

    assert "sampled at 8000 Hz, and the detector hears 16000 Hz" in message
    assert "above 4000 Hz" in message
    assert "--resample" in message
    assert len(heard(tmp_path / "a.wav", resample_up=True)[0][1]) == RATE_HZ


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 48000])
def test_files_and_arrays_below_one_second_are_refused(tmp_path, rate_hz):
    soundfile.write(tmp_path / "a.wav", noise(rate_hz - 1), rate_hz)
    soundfile.write(tmp_path / "b.wav", noise(rate_hz), rate_hz)

    assert f"a.wav: too short. Received: {1 - 1 / rate_hz:.4g} s, {rate_hz - 1}" in refusal(
        tmp_path / "a.wav"
    )
    assert "clip 0: too short. Received: 0.5 s" in refusal(noise(8000))
    assert len(heard(tmp_path / "b.wav")) == len(heard(noise())) == 1


def test_each_file_that_cannot_be_used_has_its_line(tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    soundfile.write(tmp_path / "torn.wav", noise(), RATE_HZ)
    (tmp_path / "torn.wav").write_bytes((tmp_path / "torn.wav").read_bytes()[:5000])
    (tmp_path / "text.wav").write_text("not a sound")
    (tmp_path / "nothing").mkdir()

    reasons = {
        "silent.wav": "silent",
        "torn.wav": "cut off",
        "text.wav": "no WAV or FLAC audio",
        "missing.wav": "cannot be opened",
        "nothing": "holds no WAV or FLAC file",
    }
    for name, reason in reasons.items():
        assert refusal(tmp_path / name).startswith(f"{tmp_path / name}: {reason}")


def test_a_clip_that_cannot_be_used_does_not_cost_the_others(recordings, tmp_path):
    (tmp_path / "text.wav").write_text("not a sound")
    (tmp_path / "nothing").mkdir()
    clips = [recordings / "a.wav", tmp_path / "text.wav", tmp_path / "nothing", noise(9), noise()]
    errors = []

    names = [name for name, _ in heard(clips, on_error=errors.append)]

    assert names == [str(recordings / "a.wav"), "4"]
    assert [str(error).split(": ")[0].rsplit("/")[-1] for error in errors] == [
        *("text.wav", "nothing", "clip 3")
    ]


def test_clips_are_read_when_they_are_asked_for(recordings, tmp_path):
    clips = read_clips([recordings / "a.wav", tmp_path / "missing.wav"], RATE_HZ)

    assert next(clips)[0] == str(recordings / "a.wav")
    with pytest.raises(DataError, match="missing"):
        next(clips)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_an_array_is_a_clip_or_a_row_for_each(dtype):
    rows = np.stack([noise(RATE_HZ + 5), noise(RATE_HZ + 5, seed=1)]).astype(dtype)

    ((name, waveform),) = heard(rows[0])
    both = heard(rows)
    listed = heard([rows[0], rows[1][:-5]])

    assert name == "0"
    np.testing.assert_array_equal(waveform, rows[0].astype("float32"))
    assert [name for name, _ in both] == ["0", "1"]
    np.testing.assert_array_equal(both[1][1], rows[1].astype("float32"))
    assert [len(waveform) for _, waveform in listed] == [RATE_HZ + 5, RATE_HZ]
    assert {each.dtype.name for _, each in [*both, *listed]} == {"float32"}


def test_int16_arrays_are_scaled():
    integers = np.resize(np.array([-32768, 0, 16384], "int16"), RATE_HZ)

    ((_, waveform),) = heard(integers)

    np.testing.assert_array_equal(waveform[:3], np.array([-1.0, 0.0, 0.5], "float32"))


def with_nan(waveform):
    waveform[7] = np.nan
    return waveform


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (np.ones(RATE_HZ, "int32"), "float in .-1, 1., or int16. Received: int32"),
        (np.ones(RATE_HZ, bool), "Received: bool"),
        (with_nan(noise()), "finite. Received: 1 of 16000 that are NaN"),
        (1000 * noise(), r"\[-1, 1\]. Received: a peak of \d+"),
        (noise()[:, None, None], r"Received: shape \(16000, 1, 1\)"),
        (np.stack([noise(), noise()], 1), r"\(16000, 2\), which looks like \(samples, channels\)"),
        (np.float32(0.5), r"Received: shape \(\)"),
        ([noise()[None]], r"Received: ndarray of shape \(1, 16000\)"),
        ([0.1, 0.2], r"Received: float of shape \(\)"),
        (7, "must be paths, folders or arrays of samples. Received: int"),
        (b"a.wav", "Received: bytes"),
    ],
)
def test_arrays_that_are_no_clips_are_misuse(clips, message):
    with pytest.raises(ValueError, match=message):
        heard(clips, on_error=pytest.fail)


def test_resampled_arrays_may_overshoot():
    assert len(heard(1.9 * 2 * noise())) == 1


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_silent_arrays_are_refused(value):
    assert f"silent or constant, every sample is {value:g}" in refusal(np.full(RATE_HZ, value))


def machines(*names):
    """Machines by name, such as `fan`, or `fan_01` of a type with several sections."""
    parts = {name: name.rsplit("_", 1) if name[-1].isdigit() else (name, "00") for name in names}
    return {
        name: Machine(name, machine_type, section, RATE_HZ, RATE_HZ, "start", 1.0)
        for name, (machine_type, section) in parts.items()
    }


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("fan/test/section_00_source_test_normal_0000.wav", "fan"),
        ("data/fan/x.wav", "fan"),
        ("fan/anomaly/x.wav", "fan"),
        ("fan/Test/x.wav", "fan"),
        ("fan/TESTING/Broken/x.wav", "fan"),
        ("fan/OK/x.wav", "fan"),
        ("feed pump/x.wav", "feed_pump"),
        ("today/fan-7.wav", "fan"),
        ("today/2026_fan_7.wav", "fan"),
        ("pump_01/x.wav", "pump_01"),
        ("pump/source_test/section_01_source_test_anomaly_0004_a_1.wav", "pump_01"),
        ("pump/test/anomaly_id_02_00000000.wav", "pump_02"),
        ("today/pump_02 at noon.wav", "pump_02"),
    ],
)
def test_folder_or_file_name_says_the_machine(path, name):
    assert machine_of(path, machines("fan", "feed_pump", "pump_01", "pump_02")) == name


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("today/x.wav", "names no machine by itself"),
        ("fan/today/x.wav", "names no machine by itself"),
        ("today/fans 3.wav", "names no machine by itself"),
        ("fan/pump_01.wav", "may be of fan, pump_01"),
        ("pump/x.wav", "may be of pump_01, pump_02"),
        ("pump/test/section_05_0000.wav", "names no machine by itself"),
    ],
)
def test_unless_exactly_one_machine_fits_one_must_say_it(path, problem):
    with pytest.raises(DataError) as caught:
        machine_of(path, machines("fan", "pump_01", "pump_02"))

    assert str(caught.value).startswith(f"{path}: {problem}, and the detector knows fan, pump_01, ")
    assert "--machine" in str(caught.value)


def test_a_machine_may_be_named_like_a_split():
    assert machine_of("hall/Test/x.wav", machines("fan", "Test")) == "Test"


def test_a_detector_of_one_machine_takes_any_clip():
    assert machine_of("today/pump.wav", machines("fan")) == "fan"
