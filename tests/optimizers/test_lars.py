"""LARS: the definition under a schedule, the released code, part batches, and saved momenta."""

import keras
import numpy as np
import pytest

from asdkeras.optimizers.lars import LARS, trust_ratio
from tests.golden import load_golden

GOLDEN = load_golden("vicreg/lars_steps")
SHAPES = [(3, 2, 4), (5, 3), (7,), ()]


class Halving(keras.optimizers.schedules.LearningRateSchedule):
    """0.8, 0.4, 0.2, ..."""

    def __call__(self, step):
        return 0.8 * 0.5 ** keras.ops.cast(step, "float32")

    def get_config(self):
        return {}


def drawn(seed, shapes=SHAPES):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), "float32") for shape in shapes]


def length(values):
    return np.sqrt(sum(value**2 for value in np.ravel(values)))


def path_by_definition(start, gradients, rates, weight_decay=0.0, momentum=0.9, is_scaled=True):
    """Values after each step, in float64; a variable that is not scaled has no decay either."""
    p, m, path = np.float64(start), np.zeros(np.shape(start)), []
    for gradient, rate in zip(gradients, rates, strict=True):
        d = np.float64(gradient)
        if is_scaled:
            d = d + weight_decay * p
            d = d * (0.001 * length(p) / length(d))
        m = momentum * m + d
        p = p - rate * m
        path.append(p)
    return path


def stepped(optimizer, start, gradients):
    """Values after each step, of each of the variables."""
    variables = [keras.Variable(each) for each in start]
    paths = []
    for each in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in each], variables)
        paths.append([keras.ops.convert_to_numpy(variable) for variable in variables])
    return list(zip(*paths, strict=True))


@pytest.mark.parametrize("exclude", [True, False])
def test_steps_under_a_schedule_are_the_definition(exclude):
    start, gradients = drawn(0), [drawn(seed) for seed in (1, 2, 3)]
    optimizer = LARS(Halving(), weight_decay=0.3, momentum=0.7, exclude_one_dimensional=exclude)

    paths = stepped(optimizer, start, gradients)

    for place, path in enumerate(paths):
        expected = path_by_definition(
            start[place],
            [each[place] for each in gradients],
            [0.8, 0.4, 0.2],
            weight_decay=0.3,
            momentum=0.7,
            is_scaled=not exclude or len(SHAPES[place]) > 1,
        )
        for values, wanted in zip(path, expected, strict=True):
            # Values that pass 0 are rounded like the others.
            np.testing.assert_allclose(values, wanted, rtol=1e-6, atol=3e-7)


@pytest.mark.parametrize(("prefix", "exclude"), [("excl", True), ("nofilt", False)])
def test_three_steps_are_those_of_the_released_code(prefix, exclude):
    start = [GOLDEN[name].astype("float32") for name in ("W0", "b0", "g0")]
    gradients = [
        [GOLDEN[f"grad_{name}_step{step}"].astype("float32") for name in "Wbg"]
        for step in (1, 2, 3)
    ]
    optimizer = LARS(
        float(GOLDEN["lr"]),
        weight_decay=float(GOLDEN["weight_decay"]),
        exclude_one_dimensional=exclude,
    )

    paths = stepped(optimizer, start, gradients)

    for name, path in zip("Wbg", paths, strict=True):
        for step, values in enumerate(path, start=1):
            expected = GOLDEN[f"{prefix}_{name}_step{step}"]
            np.testing.assert_allclose(values, expected, rtol=1e-6, atol=3e-7)


def test_the_exclusion_changes_biases_and_norms_and_nothing_else():
    for step in (1, 2, 3):
        np.testing.assert_array_equal(GOLDEN[f"excl_W_step{step}"], GOLDEN[f"nofilt_W_step{step}"])
        assert np.abs(GOLDEN[f"excl_b_step{step}"] - GOLDEN[f"nofilt_b_step{step}"]).min() > 1e-3


