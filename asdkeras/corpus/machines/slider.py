"""Slide rail: strokes to and fro with the whine of the drive, and a thump at every stop."""

import numpy as np

from asdkeras.corpus.machines.acoustics import (
    SAMPLE_RATE_HZ,
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

SNR_DB = 5.0
ATTRIBUTES = (
    settings(source=["vel_500", "vel_600", "vel_660"], target=["vel_350", "vel_900"]),
    settings(source=["ac_0.03", "ac_0.05", "ac_0.07"], target=["ac_0.01", "ac_0.10"]),
)
FAULTS = ("rail_damage", "loose_belt", "no_grease")
_STROKE_MM = 300.0


def sound(moment: Moment) -> FloatArray:
    instance, clip, length = moment.instance, moment.clip, moment.length
    whine_per_mm = instance.uniform(0.8, 1.4)
    whine_gains = [instance.uniform(0.4, 1.0) * 0.8**k for k in range(8)]
    thump = ring(instance.uniform(160.0, 420.0), 0.03)
    clack = ring(instance.uniform(1500.0, 3000.0), 0.006)
    pause_s = instance.uniform(0.08, 0.2)
    colors = [instance.uniform(-3.0, 3.0) - 1.5 * abs(octave - 4) for octave in range(8)]

    speed, strokes = _movement(moment, pause_s)
    belt, dry = moment.severity("loose_belt"), moment.severity("no_grease")
    turns = np.cumsum(speed) * (whine_per_mm / SAMPLE_RATE_HZ)
    whine = harmonics(turns, whine_gains, clip) * (0.3 + speed / 800.0) * (speed > 5.0)
    # A loose belt flutters, and lets the carriage swing on after every stop.
    whine *= 1 + 0.1 * wander(clip, length, 5.0) + 0.7 * belt * sine(turns * 0.04)
    friction = at_level(colored(clip, length, colors)) * speed / 600.0
    friction *= 1 + dry * 0.5 * sine(turns * 0.11)

    stops = crossings(strokes)
    train = impacts(stops, clip.uniforms(len(stops), 0.7, 1.0), length)
    for echo in (1, 2, 3):
        late = stops + echo * 0.045 * clip.uniform(0.9, 1.1)
        train += belt * 0.6**echo * impacts(late, clip.uniforms(len(stops), 0.6, 1.0), length)
    total = at_level(whine) + 0.8 * friction
    total += 4.0 * convolve(train, thump) + 1.5 * convolve(train, clack)
    return total + _damage(moment, strokes, speed, clack)


def _movement(moment: Moment, pause_s: float) -> tuple[FloatArray, FloatArray]:
    """Speed in mm/s and strokes made so far, both `(samples,)`: ramp, cruise, ramp, pause."""
    clip, length = moment.clip, moment.length
    cruise = float(moment.attributes.get("vel", "600")) * clip.uniform(0.98, 1.02)
    ramp_s = 2.5 * float(moment.attributes.get("ac", "0.04")) + 0.02
    moving_s = _STROKE_MM / cruise + ramp_s
    period_s = moving_s + pause_s
    strokes = clip.uniform() + np.arange(length) / (SAMPLE_RATE_HZ * period_s)
    within_s = (strokes - np.floor(strokes)) * period_s
    edge_s = np.minimum(within_s - pause_s, period_s - within_s)
    return cruise * np.clip(edge_s / ramp_s, 0.0, 1.0), strokes


def _damage(
    moment: Moment, strokes: FloatArray, speed: FloatArray, clack: FloatArray
) -> FloatArray:
    """Clacks where the rail is dented, squeal where it lacks grease, `(samples,)`."""
    clip, length = moment.clip, len(speed)
    if moment.fault == "rail_damage":
        place = clip.uniform(0.35, 0.65)
        # Two balls of the carriage roll over the dent one after the other, on the way back too.
        passes = crossings(strokes, place)
        passes = np.concatenate([passes, passes + 0.022, passes + 0.051])
        train = impacts(passes, clip.uniforms(len(passes), 0.5, 1.0), length)
        return 7.0 * moment.fault_severity * convolve(train, clack)
    if moment.fault == "no_grease":
        squeal_hz = clip.uniform(1800.0, 3600.0)
        squeal = sine(cycles_of(squeal_hz * (0.7 + 0.3 * speed / 600.0), length))
        slipping = np.maximum(wander(clip, length, 4.0), 0.0) * (speed > 60.0)
        return np.asarray(2.0 * moment.fault_severity * squeal * slipping, dtype=np.float64)
    return np.zeros(length)
