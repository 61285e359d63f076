"""The conformer autoencoder: the recorded one, the definition, sizes, and the section."""

import functools

import keras
import numpy as np
import pytest

from asdkeras.networks.conformer_autoencoder import conformer_autoencoder, with_section_id
from asdkeras.networks.conformer_block import conformer_block
from tests.golden import load_golden
from tests.networks.conformer_weights import block_by_definition, disturb, fill_block
from tests.networks.released import count

SMALL = {"num_sections": 3, "num_blocks": 2, "width": 8, "latent_dim": 5}
FRAMES = np.random.default_rng(0).normal(size=(2, 7, 6)).astype("float32")
SECTIONS = np.array([2, 0], "int32")


def network(bands=6, length=None, kernel_size=3, num_heads=2, dropout=0.1, **arguments):
    frames, sections = keras.Input((length, bands)), keras.Input((), dtype="int32")
    block = functools.partial(
        conformer_block, kernel_size=kernel_size, num_heads=num_heads, dropout=dropout
    )
    output = conformer_autoencoder(frames, sections, **SMALL | arguments, block=block)
    return keras.Model([frames, sections], output)


@pytest.fixture(scope="module", params=["regression", "embedding"])
def disturbed(request):
    """A small network none of whose weights is 0 or 1."""
    keras.utils.set_random_seed(0)
    model = network(section_id=request.param)
    disturb(model)
    return model


def is_regression(model):
    return all(layer.name != "section_vector" for layer in model.layers)


def test_reconstruction_is_the_recorded_one():
    golden = load_golden("conformer_ae/conformer_ae_small")
    sizes = {"num_blocks": 1, "width": 16, "kernel_size": 7, "num_heads": 4, "latent_dim": 6}
    model = network(10, section_id="embedding", **sizes)
    fill_block(model, "encoder_0", golden, "P/encoder_block.0")
    fill_block(model, "decoder_0", golden, "P/decoder_block.0")
    for ours, theirs in {
        "input": "input_layer",
        "latent": "encoder_projection.0",
        "expansion": "decoder_projection",
        "reconstruction": "reconstruct_layer",
    }.items():
        kernel, bias = (golden[f"P/{theirs}.{part}"] for part in ("weight", "bias"))
        model.get_layer(ours).set_weights([kernel[..., 0].T, bias])
    model.get_layer("section_vector").set_weights([golden["P/embed_layer.weight"]])

    found = np.asarray(model([golden["feat"], golden["ids"].astype("int32")]))

    np.testing.assert_allclose(found, golden["reconstructed"], rtol=1e-4, atol=1e-6)
    errors = np.abs(golden["feat"] - found)
    np.testing.assert_allclose(errors, golden["l1_error"], rtol=1e-4, atol=3e-6)
    assert errors.sum() == pytest.approx(float(golden["l1_sum"]), rel=1e-6)


def by_definition(model, frames, section):
    """One clip in float64."""

    def dense(x, name):
        kernel, bias = (array.astype("float64") for array in model.get_layer(name).get_weights())
        return x @ kernel + bias

    x = frames.astype("float64")
    if is_regression(model):
        deviation = np.std(np.arange(SMALL["num_sections"]))
        ids = np.full((len(x), 1), (section - np.mean(np.arange(3))) / deviation)
        x = np.concatenate([x, ids], axis=1)
    x = dense(x, "input")
    x = block_by_definition(model, "encoder_1", block_by_definition(model, "encoder_0", x))
    vector = 0.0
    if not is_regression(model):
        vector = model.get_layer("section_vector").get_weights()[0][section]
    x = dense(np.maximum(dense(x, "latent"), 0.0) + vector, "expansion")
    x = block_by_definition(model, "decoder_1", block_by_definition(model, "decoder_0", x))
    return dense(x, "reconstruction")


def test_reconstruction_is_that_of_the_definition(disturbed):
    expected = [by_definition(disturbed, *clip) for clip in zip(FRAMES, SECTIONS, strict=True)]
    found = disturbed([FRAMES, SECTIONS])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_section_id_is_one_more_feature_of_input_and_reconstruction():
    """Sec. 2.1: log Mel-spectrogram and one-dimensional section ID are the input features."""
    model = network(6)

    assert model.get_layer("input").kernel.shape == (6 + 1, 8)
    assert model.get_layer("reconstruction").kernel.shape == (8, 6 + 1)
    assert model([FRAMES, SECTIONS]).shape == (2, 7, 6 + 1)
    assert is_regression(model)


@pytest.mark.parametrize(("num_sections", "section"), [(1, 0), (2, 1), (6, 0), (6, 5), (6, 2)])
def test_the_last_column_of_every_frame_is_the_number_of_the_section(num_sections, section):
    sections = np.array([section, num_sections - 1], "int32")

    features = np.asarray(with_section_id(FRAMES, sections, num_sections))

    numbers = np.arange(num_sections, dtype="float64")
    ids = (numbers - numbers.mean()) / (numbers.std() or 1.0)
    np.testing.assert_array_equal(features[..., :-1], FRAMES)
    expected = np.broadcast_to(ids[sections][:, None], (2, 7))
    np.testing.assert_allclose(features[..., -1], expected, rtol=1e-6, atol=1e-7)


