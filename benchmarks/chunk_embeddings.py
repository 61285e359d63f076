"""Embeddings of the 282 chunks of a clip: chunk by chunk, and with what the chunks share.

    python -m benchmarks.chunk_embeddings --rounds 2

`shared` is the layer `ChunkEmbeddings` on the network of Venkatesh et al. 2022 (1,059,584
trainable weights, here random). `batched` is the same layer on the same network in a wrapping
that it does not recognize, so every chunk passes through the network as a whole; `folded` is that
with batch normalizations folded as in other networks. Every approach and number of chunks at once
runs in a process of its own, in turn. One row each: clips per second, processor seconds per clip
(which other work on the machine changes less), peak memory of the process (about 600 MiB of it
TensorFlow, and `--clips` spectrograms), and the largest difference of every eleventh chunk of the
first clip from the network called on it alone, divided by the largest absolute value.
"""

import argparse
import json
import resource
import subprocess
import sys

import numpy as np

NUM_FRAMES, BINS, FRAMES, DIM = 32, 1025, 313, 128
APPROACHES = ("shared", "folded", "batched")
_EVERY = 11  # Chunks that are compared.


def random_network():
    """The network with two embeddings, as far from its initial values as a trained one."""
    import keras

    from asdkeras.networks.mobile_face_net import linear_embedding, mobile_face_net

    spectrograms = keras.Input((NUM_FRAMES, BINS))
    features = mobile_face_net(spectrograms)
    embeddings = [linear_embedding(features, DIM) for _ in range(2)]
    network = keras.Model(spectrograms, keras.ops.concatenate(embeddings, axis=1))
    rng = np.random.default_rng(0)
    for weight in network.weights:
        noise = rng.normal(size=weight.shape)
        if weight.path.endswith("variance"):
            weight.assign(0.5 + np.abs(noise))
        elif weight.path.endswith(("gamma", "alpha")):
            weight.assign(np.asarray(weight) + 0.2 * noise)
        elif weight.path.endswith(("beta", "mean")):
            weight.assign(0.2 * noise)
    return network


def worker(options):
    """Print what one approach took."""
    import keras
    import tensorflow as tf

    from asdkeras.networks.chunk_embeddings import chunk_embeddings
    from asdkeras.networks.folded_for_inference import folded
    from benchmarks.floating_point import timed

    network = random_network()
    called = network
    if options.worker == "folded":
        called = folded(network)
    elif options.worker == "batched":
        called = keras.Sequential([keras.Input((NUM_FRAMES, BINS)), network])
    clips = np.random.default_rng(1).random((options.clips, FRAMES, BINS), dtype="float32")
    spectrograms = keras.Input((FRAMES, BINS))
    (chunks_at_once,) = options.chunks_at_once
    embeddings = chunk_embeddings(
        called, spectrograms, hop=options.hop, chunks_at_once=chunks_at_once
    )
    model = keras.Model(spectrograms, embeddings)
    specification = tf.TensorSpec((None, FRAMES, BINS), tf.float32)
    graph = tf.function(lambda x: model(x, training=False), input_signature=[specification])
    found = graph(clips[:1]).numpy()[0]  # Traces.
    times = [timed(lambda: graph(clips).numpy()) for _ in range(options.rounds)]
    wall, processor = np.median(times, axis=0) / options.clips
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    starts = range(0, FRAMES - NUM_FRAMES + 1, options.hop)[::_EVERY]
    chunks = np.stack([clips[0, start : start + NUM_FRAMES] for start in starts])
    expected = network.predict(chunks, batch_size=1, verbose=0)
    difference = np.abs(found[::_EVERY] - expected).max() / np.abs(expected).max()
    row = {"wall": wall, "processor": processor, "peak": peak_mib, "difference": difference}
    print(json.dumps({name: float(value) for name, value in row.items()}))


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken")
    parser.add_argument("--clips", type=int, default=2, help="per round")
    parser.add_argument("--hop", type=int, default=1, help="frames from one chunk to the next")
    parser.add_argument("--chunks-at-once", type=int, nargs="+", default=[16, 32, 94, 282])
    parser.add_argument("--worker", choices=APPROACHES)
    options = parser.parse_args()
    if options.worker:
        worker(options)
        return
    print("| chunks at once | approach | clips/s | processor s per clip | peak MiB | difference |")
    print("|---|---|---|---|---|---|")
    for size in options.chunks_at_once:
        for approach in APPROACHES:
            command = [sys.executable, "-m", "benchmarks.chunk_embeddings", "--worker", approach]
            for name in ("rounds", "clips", "hop"):
                command += [f"--{name}", str(getattr(options, name))]
            command += ["--chunks-at-once", str(size)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            row = json.loads(answer.stdout.splitlines()[-1])
            print(
                f"| {size} | {approach} | {1 / row['wall']:.3f} | {row['processor']:.2f} "
                f"| {row['peak']:.0f} | {row['difference']:.1e} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
