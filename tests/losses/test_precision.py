"""Heads, losses and metrics compute in float32, whatever the global policy of Keras."""

import keras
import numpy as np
import pytest

from tests.object_examples import EXAMPLES

OF_LOSSES = [
    each for each in EXAMPLES if type(each.make()).__module__.startswith("asdkeras.losses")
]
NAMES = [type(each.make()).__name__ for each in OF_LOSSES]


@pytest.fixture(params=["mixed_bfloat16", "mixed_float16"])
def policy(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


def computed(example, inputs):
    """What an object gives, the variables it has, and what it adds to losses."""
    keras.utils.set_random_seed(0)
    each = example.make()
    output = example(each, inputs)
    losses = each.losses if isinstance(each, keras.layers.Layer) else []
    return [output, *losses, *getattr(each, "variables", [])]


def test_there_are_some():
    assert {"AdaProj", "ArcFaceCrossEntropy", "BatchSquaredError", "VICReg"} <= {*NAMES}


@pytest.mark.parametrize("example", OF_LOSSES, ids=NAMES)
def test_values_are_those_of_the_policy_float32(example, policy):
    inputs = example.inputs()

    found = computed(example, inputs)

    keras.config.set_dtype_policy("float32")
    expected = computed(example, inputs)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        dtype = keras.backend.standardize_dtype(one.dtype)
        assert dtype in ("float32", "uint32")  # States of generators.
        np.testing.assert_array_equal(one, other)


HEADS = [each for each in OF_LOSSES if isinstance(each.make(), keras.layers.Layer)]


@pytest.mark.parametrize("example", HEADS, ids=[type(each.make()).__name__ for each in HEADS])
def test_so_is_a_head_in_a_model_of_the_policy(example, policy):
    each = example.make()
    symbols = [keras.Input(shape[1:], batch_size=shape[0]) for shape in example.shapes]
    inputs = example.inputs()

    model = keras.Model(symbols, example.call(each, symbols) if example.call else each(*symbols))

    assert model.dtype_policy.name == policy
    assert model.outputs[0].dtype == each.dtype_policy.name == "float32"
    keras.config.set_dtype_policy("float32")
    alone = example.make()
    example(alone, inputs)  # Which builds it.
    alone.set_weights(each.get_weights())
    again = example.call(alone, inputs) if example.call else alone(*inputs)
    np.testing.assert_array_equal(model(inputs), again)
