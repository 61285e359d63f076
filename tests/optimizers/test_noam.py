"""Noam: the recorded rates, the definition, and that optimizers take and keep it."""

import keras
import numpy as np
import pytest

from asdkeras.optimizers.noam import Noam
from tests.golden import load_golden

RECORDED = load_golden("conformer_ae/noam.json")["noam_model144_warmup8000_base1"]


def test_rates_are_those_of_the_recorded_schedule():
    schedule = Noam(144, 8000)
    for number, rate in RECORDED.items():
        # The recording counts steps from 1, Keras from 0.
        assert float(schedule(int(number) - 1)) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(("dim", "warmup_steps", "base"), [(16, 5, 1.0), (7, 1, 3.0), (1, 3, 0.5)])
def test_rates_follow_the_definition(dim, warmup_steps, base):
    schedule = Noam(dim, warmup_steps, base)
    for number in range(1, 20):
        expected = base * dim**-0.5 * min(number**-0.5, number * warmup_steps**-1.5)
        assert float(schedule(number - 1)) == pytest.approx(expected, rel=1e-6)


def test_peak_is_at_the_end_of_the_warm_up():
    schedule = Noam(144, 8000)
    rates = [float(schedule(step)) for step in (7998, 7999, 8000)]
    assert max(rates) == rates[1] == pytest.approx(9.317e-4, rel=1e-4)


def test_first_update_of_an_optimizer_has_the_first_rate():
    variable = keras.Variable(np.zeros(2, "float32"))
    keras.optimizers.SGD(Noam(4, 10)).apply([keras.ops.ones(2)], [variable])
    np.testing.assert_allclose(variable, -0.5 * 10**-1.5, rtol=1e-6)


def test_optimizer_with_the_schedule_is_saved_and_loaded(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(Noam(144, 50, 2.0)), "mse", run_eagerly=True)
    model.train_on_batch(np.ones((2, 3)), np.ones((2, 1)))
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    expected = Noam(144, 50, 2.0)(1)
    assert float(loaded.optimizer.learning_rate) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((0, 10), "dim=0"), ((4, 0), "warmup_steps=0"), ((4, 10, 0.0), "base=0.0")],
)
def test_numbers_that_teach_nothing_are_refused(arguments, name):
    with pytest.raises(ValueError, match=rf"`{name.split('=')[0]}` must be .*Received: {name}"):
        Noam(*arguments)
