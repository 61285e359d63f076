"""What models say of clips: every row where it belongs, and none where nobody asked."""

import keras
import numpy as np
import pytest

from asdkeras.experiment.training import represent
from asdkeras.systems.system import Trained
from tests.systems.recorded_clips import clip_table, noisy_clips

CLIP_LENGTH = 4
SPLITS = ["train", "train", "test", "train", "test"]  # Not in the order of a clip table.


@pytest.fixture
def clips():
    table = clip_table([("00", "source", split, False) for split in SPLITS])
    return noisy_clips(table, samples=CLIP_LENGTH)


def model(factor):
    waveform = keras.Input((CLIP_LENGTH,))
    return keras.Model(waveform, factor * waveform)


def trained(splits=None, **models):
    return Trained(models, {"k": np.arange(3)}, CLIP_LENGTH, "start", splits or {})


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_every_clip_has_the_row_of_its_own_waveform(clips, batch_size):
    given = represent(trained(once=model(1.0), twice=model(2.0)), clips, batch_size)
    np.testing.assert_array_equal(given.clips["once"], clips.store.waveforms)
    np.testing.assert_array_equal(given.clips["twice"], 2 * np.array(clips.store.waveforms))
    np.testing.assert_array_equal(given.constants["k"], np.arange(3))


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_what_is_of_one_split_is_nothing_for_the_others(clips, batch_size, capsys):
    models = {"all": model(1.0), "near": model(2.0), "far": model(3.0)}
    given = represent(trained({"near": "train", "far": "test"}, **models), clips, batch_size).clips

    waveforms = np.array(clips.store.waveforms)
    is_training = np.array(SPLITS) == "train"
    np.testing.assert_array_equal(given["all"], waveforms)
    np.testing.assert_array_equal(given["near"][is_training], 2 * waveforms[is_training])
    np.testing.assert_array_equal(given["far"][~is_training], 3 * waveforms[~is_training])
    assert np.isnan(given["near"][~is_training]).all()
    assert np.isnan(given["far"][is_training]).all()
    assert capsys.readouterr().err.splitlines()[-1] == "asdkeras: represent clips: 10/10"


def test_a_split_without_clips_costs_nothing(clips):
    given = represent(trained({"far": "supplemental"}, far=model(1.0)), clips, 2).clips
    assert given["far"].shape == (5, CLIP_LENGTH)
    assert np.isnan(given["far"]).all()
