"""Networks are built in the precision that is asked for, and nothing else is."""

import keras
import numpy as np
import pytest

from asdkeras.losses.ada_proj import AdaProj
from asdkeras.mixed_precision import dtype_without_bound, in_float32, network, networks_in
from asdkeras.networks.chunk_embeddings import chunk_embeddings
from asdkeras.networks.mobile_face_net import linear_embedding, mobile_face_net

MIXED = ("mixed_bfloat16", "mixed_float16")
_FRAMES, _BINS = 20, 16


@network
def double(x, dtype=None):
    return keras.layers.Dense(3, dtype=dtype, name="inside")(x)


@pytest.fixture
def inputs():
    return keras.Input((4,))


def layers_of(outputs, inputs):
    return {layer.name: layer for layer in keras.Model(inputs, outputs).layers}


@pytest.mark.parametrize("policy", ["float32", *MIXED])
def test_a_network_computes_in_the_precision_and_gives_float32(inputs, policy):
    with networks_in(policy):
        outputs = double(inputs)
        beside = keras.layers.Dense(3)
        head = AdaProj(3, 2)

    assert layers_of(outputs, inputs)["inside"].dtype_policy.name == policy
    assert outputs.dtype == "float32"
    assert beside.dtype_policy.name == head.dtype_policy.name == "float32"


def test_a_network_in_float32_has_no_cast_behind_it(inputs):
    assert [*layers_of(double(inputs), inputs)][1:] == ["inside"]


def test_precision_ends_with_its_block_also_by_an_error(inputs):
    with networks_in(MIXED[0]):
        with pytest.raises(ZeroDivisionError), networks_in(MIXED[1]):
            raise ZeroDivisionError
        inner = double(inputs)

    assert layers_of(inner, inputs)["inside"].dtype_policy.name == MIXED[0]
    assert layers_of(double(inputs), inputs)["inside"].dtype_policy.name == "float32"
    with networks_in(MIXED[0]), pytest.raises(ValueError, match="no_such_type"):
        double(inputs, dtype="no_such_type")
    assert keras.config.dtype_policy().name == "float32"


def test_elsewhere_a_network_has_the_global_policy(inputs):
    keras.config.set_dtype_policy(MIXED[0])
    try:
        outputs = double(inputs)
        assert keras.config.dtype_policy().name == MIXED[0]
    finally:
        keras.config.set_dtype_policy("float32")

    assert layers_of(outputs, inputs)["inside"].dtype_policy.name == MIXED[0]


@pytest.mark.parametrize(
    ("policy", "dtype"), [("float32", None), ("mixed_bfloat16", None), ("mixed_float16", "float32")]
)
def test_what_has_no_bound_is_kept_from_float16_alone(inputs, policy, dtype):
    seen = []

    @network
    def look(x):
        seen.append(dtype_without_bound())
        return x

    with networks_in(policy):
        look(inputs)

    assert seen == [dtype]


def embedder(policy):
    """A loop in whose layer is a network in whose layers are networks, with the same weights."""
    keras.utils.set_random_seed(0)
    chunk, spectrogram = keras.Input((16, _BINS)), keras.Input((_FRAMES, _BINS))
    with networks_in(policy):
        features = mobile_face_net(chunk, stem_channels=4, groups=((2, 4, 1, 2),), num_features=4)
    of_chunk = keras.Model(chunk, linear_embedding(features, 3))
    return keras.Model(
        spectrogram, chunk_embeddings(of_chunk, spectrogram, hop=1, chunks_at_once=3)
    )


@pytest.mark.parametrize("policy", MIXED)
def test_a_copy_in_float32_is_the_network_that_was_built_so(policy):
    model, single = embedder(policy), embedder("float32")
    spectrograms = np.random.default_rng(0).normal(size=(2, _FRAMES, _BINS)).astype("float32")

    copy = in_float32(model)

    expected = single(spectrograms)
    assert np.any(model(spectrograms) != expected)
    np.testing.assert_array_equal(copy(spectrograms), expected)
    np.testing.assert_allclose(model(spectrograms), expected, atol=0.1 * np.abs(expected).max())
