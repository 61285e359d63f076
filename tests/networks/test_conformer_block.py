"""The conformer block: the recorded one, the definition, and what each module may know."""

import keras
import numpy as np
import pytest
from keras import layers

from asdkeras.networks.conformer_block import conformer_block
from tests.golden import load_golden
from tests.networks.conformer_weights import block_by_definition, disturb, fill_block
from tests.networks.released import count

WIDTH, LENGTH = 8, 9
FRAMES = np.random.default_rng(0).normal(size=(2, LENGTH, WIDTH)).astype("float32")


def block(width=WIDTH, **arguments):
    defaults = {"kernel_size": 5, "num_heads": 2, "name": "block"}
    frames = keras.Input((None, width))
    return keras.Model(frames, conformer_block(frames, **defaults | arguments))


@pytest.fixture(scope="module")
def disturbed():
    """A block none of whose weights is 0 or 1."""
    keras.utils.set_random_seed(0)
    model = block()
    disturb(model)
    return model


def module_of(model, name):
    """From the input of a module, before its normalization, to its output."""
    return keras.Model(
        model.get_layer(f"block_{name}_norm").input, model.get_layer(f"block_{name}_dropout").output
    )


def test_block_is_the_recorded_one():
    golden = load_golden("conformer_ae/conformer_ae_small")
    model = block(16, kernel_size=7, num_heads=4)
    fill_block(model, "block", golden, "P/encoder_block.0")

    found = model(golden["block_in"].transpose(0, 2, 1))

    expected = golden["block_out"].transpose(0, 2, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_block_is_that_of_the_definition(disturbed):
    expected = [block_by_definition(disturbed, "block", clip) for clip in FRAMES]
    np.testing.assert_allclose(disturbed(FRAMES), expected, rtol=1e-5, atol=1e-5)


def test_parameters_are_those_of_the_published_code():
    golden = load_golden("conformer_ae/conformer_ae.json")
    frames = keras.Input((None, 144))
    model = keras.Model(frames, conformer_block(frames))
    assert count(model.trainable_weights) == 485_712 == golden["params_block_144_k31"]


def test_attention_does_not_know_where_a_frame_is(disturbed):
    attention = module_of(disturbed, "attention")
    order = np.random.default_rng(1).permutation(LENGTH)
    np.testing.assert_allclose(
        attention(FRAMES[:, order]), np.asarray(attention(FRAMES))[:, order], rtol=1e-5, atol=1e-6
    )


def test_block_knows_the_order_of_the_frames_by_its_convolution(disturbed):
    order = np.random.default_rng(1).permutation(LENGTH)
    for part in (disturbed, module_of(disturbed, "convolution")):
        turned = np.asarray(part(FRAMES))[:, order]
        assert np.abs(part(FRAMES[:, order]) - turned).max() > 0.1


def heard_by(part):
    """Bool, `(frames, frames)`: whether the output of a frame depends on another one."""
    before = np.asarray(part(FRAMES[:1]))[0]
    heard = []
    for other in range(LENGTH):
        changed = FRAMES[:1].copy()
        changed[0, other, 0] += 1.0
        heard.append(np.any(np.asarray(part(changed))[0] != before, axis=-1))
    return np.array(heard).T


@pytest.mark.parametrize(("name", "reach"), [("first", 0), ("convolution", 2), ("attention", 8)])
def test_modules_hear_as_far_as_they_should(disturbed, name, reach):
    distances = np.abs(np.subtract.outer(np.arange(LENGTH), np.arange(LENGTH)))
    np.testing.assert_array_equal(heard_by(module_of(disturbed, name)), distances <= reach)


def test_clips_of_a_batch_know_nothing_of_each_other(disturbed):
    alone = [disturbed(clip[None])[0] for clip in FRAMES]
    np.testing.assert_allclose(alone, disturbed(FRAMES), rtol=1e-5, atol=1e-6)


def test_without_its_modules_the_block_is_a_layer_normalization():
    # Dropout of all but a ten-thousandth of what every module returns.
    model = block(dropout=0.9999)
    keras.utils.set_random_seed(0)
    found = model(FRAMES, training=True)
    alone = layers.LayerNormalization(epsilon=1e-5)(FRAMES)
    np.testing.assert_allclose(found, alone, rtol=1e-6)


def test_dropout_is_where_the_definition_has_it():
    model = block(dropout=0.3)
    dropouts = [layer for layer in model.layers if isinstance(layer, layers.Dropout)]
    assert [layer.rate for layer in dropouts] == 6 * [0.3]
    for name in ("first", "second"):
        inner = model.get_layer(f"block_{name}_inner_dropout")
        assert inner.input is model.get_layer(f"block_{name}_expand").output
        assert model.get_layer(f"block_{name}_project").input is inner.output
    assert model.get_layer("block_attention_heads").get_config()["dropout"] == 0.0


def test_inference_draws_nothing(disturbed):
    np.testing.assert_array_equal(disturbed(FRAMES), disturbed(FRAMES, training=False))


def test_running_statistics_move_by_a_tenth_of_the_way():
    keras.utils.set_random_seed(0)
    model = block(dropout=0.0)
    batch = model.get_layer("block_convolution_batch")
    inside = np.asarray(keras.Model(model.input, batch.input)(FRAMES), "float64")

    model(FRAMES, training=True)

    _, _, mean, variance = batch.get_weights()
    np.testing.assert_allclose(mean, 0.1 * inside.mean(axis=(0, 1)), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(variance, 0.9 + 0.1 * inside.var(axis=(0, 1)), rtol=1e-5)


@pytest.mark.parametrize(("width", "num_heads"), [(10, 4), (8, 0)])
def test_heads_of_unequal_width_are_refused(width, num_heads):
    message = rf"multiple of `num_heads`.*Received: width={width}, num_heads={num_heads}"
    with pytest.raises(ValueError, match=message):
        block(width, num_heads=num_heads)


@pytest.mark.parametrize("kernel_size", [0, 4, -1])
def test_kernel_without_a_middle_is_refused(kernel_size):
    with pytest.raises(ValueError, match=rf"`kernel_size` must be odd.*kernel_size={kernel_size}"):
        block(kernel_size=kernel_size)
