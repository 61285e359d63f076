"""An ensemble as one graph scores as the combined score files of its members do."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from asdkeras.detector import graph
from asdkeras.detector.graph import SectionGraph, section_graphs
from asdkeras.errors import RecipeError
from asdkeras.experiment import run as runs
from asdkeras.experiment.open_run import RunFiles
from asdkeras.experiment.recipe import find_recipe, load_recipe
from asdkeras.experiment.run import member_runs
from asdkeras.experiment.run_folder import RunFolder, finish_trial
from asdkeras.experiment.unit_scores import Section
from asdkeras.score_files import TrialMetadata, TrialScores, read_metadata, read_trial
from asdkeras.scorers import section_standardization
from asdkeras.scorers.combination import Combination
from asdkeras.scorers.thresholds import ThresholdRule
from asdkeras.systems.system import Ensemble
from tests.clip_table import clip_table

FAN, PUMP = Section("fan", "00"), Section("pump", "00")
SAMPLES = 8
TABLE = clip_table(
    [
        {"path": f"{machine}_{number}.wav", "machine_type": machine, "domain": domain}
        | {"split": "test" if domain is None else "train"}
        for machine in ("fan", "pump")
        for number, domain in enumerate(["source"] * 3 + ["target"] * 3 + [None] * 2)
    ],
    dataset="factory",
    section="00",
)
WAVEFORMS = np.random.default_rng(0).normal(size=(16, SAMPLES)).astype("float32")
MEMBERS = {  # What each makes of a waveform, by NumPy and by Keras.
    "loud": (lambda x: 3.0 + x.max(axis=1), lambda x: 3.0 + keras.ops.max(x, axis=1)),
    "mean": (lambda x: 10.0 * x.mean(axis=1), lambda x: 10.0 * keras.ops.mean(x, axis=1)),
    "last": (lambda x: x[:, -1] - 5.0, lambda x: x[:, -1] - 5.0),
}
LENGTHS = {"loud": (SAMPLES, "end"), "mean": (4, "start"), "last": (2, "start")}


def scores_of(member, seed=0):
    """Its scores of all clips; every trial has others."""
    return (1.0 + seed) * MEMBERS[member][0](WAVEFORMS.astype("float64"))


def member_graphs(run, seed, sections, score):
    """As `section_graphs` of a member, beside whose main score there is `other`."""
    of_arrays, of_tensors = MEMBERS[run.recipe.variant]
    clip_length, keep = LENGTHS[run.recipe.variant]
    factor = (1.0 + seed) * (-2.0 if score == "other" else 1.0)
    for section in sections:
        yield (
            section,
            SectionGraph(
                clip_length,
                keep,
                sample_rate_hz=16_000,
                threshold=0.0,
                connect=lambda waveforms: (
                    factor * of_tensors(waveforms),
                    waveforms[:, :clip_length],
                ),
                score=lambda waveforms: factor * np.stack([of_arrays(waveforms)] * 2),
            ),
        )


def ensemble_of(*names, members=None, weights=None, pools_trials=False, **combination):
    rule = ThresholdRule("section", "percentile", 90.0)
    return Ensemble(
        members or dict.fromkeys(names),
        Combination(**{"how": "sum", **combination}),
        lambda columns, table, score: rule.thresholds(columns[score], table),
        weights=weights or {},
        pools_trials=pools_trials,
    )


@pytest.fixture
def combined(tmp_path, monkeypatch):
    """Function from an ensemble to its graphs, its trial and the scores that are the main ones."""

    def combine(ensemble, seeds=(0,), held_out=None, rule="paper"):
        changes = [
            *("config.variant=together", f"seeds={list(seeds)}", f"thresholds.rule={rule}"),
            "thresholds.false_alarm_rate=0.4",
        ]
        recipe = load_recipe(find_recipe("baseline2023", "factory", None), overrides=changes)
        folder = RunFolder(tmp_path / "together" / "factory", recipe.digest(), "")
        run = RunFiles(recipe, tmp_path, TABLE, folder)
        for name, machine_types in ensemble.members.items():
            member = dataclasses.replace(
                folder,
                path=tmp_path / name / "factory",
                machine_types=machine_types or folder.machine_types,
            )
            for seed in seeds:
                scores = scores_of(name, seed)
                columns = pd.DataFrame({"score": scores, "other": -2.0 * scores})
                nothing = pd.Series(0, TABLE.index)
                trial = TrialScores(TABLE, columns, nothing, nothing, held_out)
                metadata = TrialMetadata("score", "score", ("score",), {})
                finish_trial(member, seed, trial, None, metadata)
        runs._combine_trials(run, ensemble, member_runs(run, ensemble))
        alone = SimpleNamespace(main_score="score", needs_labels=lambda name: False)
        of_variant = {"together": ensemble}
        monkeypatch.setattr(
            graph, "system_of", lambda run: of_variant.get(run.recipe.variant, alone)
        )
        monkeypatch.setattr(graph, "section_graphs", member_graphs)
        scores = run.folder.scores(seeds[0])
        trial, main_score = read_trial(scores), read_metadata(scores).main_score
        graphs = dict(section_graphs(run, seeds[0], [FAN, PUMP]))
        return graphs, trial, trial.columns[main_score].to_numpy()

    return combine


def assert_scores(section_graph, rows, expected):
    """By layers, and by NumPy."""
    waveform = keras.Input((SAMPLES,), name="waveform")
    model = keras.Model(waveform, section_graph.connect(waveform))
    found, embedding = map(keras.ops.convert_to_numpy, model(WAVEFORMS[rows]))
    # Single precision, of scores of about 10 before they are standardized.
    np.testing.assert_allclose(found, expected[rows], rtol=1e-5, atol=1e-6)
    of_arrays = section_graph.score(WAVEFORMS[rows].astype("float64"))
    np.testing.assert_allclose(of_arrays, [expected[rows]] * 2, rtol=1e-10)
    return embedding


@pytest.mark.parametrize("normalize", ["none", "section", "section_and_domain"])
@pytest.mark.parametrize("how", ["sum", "mean", "median", "maximum"])
def test_graph_and_score_files_agree_on_clips_of_unknown_domain(combined, how, normalize):
    graphs, _, expected = combined(
        ensemble_of("loud", "mean", "last", how=how, normalize=normalize)
    )

    for section, rows in ((FAN, slice(6, 8)), (PUMP, slice(14, 16))):
        embedding = assert_scores(graphs[section], rows, expected)
        np.testing.assert_array_equal(embedding, WAVEFORMS[rows])  # That of the first member.


@pytest.mark.parametrize("scope", ["section", "section_and_domain"])
def test_constants_of_a_graph_are_those_of_clips_its_members_have_not_learned_from(
    combined, scope, monkeypatch
):
    """Of three clips of each section, where these suffice."""
    monkeypatch.setattr(section_standardization, "LEAST_CLIPS", 3)
    held_out = pd.Series(False, TABLE.index)
    held_out[[0, 3, 5, 8, 9, 12]] = True
    options = {"normalize": scope, "normalize_on": "held_out"}

    graphs, _, expected = combined(ensemble_of("loud", "mean", **options), held_out=held_out)

    scores = [scores_of(name) for name in ("loud", "mean")]
    fan = sum((each - each[[0, 3, 5]].mean()) / each[[0, 3, 5]].std() for each in scores)
    np.testing.assert_allclose(expected[6:8], fan[6:8], rtol=1e-12)
    assert_scores(graphs[FAN], slice(6, 8), fan)
    assert_scores(graphs[PUMP], slice(14, 16), expected)


def test_members_count_by_their_weights_and_where_they_score(combined):
    graphs, _, expected = combined(
        ensemble_of(
            members={"last": ("fan",), "mean": None, "loud": None},
            how="mean",
            weights={"last": {"fan": 3.0}, "loud": {"fan": 0.0, "pump": 0.0}},
        )
    )

    last, mean = scores_of("last"), scores_of("mean")
    wanted = np.where(TABLE["machine_type"] == "fan", 0.75 * last + 0.25 * mean, mean)
    np.testing.assert_allclose(expected, wanted)
    for section, rows in ((FAN, slice(0, 8)), (PUMP, slice(8, 16))):
        assert_scores(graphs[section], rows, wanted)
        assert graphs[section].clip_length == LENGTHS["mean"][0]  # `loud` has no weight.


@pytest.mark.parametrize("normalize", ["none", "section"])
def test_another_column_of_a_member_may_be_the_main_score(combined, normalize):
    graphs, _, expected = combined(ensemble_of("loud", main_score="other", normalize=normalize))

    assert_scores(graphs[FAN], slice(0, 8), expected)
    assert np.corrcoef(expected[:8], scores_of("loud")[:8])[0, 1] == pytest.approx(-1.0)


def test_trials_may_count_like_members(combined):
    graphs, _, expected = combined(ensemble_of("loud", pools_trials=True), seeds=(0, 1))

    np.testing.assert_allclose(expected, 3.0 * scores_of("loud"))
    assert_scores(graphs[FAN], slice(0, 8), expected)


def test_thresholds_are_those_of_the_ensemble(combined):
    graphs, trial, expected = combined(ensemble_of("loud", "mean"))

    for section, rows in ((FAN, slice(0, 6)), (PUMP, slice(8, 14))):
        assert graphs[section].threshold == pytest.approx(np.percentile(expected[rows], 90.0))
        assert graphs[section].threshold == trial.thresholds[rows.stop]


def test_thresholds_come_from_clips_that_no_member_has_learned_from(combined):
    held_out = pd.Series([True] * 3 + [False] * 5 + [True] * 4 + [False] * (len(TABLE) - 12))

    graphs, trial, expected = combined(
        ensemble_of("loud", "mean"), held_out=held_out, rule="held_out"
    )

    for section, rows, rank in ((FAN, slice(0, 3), 3), (PUMP, slice(8, 12), 3)):
        threshold = np.sort(expected[rows])[rank - 1]  # ceil(4 x 0.6), ceil(5 x 0.6).
        assert graphs[section].threshold == pytest.approx(threshold)
        assert trial.thresholds[rows.start] == pytest.approx(threshold)


def test_the_longest_member_says_which_part_of_a_clip_is_used(combined):
    graphs, _, _ = combined(ensemble_of("last", "loud", "mean"))

    assert (graphs[FAN].clip_length, graphs[FAN].keep) == LENGTHS["loud"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"how": "rank"}, "ranks among the test clips"),
        ({"normalize": "section", "normalize_on": "test"}, "normalizes by the test clips"),
        ({"best_from_labels": (1,)}, "lets labels of test clips choose"),
        ({"weights_from_labels": True}, "lets labels of test clips choose"),
    ],
)
def test_scores_that_depend_on_other_test_clips_are_refused(combined, options, reason):
    with pytest.raises(RecipeError, match=f"baseline2023 together {reason}"):
        combined(ensemble_of("loud", "mean", **options))
