"""MaskedCopies: what hides, that it stays the same, and what each copy has of its own."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.layers.masked_copies import MaskedCopies
from tests.contracts import check_layer

FRAMES, BANDS = 12, 16


def copies(**arguments):
    defaults = {
        "num_copies": 3,
        "num_time_masks": 2,
        "time_width": 4,
        "num_band_masks": 1,
        "band_width": 5,
        "dropout": 0.2,
        "seed": 1,
    }
    return MaskedCopies(**defaults | arguments)


def factors_of(frames=FRAMES, bands=BANDS, **arguments):
    """What a layer makes of ones."""
    return np.asarray(copies(**arguments)(np.ones((1, frames, bands), "float32")))[0]


@pytest.fixture
def spectrograms():
    return np.random.default_rng(0).normal(size=(4, FRAMES, BANDS)).astype("float32")


def test_each_copy_of_each_clip_is_the_clip_times_what_hides(spectrograms):
    layer = copies()

    output = np.asarray(layer(spectrograms))

    factors = np.asarray(layer.factors)
    for clip, copy in itertools.product(range(4), range(3)):
        np.testing.assert_array_equal(output[clip, copy], spectrograms[clip] * factors[copy])


def test_values_are_lost_or_grow_so_that_the_mean_stays():
    assert set(np.unique(factors_of(dropout=0.2))) == {0.0, np.float32(1.25)}
    assert set(np.unique(factors_of(dropout=0.5))) == {0.0, 2.0}
    assert set(np.unique(factors_of(dropout=0.0))) == {0.0, 1.0}


def test_masks_are_the_same_for_every_clip_call_and_phase(spectrograms):
    layer = copies()
    together = np.asarray(layer(spectrograms))
    assert np.any(together == 0.0)

    for training in (False, True):
        alone = [layer(clip[None], training=training)[0] for clip in spectrograms]
        np.testing.assert_array_equal(alone, together)


def hidden_places(hidden):
    """Numbers of what is hidden along an axis."""
    return np.flatnonzero(hidden).tolist()


@pytest.mark.parametrize(
    ("arguments", "axis"),
    [
        ({"time_width": (3, 3), "num_time_masks": 1, "num_band_masks": 0}, 0),
        ({"band_width": (3, 3), "num_time_masks": 0, "num_band_masks": 1}, 1),
    ],
)
def test_masks_hide_neighbors_along_their_axis(arguments, axis):
    factors = factors_of(num_copies=20, dropout=0.0, **arguments)

    firsts = set()
    for copy in factors:
        hidden = copy == 0.0
        assert np.all(np.all(hidden, axis=1 - axis) == np.any(hidden, axis=1 - axis))
        places = hidden_places(np.all(hidden, axis=1 - axis))
        assert places == list(range(places[0], places[0] + 3))
        firsts.add(places[0])
    assert len(firsts) > 5


@pytest.mark.parametrize(
    ("arguments", "axis"),
    [
        ({"num_time_masks": 4, "num_band_masks": 0, "time_width": (1, 1)}, 0),
        ({"num_time_masks": 0, "num_band_masks": 4, "band_width": (1, 1)}, 1),
    ],
)
def test_there_are_as_many_masks_as_asked_for(arguments, axis):
    factors = factors_of(num_copies=20, dropout=0.0, **arguments)
    counts = [np.all(copy == 0.0, axis=1 - axis).sum() for copy in factors]
    assert max(counts) == 4  # Fewer where masks fall on each other.


def test_single_values_are_lost_by_dropout_in_each_copy_for_itself():
    factors = factors_of(
        frames=50, bands=40, num_time_masks=0, num_band_masks=0, num_copies=4, dropout=0.3
    )
    lost = factors == 0.0
    # Five standard deviations of a binomial share.
    bound = 5 * math.sqrt(0.3 * 0.7 / 2000)
    for copy in lost:
        assert copy.mean() == pytest.approx(0.3, abs=bound)
    for one, other in itertools.combinations(lost, 2):
        assert np.mean(one & other) == pytest.approx(0.09, abs=5 * math.sqrt(0.09 * 0.91 / 2000))
    for axis in (1, 2):
        assert not np.any(np.all(lost, axis=axis))


def test_every_copy_has_masks_of_its_own():
    masks = factors_of(num_copies=10, dropout=0.0)
    assert len({copy.tobytes() for copy in masks}) == 10


def test_dropout_does_not_repeat_the_draws_of_the_masks():
    sizes = {"frames": 4, "bands": 64, "num_copies": 60, "num_band_masks": 0}
    masked = factors_of(**sizes, num_time_masks=1, time_width=1, dropout=0.0)
    dropped = factors_of(**sizes, num_time_masks=0, dropout=0.5)

    # The first draws of either: from the same seed they would be the same numbers, and a
    # value lost exactly where a mask has the width 0.
    is_masked = np.any(masked == 0.0, axis=(1, 2))
    is_lost = dropped.ravel()[:60] == 0.0
    assert 0.2 < np.mean(is_masked == is_lost) < 0.8


def test_masks_and_dropout_follow_the_seed_alone():
    masks, values = {"dropout": 0.0}, {"num_time_masks": 0, "num_band_masks": 0}
    for arguments in (masks, values):
        first = factors_of(seed=3, **arguments)
        keras.utils.set_random_seed(5)
        np.testing.assert_array_equal(factors_of(seed=3, **arguments), first)
        assert np.any(factors_of(seed=4, **arguments) != first)


def test_layer_built_while_a_graph_is_traced_hides_the_same(spectrograms):
    layer = copies()

    output = tf.function(layer)(spectrograms)

    np.testing.assert_array_equal(layer.factors, copies()(np.ones_like(spectrograms))[0])
    np.testing.assert_array_equal(output, layer(spectrograms))


@keras.saving.register_keras_serializable(package="tests")
class Around(keras.layers.Layer):
    """Builds the layer inside another one, while Keras only looks for shapes."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inside = copies()

    def call(self, spectrograms):
        return self.inside(spectrograms)


