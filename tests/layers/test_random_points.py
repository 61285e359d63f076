"""RandomPoints: drawn without structure, once, and kept."""

import keras
import numpy as np
import pytest

from asdkeras.layers.random_points import RandomPoints
from tests.contracts import check_layer

WINDOWS = np.zeros((3, 40, 8, 16), "float32")


def drawn(num_points=64, seed=0, windows=WINDOWS):
    return np.array(RandomPoints(num_points, seed)(windows))


def test_no_point_is_taken_twice_and_none_is_outside():
    points = drawn()

    assert points.shape == (3, 40, 64)
    for window in points[0]:
        assert len(set(window)) == 64
        assert 0 <= window.min() <= window.max() < 128


def test_all_points_may_be_taken():
    assert sorted(drawn(128)[0, 0]) == list(range(128))


def test_every_point_is_taken_as_often_as_chance_has_it():
    counts = np.bincount(drawn(64, windows=np.zeros((1, 1000, 8, 16)))[0].ravel(), minlength=128)

    # 500 of 1000 windows, with a standard deviation of 16.
    assert counts.min() > 420
    assert counts.max() < 580


def test_windows_and_seeds_have_choices_of_their_own_and_clips_have_not():
    points = drawn()

    assert np.array_equal(points, drawn())
    assert np.array_equal(points[0], points[1])
    assert len({tuple(window) for window in points[0]}) == 40
    assert not np.any(np.all(points[0] == drawn(seed=1)[0], axis=1))


def test_the_choice_does_not_depend_on_what_else_is_random():
    before = drawn()
    keras.utils.set_random_seed(99)
    np.testing.assert_array_equal(drawn(), before)


def test_the_choice_is_saved_with_the_weights(tmp_path):
    windows = keras.Input((40, 8, 16))
    layer = RandomPoints(5, seed=0)
    model = keras.Model(windows, layer(windows))
    layer.points.assign(layer.points[:, ::-1])

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    np.testing.assert_array_equal(loaded(WINDOWS), drawn(5)[:, :, ::-1])


def test_the_layer_keeps_the_contract():
    check_layer(RandomPoints(3, seed=1), WINDOWS[:2, :2], output_shape=(2, 2, 3))


def test_a_model_knows_that_numbers_of_points_are_integers():
    assert RandomPoints(3, seed=1)(keras.Input((2, 4, 4))).dtype == "int32"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 1), "`num_points` must be at least 1.*Received"), ((3, -1), "`seed` must not be neg")],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomPoints(*arguments)


def test_more_points_than_there_are_are_refused():
    with pytest.raises(ValueError, match=r"has 128 points. Received: num_points=129"):
        drawn(129)


def test_windows_of_unknown_number_are_refused():
    with pytest.raises(ValueError, match="needs to know windows, frames and bands"):
        RandomPoints(3, seed=0)(keras.Input((None, 8, 16)))
