"""Fourier transforms, on request as matrix products, for runtimes that have no transform.

ONNX Runtime and LiteRT know no complex numbers. What goes there is traced inside
`matrix_products()`; everywhere else the transforms are those of Keras, bit for bit.
"""

import contextlib
import contextvars
import math

import keras
import numpy as np
from keras import ops

_BY_MATRICES = contextvars.ContextVar("by_matrices", default=False)
_LARGEST_FACTOR = 64  # Where the prime factors of a length can be grouped so.
_LEAST_PIECE = 64  # Samples; smaller pieces take longer than cutting.
_LARGEST_PRIME = 509  # The matrices of a larger one would fill megabytes.


@contextlib.contextmanager
def matrix_products():
    """Compute what is called or traced in the block as products of real matrices."""
    token = _BY_MATRICES.set(True)
    try:
        yield
    finally:
        _BY_MATRICES.reset(token)


def is_by_matrix_products():
    """Whether the graph is being made for a runtime that has few operations."""
    return _BY_MATRICES.get()


def rfft(values):
    """Fourier transform of real values along the last axis, `sum_n x[n] exp(-2 pi i k n / N)`.

    Matrix products are factored as Cooley and Tukey's (N = 160000 is 50 x 80 x 40), so that a clip
    of 10 s takes 50 million multiplications and no large matrix. They need a fixed length. One with
    a large prime factor becomes a convolution of a convenient length, as Bluestein's. In float32
    the error stays below 1e-6 of the largest bin.

    Returns:
        Real and imaginary parts, `(..., length // 2 + 1)`.
    """
    if not is_by_matrix_products():
        return ops.rfft(values)
    length = values.shape[-1]
    rows = ops.reshape(values, (-1, length))
    parts = _direct(rows) if _largest_prime(length) <= _LARGEST_PRIME else _by_chirps(rows)
    shape = (*_leading_sizes(values), length // 2 + 1)
    return tuple(ops.reshape(part, shape) for part in parts)


def stft(waveforms, window, hop_length):
    """Fourier transforms of the frames that lie within waveforms `(batch, samples)`.

    Returns:
        Real and imaginary parts,
        `(batch, 1 + (samples - window_length) // hop_length, window_length // 2 + 1)`.
    """
    frames = _frames(waveforms, window.shape[0], hop_length)
    return rfft(frames * ops.cast(window, waveforms.dtype))


def _frames(waveforms, length, hop_length):
    """Overlapping frames, gathered in the largest pieces that all of them are made of.

    In smaller ones where all samples are whole pieces, for then none have to be cut off first.
    """
    size = math.gcd(length, hop_length)
    samples = waveforms.shape[-1] or ops.shape(waveforms)[-1]
    if isinstance(samples, int) and (divisor := math.gcd(size, samples)) >= _LEAST_PIECE:
        size = divisor
    num_pieces = samples // size
    pieces = ops.reshape(waveforms[:, : num_pieces * size], (-1, num_pieces, size))
    behind_last = num_pieces - length // size + 1
    arange = np.arange if isinstance(behind_last, int) else ops.arange
    firsts = arange(0, behind_last, hop_length // size)
    indices = firsts[:, None] + np.arange(length // size, dtype="int32")
    frames = ops.take(pieces, indices, axis=1)
    num_frames = len(firsts) if isinstance(behind_last, int) else ops.shape(firsts)[0]
    return ops.reshape(frames, (-1, num_frames, length))


def _direct(rows):
    """The real transform of `(rows, length)`.

    With n = second * n1 + n2 and k = k1 + first * k2, the transform over n1 is one of real
    numbers, of which half the k1 suffice: the other bins are conjugates of theirs.
    """
    length = rows.shape[-1]
    first, *others = _factors(length)
    second = length // first
    half = first // 2 + 1
    cosines, sines = _rotation(half, first, first, rows.dtype)
    both = np.concatenate([cosines, -sines])
    if not others:
        joined = ops.matmul(rows, both.T)
        return joined[:, :half], joined[:, half:]
    joined = ops.matmul(both, ops.reshape(rows, (-1, first, second)))
    turned = _product(
        joined[:, :half], joined[:, half:], *_rotation(half, second, length, rows.dtype)
    )
    flat = (ops.reshape(part, (-1, second)) for part in turned)
    parts = _complex(*flat, others)
    return tuple(
        _with_conjugates(ops.reshape(part, (-1, half, second)), first, sign)
        for part, sign in zip(parts, (1.0, -1.0), strict=True)
    )


def _with_conjugates(half, first, sign):
    """Bins 0 to length // 2 in order, from `(rows, first // 2 + 1, second)`."""
    second = half.shape[-1]
    num_bins = first * second // 2 + 1
    num_rows = -(-num_bins // first)
    own = ops.transpose(half[:, :, :num_rows], (0, 2, 1))
    others = half[:, 1 : (first + 1) // 2, second - num_rows :]
    others = sign * ops.transpose(ops.flip(others, axis=(1, 2)), (0, 2, 1))
    bins = ops.concatenate([own, others], axis=-1)
    return ops.reshape(bins, (-1, num_rows * first))[:, :num_bins]


def _complex(real, imaginary, factors):
    """The complex transform of `(rows, length)`, length being the product of the factors."""
    length = real.shape[-1]
    first, *others = factors
    cosines, sines = _rotation(first, first, first, real.dtype)
    both = np.block([[cosines, sines], [-sines, cosines]])
    if not others:
        joined = ops.matmul(ops.concatenate([real, imaginary], axis=-1), both.T)
        return joined[:, :first], joined[:, first:]
    second = length // first
    parts = (ops.reshape(part, (-1, first, second)) for part in (real, imaginary))
    joined = ops.matmul(both, ops.concatenate(list(parts), axis=1))
    turned = _product(
        joined[:, :first], joined[:, first:], *_rotation(first, second, length, real.dtype)
    )
    flat = (ops.reshape(part, (-1, second)) for part in turned)
    parts = (ops.reshape(part, (-1, first, second)) for part in _complex(*flat, others))
    return tuple(ops.reshape(ops.transpose(part, (0, 2, 1)), (-1, length)) for part in parts)


def _by_chirps(rows):
    """The real transform of any length, as convolution with exp(i pi n^2 / length)."""
    length = rows.shape[-1]
    num_bins = length // 2 + 1
    long = _convenient_length(length + num_bins - 1)
    # n^2 modulo twice the length, for the angle of n^2 itself would have no digits left.
    angles = np.pi * (np.arange(length, dtype=object) ** 2 % (2 * length)).astype(float) / length
    chirp = np.zeros(long, complex)
    chirp[:num_bins] = np.exp(1j * angles[:num_bins])
    chirp[long - length + 1 :] = np.exp(1j * angles[:0:-1])
    spectrum = np.fft.fft(chirp) / long
    cosines, sines = (_constant(each(angles), rows.dtype) for each in (np.cos, np.sin))

    padding = [(0, 0), (0, long - length)]
    factors = _factors(long)
    real, imaginary = (ops.pad(rows * each, padding) for each in (cosines, -sines))
    real, imaginary = _complex(real, imaginary, factors)
    parts = (_constant(each, rows.dtype) for each in (spectrum.real, -spectrum.imag))
    real, imaginary = _product(real, imaginary, *parts)
    # The inverse transform is that of the conjugate, conjugated.
    real, imaginary = _complex(real, -imaginary, factors)
    return _product(
        real[:, :num_bins], -imaginary[:, :num_bins], cosines[:num_bins], sines[:num_bins]
    )


def _product(real, imaginary, cosines, sines):
    """The complex product with `cosines - i sines`."""
    return real * cosines + imaginary * sines, imaginary * cosines - real * sines


def _rotation(num_rows, num_columns, length, dtype):
    """Cosine and sine of 2 pi row column / length, rounded once."""
    products = np.outer(np.arange(num_rows), np.arange(num_columns)) % length
    angles = 2.0 * np.pi * products / length
    return _constant(np.cos(angles), dtype), _constant(np.sin(angles), dtype)


def _constant(values, dtype):
    return values.astype(keras.backend.standardize_dtype(dtype))


def _factors(length):
    """As few factors as allow each to be about `_LARGEST_FACTOR`, of like size."""
    count = max(1, math.ceil(math.log(length, _LARGEST_FACTOR) - 1e-9))
    factors = [1] * count
    for prime in sorted(_primes(length), reverse=True):
        factors[factors.index(min(factors))] *= prime
    return [factor for factor in factors if factor > 1] or [1]


def _convenient_length(least):
    length = least
    while _largest_prime(length) > 5:
        length += 1
    return length


def _largest_prime(number):
    return max(_primes(number), default=1)


def _primes(number):
    primes, candidate = [], 2
    while candidate * candidate <= number:
        while number % candidate == 0:
            primes.append(candidate)
            number //= candidate
        candidate += 1
    return primes + [number] * (number > 1)


def _leading_sizes(values):
    """All sizes but the last; one that is unknown is left to `reshape`, more are looked up."""
    sizes = values.shape[:-1]
    if sum(size is None for size in sizes) > 1:
        return ops.shape(values)[:-1]
    return tuple(-1 if size is None else size for size in sizes)
