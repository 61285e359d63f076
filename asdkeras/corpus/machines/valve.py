"""Solenoid valve: clicks in a programmed pattern, each with ringing metal and a puff of air."""

import numpy as np

from asdkeras.corpus.machines.acoustics import SAMPLE_RATE_HZ, colored, impacts, ring, wander
from asdkeras.corpus.machines.exact import Draws, FloatArray, at_level, convolve, exponential
from asdkeras.corpus.machines.machine import Moment, settings

SNR_DB = 4.0
ATTRIBUTES = (
    settings(source=["pat_00", "pat_01", "pat_02"], target=["pat_03", "pat_06"]),
    settings(
        source=["pat_04_panel_open", "pat_05_panel_open"],
        target=["pat_04_panel_bs-c", "pat_05_panel_bs-c"],
    ),
)
FAULTS = ("contamination", "leakage", "sticking")
_PUFF_LENGTH = 1600


def sound(moment: Moment) -> FloatArray:
    instance, clip, length = moment.instance, moment.clip, moment.length
    opening, closing = _plunger(instance), _plunger(instance)
    air_colors = [instance.uniform(-3.0, 3.0) - 2.5 * abs(octave - 5) for octave in range(8)]
    puff_s = instance.uniform(0.012, 0.03)

    contamination, leakage = moment.severity("contamination"), moment.severity("leakage")
    opens, closes = _schedule(moment)
    strikes = clip.uniforms(len(opens), 0.8, 1.0), clip.uniforms(len(closes), 0.8, 1.0)
    # Dirt on the seat: the plunger lands softer and bounces before it rests.
    train_open = (1 - 0.25 * contamination) * impacts(opens, strikes[0], length)
    train_close = (1 - 0.25 * contamination) * impacts(closes, strikes[1], length)
    for bounce in (1, 2):
        late = closes + bounce * 0.024 + clip.uniforms(len(closes), 0.0, 0.006)
        train_close += 0.3 * contamination * 0.6**bounce * impacts(late, strikes[1], length)
    clicks = convolve(train_open, opening) + 0.8 * convolve(train_close, closing)

    air = at_level(colored(clip, length, air_colors))
    times = np.arange(_PUFF_LENGTH) / SAMPLE_RATE_HZ
    puffs = convolve(impacts(opens + 0.004, strikes[0], length), exponential(-times / puff_s))
    leak = convolve(impacts(closes, strikes[1], length), exponential(-times / 0.04))
    leaking = 0.009 * leakage * (1 + 0.5 * wander(clip, length, 3.0)) + 0.08 * leakage * leak
    return clicks + air * (0.25 * puffs + leaking)


def _plunger(instance: Draws) -> FloatArray:
    """Ringing of the metal after a strike: four resonances, `(taps,)`."""
    total = np.zeros(1600)
    for low_hz, high_hz in ((500, 1000), (1200, 2200), (2500, 4000), (4500, 6500)):
        tone = ring(instance.uniform(low_hz, high_hz), instance.uniform(0.004, 0.012))
        total[: len(tone)] += instance.uniform(0.3, 1.0) * tone[: len(total)]
    return total


def _schedule(moment: Moment) -> tuple[FloatArray, FloatArray]:
    """Times in s at which the valve opens and closes; the pattern number is the program."""
    program, clip = Draws("pattern", moment.attributes["pat"]), moment.clip
    sticking = moment.severity("sticking")
    steps_s = [program.uniform(0.12, 0.5) for _ in range(8)]
    duty = program.uniform(0.3, 0.6)
    duration_s = moment.length / SAMPLE_RATE_HZ
    opens, closes = [], []
    now_s, step = -clip.uniform(0.0, 1.0), clip.integer(0, 7)
    while now_s < duration_s:
        late_s = sticking * clip.uniform(0.0, 0.12)
        missing = clip.uniform() < 0.4 * sticking
        if not missing:
            opens.append(now_s + late_s + clip.uniform(0.0, 0.002))
            closes.append(now_s + duty * steps_s[step] + 1.4 * late_s)
        now_s += steps_s[step]
        step = (step + 1) % 8
    return np.array(opens), np.array(closes)
