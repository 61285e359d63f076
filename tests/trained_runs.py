"""Corpora and runs of a session, each made once for all tests in all its processes.

The folder of a run is its own cache: what is there is found by the digest of its recipe. All lie
below the temporary folder of the session, so that none outlives the code that made it. Who
changes a run changes a copy.
"""

import contextlib
import dataclasses
import fcntl
import os

import keras
import pytest
import tensorflow as tf

from asdkeras.corpus.mini import generate
from asdkeras.data.clip_table import clip_table, find_clips
from asdkeras.experiment.open_run import run_on_clips
from asdkeras.experiment.recipe import load_recipe
from asdkeras.experiment.run import score


@contextlib.contextmanager
def eager_steps():
    """A few steps are done sooner than the graph of one is traced."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextlib.contextmanager
def statistics_of_the_last_batch():
    """A few steps hardly move averages, with which a deep network gives all clips one value."""
    plain = keras.layers.BatchNormalization.__init__

    def init(self, *arguments, **options):
        plain(self, *arguments, **{**options, "momentum": 0.0})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.layers.BatchNormalization, "__init__", init)
        yield


def run_of_few_clips(tiny, corpus, runs):
    """The run of a `TinyRun` on a few fans, in this process; test clips are of no known label."""
    options = tiny.parsed()
    table, _ = clip_table(corpus, find_clips(corpus), ["fan"])
    table = table.groupby(["section", "split", "domain"]).head(4).reset_index(drop=True)
    table.loc[table["split"] == "test", ["domain", "is_anomalous"]] = None
    run = run_on_clips(
        tiny.system, table, corpus, variant=options.variant, overrides=options.set, runs=runs
    )
    return dataclasses.replace(run, is_in_process=True)


class TrainedRuns:
    """Makes what is asked for, unless it is there.

    Attributes:
        root: folder that all processes of the session share.
    """

    def __init__(self, tmp_path_factory):
        base = tmp_path_factory.getbasetemp()
        is_worker = "PYTEST_XDIST_WORKER" in os.environ
        self.root = (base.parent if is_worker else base) / "shared"

    @contextlib.contextmanager
    def _alone(self, name):
        self.root.mkdir(exist_ok=True)
        with (self.root / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def corpus(self, year):
        """The folder of the tiny corpus of a year with seed 0."""
        with self._alone(f"corpus{year}"):
            return generate(self.root / f"corpus{year}", year=year, size="tiny", seed=0)

    def run(self, tiny):
        """The scored run of a `tests.recipes.tiny_runs.TinyRun`.

        On a few fans of the last year whose machines have several sections. Test clips are of no
        known domain or label, as those of a detector.
        """
        options = tiny.parsed()
        recipe = load_recipe(tiny.recipe, tiny.system, options.variant, options.set)
        of_all_variants = {**recipe.config, "variant": ""}
        digest = dataclasses.replace(recipe, config=of_all_variants, seeds=(0,)).digest()
        name = f"{tiny.system}_{digest[:12]}"
        corpus = self.corpus(2022)
        with (
            self._alone(name),
            pytest.MonkeyPatch.context() as patch,
            eager_steps(),
            statistics_of_the_last_batch(),
        ):
            patch.setenv("ASDKERAS_CACHE", str(self.root / f"{name}_cache"))
            run = run_of_few_clips(tiny, corpus, self.root / name)
            score(run)
        return run
