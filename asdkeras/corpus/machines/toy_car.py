"""Toy car: brushed motor, gear and four wheels on a test stand."""

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

SNR_DB = 6.0
ATTRIBUTES = (
    settings(
        source=["car_A1_spd_28V_mic_1_noise_1", "car_A1_spd_31V_mic_1_noise_1"],
        target=["car_A1_spd_25V_mic_1_noise_1", "car_A1_spd_34V_mic_1_noise_1"],
    ),
    settings(
        source=["car_B1_spd_28V_mic_1_noise_1", "car_B2_spd_31V_mic_1_noise_1"],
        target=["car_B1_spd_28V_mic_2_noise_2", "car_B2_spd_31V_mic_2_noise_2"],
    ),
)
FAULTS = ("bent_shaft", "damaged_gear", "wheel_damage")


def sound(moment: Moment) -> FloatArray:
    instance, clip, length = moment.instance, moment.clip, moment.length
    car = Draws("car", moment.attributes["car"])
    hz_per_volt = instance.uniform(3.6, 4.4) * car.uniform(0.95, 1.05)
    teeth, reduction = instance.integer(9, 13), instance.uniform(4.2, 5.4)
    brush_gains = [instance.uniform(0.3, 1.0) * 0.85**k for k in range(8)]
    gear_gains = [instance.uniform(0.4, 1.0) * 0.7**k for k in range(4)]
    body = ring(instance.uniform(900.0, 1800.0), 0.004)
    colors = [instance.uniform(-3.0, 3.0) - 1.5 * abs(octave - 5) for octave in range(8)]

    volts = float(moment.attributes["spd"].removesuffix("V"))
    motor_hz = hz_per_volt * volts * clip.uniform(0.98, 1.02)
    motor = cycles_of(motor_hz * (1 + 0.006 * wander(clip, length, 0.8)), length, clip.uniform())
    axle = motor / reduction
    bent, gear = moment.severity("bent_shaft"), moment.severity("damaged_gear")
    brushes = at_level(harmonics(6 * motor, brush_gains, clip))
    whine = harmonics(teeth * motor, gear_gains, clip)
    whine *= 1 + 0.15 * sine(motor) + 1.5 * bent * sine(axle + clip.uniform())
    tyres = at_level(colored(clip, length, colors))
    tyres *= 1 + 0.2 * sine(axle + clip.uniform()) + 0.9 * bent * sine(axle)

    strikes = crossings(axle, clip.uniform())
    train = 2.5 * gear * impacts(strikes, clip.uniforms(len(strikes), 0.6, 1.0), length)
    chipped = crossings(axle, clip.uniform())
    scrapes = impacts(chipped, clip.uniforms(len(chipped), 0.6, 1.0), length)
    for later_s in (0.0015, 0.0037, 0.0052):
        scrapes += 0.7 * impacts(chipped + later_s, clip.uniforms(len(chipped)), length)
    train += 1.8 * moment.severity("wheel_damage") * scrapes
    rattling = crossings(4.0 * axle)
    train += 0.35 * impacts(rattling, clip.uniforms(len(rattling)), length)
    knocks = 2.0 * convolve(train, body)
    return brushes + at_level(whine) + 0.8 * tyres + knocks
