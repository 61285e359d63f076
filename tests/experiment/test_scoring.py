"""What the runner makes of the scores of a system, and of variants that combine other runs."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from asdkeras.experiment import run as runner
from asdkeras.experiment.run import open_run, score
from asdkeras.score_files import read_group_scores, read_story, read_trial
from asdkeras.systems.system import Ensemble, Representations, ScoreTable, System

MACHINES = ("fan", "valve")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))


class Scores:
    """A system per machine type whose scores are drawn; takes down what it answered.

    Args:
        answer: name of its answer, beside the column `section`.
        groups: machine type -> names of the groups it tells the scores of; a machine type
            that is missing tells of none.
        oracle: lines of each unit.
    """

    def __init__(self, answer, groups=None, oracle=(), shift_index=0):
        self.answer, self.groups, self.oracle = answer, groups or {}, oracle
        self.shift_index = shift_index
        self.columns, self.told = {}, {}

    def score(self, representations, table, seed):
        machine_type = table["machine_type"].iloc[0]
        rng = np.random.default_rng([len(self.answer), seed, MACHINES.index(machine_type)])
        columns = pd.DataFrame(
            rng.normal(size=(len(table), 2)), table.index, [self.answer, "section"]
        )
        self.columns[machine_type, seed] = columns
        names = self.groups.get(machine_type)
        groups = None
        if names is not None:
            values = rng.normal(size=(len(table), len(names)))
            groups = pd.DataFrame(values, table.index + self.shift_index, list(names))
            self.told[machine_type] = groups
        return ScoreTable(
            columns, self.answer, self.answer, (self.answer,), (), self.oracle, groups
        )

    def all_columns(self, seed):
        return pd.concat(self.columns[name, seed] for name in MACHINES)

    def system(self):
        return System("machine_type", 4, None, self.score, threshold_of_0, {}, None)


def threshold_of_0(columns, table, constants):
    return pd.Series(0.0, table.index)


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Opens a run of the variant `combined` whose members were trained: name -> system."""

    def opened(systems, seeds="[0]"):
        for machine in MACHINES:
            for split, kind in (("train", "normal"), ("test", "normal"), ("test", "anomaly")):
                for number in range(3):
                    name = f"section_00_source_{split}_{kind}_{number:04d}_strength_1.wav"
                    path = tmp_path / "dcase2022" / "dev_data" / machine / split / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    noise = 0.1 * np.random.default_rng(number).normal(size=64)
                    soundfile.write(path, noise, 16000)
        monkeypatch.setattr(runner, "system_of", lambda run: systems[run.recipe.variant])
        monkeypatch.setattr(runner, "known_truth", lambda dataset: None)  # Whatever is fetched.
        monkeypatch.setattr(runner, "_train_unit", trained)
        run = open_run(
            "wilkinghoff2021",
            tmp_path / "dcase2022",
            recipe="mini",
            overrides=[f"seeds={seeds}"],
            runs=tmp_path / "runs",
        )
        systems[run.recipe.variant] = systems.pop("combined")
        return run

    return opened


def trained(run, system, unit, table, seed):
    folder = run.folder.task(unit, seed)
    folder.mkdir(parents=True)
    arrays = Representations({"nothing": np.zeros(len(table))}, {}).as_arrays()
    np.savez(folder / "representations.npz", **arrays)
    run.folder.mark_done(folder, warnings=[])


def test_group_scores_of_all_units_are_put_together(opened):
    scores = Scores("answer", {"fan": ("section", "f-n"), "valve": ("section", "pat")})

    run = opened({"combined": scores.system()})
    score(run)

    folder = run.folder.scores(0)
    groups, names = read_group_scores(folder), read_trial(folder).table["machine_type"]
    assert list(groups) == ["section", "f-n", "pat"]
    for machine_type, absent in (("fan", "pat"), ("valve", "f-n")):
        here = groups[names == machine_type]
        told = scores.told[machine_type]
        np.testing.assert_array_equal(here[told.columns], told)
        assert here[absent].isna().all()


def test_a_unit_may_tell_nothing(opened):
    scores = Scores("answer", {"valve": ("section",)})

    run = opened({"combined": scores.system()})
    score(run)

    groups = read_group_scores(run.folder.scores(0))["section"]
    is_fan = read_trial(run.folder.scores(0)).table["machine_type"] == "fan"
    assert groups[is_fan].isna().all()
    np.testing.assert_array_equal(groups[~is_fan], scores.told["valve"]["section"])


def test_a_system_that_tells_nothing_leaves_no_group_scores(opened):
    run = opened({"combined": Scores("answer").system()})

    score(run)

    assert read_group_scores(run.folder.scores(0)) is None
    assert read_story(run.folder.scores(0))["oracle"] == []