@pytest.mark.slow  # 16 blocks of more than 20 layers.
def test_network_has_the_size_of_the_published_code():
    golden = load_golden("conformer_ae/conformer_ae.json")
    frames, sections = keras.Input((None, 128)), keras.Input((), dtype="int32")
    sizes = {"num_sections": 6, "num_blocks": 8, "latent_dim": 32}
    output = conformer_autoencoder(frames, sections, section_id="embedding", **sizes)
    model = keras.Model([frames, sections], output)
    expected = golden["params_default_8_8_blocks_128mel_latent32"]
    assert count(model.trainable_weights) == 7_818_112 == expected


@pytest.mark.parametrize(
    ("more", "size"), [({}, 3_941_761), ({"section_id": "embedding"}, 3_941_856)]
)
def test_network_by_default_has_the_size_the_docstring_says(more, size):
    frames, sections = keras.Input((None, 128)), keras.Input((), dtype="int32")
    output = conformer_autoencoder(frames, sections, num_sections=6, **more)
    model = keras.Model([frames, sections], output)
    assert count(model.trainable_weights) == size
    assert f"{size:,}" in conformer_autoencoder.__doc__
    assert {layer.rate for layer in model.layers if "dropout" in layer.name} == {0.1}


def test_section_of_a_clip_changes_its_reconstruction_alone(disturbed):
    before = np.asarray(disturbed([FRAMES, SECTIONS]))
    after = np.asarray(disturbed([FRAMES, np.array([2, 1], "int32")]))
    np.testing.assert_array_equal(after[0], before[0])
    assert np.abs(after[1] - before[1]).max() > 1e-2


def test_sections_are_told_apart_from_the_start():
    keras.utils.set_random_seed(0)
    model = network(num_sections=100, latent_dim=100, num_blocks=1, section_id="embedding")
    vectors = model.get_layer("section_vector").get_weights()[0]
    # 10,000 values: the deviation is known to a percent.
    assert vectors.std() == pytest.approx(1.0, rel=0.04)
    assert abs(vectors.mean()) < 0.05


def test_every_frame_may_read_every_other(disturbed):
    before = np.asarray(disturbed([FRAMES, SECTIONS]))
    for changed, read in ((0, -1), (-1, 0)):
        frames = FRAMES.copy()
        frames[:, changed] += 1.0
        after = np.asarray(disturbed([frames, SECTIONS]))
        assert np.all(np.any(after[:, read] != before[:, read], axis=-1))


def test_width_of_the_blocks_and_the_latent_are_as_asked_for():
    model = network(length=7, width=12, latent_dim=3, num_blocks=1)
    assert model.output_shape == (None, 7, 7)
    assert model.get_layer("latent").output.shape == (None, 7, 3)
    widths = {layer.output.shape[-1] for layer in model.layers if layer.name.endswith("_norm")}
    assert widths == {12}


def test_saved_network_loads_and_is_the_same(tmp_path, disturbed):
    disturbed.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded([FRAMES, SECTIONS]), disturbed([FRAMES, SECTIONS]))


@pytest.mark.parametrize("section_id", ["regression", "embedding"])
def test_training_reaches_every_weight(section_id):
    keras.utils.set_random_seed(0)
    model = network(dropout=0.1, num_blocks=1, section_id=section_id)
    model.compile(keras.optimizers.SGD(0.1), "mae", run_eagerly=True)
    before = [np.array(weight) for weight in model.trainable_weights]
    wanted = with_section_id(FRAMES, SECTIONS, 3) if section_id == "regression" else FRAMES

    assert np.isfinite(model.train_on_batch([FRAMES, SECTIONS], wanted))

    for weight, old in zip(model.trainable_weights, before, strict=True):
        # A bias of the keys adds the same to all logits of a question, so it changes nothing.
        if not weight.path.endswith("key/bias"):
            assert np.any(np.asarray(weight) != old), weight.path


@pytest.mark.parametrize("name", ["num_sections", "num_blocks", "latent_dim"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(ValueError, match=rf"`{name}` must be at least 1\. Received: {name}=0"):
        network(**{name: 0})


def test_an_unknown_way_of_the_section_is_refused():
    with pytest.raises(ValueError, match=r"`section_id` must be 'regression' or.*'regresion'"):
        network(section_id="regresion")


@pytest.mark.parametrize(("name", "value"), [("num_heads", 3), ("kernel_size", 4)])
def test_blocks_refuse_what_they_cannot_do(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*{name}={value}"):
        network(**{name: value})