@pytest.mark.parametrize("exclude", [True, False])
def test_the_length_of_a_step_is_that_of_the_weights_whatever_gradient_and_decay(exclude):
    (start,), (gradient,) = drawn(0, [(5, 3)]), drawn(1, [(5, 3)])
    for factor, decay in [(1e-6, 0.0), (1.0, 0.1), (1e6, 50.0), (0.0, 50.0)]:
        optimizer = LARS(0.5, weight_decay=decay, exclude_one_dimensional=exclude)

        ((moved,),) = stepped(optimizer, [start], [[factor * gradient]])

        # The change is 2000 times smaller than the weights it is told from.
        assert length(moved - start) == pytest.approx(0.5 * 0.001 * length(start), rel=3e-4)


@pytest.mark.parametrize(
    ("values", "step"), [([[0.0, 0.0]], [[3.0, 4.0]]), ([[3.0, 4.0]], [[0.0, 0.0]])]
)
def test_nothing_is_scaled_where_a_norm_is_zero(values, step):
    assert float(trust_ratio(np.float32(values), np.float32(step), 0.001)) == 1.0


def test_weights_that_are_zero_move_by_their_gradient():
    ((moved,),) = stepped(LARS(0.5), [np.zeros((1, 2), "float32")], [[np.float32([[3.0, 4.0]])]])
    np.testing.assert_array_equal(moved, [[-1.5, -2.0]])


def test_a_gradient_of_zero_moves_nothing_without_decay():
    ((moved,),) = stepped(LARS(0.5), [np.float32([[3.0, 4.0]])], [[np.zeros((1, 2), "float32")]])
    np.testing.assert_array_equal(moved, [[3.0, 4.0]])


def bias_path(optimizer, rates):
    """Of a bias whose gradient is always 1, when the rate is set before every step."""
    bias, path = keras.Variable(np.zeros(1, "float32")), []
    for rate in rates:
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.ones(1)], [bias])
        path.append(float(bias[0]))
    return path


def test_sgd_with_momentum_is_the_same_for_biases_until_the_rate_changes():
    constant, falling = [0.5, 0.5, 0.5], [0.5, 0.5, 0.0]
    assert bias_path(LARS(0.1), constant) == pytest.approx(
        bias_path(keras.optimizers.SGD(0.1, momentum=0.9), constant), rel=1e-6
    )

    ours = bias_path(LARS(0.1), falling)
    sgd = bias_path(keras.optimizers.SGD(0.1, momentum=0.9), falling)

    assert ours == pytest.approx([-0.5, -1.45, -1.45], rel=1e-6)
    assert sgd == pytest.approx([-0.5, -1.45, -2.305], rel=1e-6)


def test_part_batches_make_one_update_of_their_mean_and_schedules_count_updates():
    start, parts = drawn(0), [drawn(seed) for seed in range(1, 7)]
    whole = [
        [(first + second) / 2 for first, second in zip(*parts[i : i + 2], strict=True)]
        for i in (0, 2, 4)
    ]

    paths = stepped(LARS(Halving(), gradient_accumulation_steps=2), start, parts)
    expected = stepped(LARS(Halving()), start, whole)

    for path, wanted, origin in zip(paths, expected, start, strict=True):
        np.testing.assert_array_equal(path[0], origin)
        np.testing.assert_array_equal(path[2], path[1])
        np.testing.assert_array_equal(path[4], path[3])
        np.testing.assert_allclose(path[1::2], wanted, rtol=1e-6, atol=1e-7)


def test_the_rate_one_reads_is_that_of_the_next_update():
    optimizer = LARS(Halving(), gradient_accumulation_steps=3)
    variable, rates = keras.Variable(np.ones((2, 2), "float32")), []
    for _ in range(7):
        rates.append(float(optimizer.learning_rate))
        optimizer.apply([keras.ops.ones((2, 2))], [variable])
    assert rates == pytest.approx([0.8] * 3 + [0.4] * 3 + [0.2])


def test_half_precision_weights_have_norms_in_float32():
    # The squares of these gradients are 0 in float16, that of the weights is infinite.
    start, gradient = np.full((2, 2), 300.0, "float16"), np.full((2, 2), 1e-4, "float16")
    weights = keras.Variable(start, dtype="float16")

    LARS(1000.0).apply([keras.ops.convert_to_tensor(gradient)], [weights])

    np.testing.assert_array_equal(weights, np.zeros((2, 2)))


