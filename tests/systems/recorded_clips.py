"""A few short clips in memory, behind the interface of the clip store."""

import hashlib
import shutil
import tempfile
import weakref
from pathlib import Path

import numpy as np
import pandas as pd

from asdkeras.data.clip_set import ClipSet
from asdkeras.dsp.clip_length import fit_clip_length
from asdkeras.experiment.training import TaskContext, represent
from asdkeras.experiment.unit_scores import score_unit
from asdkeras.experiment.units import Unit

RATE_HZ = 16_000


class Store:
    """Waveforms by row of the clip table."""

    sample_rate_hz = RATE_HZ

    def __init__(self, waveforms):
        self.waveforms = waveforms
        self.digests = [hashlib.sha256(each.tobytes()).hexdigest() for each in waveforms]
        self.num_bytes = sum(each.nbytes for each in waveforms)
        folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder)
        self.kept = Path(folder) / "kept"
        self.lengths = np.array([len(each) for each in waveforms])

    def read(self, indices, clip_length, keep, draws=None):
        clips = [fit_clip_length(self.waveforms[i], clip_length, keep, 0.0) for i in indices]
        return np.array(clips, "float32")

    def moments(self, indices):
        samples = np.concatenate([self.waveforms[i] for i in indices]).astype("float64")
        return float(samples.mean()), float(samples.std())

    def read_part(self, indices, first_samples, num_samples, clip_length, keep, pad_mode):
        clips = self.read(indices, clip_length, keep)
        before = max(0, -min(first_samples))
        behind = max(0, max(first_samples) + num_samples - clip_length)
        padded = np.pad(clips, ((0, 0), (before, behind)), mode=pad_mode)
        starts = np.asarray(first_samples) + before
        return np.stack(
            [each[at : at + num_samples] for each, at in zip(padded, starts, strict=True)]
        )


def clip_table(clips, dataset="mini2021"):
    """Clip table of (section, domain, split, is_anomalous), all of one machine type."""
    sections, domains, splits, anomalous = zip(*clips, strict=True)
    count = len(clips)
    table = pd.DataFrame(
        {
            "path": [f"clip_{number:02d}.wav" for number in range(count)],
            "dataset": dataset,
            "machine_type": "fan",
            "section": sections,
            "domain": domains,
            "split": splits,
        },
        dtype="string",
    )
    return table.assign(is_anomalous=pd.array(anomalous, "boolean"))


def noisy_clips(table, samples=4096, seed=0):
    """`ClipSet` of all rows: noise, louder and differently colored by section."""
    generator = np.random.default_rng(seed)
    lengths = np.broadcast_to(samples, len(table))
    waveforms = []
    for section, length in zip(table["section"], lengths, strict=True):
        noise = generator.normal(size=length + 1)
        colored = noise[1:] + (0.9 if section == "00" else -0.9) * noise[:-1]
        waveforms.append((0.1 * colored).astype("float32"))
    return ClipSet(table, Store(waveforms))


def task(folder, table, seed=0, all_training_clips=None, left_out=()):
    """The context the runner gives a system, and what it warned of."""
    return TaskContext(folder, seed, table, "test", all_training_clips, left_out)


def training_of(clips):
    """The training clips among them."""
    return ClipSet(clips.table[clips.table["split"] == "train"], clips.store, clips.seed)


def represented(system, models, clips):
    """Name of a representation -> rows of all clips, as the runner computes them."""
    return represent(system, models, clips)


def scores_of(system, arrays, table, models, seed=0):
    """`UnitScores` of all clips of a table, as the runner computes them."""
    return score_unit(system, Unit(table, models, arrays), seed)
