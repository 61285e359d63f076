"""The clip store at full size: start-up, clips per second, peak memory, all in one run.

    python -m benchmarks.store

Training batches come from the store of 42,000 clips of 10 s and from their WAV files decoded
anew each epoch, each in a process of its own, in turn, with the repeatable operations that
training uses. Those clips are sparse files, which shows what many clips cost, and not what
a disk does. So both are measured again with clips of noise: from the page cache, where an
array of all of them stands beside them, and after their pages were given back, which is as
near to a disk as the machine below this one allows. Needs 1.3 MiB of disk per hundred sparse
clips, 61 MiB per hundred clips of noise, and for the array as much memory.

The training step is that of the recipe `wilkinghoff2021/dcase2021`. The pipeline does not
limit training while its clips per second are above those of the step.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from asdkeras.data.clip_set import ClipSet
from asdkeras.data.clip_table import read_clip_table
from asdkeras.data.labels import attribute_labels, section_labels
from asdkeras.data.store import open_store
from asdkeras.dsp.clip_length import fit_clip_length
from tests.sparse_dataset import CONFIG, write_filled_dataset, write_sparse_dataset

BATCH_SIZE = 64
MIXUPS = ("features", "waveform")
SOURCES = {  # Name: dataset, kind, and whether its pages are given back before.
    "store, sparse": ("sparse", "store", False),
    "WAV files, sparse": ("sparse", "wav", False),
    "store, in page cache": ("filled", "store", False),
    "WAV files, in page cache": ("filled", "wav", False),
    "array in memory": ("filled", "array", False),
    "store, from disk": ("filled", "store", True),
    "WAV files, from disk": ("filled", "wav", True),
}


def main():
    """Print start-up, decoding, rates with ratios and memory, and the training step."""
    options = _options()
    if options.child:
        answer = {"before": peak_mib()} | CHILDREN[options.child](options)
        print(json.dumps(answer | {"peak": peak_mib()}))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        options.folder = Path(folder)
        _report(options)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips-per-section", type=int, default=1000, help="of 42 sections")
    parser.add_argument("--filled-clips", type=int, default=2000)
    parser.add_argument("--clip-length", type=int, default=160_000, help="samples")
    parser.add_argument("--batches", type=int, default=100, help="per measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="training steps; 0 leaves them out")
    parser.add_argument("--folder", type=Path, help="for the datasets; default: temporary")
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    parser.add_argument("--source", choices=SOURCES, help=argparse.SUPPRESS)
    return parser.parse_args()


def _report(options):
    folder, length = options.folder, options.clip_length
    write_sparse_dataset(
        folder / "sparse",
        folder / "store",
        clips_per_section=options.clips_per_section,
        clip_length=length,
    )
    write_filled_dataset(folder / "filled", num_clips=options.filled_clips, clip_length=length)

    decoded = _in_new_process("decode", options)
    print(
        f"decoding {decoded['clips']} clips of noise once: {decoded['rate']:.0f} clips/s, ", end=""
    )
    print(f"peak {decoded['peak']:.0f} MiB")
    for _ in range(options.rounds):
        started = _in_new_process("start", options)
        parts = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in started["parts"].items())
        print(
            f"start-up: {sum(started['parts'].values()):.2f} s ({parts}), {started['clips']} clips"
        )
    print(f"importing TensorFlow and Keras comes before, and {started['before']:.0f} MiB with it\n")

    found = {source: [] for source in SOURCES}
    for _ in range(options.rounds):
        for source, answers in found.items():
            answers.append(_in_new_process("stream", options, "--source", source))
    _print_rates(found)
    array_gib = 42 * options.clips_per_section * length * 4 / 2**30
    print(f"an array of the sparse clips would take {array_gib:.1f} GiB\n")
    if options.steps:
        step = _in_new_process("step", options)
        print(f"training step alone {step['alone']:.1f} clips/s, fed by the store ", end="")
        print(f"{step['fed']:.1f} clips/s; peak {step['peak']:.0f} MiB, the model's included")


def _print_rates(found):
    print("clips/s of training batches, median of the rounds; ratio to the array in the same round")
    print(f"{'mixup on':26s}{'features':>18s}{'waveform':>18s}{'peak MiB':>10s}")
    for source, answers in found.items():
        columns = ""
        for on in MIXUPS:
            rates = [answer[on] for answer in answers]
            array = [answer[on] for answer in found["array in memory"]]
            ratio = statistics.median(a / b for a, b in zip(rates, array, strict=True))
            columns += f"{statistics.median(rates):10.0f} ({ratio:5.2f})"
        print(f"{source:26s}{columns}{max(answer['peak'] for answer in answers):10.0f}")


def _in_new_process(child, options, *more):
    command = [sys.executable, "-m", "benchmarks.store", "--child", child, *more]
    for name in ("clips_per_section", "filled_clips", "clip_length", "batches", "steps", "folder"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(answer.stdout.splitlines()[-1])


def peak_mib():
    """Peak resident memory of this process alone, not of the one that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _decode(options):
    table = read_clip_table(options.folder / "filled")
    started = time.perf_counter()
    open_store(table, CONFIG, options.folder / "store")
    return {"clips": len(table), "rate": len(table) / (time.perf_counter() - started)}