def test_group_scores_of_other_clips_are_our_mistake(opened):
    scores = Scores("answer", {"fan": ("section",)}, shift_index=100)

    with pytest.raises(KeyError):
        score(opened({"combined": scores.system()}))


def test_choices_by_labels_are_told_once_for_all_units(opened):
    run = opened({"combined": Scores("answer", oracle=("best checkpoint", "weights")).system()})

    score(run)

    assert read_story(run.folder.scores(0))["oracle"] == ["best checkpoint", "weights"]


def ensemble(members, **options):
    return Ensemble(members, "sum", False, threshold_of_0, {"section": "row"}, **options)


def test_a_variant_can_be_another_column_of_a_variant(opened):
    scores = Scores("answer", {"fan": ("section",)}, oracle=("best checkpoint",))
    run = opened({"left": scores.system(), "combined": ensemble({"left": None}, answer="section")})

    score(run)

    folder = run.folder.scores(0)
    trial, story = read_trial(folder), read_story(folder)
    np.testing.assert_array_equal(trial.columns, scores.all_columns(0))
    assert (story["anomaly_score"], story["decision_score"]) == ("section", "section")
    assert story["published_rows"] == {"section": "row"}
    assert story["notes"] == ["scores of left, column section"]
    assert story["oracle"] == ["best checkpoint"]
    fan = trial.table["machine_type"] == "fan"
    np.testing.assert_array_equal(
        read_group_scores(folder)["section"][fan], scores.told["fan"]["section"]
    )
    assert (run.folder.path.parents[1] / "left" / run.folder.path.name / "scores/seed0").is_dir()


def test_members_weigh_what_the_ensemble_says_in_every_trial(opened):
    left, right = Scores("left answer"), Scores("right")
    members = {"left": None, "right": None}
    weights = {"left": {"fan": 0.25}, "right": {"fan": 0.75, "valve": 0.0}}
    systems = {"left": left.system(), "right": right.system()}
    run = opened({**systems, "combined": ensemble(members, weights=weights)}, seeds="[0, 4]")

    score(run)

    for seed in (0, 4):
        trial = read_trial(run.folder.scores(seed))
        fan = trial.table["machine_type"] == "fan"
        first, second = left.all_columns(seed), right.all_columns(seed)
        expected = np.where(
            fan,
            0.25 * first["left answer"] + 0.75 * second["right"],
            first["left answer"],
        )
        np.testing.assert_allclose(trial.columns["anomaly_score"], expected, rtol=1e-12)


def test_an_ensemble_standardizes_and_lets_labels_choose(opened):
    left, right = Scores("left answer"), Scores("right")
    combined = ensemble(
        {"left": None, "right": None},
        normalize="section",
        weights_from_labels=True,
        oracle=("the variant",),
    )
    run = opened({"left": left.system(), "right": right.system(), "combined": combined})

    score(run)

    trial, story = read_trial(run.folder.scores(0)), read_story(run.folder.scores(0))
    assert list(trial.columns) == ["anomaly_score"]
    assert story["oracle"] == [
        "the variant",
        "the labels of development test clips chose the weights of the members for fan, valve",
    ]
    is_training = trial.table["split"] == "train"
    means = trial.columns["anomaly_score"][is_training].groupby(trial.table["machine_type"]).mean()
    np.testing.assert_allclose(means, 0.0, atol=1e-12)


def test_an_ensemble_passes_on_how_members_become_one(opened):
    left, right = Scores("left answer"), Scores("right")
    combined = ensemble(
        {"left": None, "right": None},
        normalize="section",
        normalize_on="test",
        best_from_labels=(2,),
        combine_from_labels=("maximum",),
    )
    run = opened({"left": left.system(), "right": right.system(), "combined": combined})

    score(run)

    trial, story = read_trial(run.folder.scores(0)), read_story(run.folder.scores(0))
    table = trial.table
    is_test = table["split"] == "test"
    places = table["machine_type"] + table["section"]
    rows = []
    for each in (left.all_columns(0)["left answer"], right.all_columns(0)["right"]):
        counted = pd.Series(np.asarray(each)).where(is_test).groupby(places)
        mean = counted.transform("mean")
        spread = counted.transform(lambda scores: scores.std(ddof=0))
        rows.append((np.asarray(each) - mean) / spread)
    np.testing.assert_allclose(trial.columns["anomaly_score"], np.max(rows, axis=0), rtol=1e-10)
    assert any("the labels of development" in line for line in story["oracle"])
    assert any(note.startswith("chosen by labels: fan") for note in story["notes"])
