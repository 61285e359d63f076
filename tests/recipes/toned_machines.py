"""A dataset in which a fault is plain to hear, for tests of whole systems."""

import numpy as np
import soundfile

RATE_HZ = 16_000


def write_dataset(root, fault="tone"):
    """A fan in the layout of 2022: two sections, its speed in the names of training clips.

    32 training clips and 48 test clips of a second, half of these with a fault: an added `tone`,
    or `hiss`, noise that has lost the color of its section.
    """
    generator = np.random.default_rng(0)
    for section in ("00", "01"):
        for number in range(16):
            speed = 1 + number % 4
            domain = "source" if speed < 3 else "target"
            name = f"section_{section}_{domain}_train_normal_{number:04d}_vel_{speed}.wav"
            _write(root / "dev_data" / "fan" / "train" / name, generator, section, speed, None)
        for number in range(24):
            domain, kind = ("source", "target")[number % 2], ("normal", "anomaly")[number // 12]
            speed = 1 + (number // 2) % 2 + 2 * (domain == "target")
            name = f"section_{section}_{domain}_test_{kind}_{number:04d}.wav"
            heard = fault if kind == "anomaly" else None
            _write(root / "dev_data" / "fan" / "test" / name, generator, section, speed, heard)
    return root


def _write(path, generator, section, speed, fault):
    path.parent.mkdir(parents=True, exist_ok=True)
    waveform = _machine_sound(generator, section, speed, fault)
    soundfile.write(path, waveform, RATE_HZ, subtype="PCM_16")


def _machine_sound(generator, section, speed, fault):
    """Noise colored by the section, a hum at the speed, and the fault."""
    noise = generator.normal(size=RATE_HZ + 1)
    color = 0.0 if fault == "hiss" else {"00": 0.9, "01": -0.9}[section]
    colored = noise[1:] + color * noise[:-1]
    time_s = np.arange(RATE_HZ) / RATE_HZ
    hum = np.sin(2 * np.pi * 200 * speed * time_s)
    tone = 0.1 * np.sin(2 * np.pi * 3000 * time_s) if fault == "tone" else 0.0
    return 0.02 * colored + 0.05 * hum + tone