def _start(options):
    make_repeatable()
    before = peak_mib()
    times = [time.perf_counter()]
    table = read_clip_table(options.folder / "sparse")
    times.append(time.perf_counter())
    store = open_store(table, CONFIG, options.folder / "store")
    times.append(time.perf_counter())
    next(iter(_batches(store, _labels(table), "features", options)))
    times.append(time.perf_counter())
    names = ("file names", "store", "labels and first batch")
    return {
        "clips": len(table),
        "parts": dict(zip(names, np.diff(times).tolist(), strict=True)),
        "before": before,
    }


def _stream(options):
    dataset, kind, is_evicted = SOURCES[options.source]
    make_repeatable()
    table = read_clip_table(options.folder / dataset)
    if kind == "store":
        clips = open_store(table, CONFIG, options.folder / "store")
    else:
        clips = {"wav": WavFiles, "array": Array}[kind](table["path"].tolist(), options.clip_length)
    answer = {}
    for on in MIXUPS:
        batches = _batches(clips, _labels(table), on, options)
        next(iter(batches))  # Traces.
        count = options.batches
        if is_evicted:  # Whatever is read a second time is in the page cache.
            _evict(options.folder)
            count = min(count, -(-len(table) // BATCH_SIZE))
        started = time.perf_counter()
        num_clips = sum(len(inputs["waveform"]) for inputs, _ in batches.take(count))
        answer[on] = num_clips / (time.perf_counter() - started)
    return answer


def _step(options):
    """Clips per second of training steps on one batch over and over, and on new ones."""
    make_repeatable()
    from asdkeras import systems
    from asdkeras.experiment.recipe import find_recipe, load_recipe, system_config
    from asdkeras.experiment.training import TaskContext

    source = find_recipe("wilkinghoff2021", "dcase2021", None)
    changes = [f"config.clip_length={options.clip_length}", "config.keep_epochs=[400]"]
    recipe = load_recipe(source, "wilkinghoff2021", None, changes)
    system = systems.create("wilkinghoff2021", system_config(recipe, source))
    table = read_clip_table(options.folder / "filled")
    store = open_store(table, CONFIG, options.folder / "store")
    # Few clips of both machine types: the front end reads them all once before it trains.
    count = 4 * BATCH_SIZE
    clips = ClipSet(table.iloc[:: max(1, len(table) // count)][:count], store)
    with TaskContext(options.folder, 0, clips.table, "benchmark", clips) as context:
        labels = system.classes(clips, context)
        num_classes = {name: len(each.classes) for name, each in labels.items()}
        model = system.build(clips, num_classes, context)
    stream = iter(_batches(clips, labels, system.mixup.on, options))
    first = next(stream)
    model.train_on_batch(*first)  # Traces.
    return {
        "alone": _rate(model, lambda: first, options.steps),
        "fed": _rate(model, lambda: next(stream), options.steps),
    }


def _rate(model, next_batch, num_steps):
    started = time.perf_counter()
    for _ in range(num_steps):
        model.train_on_batch(*next_batch())
    return num_steps * BATCH_SIZE / (time.perf_counter() - started)


class WavFiles:
    """Clips decoded whenever they are asked for."""

    def __init__(self, paths, clip_length):
        self._paths = paths

    def __len__(self):
        return len(self._paths)

    def read(self, positions, clip_length, keep):
        """Waveforms `(batch, clip_length)`."""
        waveforms = np.empty((len(positions), clip_length), np.float32)
        for waveform, position in zip(waveforms, positions, strict=True):
            samples, _ = soundfile.read(self._paths[position], dtype="float32")
            waveform[:] = fit_clip_length(samples, clip_length, keep)
        return waveforms


class Array(WavFiles):
    """Clips that are all in memory, as one float32 array."""

    def __init__(self, paths, clip_length):
        super().__init__(paths, clip_length)
        self._waveforms = np.empty((len(paths), clip_length), np.float32)
        for position in range(len(paths)):
            self._waveforms[position] = super().read([position], clip_length, "end")[0]

    def read(self, positions, clip_length, keep):
        """Waveforms `(batch, clip_length)`."""
        return self._waveforms[positions]


def make_repeatable():
    """Load Keras and TensorFlow, and have them repeat themselves as in training."""
    from asdkeras.experiment.import_keras import import_keras

    import_keras()
    from asdkeras.experiment import training

    training.make_repeatable(0)


def _labels(table):
    labels = {"sections": section_labels(table)}
    if table["attributes"].notna().any():
        labels["attributes"] = attribute_labels(table, "machine_section_attribute")
    return labels


def _batches(clips, labels, on, options):
    from asdkeras.batches.mixup import Mixup
    from asdkeras.batches.steps import Schedule
    from asdkeras.batches.waveform_batches import training_batches

    return training_batches(
        clips,
        options.clip_length,
        "end",
        labels,
        Mixup(on, 1.0, "linear"),
        Schedule(BATCH_SIZE, 0, 0, 10_000),
    )


def _evict(folder):
    """Give back the page cache's pages of all files; what is below this machine may keep them."""
    for path in folder.rglob("*"):
        if path.suffix in (".wav", ".samples"):
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)  # Pages not written yet would stay.
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


CHILDREN = {"decode": _decode, "start": _start, "stream": _stream, "step": _step}

if __name__ == "__main__":
    main()
