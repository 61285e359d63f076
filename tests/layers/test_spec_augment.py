"""SpecAugment: what it hides, how often, when, and what becomes of its draws."""

import collections
import itertools
import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.layers.spec_augment import SpecAugment
from tests.contracts import check_layer


def augment(**arguments):
    """A layer of masks that hide a good part of 12 frames and 16 bands."""
    defaults = {
        "num_time_masks": 2,
        "time_width": 4,
        "num_band_masks": 2,
        "band_width": 6,
        "seed": 0,
    }
    return SpecAugment(**defaults | arguments)


@pytest.fixture
def spectrograms():
    values = np.random.default_rng(0).normal(size=(5, 12, 16))
    return (values + 10.0 * np.arange(5)[:, None, None]).astype("float32")


def hidden_by(layer, spectrograms):
    """Bool, where a layer that hides by zeros has hidden; no value of the input is zero."""
    assert np.all(spectrograms != 0.0)
    return np.asarray(layer(spectrograms, training=True)) == 0.0


def masks(length, narrowest, widest):
    """Every mask and its probability: the width is drawn first, then the place."""
    for drawn in range(narrowest, widest + 1):
        for start in range(length - drawn + 1):
            mask = np.zeros(length, bool)
            mask[start : start + drawn] = True
            yield mask, 1 / (widest - narrowest + 1) / (length - drawn + 1)


def hidden_and_probability(frames, bands, numbers, narrowest_time, narrowest_band):
    """Probability of everything that may be hidden of a spectrogram, by enumeration."""
    num_time_masks, widest_time, num_band_masks, widest_band = numbers
    probabilities = collections.Counter()
    of_time = masks(frames, narrowest_time, widest_time)
    of_bands = masks(bands, narrowest_band, widest_band)
    time_draws = itertools.product(of_time, repeat=num_time_masks)
    band_draws = itertools.product(of_bands, repeat=num_band_masks)
    for in_time, in_bands in itertools.product(time_draws, list(band_draws)):
        hidden = np.zeros((frames, bands), bool)
        for mask, _ in in_time:
            hidden[mask, :] = True
        for mask, _ in in_bands:
            hidden[:, mask] = True
        drawn = [probability for _, probability in (*in_time, *in_bands)]
        probabilities[hidden.tobytes()] += math.prod(drawn)
    return probabilities


@pytest.mark.parametrize(
    ("numbers", "narrowest_time", "narrowest_band"),
    [
        ((1, 2, 0, 2), 0, 0),
        ((0, 2, 1, 5), 0, 0),
        ((1, 1, 1, 3), 0, 0),
        ((2, 2, 0, 0), 0, 0),
        ((1, 1, 2, 2), 0, 0),
        ((1, 3, 1, 4), 1, 2),
        ((1, 2, 1, 2), 2, 1),
    ],
)
def test_everything_is_hidden_as_often_as_the_definition_says(
    numbers, narrowest_time, narrowest_band
):
    probabilities = hidden_and_probability(3, 5, numbers, narrowest_time, narrowest_band)
    assert sum(probabilities.values()) == pytest.approx(1.0)
    num_examples = 40_000

    num_time_masks, widest_time, num_band_masks, widest_band = numbers
    layer = SpecAugment(
        num_time_masks,
        (narrowest_time, widest_time),
        num_band_masks,
        (narrowest_band, widest_band),
        fill="zero",
        seed=0,
    )
    hidden = hidden_by(layer, np.ones((num_examples, 3, 5), "float32"))

    counts = collections.Counter(example.tobytes() for example in hidden)
    assert set(counts) <= set(probabilities)
    for key, probability in probabilities.items():
        # Five standard deviations of a binomial share.
        bound = 5 * math.sqrt(probability * (1 - probability) / num_examples)
        assert counts[key] / num_examples == pytest.approx(probability, abs=bound)


def test_what_hides_is_the_mean_of_the_example_before_masking(spectrograms):
    hidden = hidden_by(augment(fill="zero"), spectrograms)
    assert np.all(np.any(hidden, axis=(1, 2)))

    output = augment()(spectrograms, training=True)

    means = spectrograms.astype(float).mean(axis=(1, 2))[:, None, None]
    expected = np.where(hidden, means, spectrograms)
    np.testing.assert_allclose(output, expected, rtol=1e-6)


def test_what_is_not_hidden_stays_as_it_is(spectrograms):
    hidden = hidden_by(augment(fill="zero"), spectrograms)

    output = np.asarray(augment()(spectrograms, training=True))

    np.testing.assert_array_equal(output[~hidden], spectrograms[~hidden])


def test_nothing_is_hidden_outside_training(spectrograms):
    output = augment()(spectrograms, training=False)
    np.testing.assert_array_equal(output, spectrograms)


@pytest.mark.parametrize(
    "arguments",
    [{"num_time_masks": 0, "num_band_masks": 0}, {"time_width": 0, "band_width": 0}],
)
def test_no_masks_and_masks_of_no_width_hide_nothing(spectrograms, arguments):
    output = augment(**arguments)(spectrograms, training=True)
    np.testing.assert_array_equal(output, spectrograms)


def test_every_call_draws_anew(spectrograms):
    layer = augment(fill="zero")
    first, second = (hidden_by(layer, spectrograms) for _ in range(2))
    assert np.all(np.any(first != second, axis=(1, 2)))


