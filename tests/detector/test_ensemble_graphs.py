"""An ensemble as one graph says what the combined score files of its members say."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from asdkeras.detector import graph
from asdkeras.detector.graph import Place, ScoredRun, score_run
from asdkeras.errors import RecipeError
from asdkeras.systems.system import Ensemble
from tests.clip_table import clip_table

FAN, PUMP = Place("fan", "00"), Place("pump", "00")
SAMPLES = 8


def run_table():
    rows = [
        {"path": f"{machine}_{number}.wav", "machine_type": machine, "split": split}
        for machine in ("fan", "pump")
        for number, split in enumerate(["train"] * 6 + ["test"] * 2)
    ]
    return clip_table(rows, dataset="factory", section="00")


WAVEFORMS = np.random.default_rng(0).normal(size=(20, SAMPLES)).astype("float32")
PROBES = [
    graph.Probe(place, WAVEFORMS[16 + number])
    for number, place in enumerate((FAN, FAN, PUMP, PUMP))
]
MEMBERS = {  # What each makes of a waveform, by NumPy and by Keras.
    "loud": (lambda x: 3.0 + x.max(axis=1), lambda x: 3.0 + keras.ops.max(x, axis=1)),
    "mean": (lambda x: 10.0 * x.mean(axis=1), lambda x: 10.0 * keras.ops.mean(x, axis=1)),
    "last": (lambda x: x[:, -1] - 5.0, lambda x: x[:, -1] - 5.0),
}


def scored_member(name, table):
    """As `score_run` of a system whose answer is `combined`, with `other` beside it."""
    of_arrays, of_tensors = MEMBERS[name]
    scores = of_arrays(WAVEFORMS.astype("float64"))
    columns = pd.DataFrame({"combined": scores, "other": -2.0 * scores}, index=table.index)

    def connect(place, waveform, column=None):
        score = of_tensors(waveform)
        return (-2.0 * score if column == "other" else score), waveform[:, :2]

    thresholds = pd.Series(0.0, table.index)
    heard = dict.fromkeys((FAN, PUMP), (SAMPLES, "start"))
    return ScoredRun(
        table, columns, thresholds, "combined", "combined", connect, heard, (f"note of {name}",)
    )


def by_names(columns, table, constants):
    return pd.Series(columns.iloc[:, 0].median(), table.index)


def ensemble_of(*names, combine="sum", **options):
    members = {name: None for name in names} if not isinstance(names[0], dict) else names[0]
    return Ensemble(
        members=members,
        combine=combine,
        pools_trials=False,
        decide=by_names,
        published_rows={},
        **options,
    )


@pytest.fixture
def scored(monkeypatch):
    """Function from an ensemble to its `ScoredRun`."""

    def score(ensemble, seeds=(0,)):
        table = run_table()
        recipe = SimpleNamespace(system="some2021", variant="together", seeds=seeds)
        run = SimpleNamespace(table=table, recipe=recipe)
        monkeypatch.setattr(graph, "system_of", lambda run: run.system)
        runs = {
            name: SimpleNamespace(table=table, system=SimpleNamespace(name=name), recipe=recipe)
            for name in ensemble.members
        }
        monkeypatch.setattr(graph, "member_runs", lambda run, ensemble: runs)
        monkeypatch.setattr(
            graph,
            "_scored_system",
            lambda run, system, seed, probes, table: scored_member(system.name, table),
        )
        run.system = ensemble
        return score_run(run, 0, PROBES)

    return score


def graph_scores(result, place, waveforms):
    waveform = keras.Input((None,), name="waveform")
    model = keras.Model(waveform, result.connect(place, waveform))
    return [keras.ops.convert_to_numpy(each) for each in model(waveforms)]


@pytest.mark.parametrize("normalize", ["none", "section", "section_and_domain"])
@pytest.mark.parametrize("combine", ["sum", "mean", "median", "maximum"])
def test_a_probe_scores_alike_in_the_graph_and_in_score_files(scored, combine, normalize):
    result = scored(ensemble_of("loud", "mean", "last", combine=combine, normalize=normalize))

    for place, rows in ((FAN, slice(16, 18)), (PUMP, slice(18, 20))):
        found, embedding = graph_scores(result, place, WAVEFORMS[rows])
        expected = result.columns[result.answer].to_numpy()[rows]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        np.testing.assert_array_equal(embedding, WAVEFORMS[rows, :2])
    assert list(result.table["split"][-4:]) == ["test"] * 4
    assert result.table["domain"][-4:].isna().all()


def test_members_count_by_their_weights_and_where_they_score(scored):
    ensemble = ensemble_of(
        {"loud": ("fan",), "mean": None},
        combine="mean",
        weights={"loud": {"fan": 3.0}, "mean": {"fan": 1.0}},
    )

    result = scored(ensemble)

    loud, mean = (MEMBERS[name][0](WAVEFORMS.astype("float64")) for name in ("loud", "mean"))
    found, _ = graph_scores(result, FAN, WAVEFORMS)
    np.testing.assert_allclose(found, 0.75 * loud + 0.25 * mean, rtol=1e-5)
    found, _ = graph_scores(result, PUMP, WAVEFORMS)
    np.testing.assert_allclose(found, mean, rtol=1e-5)
    expected = result.columns[result.answer].to_numpy()[16:]
    np.testing.assert_allclose(
        [*(0.75 * loud + 0.25 * mean)[16:18], *mean[18:]], expected, rtol=1e-5
    )


def test_another_column_of_a_member_may_be_the_answer(scored):
    result = scored(ensemble_of("loud", answer="other"))

    found, _ = graph_scores(result, FAN, WAVEFORMS)

    np.testing.assert_allclose(found, -2.0 * MEMBERS["loud"][0](WAVEFORMS), rtol=1e-5)
    assert result.answer == result.decision_score == "other"


def test_trials_may_count_like_members(scored):
    ensemble = dataclasses.replace(ensemble_of("loud"), pools_trials=True)

    result = scored(ensemble, seeds=(0, 1))

    found, _ = graph_scores(result, FAN, WAVEFORMS)
    np.testing.assert_allclose(found, 2.0 * MEMBERS["loud"][0](WAVEFORMS), rtol=1e-5)


def test_thresholds_are_those_of_the_ensemble(scored):
    result = scored(ensemble_of("loud", "mean", oracle=("chosen by labels",)))

    assert result.thresholds.iloc[-1] == pytest.approx(result.columns["combined"].median())
    assert result.notes == ("chosen by labels", "note of loud", "note of mean")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"combine": "rank"}, "ranks among the test clips"),
        ({"normalize": "section", "normalize_on": "test"}, "normalizes by the test clips"),
        ({"best_from_labels": (1,)}, "lets labels of test clips choose"),
        ({"weights_from_labels": True}, "lets labels of test clips choose"),
    ],
)
def test_scores_that_depend_on_other_test_clips_are_refused(scored, options, reason):
    with pytest.raises(RecipeError, match=f"some2021 together {reason}"):
        scored(ensemble_of("loud", "mean", **options))
