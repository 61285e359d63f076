"""How long a recipe takes at full size, estimated from the operations of its training and scoring.

    python -m benchmarks.counted_operations --system wilkinghoff2021 --out FILE.csv

Every network that the variants of a recipe train is built as its system builds it, on a few clips
of a generated corpus of that year, repeated to 10 s, and is not trained. Counted are the
multiply-adds of convolutions and matrix products, two operations each, of one training example,
forward and twice that backward, and of representing one clip; and the values that all operations
write, which is what batch normalization and activations cost. Examples per training are in
proportion to the clips, or the same for any number, which a second number of clips tells.

Seconds are `operations / rate + values / rate`. The rates of two processor cores were measured
(`results/estimates/README.md`); those of a GPU are a third of what a data sheet says of one with
19.5 TFLOP/s and 1.5 TB/s. Reading, scoring by neighbors and mixtures, and starting are left out.
"""

import argparse
import functools
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import soundfile

from benchmarks.floating_point import NOTHING, Cost, graph_cost

CORES = (2.1e11, 4.1e9)
GPU = (6.5e12, 6.0e10)
_CLIPS_PER_SECTION = (32, 48)  # Of 32, batches of the recipes are full.
_MACHINE_TYPES = ("fan", "slider", "valve")  # Of every year.
_TRAINING_CLIPS = 1000  # Of a section; 3 to 10 of the target domain among them.


