"""OneCycle and its Adam: PyTorch's schedule and update, two rates, and a training resumed."""

import math

import keras
import numpy as np
import pytest

from asdkeras.optimizers.one_cycle import OneCycle, OneCycleAdam
from tests.golden import load_golden

GOLDEN = load_golden("one_cycle/schedules.json")
RECORDED = [
    pytest.param(int(name.removeprefix("total_")), table, id=name)
    for name, table in GOLDEN.items()
    if name.startswith("total_")
]


def cycle_by_definition(step, first, middle, last, total, fraction):
    rise_end = fraction * total - 1
    if step <= rise_end:
        start, end, u = first, middle, step / rise_end
    else:
        start, end, u = middle, last, (step - rise_end) / (total - 1 - rise_end)
    return end + (start - end) * (1.0 + math.cos(math.pi * u)) / 2.0


@pytest.mark.parametrize(("total", "table"), RECORDED)
@pytest.mark.parametrize(("column", "peak"), [(0, 5e-4), (1, 1e-3)])
def test_the_rates_are_those_of_pytorch(total, table, column, peak):
    schedule = OneCycle(peak, total)
    rates = [float(schedule(int(step))) for step in table]
    np.testing.assert_allclose(rates, [row[column] for row in table.values()], rtol=1e-6)


@pytest.mark.parametrize(("total", "table"), RECORDED)
def test_beta_1_and_both_rates_of_the_optimizer_are_those_of_pytorch(total, table):
    optimizer = OneCycleAdam(OneCycle(1e-3, total))
    for step, (_, rate, beta_1) in table.items():
        optimizer.iterations.assign(int(step))
        assert float(optimizer.beta_1) == pytest.approx(beta_1, rel=1e-6)
        assert float(optimizer.learning_rate) == pytest.approx(rate, rel=1e-6)


def test_both_totals_were_recorded():
    assert [param.values[0] for param in RECORDED] == [8000, 800]


@pytest.mark.parametrize("total", [2, 3, 7, 37])
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.4])
def test_every_step_of_a_short_cycle_is_the_definition(total, fraction):
    schedule = OneCycle(0.1, total, fraction, start_divisor=4.0, end_divisor=50.0)
    for step in range(total):
        expected = cycle_by_definition(step, 0.1 / 4.0, 0.1, 0.1 / 4.0 / 50.0, total, fraction)
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-6)


def test_a_cycle_may_start_at_its_peak_where_pytorch_divides_by_zero():
    assert float(OneCycle(0.1, 10, warmup_fraction=0.1)(0)) == pytest.approx(0.1, rel=1e-6)


def test_the_rate_stays_behind_the_last_step():
    schedule = OneCycle(0.1, 20)
    assert float(schedule(19)) == float(schedule(20)) == float(schedule(1000))
    assert float(schedule(19)) == pytest.approx(0.1 / 25e4, rel=1e-6)


def named_variables(shapes=(("trunk", (3, 2)), ("head", (2, 1)))):
    rng = np.random.default_rng(0)
    variables = []
    for name, shape in shapes:
        with keras.name_scope(name):
            values = rng.normal(size=shape).astype("float32")
            variables.append(keras.Variable(values, name="kernel"))
    return variables


def gradients_of(step):
    """Of very different sizes, from steps to step too."""
    rng = np.random.default_rng(100 + step)
    scale = 10.0 ** (step % 3 - 1)
    return [scale * rng.normal(size=shape).astype("float32") for shape in ((3, 2), (2, 1))]


