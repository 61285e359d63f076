"""The store of a dataset of full size: opened at once, read in little memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asdkeras.data import store as store_module
from asdkeras.data.clip_table import read_clip_table
from asdkeras.data.store import open_store
from benchmarks import store as benchmark
from tests.sparse_dataset import CONFIG, clip_numbers, write_sparse_dataset

ROOT = Path(__file__).parents[2]

# Batches of the epochs asked for, what was heard in them, and the peak of this process.
STREAM = """
import json, sys
from pathlib import Path
import numpy as np
from asdkeras.data.clip_table import read_clip_table
from asdkeras.data.labels import section_labels
from asdkeras.batches.mixup import Mixup
from asdkeras.batches.steps import Schedule
from asdkeras.batches.waveform_batches import training_batches
from asdkeras.data.store import open_store
from benchmarks import store as benchmark
from tests.sparse_dataset import CONFIG, clip_numbers
from benchmarks.store import peak_mib

folder, num_batches = Path(sys.argv[1]), int(sys.argv[2])
table = read_clip_table(folder / "data")
store = open_store(table, CONFIG, folder / "store", on_progress=lambda *_: sys.exit("decodes"))
heard = []
for probability in (1.0, 0.0):  # Mixed clips cost the most memory; of whole ones we hear which.
    batches = training_batches(
        store, 160_000, "end", {"sections": section_labels(table)},
        Mixup("waveform", probability, "linear"), Schedule(64, 3, 0, 1)
    )
    for inputs, targets in batches.take(num_batches):
        if probability == 0.0:
            heard += zip(
                clip_numbers(inputs["waveform"].numpy()).tolist(),
                targets["sections"].numpy().argmax(axis=1).tolist(),
            )
print(json.dumps({"clips": len(table), "heard": heard, "peak_mib": peak_mib()}))
"""


def test_the_sparse_store_is_the_one_open_store_makes(tmp_path):
    write_sparse_dataset(tmp_path / "data", tmp_path / "store", clips_per_section=5, clip_length=50)
    table = read_clip_table(tmp_path / "data")

    open_store(table, CONFIG, tmp_path / "made")

    made, sparse = (
        store_module.store_folder(table["path"], CONFIG, tmp_path / name)
        for name in ("made", "store")
    )
    names = sorted(path.name for path in made.iterdir())
    assert names == sorted(path.name for path in sparse.iterdir())
    for name in names:
        assert (made / name).read_bytes() == (sparse / name).read_bytes()


def test_clips_of_the_sparse_store_tell_their_numbers(tmp_path):
    write_sparse_dataset(tmp_path / "data", tmp_path / "store", clips_per_section=25, clip_length=9)
    table = read_clip_table(tmp_path / "data")
    store = open_store(table, CONFIG, tmp_path / "store")

    numbers = clip_numbers(store.read(range(len(table)), 9, "end"))

    assert np.array_equal(numbers, np.arange(42 * 25))


@pytest.mark.slow
def test_batches_of_42000_clips_stream_in_less_than_2_gib(tmp_path):
    write_sparse_dataset(tmp_path / "data", tmp_path / "store")
    num_batches = 60

    command = [sys.executable, "-c", STREAM, str(tmp_path), str(num_batches)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)

    found = json.loads(answer.stdout.splitlines()[-1])
    clips, sections = np.array(found["heard"]).T
    assert found["clips"] == 42_000
    assert found["peak_mib"] < 2048
    assert len(set(clips)) == num_batches * 64
    assert np.array_equal(clips // 1000, sections)
    # Heard in the first tenth of an epoch: clips of the whole dataset, machine types alike.
    assert np.histogram(clips, 7, (0, 42_000))[0].min() > num_batches * 64 / 7 * 0.8


@pytest.mark.slow
def test_the_benchmark_runs(monkeypatch, capsys):
    small = "--clips-per-section 4 --filled-clips 70 --clip-length 16000 --batches 2 --rounds 1"
    monkeypatch.setattr(sys, "argv", ["store", *small.split(), "--steps", "1"])
    in_new_process = benchmark._in_new_process

    def answer(child, options, *more):
        """TensorFlow is imported once, not by each of ten processes."""
        if child == "start":
            return in_new_process(child, options, *more)
        options.source = more[-1] if more else None
        return {"before": benchmark.peak_mib(), **benchmark.CHILDREN[child](options), "peak": 0.0}

    monkeypatch.setattr(benchmark, "_in_new_process", answer)

    benchmark.main()

    printed = capsys.readouterr().out
    for text in ("start-up: ", "store, sparse", "array in memory", "( 1.00)", "training step"):
        assert text in printed
