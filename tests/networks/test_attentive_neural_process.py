"""The attentive neural process against NumPy, and what must not matter to it."""

import keras
import numpy as np
import pytest
from keras import ops

from asdkeras.networks.attentive_neural_process import attentive_neural_process

WIDTH, HEADS = 8, 2
GENERATOR = np.random.default_rng(0)
POINTS = GENERATOR.normal(size=(2, 7, 3)).astype("float32")
PLACES = GENERATOR.uniform(-1, 1, size=(2, 5, 2)).astype("float32")
LATENT = GENERATOR.normal(size=(2, WIDTH)).astype("float32")


@pytest.fixture(scope="module")
def process():
    """A small network none of whose weights is zero."""
    keras.utils.set_random_seed(3)
    made = attentive_neural_process(WIDTH, HEADS)
    for model in (made.latent_path, made.prediction):
        for weight in model.weights:
            weight.assign(weight + 0.3 * keras.random.normal(weight.shape))
    return made


def weights_of(model, name):
    return [np.array(each, "float64") for each in model.get_layer(name).get_weights()]


def naive_dense(model, x, name, count):
    """Dense layers with ReLU, the last one linear."""
    for number in range(count):
        kernel, bias = weights_of(model, f"{name}_{number}")
        x = x @ kernel + bias
        if number < count - 1:
            x = np.maximum(x, 0)
    return x


def naive_heads(weights, queries, values, keys):
    """The sum over the heads of softmax(q k / sqrt(units)) v, each through its own map."""
    query_maps, key_maps, value_maps, output_maps = weights
    total = np.zeros((len(queries), output_maps.shape[-1]))
    for head in range(query_maps.shape[1]):
        q, k = queries @ query_maps[:, head], keys @ key_maps[:, head]
        v = values @ value_maps[:, head]
        for target, asked in enumerate(q):
            logits = np.array([asked @ answer for answer in k]) / np.sqrt(q.shape[1])
            shares = np.exp(logits) / np.exp(logits).sum()
            total[target] += (shares @ v) @ output_maps[head]
    return total


def naive_latent(model, points):
    summary = np.mean([naive_dense(model, point, "latent", 4) for point in points], axis=0)
    kernel, bias = weights_of(model, "latent_hidden")
    hidden = np.maximum(summary @ kernel + bias, 0)
    (mean_kernel, mean_bias), (kernel, bias) = (
        weights_of(model, f"latent_{name}") for name in ("mean", "spread")
    )
    sigmoid = 1 / (1 + np.exp(-(hidden @ kernel + bias)))
    return np.stack([hidden @ mean_kernel + mean_bias, 0.1 + 0.9 * sigmoid], axis=-1)


def naive_prediction(model, context, latent, places):
    encoded = naive_dense(model, context, "encoder", 4)
    residual = encoded + naive_heads(weights_of(model, "self_attention"), encoded, encoded, encoded)
    gamma, beta = weights_of(model, "encoder_norm")
    centered = residual - residual.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.mean(centered**2, axis=1, keepdims=True) + 1e-5)
    encoded = centered / spread * gamma + beta
    address = model.get_layer("address")
    queries = naive_dense(address, places, "address", 2)
    keys = naive_dense(address, context[:, :2], "address", 2)
    found = naive_heads(weights_of(model, "cross_attention"), queries, encoded, keys)
    known = [np.concatenate([f, latent, x]) for f, x in zip(found, places, strict=True)]
    mean, spread = naive_dense(model, np.array(known), "decoder", 3).T
    return np.stack([mean, 0.1 + 0.9 * np.log1p(np.exp(spread))], axis=-1)


def predict(process, points=POINTS, latent=LATENT, places=PLACES):
    return np.array(process.prediction([points, latent, places]))


def test_the_latent_path_is_that_of_the_definition(process):
    expected = [naive_latent(process.latent_path, clip.astype("float64")) for clip in POINTS]
    np.testing.assert_allclose(process.latent_path(POINTS), expected, rtol=1e-5, atol=1e-5)


def test_the_prediction_is_that_of_the_definition(process):
    expected = [
        naive_prediction(process.prediction, *(each.astype("float64") for each in clip))
        for clip in zip(POINTS, LATENT, PLACES, strict=True)
    ]
    np.testing.assert_allclose(predict(process), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["self_attention", "cross_attention"])
