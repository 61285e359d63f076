"""Building blocks of machine sounds: tones, noise bands, impacts, rooms, microphones, factories.

All are pure functions of their arguments and `Draws`, in float64 at 16 kHz, by the exact
arithmetic of `exact.py`.
"""

from collections.abc import Sequence

import numpy as np

from asdkeras.corpus.machines.exact import (
    Draws,
    FloatArray,
    at_level,
    convolve,
    cosine,
    exponential,
    from_decibels,
    sine,
)

SAMPLE_RATE_HZ = 16_000
_SLOPES_DB = (-7.0, -5.0)  # Per octave.
_AIR_DB = (8.0, 8.0, 7.0, 5.0, 3.0, 2.0, 1.5, 1.5)  # Of an octave, low ones first.
_BLOCK_LENGTH = 160  # Slow movements are drawn every 10 ms and joined by straight lines.


def interpolated(points: FloatArray, length: int) -> FloatArray:
    """`(length,)` straight lines through points `(>= length / 160 + 1,)` 10 ms apart."""
    blocks = -(-length // _BLOCK_LENGTH)
    fraction = np.arange(_BLOCK_LENGTH).astype(np.float64) / _BLOCK_LENGTH
    start = np.repeat(points[:blocks], _BLOCK_LENGTH)
    step = np.repeat(points[1 : blocks + 1] - points[:blocks], _BLOCK_LENGTH)
    lines: FloatArray = start + step * np.tile(fraction, blocks)
    return lines[:length]


def block_times(length: int) -> FloatArray:
    """Times in s of the points that `interpolated` wants for a length."""
    points = np.arange(-(-length // _BLOCK_LENGTH) + 1).astype(np.float64)
    return points * (_BLOCK_LENGTH / SAMPLE_RATE_HZ)


def wander(draws: Draws, length: int, rate_hz: float) -> FloatArray:
    """A slow random movement within [-1, 1]: three sinusoids around a rate, `(length,)`."""
    times = block_times(length)
    total = np.zeros_like(times)
    for _ in range(3):
        frequency_hz = rate_hz * draws.uniform(0.4, 1.6)
        total += sine(times * frequency_hz + draws.uniform()) / 3
    return interpolated(total, length)


def cycles_of(rate_hz: FloatArray | float, length: int, start: float = 0.0) -> FloatArray:
    """Turns of a rotation at a constant or moving rate, `(length,)`."""
    if isinstance(rate_hz, float | int):
        rate_hz = np.full(length, float(rate_hz))
    turned: FloatArray = np.cumsum(rate_hz)
    return start + turned / SAMPLE_RATE_HZ


def harmonics(cycles: FloatArray, gains: Sequence[float], draws: Draws) -> FloatArray:
    """Sum of the harmonics 1, 2, ... of a rotation given in turns, each in a random phase."""
    first_sine, first_cosine = sine(cycles), cosine(cycles)
    doubled = 2.0 * first_cosine
    sines = [np.zeros_like(cycles), first_sine]
    cosines = [np.ones_like(cycles), first_cosine]
    total = np.zeros_like(cycles)
    phases = draws.uniforms(len(gains))
    weights = zip(gains, cosine(phases), sine(phases), strict=True)
    for gain, in_phase, quadrature in weights:
        total += (gain * in_phase) * sines[1] + (gain * quadrature) * cosines[1]
        sines = [sines[1], doubled * sines[1] - sines[0]]
        cosines = [cosines[1], doubled * cosines[1] - cosines[0]]
    return total


def ring(frequency_hz: float, decay_s: float) -> FloatArray:
    """Impulse response of a resonance: amplitude falls by 1/e in `decay_s`, `(taps,)`."""
    times = np.arange(int(min(7 * decay_s, 0.25) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return exponential(-times / decay_s) * sine(times * frequency_hz)


def ringing(signal: FloatArray, frequency_hz: float, decay_s: float) -> FloatArray:
    """A signal behind a resonance, `(samples,)`."""
    return convolve(signal, ring(frequency_hz, decay_s))


def bump(center_hz: float, width_hz: float, length: int) -> FloatArray:
    """Filter that passes a bell around a center, unit gain there, `(length,)`; length is odd."""
    times = (np.arange(length) - length // 2) / SAMPLE_RATE_HZ
    envelope = exponential(-9.8696 * (times * width_hz) * (times * width_hz))
    two_sided = 2.0 if center_hz > width_hz else 1.0
    scale = two_sided * width_hz * 1.7725 / SAMPLE_RATE_HZ
    return scale * envelope * cosine(times * center_hz)


def colored(draws: Draws, length: int, octaves_db: Sequence[float]) -> FloatArray:
    """Noise with given levels in dB at 62.5, 125, 250, 500, 1000, 2000, 4000, 7000 Hz."""
    taps = np.zeros(511)
    for octave, gain_db in enumerate(octaves_db):
        center_hz = min(62.5 * 2**octave, 7000.0)
        taps += from_decibels(gain_db) * bump(center_hz, 0.45 * center_hz, 511)
    return convolve(draws.noise(length), taps)


def impacts(times_s: FloatArray, strengths: FloatArray, length: int) -> FloatArray:
    """Unit impulses of given strengths at times between samples, `(length,)`."""
    positions = times_s * SAMPLE_RATE_HZ
    inside = (positions >= 0) & (positions < length - 1)
    positions, strengths = positions[inside], strengths[inside]
    whole = np.floor(positions)
    fraction = positions - whole
    train = np.zeros(length)
    np.add.at(train, whole.astype(np.int64), strengths * (1 - fraction))
    np.add.at(train, whole.astype(np.int64) + 1, strengths * fraction)
    return train


def crossings(cycles: FloatArray, offset: float = 0.0) -> FloatArray:
    """Times in s at which a growing number of turns passes `offset` plus a whole number."""
    whole = np.floor(cycles - offset)
    before = np.flatnonzero(whole[1:] > whole[:-1])
    missing = whole[before + 1] + offset - cycles[before]
    return (before + missing / (cycles[before + 1] - cycles[before])) / SAMPLE_RATE_HZ


def room(draws: Draws) -> FloatArray:
    """Direct sound and 50 ms of decaying reflections, `(800,)`."""
    taps = np.zeros(800)
    taps[0] = 1.0
    times = draws.uniforms(60, 0.002, 0.049)
    strengths = draws.uniforms(60, -0.5, 0.5) * exponential(-times / draws.uniform(0.008, 0.016))
    return taps + impacts(times, strengths, 800)


def microphone(model: str) -> FloatArray:
    """Response of a microphone or place: every name has its own color, "1" is flat, `(511,)`."""
    draws = Draws("microphone", model)
    taps = np.zeros(511)
    taps[255] = 1.0
    if model == "1":
        return taps
    for _ in range(3):
        center_hz = draws.uniform(300.0, 6000.0)
        gain = draws.uniform(-0.45, 0.8)
        taps += gain * bump(center_hz, 0.4 * center_hz, 511)
    return taps


def factory(draws: Draws, hall: str, length: int, spread: float) -> FloatArray:
    """Background of a factory hall at unit level: hum, air, machines, impacts, `(length,)`.

    The name of the hall fixes what it sounds like in the mean; `draws` are of the clip, whose air
    and neighboring machine differ from those means by more than a fault changes the machine,
    `spread` times as much as in a steady hall. Its low octaves are the loud ones, so that the
    strongest bands of a clip are those of the hall, and a machine has the higher ones.
    """
    character = Draws("factory", hall)
    slope = character.uniform(*_SLOPES_DB)
    octaves_db = [
        slope * octave + character.uniform(-4.0, 4.0) + spread * draws.uniform(-air_db, air_db)
        for octave, air_db in enumerate(_AIR_DB)
    ]
    air = at_level(colored(draws, length, octaves_db))
    air *= 1.0 + draws.uniform(0.1, 0.5) * wander(draws, length, draws.uniform(0.5, 5.0))
    mains_hz = character.uniform(45.0, 180.0) * draws.uniform(0.9, 1.1)
    hum_gains = [character.uniform(0.1, 0.6) * draws.uniform(0.2, 1.8) for _ in range(6)]
    hum = harmonics(cycles_of(mains_hz, length, draws.uniform()), hum_gains, draws)
    # A machine nearby, another one each time.
    gains = [draws.uniform(0.2, 1.0) * 0.75**k for k in range(10)]
    neighbor = at_level(harmonics(cycles_of(draws.uniform(60.0, 200.0), length), gains, draws))
    neighbor *= 1.0 + draws.uniform(0.0, 0.5) * sine(cycles_of(draws.uniform(3.0, 30.0), length))
    total = air + hum + draws.uniform(0.2, 1.0) * neighbor
    # Tools and parts that fall, of another ring each.
    for _ in range(draws.integer(1, 4)):
        number = draws.integer(1, 4)
        times = draws.uniforms(number, 0.0, length / SAMPLE_RATE_HZ)
        struck = impacts(times, draws.uniforms(number, 0.3, 1.0), length)
        sound = convolve(struck, ring(draws.uniform(300.0, 1500.0), draws.uniform(0.005, 0.02)))
        total += draws.uniform(0.15, 1.0) * at_level(sound)
    return at_level(total)
