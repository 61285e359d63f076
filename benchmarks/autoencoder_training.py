"""Training the official autoencoder: streamed from disk, and from one array as released.

    python -m benchmarks.autoencoder_training --copies 1 4 16

trains on the fan of the mini corpus, each clip as often as `--copies` says, once per approach
and number of copies, each in a process of its own and in turn. `streamed` is the system
`baseline2021`; `array` does as the released code: all vectors of all clips in one float64
array, given to Keras as a whole. Both use the same front end, network and optimizer.

Time per epoch is the median over the epochs but the first, which traces the graph, and holds
the validation, too. Peak memory is that of the process, about 0.6 GiB of it TensorFlow.
"""

import argparse
import csv
import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from asdkeras.batches.waveform_batches import inference_batches
from asdkeras.config import build_config, read_recipe
from asdkeras.corpus.mini import generate
from asdkeras.data.audio import AudioConfig
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.clip_table import read_clip_table
from asdkeras.data.store import open_store
from asdkeras.experiment.training import TaskContext, make_repeatable
from asdkeras.systems import baseline2021
from asdkeras.systems.baselines import dense_autoencoder
from asdkeras.systems.log_mel_front_end import KEEP, log_mel_model

RECIPE = Path(__file__).parents[1] / "recipes" / "baseline2021" / "mini.yaml"
APPROACHES = ("streamed", "array")


def clips_of(corpus, copies):
    """Training clips of a corpus, each several times."""
    table = read_clip_table(corpus)
    store = open_store(table, AudioConfig(16_000, "mean", "refuse"), corpus / "store")
    training = table[table["split"] == "train"]
    return ClipSet(training.loc[np.tile(training.index, copies)], store)


def train_streamed(config, clips, folder):
    """Seconds of each epoch."""
    with TaskContext(folder, 0, clips.table, "benchmark", clips) as context:
        dense_autoencoder.train(config.ae, config.front_end, clips, context)
    with (folder / "train.csv").open(encoding="utf-8", newline="") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)]


def train_array(config, clips, folder):
    """Seconds of each epoch."""
    settings, length = config.ae, int(clips.lengths().max())
    front_end = log_mel_model(config.front_end, clips.store.sample_rate_hz, length)
    vectors = None
    first = 0
    for batch in inference_batches(clips, length, KEEP, 16):
        frames = np.asarray(front_end(batch))
        count = frames.shape[1] - settings.num_frames + 1
        if vectors is None:
            shape = (len(clips) * count, settings.num_frames * frames.shape[2])
            vectors = np.zeros(shape)
        for clip in frames:
            stacked = [clip[k : k + count] for k in range(settings.num_frames)]
            vectors[first : first + count] = np.hstack(stacked)
            first += count
    seconds = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.monotonic()

        def on_epoch_end(self, epoch, logs=None):
            seconds.append(time.monotonic() - self.started)

    dense_autoencoder.compiled(settings, vectors.shape[1]).fit(
        vectors,
        vectors,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        validation_split=settings.validation_fraction,
        verbose=0,
        callbacks=[Clock()],
    )
    return seconds


def worker(corpus, approach, copies, epochs):
    """Print what one training took."""
    config = build_config(baseline2021.Config, read_recipe(RECIPE)["config"], str(RECIPE))
    config = dataclasses.replace(config, ae=dataclasses.replace(config.ae, epochs=epochs))
    clips = clips_of(corpus, copies)
    make_repeatable(0)
    with tempfile.TemporaryDirectory() as folder:
        train = {"streamed": train_streamed, "array": train_array}[approach]
        seconds = train(config, clips, Path(folder))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = {"clips": len(clips), "seconds": float(np.median(seconds[1:])), "peak_mib": peak_mib}
    print(json.dumps(row))


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--worker", nargs=3, metavar=("CORPUS", "APPROACH", "COPIES"))
    arguments = parser.parse_args()
    if arguments.worker:
        corpus, approach, copies = arguments.worker
        worker(Path(corpus), approach, int(copies), arguments.epochs)
        return
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        generate(corpus, year=2021, size="mini", seed=0, machines=["fan"])
        print("| clips | approach | seconds per epoch | peak memory, MiB |\n|---|---|---|---|")
        for copies in arguments.copies:
            for approach in APPROACHES:
                command = [sys.executable, "-m", "benchmarks.autoencoder_training"]
                command += ["--epochs", str(arguments.epochs)]
                command += ["--worker", str(corpus), approach, str(copies)]
                answer = subprocess.run(command, check=True, capture_output=True, text=True)
                row = json.loads(answer.stdout.splitlines()[-1])
                seconds, peak = f"{row['seconds']:.2f}", f"{row['peak_mib']:.0f}"
                print(f"| {row['clips']} | {approach} | {seconds} | {peak} |", flush=True)


if __name__ == "__main__":
    main()