def test_attention_without_biases_is_the_sum_over_heads(process, name):
    layer = process.prediction.get_layer(name)
    queries, values, keys = GENERATOR.normal(size=(3, 6, WIDTH))

    attended = layer(*(ops.cast(each[None], "float32") for each in (queries, values, keys)))

    assert len(layer.weights) == 4
    expected = naive_heads(weights_of(process.prediction, name), queries, values, keys)
    np.testing.assert_allclose(attended[0], expected, rtol=1e-4, atol=1e-5)


def test_the_order_of_the_context_is_irrelevant(process):
    order = np.random.default_rng(1).permutation(7)

    np.testing.assert_allclose(
        predict(process, POINTS[:, order]), predict(process), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        process.latent_path(POINTS[:, order]), process.latent_path(POINTS), rtol=1e-5, atol=1e-5
    )


def test_predictions_follow_the_order_of_the_targets(process):
    order = [3, 0, 4, 2, 1]
    np.testing.assert_allclose(
        predict(process, places=PLACES[:, order]), predict(process)[:, order], rtol=1e-5, atol=1e-5
    )


def test_a_target_knows_nothing_of_the_other_targets(process):
    alone = predict(process, places=PLACES[:, 2:3])
    np.testing.assert_allclose(alone[:, 0], predict(process)[:, 2], rtol=1e-5, atol=1e-5)


def test_every_input_of_a_clip_matters_and_other_clips_do_not(process):
    before = predict(process)
    for changed in (
        predict(process, POINTS + np.reshape([0, 1], (2, 1, 1))),
        predict(process, latent=LATENT + np.reshape([0, 1], (2, 1))),
        predict(process, places=PLACES * [[[1]], [[0.5]]]),
    ):
        np.testing.assert_array_equal(changed[0], before[0])
        assert np.abs(changed[1] - before[1]).min() > 1e-5


def test_deviations_stay_within_their_bounds():
    process = attentive_neural_process(WIDTH, HEADS)
    spreads = process.latent_path.get_layer("latent_spread").bias
    mean_and_spread = process.prediction.get_layer("decoder_2").bias

    for spread, of_latent, predicted in ((-100.0, 0.1, 0.1), (100.0, 1.0, 90.1)):
        spreads.assign(np.full(WIDTH, spread))
        mean_and_spread.assign([0.0, spread])
        np.testing.assert_allclose(process.latent_path(POINTS)[..., 1], of_latent, rtol=1e-6)
        # What the kernel of the last layer adds is a few of 100.
        np.testing.assert_allclose(predict(process)[..., 1], predicted, rtol=0.1)


@pytest.fixture(scope="module")
def published():
    return attentive_neural_process()


def test_the_network_has_the_size_of_the_published_code(published):
    dense = 128 * 128 + 128
    latent = (3 * 128 + 128) + 3 * dense + dense + 2 * dense
    encoder = (3 * 128 + 128) + 3 * dense + 2 * 128
    attention = 2 * 4 * 128 * 128
    address = (2 * 128 + 128) + dense
    decoder = (258 * 128 + 128) + dense + (128 * 2 + 2)
    assert published.latent_path.count_params() == latent
    assert published.prediction.count_params() == encoder + attention + address + decoder


@pytest.mark.parametrize("name", ["self_attention", "cross_attention"])
def test_attention_starts_with_the_deviation_of_the_published_code(published, name):
    starts = [np.array(weight) for weight in published.prediction.get_layer(name).weights]

    assert [each.shape for each in starts] == 3 * [(128, 8, 16)] + [(8, 16, 128)]
    for number, each in enumerate(starts):
        # 16384 values: the deviation is known to half a percent.
        assert each.std() == pytest.approx(128**-0.5, rel=0.03)
        assert all(np.abs(each.ravel() - other.ravel()).max() > 0.1 for other in starts[:number])


@pytest.mark.parametrize(("width", "num_heads"), [(10, 4), (0, 1), (8, 0)])
def test_heads_of_unequal_width_are_refused(width, num_heads):
    with pytest.raises(ValueError, match=f"multiple of `num_heads`.*Received: width={width}"):
        attentive_neural_process(width, num_heads)
