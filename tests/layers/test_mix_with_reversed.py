"""MixWithReversed against the released layer."""

import keras
import numpy as np
import pytest

from asdkeras.layers.mix_with_reversed import MixWithReversed
from tests.contracts import check_layer
from tests.golden import load_golden


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(5, 7, 3)).astype("float32")
    return features, rng.random((5, 1)).astype("float32")


def test_training_mixes_as_the_released_layer():
    golden = load_golden("wilkinghoff_losses/mixup")
    key = "sub-cluster-AdaCos__mixup_layer__p1__"
    weight = golden[f"{key}draws"][0][:, None].astype("float32")

    mixed = MixWithReversed()(golden[f"{key}X"].astype("float32"), weight, training=True)

    np.testing.assert_allclose(mixed, golden[f"{key}out_X"], atol=1e-6)


def test_each_clip_gets_its_own_weight_for_all_frames_and_bands(batch):
    features, weight = batch

    mixed = MixWithReversed()(features, weight, training=True)

    for clip in range(5):
        expected = weight[clip] * features[clip] + (1 - weight[clip]) * features[4 - clip]
        np.testing.assert_allclose(mixed[clip], expected, rtol=1e-5, atol=1e-6)


def test_features_pass_unchanged_outside_training(batch):
    np.testing.assert_array_equal(MixWithReversed()(*batch), batch[0])


def test_model_mixes_in_training_steps_only(batch):
    features, weight = batch
    inputs = [keras.Input((7, 3)), keras.Input((1,))]
    model = keras.Model(inputs, MixWithReversed()(*inputs))
    np.testing.assert_array_equal(model.predict_on_batch([features, weight]), features)
    np.testing.assert_array_equal(
        model([features, weight], training=True), MixWithReversed()(features, weight, training=True)
    )


def test_layer_contract(batch):
    check_layer(MixWithReversed(), *batch, output_shape=(5, 7, 3))
