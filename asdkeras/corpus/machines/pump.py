"""Pump: pressure pulses of the vanes, water that rings in pipe and seal, bubbles that collapse."""

from asdkeras.corpus.machines.acoustics import (
    SAMPLE_RATE_HZ,
    colored,
    cycles_of,
    harmonics,
    impacts,
    ring,
    ringing,
    wander,
)
from asdkeras.corpus.machines.exact import FloatArray, at_level, convolve, sine
from asdkeras.corpus.machines.machine import Moment, settings

SNR_DB = 1.0
ATTRIBUTES = (
    settings(source=["n-lv_L1", "n-lv_L2"], target=["n-lv_L3", "n-lv_L4"]),
    settings(source=["f-n_A", "f-n_B", "f-n_C"], target=["f-n_D", "f-n_E"]),
    settings(source=["id_00", "id_02", "id_04"], target=["id_05", "id_08"]),
    settings(source=["n-lv_L2", "n-lv_L3"], target=["n-lv_L1", "n-lv_L4"]),
    settings(source=["f-n_D", "f-n_E", "f-n_F"], target=["f-n_A", "f-n_G"]),
    settings(source=["n-lv_L1", "n-lv_L3"], target=["n-lv_L2", "n-lv_L4"]),
)
FAULTS = {
    "cavitation": {"bursts": 0.7, "bubble_hz": -0.16, "breathing": 0.6},
    "leakage": {"seal_hz": 0.14, "breathing": -1.0},
    "clogging": {"pipe_hz": -0.1, "pulse_gains": 0.6, "surge": 1.0},
    "worn_vane": {"limp": 1.2, "pulse_gains": 0.8},
}


def sound(moment: Moment) -> FloatArray:
    clip, length = moment.clip, moment.length
    shaft_hz = moment.value("shaft_hz", 24.0, 30.0, unit=0.06) * moment.drift()
    shaft = cycles_of(shaft_hz * (1 + 0.004 * wander(clip, length, 0.4)), length, clip.uniform())
    vanes = moment.count("vanes", 4, 7) * shaft

    pulses = at_level(harmonics(vanes, moment.gains("pulse_gains", 12, 0.85), clip))
    pulses *= 1 + moment.value("limp", 0.15, 0.25, unit=0.4) * sine(shaft + clip.uniform())
    pulses *= 1 + moment.value("surge", 0.15, 0.25, unit=0.3) * wander(clip, length, 4.0)

    flow = colored(clip, length, (-9, -6, -3, 0, -1, -3, -4, -6))
    for name, low_hz, high_hz in (("pipe_hz", 500.0, 900.0), ("seal_hz", 2400.0, 3800.0)):
        resonance_hz = moment.value(name, low_hz, high_hz)
        flow += at_level(ringing(flow, resonance_hz, 2.0 / resonance_hz))
    flow = at_level(flow)
    flow *= 1 + moment.value("breathing", 0.25, 0.45, unit=0.3) * sine(vanes)

    # Bubbles collapse in bursts, while a vane passes the inlet.
    number = round(150 * length / SAMPLE_RATE_HZ)
    times = clip.uniforms(number, 0.0, length / SAMPLE_RATE_HZ)
    bubbles = impacts(times, clip.uniforms(number, 0.5, 1.0), length)
    bubbles *= 1 + moment.value("bursts", 0.25, 0.35, unit=0.3) * sine(vanes + 0.25)
    bubble = ring(moment.value("bubble_hz", 2200.0, 4500.0), 0.0006)
    level = moment.value("bubbles", 0.4, 0.6, unit=0.2)
    return pulses + flow + level * at_level(convolve(bubbles, bubble))