def test_examples_of_a_batch_have_their_own_masks(spectrograms):
    hidden = hidden_by(augment(fill="zero"), spectrograms)
    assert len({example.tobytes() for example in hidden}) == len(spectrograms)


def test_draws_depend_on_the_seed_alone(spectrograms):
    first, again, other = (
        hidden_by(augment(fill="zero", seed=seed), spectrograms) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_layers_without_a_seed_draw_differently(spectrograms):
    keras.utils.set_random_seed(0)
    first, other = (hidden_by(augment(fill="zero", seed=None), spectrograms) for _ in range(2))
    assert np.any(first != other)


def masking_model(**arguments):
    windows = keras.Input((12, 16))
    return keras.Model(windows, augment(**arguments)(windows))


def masked_in_training(model, spectrograms):
    """What a model makes of a batch in training, in a graph for batches of any size."""
    signature = [tf.TensorSpec((None, 12, 16))]
    graph = tf.function(lambda batch: model(batch, training=True), input_signature=signature)
    return np.asarray(graph(spectrograms))


def test_batches_of_any_size_pass_a_compiled_model(spectrograms):
    model, layer = masking_model(), augment()
    for part in np.split(spectrograms, [2, 4]):
        expected = layer(part, training=True)
        np.testing.assert_allclose(masked_in_training(model, part), expected, rtol=1e-6)


@pytest.mark.parametrize("seed", [0, None])
def test_loaded_model_goes_on_with_the_draws_of_the_saved_one(tmp_path, spectrograms, seed):
    model = masking_model(seed=seed)
    first = masked_in_training(model, spectrograms)
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    found = masked_in_training(loaded, spectrograms)
    np.testing.assert_array_equal(found, masked_in_training(model, spectrograms))
    assert np.any(found != first)


def test_loaded_weights_bring_the_draws_with_them(tmp_path, spectrograms):
    model, other = masking_model(), masking_model(seed=5)
    masked_in_training(model, spectrograms)
    model.save_weights(tmp_path / "model.weights.h5")

    other.load_weights(tmp_path / "model.weights.h5")

    expected = masked_in_training(model, spectrograms)
    np.testing.assert_array_equal(masked_in_training(other, spectrograms), expected)


def test_half_precision_changes_neither_masks_nor_means():
    # The sum of the values lies beyond the largest number of float16.
    decibels = np.full((3, 64, 128), -60.0, "float16")
    decibels[:, :32] = -20.0
    arguments = {"num_time_masks": 2, "time_width": 16, "num_band_masks": 2, "band_width": 24}

    output = SpecAugment(**arguments, seed=0, dtype="float16")(decibels, training=True)

    assert keras.backend.standardize_dtype(output.dtype) == "float16"
    expected = SpecAugment(**arguments, seed=0)(decibels.astype("float32"), training=True)
    assert np.any(np.asarray(expected) == -40.0)
    np.testing.assert_array_equal(np.asarray(output, "float32"), expected)


def test_gradient_passes_where_nothing_is_hidden(spectrograms):
    hidden = hidden_by(augment(fill="zero"), spectrograms)
    inputs = tf.constant(spectrograms)

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = augment(fill="zero")(inputs, training=True)
    gradient = tape.gradient(output, inputs)

    np.testing.assert_array_equal(gradient, np.where(hidden, 0.0, 1.0))


def test_layer_contract(spectrograms):
    check_layer(augment(), spectrograms, output_shape=(5, 12, 16))


def test_one_width_is_that_of_the_widest_mask(spectrograms):
    one, both = (
        augment(time_width=time, band_width=band) for time, band in ((4, 6), ((0, 4), (0, 6)))
    )
    np.testing.assert_array_equal(
        one(spectrograms, training=True), both(spectrograms, training=True)
    )


def test_layer_contract_of_two_widths(spectrograms):
    layer = augment(time_width=(1, 4), band_width=(2, 6))
    check_layer(layer, spectrograms, output_shape=(5, 12, 16))


@pytest.mark.parametrize("name", ["num_time_masks", "num_band_masks"])
def test_negative_number_is_refused(name):
    message = rf"`{name}` must not be negative\. Received: {name}=-1"
    with pytest.raises(ValueError, match=message):
        augment(**{name: -1})


@pytest.mark.parametrize("name", ["time_width", "band_width"])
@pytest.mark.parametrize("width", [-1, (-1, 2), (3, 2)])
def test_widths_that_are_none_are_refused(name, width):
    augment(**{name: (2, 2)})
    message = (
        rf"`{name}` must be a width from 0 on, or two.*Received: {name}={re.escape(str(width))}"
    )
    with pytest.raises(ValueError, match=message):
        augment(**{name: width})


def test_unknown_fill_is_refused():
    with pytest.raises(ValueError, match=r"`fill` must be 'mean' or 'zero'\..*fill='median'"):
        augment(fill="median")


@pytest.mark.parametrize(("name", "length"), [("time_width", 12), ("band_width", 16)])
def test_mask_as_wide_as_its_axis_is_the_widest(spectrograms, name, length):
    augment(**{name: length})(spectrograms, training=True)
    message = rf"`{name}` must not be above .* {length},.*Received: {name}={length + 1}"
    with pytest.raises(ValueError, match=message):
        augment(**{name: length + 1})(spectrograms)


@pytest.mark.parametrize("shape", [(None, 16), (12, None)])
def test_spectrograms_of_unknown_size_are_refused(shape):
    with pytest.raises(ValueError, match=r"needs to know frames and bands\. Received: .*None"):
        augment()(keras.Input(shape))
