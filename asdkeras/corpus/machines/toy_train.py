"""Toy train: motor and rolling wheels on a loop of track, with clicks at every rail joint."""

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
from asdkeras.corpus.machines.exact import Draws, FloatArray, at_level, convolve, sine
from asdkeras.corpus.machines.machine import Moment, settings

SNR_DB = 4.0
ATTRIBUTES = (
    settings(
        source=["car_A1_spd_6_mic_1_noise_1", "car_A1_spd_7_mic_1_noise_1"],
        target=["car_A1_spd_5_mic_1_noise_1", "car_A1_spd_9_mic_1_noise_1"],
    ),
    settings(
        source=["car_B1_spd_6_mic_1_noise_1", "car_B2_spd_7_mic_1_noise_1"],
        target=["car_B1_spd_6_mic_2_noise_2", "car_B2_spd_7_mic_2_noise_2"],
    ),
)
FAULTS = ("flat_wheel", "broken_joint", "obstacle")
_JOINT_M, _WHEEL_M, _BOGIE_M, _NUM_JOINTS = 0.21, 0.035, 0.05, 12


def sound(moment: Moment) -> FloatArray:
    instance, clip, length = moment.instance, moment.clip, moment.length
    car = Draws("train", moment.attributes["car"])
    speed_per_step = instance.uniform(0.10, 0.13) * car.uniform(0.95, 1.05)
    motor_per_m = instance.uniform(55.0, 75.0)
    motor_gains = [instance.uniform(0.3, 1.0) * 0.85**k for k in range(10)]
    rail = ring(instance.uniform(1300.0, 2600.0), 0.007)
    colors = [instance.uniform(-3.0, 3.0) - 1.3 * abs(octave - 4) for octave in range(8)]

    speed = speed_per_step * float(moment.attributes["spd"]) * clip.uniform(0.98, 1.02)
    way = cycles_of(speed * (1 + 0.02 * wander(clip, length, 0.5)), length, clip.uniform(0.0, 2.5))
    loop = way / (_JOINT_M * _NUM_JOINTS)
    motor = at_level(harmonics(way * motor_per_m, motor_gains, clip))
    rolling = at_level(colored(clip, length, colors)) * (1 + 0.2 * sine(way / _WHEEL_M))
    train = _joints(moment, way, loop)
    wheel = crossings(way / _WHEEL_M, clip.uniform())
    flat = impacts(wheel, clip.uniforms(len(wheel), 0.6, 1.0), length)
    train += 0.5 * moment.severity("flat_wheel") * flat
    total = motor + 0.8 * rolling + 3.0 * convolve(train, rail)

    # Something lies beside the rail and is brushed at one place of the loop.
    place = clip.uniform()
    near = np.maximum(sine(loop - place) - 0.8, 0.0) * 5.0
    scrape = at_level(colored(clip, length, (-40, -40, -30, -15, -6, 0, 0, -3)))
    total += 1.5 * moment.severity("obstacle") * near * scrape
    return total * (1 + 0.3 * sine(loop))  # The loop leads past the microphone.


def _joints(moment: Moment, way: FloatArray, loop: FloatArray) -> FloatArray:
    """Impulses of both bogies at every joint of the track, `(samples,)`."""
    length = len(way)
    strengths = moment.instance.uniforms(_NUM_JOINTS, 0.5, 1.0)
    broken = moment.clip.integer(0, _NUM_JOINTS - 2)
    if moment.fault == "broken_joint":
        strengths[broken] += 2.0 * moment.fault_severity
        strengths[broken + 1] += 1.0 * moment.fault_severity
    train = np.zeros(length)
    for bogie in (0.0, _BOGIE_M):
        times = crossings(way / _JOINT_M, bogie / _JOINT_M)
        count = moment.clip.uniforms(len(times), 0.85, 1.0)
        position = np.minimum((times * 16_000).astype(np.int64) + 1, length - 1)
        joint = np.floor((way[position] - bogie) / _JOINT_M + 0.5).astype(np.int64)
        train += impacts(times, count * strengths[joint % _NUM_JOINTS], length)
    return train
