"""What repeatable training costs: time of a training step with and without it, in turn.

    python -m benchmarks.determinism_cost

The network, loss and batch size are those of the recipe `wilkinghoff2021/mini`. On CPUs
nearly all operations repeat anyway; on a GPU the cost must be measured there.
"""

import argparse
import statistics
import subprocess
import sys
import time

STEPS, ROUNDS, BATCH_SIZE = 8, 3, 64


def seconds_per_step(is_repeatable):
    """Median time of a training step, after one that traces the graph."""
    import keras
    import numpy as np
    import tensorflow as tf

    from asdkeras.layers.log_mel_spectrogram import LogMelSpectrogram
    from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
    from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos
    from asdkeras.networks.wilkinghoff_resnet import wilkinghoff_resnet

    keras.utils.set_random_seed(0)
    if is_repeatable:
        tf.config.experimental.enable_op_determinism()
    waveform, label = keras.Input((160_000,)), keras.Input((6,))
    embedding = wilkinghoff_resnet(LogMelSpectrogram(16_000)(waveform), 1e-5)
    model = keras.Model([waveform, label], SubClusterAdaCos(6, 16)(embedding, label))
    model.compile("adam", MixedCrossEntropy("log"))

    rng = np.random.default_rng(0)
    waveforms = rng.normal(size=(BATCH_SIZE, 160_000)).astype("float32")
    labels = np.eye(6, dtype="float32")[rng.integers(6, size=BATCH_SIZE)]
    times = []
    for _ in range(STEPS + 1):
        start = time.perf_counter()
        model.train_on_batch([waveforms, labels], labels)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main():
    """Print the times of both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", choices=("repeatable", "free"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(seconds_per_step(arguments.child == "repeatable"))
        return
    times = {"repeatable": [], "free": []}
    for _ in range(ROUNDS):
        for kind, found in times.items():
            command = [sys.executable, "-m", "benchmarks.determinism_cost", "--child", kind]
            answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found.append(float(answer.stdout))
    ratios = [a / b for a, b in zip(times["repeatable"], times["free"], strict=True)]
    for kind, found in times.items():
        print(f"{kind:10s} {', '.join(f'{t:.3f}' for t in found)} s per step of {BATCH_SIZE} clips")
    print(f"ratio      {', '.join(f'{r:.2f}' for r in ratios)}")
    print(f"median of the ratios {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