def model_with(optimizer):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(5), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(optimizer, "mse", run_eagerly=True)
    return model


def train(model, num_batches, seed):
    x, y = drawn(seed, [(num_batches, 8, 4), (num_batches, 8, 1)])
    return [float(model.train_on_batch(*batch)) for batch in zip(x, y, strict=True)]


@pytest.mark.parametrize("accumulation", [None, 2])
def test_a_loaded_model_goes_on_as_if_it_had_not_been_saved(tmp_path, accumulation):
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, 6, warmup_target=0.8, warmup_steps=2, alpha=0.1
    )
    model = model_with(LARS(schedule, weight_decay=0.01, gradient_accumulation_steps=accumulation))
    train(model, 5, seed=0)  # An odd number, so that half an update is saved too.
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    before = [np.array(weight) for weight in model.get_weights()]

    assert isinstance(loaded.optimizer, LARS)
    assert train(loaded, 3, seed=1) == train(model, 3, seed=1)
    for weight, wanted, old in zip(loaded.get_weights(), model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, wanted)
        assert np.any(weight != old)


def test_momenta_matter_to_what_is_loaded():
    model, fresh = model_with(LARS(0.8)), model_with(LARS(0.8))
    train(model, 5, seed=0)
    fresh.set_weights(model.get_weights())
    train(model, 1, seed=1)
    train(fresh, 1, seed=1)
    assert abs(model.get_weights()[-1] - fresh.get_weights()[-1]) > 1e-2


def test_a_traced_training_is_the_eager_one():
    eager, traced = model_with(LARS(Halving())), model_with(LARS(Halving()))
    traced.run_eagerly = False

    expected, losses = train(eager, 3, seed=0), train(traced, 3, seed=0)

    assert losses == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("rate", [0.25, keras.optimizers.schedules.CosineDecay(0.1, 7)])
def test_the_config_holds_every_argument(rate):
    optimizer = LARS(
        rate,
        weight_decay=0.2,
        momentum=0.3,
        trust_coefficient=0.4,
        exclude_one_dimensional=False,
        gradient_accumulation_steps=5,
        name="mine",
    )
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    start, gradients = drawn(0), [drawn(seed) for seed in range(1, 11)]

    assert isinstance(copy, LARS)
    assert copy.get_config() == optimizer.get_config()
    for path, wanted in zip(
        stepped(copy, start, gradients), stepped(optimizer, start, gradients), strict=True
    ):
        np.testing.assert_array_equal(path, wanted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": -0.1}, r"must not be negative. Received: learning_rate=-0.1"),
        ({"weight_decay": -1e-4}, r"must not be negative. Received: weight_decay=-0.0001"),
        ({"momentum": -0.1}, r"must lie in \[0, 1\).*Received: momentum=-0.1"),
        ({"momentum": 1.0}, r"must lie in \[0, 1\).*Received: momentum=1.0"),
        ({"trust_coefficient": 0.0}, r"must be above 0.*Received: trust_coefficient=0.0"),
        ({"gradient_accumulation_steps": 1}, r"integer >= 2"),
        ({"weight_decay": float("nan")}, r"Received: weight_decay=nan"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LARS(**{"learning_rate": 0.8, **arguments})


def test_the_schedule_of_keras_is_that_of_the_released_code():
    golden = load_golden("vicreg/vicreg_lr_schedule.json")
    peak, end = golden["effective_lr"], golden["end_lr_code"]
    warmup = golden["warmup_epochs"] * golden["steps_per_epoch"]
    total = golden["epochs"] * golden["steps_per_epoch"]

    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, total - warmup, alpha=end / peak, warmup_target=peak, warmup_steps=warmup
    )

    rates = [float(schedule(step)) for step in golden["step"]]
    # One rounding in float32 of the peak; the cosine near -1 has no better.
    np.testing.assert_allclose(rates, golden["lr"], rtol=0, atol=1e-7)
