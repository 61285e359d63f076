"""Gearbox: tone of the meshing teeth with sidebands of both shafts; voltage turns, weight loads."""

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

SNR_DB = 1.0
ATTRIBUTES = (
    settings(source=["volt_2.0", "volt_2.5", "volt_3.0"], target=["volt_1.5", "volt_3.5"]),
    settings(source=["wt_0", "wt_50", "wt_100"], target=["wt_150", "wt_200"]),
    settings(source=["id_00", "id_02", "id_04"], target=["id_05", "id_08"]),
    settings(source=["volt_1.8", "volt_2.3", "volt_2.8"], target=["volt_1.3", "volt_3.3"]),
    settings(source=["wt_25", "wt_75", "wt_125"], target=["wt_175", "wt_225"]),
    settings(source=["id_01", "id_03", "id_06"], target=["id_07", "id_09"]),
)
FAULTS = {
    "broken_tooth": {"once": 0.6, "case_hz": -0.14},
    "worn_teeth": {"mesh_gains": 1.4, "case_hz": 0.12, "rattle": 0.4},
    "eccentric_gear": {"swing": 1.2, "mesh_gains": 0.5},
}


def sound(moment: Moment) -> FloatArray:
    clip, length = moment.clip, moment.length
    teeth_in, teeth_out = moment.count("teeth_in", 17, 25), moment.count("teeth_out", 31, 43)
    volts = float(moment.attributes.get("volt", "2.5"))
    load = float(moment.attributes.get("wt", "80")) / 100.0
    shaft_hz = moment.value("hz_per_volt", 7.0, 10.0, unit=0.06) * volts * (1 - 0.06 * load)
    shaft_hz *= moment.drift()
    shaft = cycles_of(shaft_hz * (1 + 0.004 * wander(clip, length, 0.5)), length, clip.uniform())
    driven = shaft * (teeth_in / teeth_out)

    mesh = at_level(harmonics(teeth_in * shaft, moment.gains("mesh_gains", 8, 0.85), clip))
    swing = moment.value("swing", 0.15, 0.3, unit=0.4)
    mesh *= 1 + 0.15 * sine(shaft + clip.uniform()) + swing * sine(driven + clip.uniform())

    case = ring(moment.value("case_hz", 1800.0, 3200.0), 0.003)
    meshing = crossings(teeth_in * shaft)
    rattle = at_level(convolve(impacts(meshing, clip.uniforms(len(meshing)), length), case))
    # One tooth strikes harder than the others, once per turn of its gear.
    turns = crossings(shaft, clip.uniform())
    once = at_level(convolve(impacts(turns, clip.uniforms(len(turns), 0.7, 1.0), length), case))
    total = mesh * (0.6 + 0.4 * load) + moment.value("rattle", 0.5, 0.7, unit=0.2) * rattle
    total += moment.value("once", 0.25, 0.4, unit=0.3) * once
    return total + 0.5 * at_level(colored(clip, length, (-12, -9, -6, -3, 0, -1, -3, -6)))
