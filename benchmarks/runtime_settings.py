"""Which settings of TensorFlow make a training step faster on this machine.

    python -m benchmarks.runtime_settings

A step of the AdaProj classifier, which is bound by its convolutions, and one of the autoencoder of
the baselines, which is bound by the number of its operations, each setting in a process of its own
and all of them in turn. Ratios above 1 are faster than the settings of TensorFlow, which training
has.
"""

import argparse
import os
import statistics
import subprocess
import sys

# Name: threads within an operation, operations at once, steps of one call; 0 leaves the default.
SETTINGS = {
    "as it is": (0, 0, 1),
    "one thread within an operation": (1, 0, 1),
    "one operation at a time": (0, 1, 1),
    "one thread in all": (1, 1, 1),
    "8 steps of a call": (0, 0, 8),
    "without oneDNN": (0, 0, 1),
}
SYSTEMS = ("wilkinghoff2024", "baseline2021")


def main():
    """Print a table for each system."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--alone", choices=SETTINGS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(*_seconds(options.systems[0], *SETTINGS[options.alone]))
        return
    for system in options.systems:
        found = {name: [] for name in SETTINGS}
        for _ in range(options.rounds):
            for name, times in found.items():
                times.append(_measured(system, name))
        print(system)
        for name, times in found.items():
            pairs = zip(found["as it is"], times, strict=True)
            ratios = [[a / b for a, b in zip(*pair, strict=True)] for pair in pairs]
            wall, processor = map(statistics.median, zip(*ratios, strict=True))
            print(f"  {name:32s} wall {wall:.2f}  processor {processor:.2f}", flush=True)


def _measured(system, name):
    command = [sys.executable, "-m", "benchmarks.runtime_settings", "--systems", system]
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0" if "oneDNN" in name else "1"}
    answer = subprocess.run(
        [*command, "--alone", name], env=environment, check=True, capture_output=True, text=True
    )
    return tuple(map(float, answer.stdout.splitlines()[-1].split()))


def _seconds(system, within, between, steps_of_call):
    """Wall and processor seconds of a step."""
    import tensorflow as tf

    from benchmarks.floating_point import timed
    from benchmarks.store import make_repeatable

    tf.config.threading.set_intra_op_parallelism_threads(within)
    tf.config.threading.set_inter_op_parallelism_threads(between)
    make_repeatable()
    model, batch, steps = _adaproj() if system == SYSTEMS[0] else _autoencoder()
    model.compile(
        model.optimizer, model.loss, steps_per_execution=steps_of_call, auto_scale_loss=False
    )
    dataset = tf.data.Dataset.from_tensors(batch).repeat()
    fit = {"steps_per_epoch": steps, "shuffle": False, "verbose": 0}
    model.fit(dataset, **fit)  # Traces.
    return tuple(each / steps for each in timed(lambda: model.fit(dataset, **fit)))


def _adaproj():
    from benchmarks.train_step import classifier, noise_batch

    return classifier("wilkinghoff2024", 160_000), noise_batch(64, 160_000), 8


def _autoencoder():
    import numpy as np

    from asdkeras.experiment.recipe import find_recipe, load_recipe, system_config
    from asdkeras.systems.baselines.dense_autoencoder import compiled

    source = find_recipe(SYSTEMS[1], "dcase2021", None)
    config = system_config(load_recipe(source, SYSTEMS[1]), source)
    dimension = config.ae.num_frames * config.front_end.num_mel_bins
    shape = (config.ae.batch_size, dimension)
    vectors = np.random.default_rng(0).normal(size=shape).astype("float32")
    return compiled(config.ae, dimension), (vectors, vectors), 256


if __name__ == "__main__":
    main()
