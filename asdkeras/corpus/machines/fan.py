"""Fan: tones of the passing blades and of the shaft, and air that rings in duct and grille."""

from asdkeras.corpus.machines.acoustics import (
    colored,
    cycles_of,
    harmonics,
    ringing,
    wander,
)
from asdkeras.corpus.machines.exact import FloatArray, at_level, sine
from asdkeras.corpus.machines.machine import Moment, settings

SNR_DB = -1.0
ATTRIBUTES = (
    settings(source=["m-n_W", "m-n_X", "m-n_Y"], target=["m-n_Z", "m-n_V"]),
    settings(source=["f-n_A", "f-n_B", "f-n_C"], target=["f-n_D", "f-n_E"]),
    settings(source=["n-lv_L1", "n-lv_L2"], target=["n-lv_L3", "n-lv_L4"]),
    settings(source=["m-n_S", "m-n_T", "m-n_W"], target=["m-n_X", "m-n_U"]),
    settings(source=["f-n_D", "f-n_E", "f-n_F"], target=["f-n_A", "f-n_G"]),
    settings(source=["n-lv_L2", "n-lv_L3"], target=["n-lv_L1", "n-lv_L4"]),
)
FAULTS = {
    "unbalance": {"swing": 1.0, "turn_gains": 1.0, "turn_level": 0.6},
    "damaged_blade": {"blade_gains": 1.2, "breathing": -1.0, "grille_hz": 0.08},
    "clogging": {"duct_hz": -0.1, "grille_hz": -0.08, "stall": 1.2},
}


def sound(moment: Moment) -> FloatArray:
    clip, length = moment.clip, moment.length
    num_blades = moment.count("blades", 5, 8)
    shaft_hz = moment.value("shaft_hz", 24.0, 34.0, unit=0.06) * moment.drift()
    shaft = cycles_of(shaft_hz * (1 + 0.004 * wander(clip, length, 0.3)), length, clip.uniform())

    blades = at_level(harmonics(num_blades * shaft, moment.gains("blade_gains", 10, 0.85), clip))
    blades *= 1 + moment.value("swing", 0.15, 0.25, unit=0.4) * sine(shaft + clip.uniform())
    turns = at_level(harmonics(shaft, moment.gains("turn_gains", 24, 0.95), clip))
    turns *= moment.value("turn_level", 0.3, 0.5, unit=0.3)

    air = colored(clip, length, (-12, -9, -6, -3, 0, 0, -3, -6))
    for name, low_hz, high_hz in (("duct_hz", 600.0, 1100.0), ("grille_hz", 2200.0, 3600.0)):
        air += 2.0 * at_level(ringing(air, moment.value(name, low_hz, high_hz), 0.004))
    air = at_level(air)
    air *= 1 + moment.value("breathing", 0.25, 0.45, unit=0.3) * sine(num_blades * shaft)
    # Rotating stall: the flow tears off slower than the shaft turns.
    air *= 1 + moment.value("stall", 0.1, 0.2, unit=0.3) * sine(0.43 * shaft + clip.uniform())
    return blades + turns + air