def test_layer_built_inside_another_one_hides_the_same(spectrograms):
    windows = keras.Input((FRAMES, BANDS))
    model = keras.Model(windows, Around()(windows))
    np.testing.assert_array_equal(model(spectrograms), copies()(spectrograms))


def test_loaded_model_hides_what_the_saved_one_hid_and_not_what_its_seed_says(
    tmp_path, spectrograms
):
    windows = keras.Input((FRAMES, BANDS))
    layer = copies()
    model = keras.Model(windows, layer(windows))
    layer.factors.assign(factors_of(seed=9))  # As if another generator had drawn them.
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    np.testing.assert_array_equal(loaded(spectrograms), model(spectrograms))
    np.testing.assert_array_equal(loaded(spectrograms), copies(seed=9)(spectrograms))


def test_nothing_of_it_is_trained(spectrograms):
    layer = copies()
    layer(spectrograms)
    assert layer.trainable_weights == []


def test_half_precision_hides_the_same(spectrograms):
    output = copies(dtype="mixed_float16", dropout=0.5)(spectrograms.astype("float16"))
    assert keras.backend.standardize_dtype(output.dtype) == "float16"
    expected = copies(dropout=0.5)(spectrograms.astype("float16").astype("float32"))
    np.testing.assert_array_equal(np.asarray(output, "float32"), expected)


def test_layer_contract(spectrograms):
    check_layer(copies(), spectrograms, output_shape=(4, 3, FRAMES, BANDS))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_copies": 0}, r"`num_copies` must be at least 1\. Received: num_copies=0"),
        ({"dropout": 1.0}, r"`dropout` must lie in \[0, 1\).*Received: dropout=1.0"),
        ({"dropout": -0.1}, r"`dropout` must lie in \[0, 1\).*Received: dropout=-0.1"),
        ({"seed": -1}, r"`seed` must not be negative\. Received: seed=-1"),
        ({"time_width": -1}, r"`time_width` must be a width from 0 on.*Received: time_width=-1"),
        ({"band_width": (6, 5)}, r"the narrowest first\. Received: band_width=\(6, 5\)"),
    ],
)
def test_wrong_numbers_are_refused_when_the_layer_is_made(arguments, message):
    with pytest.raises(ValueError, match=message):
        copies(**arguments)


def test_mask_wider_than_its_axis_is_refused(spectrograms):
    with pytest.raises(ValueError, match=r"`time_width` must not be above .*time_width=13"):
        copies(time_width=13)(spectrograms)


@pytest.mark.parametrize("shape", [(None, BANDS), (FRAMES, None)])
def test_spectrograms_of_unknown_size_are_refused(shape):
    with pytest.raises(ValueError, match=r"MaskedCopies needs to know.*Received: .*None"):
        copies()(keras.Input(shape))
