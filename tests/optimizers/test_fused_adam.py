"""FusedAdam against the definition in float64, and against Keras' own Adam."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.optimizers.fused_adam import FusedAdam

SHAPES = [(3, 2, 4), (5,), ()]
RATES = (0.1, 0.05, 0.2, 0.2)
FUSED = "ResourceApplyAdam"


class Listed(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return keras.ops.take(keras.ops.convert_to_tensor(RATES, "float32"), step)

    def get_config(self):
        return {}


def drawn(seed):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), "float32") for shape in SHAPES]


GRADIENTS = [drawn(seed) for seed in range(1, 5)]


def path_by_definition(start, gradients, beta_1, beta_2, epsilon):
    p, m, v, path = np.float64(start), 0.0, 0.0, []
    for step, (gradient, rate) in enumerate(zip(gradients, RATES, strict=True), start=1):
        g = np.float64(gradient)
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        corrected = rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        p = p - corrected * m / (np.sqrt(v) + epsilon)
        path.append(p)
    return path


def stepped(optimizer, in_graph=True):
    """Values after each step, of each of the variables."""
    variables = [keras.Variable(each) for each in drawn(0)]
    optimizer.build(variables)
    apply = (
        tf.function(lambda grads: optimizer.apply(grads, variables))
        if in_graph
        else (lambda grads: optimizer.apply(grads, variables))
    )
    paths = []
    for each in GRADIENTS:
        apply([tf.constant(g) for g in each])
        paths.append([np.array(variable) for variable in variables])
    return list(zip(*paths, strict=True))


@pytest.mark.parametrize("in_graph", [True, False])
@pytest.mark.parametrize("kind", [FusedAdam, keras.optimizers.Adam])
def test_steps_under_a_schedule_are_the_definition(kind, in_graph):
    found = stepped(kind(Listed(), beta_1=0.8, beta_2=0.95, epsilon=0.01), in_graph)
    for k, (start, path) in enumerate(zip(drawn(0), found, strict=True)):
        expected = path_by_definition(start, [each[k] for each in GRADIENTS], 0.8, 0.95, 0.01)
        np.testing.assert_allclose(path, expected, rtol=1e-5, atol=1e-6)


def operations(optimizer, variable, gradient):
    optimizer.build([variable])
    step = tf.function(lambda: optimizer.apply([gradient], [variable]))
    return [each.type for each in step.get_concrete_function().graph.get_operations()]


def test_step_is_one_operation():
    kinds = operations(FusedAdam(), keras.Variable(np.ones(3, "float32")), tf.ones(3))
    assert kinds.count(FUSED) == 1
    assert "Sqrt" not in kinds


@pytest.mark.parametrize(("options", "dtype"), [({"amsgrad": True}, "float32"), ({}, "float16")])
def test_everything_else_is_left_to_keras(options, dtype):
    variable = keras.Variable(np.ones(3, dtype), dtype=dtype)
    assert FUSED not in operations(FusedAdam(**options), variable, tf.ones(3, dtype))


def test_other_backends_step_as_keras_does():
    with mock.patch.object(keras.backend, "backend", return_value="jax"):
        variable = keras.Variable(np.ones(3, "float32"))
        optimizer = FusedAdam()
        optimizer.build([variable])
        assert not optimizer._can_be_fused(tf.ones(3), variable.value)


def test_trained_model_goes_on_where_it_was_saved(tmp_path):
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")

    def steps(model, number):
        for _ in range(number):
            model.train_on_batch(x, x)
        return [np.array(weight) for weight in model.weights]

    def fresh():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
        model.compile(FusedAdam(0.1, epsilon=1e-7), "mse")
        return model

    whole = steps(fresh(), 5)
    model = fresh()
    steps(model, 2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is FusedAdam
    for ours, expected in zip(steps(loaded, 3), whole, strict=True):
        np.testing.assert_array_equal(ours, expected)
