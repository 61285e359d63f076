"""What bounds a training step: pipeline, Fourier transforms, Python or convolutions.

    python -m benchmarks.train_step
    python -m benchmarks.train_step --backend jax --precision mixed_bfloat16

Prints in one run the clips per second of the step fed by the store, of the same step on one
batch kept in memory, and the share of this machine's rate of float32 matrix products that
the counted operations of the step amount to (`benchmarks/floating_point.py` says what is
counted). Each round measures all three, so their ratios stand even where other work slows
the machine down, and processor time, which other work hardly changes, stands beside. Then
TensorFlow's own record of one step says which operations take how long.

The clips are noise, in a store that is in the page cache (`benchmarks/store.py` measures what
a disk does), of 167 classes. `wilkinghoff2024` is the classifier of its recipe `dcase2022`: AdaProj
with fixed centers, mixup of waveforms. `wilkinghoff2021` has two heads of sub-cluster AdaCos
with 16 sub-clusters, and mixes features.

With `--backend jax` the same networks, heads, losses and optimizer run on JAX, on a GPU where
there is one and compiled as a whole, on one batch in memory; operations are counted by XLA. JAX
is not installed with the package. `--precision` is that of the networks.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.store import make_repeatable
from tests.sparse_dataset import CONFIG, write_filled_dataset

BATCH_SIZE = 64
NUM_CLASSES = 167
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
SYSTEMS = {
    "wilkinghoff2024": ("waveform", ["classes"]),
    "wilkinghoff2021": ("features", ["sections", "attributes"]),
}


def main():
    """Print rates, their ratios and the breakdown."""
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend  # Before anything imports Keras.
    if options.backend == "jax":
        _report_of_jax(options)
        return
    make_repeatable()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        stream = iter(fed_batches(Path(folder), options))
        _report(_classifier(options), stream, options)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--system", choices=SYSTEMS, default="wilkinghoff2024")
    parser.add_argument("--clip-length", type=int, default=160_000, help="samples")
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=2, help="per round and measurement")
    parser.add_argument("--folder", type=Path, help="for the clips; default: temporary")
    parser.add_argument("--backend", choices=["tensorflow", "jax"], default="tensorflow")
    parser.add_argument("--precision", choices=PRECISIONS, default=PRECISIONS[0])
    return parser.parse_args()


def _classifier(options):
    from asdkeras.mixed_precision import networks_in

    with networks_in(options.precision):
        return classifier(options.system, options.clip_length)


def _report_of_jax(options):
    import jax
    import keras

    keras.utils.set_random_seed(0)
    model = _classifier(options)
    inputs, targets = noise_batch(options.batch_size, options.clip_length, options.system)
    batch = jax.device_put(inputs), jax.device_put(targets)
    network = model.get_layer("network")
    values = jax.numpy.zeros((options.batch_size, *network.input_shape[1:]))
    forward = jax.jit(lambda x: network(x, training=False)).lower(values).compile()
    operations = 3.0 * forward.cost_analysis()["flops"]
    for _ in range(2):  # The first compiles.
        model.train_on_batch(*batch)
    seconds = []
    for _ in range(options.rounds):
        started = time.perf_counter()
        for _ in range(options.steps):
            model.train_on_batch(*batch)  # Its loss comes back, so the step is done.
        seconds.append((time.perf_counter() - started) / options.steps)
    steps = [options.batch_size / each for each in seconds]
    half = "float32" if options.precision == "float32" else options.precision.removeprefix("mixed_")
    product = _jax_product_rate(half)
    print(f"{options.system} on {jax.devices()[0].device_kind}, {options.precision}")
    print(f"step on one batch of {options.batch_size:<4d}        {spread(steps)} clips/s")
    print(f"step                             {spread(seconds, 1e-3)} ms")
    print(f"matrix products in {half:14s}{product / 1e12:8.2f} TFLOP/s")
    print(f"counted operations               {operations / options.batch_size / 1e9:8.3f} GFLOP")
    shares = [operations / each / product for each in seconds]
    print(f"share of the matrix rate         {spread(shares)}")


def _jax_product_rate(dtype, size=4096, repeats=20):
    """Operations per second of matrix products on the device."""
    import jax

    matrix = jax.numpy.ones((size, size), dtype)
    product = jax.jit(jax.numpy.matmul)
    product(matrix, matrix).block_until_ready()
    started = time.perf_counter()
    for _ in range(repeats):
        result = product(matrix, matrix)
    result.block_until_ready()
    return repeats * 2 * size**3 / (time.perf_counter() - started)


def _report(model, stream, options):
    from benchmarks.floating_point import matrix_product_rates, timed, training_operations
    from benchmarks.operation_times import operation_times, print_shares

    first = next(stream)
    for _ in range(2):  # Traces, and fills the read-ahead.
        model.train_on_batch(*first)

    def rates(next_batch):
        def steps():
            for _ in range(options.steps):
                model.train_on_batch(*next_batch())

        return tuple(options.steps * options.batch_size / seconds for seconds in timed(steps))

    found = {"fed": [], "alone": [], "product": []}
    for _ in range(options.rounds):
        found["product"].append(matrix_product_rates())
        found["alone"].append(rates(lambda: first))
        found["fed"].append(rates(lambda: next(stream)))
    print(
        f"{options.system}, clips of {options.clip_length} samples, batches of {options.batch_size}"
    )
    _print_rates(found, training_operations(model.get_layer("network")))
    print("time of the operations of a step, by TensorFlow's profiler:")
    print_shares(operation_times(lambda: model.train_on_batch(*first)))


def _print_rates(found, operations):
    fed, alone, product = (list(zip(*values, strict=True)) for values in found.values())
    print(f"step fed by the store            {spread(fed[0])} clips/s")
    print(f"step on one batch in memory      {spread(alone[0])} clips/s")
    print(f"ratio in the same round          {spread(ratios(fed[0], alone[0]))}")
    print(f"step on one batch                {spread(alone[1])} clips per processor second")
    print(f"matrix products                  {spread(product[0], 1e9)} GFLOP/s")
    print(f"counted operations               {operations / 1e9:8.3f} GFLOP per clip")
    print(f"share of the matrix rate         {spread(ratios(alone[0], product[0], operations))}")
    print(f"the same by processor time       {spread(ratios(alone[1], product[1], operations))}")


def ratios(values, others, factor=1):
    """Quotients of the same round."""
    return [factor * value / other for value, other in zip(values, others, strict=True)]


def spread(values, unit=1):
    """Median and range."""
    low, high = min(values) / unit, max(values) / unit
    return f"{statistics.median(values) / unit:8.2f}  ({low:.2f} to {high:.2f})"


def noise_store(folder, num_clips, clip_length):
    """Store of so many clips of noise, and its clip table."""
    from asdkeras.data.clip_table import read_clip_table
    from asdkeras.data.store import open_store

    write_filled_dataset(folder / "data", num_clips=num_clips, clip_length=clip_length)
    table = read_clip_table(folder / "data")
    return open_store(table, CONFIG, folder / "store"), table


def noise_batch(batch_size, clip_length, system="wilkinghoff2024"):
    """Inputs and targets of a step, in memory."""
    import numpy as np

    rng = np.random.default_rng(0)
    _, heads = SYSTEMS[system]
    waveforms = 0.1 * rng.standard_normal((batch_size, clip_length), dtype="float32")
    labels = np.eye(NUM_CLASSES, dtype="float32")[rng.integers(NUM_CLASSES, size=batch_size)]
    inputs = {"waveform": waveforms, "weight": np.ones((batch_size, 1), "float32")}
    return inputs | {f"{name}_label": labels for name in heads}, dict.fromkeys(heads, labels)


def fed_batches(folder, options):
    """Batches of a store of noise, in an endless dataset."""
    import numpy as np

    from asdkeras.batches.mixup import Mixup
    from asdkeras.batches.steps import Schedule
    from asdkeras.batches.waveform_batches import training_batches
    from asdkeras.data.labels import Labels

    mixed_on, heads = SYSTEMS[options.system]
    store, table = noise_store(folder, 4 * options.batch_size, options.clip_length)
    indices = np.random.default_rng(0).integers(NUM_CLASSES, size=len(table))
    labels = Labels(tuple(str(number) for number in range(NUM_CLASSES)), indices)
    return training_batches(
        store,
        options.clip_length,
        "start",
        dict.fromkeys(heads, labels),
        Mixup(mixed_on, 1.0, "linear"),
        Schedule(options.batch_size, 0, 0, 10_000),
    )


def classifier(system, clip_length):
    """The compiled model of the system; the layer `network` is what embeds."""
    if system == "wilkinghoff2021":
        return _classifier_of_2021(clip_length)
    from asdkeras import systems
    from asdkeras.experiment.recipe import find_recipe, load_recipe, system_config

    source = find_recipe(system, "dcase2022", None)
    recipe = load_recipe(source, system, None, [f"config.clip_length={clip_length}"])
    classifying = systems.create(system, system_config(recipe, source))
    return classifying.build(None, {"classes": NUM_CLASSES}, None)


def _classifier_of_2021(clip_length):
    """As the system builds it, but for the statistics of the clips that it standardizes by."""
    import keras

    from asdkeras.layers.log_mel_spectrogram import LogMelSpectrogram
    from asdkeras.layers.mix_with_reversed import MixWithReversed
    from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
    from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos
    from asdkeras.networks.wilkinghoff_resnet import wilkinghoff_resnet

    waveform = keras.Input((clip_length,), name="waveform")
    weight = keras.Input((1,), name="weight")
    _, heads = SYSTEMS["wilkinghoff2021"]
    labels = {name: keras.Input((NUM_CLASSES,), name=f"{name}_label") for name in heads}
    features = LogMelSpectrogram(16_000, name="log_mel_spectrogram")(waveform)
    bands = keras.Input(features.shape[1:])
    network = keras.Model(bands, wilkinghoff_resnet(bands), name="network")
    embedding = network(MixWithReversed()(features, weight))
    logits = {
        name: SubClusterAdaCos(NUM_CLASSES, 16, name=name)(embedding, label)
        for name, label in labels.items()
    }
    inputs = {"waveform": waveform, "weight": weight}
    model = keras.Model(inputs | {f"{name}_label": y for name, y in labels.items()}, logits)
    model.compile("adam", {name: MixedCrossEntropy("log") for name in logits})
    return model


if __name__ == "__main__":
    main()
