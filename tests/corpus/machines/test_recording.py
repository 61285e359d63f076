"""One clip: what is broken in it, its squeal, its level and that of the factory beside it."""

import dataclasses
import math

import numpy as np
import pytest

from asdkeras.corpus.machines import fan, recording
from asdkeras.corpus.machines.exact import Draws, level
from asdkeras.corpus.machines.machine import Moment
from asdkeras.corpus.machines.recording import Scene, record

LENGTH = 8000
SCENE = Scene("fan", "00", (("m-n", "W"),), "source", -1, 0.5, LENGTH)


def decibels(ratio):
    return 20.0 * math.log10(ratio)


def level_of(scene, identity="one", **changes):
    return level(record(dataclasses.replace(scene, **changes), 0, identity).astype(np.float64))


def snr_db(scene, identity):
    """Level in dB of the machine over the factory."""
    machine = level_of(scene, identity, contains="machine")
    return decibels(machine / level_of(scene, identity, contains="noise"))


def moment(fault, severity=0.5, spread=1.0):
    return Moment((0, "fan"), "00", Draws("clip"), spread, {}, fault, severity, 16_000)


@pytest.mark.parametrize(("domain", "widest_db"), [("source", 1.5), ("target", 1.5 * 2.3)])
def test_machine_lies_over_the_factory_by_its_own_level_and_that_of_the_clip(domain, widest_db):
    scene = dataclasses.replace(SCENE, domain=domain)
    found = [snr_db(scene, str(number)) - (fan.SNR_DB - 4.0) for number in range(24)]

    assert np.abs(found).max() < widest_db + 0.05
    assert np.max(found) > 0.7 * widest_db
    assert np.min(found) < -0.7 * widest_db


def test_noise_levels_are_those_of_the_attribute():
    first, *others = (
        snr_db(dataclasses.replace(SCENE, attributes=(("n-lv", name),)), "one")
        for name in ("L1", "L2", "L3", "L4")
    )
    np.testing.assert_allclose(np.subtract(others, first), [-3.0, -6.0, -9.0], atol=0.05)


@pytest.mark.parametrize(("gain", "change_db"), [(0.0, -4.0), (0.75, 2.0), (1.0, 4.0)])
def test_distance_of_the_microphone_changes_the_level_of_all(gain, change_db):
    ratio = level_of(SCENE, gain=gain) / level_of(SCENE)
    assert decibels(ratio) == pytest.approx(change_db, abs=0.02)


def test_a_clip_is_the_sum_of_machine_and_factory():
    # The factory alone draws other numbers than the one behind a machine.
    whole, machine = level_of(SCENE), level_of(SCENE, contains="machine")
    factory = level_of(SCENE, contains="noise")
    assert whole**2 == pytest.approx(machine**2 + factory**2, rel=0.1)


def test_squeal_is_three_tones_whose_level_a_fault_raises():
    whole = recording._squeal(moment({}))
    broken = recording._squeal(moment({"squeal": 1.4}))

    np.testing.assert_allclose(broken, math.exp(0.5 * 1.4) * whole, rtol=1e-7)
    spectrum = np.abs(np.fft.rfft(whole * np.hanning(len(whole)))) ** 2  # Bins of 1 Hz.
    outside = [spectrum[: int(2500 * 0.9 * 0.95)], spectrum[int(7000 * 1.11 * 1.05) :]]
    assert sum(part.sum() for part in outside) < 1e-3 * spectrum.sum()
    tones = {round(float(hz) / 100) for hz in np.flatnonzero(spectrum > 0.05 * spectrum.max())}
    assert 3 <= len(tones) <= 6
    amplitude = math.sqrt(2.0 / 3.0) * level(whole)
    assert 0.02 * math.exp(-0.3) < amplitude < 0.03 * math.exp(0.3)


class StillMachine:
    """A model that makes no sound and keeps the moments it was given."""

    def __init__(self):
        self.SNR_DB = 0.0
        self.FAULTS = {"first": {"a": 1.0}, "second": {"b": -1.0}}
        self.moments = []

    def sound(self, given):
        self.moments.append(given)
        return np.zeros(given.length)


@pytest.fixture
def still(monkeypatch):
    model = StillMachine()
    monkeypatch.setattr(recording, "machine_model", lambda machine_type: model)
    return model


@pytest.mark.parametrize(
    ("fault", "changes"),
    [(-1, {}), (0, {"a": 1.0, "squeal": 1.4}), (1, {"b": -1.0, "squeal": 1.4})],
)
def test_a_broken_machine_squeals_beside_its_fault(still, fault, changes):
    record(dataclasses.replace(SCENE, fault=fault, length=1600), 0, "one")
    assert still.moments[0].fault == changes


def test_severities_take_their_whole_range(still):
    for number in range(200):
        record(dataclasses.replace(SCENE, fault=0, length=160), 0, str(number))
    severities = [each.severity for each in still.moments]
    assert 0.25 <= min(severities) < 0.3
    assert 0.85 < max(severities) <= 0.9


@pytest.mark.parametrize(("domain", "spread"), [("source", 1.0), ("target", 2.3)])
def test_clips_of_the_target_domain_spread_more(still, domain, spread):
    record(dataclasses.replace(SCENE, domain=domain, length=160), 0, "one")
    assert still.moments[0].spread == spread


@pytest.mark.parametrize(
    ("attributes", "unit"), [((), "00"), ((("id", "04"),), "0004"), ((("car", "A1"),), "00A1")]
)
def test_unit_is_the_section_and_what_attributes_say_of_it(still, attributes, unit):
    record(dataclasses.replace(SCENE, attributes=attributes, length=160), 5, "one")
    assert still.moments[0].construction == (5, "fan")
    assert still.moments[0].unit == unit
