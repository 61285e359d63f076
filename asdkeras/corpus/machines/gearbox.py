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

SNR_DB = 3.0
ATTRIBUTES = (
    settings(source=["volt_2.0", "volt_2.5", "volt_3.0"], target=["volt_1.5", "volt_3.5"]),
    settings(source=["wt_0", "wt_50", "wt_100"], target=["wt_150", "wt_200"]),
)
FAULTS = ("broken_tooth", "worn_teeth", "eccentric_gear")


def sound(moment: Moment) -> FloatArray:
    instance, clip, length = moment.instance, moment.clip, moment.length
    teeth_in, teeth_out = instance.integer(17, 25), instance.integer(31, 43)
    hz_per_volt = instance.uniform(7.0, 10.0)
    mesh_gains = [instance.uniform(0.5, 1.0) * 0.75**k for k in range(7)]
    case = ring(instance.uniform(1800.0, 3200.0), 0.003)
    colors = [instance.uniform(-3.0, 3.0) - 1.5 * abs(octave - 4) for octave in range(8)]

    volts = float(moment.attributes.get("volt", "2.5"))
    load = float(moment.attributes.get("wt", "80")) / 100.0
    shaft_hz = hz_per_volt * volts * (1 - 0.06 * load) * clip.uniform(0.985, 1.015)
    shaft = cycles_of(shaft_hz * (1 + 0.004 * wander(clip, length, 0.5)), length, clip.uniform())
    driven = shaft * (teeth_in / teeth_out)

    worn, eccentric = moment.severity("worn_teeth"), moment.severity("eccentric_gear")
    gains = [gain * (1 + worn * (0.5 * k - 0.3)) for k, gain in enumerate(mesh_gains)]
    mesh = harmonics(teeth_in * shaft, gains, clip)
    mesh *= 1 + 0.15 * sine(shaft + clip.uniform()) + (0.1 + 0.7 * eccentric) * sine(driven)
    mesh *= 1 + 0.3 * worn * wander(clip, length, 9.0)

    meshing = crossings(teeth_in * shaft)
    strengths = clip.uniforms(len(meshing), 0.6, 1.0)
    rattle = at_level(convolve(impacts(meshing, strengths, length), case))
    total = at_level(mesh) * (0.6 + 0.4 * load) + 0.4 * rattle
    total += 0.5 * at_level(colored(clip, length, colors))

    # A missing tooth: the next one strikes late and hard, once per turn of its gear.
    broken = crossings(shaft, clip.uniform())
    knocks = convolve(impacts(broken, clip.uniforms(len(broken), 0.7, 1.0), length), case)
    return total + 1.1 * moment.severity("broken_tooth") * at_level(knocks)
