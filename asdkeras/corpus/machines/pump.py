"""Pump: pressure pulses of the vanes and rushing water; cavities collapse, seals hiss."""

import numpy as np

from asdkeras.corpus.machines.acoustics import (
    SAMPLE_RATE_HZ,
    colored,
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
    settings(source=["n-lv_L1", "n-lv_L2"], target=["n-lv_L3", "n-lv_L4"]),
    settings(source=["f-n_A", "f-n_B"], target=["f-n_C", "f-n_D"]),
)
FAULTS = ("leakage", "clogging", "cavitation")


def sound(moment: Moment) -> FloatArray:
    instance, clip, length = moment.instance, moment.clip, moment.length
    num_vanes = instance.integer(4, 7)
    shaft_hz = instance.uniform(24.0, 30.0) * clip.uniform(0.985, 1.015)
    pulse_gains = [instance.uniform(0.4, 1.0) / (1 + 0.5 * k) for k in range(12)]
    colors = [instance.uniform(-3.0, 3.0) - 1.5 * abs(octave - 3) for octave in range(8)]
    bubble = ring(instance.uniform(2200.0, 4500.0), 0.0012)

    leakage, clogging = moment.severity("leakage"), moment.severity("clogging")
    hunting = 0.004 * wander(clip, length, 0.4) + 0.015 * clogging * wander(clip, length, 1.5)
    shaft = cycles_of(shaft_hz * (1 - 0.02 * clogging) * (1 + hunting), length, clip.uniform())
    pulses = harmonics(num_vanes * shaft, pulse_gains, clip)
    pulses *= 1 + 0.12 * sine(shaft + clip.uniform()) + 0.3 * clogging * wander(clip, length, 2.5)
    pulses = at_level(pulses) * (1 - 0.35 * leakage)

    flow = at_level(colored(clip, length, colors))
    flow *= 1 + 0.25 * sine(num_vanes * shaft)
    hiss = at_level(colored(clip, length, (-40, -40, -30, -20, -9, -3, 0, 0)))
    flow += 0.35 * leakage * hiss

    # Cavities collapse in bursts while a vane passes the inlet; a good pump has a few.
    cavitation = moment.severity("cavitation")
    number = round((20 + 180 * cavitation) * length / SAMPLE_RATE_HZ)
    times = clip.uniforms(number, 0.0, length / SAMPLE_RATE_HZ)
    strengths = clip.uniforms(number)
    collapses = convolve(impacts(times, strengths * strengths * strengths, length), bubble)
    collapses *= 1 + np.clip(cavitation, 0.2, 0.8) * sine(num_vanes * shaft)
    return pulses + flow + 1.2 * collapses
