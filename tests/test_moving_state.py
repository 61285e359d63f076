"""What training moves without a gradient: it stays where a layer is frozen, and is one value.

One value on several replicas, as of `tf.distribute.MirroredStrategy`, each of which has a part of
every batch.
"""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from asdkeras.losses.ada_proj import AdaProj
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos
from tests.object_examples import EXAMPLES

# The state of batch normalizations is that of Keras: each replica has its own.
OF_KERAS = keras.layers.BatchNormalization
LAYERS = [
    example
    for example in EXAMPLES
    if isinstance(example.make(), keras.layers.Layer) and not isinstance(example.make(), OF_KERAS)
]


def moved(example, *, trainable=True):
    """The weights of a layer that calls in training change."""
    layer = example.make()
    example(layer, example.inputs())
    before = [np.array(weight) for weight in layer.weights]
    layer.trainable = trainable
    for _ in range(3):
        example(layer, [0.5 * values for values in example.inputs()])
    pairs = zip(layer.weights, before, strict=True)
    return [weight for weight, old in pairs if not np.array_equal(weight, old)]


def test_what_moves_is_one_value_on_all_replicas_and_stays_where_a_layer_is_frozen():
    names = set()
    for example in LAYERS:
        weights = moved(example)
        names |= {type(example.make()).__name__} if weights else set()
        assert {weight.aggregation for weight in weights} <= {"only_first_replica"}
        assert moved(example, trainable=False) == []

    assert names == {"AdaProj", "SubClusterAdaCos", "DoubleCentroids"}


@pytest.mark.parametrize("make", [AdaProj, SubClusterAdaCos])
def test_fit_leaves_a_frozen_head_its_scale(make):
    random = np.random.default_rng(0)
    labels = np.eye(4, dtype="float32")[random.integers(4, size=16)]
    embedding, label = keras.Input((6,)), keras.Input((4,))
    head = make(4, 2)
    model = keras.Model(
        [embedding, label], head(keras.layers.Dense(6, name="embed")(embedding), label)
    )
    head.trainable = False
    model.compile("sgd", MixedCrossEntropy())
    state = [np.array(weight) for weight in head.weights]
    kernel = np.array(model.get_layer("embed").kernel)

    model.fit([random.normal(size=(16, 6)), labels], labels, verbose=0)

    for weight, before in zip(head.weights, state, strict=True):
        np.testing.assert_array_equal(weight, before)
    assert np.any(np.array(model.get_layer("embed").kernel) != kernel)


@pytest.fixture(scope="module")
def trainings():
    """Of each model of `two_replicas`: what came of one device and of two."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.two_replicas"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    "name", ["ada_proj", "sub_cluster_adacos", "arc_face", "several_losses", "mixed"]
)
def test_two_replicas_train_as_one_device_does(trainings, name):
    one, two = trainings[name]

    assert len(one["batches"]) == 6
    for of_one, of_two in zip(one["batches"], two["batches"], strict=True):
        assert of_two == pytest.approx(of_one, rel=1e-5, abs=1e-6)
    assert two["numbers"] == pytest.approx(one["numbers"], rel=1e-5)
    assert two["notes"] == one["notes"]
    assert set(two["weights"]) == set(one["weights"])
    for path, values in one["weights"].items():
        np.testing.assert_allclose(two["weights"][path], values, rtol=1e-4, atol=1e-6)


def test_the_trainings_compared_are_of_copies_and_move_what_they_should(trainings):
    assert {name for name, (one, _) in trainings.items() if one["copies"]} == set()
    for _, two in trainings.values():
        assert two["copies"]
        assert set(two["copies"].values()) == {0.0}
    (note,) = trainings["sub_cluster_adacos"][1]["notes"]
    assert "met its floor or ceiling in 6 updates" in note
    numbers = {name: two["numbers"] for name, (_, two) in trainings.items()}
    assert set(numbers["ada_proj"]) == {"head_scale", "head_scale_clamped", "learning_rate"}
    assert numbers["sub_cluster_adacos"]["head_scale"] == 2.5
