"""Parameters of a machine: those of its construction, a little other in each unit, and faults."""

import math

import numpy as np
import pytest

from asdkeras.corpus.machines.exact import Draws
from asdkeras.corpus.machines.machine import Moment

CONSTRUCTION = (7, "lathe")
UNITS = [f"{number:02d}" for number in range(60)]


def moment(unit="00", *, fault=None, severity=1.0, construction=CONSTRUCTION, clip="one"):
    attributes, length = {"vel": clip}, 100 + len(clip)
    return Moment(construction, unit, Draws(clip), 1.0, attributes, fault or {}, severity, length)


def deviations(of_unit, name="hz", low=200.0, high=300.0):
    """Logarithms of a parameter of all units over that of the construction."""
    (base,) = {moment(unit).value(name, low, high, unit=0.0) for unit in UNITS}
    return np.log([moment(unit).value(name, low, high, unit=of_unit) / base for unit in UNITS])


def test_a_value_is_that_of_the_construction_times_what_unit_and_fault_change():
    base = 200.0 + 100.0 * Draws("construction", 7, "lathe", "hz").uniform()
    deviation = 2.0 * Draws("unit", 7, "lathe", "03", "hz").uniform() - 1.0
    expected = base * math.exp(0.3 * deviation + 0.5 * -0.8)

    value = moment("03", fault={"hz": -0.8}, severity=0.5).value("hz", 200.0, 300.0, unit=0.3)

    assert value == pytest.approx(expected, rel=1e-8)


def test_gains_are_those_of_the_construction_times_what_unit_and_fault_change():
    construction = Draws("construction", 7, "lathe", "tones")
    unit = Draws("unit", 7, "lathe", "03", "tones")
    pattern = Draws("fault", 7, "lathe", "tones")
    expected = []
    for number in range(5):
        gain = (0.4 + 0.6 * construction.uniform()) * 0.9**number
        gain *= math.exp(0.3 * (2.0 * unit.uniform() - 1.0))
        expected.append(gain * math.exp(0.5 * 1.2 * (2.0 * pattern.uniform() - 1.0)))

    broken = moment("03", fault={"tones": 1.2}, severity=0.5)

    np.testing.assert_allclose(broken.gains("tones", 5, 0.9, unit=0.3), expected, rtol=1e-8)


@pytest.mark.parametrize("of_unit", [0.05, 0.4])
def test_units_lie_within_their_deviation_on_both_sides(of_unit):
    found = deviations(of_unit)

    assert np.abs(found).max() <= of_unit
    assert found.max() > 0.8 * of_unit
    assert found.min() < -0.8 * of_unit
    assert len(set(found)) == len(UNITS)


def test_parameters_of_a_unit_deviate_each_by_itself():
    correlation = np.corrcoef(deviations(0.1), deviations(0.1, name="decay_s"))[0, 1]
    assert abs(correlation) < 0.4


def test_constructions_take_the_whole_range_and_nothing_else():
    values = [moment(construction=(n, "fan")).value("hz", 200.0, 300.0, unit=0) for n in range(60)]

    assert 200.0 <= min(values) < 210.0
    assert 290.0 < max(values) <= 300.0


@pytest.mark.parametrize("clip", ["two", "another_length"])
def test_two_clips_of_a_unit_agree_and_two_units_do_not(clip):
    first, again, other = moment("01"), moment("01", clip=clip), moment("02")

    assert first.value("hz", 200.0, 300.0) == again.value("hz", 200.0, 300.0)
    assert first.gains("tones", 8, 0.9) == again.gains("tones", 8, 0.9)
    assert first.value("hz", 200.0, 300.0) != other.value("hz", 200.0, 300.0)
    assert all(np.not_equal(first.gains("tones", 8, 0.9), other.gains("tones", 8, 0.9)))


@pytest.mark.parametrize(("severity", "change"), [(1.0, 0.5), (0.3, 0.5), (0.3, -1.0)])
def test_a_fault_changes_the_parameter_it_names_and_no_other(severity, change):
    whole, broken = moment(), moment(fault={"hz": change}, severity=severity)
    ratio = broken.value("hz", 200.0, 300.0) / whole.value("hz", 200.0, 300.0)

    assert ratio == pytest.approx(math.exp(severity * change), rel=1e-8)
    assert broken.value("decay_s", 0.1, 0.2) == whole.value("decay_s", 0.1, 0.2)
    assert broken.gains("tones", 8, 0.9) == whole.gains("tones", 8, 0.9)


def test_a_fault_of_gains_makes_some_larger_and_some_smaller_alike_in_all_units():
    changes = []
    for unit in ("00", "01"):
        broken = moment(unit, fault={"tones": 0.8}, severity=0.5).gains("tones", 20, 0.9)
        changes.append(np.log(np.divide(broken, moment(unit).gains("tones", 20, 0.9))))

    np.testing.assert_allclose(changes[0], changes[1], atol=1e-8)
    assert np.abs(changes[0]).max() <= 0.8 * 0.5
    assert changes[0].max() > 0.5 * 0.8 * 0.5
    assert changes[0].min() < -0.5 * 0.8 * 0.5


def test_a_count_is_of_the_construction_alone():
    counts = {moment(unit, fault={"teeth": 1.0}).count("teeth", 17, 25) for unit in UNITS}

    assert counts == {moment().count("teeth", 17, 25)}
    of_constructions = {moment(construction=(n,)).count("blades", 5, 8) for n in range(60)}
    assert of_constructions == {5, 6, 7, 8}
