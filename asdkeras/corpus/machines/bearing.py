"""Bearing: hum of the shaft and rolling noise; damage rings the housing when rolled over."""

from asdkeras.corpus.machines.acoustics import (
    colored,
    crossings,
    cycles_of,
    harmonics,
    impacts,
    ring,
    wander,
)
from asdkeras.corpus.machines.exact import FloatArray, at_level, convolve, sine
from asdkeras.corpus.machines.machine import Moment, settings

SNR_DB = 3.0
ATTRIBUTES = (
    settings(source=["vel_12", "vel_15", "vel_18", "vel_21"], target=["vel_8", "vel_25"]),
    settings(source=["vel_10_loc_A", "vel_14_loc_B"], target=["vel_10_loc_G", "vel_14_loc_H"]),
)
FAULTS = ("outer_race", "inner_race", "ball", "dry")

# Passes over a damaged spot per turn of the shaft, for nine balls of 0.4 times the pitch radius.
_OUTER_PASSES, _INNER_PASSES, _BALL_SPINS, _CAGE_TURNS = 3.58, 5.42, 4.71, 0.398


def sound(moment: Moment) -> FloatArray:
    instance, clip, length = moment.instance, moment.clip, moment.length
    housing_hz = instance.uniform(2600.0, 4200.0)
    shaft_gains = [instance.uniform(0.3, 1.0) / (1 + 0.4 * k) for k in range(10)]
    motor_poles = instance.integer(6, 12)
    colors = [instance.uniform(-3.0, 3.0) - 1.2 * abs(octave - 4) for octave in range(8)]

    shaft_hz = float(moment.attributes["vel"]) * clip.uniform(0.985, 1.015)
    shaft = cycles_of(shaft_hz * (1 + 0.003 * wander(clip, length, 0.4)), length, clip.uniform())
    motor = at_level(harmonics(shaft, shaft_gains, clip))
    motor += 0.5 * at_level(harmonics(2 * motor_poles * shaft, [1.0, 0.6, 0.4, 0.2], clip))

    dry = moment.severity("dry")
    rolling = at_level(
        colored(clip, length, [c + dry * 0.9 * (i - 4) for i, c in enumerate(colors)])
    )
    rolling *= 1 + 0.2 * sine(_CAGE_TURNS * shaft) + 0.4 * dry * wander(clip, length, 12.0)

    rough = crossings(11.3 * shaft)  # Small unevenness rings the housing of a good bearing too.
    train = 0.3 * impacts(rough, clip.uniforms(len(rough)), length)
    train += _damage(moment, shaft)
    return motor + rolling + 0.9 * convolve(train, ring(housing_hz, 0.002))


def _damage(moment: Moment, shaft: FloatArray) -> FloatArray:
    passes = {"outer_race": _OUTER_PASSES, "inner_race": _INNER_PASSES, "ball": _BALL_SPINS}
    if moment.fault not in passes:
        return 0.0 * shaft
    times = crossings(passes[moment.fault] * shaft, moment.clip.uniform())
    # No ball rolls without slip: the impulses come a little early or late.
    slip = moment.clip.uniforms(len(times), -0.0006, 0.0006)
    strengths = moment.clip.uniforms(len(times), 0.6, 1.0)
    train = 3.0 * moment.fault_severity * impacts(times + slip, strengths, len(shaft))
    # The damaged part turns in and out of the loaded zone; an outer race stays in it.
    carrier = {"outer_race": 0.0, "inner_race": 1.0, "ball": _CAGE_TURNS}[moment.fault]
    return train * (1 + 0.8 * sine(carrier * shaft)) if carrier else train
