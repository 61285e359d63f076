"""Start weights of a classifier's network: which files do, and what is said of the others."""

import keras
import numpy as np
import pytest

from asdkeras.errors import RecipeError
from asdkeras.systems.kuroyanagi.start_weights import load_start_weights, require_start_weights


def network(filters=3, head=None, names=("stem", "body")):
    """Convolutions and a batch normalization, with a head or without."""
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(filters, 3, name=names[0])(image)
    x = keras.layers.BatchNormalization(name="normalization")(x)
    x = keras.layers.Conv2D(4, 3, name=names[1])(keras.layers.ReLU()(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    if head:
        x = keras.layers.Dense(head, name="classes")(x)
    return keras.Model(image, x)


def randomized(model, seed=0):
    generator = np.random.default_rng(seed)
    model.set_weights([generator.normal(size=each.shape) for each in model.get_weights()])
    return model


def inside(model):
    """As the classifier holds it: a layer `backbone` of a model with more layers."""
    backbone = keras.Model(model.input, model.output, name="backbone")
    image = keras.Input((8, 8, 1))
    return keras.Model(image, keras.layers.Dense(1, name="head")(backbone(image)))


def saved(model, path):
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)
    return str(path)


@pytest.mark.parametrize("name", ["w.keras", "w.weights.h5"])
@pytest.mark.parametrize("head", [None, 1000])
def test_weights_of_a_file_are_taken_whatever_its_head(tmp_path, name, head):
    donor, ours = randomized(network(head=head)), randomized(network(), seed=1)

    load_start_weights(ours, saved(donor, tmp_path / name))

    for wanted, found in zip(donor.get_weights(), ours.get_weights(), strict=False):
        np.testing.assert_array_equal(found, wanted)


def test_weights_of_a_finished_classifier_are_taken(tmp_path):
    donor, ours = randomized(network()), network()

    load_start_weights(ours, saved(inside(donor), tmp_path / "model.keras"))

    for wanted, found in zip(donor.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_random_leaves_the_network_as_it_is():
    ours = network()
    before = ours.get_weights()

    require_start_weights("random")
    load_start_weights(ours, "random")

    for wanted, found in zip(before, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_relative_path_starts_at_the_folder_the_command_is_run_in(tmp_path, monkeypatch):
    saved(network(), tmp_path / "w.keras")
    with pytest.raises(RecipeError, match=r"start_weights`: w\.keras: there is no such file from"):
        require_start_weights("w.keras")

    monkeypatch.chdir(tmp_path)

    require_start_weights("w.keras")


@pytest.mark.parametrize("name", ["w.keras", "w.weights.h5"])
def test_a_layer_of_another_shape_is_named(tmp_path, name):
    file = saved(network(filters=5), tmp_path / name)

    with pytest.raises(RecipeError, match=r"layer stem .*shapes.*start_weights=random\.$"):
        load_start_weights(network(), file)


@pytest.mark.parametrize("name", ["w.keras", "w.weights.h5"])
def test_a_layer_that_is_missing_is_named(tmp_path, name):
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(3, 3, name="stem")(image)
    short = keras.Model(image, keras.layers.BatchNormalization(name="normalization")(x))

    with pytest.raises(RecipeError, match=r"layer body.*start_weights=random\.$"):
        load_start_weights(network(), saved(short, tmp_path / name))


@pytest.mark.parametrize("name", ["w.keras", "w.weights.h5"])
def test_a_file_that_holds_no_weights_is_refused_in_one_line(tmp_path, name):
    path = tmp_path / name
    path.write_text("nothing")

    with pytest.raises(RecipeError, match="cannot be read as") as caught:
        load_start_weights(network(), str(path))

    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_is_refused():
    with pytest.raises(RecipeError, match=r"none\.keras: there is no such file"):
        load_start_weights(network(), "none.keras")
