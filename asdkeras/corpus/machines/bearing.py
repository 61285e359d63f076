"""Bearing: hum of the motor and rolling noise; every unevenness rings the housing when passed."""

import numpy as np

from asdkeras.corpus.machines.acoustics import (
    colored,
    crossings,
    cycles_of,
    harmonics,
    impacts,
    ring,
    ringing,
    wander,
)
from asdkeras.corpus.machines.exact import FloatArray, at_level, convolve, sine
from asdkeras.corpus.machines.machine import Moment, settings

SNR_DB = 1.0
ATTRIBUTES = (
    settings(source=["vel_12", "vel_15", "vel_18", "vel_21"], target=["vel_8", "vel_25"]),
    settings(source=["vel_10_loc_A", "vel_14_loc_B"], target=["vel_10_loc_G", "vel_14_loc_H"]),
    settings(source=["vel_10_f-n_A", "vel_14_f-n_B"], target=["vel_10_f-n_C", "vel_14_f-n_D"]),
    settings(source=["vel_11", "vel_14", "vel_17", "vel_20"], target=["vel_7", "vel_24"]),
    settings(source=["vel_12_loc_C", "vel_16_loc_D"], target=["vel_12_loc_E", "vel_16_loc_F"]),
    settings(source=["vel_10", "vel_13", "vel_16", "vel_19"], target=["vel_6", "vel_23"]),
)
FAULTS = {
    "outer_race": {"outer": 0.8, "housing_hz": -0.1},
    "inner_race": {"inner": 1.0, "inner_zone": 0.8, "housing_hz": 0.1},
    "ball": {"spin": 0.7, "cage": 0.8, "rolling_hz": -0.1},
    "dry": {"rolling_hz": 0.1, "cage": 1.0, "motor_gains": 0.7},
}

# Passes over one spot per turn of the shaft, for nine balls of 0.4 times the pitch radius.
_OUTER_PASSES, _INNER_PASSES, _BALL_SPINS, _CAGE_TURNS = 3.58, 5.42, 4.71, 0.398


def sound(moment: Moment) -> FloatArray:
    clip, length = moment.clip, moment.length
    shaft_hz = float(moment.attributes["vel"]) * moment.drift()
    shaft = cycles_of(shaft_hz * (1 + 0.003 * wander(clip, length, 0.4)), length, clip.uniform())
    slots = moment.count("slots", 12, 24)
    motor = at_level(harmonics(shaft, moment.gains("shaft_gains", 16, 0.9), clip))
    motor += at_level(harmonics(slots * shaft, moment.gains("motor_gains", 8, 0.85), clip))
    motor *= 1 + moment.value("swing", 0.15, 0.25, unit=0.4) * sine(shaft + clip.uniform())

    rolling = colored(clip, length, (-9, -7, -5, -3, -1, 0, -2, -5))
    rolling_hz = moment.value("rolling_hz", 900.0, 1600.0)
    rolling = at_level(rolling + 0.6 * at_level(ringing(rolling, rolling_hz, 2.0 / rolling_hz)))
    cage = _CAGE_TURNS * shaft + clip.uniform()
    rolling *= 1 + moment.value("cage", 0.2, 0.35, unit=0.3) * sine(cage)

    housing = ring(moment.value("housing_hz", 2600.0, 4200.0), 0.0006)
    return motor + rolling + 0.7 * at_level(convolve(_passes(moment, shaft, cage), housing))


def _passes(moment: Moment, shaft: FloatArray, cage: FloatArray) -> FloatArray:
    """Impulses whenever something passes an unevenness, `(samples,)`."""
    clip, length = moment.clip, moment.length
    total = np.zeros(length)
    inner_zone = moment.value("inner_zone", 0.3, 0.5, unit=0.3)
    # An inner spot and a ball turn in and out of the loaded zone; the outer race stays in it.
    for name, passes, loaded in (
        ("outer", _OUTER_PASSES, np.ones(length)),
        ("inner", _INNER_PASSES, 1.0 + inner_zone * sine(shaft)),
        ("spin", _BALL_SPINS, 1.0 + 0.5 * sine(cage)),
        ("rough", 11.3, 1.0 + 0.3 * sine(cage)),
    ):
        times = crossings(passes * shaft, clip.uniform())
        times += clip.uniforms(len(times), -0.0006, 0.0006)  # No ball rolls without slip.
        train = loaded * impacts(times, clip.uniforms(len(times), 0.6, 1.0), length)
        total += at_level(train, moment.value(name, 0.5, 0.8, unit=0.3))
    return total
