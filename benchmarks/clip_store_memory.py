"""Time and peak memory of the clip store for few and for many clips.

Run: `python benchmarks/clip_store_memory.py`. Each size runs in a process of its own:
decode, open again, read every clip once in random order in batches of 64. Peak resident
memory of the last line must not exceed that of the first by more than the table itself.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from asdkeras.data.audio import AudioConfig
from asdkeras.data.store import open_store

_RATE_HZ = 16000
_CONFIG = AudioConfig(sample_rate_hz=_RATE_HZ, channel=0, mixed_rates="refuse")


def main() -> None:
    """Print one line per number of clips."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    print("clips  audio_mib  decode_s  open_s  read_clips_per_s  peak_decode_mib  peak_read_mib")
    for num_clips in options.clips:
        with tempfile.TemporaryDirectory() as folder:
            _write_clips(Path(folder), num_clips, options.seconds)
            decode_s, decode_mib = _in_new_process(_decode, Path(folder))
            (open_s, read_s), read_mib = _in_new_process(_read, Path(folder), options.seconds)
            audio_mib = num_clips * options.seconds * _RATE_HZ * 2 / 2**20
            print(
                f"{num_clips:5d}  {audio_mib:9.0f}  {decode_s:8.2f}  {open_s:6.3f}  "
                f"{num_clips / read_s:16.0f}  {decode_mib:15.0f}  {read_mib:13.0f}"
            )


def _in_new_process(function, *arguments):
    """Result of a function, and peak resident memory of the process it ran in (MiB)."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_with_peak, (function, *arguments))


def _with_peak(function, *arguments):
    result = function(*arguments)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _write_clips(folder, num_clips, seconds):
    random = np.random.default_rng(0)
    for number in range(num_clips):
        noise = random.integers(-3000, 3000, int(seconds * _RATE_HZ), np.int16)
        soundfile.write(folder / f"{number:06d}.wav", noise, _RATE_HZ)


def _table(folder):
    paths = [str(path) for path in sorted(folder.glob("*.wav"))]
    return pd.DataFrame({"path": paths, "machine_type": "noise"}, dtype="string")


def _decode(folder):
    start = time.perf_counter()
    open_store(_table(folder), _CONFIG, folder / "store").close()
    return time.perf_counter() - start


def _read(folder, seconds):
    start = time.perf_counter()
    store = open_store(_table(folder), _CONFIG, folder / "store")
    opened = time.perf_counter()
    order = np.random.default_rng(0).permutation(len(store))
    for first in range(0, len(order), 64):
        store.read(order[first : first + 64], int(seconds * _RATE_HZ), keep="end")
    return opened - start, time.perf_counter() - opened


if __name__ == "__main__":
    main()
