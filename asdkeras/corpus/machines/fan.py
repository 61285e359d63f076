"""Fan: tones of the passing blades, of the shaft, and turbulence that breathes with them."""

from asdkeras.corpus.machines.acoustics import colored, cycles_of, harmonics, wander
from asdkeras.corpus.machines.exact import FloatArray, at_level, from_decibels, sine
from asdkeras.corpus.machines.machine import Moment, settings

SNR_DB = 3.0
ATTRIBUTES = (
    settings(source=["m-n_W", "m-n_X"], target=["m-n_Y", "m-n_Z"]),
    settings(source=["f-n_A", "f-n_B"], target=["f-n_C", "f-n_D"]),
)
FAULTS = ("unbalance", "damaged_blade", "clogging")


def sound(moment: Moment) -> FloatArray:
    instance, clip, length = moment.instance, moment.clip, moment.length
    num_blades = instance.integer(5, 8)
    shaft_hz = instance.uniform(22.0, 34.0) * clip.uniform(0.98, 1.02)
    blade_gains = [instance.uniform(0.5, 1.2) / k for k in range(1, 9)]
    colors = [instance.uniform(-4.0, 2.0) - 2.0 * abs(octave - 3) for octave in range(8)]

    shaft = cycles_of(shaft_hz * (1 + 0.004 * wander(clip, length, 0.3)), length, clip.uniform())
    blades = harmonics(num_blades * shaft, blade_gains, clip)
    unbalance, damage = moment.severity("unbalance"), moment.severity("damaged_blade")
    swing = 0.05 + 0.4 * unbalance
    blades *= 1 + swing * sine(shaft + clip.uniform())
    # One blade unlike the others leaves lines at every turn, between those of the blades.
    turn_gain = 0.03 + 0.05 * unbalance + 0.06 * damage
    between = [turn_gain * (1.0 if damage else 0.8**k) for k in range(24)]
    turns = harmonics(shaft, between, clip)

    clogging = moment.severity("clogging")
    for octave, change_db in ((1, 5.0), (2, 7.0), (3, 3.0), (5, -4.0), (6, -6.0), (7, -7.0)):
        colors[octave] += 0.2 * clogging * change_db
    air = at_level(colored(clip, length, colors))
    air *= 1 + 0.25 * sine(num_blades * shaft)
    # Rotating stall: the flow of a clogged fan tears off slower than the shaft turns.
    air *= 1 + 0.4 * clogging * sine(0.43 * shaft + clip.uniform())
    return at_level(blades + turns) + from_decibels(-1.0) * air
