"""Toy car: brushed motor, gear and four wheels on a test stand."""

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

SNR_DB = 2.0
ATTRIBUTES = (
    settings(
        source=["car_A1_spd_28V_mic_1_noise_1", "car_A2_spd_28V_mic_1_noise_1"],
        target=["car_B1_spd_28V_mic_1_noise_1", "car_B2_spd_28V_mic_1_noise_1"],
    ),
    settings(
        source=["car_C1_spd_28V_mic_1_noise_1", "car_C1_spd_31V_mic_1_noise_1"],
        target=["car_C1_spd_25V_mic_1_noise_1", "car_C1_spd_34V_mic_1_noise_1"],
    ),
    settings(
        source=["car_D1_spd_28V_mic_1_noise_1", "car_D2_spd_31V_mic_1_noise_1"],
        target=["car_D1_spd_31V_mic_2_noise_2", "car_D2_spd_34V_mic_2_noise_3"],
    ),
    settings(
        source=["car_E1_spd_31V_mic_1_noise_1", "car_E2_spd_31V_mic_1_noise_1"],
        target=["car_F1_spd_31V_mic_1_noise_1", "car_F2_spd_31V_mic_1_noise_1"],
    ),
    settings(
        source=["car_G1_spd_31V_mic_1_noise_1", "car_G1_spd_34V_mic_1_noise_1"],
        target=["car_G1_spd_28V_mic_1_noise_1", "car_G1_spd_37V_mic_1_noise_1"],
    ),
    settings(
        source=["car_H1_spd_31V_mic_1_noise_1", "car_H2_spd_34V_mic_1_noise_1"],
        target=["car_H1_spd_28V_mic_2_noise_2", "car_H2_spd_31V_mic_2_noise_3"],
    ),
)
FAULTS = {
    "bent_shaft": {"sway": 1.2, "tyre_swing": 0.9, "tyre_hz": -0.12},
    "damaged_gear": {"chip": 0.6, "whine_gains": 1.0, "gear_hz": -0.1},
    "wheel_damage": {"bump": 1.0, "body_hz": 0.1, "tyre_hz": 0.1},
    "worn_brushes": {"brush_gains": 1.0, "sparking": 0.8},
}


def sound(moment: Moment) -> FloatArray:
    clip, length = moment.clip, moment.length
    volts = float(moment.attributes["spd"].removesuffix("V"))
    motor_hz = moment.value("hz_per_volt", 3.4, 4.2, unit=0.06) * volts * moment.drift()
    motor = cycles_of(motor_hz * (1 + 0.006 * wander(clip, length, 0.8)), length, clip.uniform())
    axle = motor / moment.value("reduction", 4.2, 5.4, unit=0.0)

    brushes = at_level(harmonics(6 * motor, moment.gains("brush_gains", 7, 0.85), clip))
    brushes *= 1 + moment.value("sparking", 0.2, 0.35, unit=0.4) * sine(motor + clip.uniform())
    teeth = moment.count("teeth", 8, 11)
    whine = at_level(harmonics(teeth * motor, moment.gains("whine_gains", 4, 0.85), clip))
    whine *= 1 + moment.value("sway", 0.2, 0.35, unit=0.4) * sine(axle + clip.uniform())

    tyres = colored(clip, length, (-12, -9, -6, -4, -2, 0, -2, -4))
    for name, low_hz, high_hz in (("body_hz", 700.0, 1200.0), ("tyre_hz", 1900.0, 3100.0)):
        resonance_hz = moment.value(name, low_hz, high_hz)
        tyres += at_level(ringing(tyres, resonance_hz, 2.0 / resonance_hz))
    tyres = at_level(tyres)
    tyres *= 1 + moment.value("tyre_swing", 0.2, 0.35, unit=0.3) * sine(axle + clip.uniform())

    knocks = np.zeros(length)
    body = ring(moment.value("body_hz", 700.0, 1200.0), 0.002)
    gear = ring(moment.value("gear_hz", 3400.0, 5200.0), 0.001)
    # One tooth and one wheel strike harder than the others, once per turn of the axle.
    for name, turns, tone in (("chip", axle, gear), ("bump", axle, body), ("mesh", 4 * axle, gear)):
        times = crossings(turns, clip.uniform())
        train = impacts(times, clip.uniforms(len(times), 0.6, 1.0), length)
        knocks += moment.value(name, 0.5, 0.8, unit=0.3) * at_level(convolve(train, tone))
    return brushes + whine + tyres + 0.5 * at_level(knocks)
