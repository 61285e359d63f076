"""Toy conveyor: motor, rollers and a belt whose seam passes once per turn."""

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

SNR_DB = -1.0
ATTRIBUTES = (
    settings(source=["speed_900", "speed_1000", "speed_1100"], target=["speed_700", "speed_1300"]),
    settings(source=["speed_950", "speed_1050"], target=["speed_800", "speed_1250"]),
    settings(source=["speed_1000", "speed_1100"], target=["speed_850", "speed_1350"]),
    settings(source=["speed_850", "speed_950", "speed_1050"], target=["speed_700", "speed_1250"]),
    settings(source=["speed_900", "speed_1000"], target=["speed_750", "speed_1200"]),
    settings(source=["speed_1050", "speed_1150"], target=["speed_850", "speed_1350"]),
)
FAULTS = {
    "loose_belt": {"slip": 0.8, "belt_hz": -0.1, "drive_gains": 0.6},
    "dry_pulley": {"pulley_hz": 0.1, "rub": 1.0, "drive_gains": 0.6},
    "attached_object": {"object": 1.0, "frame_hz": -0.1, "slip": 0.6},
}


def sound(moment: Moment) -> FloatArray:
    clip, length = moment.clip, moment.length
    speed = float(moment.attributes["speed"]) / 1000.0 * moment.drift()
    motor_hz = moment.value("motor_hz", 90.0, 120.0, unit=0.06) * speed
    motor = cycles_of(motor_hz * (1 + 0.005 * wander(clip, length, 0.6)), length, clip.uniform())
    roller, belt = motor / 11.0, motor / 83.0

    drive = at_level(harmonics(motor, moment.gains("drive_gains", 16, 0.9), clip))
    drive *= 1 + moment.value("slip", 0.2, 0.3, unit=0.4) * sine(1.7 * roller + clip.uniform())

    friction = colored(clip, length, (-10, -8, -6, -3, -1, 0, -2, -4))
    for name, low_hz, high_hz in (("belt_hz", 700.0, 1200.0), ("pulley_hz", 2200.0, 3600.0)):
        resonance_hz = moment.value(name, low_hz, high_hz)
        friction += 0.5 * at_level(ringing(friction, resonance_hz, 2.0 / resonance_hz))
    friction = at_level(friction, clip.uniform(0.6, 1.4))  # Under any load.
    friction *= 1 + moment.value("rub", 0.2, 0.35, unit=0.3) * sine(roller + clip.uniform())

    seam = crossings(belt)
    knocks = at_level(impacts(seam, clip.uniforms(len(seam), 0.6, 1.0), length), 0.35)
    frame = ring(moment.value("frame_hz", 1300.0, 2200.0), 0.0012)
    # The seam passes once per turn of the belt, what sticks to it at every roller.
    for name, turns in (("object", 5.0 * belt), ("rattle", 2.0 * roller)):
        times = crossings(turns, clip.uniform())
        train = impacts(times, clip.uniforms(len(times), 0.6, 1.0), length)
        knocks += at_level(train, moment.value(name, 0.5, 0.8, unit=0.3))
    return drive + friction + 0.5 * at_level(convolve(knocks, frame))
