"""Arithmetic that gives the same bits on every machine.

Vector units, compilers and mathematical libraries differ in the last bit of `sin`, `exp`, a
sum or a Fourier transform, and one last bit is enough to flip a sample of a recording. The
generated corpus therefore uses only what IEEE 754 fixes (`+ - * /`, square root, rounding,
comparison), sums of integers, and convolutions of integers, whose transform is accurate
enough to be rounded to the one right answer.
"""

import hashlib
import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]

# Largest magnitude of an operand of `convolve`: products of 2**18 terms stay so far below
# 2**53 that the error of the transform is a small fraction of 1/2.
_CONVOLUTION_BITS = 14
_LEVEL_BITS = 20


class Draws:
    """Uniform numbers that depend on an identity and on nothing else.

    Only the raw bits of the Philox generator are used: NumPy promises to keep that stream,
    while its distributions may change between versions.
    """

    def __init__(self, *identity: str | int) -> None:
        digest = hashlib.sha256("\0".join(map(str, identity)).encode()).digest()
        self._bits = np.random.Philox(key=int.from_bytes(digest[:16], "little"))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """One number in [low, high)."""
        return low + (high - low) * ((int(self._bits.random_raw()) >> 11) * 2.0**-53)

    def uniforms(self, size: int, low: float = 0.0, high: float = 1.0) -> FloatArray:
        """`(size,)` numbers in [low, high)."""
        raw = self._bits.random_raw(size)
        return low + (high - low) * ((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53)

    def integer(self, low: int, high: int) -> int:
        """One whole number from low to high, both included."""
        return low + int(self.uniform(0.0, high - low + 1))

    def noise(self, length: int) -> FloatArray:
        """`(length,)` white noise of unit variance; four uniform numbers add up to a sample."""
        parts = self._bits.random_raw(length).view(np.uint16).reshape(length, 4).astype(np.int64)
        total = parts[:, 0] + parts[:, 1] + parts[:, 2] + parts[:, 3]
        return (total - 131_070) / 37_837.0

    def permutation(self, size: int) -> list[int]:
        """The numbers 0 to size - 1 in random order."""
        raw = [int(value) for value in self._bits.random_raw(size)]
        return sorted(range(size), key=raw.__getitem__)


def sine(cycles: FloatArray) -> FloatArray:
    """sin(2 pi cycles), to 6e-8; any shape."""
    x = cycles - np.rint(cycles)
    np.copyto(x, np.copysign(0.5, x) - x, where=np.abs(x) > 0.25)
    square = x * x
    value = np.full_like(x, _SINE_SERIES[-1])
    for coefficient in _SINE_SERIES[-2::-1]:
        value *= square
        value += coefficient
    value *= x
    return value


def cosine(cycles: FloatArray) -> FloatArray:
    """cos(2 pi cycles), to 6e-8; any shape."""
    return sine(cycles + 0.25)


def exponential(x: FloatArray) -> FloatArray:
    """E to the power x, to a relative 1e-9; any shape."""
    exponent = x * 1.4426950408889634  # To the base of 2, where whole powers are exact.
    whole = np.rint(exponent)
    rest = (exponent - whole) * 0.6931471805599453
    value = np.full_like(rest, _EXPONENTIAL_SERIES[-1])
    for coefficient in _EXPONENTIAL_SERIES[-2::-1]:
        value *= rest
        value += coefficient
    return np.ldexp(value, np.maximum(whole, -1000.0).astype(np.int32))


def from_decibels(level_db: float) -> float:
    """The amplitude ratio of a level in dB."""
    return float(exponential(np.array([level_db * 0.11512925464970229]))[0])


def convolve(signal: FloatArray, taps: FloatArray) -> FloatArray:
    """The first `len(signal)` samples of the convolution of a signal with an impulse response.

    Both are rounded to 14 bits and their sign, so that the result is a whole number that
    the Fourier transform of any library finds exactly.
    """
    whole_signal, signal_exponent = _to_integers(signal, _CONVOLUTION_BITS)
    whole_taps, taps_exponent = _to_integers(taps, _CONVOLUTION_BITS)
    size = _transform_length(len(signal) + len(taps) - 1)
    spectrum = np.fft.rfft(whole_signal, size) * np.fft.rfft(whole_taps, size)
    whole = np.rint(np.fft.irfft(spectrum, size)[: len(signal)])
    return np.ldexp(whole, signal_exponent + taps_exponent)


def level(signal: FloatArray) -> float:
    """Root mean square of a signal `(samples,)`, summed in integers."""
    whole, exponent = _to_integers(signal, _LEVEL_BITS)
    steps = whole.astype(np.int64)
    return math.ldexp(math.sqrt(int(np.sum(steps * steps)) / len(signal)), exponent)


def at_level(signal: FloatArray, target: float = 1.0) -> FloatArray:
    """The signal scaled to a root mean square; silence stays silence."""
    present = level(signal)
    return signal * (target / present) if present > 0 else signal


def _to_integers(values: FloatArray, bits: int) -> tuple[FloatArray, int]:
    """Whole numbers below 2**bits and the exponent that brings the values back."""
    exponent = int(np.frexp(np.max(np.abs(values)))[1]) - bits
    return np.rint(np.ldexp(values, -exponent)), exponent


def _transform_length(least: int) -> int:
    step = 1 << max(least.bit_length() - 5, 0)
    return -(-least // step) * step


def _series(ratio: float, powers: range) -> list[float]:
    """Taylor coefficients ratio**n / n! of the given powers."""
    values = [1.0]
    for n in range(1, powers.stop):
        values.append(values[-1] * ratio / n)
    return [values[n] for n in powers]


_EXPONENTIAL_SERIES = _series(1.0, range(0, 10))
_SINE_SERIES = [
    value * (-1.0) ** order for order, value in enumerate(_series(2 * math.pi, range(1, 12, 2)))
]