def adam_by_definition(start, gradients, rates, betas, beta_2, epsilon):
    """Values after each step, in float64, an entry at a time, as PyTorch's Adam has it."""
    p, path = np.float64(start), []
    m, v = np.zeros(p.shape), np.zeros(p.shape)
    for step, (gradient, rate, beta_1) in enumerate(zip(gradients, rates, betas, strict=True), 1):
        for place in np.ndindex(p.shape):
            g = float(gradient[place])
            m[place] = beta_1 * m[place] + (1 - beta_1) * g
            v[place] = beta_2 * v[place] + (1 - beta_2) * g * g
            root = math.sqrt(v[place]) / math.sqrt(1 - beta_2**step)
            p[place] -= rate / (1 - beta_1**step) * m[place] / (root + epsilon)
        path.append(p.copy())
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"slow_rate_ratio": 0.1, "beta_1_range": (0.2, 0.7), "beta_2": 0.9, "epsilon": 0.3},
    ],
    ids=["default", "other"],
)
def test_ten_steps_of_both_rates_are_the_definition(arguments):
    total, peak = 10, 0.5
    optimizer, variables = OneCycleAdam(OneCycle(peak, total), **arguments), named_variables()
    start = [np.array(variable) for variable in variables]
    low, high = arguments.get("beta_1_range", (0.85, 0.95))
    rates = [cycle_by_definition(s, peak / 25, peak, peak / 25e4, total, 0.3) for s in range(total)]
    betas = [cycle_by_definition(s, high, low, high, total, 0.3) for s in range(total)]
    gradients = [gradients_of(step) for step in range(total)]
    ratios = [arguments.get("slow_rate_ratio", 0.5), 1.0]

    paths = [[], []]
    for step in range(total):
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients[step]], variables)
        for path, variable in zip(paths, variables, strict=True):
            path.append(np.array(variable))

    for place, ratio in enumerate(ratios):
        expected = adam_by_definition(
            start[place],
            [each[place] for each in gradients],
            [ratio * rate for rate in rates],
            betas,
            arguments.get("beta_2", 0.999),
            arguments.get("epsilon", 1e-8),
        )
        np.testing.assert_allclose(paths[place], expected, rtol=1e-5, atol=1e-6)


def test_the_layer_that_learns_fast_is_a_whole_part_of_the_path():
    names = ["head", "model", "header", "ahead"]
    variables = named_variables([(name, (2,)) for name in names])
    start = [np.array(variable) for variable in variables]
    optimizer = OneCycleAdam(OneCycle(0.1, 10), slow_rate_ratio=0.0)

    optimizer.apply([keras.ops.ones((2,))] * 4, variables)

    moved = [np.any(np.array(v) != old) for v, old in zip(variables, start, strict=True)]
    assert moved == [True, False, False, False]


def test_a_layer_inside_a_model_inside_a_model_learns_fast():
    features = keras.Input((3,))
    inner = keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(1, name="out")])
    model = keras.Model(features, inner(keras.layers.Dense(3)(features)))
    start = [np.array(weight) for weight in model.weights]
    optimizer = OneCycleAdam(OneCycle(0.1, 10), slow_rate_ratio=0.0, fast="out")

    optimizer.apply([keras.ops.ones(w.shape) for w in model.weights], model.weights)

    moved = [np.any(w.numpy() != old) for w, old in zip(model.weights, start, strict=True)]
    assert moved == [False, False, False, False, True, True]


def test_a_network_without_the_fast_layer_is_refused():
    variables = named_variables([("trunk", (2,)), ("header", (2,))])
    with pytest.raises(ValueError, match=r"no variable.*fast='head'.*'header/kernel'.*Name the"):
        OneCycleAdam(OneCycle(0.1, 10)).build(variables)


def model_with(optimizer, run_eagerly=True):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(5), keras.layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(1, name="head")])
    model.compile(optimizer, "mse", run_eagerly=run_eagerly)
    return model


def train(model, steps):
    losses = []
    for step in steps:
        rng = np.random.default_rng(step)
        batch = [rng.normal(size=size).astype("float32") for size in ((8, 4), (8, 1))]
        losses.append(float(model.train_on_batch(*batch)))
    return losses


def test_a_loaded_training_goes_on_as_if_it_had_not_stopped(tmp_path):
    through, stopped = (
        model_with(OneCycleAdam(OneCycle(0.1, 6), beta_1_range=(0.1, 0.9))) for _ in "ab"
    )
    train(through, range(6))
    train(stopped, range(3))
    stopped.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    assert isinstance(loaded.optimizer, OneCycleAdam)
    assert loaded.optimizer.get_config() == stopped.optimizer.get_config()
    train(loaded, range(3, 6))
    for weight, wanted in zip(loaded.get_weights(), through.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, wanted)


