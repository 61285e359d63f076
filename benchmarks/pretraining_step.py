"""A step of pre-training of Nejjar 2022: how long it takes and how much memory it needs.

    python -m benchmarks.pretraining_step --batch-sizes 64 128 256

The network, loss and optimizer of the recipe `dcase2022` on pairs of noise, each batch size in a
process of its own, for memory once taken is not given back. `--parts 4` lets each batch come in
four parts whose gradients add up.
"""

import argparse
import dataclasses
import subprocess
import sys
import time

import numpy as np

from benchmarks.store import make_repeatable, peak_mib


def main():
    """Print seconds and processor seconds per pair, and the peak of memory."""
    options = _options()
    if options.alone:
        _measure(options.batch_sizes[0], options)
        return
    names = ("s/step", "pairs/s", "per processor s", "MiB")
    print("{:>6s}{:>6s}{:>9s}{:>9s}{:>17s}{:>8s}".format("batch", "parts", *names))
    for size in options.batch_sizes:
        own = [sys.executable, "-m", "benchmarks.pretraining_step", "--alone"]
        more = ["--parts", str(options.parts), "--steps", str(options.steps)]
        subprocess.run([*own, "--batch-sizes", str(size), *more], check=True)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4, help="timed updates")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(batch_size, options):
    from asdkeras.experiment.recipe import find_recipe, load_recipe, system_config
    from asdkeras.systems.nejjar.encoder import encoder_of, pretraining_model

    make_repeatable()
    source = find_recipe("nejjar2022", "dcase2022", None)
    config = system_config(load_recipe(source, "nejjar2022"), source)
    settings = dataclasses.replace(
        config.pretraining, batch_size=batch_size, accumulation_steps=options.parts
    )
    config = dataclasses.replace(config, pretraining=settings)
    model = pretraining_model(config, encoder_of(config), 187)
    batch = _pairs(settings.part_size, (config.num_frames, config.front_end.num_mel_bins))
    for _ in range(options.parts):  # The first traces.
        model.train_on_batch(batch)
    started = time.perf_counter(), time.process_time()
    for _ in range(options.steps * options.parts):
        model.train_on_batch(batch)
    wall = (time.perf_counter() - started[0]) / options.steps
    processor = (time.process_time() - started[1]) / options.steps
    print(
        f"{batch_size:6d}{options.parts:6d}{wall:9.2f}{batch_size / wall:9.1f}"
        f"{batch_size / processor:17.1f}{peak_mib():8.0f}",
        flush=True,
    )


def _pairs(count, shape):
    random = np.random.default_rng(0)
    first, second = (10 * random.normal(size=(count, *shape)).astype("float32") for _ in range(2))
    weight = random.beta(0.5, 0.5, size=(count, 1)).astype("float32")
    mixed = weight[:, :, None] * first + (1 - weight[:, :, None]) * second
    return {"first": first, "second": second, "mixed": mixed, "weight": weight}


if __name__ == "__main__":
    main()
