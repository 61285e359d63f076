"""What a training left, read back from its folder: values, arrays and networks."""

import dataclasses

import keras
import numpy as np
import pytest

from asdkeras.errors import DataError, RecipeError
from asdkeras.systems.model_files import (
    Models,
    TrainedNetwork,
    has_models,
    load_models,
    save_models,
)


@dataclasses.dataclass(frozen=True)
class Everything(Models):
    """A record with a field of its own for whatever is to be kept."""

    value: object


def record(value):
    return Everything(64, 16000, "start", value)


def reread(folder, value):
    save_models(record(value), folder)
    return load_models(Everything, folder).value


@pytest.fixture
def network(tmp_path):
    """A network of one layer whose file lies in the folder of a phase."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    path = tmp_path / "first" / "weights.keras"
    path.parent.mkdir()
    model.save(path)
    return TrainedNetwork(path, model)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        0.1 + 0.2,
        float("inf"),
        "Ω: quotes \" and 'other' ones",
        (),
        (1, (2.5, "a"), None),
        {},
        {3: "epoch", "fan": (1, 2), ("fan", "00"): 0.5},
        {"array": "a name", "items": {"network": "another"}},
    ],
    ids=repr,
)
def test_a_value_is_read_as_it_was_written(tmp_path, value):
    again = reread(tmp_path, value)

    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="int64").reshape(2, 3),
        np.array([0.1, np.nan, -np.inf], "float32"),
        np.array(1 / 3),
        np.array([True, False]),
        np.array(["fan", "valve"]),
        np.empty((0, 4)),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_an_array_is_read_as_it_was_written(tmp_path, array):
    by_name = reread(tmp_path, {"first": array, "others": (array,)})

    for again in (by_name["first"], *by_name["others"]):
        assert again.dtype == array.dtype
        np.testing.assert_array_equal(again, array)


def test_the_fields_that_all_records_share_are_read_too(tmp_path):
    save_models(record(None), tmp_path)

    assert load_models(Everything, tmp_path) == record(None)


def test_networks_are_loaded_when_they_are_asked_for(tmp_path, network, monkeypatch):
    loaded = []
    load = keras.saving.load_model
    monkeypatch.setattr(keras.saving, "load_model", lambda path: loaded.append(path) or load(path))

    again = reread(tmp_path, {2: network})[2]

    assert (again.path, loaded) == (network.path, [])
    for _ in range(2):
        for weights, others in zip(
            again.model.get_weights(), network.model.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(weights, others)
    assert loaded == [network.path]


def test_a_folder_may_be_moved_with_all_that_lies_in_it(tmp_path, network):
    save_models(record(network), tmp_path)
    there = tmp_path.rename(tmp_path.with_name("there"))

    again = load_models(Everything, there).value

    assert again.path == there / "first" / "weights.keras"
    assert len(again.model.get_weights()) == 2


def test_weights_that_are_gone_are_missed_before_they_are_needed(tmp_path, network):
    save_models(record((network,)), tmp_path)
    network.path.unlink()

    message = rf"weights\.keras: the weights of a .* are gone\. Delete {tmp_path} to train anew"
    with pytest.raises(RecipeError, match=message):
        load_models(Everything, tmp_path)


def test_a_folder_without_a_record_says_how_to_get_one(tmp_path):
    assert not has_models(tmp_path)
    with pytest.raises(RecipeError, match=r"no finished training\. `asdkeras train` finishes it"):
        load_models(Everything, tmp_path)


def test_what_no_record_can_hold_is_refused_and_an_earlier_one_stays(tmp_path):
    save_models(record(1), tmp_path)

    with pytest.raises(TypeError, match=r"a record holds texts, .* Received: set"):
        save_models(record((1, {2})), tmp_path)

    assert load_models(Everything, tmp_path).value == 1


def test_a_record_that_cannot_be_written_whole_leaves_the_earlier_one(tmp_path, monkeypatch):
    def fail(path, **arrays):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    save_models(record(1), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", fail)
        with pytest.raises(OSError, match=r"No space .*models\.npz"):
            save_models(record(2), tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["models.npz"]
    assert load_models(Everything, tmp_path).value == 1


def test_arrays_of_objects_are_never_read(tmp_path):
    """They are pickles, and reading a pickle may run whatever code it names."""
    np.savez(
        tmp_path / "models.npz", record=np.array('{"value": {"array": "array0"}}'), array0=[{}]
    )

    with pytest.raises(DataError, match="allow_pickle=False"):
        load_models(Everything, tmp_path)