def test_a_traced_training_is_the_eager_one():
    eager = model_with(OneCycleAdam(OneCycle(0.1, 6)))
    traced = model_with(OneCycleAdam(OneCycle(0.1, 6)), run_eagerly=False)
    assert train(traced, range(6)) == pytest.approx(train(eager, range(6)), rel=1e-5)


def test_half_precision_weights_are_updated_in_float32():
    with keras.name_scope("head"):
        weights = keras.Variable(np.ones((2,), "float16"), dtype="float16")
    optimizer = OneCycleAdam(OneCycle(0.5, 10, start_divisor=1.0))
    optimizer.apply([keras.ops.full((2,), 1e-2, dtype="float16")], [weights])
    # The squared gradient and epsilon are almost 0 in float16; the first step is the rate.
    np.testing.assert_allclose(weights, [0.5, 0.5], rtol=1e-3)  # float16 has 11 bits


def test_the_config_holds_every_argument():
    optimizer = OneCycleAdam(
        OneCycle(0.3, 7, warmup_fraction=0.6, start_divisor=8.0, end_divisor=9.0),
        slow_rate_ratio=0.2,
        fast="out",
        beta_1_range=(0.1, 0.2),
        beta_2=0.4,
        epsilon=0.5,
        name="mine",
    )
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert copy.get_config() == optimizer.get_config()
    config = copy.get_config()
    assert config.pop("learning_rate") == keras.optimizers.schedules.serialize(optimizer.cycle)
    assert config == {
        "slow_rate_ratio": 0.2,
        "fast": "out",
        "beta_1_range": [0.1, 0.2],
        "beta_2": 0.4,
        "epsilon": 0.5,
        "name": "mine",
    }
    assert copy.beta_1_range == (0.1, 0.2)
    assert copy.cycle.get_config() == {
        "peak": 0.3,
        "total_steps": 7,
        "warmup_fraction": 0.6,
        "start_divisor": 8.0,
        "end_divisor": 9.0,
    }


def test_the_schedule_survives_its_config():
    schedule = OneCycle(0.1, 30, 0.2, 3.0, 7.0)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert [float(copy(s)) for s in range(30)] == [float(schedule(s)) for s in range(30)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"peak": 0.0}, r"`peak` must be above 0.*Received: peak=0.0"),
        ({"peak": float("nan")}, r"`peak` must be above 0.*Received: peak=nan"),
        ({"total_steps": 1}, r"at least 2.*Received: total_steps=1"),
        ({"warmup_fraction": 1.0}, r"fall again. Received: warmup_fraction=1.0"),
        ({"warmup_fraction": -0.1}, r"in \[0, 1\).*Received: warmup_fraction=-0.1"),
        ({"start_divisor": 0.0}, r"`start_divisor` must be above 0.*start_divisor=0.0"),
        ({"end_divisor": -1.0}, r"`end_divisor` must be above 0.*end_divisor=-1.0"),
    ],
)
def test_what_makes_no_cycle_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        OneCycle(**{"peak": 1e-3, "total_steps": 100, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": 0.1}, r"must be a `OneCycle`.*Received: learning_rate=0.1"),
        ({"slow_rate_ratio": -0.5}, r"not be negative. Received: slow_rate_ratio=-0.5"),
        ({"beta_1_range": (0.95, 0.85)}, r"the lower first.*Received: beta_1_range=\(0.95, 0.85"),
        ({"beta_1_range": (0.85, 1.0)}, r"in \[0, 1\).*Received: beta_1_range=\(0.85, 1.0"),
        ({"beta_2": 1.0}, r"between 0 and 1. Received: beta_2=1.0"),
        ({"epsilon": -1e-8}, r"not be negative. Received: epsilon=-1e-08"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        OneCycleAdam(**{"learning_rate": OneCycle(1e-3, 100), **arguments})
