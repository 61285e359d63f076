"""Random chunks from the clip store: what reading only their samples saves, all in one run.

    python -m benchmarks.chunk_batches

Clips of noise of 10 s, of which each epoch hears one chunk of 32 frames, a ninth of the clip.
Three ways to get batches of 32, in turn, out of the page cache and with the repeatable
operations that training uses: `parts` reads the samples of the chunk, `cut` reads the clip and
cuts, and `clips` are whole clips as `training_batches` has them, without mixing. Also without
TensorFlow, which costs the same in all three. Needs 61 MiB of disk per hundred clips.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from asdkeras.data.clip_set import ClipSet
from asdkeras.data.clip_table import read_clip_table
from asdkeras.data.labels import section_labels
from asdkeras.data.store import open_store
from benchmarks.store import make_repeatable
from tests.sparse_dataset import CONFIG, write_filled_dataset

BATCH_SIZE = 32
WINDOW_LENGTH, HOP_LENGTH, NUM_FRAMES = 2048, 512, 32
WAYS = ("parts", "cut", "clips")


def main():
    """Print clips per second of each way, and their ratios within a round."""
    options = _options()
    make_repeatable()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        data = Path(folder) / "data"
        write_filled_dataset(data, num_clips=options.clips, clip_length=options.clip_length)
        table = read_clip_table(data)
        store = open_store(table, CONFIG, Path(folder) / "store")
        for pad_mode in ("constant", "reflect"):
            _report(table, store, pad_mode, options)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--clip-length", type=int, default=160_000, help="samples")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="for the dataset; default: temporary")
    return parser.parse_args()


def _report(table, store, pad_mode, options):
    found = {(what, way): [] for what in ("batches", "reading") for way in WAYS}
    for number in range(options.rounds):
        for way in WAYS:
            reader = READERS[way](table, store)
            for what, make in (("batches", _batches), ("reading", _reading)):
                found[what, way].append(_rates(make(reader, way, pad_mode, number, options)))
    print(f"pad_mode {pad_mode}, median of {options.rounds} rounds; ratio to clips in the same one")
    print(f"{'':16s}{'clips/s (range)':>24s}{'ratio':>8s}{'by processor time':>20s}")
    for (what, way), rates in found.items():
        wall, processor = zip(*rates, strict=True)
        ratios = [
            statistics.median(a / b for a, b in zip(*pairs, strict=True))
            for pairs in zip(
                (wall, processor), zip(*found[what, "clips"], strict=True), strict=True
            )
        ]
        text = f"{statistics.median(wall):.0f} ({min(wall):.0f} to {max(wall):.0f})"
        print(f"{what:10s}{way:6s}{text:>24s}{ratios[0]:8.2f}{ratios[1]:20.2f}")


def _rates(batches):
    """Clips per second and per processor second; the first batch, which traces, is not timed."""
    batches = iter(batches)
    next(batches)
    started = time.perf_counter(), time.process_time()
    num_clips = sum(len(each) for each in batches)
    wall, processor = time.perf_counter() - started[0], time.process_time() - started[1]
    return num_clips / wall, num_clips / processor


def _batches(reader, way, pad_mode, seed, options):
    from asdkeras.batches.chunk_batches import Crop, chunk_batches
    from asdkeras.batches.mixup import Mixup
    from asdkeras.batches.steps import Schedule
    from asdkeras.batches.waveform_batches import training_batches

    labels = {"sections": section_labels(reader.table)}
    schedule = Schedule(BATCH_SIZE, seed, 0, 1)
    if way == "clips":
        mixup = Mixup("features", 0.0, "linear")
        batches = training_batches(reader, options.clip_length, "end", labels, mixup, schedule)
        return (inputs["waveform"] for inputs, _ in batches)
    crop = Crop(WINDOW_LENGTH, HOP_LENGTH, NUM_FRAMES, pad_mode)
    batches = chunk_batches(reader, options.clip_length, "end", labels, crop, schedule)
    return (chunks for chunks, _, _ in batches)


def _reading(reader, way, pad_mode, seed, options):
    random = np.random.default_rng(seed)
    order = random.permutation(len(reader))
    num_samples = (NUM_FRAMES - 1) * HOP_LENGTH + WINDOW_LENGTH
    num_chunks = 1 + options.clip_length // HOP_LENGTH - NUM_FRAMES + 1
    for first in range(0, len(order), BATCH_SIZE):
        positions = order[first : first + BATCH_SIZE]
        if way == "clips":
            yield reader.read(positions, options.clip_length, "end")
            continue
        firsts = random.integers(num_chunks, size=len(positions)) * HOP_LENGTH - WINDOW_LENGTH // 2
        yield reader.read_chunks(
            positions, firsts, num_samples, options.clip_length, "end", pad_mode
        )


class Cut:
    """Chunks cut from clips that were read whole."""

    def __init__(self, table, store):
        self.table, self._store = table, store

    def __len__(self):
        return len(self.table)

    def read_chunks(self, positions, first_samples, num_samples, clip_length, keep, pad_mode):
        """Waveforms `(batch, num_samples)`."""
        chunks = np.empty((len(positions), num_samples), np.float32)
        clips = self._store.read(positions, clip_length, keep)
        for chunk, clip, first in zip(chunks, clips, first_samples, strict=True):
            before, behind = max(0, -first), max(0, first + num_samples - clip_length)
            inside = clip[max(first, 0) : first + num_samples]
            chunk[:] = np.pad(inside, (before, behind), mode=pad_mode)
        return chunks


READERS = {"parts": ClipSet, "cut": Cut, "clips": ClipSet}

if __name__ == "__main__":
    main()
