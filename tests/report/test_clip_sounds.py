"""Sounds of a page: found by what clips are called, small, true, and no more than fit."""

import base64
import io
import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from asdkeras.report.clip_sounds import (
    MAX_SECONDS,
    MIN_SECONDS,
    PageSounds,
    SoundFiles,
    by_importance,
    embed,
    find_sounds,
)
from tests.report.heard_runs import TONE_HZ, write_recordings
from tests.report.mapped_runs import clip_rows


def decoded(sound):
    head, text = sound.uri.split(",")
    assert head == "data:audio/mpeg;base64"
    return soundfile.read(io.BytesIO(base64.b64decode(text)))


def recording(path, *, seconds=1.0, rate=16000, channels=1, tone_hz=TONE_HZ):
    times = np.arange(int(seconds * rate)) / rate
    tone = 0.3 * np.sin(2.0 * np.pi * tone_hz * times)
    soundfile.write(path, np.stack([tone] * channels, axis=1), rate, subtype="PCM_16")
    return path


def clips_of(rows):
    names = [row["path"].rsplit("/", 1)[-1] for row in rows]
    return pd.DataFrame(rows).drop(columns="path").assign(name=names, key=names)


def recorded(folder, *, num_clips=2, seconds=0.2):
    """Clips with their recordings."""
    rows = clip_rows("fan", num_clips=num_clips)
    write_recordings(folder, rows, seconds=seconds)
    paths = {
        (row["machine_type"], row["section"], row["split"], name): folder / name
        for row, name in zip(rows, clips_of(rows)["name"], strict=True)
    }
    return clips_of(rows), SoundFiles(str(folder), paths)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_sound_keeps_its_tone_its_level_and_its_length(tmp_path, rate):
    waveform, coded_hz = decoded(embed(recording(tmp_path / "a.wav", rate=rate)))

    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    assert abs(np.argmax(spectrum) * coded_hz / len(waveform) - TONE_HZ) < 2.0
    # LAME makes every sound 5 % fainter; and it is lossy: 1 % of the root mean square, 0.1 dB.
    np.testing.assert_allclose(np.sqrt(np.mean(waveform**2)), 0.95 * 0.3 / 2**0.5, rtol=0.01)
    np.testing.assert_allclose(len(waveform) / coded_hz, 1.0, atol=0.06)  # A frame of MP3.


def test_what_is_above_the_band_of_a_sound_is_not_shown(tmp_path):
    rates = [
        embed(recording(tmp_path / f"{rate}.wav", rate=rate)).sample_rate_hz
        for rate in (8000, 16000, 48000)
    ]

    assert rates == [8000, 16000, 16000]


def test_tones_up_to_the_end_of_the_band_are_there(tmp_path):
    waveform, _ = decoded(embed(recording(tmp_path / "a.wav", tone_hz=7400.0)))

    assert np.sqrt(np.mean(waveform**2)) > 0.15  # Of 0.21; all of it is gone at 16 kHz.


def test_a_long_stereo_recording_becomes_short_and_mono(tmp_path):
    path = recording(tmp_path / "a.wav", seconds=MAX_SECONDS + 3.0, channels=2)

    waveform, coded_hz = decoded(embed(path))

    assert waveform.ndim == 1
    np.testing.assert_allclose(len(waveform) / coded_hz, MAX_SECONDS, atol=0.06)


def test_ten_seconds_take_less_than_100_kb(tmp_path):
    assert len(embed(recording(tmp_path / "a.wav", seconds=10.0)).uri) < 100_000


def test_without_mp3_sounds_are_flac(tmp_path, monkeypatch):
    monkeypatch.setattr(soundfile, "available_formats", lambda: {"FLAC": "", "WAV": ""})

    head, text = embed(recording(tmp_path / "a.wav")).uri.split(",")

    assert head == "data:audio/flac;base64"
    stored = soundfile.info(io.BytesIO(base64.b64decode(text)))
    assert (stored.format, stored.samplerate, stored.frames) == ("FLAC", 16000, 16000)


def test_recordings_are_found_where_the_run_read_them(tmp_path):
    data = write_recordings(tmp_path / "data", clip_rows("fan", num_clips=1))
    (tmp_path / "environment.json").write_text(json.dumps({"data": str(data)}), encoding="utf-8")

    files = find_sounds(tmp_path)

    assert files.data == str(data)
    clips = clips_of(clip_rows("fan", num_clips=1))
    for _, clip in clips.iterrows():
        assert files.of(clip) == tmp_path / "data" / clip["name"]
    assert files.of(clips.iloc[-1].replace("test", "train")) is None


