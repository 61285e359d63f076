"""What makes a generated corpus hard: faults and units differ little, backgrounds and domains more.

Clips are made in memory. The bounds were chosen on corpus seed 0 and held on seed 3 unchanged.
"""

import dataclasses
import functools
import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from asdkeras.corpus.machines import recording
from asdkeras.corpus.machines.exact import Draws
from asdkeras.corpus.machines.machine import Moment
from asdkeras.corpus.machines.recording import machine_model, record
from asdkeras.corpus.mini_plan import MACHINES, default_machines, plan

MACHINE_TYPES = sorted({name for names in MACHINES.values() for name in names})
DEFAULT_TYPES = default_machines(2021, "bench")
SEED = 0
SIGNALS = {
    "rms": lambda wave: np.sqrt(np.mean(np.square(wave))),
    "peak": lambda wave: np.abs(wave).max(),
    "crest": lambda wave: np.abs(wave).max() / np.sqrt(np.mean(np.square(wave))),
}


def samples_of(clip, **changes):
    """Samples of a planned clip, or of the same clip with another fault or without factory."""
    scene = dataclasses.replace(clip.scene, **changes)
    return record(scene, SEED, clip.path).astype(np.float64)


def magnitudes(samples):
    """Mean over time of a magnitude spectrum, `(513,)`."""
    frames = samples[: len(samples) // 1024 * 1024].reshape(-1, 1024)
    return np.abs(np.fft.rfft(frames * np.hanning(1024))).mean(axis=0)


def band_levels(samples):
    """Logarithms of 64 bands of the mean spectrum, whatever the level, `(64,)`."""
    levels = np.log(magnitudes(samples)[1:].reshape(64, 8).mean(axis=1) + 1e-9)
    return levels - levels.mean()


def cosine_distance(first, second):
    return 1.0 - first @ second / np.sqrt((first @ first) * (second @ second))


@functools.cache
def recordings(machine_type):
    """Clips of the development sections and their samples."""
    clips = plan(2021, "bench", SEED, [machine_type])
    clips = [clip for clip in clips if clip.path.startswith("dev_data")]
    return clips, [samples_of(clip) for clip in clips]


def column(clips, name):
    """A property of every clip."""
    return np.array([getattr(clip.scene, name) for clip in clips])


@pytest.mark.slow
@pytest.mark.parametrize("machine_type", DEFAULT_TYPES)
@pytest.mark.parametrize("signal", SIGNALS)
def test_loudness_does_not_tell_anomalous_clips_from_normal_ones(machine_type, signal):
    clips, waves = recordings(machine_type)
    values = np.array([SIGNALS[signal](wave) for wave in waves])
    anomalous = column(clips, "fault") >= 0
    test = np.array([clip.split == "test" for clip in clips])
    groups = [
        test & (column(clips, "section") == section) & (column(clips, "domain") == domain)
        for section in ("00", "01", "02")
        for domain in ("source", "target")
    ]

    areas = [roc_auc_score(anomalous[group], values[group]) for group in groups]

    assert 0.35 < np.mean(areas) < 0.65


def full_fault(monkeypatch):
    """Faults at full severity, and nothing but what the machine type names."""
    monkeypatch.setattr(recording, "_SEVERITIES", (1.0, 1.0))
    monkeypatch.setattr(recording, "_SQUEALING", {})


@pytest.mark.parametrize("machine_type", MACHINE_TYPES)
def test_every_fault_changes_the_recorded_machine(machine_type, monkeypatch):
    full_fault(monkeypatch)
    year = {"bearing": 2022, "ToyConveyor": 2020}.get(machine_type, 2021)
    clip = plan(year, "tiny", SEED, [machine_type])[0]
    whole = samples_of(clip, fault=-1, contains="machine")
    for fault in range(len(machine_model(machine_type).FAULTS)):
        change = samples_of(clip, fault=fault, contains="machine") - whole
        assert np.std(change) > 0.1 * np.std(whole)


@pytest.mark.slow
@pytest.mark.parametrize("machine_type", DEFAULT_TYPES)
def test_a_fault_changes_the_spectrum_less_than_the_background_does(machine_type):
    clips, waves = recordings(machine_type)
    spectra = [magnitudes(wave) for wave in waves]
    of_faults, of_conditions, normal = [], [], {}
    for clip, spectrum in zip(clips, spectra, strict=True):
        if clip.scene.fault >= 0:
            of_faults.append(cosine_distance(spectrum, magnitudes(samples_of(clip, fault=-1))))
        else:
            condition = clip.scene.section, clip.scene.domain, clip.scene.attributes
            normal.setdefault(condition, []).append(spectrum)
    for same in normal.values():
        of_conditions += [cosine_distance(*pair) for pair in itertools.combinations(same[:8], 2)]

    assert np.mean(of_faults) < 0.25 * np.mean(of_conditions)


@pytest.mark.slow
@pytest.mark.parametrize("machine_type", DEFAULT_TYPES)
def test_target_clips_lie_farther_from_training_clips_than_source_clips_do(machine_type):
    clips, waves = recordings(machine_type)
    levels = np.array([band_levels(wave) for wave in waves])
    target = column(clips, "domain") == "target"
    train = np.array([clip.split == "train" for clip in clips])
    areas = []
    for section in ("00", "01", "02"):
        own = column(clips, "section") == section
        normal = np.flatnonzero(own & ~train & (column(clips, "fault") < 0))
        known = levels[own & train & ~target]
        nearest = [min(cosine_distance(levels[one], each) for each in known) for one in normal]
        areas.append(roc_auc_score(target[normal], nearest))

    assert np.mean(areas) > 0.7


@pytest.mark.parametrize("machine_type", MACHINE_TYPES)
def test_units_of_one_construction_are_closer_than_units_of_two(machine_type):
    model = machine_model(machine_type)
    attributes = dict(model.ATTRIBUTES[0]["source"][0])
    levels = {}
    for seed, unit in itertools.product(range(4), ["00", "01", "02", "03"]):
        moment = Moment((seed, machine_type), unit, Draws("clip"), 1.0, attributes, {}, 1.0, 16_000)
        levels[seed, unit] = band_levels(model.sound(moment))
    distances = {True: [], False: []}
    for first, second in itertools.combinations(levels, 2):
        distance = np.sqrt(np.mean(np.square(levels[first] - levels[second])))
        distances[first[0] == second[0]].append(distance)

    assert 0.0 < np.mean(distances[True]) < 0.92 * np.mean(distances[False])
