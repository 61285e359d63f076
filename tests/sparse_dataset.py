"""Datasets to measure with: one of full size that takes hardly any disk, one of real bytes.

The sparse dataset has the size and file names of DCASE 2021: seven machine types, six
sections, a thousand training clips each. Its files, and the shards of its store, consist
of holes but for the first and the last sample of each clip, which say its number. Reading
a hole costs what reading from the page cache does, but never waits for a disk.
"""

import functools
import io
import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import soundfile

from asdkeras.data import shards
from asdkeras.data import store as store_module
from asdkeras.data.audio import AudioConfig
from asdkeras.data.clip_table import read_clip_table
from asdkeras.files import identity

RATE_HZ = 16_000
CONFIG = AudioConfig(RATE_HZ, "mean", "refuse")
_MACHINE_TYPES = ("ToyCar", "ToyTrain", "fan", "gearbox", "pump", "slider", "valve")
_SECTIONS = {"dev_data": ("00", "01", "02"), "eval_data": ("03", "04", "05")}
_NUM_TARGET = 3  # Training clips per section.
_BASE = 1000
_SAMPLE_BYTES = 2


def write_sparse_dataset(data, store, *, clips_per_section=1000, clip_length=160_000):
    """Write a dataset and the store that `open_store` would make of it.

    Args:
        data: folder of the dataset.
        store: cache folder of stores.
        clips_per_section: int > 3; there are 42 sections.
        clip_length: int > 1, samples.
    """
    paths = _paths(data, clips_per_section)
    header = _wav_header(clip_length)
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb", buffering=0) as file:
            file.write(header)
            _write_clip(file, len(header), _ends(number), clip_length)
    table = read_clip_table(data)
    if table["path"].tolist() != [str(path) for path in paths]:
        raise RuntimeError("the clip table has an order of its own: clip numbers would be wrong.")
    _write_store(store_module.store_folder(table["path"], CONFIG, store), paths, clip_length)


def clip_numbers(waveforms):
    """Numbers of whole clips of the sparse dataset, by what is heard in them."""
    samples = np.rint(waveforms[:, [0, -1]] / (1.0 / 32768.0)).astype(np.int64) - 1
    return samples[:, 0] * _BASE + samples[:, 1]


def write_filled_dataset(data, *, num_clips, clip_length=160_000):
    """Write WAV files of noise, no two alike, as training clips of two machine types."""
    random = np.random.default_rng(0)
    for number in range(num_clips):
        path = data / f"machine{number % 2}" / "train" / f"{number:06d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, random.integers(-3000, 3000, clip_length, np.int16), RATE_HZ)


def _paths(data, clips_per_section):
    """Files in the order of the clip table."""
    domains = ["source"] * (clips_per_section - _NUM_TARGET) + ["target"] * _NUM_TARGET
    return [
        data
        / part
        / machine_type
        / "train"
        / f"section_{section}_{domain}_train_normal_{i:04d}_.wav"
        for machine_type in _MACHINE_TYPES
        for part, sections in _SECTIONS.items()
        for section in sections
        for i, domain in enumerate(domains)
    ]


def _wav_header(clip_length):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(clip_length, np.int16), RATE_HZ, format="WAV")
    return file.getvalue()[: -clip_length * _SAMPLE_BYTES]


def _ends(number):
    """First and last sample of a clip."""
    return np.array(divmod(number, _BASE), np.int16) + np.int16(1)


def _write_clip(file, offset, ends, clip_length):
    """Write the ends of a clip and leave a hole between them."""
    stop = offset + clip_length * _SAMPLE_BYTES
    os.pwrite(file.fileno(), ends[:1].tobytes(), offset)
    os.pwrite(file.fileno(), ends[1:].tobytes(), stop - _SAMPLE_BYTES)


def _write_store(folder, paths, clip_length):
    # What `build_store` expects before it knows that the files hold 16-bit integers.
    bounds = shards.split_into_shards([clip_length * 4] * len(paths))
    shards.write_plan(folder, bounds)
    ranges = [range(*pair) for pair in itertools.pairwise(bounds)]
    write = functools.partial(_write_shard, folder, paths, clip_length)
    with ThreadPoolExecutor() as executor:
        list(executor.map(write, itertools.count(), ranges))


def _write_shard(folder, paths, clip_length, shard, clips):
    samples = np.zeros(clip_length, np.int16)
    entries, offset = [], 0
    with open(shards.samples_path(folder, shard), "wb", buffering=0) as file:
        for clip in clips:
            samples[[0, -1]] = _ends(clip)
            offset += -offset % shards.ALIGNMENT
            _write_clip(file, offset, samples[[0, -1]], clip_length)
            entries.append(
                shards.Entry(
                    identity=identity(paths[clip]),
                    rate_hz=RATE_HZ,
                    dtype="int16",
                    offset=offset,
                    length=clip_length,
                    digest=shards.digest_of(samples),
                    num_channels=1,
                )
            )
            offset += samples.nbytes
    shards.write_index(folder, shard, clips, offset, entries)
