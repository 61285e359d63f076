"""What bounds the embedding of clips, and that it computes nothing that only training needs.

    python -m benchmarks.embed

Prints in one run the clips per second of the embedder fed by the store and on clips kept in
memory in batches of several sizes, and the share of this machine's rate of float32 matrix
products that the counted operations amount to, each round measuring all of them. Then which
layers of the classifier the embedder leaves out, whether its graph reads any weight beside the
network's, and which operations take how long. Systems and clips as in
`benchmarks/train_step.py`.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.store import make_repeatable
from benchmarks.train_step import BATCH_SIZE, SYSTEMS, classifier, noise_store, ratios, spread


def main():
    """Print rates, the parts of the graph and the breakdown."""
    options = _options()
    make_repeatable()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        store, _ = noise_store(Path(folder), options.clips, options.clip_length)
        model = classifier(options.system, options.clip_length)
        _report(model, store, options)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--system", choices=SYSTEMS, default="wilkinghoff2024")
    parser.add_argument("--clip-length", type=int, default=160_000, help="samples")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--clips", type=int, default=256, help="per round and measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="for the clips; default: temporary")
    return parser.parse_args()


def _report(model, store, options):
    import numpy as np

    from benchmarks.floating_point import forward_operations, matrix_product_rates
    from benchmarks.operation_times import operation_times, print_shares

    network = model.get_layer("network")
    embedder = _embedder(model)
    waveforms = store.read(np.arange(len(store)), options.clip_length, "start")
    for size in options.batch_sizes:
        embedder.predict_on_batch(waveforms[:size])  # Traces.
    rates = {size: [] for size in options.batch_sizes}
    fed, products = [], []
    for _ in range(options.rounds):
        products.append(matrix_product_rates())
        fed.append(_rates(embedder, store, None, options))
        for size, found in rates.items():
            found.append(_rates(embedder, waveforms, size, options))

    print(f"{options.system}, clips of {options.clip_length} samples")
    _print_rates(rates, fed, products, forward_operations(network))
    _print_graph(model, network, embedder, waveforms[:BATCH_SIZE])
    print(f"time of the operations of a batch of {BATCH_SIZE}, by TensorFlow's profiler:")
    print_shares(operation_times(lambda: embedder.predict_on_batch(waveforms[:BATCH_SIZE])))


def _print_rates(rates, fed, products, operations):
    """A line per batch size; shares by processor time, which other work hardly changes."""
    passed, _ = zip(*fed, strict=True)
    print(f"fed by the store, batches of {BATCH_SIZE:<4d} {spread(passed)} clips/s")
    print(f"counted operations {operations / 1e9:.3f} GFLOP per clip")
    for size, found in rates.items():
        wall, processor = zip(*found, strict=True)
        shares = [
            operations * own / product
            for own, (_, product) in zip(processor, products, strict=True)
        ]
        print(f"in memory, batches of {size:<4d}        {spread(wall)} clips/s; ", end="")
        print(f"fed / this {statistics.median(ratios(passed, wall)):.2f}; ", end="")
        print(f"{statistics.median(processor):.1f} clips per processor second, ", end="")
        print(f"{statistics.median(shares):.2f} of the matrix rate")


def _embedder(model):
    """What the system embeds with: from the waveform to the output of the folded network."""
    import keras

    from asdkeras.networks.folded_for_inference import folded

    network = model.get_layer("network")
    if "log_mel_spectrogram" not in {layer.name for layer in model.layers}:
        return folded(network)
    front_end = model.get_layer("log_mel_spectrogram")
    return folded(keras.Model(front_end.input, network(front_end.output)))


def _rates(embedder, clips, batch_size, options):
    from asdkeras.batches.waveform_batches import inference_batches
    from benchmarks.floating_point import timed

    if batch_size is None:
        batches = inference_batches(clips, options.clip_length, "start", BATCH_SIZE)
    else:
        batches = (
            clips[start : start + batch_size] for start in range(0, options.clips, batch_size)
        )
    seconds = timed(lambda: [embedder.predict_on_batch(batch) for batch in batches])
    return tuple(options.clips / each for each in seconds)


def _print_graph(model, network, embedder, waveforms):
    import tensorflow as tf

    kept = {layer.name for layer in embedder.layers} | {network.name}
    left_out = [layer for layer in model.layers if layer.name not in kept and layer.weights]
    graph = tf.function(lambda batch: embedder(batch, training=False))
    graph = graph.get_concrete_function(waveforms).graph
    own = {variable.ref() for variable in (weight.value for weight in embedder.weights)}
    foreign = [variable.name for variable in graph.variables if variable.ref() not in own]
    changed = [op.name for op in graph.get_operations() if "Assign" in op.type]
    random = [op.name for op in graph.get_operations() if "Random" in op.type]
    print("layers with weights that only training has:", _names(layer.name for layer in left_out))
    print("the embedding graph reads, beside the network's weights:", _names(foreign))
    print("it changes:", _names(changed), "and draws:", _names(random))


def _names(names):
    return ", ".join(names) or "nothing"


if __name__ == "__main__":
    main()
