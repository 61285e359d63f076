"""Whether an exported graph computes what the graph it was made from computes."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdkeras.detector.fitted_machine import Machine
from asdkeras.errors import ExportError

TOLERANCE = 1e-4  # Of the score relative to itself or the threshold, whichever is larger.
_SCORE, _DECISION, _EMBEDDING = "anomaly_score", "is_anomalous", "embedding"
_HARMONICS = 12

Outputs = Mapping[str, NDArray[np.generic]]
Graph = Callable[[NDArray[np.float32]], Outputs]
"""From float32 waveforms `(batch, samples)` to the arrays of the outputs by name."""


def check_agreement(reference: Graph, exported: Graph, machine: Machine) -> float:
    """Compare on generated clips of 1 s, of the clip length and half longer.

    Returns:
        the largest difference of scores and embeddings, relative as `TOLERANCE`.

    Raises:
        ExportError: if a difference is larger than `TOLERANCE` or a decision another one.
    """
    rate_hz, heard = machine.sample_rate_hz, machine.clip_length
    differences = []
    for samples, num_clips in ((rate_hz, 1), (heard, 2), (heard * 3 // 2, 1)):
        clips = np.stack([generated_clip(rate_hz, samples, seed) for seed in range(num_clips)])
        clip = f"a generated clip of {samples / rate_hz:g} s"
        differences.append(_difference(reference(clips), exported(clips), machine, clip))
    return max(differences)


def check_not_finite(exported: Graph, machine: Machine) -> None:
    """Whether clips with one sample that is not finite are anomalous, and the clip beside is not.

    Raises:
        ExportError: if not.
    """
    length = machine.clip_length * 3 // 2
    values = (np.nan, np.inf, -np.inf)
    clips = np.stack([generated_clip(machine.sample_rate_hz, length, 0)] * 7)
    # Of a longer clip only the start or the end is used: NaN counts in either.
    clips[1:4, 0] = clips[4:, -1] = values
    alone = np.asarray(exported(clips[:1])[_DECISION], bool)
    found = np.asarray(exported(clips)[_DECISION], bool)
    if not found[1:].all():
        value = values[int(np.argmin(found[1:])) % len(values)]
        raise ExportError(f"its {_DECISION} of a clip with one sample of {value} is false")
    if found[0] != alone[0]:
        raise ExportError(f"its {_DECISION} of a clip is another one beside clips with NaN")


def generated_clip(sample_rate_hz: int, samples: int, seed: int) -> NDArray[np.float32]:
    """Something like a machine: a hum with harmonics that beats slowly, and noise.

    Returns:
        float32 `(samples,)`, within [-1, 1].
    """
    generator = np.random.default_rng(seed)
    times_s = np.arange(samples) / sample_rate_hz
    hum_hz = generator.uniform(80.0, 240.0)
    wave = 0.02 * generator.standard_normal(samples)
    for number in range(1, _HARMONICS + 1):
        phase_rad = generator.uniform(0.0, 2.0 * np.pi)
        wave += 0.1 / number * np.sin(2.0 * np.pi * number * hum_hz * times_s + phase_rad)
    beat = 1.0 + 0.3 * np.sin(2.0 * np.pi * 1.5 * times_s)
    return np.clip(wave * beat, -1.0, 1.0).astype("float32")


def _difference(expected: Outputs, received: Outputs, machine: Machine, clip: str) -> float:
    if set(received) != set(expected):
        raise ExportError(f"its outputs are {sorted(received)} in place of {sorted(expected)}")
    scores = np.asarray(expected[_SCORE], "float64")
    scales = {
        _SCORE: np.maximum(np.abs(scores), abs(machine.threshold)),
        _EMBEDDING: np.abs(expected[_EMBEDDING]).max(axis=1, keepdims=True),
    }
    largest = 0.0
    for name, scale in scales.items():
        relative = _relative(name, expected[name], received[name], scale, clip)
        if not relative <= TOLERANCE:
            raise ExportError(
                f"its {name} of {clip} is off by {relative:.2g} of its size, "
                f"and {TOLERANCE:g} is allowed"
            )
        largest = max(largest, relative)
    is_near = np.abs(scores - machine.threshold) <= TOLERANCE * scales[_SCORE]
    is_other = np.asarray(received[_DECISION], bool) != np.asarray(expected[_DECISION], bool)
    if np.any(is_other & ~is_near):
        raise ExportError(f"its {_DECISION} of {clip} is another one")
    return largest


def _relative(
    name: str, expected: ArrayLike, received: ArrayLike, scale: ArrayLike, clip: str
) -> float:
    """The largest difference, 0 if both are 0."""
    expected, received = np.asarray(expected, "float64"), np.asarray(received, "float64")
    if expected.shape != received.shape:
        raise ExportError(
            f"its {name} of {clip} has the shape {received.shape} in place of {expected.shape}"
        )
    differences = np.abs(received - expected)
    with np.errstate(divide="ignore"):
        return float(np.max(differences / np.where(differences == 0.0, 1.0, scale)))
