"""Embeddings of overlapping chunks against the network on one chunk after the other."""

import keras
import numpy as np
import pytest
from keras import layers

from asdkeras.networks import chunk_embeddings as module
from asdkeras.networks.chunk_embeddings import ChunkEmbeddings, chunk_embeddings
from asdkeras.networks.folded_mobile_face_net import is_mobile_face_net
from asdkeras.networks.mobile_face_net import linear_embedding, mobile_face_net
from tests.contracts import check_layer

BINS = 9
GROUPS = ((2, 4, 2, 2), (2, 6, 2, 1), (3, 6, 1, 2))
SHORT = ((2, 4, 1, 2),)


def lively(model, seed=0):
    """With random values everywhere; about a fifth of the slopes above 1, some below 0."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        noise = rng.normal(size=weight.shape)
        weight.assign(0.5 + np.abs(noise) if weight.path.endswith("variance") else noise)
    return model


def untrained(num_frames=32, groups=GROUPS):
    spectrograms = keras.Input((num_frames, BINS))
    features = mobile_face_net(spectrograms, stem_channels=3, groups=groups, num_features=5)
    parts = [linear_embedding(features, 2), linear_embedding(features, 3)]
    return keras.Model(spectrograms, keras.ops.concatenate(parts, axis=1))


def mobile(num_frames=32, groups=GROUPS):
    return lively(untrained(num_frames, groups))


def plain(num_frames=4):
    chunks = keras.Input((num_frames, BINS))
    return lively(keras.Model(chunks, layers.Dense(3)(layers.Flatten()(chunks))))


@pytest.fixture(scope="module")
def network():
    return mobile()


def spectrograms_of(batch, num_frames, bins=BINS):
    return np.random.default_rng(1).random((batch, num_frames, bins), dtype="float32")


def one_by_one(network, spectrograms, hop):
    """The definition: all whole chunks, each through the network."""
    num_frames = network.input_shape[1]
    starts = range(0, spectrograms.shape[1] - num_frames + 1, hop)
    chunks = [network(spectrograms[:, start : start + num_frames]) for start in starts]
    return np.stack(chunks, axis=1)


def embedded(network, spectrograms, hop, chunks_at_once):
    inputs = keras.Input(spectrograms.shape[1:])
    outputs = chunk_embeddings(network, inputs, hop=hop, chunks_at_once=chunks_at_once)
    model = keras.Model(inputs, outputs)
    found = np.asarray(model(spectrograms, training=False))
    assert found.shape == (len(spectrograms), *model.output_shape[1:])
    return found


def check_equal(found, expected):
    """Up to rounding in float32, in every dimension of the embedding."""
    assert found.shape == expected.shape
    largest = np.abs(expected).max(axis=(0, 1))
    np.testing.assert_array_less(np.abs(found - expected) / largest, 1e-5)


def check(network, spectrograms, hop, chunks_at_once):
    expected = one_by_one(network, spectrograms, hop)

    found = embedded(network, spectrograms, hop, chunks_at_once)

    check_equal(found, expected)
    largest = np.abs(expected).max(axis=(0, 1))
    assert np.all(np.std(expected, axis=1) > 1e-3 * largest)  # Chunks differ.


@pytest.mark.parametrize(
    ("batch", "num_frames", "hop", "chunks_at_once"),
    [
        (3, 40, 1, 9),  # One group.
        (1, 41, 1, 3),  # The last group is one chunk short.
        (2, 34, 1, 1),
        (2, 44, 3, 2),  # One frame is behind the last chunk.
        (2, 45, 4, 100),
        (2, 47, 5, 2),  # Nothing is shared at this hop.
    ],
)
def test_embeddings_are_those_of_one_chunk_after_the_other(
    network, batch, num_frames, hop, chunks_at_once
):
    check(network, spectrograms_of(batch, num_frames), hop, chunks_at_once)


def test_an_only_chunk_is_embedded(network):
    spectrograms = spectrograms_of(2, 32)

    found = embedded(network, spectrograms, 1, 8)

    expected = one_by_one(network, spectrograms, 1)
    check_equal(found, expected)
    assert found.shape == (2, 1, 5)


@pytest.mark.parametrize(
    ("num_frames", "first_stride"), [(16, 2), (17, 2), (19, 1), (18, 3), (23, 4)]
)
def test_rows_are_shared_rightly_in_chunks_of_other_lengths_and_strides(num_frames, first_stride):
    # The first bottleneck has more channels than the stem, so it adds nothing at stride 1.
    network = mobile(num_frames, groups=((2, 4, 1, first_stride), (2, 4, 1, 1)))
    assert is_mobile_face_net(network)
    check(network, spectrograms_of(1, num_frames + 6), hop=1, chunks_at_once=4)


@pytest.mark.parametrize(
    ("num_frames", "groups"), [(15, GROUPS), (16, ((2, 3, 2, 1),))], ids=["short", "adds"]
)
def test_networks_whose_chunks_share_too_little_see_whole_chunks(num_frames, groups):
    network = mobile(num_frames, groups)
    assert not is_mobile_face_net(network)
    check(network, spectrograms_of(1, num_frames + 4), hop=1, chunks_at_once=3)


def test_any_network_of_chunks_is_taken():
    network = plain()
    assert not is_mobile_face_net(network)
    check(network, spectrograms_of(2, 13), hop=2, chunks_at_once=2)


def test_layers_between_spectrogram_and_stem_are_not_left_out():
    spectrograms = keras.Input((32, BINS))
    logarithm = keras.ops.log1p(spectrograms)
    features = mobile_face_net(logarithm, stem_channels=3, groups=GROUPS, num_features=5)
    network = lively(keras.Model(spectrograms, features))
    check(network, spectrograms_of(1, 36), hop=1, chunks_at_once=5)


def test_layers_behind_the_embedding_belong_to_the_network():
    spectrograms = keras.Input((32, BINS))
    features = mobile_face_net(spectrograms, stem_channels=3, groups=GROUPS, num_features=5)
    hidden = layers.Dense(4, activation="tanh")(linear_embedding(features, 3, batch_norm=False))
    network = lively(keras.Model(spectrograms, layers.Dense(2)(hidden)))
    assert is_mobile_face_net(network)
    check(network, spectrograms_of(1, 36), hop=1, chunks_at_once=5)


def test_network_is_in_inference_mode_whatever_the_model_is_in(network):
    for chosen in (network, plain()):
        inputs = keras.Input((36, BINS))
        model = keras.Model(inputs, chunk_embeddings(chosen, inputs, hop=1, chunks_at_once=5))
        statistics = [np.array(weight) for weight in chosen.non_trainable_weights]
        spectrograms = spectrograms_of(2, 36)

        found = model(spectrograms, training=True)

        np.testing.assert_array_equal(found, model(spectrograms, training=False))
        for weight, old in zip(chosen.non_trainable_weights, statistics, strict=True):
            np.testing.assert_array_equal(weight, old)


def test_weights_may_change_after_the_model_is_made():
    network = mobile(16, SHORT)
    inputs = keras.Input((18, BINS))
    model = keras.Model(inputs, chunk_embeddings(network, inputs, hop=1, chunks_at_once=3))
    spectrograms = spectrograms_of(1, 18)
    model.predict_on_batch(spectrograms)  # Traces.

    lively(network, seed=5)

    expected = one_by_one(network, spectrograms, 1)
    found = model.predict_on_batch(spectrograms)
    check_equal(found, expected)


@pytest.mark.parametrize(
    ("chunks_at_once", "expected"), [(3, [3, 3, 3]), (7, [4, 4]), (8, [8]), (100, [8])]
)
def test_no_group_is_larger_than_allowed_and_all_are_alike(monkeypatch, chunks_at_once, expected):
    sizes = []

    def counted(network, frames, num_chunks, hop):
        sizes.append(num_chunks)
        assert len(frames) == num_chunks - 1 + 32
        return keras.ops.zeros((num_chunks, 5))

    monkeypatch.setattr(module, "chunks_embedded", counted)
    layer = ChunkEmbeddings(mobile(), 1, chunks_at_once)

    layer(spectrograms_of(1, 39))  # 8 chunks.

    assert sizes == expected


def test_batch_may_have_any_size_in_a_graph():
    network = mobile(16, SHORT)
    inputs = keras.Input((20, BINS))
    model = keras.Model(inputs, chunk_embeddings(network, inputs, hop=1, chunks_at_once=2))
    assert model.output_shape == (None, 5, 5)

    for batch in (1, 3):
        spectrograms = spectrograms_of(batch, 20)
        found = model.predict_on_batch(spectrograms)
        check_equal(found, one_by_one(network, spectrograms, 1))


@pytest.mark.slow
def test_layer_keeps_the_contract():
    layer = ChunkEmbeddings(untrained(16, SHORT), 2, 2)
    check_layer(layer, spectrograms_of(2, 21), output_shape=(2, 3, 5))


def test_saved_network_still_shares_rows(tmp_path, network):
    network.save(tmp_path / "network.keras")

    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)

    assert is_mobile_face_net(loaded)
    assert is_mobile_face_net(network)


@pytest.mark.slow
def test_all_282_chunks_of_a_clip_agree_with_the_full_network():
    keras.utils.set_random_seed(0)  # Of some weights a dimension is next to 0 in all chunks.
    spectrograms = keras.Input((32, 1025))
    features = mobile_face_net(spectrograms)
    network = keras.Model(spectrograms, linear_embedding(features, 128))
    clip = spectrograms_of(1, 313, 1025)

    found = embedded(network, clip, 1, 47)

    assert found.shape == (1, 282, 128)
    chunks = np.stack([clip[0, start : start + 32] for start in (0, 1, 46, 47, 140, 280, 281)])
    check_equal(found[:, [0, 1, 46, 47, 140, 280, 281]], np.asarray(network(chunks))[None])


@pytest.mark.parametrize("shape", [(31, BINS), (None, BINS), (40, BINS + 1), (40, None)])
def test_spectrograms_that_hold_no_chunk_are_refused(network, shape):
    message = r"at least 32 frames of 9 bins.*Received: spectrograms of shape"
    with pytest.raises(ValueError, match=message):
        chunk_embeddings(network, keras.Input(shape), hop=1, chunks_at_once=2)


@pytest.mark.parametrize("name", ["hop", "chunks_at_once"])
def test_hop_and_group_are_at_least_one(network, name):
    arguments = {"hop": 1, "chunks_at_once": 1, name: 0}
    with pytest.raises(ValueError, match=rf"`{name}` must be at least 1\. Received: {name}=0"):
        chunk_embeddings(network, keras.Input((40, BINS)), **arguments)


def test_network_of_several_outputs_or_other_shapes_is_refused():
    chunks = keras.Input((4, BINS))
    flat = layers.Flatten()(chunks)
    message = r"`network` must map.*Received: a network from"
    for outputs in ([layers.Dense(2)(flat), layers.Dense(2)(flat)], layers.Dense(2)(chunks)):
        with pytest.raises(ValueError, match=message):
            ChunkEmbeddings(keras.Model(chunks, outputs), 1, 1)
    endless = keras.Input((None, BINS))
    network = keras.Model(endless, layers.GlobalAveragePooling1D()(endless))
    with pytest.raises(ValueError, match=message):
        ChunkEmbeddings(network, 1, 1)
