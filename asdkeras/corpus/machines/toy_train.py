"""Toy train: motor and rolling wheels on a loop of track, with clicks at every rail joint."""

import numpy as np

from asdkeras.corpus.machines.acoustics import (
    SAMPLE_RATE_HZ,
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

SNR_DB = 0.0
ATTRIBUTES = (
    settings(
        source=["car_A1_spd_6_mic_1_noise_1", "car_A2_spd_6_mic_1_noise_1"],
        target=["car_B1_spd_6_mic_1_noise_2", "car_B2_spd_6_mic_1_noise_2"],
    ),
    settings(
        source=["car_C1_spd_6_mic_1_noise_1", "car_C1_spd_7_mic_1_noise_1"],
        target=["car_C1_spd_5_mic_1_noise_1", "car_C1_spd_9_mic_1_noise_1"],
    ),
    settings(
        source=["car_D1_spd_6_mic_1_noise_1", "car_D2_spd_7_mic_1_noise_1"],
        target=["car_D1_spd_7_mic_2_noise_2", "car_D2_spd_8_mic_2_noise_3"],
    ),
    settings(
        source=["car_E1_spd_7_mic_1_noise_1", "car_E2_spd_7_mic_1_noise_1"],
        target=["car_F1_spd_7_mic_1_noise_2", "car_F2_spd_7_mic_1_noise_2"],
    ),
    settings(
        source=["car_G1_spd_7_mic_1_noise_1", "car_G1_spd_8_mic_1_noise_1"],
        target=["car_G1_spd_6_mic_1_noise_1", "car_G1_spd_10_mic_1_noise_1"],
    ),
    settings(
        source=["car_H1_spd_7_mic_1_noise_1", "car_H2_spd_8_mic_1_noise_1"],
        target=["car_H1_spd_6_mic_2_noise_2", "car_H2_spd_7_mic_2_noise_3"],
    ),
)
FAULTS = {
    "flat_wheel": {"flat": 1.0, "wheel_hz": -0.1, "waddle": 0.6},
    "broken_joint": {"joint_gains": 0.5, "joint_hz": -0.1, "gap_s": 0.5},
    "dirty_rail": {"curve": 1.0, "wheel_hz": 0.1, "waddle": -0.6},
    "worn_motor": {"motor_gains": 0.7, "swing": 1.0},
}
_JOINT_M, _WHEEL_M, _BOGIE_M, _NUM_JOINTS = 0.17, 0.035, 0.05, 8


def sound(moment: Moment) -> FloatArray:
    clip, length = moment.clip, moment.length
    speed = moment.value("speed_per_step", 0.10, 0.13, unit=0.06)
    speed *= float(moment.attributes["spd"]) * moment.drift()
    way = cycles_of(speed * (1 + 0.02 * wander(clip, length, 0.5)), length, clip.uniform(0.0, 1.4))
    loop, wheel = way / (_JOINT_M * _NUM_JOINTS), way / _WHEEL_M

    turns = way * moment.value("motor_per_m", 130.0, 180.0, unit=0.0)
    motor = at_level(harmonics(turns, moment.gains("motor_gains", 14, 0.9), clip))
    motor *= 1 + moment.value("swing", 0.2, 0.3, unit=0.4) * sine(0.25 * turns + clip.uniform())

    rolling = colored(clip, length, (-12, -9, -6, -3, -1, 0, -2, -4))
    wheel_hz = moment.value("wheel_hz", 900.0, 1600.0)
    rolling = at_level(rolling + 0.4 * at_level(ringing(rolling, wheel_hz, 2.0 / wheel_hz)))
    rolling *= 1 + moment.value("waddle", 0.2, 0.35, unit=0.3) * sine(wheel + clip.uniform())
    # Flanges rub more in one half of the loop.
    rolling *= 1 + moment.value("curve", 0.2, 0.3, unit=0.3) * sine(loop + clip.uniform())

    times = crossings(wheel, clip.uniform())
    flat = impacts(times, clip.uniforms(len(times), 0.6, 1.0), length)
    flat = at_level(convolve(flat, ring(wheel_hz, 0.002)))
    total = motor + rolling + moment.value("flat", 0.25, 0.4, unit=0.3) * flat
    joint = ring(moment.value("joint_hz", 1800.0, 3400.0), 0.001)
    total += 0.4 * at_level(convolve(_joints(moment, way), joint))
    return total * (1 + 0.2 * sine(loop))  # The loop leads past the microphone.


def _joints(moment: Moment, way: FloatArray) -> FloatArray:
    """Impulses of both bogies at every joint, onto the next rail and off the last, `(samples,)`."""
    strengths = np.array(moment.gains("joint_gains", _NUM_JOINTS, 1.0))
    gap_s = moment.value("gap_s", 0.004, 0.008, unit=0.2)
    train = np.zeros(len(way))
    for bogie in (0.0, _BOGIE_M):
        times = crossings(way / _JOINT_M, bogie / _JOINT_M)
        position = np.minimum((times * SAMPLE_RATE_HZ).astype(np.int64) + 1, len(way) - 1)
        joint = np.floor((way[position] - bogie) / _JOINT_M + 0.5).astype(np.int64)
        own = strengths[joint % _NUM_JOINTS] * moment.clip.uniforms(len(times), 0.85, 1.0)
        off = times + gap_s * moment.clip.uniforms(len(times), 0.7, 1.3)
        train += impacts(times, own, len(way)) + 0.6 * impacts(off, own, len(way))
    return train
