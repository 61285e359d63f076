"""A training step of every network of Kuroyanagi 2021: how long, and how much memory.

    python -m benchmarks.kuroyanagi_step --variants ae bc bc_resnext50 bc_efficientnet_b3

Networks, losses and optimizers of the recipe `dcase2021` on noise, each variant in a process of
its own, for memory once taken is not given back. What is told is what `--jobs` and the machine
must hold for one task, and how long its steps take at least.
"""

import argparse
import subprocess
import sys
import time

import numpy as np

from benchmarks.store import make_repeatable, peak_mib

_SECONDS, _RATE_HZ = 10, 16_000


def main():
    """Print seconds per step, examples per processor second, and the peak of memory."""
    options = _options()
    if options.alone:
        _measure(options.variants[0], options)
        return
    names = ("batch", "s/step", "per processor s", "MiB")
    print("{:20s}{:>6s}{:>9s}{:>17s}{:>8s}".format("variant", *names))
    for variant in options.variants:
        own = [sys.executable, "-m", "benchmarks.kuroyanagi_step", "--alone"]
        more = ["--steps", str(options.steps), "--batch-size", str(options.batch_size)]
        subprocess.run([*own, "--variants", variant, *more], check=True)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    variants = ["ae", "bc", "bc_resnext50", "bc_efficientnet_b3"]
    parser.add_argument("--variants", nargs="+", default=variants)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2, help="timed updates")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(variant, options):
    make_repeatable()
    model, batch = _autoencoder(variant) if variant.startswith("ae") else _classifier(variant)
    inputs, targets = batch(np.random.default_rng(0), options.batch_size)
    model.train_on_batch(inputs, targets)  # Traces.
    started = time.perf_counter(), time.process_time()
    for _ in range(options.steps):
        model.train_on_batch(inputs, targets)
    wall = (time.perf_counter() - started[0]) / options.steps
    processor = (time.process_time() - started[1]) / options.steps
    print(
        f"{variant:20s}{options.batch_size:6d}{wall:9.2f}"
        f"{options.batch_size / processor:17.1f}{peak_mib():8.0f}",
        flush=True,
    )


def _settings(variant):
    from asdkeras.experiment.recipe import find_recipe, load_recipe, system_config
    from asdkeras.systems import kuroyanagi2021

    source = find_recipe("kuroyanagi2021", "dcase2021", None)
    config = system_config(load_recipe(source, "kuroyanagi2021", variant), source)
    return kuroyanagi2021.settings_of(config)


def _autoencoder(variant):
    from asdkeras.systems.kuroyanagi.conformer import training_model

    settings = _settings(variant)
    shape = (1 + _SECONDS * _RATE_HZ // settings.hop_length, settings.num_mel_bins)

    def batch(random, size):
        values = random.normal(size=(size, *shape)).astype("float32")
        return {"frames": values, "section": np.arange(size, dtype="int32") % 6}, values

    return training_model(settings, shape, 6), batch


def _classifier(variant):
    from asdkeras.systems.kuroyanagi.classifier_models import training_model

    settings = _settings(variant)
    samples = (settings.num_frames - 1) * settings.hop_length + settings.window_length

    def batch(random, size):
        label = (np.arange(size) < size // 2).astype("float32")[:, None]
        waveform = random.normal(size=(size, samples)).astype("float32")
        return {"waveform": waveform, "label": label}, {"head": label}

    return training_model(settings, _RATE_HZ, samples, settings.steps), batch


if __name__ == "__main__":
    main()
