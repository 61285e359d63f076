"""Datasets whose faults are as loud as what is normal, for tests of what whole systems learn.

A fan of two sections, of which a normal test clip and a fault come in pairs, with the same level.

`masked`, for what learns by telling sections apart: a section has three quiet partials of its own,
beside one that tells the speed. Four partials four times as strong, which are elsewhere in each
clip, cover them, so what a spectrum shows first has nothing to do with section or fault. In a fault
the quiet partials are those of the other section.

`opposed`, for what learns by rebuilding: noise in four bands, two of which swell while the others
fade; which two, tells the section. In a fault it is a pair of neither section. Each band alone is
as it always is, so no band shows a fault, and neither does the size of its deviation from the mean.
"""

import numpy as np
import pandas as pd
import soundfile

RATE_HZ = 16_000
NUM_TRAINING, NUM_NORMAL = 48, 24  # Clips of a section; it has as many faults as normal test clips.
_SECTIONS = ("00", "01")
_OWN_HZ = {"00": (1300.0, 2900.0, 4900.0), "01": (1900.0, 3800.0, 6200.0)}
_FAULT_HZ = {"00": _OWN_HZ["01"], "01": _OWN_HZ["00"]}
_SPEED_HZ = (400.0, 560.0, 720.0, 880.0)
_BANDS_HZ = ((200.0, 700.0), (1100.0, 1800.0), (2600.0, 3800.0), (5200.0, 7200.0))
_SIGNS = {"00": (1, 1, -1, -1), "01": (1, -1, -1, 1), "fault": (1, -1, 1, -1)}


def write_dataset(root, kind="masked"):
    """Clips of a second in the layout of 2022, the speed in the names of training clips."""
    sound = {"masked": _masked_sound, "opposed": _opposed_sound}[kind]
    for section in _SECTIONS:
        for number in range(NUM_TRAINING + NUM_NORMAL):
            speed = 1 + number % 4
            split = "train" if number < NUM_TRAINING else "test"
            for condition in ("normal",) if split == "train" else ("normal", "anomaly"):
                name = f"section_{section}_{'source' if speed < 3 else 'target'}"
                name += f"_{split}_{condition}_{number:04d}{f'_vel_{speed}' * (split == 'train')}"
                path = root / "dev_data" / "fan" / split / f"{name}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                generator = np.random.default_rng([int(section), number])
                waveform = sound(generator, section, speed, condition == "anomaly")
                waveform *= 10 ** generator.uniform(-1.5, -1.0) / np.sqrt(np.mean(waveform**2))
                soundfile.write(path, waveform, RATE_HZ, subtype="PCM_16")
    return root


def _masked_sound(generator, section, speed, is_fault):
    own_hz = (_FAULT_HZ if is_fault else _OWN_HZ)[section]
    quiet_hz = np.array([_SPEED_HZ[speed - 1], *own_hz]) * generator.uniform(0.98, 1.02, size=4)
    loud = _partials(generator, generator.uniform(100.0, 7500.0, size=4), 1.0, depth=0.5)
    noise = generator.normal(size=RATE_HZ + 1)
    colored = noise[1:] + generator.uniform(-0.9, 0.9) * noise[:-1]
    return loud + _partials(generator, quiet_hz, 0.25) + 0.03 * colored


def _opposed_sound(generator, section, speed, is_fault):
    spectrum = np.fft.rfft(generator.normal(size=RATE_HZ))
    hz = np.fft.rfftfreq(RATE_HZ, 1 / RATE_HZ)
    bands = np.array(
        [np.fft.irfft(spectrum * ((low <= hz) & (hz < high))) for low, high in _BANDS_HZ]
    )
    bands /= bands.std(axis=1, keepdims=True)
    cycles = speed + generator.integers(4, size=1)  # Whole ones: each band is as long up as down.
    swell_db = 12.0 * _sines(generator, cycles)
    signs = np.array(_SIGNS["fault" if is_fault else section])
    swelling = np.sum(10 ** (signs[:, None] * swell_db / 20) * bands, axis=0)
    return swelling + 0.1 * generator.normal(size=RATE_HZ)


def _partials(generator, hz, height, depth=0.0):
    """The sum of partials, each of which swells and fades a few times by `depth` of its height."""
    heights = height * np.exp(0.4 * generator.normal(size=len(hz)))
    swell = 1.0 + depth * _sines(generator, generator.uniform(2.0, 8.0, size=len(hz)))
    return heights @ (swell * _sines(generator, hz))


def _sines(generator, hz):
    cycles = np.outer(hz, np.arange(RATE_HZ) / RATE_HZ) + generator.random((len(hz), 1))
    return np.sin(2 * np.pi * cycles)


def aucs_of(run, score):
    """Section -> AUC of all its test clips, of all domains."""
    table = pd.read_csv(run / "scores" / "seed0" / "scores.csv", dtype={"section": str})
    return pd.Series(
        {
            section: _auc(clips[f"score_{score}"].to_numpy(), clips["is_anomalous"] == 1)
            for section, clips in table[table["split"] == "test"].groupby("section")
        }
    )


def aucs_without_learning(root):
    """AUC of each section, its index, by loudness, mean spectrum and its deviation over time.

    By spectra a score is the cosine distance to the nearest training clip of the section.
    """
    rows = {}
    for section in _SECTIONS:
        paths = sorted((root / "dev_data" / "fan").rglob(f"section_{section}_*.wav"))
        is_training = np.array(["_train_" in path.name for path in paths])
        is_fault = np.array(["_anomaly_" in path.name for path in paths])[~is_training]
        clips = np.array([soundfile.read(path)[0] for path in paths])
        frames = np.lib.stride_tricks.sliding_window_view(clips, 1024, axis=1)[:, ::512]
        spectra = np.abs(np.fft.rfft(frames * np.hanning(1024)))
        rows[section] = {"loudness": _auc(np.mean(clips[~is_training] ** 2, axis=1), is_fault)}
        for name, values in (("mean", spectra.mean(axis=1)), ("deviation", spectra.std(axis=1))):
            unit = values / np.linalg.norm(values, axis=1, keepdims=True)
            cosines = unit[~is_training] @ unit[is_training].T
            rows[section][name] = _auc(1.0 - cosines.max(axis=1), is_fault)
    return pd.DataFrame.from_dict(rows, orient="index")


def _auc(scores, is_fault):
    differences = np.subtract.outer(scores[is_fault], scores[~is_fault])
    return np.mean((differences > 0) + 0.5 * (differences == 0))


def require_learning(root, run, untrained, score, margin=0.1):
    """By `score` faults of each section are found better than by what has learned nothing.

    That may have the sign turned.
    """
    plain = aucs_without_learning(root)
    assert plain["loudness"].between(0.35, 0.65).all(), plain
    plain["untrained"], plain["learned"] = aucs_of(untrained, score), aucs_of(run, score)
    print(plain.round(3).to_string())
    for rival in ("mean", "deviation", "untrained"):
        found = 0.5 + (plain[rival] - 0.5).abs()
        assert (plain["learned"] > found + margin).all(), plain
