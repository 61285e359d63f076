"""What models make of clips: every row where it belongs, and none where nobody asked."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from asdkeras.errors import TrainingError
from asdkeras.experiment.training import represent
from asdkeras.systems.model_files import Models
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


def arrays_of(clips, batch_size, rows=None, inputs=None, **models):
    system = SimpleNamespace(
        batch_size=batch_size,
        represent=lambda _: models,
        inputs=lambda *_: inputs or {},
        rows=lambda *_: rows or {},
    )
    return represent(system, Models(CLIP_LENGTH, 16_000, "start"), clips)


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_every_clip_has_the_row_of_its_own_waveform(clips, batch_size):
    given = arrays_of(clips, batch_size, once=model(1.0), twice=model(2.0))
    np.testing.assert_array_equal(given["once"], clips.store.waveforms)
    np.testing.assert_array_equal(given["twice"], 2 * np.array(clips.store.waveforms))


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_a_model_takes_its_own_clips_and_the_rows_of_others_stay_empty(clips, batch_size, capsys):
    models = {"all": model(1.0), "near": model(2.0), "far": model(3.0)}
    is_training = np.array(SPLITS) == "train"
    rows = {"near": is_training, "far": ~is_training}
    given = arrays_of(clips, batch_size, rows, **models)

    waveforms = np.array(clips.store.waveforms)
    np.testing.assert_array_equal(given["all"], waveforms)
    np.testing.assert_array_equal(given["near"][is_training], 2 * waveforms[is_training])
    np.testing.assert_array_equal(given["far"][~is_training], 3 * waveforms[~is_training])
    assert np.isnan(given["near"][~is_training]).all()
    assert np.isnan(given["far"][is_training]).all()
    assert capsys.readouterr().err.splitlines()[-1] == "asdkeras: represent: 10/10"


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_a_model_takes_the_values_of_its_own_clips_beside_their_waveforms(clips, batch_size):
    waveform = keras.Input((CLIP_LENGTH,), name="waveform")
    gain = keras.Input((), name="gain")
    louder = keras.Model({"waveform": waveform, "gain": gain}, waveform * gain[:, None])
    gains = np.arange(1.0, 6.0, dtype="float32")
    is_training = np.array(SPLITS) == "train"

    rows = {"loud": is_training}
    given = arrays_of(clips, batch_size, rows, {"gain": gains}, loud=louder)["loud"]

    expected = np.array(clips.store.waveforms) * gains[:, None]
    np.testing.assert_array_equal(given[is_training], expected[is_training])
    assert np.isnan(given[~is_training]).all()


def test_every_output_of_a_model_is_a_representation_of_its_own(clips):
    waveform = keras.Input((CLIP_LENGTH,))
    both = keras.Model(waveform, {"once": waveform, "sum": keras.ops.sum(waveform, axis=1)})
    given = arrays_of(clips, 2, net=both)

    assert set(given) == {"once_net", "sum_net"}
    np.testing.assert_array_equal(given["once_net"], clips.store.waveforms)
    sums = np.array(clips.store.waveforms).sum(axis=1)
    np.testing.assert_allclose(given["sum_net"], sums, rtol=1e-6, atol=1e-7)


def test_a_model_without_clips_costs_nothing(clips):
    given = arrays_of(clips, 2, {"far": np.full(5, False)}, far=model(1.0))
    assert given["far"].shape == (5, CLIP_LENGTH)
    assert np.isnan(given["far"]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_finite_number_is_the_end_of_a_training(clips, value):
    with pytest.raises(TrainingError, match=r"training diverged: `broken`, by which .*precision"):
        arrays_of(clips, 2, whole=model(1.0), broken=model(value))
