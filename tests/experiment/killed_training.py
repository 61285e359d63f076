"""A training in two phases, killed in a moment that has a name: `python -m ... FOLDER MOMENT`."""

import contextlib
import os
import signal
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from asdkeras.experiment import training, training_records
from asdkeras.experiment.training import TaskContext, make_repeatable
from asdkeras.layers.resumable_dropout import ResumableDropout
from asdkeras.systems.system import TrainingLog

NUM_CLIPS, CLIP_LENGTH, BATCH_SIZE = 6, 16, 4
EPOCHS = {"first": 2, "": 3}
STEPS = -(-NUM_CLIPS * 8 // BATCH_SIZE)  # Frames of all clips.
# One after the other, each in a process that goes on with what is there: the end of the name of
# the moment, and which one of its kind.
MOMENTS = {
    "in_the_frames": (" front end 2", 1),
    "in_the_first_phase": ("a task first 15", 1),
    "between_phases": ("phase begins", 2),
    "between_a_row_and_its_weights": ("train.csv is written", 2),
    "between_the_last_values_and_weights": ("batch_values.npz is written", 1),
}


class Clips:
    """Noise, and a folder for what is kept of it."""

    def __init__(self, kept):
        self.store = types.SimpleNamespace(kept=kept, num_bytes=2**20)

    def fingerprint(self, clip_length, keep):
        return f"noise {clip_length} {keep}"

    def __len__(self):
        return NUM_CLIPS

    def read(self, positions, clip_length, keep):
        noise = np.random.default_rng(0).normal(size=(NUM_CLIPS, clip_length))
        return noise[positions].astype("float32")


def autoencoder(learning_rate, encoder=None):
    """Two layers with all that may have a state: dropout, averages, an optimizer."""
    first = encoder or keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(3), ResumableDropout(0.3)]
    )
    layers = [keras.Input((2,)), first, keras.layers.BatchNormalization(), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(learning_rate), "mse")
    return model


def train(folder, reach=lambda moment: None):
    """Both phases in a folder; `reach` is called with the name of every moment."""
    folder.mkdir(exist_ok=True)
    make_repeatable(0)
    waveform = keras.Input((CLIP_LENGTH,))
    front_end = keras.Model(waveform, keras.layers.Reshape((8, 2))(2.0 * waveform))
    clips = Clips(folder / "kept")
    with TaskContext(folder, 0, pd.DataFrame(), "a task", clips) as context:
        store = context.store_frames(front_end, clips, CLIP_LENGTH, "end", 2)
        windows = store.windows(1, 1)

        def frames():
            return windows.read(np.arange(NUM_CLIPS * 8)).reshape(-1, 2)

        def moments():
            store.open()
            return {"mean": frames().mean(axis=0)}

        mean = context.once("moments", moments)["mean"]

        def batches(phase):
            def of_epochs(first_epoch):
                for epoch in range(first_epoch, EPOCHS[phase]):
                    order = np.random.default_rng([len(phase), epoch]).permutation(NUM_CLIPS * 8)
                    for rows in np.array_split(order, STEPS):
                        yield (frames()[rows] - mean,) * 2

            return of_epochs

        reach("phase begins")
        first = context.fit(
            lambda: autoencoder(0.1),
            batches("first"),
            epochs=EPOCHS["first"],
            steps_per_epoch=STEPS,
            phase="first",
        )
        encoder = first.networks[EPOCHS["first"]].model.layers[0]
        reach("phase begins")
        context.fit(
            lambda: autoencoder(0.01, encoder),
            batches(""),
            epochs=EPOCHS[""],
            steps_per_epoch=STEPS,
            keep_epochs=(1, EPOCHS[""]),
            log=TrainingLog(lambda model: {}, lambda: (frames()[:9],) * 2, ("loss",)),
        )


def watch(reach):
    """Call `reach` after every step, and after every file of a training."""
    stage = training.stage

    @contextlib.contextmanager
    def own_stage(name):
        with stage(name) as update:

            def own_update(done, total, detail=""):
                update(done, total, detail)
                reach(f"{name} {done}")

            yield own_update

    def telling(write):
        def own(path, content):
            write(path, content)
            reach(f"{path.name} is written")

        return own

    training.stage = own_stage
    for name in ("write_arrays", "write_text"):
        setattr(training_records, name, telling(getattr(training_records, name)))


def killer(end, count):
    """A `reach` that kills this process in the moment whose name ends so for the nth time."""
    seen = []

    def reach(moment):
        if moment.endswith(end):
            seen.append(moment)
            if len(seen) == count:
                os.kill(os.getpid(), signal.SIGKILL)

    return reach


if __name__ == "__main__":
    tf.config.run_functions_eagerly(True)  # A few steps are done sooner than one is traced.
    reach = killer(*MOMENTS[sys.argv[2]])
    watch(reach)
    train(Path(sys.argv[1]), reach)
