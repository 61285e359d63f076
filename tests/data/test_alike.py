"""Recordings that are there twice, and machine types whose recordings differ."""

import os
import shutil

import numpy as np
import pytest
import soundfile

from asdkeras.data.alike import check_recordings
from asdkeras.data.audio import AudioConfig
from asdkeras.data.clip_table import read_clip_table
from asdkeras.data.store import open_store
from asdkeras.errors import DataError

RATE_HZ = 16000


def write(path, seed, num_channels=1, length=200):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (length, num_channels))
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_16")
    return path


@pytest.fixture
def data(tmp_path):
    """Two training and two test clips of one machine, no two alike."""
    for seed, name in enumerate(("train/1", "train/2", "test/normal_1", "test/anomaly_1")):
        write(tmp_path / "data" / "press" / f"{name}.wav", seed)
    return tmp_path / "data"


def notes_of(data, channel="mean"):
    table = read_clip_table(data)
    cache = data.parent / "store" if data.is_dir() else data.parent.parent / "store"
    notes = []
    for _ in range(2):  # The second time from the store, without a look into the files.
        store = open_store(table, AudioConfig(RATE_HZ, channel, "refuse"), cache)
        notes.append(check_recordings(table, store, channel))
    assert notes[0] == notes[1]
    return notes[0]


def convert(source, target):
    samples, rate_hz = soundfile.read(source, dtype="int16")
    soundfile.write(target.with_suffix(".flac"), samples, rate_hz, subtype="PCM_16")


SAME = {"copy": shutil.copy, "link": os.symlink, "hard link": os.link, "as FLAC": convert}


def test_recordings_that_are_alike_in_form_and_differ_in_content_need_no_note(data):
    assert notes_of(data) == ()


@pytest.mark.parametrize("way", SAME)
def test_a_training_clip_is_no_test_clip_under_another_name(data, way):
    SAME[way](data / "press/train/1.wav", data / "press/test/Normal_2.wav")

    with pytest.raises(DataError) as caught:
        notes_of(data)

    first, *lines = str(caught.value).splitlines()
    assert first.startswith("1 recordings are training and test clips at once")
    assert len(lines) == 1
    assert {os.path.splitext(path)[0].strip() for path in lines[0].split(" = ")} == {
        f"{data}/press/train/1",
        f"{data}/press/test/Normal_2",
    }


def test_another_spelling_of_a_path_is_no_other_clip(data):
    lines = (
        "press/train/1.wav,m,train\npress/train/2.wav,m,train\n./press/test/../train/1.wav,m,test\n"
    )
    (data / "own.csv").write_text(f"path,machine_type,split\n{lines}")
    with pytest.raises(DataError, match="1 recordings are training and test clips at once"):
        notes_of(data / "own.csv")


def test_a_recording_is_not_normal_and_anomalous(data):
    shutil.copy(data / "press/test/normal_1.wav", data / "press/test/anomaly_2.wav")
    with pytest.raises(DataError, match=r"normal and anomalous.*\n.*anomaly_2.wav = .*normal_1"):
        notes_of(data)


@pytest.mark.parametrize("way", SAME)
@pytest.mark.parametrize("target", ["train/3.wav", "test/normal_3.wav"])
def test_doubled_clips_of_one_split_are_counted(data, way, target):
    source = data / "press" / target.replace("3", "1")
    SAME[way](source, data / "press" / target)

    (note,) = notes_of(data)

    assert note.startswith("1 clips hold the same audio as another and count as often: ")
    assert str(source) in note


def test_an_official_dataset_is_taken_as_it_was_published(tmp_path):
    data = tmp_path / "dcase2023"
    train = write(data / "fan/train/section_00_source_train_normal_0000_m-n_W.wav", 0)
    shutil.copy(write(data / "fan/train/section_00_source_train_normal_0001_m-n_W.wav", 1), train)
    (data / "fan/test").mkdir()
    shutil.copy(train, data / "fan/test/section_00_source_test_anomaly_0000_m-n_W.wav")

    both, doubled = notes_of(data)

    assert "1 recordings are training and test clips at once" in both
    assert doubled.startswith("2 clips hold the same audio")


def test_mono_and_stereo_clips_of_one_machine_are_not_averaged_together(data):
    write(data / "press/train/1.wav", 7, num_channels=2)
    write(data / "saw/train/1.wav", 8, num_channels=2)

    with pytest.raises(DataError) as caught:
        notes_of(data)

    message = str(caught.value)
    assert "press: 3 clips with 1 channel, 1 clips with 2 channels. Record" in message
    assert "saw" not in message
    assert "--set audio.channel=0" in message


def test_one_channel_of_each_clip_is_taken_if_asked_for_and_said(data):
    write(data / "press/train/1.wav", 7, num_channels=2)
    assert notes_of(data, 0) == (
        "press: 3 clips with 1 channel, 1 clips with 2 channels; channel 0, from 0, is taken.",
    )


def test_means_of_channels_are_said(data):
    write(data / "saw/train/1.wav", 7, num_channels=3)
    write(data / "saw/train/2.wav", 8, num_channels=3)
    assert notes_of(data) == ("saw: 2 clips with 3 channels; the mean of all channels is taken.",)


@pytest.mark.parametrize(("length", "count"), [(400, 0), (410, 1), (90, 1)])
def test_lengths_of_one_machine_that_differ_by_far_are_said(data, length, count):
    write(data / "press/test/normal_1.wav", 7, length=length)

    notes = notes_of(data)

    assert len(notes) == count
    assert all(note.startswith("press: clips last ") for note in notes)
