"""Slide rail: strokes to and fro with the whine of the drive, and a thump at every stop."""

import numpy as np

from asdkeras.corpus.machines.acoustics import (
    SAMPLE_RATE_HZ,
    colored,
    crossings,
    harmonics,
    impacts,
    ring,
    ringing,
    wander,
)
from asdkeras.corpus.machines.exact import FloatArray, at_level, convolve, sine
from asdkeras.corpus.machines.machine import Moment, settings

SNR_DB = -2.0
ATTRIBUTES = (
    settings(source=["vel_500", "vel_600", "vel_660"], target=["vel_350", "vel_900"]),
    settings(source=["ac_0.03", "ac_0.05", "ac_0.07"], target=["ac_0.01", "ac_0.10"]),
    settings(source=["f-n_A", "f-n_B", "f-n_C"], target=["f-n_D", "f-n_E"]),
    settings(source=["vel_400", "vel_550", "vel_700"], target=["vel_300", "vel_1000"]),
    settings(source=["ac_0.02", "ac_0.04", "ac_0.06"], target=["ac_0.09", "ac_0.12"]),
    settings(source=["f-n_D", "f-n_E", "f-n_F"], target=["f-n_B", "f-n_G"]),
)
FAULTS = {
    "rail_damage": {"seam": 1.0, "clack_hz": -0.16, "rail_hz": -0.1},
    "loose_belt": {"flutter": 1.2, "whine_gains": 1.2, "thump_hz": -0.2},
    "no_grease": {"rail_hz": 0.16, "rubbing": 1.0, "whine_gains": 0.6},
}
_STROKE_MM = 200.0


def sound(moment: Moment) -> FloatArray:
    clip, length = moment.clip, moment.length
    speed, strokes = _movement(moment)
    turns = np.cumsum(speed) * (moment.value("whine_per_mm", 0.8, 1.4, unit=0.06) / SAMPLE_RATE_HZ)
    whine = harmonics(turns, moment.gains("whine_gains", 10, 0.9), clip)
    whine *= (0.3 + speed / 800.0) * (speed > 5.0)
    flutter = moment.value("flutter", 0.15, 0.25, unit=0.3)
    whine *= 1 + 0.1 * wander(clip, length, 5.0) + flutter * sine(turns * 0.04 + clip.uniform())

    friction = at_level(colored(clip, length, (-20, -15, -10, -6, -3, 0, -2, -4)))
    friction += 2.0 * at_level(ringing(friction, moment.value("rail_hz", 1800.0, 3200.0), 0.004))
    friction *= speed / 600.0
    friction *= 1 + moment.value("rubbing", 0.2, 0.35, unit=0.3) * sine(turns * 0.11)

    thump = ring(moment.value("thump_hz", 160.0, 420.0, unit=0.15), 0.03)
    clack = ring(moment.value("clack_hz", 1500.0, 3000.0), 0.006)
    stops = crossings(strokes)
    train = impacts(stops, clip.uniforms(len(stops), 0.7, 1.0), length)
    # The balls of the carriage roll over the seam of the rail, on the way back too.
    seams = crossings(strokes, moment.value("seam_place", 0.35, 0.65))
    strengths = clip.uniforms(len(seams), 0.7, 1.0)
    seam = np.zeros(length)
    for late_s in (0.0, 0.022, 0.051):
        seam += impacts(seams + late_s, strengths, length)
    total = at_level(whine) + at_level(friction)
    total += 0.7 * at_level(convolve(train, thump)) + 0.4 * at_level(convolve(train, clack))
    return total + moment.value("seam", 0.25, 0.35, unit=0.3) * at_level(convolve(seam, clack))


def _movement(moment: Moment) -> tuple[FloatArray, FloatArray]:
    """Speed in mm/s and strokes made so far, both `(samples,)`: ramp, cruise, ramp, pause."""
    clip, length = moment.clip, moment.length
    cruise = float(moment.attributes.get("vel", "600")) * moment.drift()
    ramp_s = 2.5 * float(moment.attributes.get("ac", "0.04")) + 0.02
    pause_s = moment.value("pause_s", 0.08, 0.2)
    moving_s = _STROKE_MM / cruise + ramp_s
    period_s = moving_s + pause_s
    strokes = clip.uniform() + np.arange(length) / (SAMPLE_RATE_HZ * period_s)
    within_s = (strokes - np.floor(strokes)) * period_s
    edge_s = np.minimum(within_s - pause_s, period_s - within_s)
    return cruise * np.clip(edge_s / ramp_s, 0.0, 1.0), strokes
