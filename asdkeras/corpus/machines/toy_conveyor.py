"""Toy conveyor: motor, rollers and a belt whose seam passes once per turn."""

import numpy as np

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

SNR_DB = 4.0
ATTRIBUTES = (
    settings(source=["speed_1000"], target=["speed_1200"]),
    settings(source=["speed_1000"], target=["speed_1200"]),
)
FAULTS = ("loose_belt", "dry_pulley", "attached_object")


def sound(moment: Moment) -> FloatArray:
    instance, clip, length = moment.instance, moment.clip, moment.length
    motor_hz = instance.uniform(90.0, 120.0) * float(moment.attributes["speed"]) / 1000.0
    motor_gains = [instance.uniform(0.3, 1.0) * 0.8**k for k in range(10)]
    frame = ring(instance.uniform(700.0, 1600.0), 0.006)
    colors = [instance.uniform(-3.0, 3.0) - 1.5 * abs(octave - 4) for octave in range(8)]

    loose, dry = moment.severity("loose_belt"), moment.severity("dry_pulley")
    rate = motor_hz * clip.uniform(0.985, 1.015) * (1 + 0.005 * wander(clip, length, 0.6))
    motor = cycles_of(rate, length, clip.uniform())
    roller, belt = motor / 11.0, motor / 83.0
    drive = at_level(harmonics(motor, motor_gains, clip)) * (1 + 0.1 * sine(roller))
    friction = at_level(colored(clip, length, colors))
    friction *= 1 + 0.2 * sine(roller) + 0.25 * loose * sine(2.7 * belt + clip.uniform())
    squeal = sine(23.7 * motor) * np.maximum(sine(roller + clip.uniform()) - 0.3, 0.0)

    seam = crossings(belt)
    train = impacts(seam, clip.uniforms(len(seam), 0.6, 1.0), length)
    ticks = crossings(5.0 * belt, clip.uniform())
    strengths = clip.uniforms(len(ticks), 0.6, 1.0)
    train += 1.0 * moment.severity("attached_object") * impacts(ticks, strengths, length)
    return drive + friction + 0.9 * dry * squeal + 4.0 * convolve(train, frame)
