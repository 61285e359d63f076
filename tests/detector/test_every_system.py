"""The detector of every system scores as its run does: found by the `Tiny:` lines of recipes."""

import keras
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from asdkeras.data.store import ClipStore
from asdkeras.detector.detector import Detector
from asdkeras.experiment.run import (
    is_ensemble,
    load_units,
    member_runs,
    system_of,
)
from asdkeras.experiment.unit_scores import section_scorer, sections_of
from asdkeras.score_files import read_metadata, read_trial
from asdkeras.scorers.terms import OfArrays
from tests.recipes.tiny_runs import tiny_runs
from tests.trained_runs import eager_steps

pytestmark = pytest.mark.slow
TOLERANCE = 1e-5  # Of layers against scikit-learn.


@pytest.fixture(autouse=True)
def _without_graphs():
    with eager_steps():
        yield


def trained(run):
    """The run, or the members of an ensemble, with their systems."""
    system = system_of(run)
    if not is_ensemble(system):
        return [(run, system)]
    return [each for member in member_runs(run, system).values() for each in trained(member)]


def is_test_clip(table, section):
    return ((table["split"] == "test") & (table["section"] == section)).to_numpy(bool)


def assert_layers_agree_with_scikit_learn(scorer, arrays, main_score):
    """In every score of a section, on representations of its test clips."""
    names = [name for name, term in scorer.scores.items() if term is not None]
    inputs = {name: keras.Input(each.shape[1:], name=name) for name, each in arrays.items()}
    outputs, _ = scorer.layers(inputs, names)
    found = keras.Model(inputs, outputs)(arrays)
    count = len(next(iter(arrays.values())))
    clips = OfArrays(arrays, np.full(count, False), np.full(count, ""))
    expected, _ = scorer.arrays(clips)
    for name in names:
        # The rest is single precision, where parts of a score nearly cancel.
        rounding = 1e-7 * np.abs(expected[name]).max()
        np.testing.assert_allclose(found[name], expected[name], rtol=TOLERANCE, atol=rounding)
    assert np.ptp(expected[main_score]) > 0.0


@pytest.mark.parametrize("tiny", tiny_runs(), ids=str)
def test_layers_and_detector_score_as_the_run_does(tiny, trained_runs, monkeypatch):
    run = trained_runs.run(tiny)
    seed = run.recipe.seeds[0]
    trial, metadata = (read(run.folder.scores(seed)) for read in (read_trial, read_metadata))
    with monkeypatch.context() as patch:
        patch.delattr(ClipStore, "read")

        detector = Detector.of_run(run.folder.path)

    for member, system in trained(run):
        for unit in load_units(member, system, seed):
            for section in sections_of(unit.table):
                is_test = is_test_clip(unit.table, section.section)
                arrays = {name: each[is_test] for name, each in unit.arrays.items()}
                with threadpool_limits(1):
                    scorer = section_scorer(system, unit, section, seed)
                    assert_layers_agree_with_scikit_learn(scorer, arrays, system.main_score)
    for name, machine in detector.machines.items():
        is_test = is_test_clip(run.table, machine.section)
        np.testing.assert_allclose(trial.thresholds[is_test], machine.threshold, rtol=1e-6)
        found = detector.score([*run.table.loc[is_test, "path"]], machine=name)
        expected = trial.columns.loc[is_test, metadata.main_score]
        # Another batch size sums in another order, and networks of a few steps magnify it.
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * abs(machine.threshold))
    assert max(detector.story["largest_differences"].values()) < TOLERANCE
