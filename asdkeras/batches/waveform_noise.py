"""Noise and volume: what a network is not to take for the machine.

Members of an ensemble that were trained with and without it err on different clips.
"""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How often and how far crops are changed; every crop by draws of its own.

    Attributes:
        noise_probability: chance that a crop has noise added.
        snr_db: lowest and highest distance of the peak of the noise from that of the crop, dB
            (fact sheet of the challenge system: 5 to 20).
        volume_probability: chance that a crop is made louder or fainter.
        gain_db: lowest and highest gain, dB (likewise -10 to 10).
    """

    noise_probability: float
    snr_db: tuple[float, float]
    volume_probability: float
    gain_db: tuple[float, float]

    def __post_init__(self):
        for name in ("noise_probability", "volume_probability"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"`{name}` must lie in [0, 1]. Received: {name}={value}")
        for name in ("snr_db", "gain_db"):
            lowest, highest = getattr(self, name)
            if not lowest <= highest:
                raise ValueError(
                    f"`{name}` must name the lowest value first. Received: {name}="
                    f"{(lowest, highest)}"
                )


def augment(waveforms, augmentation, seed):
    """Add noise to some waveforms, float32 `(batch, samples)`, and change the volume of some.

    All stateless draws derive from `seed`.
    """
    seeds = tf.random.split(seed, 5)
    count, num_samples = tf.shape(waveforms)[0], waveforms.shape[1]
    noise = tf.random.stateless_normal([count, num_samples], seeds[0])
    snr_db = tf.random.stateless_uniform([count, 1], seeds[1], *augmentation.snr_db)
    gain_db = tf.random.stateless_uniform([count, 1], seeds[2], *augmentation.gain_db)
    draws = [tf.random.stateless_uniform([count, 1], each) for each in (seeds[3], seeds[4])]
    is_noisy = draws[0] < augmentation.noise_probability
    is_turned = draws[1] < augmentation.volume_probability
    waveforms = tf.where(is_noisy, with_noise(waveforms, noise, snr_db), waveforms)
    return tf.where(is_turned, with_gain(waveforms, gain_db), waveforms)


def with_noise(waveforms, noise, snr_db):
    """Add noise whose peak lies `snr_db`, `(batch, 1)`, below the peak of the waveform.

    Peaks are the largest absolute values, so this is no ratio of powers. Silence, whose peak
    is 0, stays silent. Waveforms and noise are `(batch, samples)`; the noise is of any scale, no
    row all zeros.
    """
    signal_peak, noise_peak = (
        tf.reduce_max(tf.abs(each), axis=1, keepdims=True) for each in (waveforms, noise)
    )
    return waveforms + noise * (signal_peak / (noise_peak * _factor(snr_db)))


def with_gain(waveforms, gain_db):
    """Waveforms `(batch, samples)` made louder or fainter by `gain_db`, `(batch, 1)`."""
    return waveforms * _factor(gain_db)


def _factor(decibels):
    return tf.pow(10.0, decibels / 20.0)
