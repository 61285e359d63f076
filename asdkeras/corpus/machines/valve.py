"""Solenoid valve: clicks in a programmed pattern, each with ringing metal and a puff of air."""

import numpy as np

from asdkeras.corpus.machines.acoustics import SAMPLE_RATE_HZ, colored, impacts, ring
from asdkeras.corpus.machines.exact import Draws, FloatArray, at_level, convolve, exponential
from asdkeras.corpus.machines.machine import Moment, settings

SNR_DB = -6.5
ATTRIBUTES = (
    settings(source=["pat_00", "pat_01", "pat_02"], target=["pat_03", "pat_06"]),
    settings(
        source=["pat_04_panel_open", "pat_05_panel_open"],
        target=["pat_04_panel_bs-c", "pat_05_panel_bs-c"],
    ),
    settings(source=["v1pat_01_v2pat_02", "v1pat_02_v2pat_03"], target=["v1pat_04_v2pat_05"]),
    settings(source=["pat_01", "pat_03", "pat_05"], target=["pat_07", "pat_08"]),
    settings(
        source=["pat_02_panel_open", "pat_06_panel_open"],
        target=["pat_02_panel_bs-t", "pat_06_panel_bs-t"],
    ),
    settings(source=["v1pat_03_v2pat_06", "v1pat_07_v2pat_01"], target=["v1pat_05_v2pat_02"]),
)
FAULTS = {
    "contamination": {"opening_hz": -0.1, "bounce_s": 0.8, "opening_gains": 0.4},
    "leakage": {"puff_s": 1.0, "air_hz": 0.25},
    "sticking": {"duty": 0.35, "closing_hz": 0.1, "closing_gains": 0.4},
}
_PUFF_LENGTH = 2400


def sound(moment: Moment) -> FloatArray:
    clip, length = moment.clip, moment.length
    opens, closes = _schedule(moment)
    bounce_s = moment.value("bounce_s", 0.012, 0.02, unit=0.3)
    clicks = np.zeros(length)
    for times, name in ((opens, "opening"), (closes, "closing")):
        strengths = clip.uniforms(len(times), 0.8, 1.0)
        strikes = impacts(times, strengths, length) + 0.5 * impacts(
            times + bounce_s, strengths, length
        )
        clicks += convolve(strikes, _plunger(moment, name))

    air_hz = moment.value("air_hz", 2500.0, 4500.0)
    colors = [-6.0 * abs(octave - 5) for octave in range(8)]
    air = at_level(colored(clip, length, colors))
    air += at_level(convolve(air, ring(air_hz, 0.003)))
    times = np.arange(_PUFF_LENGTH) / SAMPLE_RATE_HZ
    decay = exponential(-times / moment.value("puff_s", 0.015, 0.03, unit=0.3))
    strengths = clip.uniforms(len(opens), 0.8, 1.0)
    puffs = convolve(impacts(opens + 0.004, strengths, length), decay)
    return clicks + 0.25 * air * puffs


def _plunger(moment: Moment, name: str) -> FloatArray:
    """Ringing of the metal after a strike: four resonances, `(taps,)`."""
    total = np.zeros(1600)
    scale = moment.value(f"{name}_hz", 1.0, 1.2)
    gains = moment.gains(f"{name}_gains", 4, 1.0)
    for number, (low_hz, high_hz) in enumerate(_RESONANCES_HZ):
        frequency_hz = scale * moment.value(f"{name}_{number}_hz", low_hz, high_hz, unit=0.03)
        tone = ring(frequency_hz, moment.value(f"{name}_{number}_s", 0.004, 0.012, unit=0.2))
        total[: len(tone)] += gains[number] * tone[: len(total)]
    return total


_RESONANCES_HZ = ((500.0, 900.0), (1100.0, 1900.0), (2300.0, 3600.0), (4200.0, 5600.0))


def _schedule(moment: Moment) -> tuple[FloatArray, FloatArray]:
    """Times in s at which the valves open and close; the pattern number is the program."""
    clip = moment.clip
    duty = moment.value("duty", 0.3, 0.45, unit=0.15)
    duration_s = moment.length / SAMPLE_RATE_HZ
    opens, closes = [], []
    for name, pattern in moment.attributes.items():
        if not name.endswith("pat"):
            continue
        program = Draws("pattern", *moment.construction, pattern)
        steps_s = [program.uniform(0.1, 0.3) for _ in range(5)]
        now_s, step = -clip.uniform(0.0, 0.5), clip.integer(0, 4)
        while now_s < duration_s:
            opens.append(now_s + clip.uniform(0.0, 0.002))
            closes.append(now_s + duty * steps_s[step])
            now_s += steps_s[step]
            step = (step + 1) % 5
    return np.array(opens), np.array(closes)
