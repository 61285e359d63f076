"""Commands that make runs: what a user gets wrong, and the one line that says so."""

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdkeras import files
from tests.cli.failures import failure

RATE_HZ = 16000


@pytest.fixture
def factory(tmp_path):
    """Two machines with four training and two test clips each."""
    rng = np.random.default_rng(0)
    for machine in ("press", "saw"):
        for name in ("train/a", "train/b", "train/c", "train/d", "test/normal_1", "test/anomaly_1"):
            path = tmp_path / "factory" / machine / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.1 * rng.normal(size=RATE_HZ), RATE_HZ)
    return tmp_path / "factory"


def evaluate(data, runs, *more):
    return ("eval", "--system", "wilkinghoff2021", "--data", data, "--runs", runs, *more)


def test_an_unknown_system_is_answered_with_the_nearest(tmp_path, capsys):
    code, error = failure(capsys, "eval", "--system", "wilkinghof2021", "--data", tmp_path)

    assert code == 2
    assert "no system `wilkinghof2021`. Did you mean `wilkinghoff2021`?" in error


def test_a_missing_folder_is_named(tmp_path, capsys):
    (tmp_path / "machines").mkdir()

    code, error = failure(capsys, *evaluate(tmp_path / "machine", tmp_path))

    assert code == 3
    assert str(tmp_path / "machine") in error
    assert "machines" in error


def test_an_empty_folder_is_named(tmp_path, capsys):
    (tmp_path / "empty").mkdir()

    code, error = failure(capsys, *evaluate(tmp_path / "empty", tmp_path))

    assert code == 3
    assert str(tmp_path / "empty") in error


def test_a_machine_without_training_clips_is_named(factory, tmp_path, capsys):
    shutil.rmtree(factory / "saw" / "train")

    code, error = failure(capsys, *evaluate(factory, tmp_path))

    assert code == 3
    assert "saw" in error
    assert "--machines press" in error


def test_a_single_class_is_refused_with_the_way_out(factory, tmp_path, capsys):
    code, error = failure(capsys, *evaluate(factory, tmp_path, "--machines", "press"))

    assert code == 3
    assert "press_00" in error


def test_every_bad_recording_is_named(factory, tmp_path, capsys):
    silent, constant, torn, text = (
        factory / "saw" / "train" / f"{name}.wav" for name in ("a", "b", "c", "d")
    )
    soundfile.write(silent, np.zeros(RATE_HZ), RATE_HZ)
    soundfile.write(constant, np.full(RATE_HZ, 0.9), RATE_HZ)
    torn.write_bytes(torn.read_bytes()[:5000])
    text.write_text("not a sound")
    soundfile.write(factory / "press/train/a.wav", np.zeros(0), RATE_HZ)
    not_a_number = np.full(RATE_HZ, np.nan, "float32")
    soundfile.write(factory / "press/train/b.wav", not_a_number, RATE_HZ, subtype="FLOAT")

    code, error = failure(capsys, *evaluate(factory, tmp_path))

    assert code == 3
    for path in (silent, constant, torn, text, "press/train/a.wav", "press/train/b.wav"):
        assert str(path) in error
    assert not (tmp_path / "wilkinghoff2021").exists()


def test_mixed_sample_rates_are_refused_with_the_way_out(factory, tmp_path, capsys):
    noise = 0.1 * np.random.default_rng(0).normal(size=48000)
    soundfile.write(factory / "saw" / "train" / "a.wav", noise, 48000)

    code, error = failure(capsys, *evaluate(factory, tmp_path))

    assert code == 3
    assert "48000" in error
    assert "mixed_rates" in error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("config.epoch=3", "unknown key `config.epoch`. Did you mean `config.epochs`?"),
        ("config.epochs=three", "`epochs` must be of type int. Received: 'three'"),
        ("config.epochs=0", "`epochs` must be at least 1. Received: 0"),
        ("config.mixup_probability=2", "`mixup_probability` must lie in [0, 1]. Received: 2.0"),
        ("config.keep_epochs=[101]", "`keep_epochs` must name epochs between 1 and"),
        ("config.clip_length=100", "`clip_length` must exceed half a window of 1024 samples"),
        ("config.variant=two_heads_s3", "`variant` must be one of"),
        ("audio.channel=left", "`channel` must be one of"),
        ("seeds=[-1]", "`seeds` must be different numbers from 0 on"),
    ],
)
def test_a_wrong_recipe_is_answered_with_its_key(factory, tmp_path, capsys, change, message):
    code, error = failure(capsys, *evaluate(factory, tmp_path, "--set", change))

    assert code == 2
    assert message in error
    assert "folder.yaml" in error or "--set" in error


def test_an_unknown_recipe_is_answered_with_those_there_are(factory, tmp_path, capsys):
    code, error = failure(capsys, *evaluate(factory, tmp_path, "--recipe", "dcase21"))

    assert code == 2
    assert "no recipe `dcase21`. Did you mean `dcase2021`?" in error


def test_a_recipe_of_another_system_is_refused(factory, tmp_path, capsys):
    recipe = tmp_path / "mine.yaml"
    text = Path("recipes/wilkinghoff2021/mini.yaml").read_text(encoding="utf-8")
    recipe.write_text(text.replace("system: wilkinghoff2021", "system: another2020"))

    code, error = failure(capsys, *evaluate(factory, tmp_path, "--recipe", recipe))

    assert code == 2
    assert "a recipe of another2020, but --system says wilkinghoff2021" in error


def test_a_full_disk_is_said_in_one_line(factory, tmp_path, capsys, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(files.os, "replace", full)

    code, error = failure(capsys, *evaluate(factory, tmp_path))

    assert code == 2
    assert str(tmp_path / "cache") in error
    assert "no space left on device" in error
    assert "the same command again" in error