@pytest.mark.parametrize(
    ("content", "data"),
    [(None, ""), ("not JSON", ""), ("[]", ""), ("{}", ""), ('{"data": "/gone"}', "/gone")],
)
def test_data_that_are_gone_are_no_error(tmp_path, content, data):
    if content is not None:
        (tmp_path / "environment.json").write_text(content, encoding="utf-8")

    assert find_sounds(tmp_path) == SoundFiles(data, {})


def test_sounds_are_taken_in_order_until_the_page_is_full(tmp_path):
    clips, files = recorded(tmp_path)
    one = len(embed(tmp_path / clips["name"].iloc[0]).uri)
    page = PageSounds(num_runs=1, bytes_left=3 * one)

    sounds, reasons = page.add(clips, files)

    assert list(sounds) == list(clips["key"][:3])
    assert reasons == {}
    assert page.bytes_left == 3 * one - sum(len(each.uri) for each in sounds.values())
    assert page.bytes_left >= 0


def seconds_of(sound):
    waveform, coded_hz = decoded(sound)
    return len(waveform) / coded_hz


@pytest.mark.parametrize(
    ("num_seconds", "of_marks"),
    # Room for three cards of 12 s, and for the three other test clips: 6 s each; less than 4 s
    # each, so that one of them has none; and more than 12 s.
    [(36 + 3 * 6, 6.0), (36 + 2 * 4 + 1, MIN_SECONDS), (36 + 3 * 20, MAX_SECONDS)],
)
def test_sounds_of_marks_are_as_long_as_lets_all_test_clips_have_one(
    tmp_path, num_seconds, of_marks
):
    clips, files = recorded(tmp_path, seconds=12.5)
    ordered = by_importance(clips, [*clips["key"][:2], clips["key"].iloc[-1]])  # 2 of training.
    page = PageSounds(1, num_seconds * 9400)  # 57 kbit/s, four letters for three bytes.

    sounds, _ = page.add(ordered, files, 3)

    lengths = [seconds_of(each) for each in sounds.values()]
    assert page.mark_seconds == pytest.approx(of_marks, rel=0.1 if of_marks == 6.0 else 0.0)
    np.testing.assert_allclose(lengths[:3], MAX_SECONDS, atol=0.06)
    np.testing.assert_allclose(lengths[3:], page.mark_seconds, atol=0.06)
    is_test = ordered["key"].isin(sounds) & (ordered["split"] == "test")
    assert is_test.sum() == (3 if of_marks == MIN_SECONDS else 4)


def test_runs_share_a_page_and_no_sound_is_in_it_twice(tmp_path):
    clips, files = recorded(tmp_path)
    one = len(embed(tmp_path / clips["name"].iloc[0]).uri)
    page = PageSounds(num_runs=2, bytes_left=4 * one)

    first, _ = page.add(clips, files)
    second, _ = page.add(clips, files)

    assert list(first) == list(clips["key"][:2])
    assert list(second) == list(clips["key"][2:4])
    assert page.keys == {*first, *second}


def test_a_clip_without_a_sound_says_why_and_costs_nothing(tmp_path):
    clips, files = recorded(tmp_path)
    (tmp_path / clips["name"].iloc[1]).write_bytes(b"no sound")
    del files.paths["fan", "00", "train", clips["name"].iloc[0]]

    sounds, reasons = PageSounds(num_runs=1).add(clips, files)

    assert list(sounds) == list(clips["key"][2:])
    assert reasons[clips["key"].iloc[0]] == f"sound not found at {tmp_path}"
    assert reasons[clips["key"].iloc[1]].startswith(f"sound not readable: {tmp_path}")
    assert len(reasons) == 2


def test_chosen_clips_come_first_then_test_clips_by_turns_then_training_clips():
    rows = [*clip_rows("fan", num_clips=2), *clip_rows("valve", num_clips=2)]
    clips = clips_of(rows)

    order = list(
        by_importance(clips, ["valve_00_source_train_1.wav", "fan_00_target_test_1.wav"])["key"]
    )

    assert order[:6] == [
        "valve_00_source_train_1.wav",
        "fan_00_target_test_1.wav",
        "fan_00_source_test_0.wav",
        "fan_00_target_test_0.wav",
        "valve_00_source_test_0.wav",
        "valve_00_target_test_0.wav",
    ]
    assert all("train" in key for key in order[9:])
    assert sorted(order) == sorted(clips["key"])
