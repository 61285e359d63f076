"""What each fast form of a training step and of embedding is worth on this machine.

    python -m benchmarks.side_by_side

The step of the AdaProj classifier on one batch in memory, in turn with the same step without each
fast form, with the same step in bfloat16, and with the step that the store feeds. Then the
same for embedding. Every round measures one step of each. A ratio above 1 says how many times
as long it takes without the form, by wall and by processor time; the latter is hardly changed by
other work on the machine. Clips are noise, as in `benchmarks/train_step.py`.
"""

import argparse
import contextlib
import statistics
import tempfile
from pathlib import Path
from unittest import mock

import keras
import numpy as np
from keras import layers, ops

from asdkeras.losses import ada_proj
from asdkeras.losses.cosines import unit_vectors
from asdkeras.mixed_precision import networks_in
from asdkeras.networks import wilkinghoff_two_branch
from asdkeras.networks.folded_for_inference import folded
from asdkeras.systems import wilkinghoff2024
from benchmarks.floating_point import timed
from benchmarks.store import make_repeatable
from benchmarks.train_step import classifier, fed_batches, noise_batch

_AS_IT_IS = "as it is"


def projection_written_out(embeddings, centers, num_classes):
    """`cosines_to_projections` by the projections themselves, `(batch, dim, classes, J)`."""
    dim = centers.shape[0]
    centers = ops.reshape(unit_vectors(centers, axis=0), (1, dim, num_classes, -1))
    embeddings = unit_vectors(embeddings, axis=-1)[:, :, None, None]
    shadows = ops.sum(embeddings * centers, axis=1, keepdims=True) * centers
    projections = unit_vectors(ops.sum(shadows, axis=-1), axis=1)
    return ops.sum(embeddings[..., 0] * projections, axis=1)


def _in_network(**replaced):
    return mock.patch.multiple(wilkinghoff_two_branch, **replaced)


STEPS = {
    _AS_IT_IS: contextlib.nullcontext,
    "separate batch normalization": lambda: _in_network(
        FusedBatchNormalization=layers.BatchNormalization
    ),
    "convolutions not on blocks": lambda: _in_network(
        BlockwiseConv1D=layers.Conv1D, BlockwiseConv2D=layers.Conv2D
    ),
    "projections written out": lambda: mock.patch.object(
        ada_proj, "cosines_to_projections", projection_written_out
    ),
    "Adam of Keras": lambda: mock.patch.object(wilkinghoff2024, "FusedAdam", keras.optimizers.Adam),
    "mixed_bfloat16": lambda: networks_in("mixed_bfloat16"),
}
EMBEDDERS = {
    _AS_IT_IS: (_AS_IT_IS, folded),
    "not folded": (_AS_IT_IS, lambda network: network),
    "not folded, separate": ("separate batch normalization", lambda network: network),
    "not folded, not on blocks": ("convolutions not on blocks", lambda network: network),
    "mixed_bfloat16": ("mixed_bfloat16", folded),
}


def main():
    """Print two tables."""
    options = _options()
    make_repeatable()
    batch = noise_batch(options.batch_size, options.clip_length)
    with tempfile.TemporaryDirectory() as folder:
        stream = iter(fed_batches(Path(folder), options))
        models = {name: _model(name, options.clip_length, batch) for name in STEPS}
        runs = {name: _step(model, lambda: batch) for name, model in models.items()}
        runs["fed by the store"] = _step(models[_AS_IT_IS], lambda: next(stream))
        print(f"step, batches of {options.batch_size} clips of {options.clip_length} samples")
        _print(_measured(runs, options.rounds))
    print("embedding the same batch")
    waveforms = batch[0]["waveform"]
    runs = {
        name: _embedding(wrap(models[step].get_layer("network")), waveforms)
        for name, (step, wrap) in EMBEDDERS.items()
    }
    _print(_measured(runs, options.rounds))


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clip-length", type=int, default=160_000, help="samples")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.set_defaults(system="wilkinghoff2024")
    return parser.parse_args()


def _model(name, clip_length, batch):
    keras.utils.set_random_seed(0)
    with STEPS[name]():
        model = classifier("wilkinghoff2024", clip_length)
        for _ in range(2):  # The first traces.
            model.train_on_batch(*batch)
    return model


def _step(model, next_batch):
    return lambda: model.train_on_batch(*next_batch())


def _embedding(network, waveforms):
    return lambda: network.predict_on_batch(waveforms)


def _measured(runs, rounds):
    """Name -> wall and processor seconds of each round."""
    for run in runs.values():
        for _ in range(2):  # Traces, and fills the read-ahead.
            run()
    times = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(timed(run))
    return {name: np.array(each) for name, each in times.items()}


def _print(times):
    print(f"  {'':30s}{'wall s':>8s}{'ratio':>7s}{'processor s':>13s}{'ratio':>7s}   range")
    for name, own in times.items():
        ratios = own / times[_AS_IT_IS]
        (wall, processor), (of_wall, of_processor) = (
            map(statistics.median, each.T) for each in (own, ratios)
        )
        least, most = ratios[:, 1].min(), ratios[:, 1].max()
        print(
            f"  {name:30s}{wall:8.2f}{of_wall:7.2f}{processor:13.2f}{of_processor:7.2f}"
            f"   {least:.2f} to {most:.2f}"
        )


if __name__ == "__main__":
    main()