def main():
    """Write a row per recipe of a year and variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--system", nargs="+", required=True)
    parser.add_argument("--variant", nargs="+", help="default: all")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    from asdkeras import systems
    from asdkeras.experiment.recipe import recipes_of

    rows = []
    for system in options.system:
        for name, path in recipes_of(system).items():
            if name.startswith("dcase"):
                variants = options.variant or systems.variants(system)
                rows += _rows(system, path, variants)
                pd.DataFrame(rows).to_csv(options.out, index=False, lineterminator="\n")


def _rows(system, path, variants):
    costs = {}

    def cost(variant):
        if variant not in costs:
            costs[variant] = _cost(system, path, variant, cost)
        return costs[variant]

    for variant in variants:
        training, scoring = cost(variant)
        both = training.plus(scoring)
        seconds = {
            **{"hours_two_cores": both.seconds(CORES), "hours_gpu": both.seconds(GPU)},
            **{"scoring_hours_two_cores": scoring.seconds(CORES)},
        }
        row = {
            **{"system": system, "recipe": path.stem, "variant": variant},
            **{"training_pflop": training.operations / 1e15},
            **{"scoring_pflop": scoring.operations / 1e15},
            **{name: float(f"{value / 3600.0:.2g}") for name, value in seconds.items()},
        }
        print(row, flush=True)
        yield row


def _cost(system, path, variant, cost_of_member):
    """Of training and of representing, one trial on the whole dataset."""
    from asdkeras.experiment.import_keras import import_keras
    from asdkeras.experiment.recipe import load_recipe, system_config
    from asdkeras.experiment.run import is_ensemble
    from asdkeras.systems import create

    import_keras()
    configured = create(system, system_config(load_recipe(path, system, variant), path))
    machines, sections = _size_of(path.stem)
    if not is_ensemble(configured):
        return _cost_of_system(configured, path.stem, machines, sections)
    total = NOTHING, NOTHING
    for member, machine_types in configured.members.items():
        share = 1.0 if machine_types is None else len(machine_types) / machines
        parts = (each.times(share) for each in cost_of_member(member))
        total = tuple(one.plus(other) for one, other in zip(total, parts, strict=True))
    return total


def _size_of(dataset):
    """Machine types and sections of a year."""
    from asdkeras.data.manifest import read_manifest

    counts = read_manifest().dataset(dataset.split("_")[0].removeprefix("dcase")).clip_counts
    sections = {(each.machine_type, each.section) for each in counts if each.split == "train"}
    return len({machine_type for machine_type, _ in sections}), len(sections)


def _cost_of_system(system, dataset, machines, sections):
    one, another = _CLIPS_PER_SECTION
    counted = _measured(system, dataset, one)
    others = _measured(system, dataset, another, cost_of=lambda model, training: NOTHING)
    units = {"all": 1, "machine_type": machines, "section": sections}.get(
        system.scope, 2 * machines if dataset >= "dcase2021" else machines
    )
    clips_per_unit = sections * _TRAINING_CLIPS / units
    training = NOTHING
    for phase, (clips, examples, per_example) in counted.phases.items():
        is_fixed = others.phases[phase][1] == examples
        wanted = examples if is_fixed else examples * clips_per_unit / clips
        training = training.plus(per_example.times(3.0 * wanted * units))
    # As many test clips as a fifth to a half of the training clips; each is represented once.
    return training, counted.per_clip.times(1.3 * sections * _TRAINING_CLIPS)


class _Measured(NamedTuple):
    """Phase -> training clips, examples of the whole training, and cost of one forward."""

    phases: dict
    per_clip: Cost


def _measured(system, dataset, clips_per_section, cost_of=graph_cost):
    import tensorflow as tf

    from asdkeras.data.clip_set import ClipSet
    from asdkeras.experiment.training import TaskContext, make_repeatable
    from asdkeras.experiment.units import units_of
    from asdkeras.systems.model_files import TrainedNetwork
    from asdkeras.systems.system import NOTHING_MORE, Fitted

    table, store = _clips(dataset.partition("_")[0].removeprefix("dcase"))
    training = table[table["split"] == "train"]
    number = training.groupby(["machine_type", "section"]).cumcount(ascending=False)
    training = training[number < clips_per_section]  # The last ones are of the target domain.
    _, unit = next(units_of(training, system.scope))
    found = {}

    class Context(TaskContext):
        """Builds what it is asked to train, and takes down how long."""

        def fit(
            self,
            build,
            batches,
            *,
            epochs,
            steps_per_epoch,
            keep_epochs=(),
            log=NOTHING_MORE,
            phase="",
        ):
            for each in self._stores:
                each.open()
            model = build()
            batch = next(iter(batches(0)))
            examples = epochs * steps_per_epoch * len(tf.nest.flatten(batch)[0])
            found[phase] = (examples, cost_of(model, training=True))
            values = dict.fromkeys(log.record, np.ones(steps_per_epoch))
            networks = dict.fromkeys((*keep_epochs, epochs), TrainedNetwork(None, model))
            return Fitted(networks, values)

    make_repeatable(0)
    with tempfile.TemporaryDirectory() as folder:
        everything = ClipSet(training, store, 0)
        with Context(Path(folder), 0, unit, "count", everything) as context:
            models = system.train(ClipSet(unit, store, 0), context)
        costs = [cost_of(each, training=False) for each in system.represent(models).values()]
    phases = {phase: (len(unit), *each) for phase, each in found.items()}
    return _Measured(phases, functools.reduce(Cost.plus, costs, NOTHING))


@functools.cache
def _clips(year):
    """Clip table and store of clips of 10 s, those of a generated corpus five times over."""
    from asdkeras.corpus.mini import generate
    from asdkeras.data.audio import AudioConfig
    from asdkeras.data.clip_table import read_clip_table
    from asdkeras.data.store import open_store

    folder = Path(tempfile.gettempdir()) / f"counted_operations_10s_{year}"
    if not folder.exists():
        generate(folder, year=int(year), size="bench", seed=0, machines=_MACHINE_TYPES)
        for path in folder.rglob("*.wav"):
            samples, rate_hz = soundfile.read(path, dtype="int16")
            soundfile.write(path, np.tile(samples, 5), rate_hz, subtype="PCM_16")
    table = read_clip_table(folder)
    return table, open_store(table, AudioConfig(16_000, "mean", "refuse"), folder / "store")


if __name__ == "__main__":
    main()
