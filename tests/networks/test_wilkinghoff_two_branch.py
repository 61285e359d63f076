"""The two-branch network against the released networks, layer by layer and in its output."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.networks.wilkinghoff_two_branch import two_branch
from tests.golden import load_golden
from tests.networks.released import check_layers, count, fill

RELEASED = {  # Recording: samples, where the first batch normalization sits.
    "AdaProj_160000": (160_000, "shortcut"),
    "AdaProj_288000": (288_000, "shortcut"),
    "icassp2023_160000": (160_000, "residual"),
}
HALVES = {"embedding_spectrum": "emb_fft", "embedding_spectrogram": "emb_mel"}
OWN_NAMES = {
    "conv2d": "stem",
    "conv1d": "spectrum_conv1d_1",
    "conv1d_1": "spectrum_conv1d_2",
    "conv1d_2": "spectrum_conv1d_3",
    **{theirs: ours for ours, theirs in HALVES.items()},
}
SAMPLES, WINDOW_LENGTH, HOP_LENGTH = 2000, 64, 32


def network(samples=SAMPLES, **arguments):
    if samples == SAMPLES:
        arguments = {"window_length": WINDOW_LENGTH, "hop_length": HOP_LENGTH} | arguments
    waveforms = keras.Input((samples,))
    return keras.Model(waveforms, two_branch(waveforms, **arguments))


def noise(samples=SAMPLES, batch=2):
    return (0.1 * np.random.RandomState(7).randn(batch, samples)).astype("float32")


@pytest.mark.parametrize("name", RELEASED)
def test_embedding_is_that_of_the_released_network(name):
    samples, first_block_norm = RELEASED[name]
    model = network(samples, embedding_dim=256, first_block_norm=first_block_norm)
    fill(model, load_golden(f"wilkinghoff_networks/{name}.json"), OWN_NAMES)

    embedding = np.asarray(model(noise(samples)))

    golden = load_golden(f"wilkinghoff_networks/{name}")
    for half, key in zip((embedding[:, :128], embedding[:, 128:]), HALVES.values(), strict=True):
        np.testing.assert_allclose(half, golden[key], atol=1e-5 * np.abs(golden[key]).max())


@pytest.mark.parametrize("name", RELEASED)
def test_every_layer_has_the_shape_and_the_parameters_of_the_released_one(name):
    samples, first_block_norm = RELEASED[name]
    model = network(samples, embedding_dim=256, first_block_norm=first_block_norm)
    check_layers(model, load_golden(f"wilkinghoff_networks/{name}.json"), OWN_NAMES)


@pytest.mark.parametrize(
    ("samples", "embedding_dim", "parameters"),
    [
        (160_000, 256, 2_540_978),
        (160_000, 512, 2_819_506),
        (192_000, 256, 2_573_746),
        (192_000, 512, 2_852_274),
        (288_000, 256, 2_672_050),
        (288_000, 512, 2_950_578),
    ],
)
def test_parameters_add_up_to_the_published_and_recorded_counts(samples, embedding_dim, parameters):
    model = network(samples, embedding_dim=embedding_dim)
    assert count(model.trainable_weights) == parameters
    assert count(model.non_trainable_weights) == 7_842


def test_default_is_the_setting_of_the_paper():
    model = network(160_000)
    assert model.output_shape == (None, 512)
    assert count(model.trainable_weights) == 2_819_506
    assert model.get_layer("spectrum").output.shape == (None, 80_000)
    assert model.get_layer("spectrogram").output.shape == (None, 311, 513)


def test_first_block_is_wired_as_released_by_default():
    embeddings = {}
    for norm, arguments in (
        ("default", {}),
        ("shortcut", {"first_block_norm": "shortcut"}),
        ("residual", {"first_block_norm": "residual"}),
    ):
        keras.utils.set_random_seed(0)
        embeddings[norm] = np.asarray(network(**arguments)(noise(batch=4), training=True))
    np.testing.assert_array_equal(embeddings["default"], embeddings["shortcut"])
    assert np.abs(embeddings["shortcut"] - embeddings["residual"]).max() > 1e-2


def test_embedding_is_the_spectrum_half_and_then_the_spectrogram_half():
    model = network(embedding_dim=64)
    halves = [keras.Model(model.input, model.get_layer(name).output) for name in HALVES]
    embedding = model(noise())
    np.testing.assert_array_equal(embedding[:, :32], halves[0](noise()))
    np.testing.assert_array_equal(embedding[:, 32:], halves[1](noise()))


def test_what_never_changes_over_time_does_not_reach_the_spectrogram_half():
    steady = np.resize(noise(HOP_LENGTH, batch=1), SAMPLES)  # All frames are the same.
    embedding = np.asarray(network(embedding_dim=64)(np.stack([steady, 5 * steady])))
    np.testing.assert_allclose(embedding[0, 32:], embedding[1, 32:], atol=1e-4)
    assert np.abs(embedding[0, :32] - embedding[1, :32]).max() > 1e-2


def test_nothing_but_normalization_has_an_offset():
    offsets = [w for w in network().trainable_weights if w.path.rpartition("/")[2] == "bias"]
    assert not offsets


def test_statistics_move_by_one_percent_per_training_step():
    model = network()
    spectrogram = keras.Model(model.input, model.get_layer("spectrogram").output)
    waveforms = noise(batch=4)
    magnitude = np.asarray(spectrogram(waveforms), "float64")
    variance = (magnitude - magnitude.mean(axis=1, keepdims=True)).var(axis=(0, 1))
    first = next(w for w in model.non_trainable_weights if w.shape == (WINDOW_LENGTH // 2 + 1,))
    normalization = next(
        layer for layer in model.layers if any(w is first for w in layer.non_trainable_weights)
    )

    model(waveforms, training=True)

    np.testing.assert_allclose(normalization.moving_variance, 0.99 + 0.01 * variance, rtol=1e-5)
    np.testing.assert_allclose(normalization.moving_mean, 0.0, atol=1e-6)


def test_every_normalization_has_the_momentum_and_epsilon_of_the_released_one():
    found = [x for x in network().layers if isinstance(x, keras.layers.BatchNormalization)]
    assert {(layer.momentum, layer.epsilon) for layer in found} == {(0.99, 1e-3)}


def test_weight_decay_is_on_every_kernel_and_on_nothing_else():
    model = network(weight_decay=1e-3)
    kernels = [w for w in model.trainable_weights if w.path.endswith("kernel")]
    for weight in model.trainable_weights:
        weight.assign(np.ones(weight.shape))

    penalty = sum(float(loss) for loss in model.losses)

    assert len(kernels) == len(model.losses) == 29
    assert penalty == pytest.approx(1e-3 * count(kernels), rel=1e-5)


def test_default_weight_decay_is_that_of_the_released_network():
    model = network()
    kernels = [w for w in model.trainable_weights if w.path.endswith("kernel")]
    expected = 1e-5 * sum(float(np.sum(np.square(kernel.numpy()))) for kernel in kernels)
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("samples", [3072, 16_000, 32_001])
def test_short_clips_give_an_embedding_of_the_same_size(samples):
    embedding = np.asarray(network(samples)(noise(samples)))
    assert embedding.shape == (2, 512)
    assert np.all(np.isfinite(embedding))


def test_order_of_the_batch_is_irrelevant_to_an_embedding():
    model, waveforms = network(), noise(batch=3)
    np.testing.assert_allclose(model(waveforms[::-1]), model(waveforms)[::-1], rtol=1e-4, atol=1e-5)


def test_no_gradient_goes_through_the_fourier_transforms():
    model = network()

    @tf.function
    def gradients(waveforms):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(waveforms, training=True))
        return tape.gradient(loss, model.trainable_variables)

    kinds = [op.type for op in gradients.get_concrete_function(noise()).graph.get_operations()]

    assert kinds.count("RFFT") == 2
    assert not {"IRFFT", "FFT", "IFFT"} & set(kinds)


@pytest.mark.slow
def test_training_step_changes_every_weight_and_leaves_it_finite():
    model = network()
    model.compile("sgd", loss="mse")
    before = [weight.numpy() for weight in model.weights]

    loss = model.train_on_batch(noise(batch=4), np.ones((4, 512), "float32"))

    assert np.isfinite(loss)
    for weight, old in zip(model.weights, before, strict=True):
        assert np.all(np.isfinite(weight.numpy()))
        assert np.any(weight.numpy() != old)


def test_network_saves_and_loads(tmp_path):
    model = network()
    model.save(tmp_path / "network.keras")

    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)

    np.testing.assert_allclose(loaded(noise()), model(noise()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(3071,), (None,)])
def test_clip_too_short_or_of_unknown_length_is_refused_with_the_remedy(shape):
    with pytest.raises(ValueError, match=r"at least 3072 samples.*Received.*\(None, .*longer"):
        two_branch(keras.Input(shape))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"embedding_dim": 511}, "even.*Received: embedding_dim=511"),
        ({"embedding_dim": 0}, "at least 2.*Received: embedding_dim=0"),
        ({"first_block_norm": "both"}, "shortcut.*Received: first_block_norm='both'"),
        ({"window_length": 7}, "at least 8.*Received: window_length=7"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(arguments, message):
    with pytest.raises(ValueError, match=message):
        network(**arguments)
