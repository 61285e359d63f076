"""Scores of the sections of a unit, and of runs made of units or of other runs."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from asdkeras.experiment import open_run as opening
from asdkeras.experiment import run as runner
from asdkeras.experiment.open_run import open_run
from asdkeras.experiment.run import score
from asdkeras.experiment.unit_scores import score_unit
from asdkeras.experiment.units import Unit, write_representations
from asdkeras.score_files import read_group_scores, read_metadata, read_trial
from asdkeras.scorers.combination import Combination
from asdkeras.scorers.nearest_neighbor import NearestNeighborScorer
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import by_domain, representation, scored
from asdkeras.scorers.thresholds import Thresholds
from asdkeras.systems.model_files import Models, save_models
from asdkeras.systems.system import Choice, Ensemble, System
from tests.clip_table import clip_table

MACHINES = ("fan", "valve")
MODELS = Models(64, 16000, "start")
DRAWN = representation("drawn")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))


class Drawn(System):
    """A system per machine type whose scores are drawn.

    Args:
        main_score: name of its main score, beside the column `section`.
        groups: machine type -> names of the groups it has scores of.
        oracle: lines of each unit.
        holds_out: whether it has learned from no training clip.
    """

    models_class, main_score = Models, ""

    def __init__(self, main_score, groups=None, oracle=(), holds_out=False):
        super().__init__(None)
        self.main_score, self.groups, self.oracle = main_score, groups or {}, oracle
        self.holds_out = holds_out

    def train(self, clips, context):
        raise AssertionError("trained")

    def represent(self, models):
        raise AssertionError("represented")

    def draw(self, table, seed):
        """What the models of a unit are said to have made of its clips."""
        machine_type = table["machine_type"].iloc[0]
        rng = np.random.default_rng([len(self.main_score), seed, MACHINES.index(machine_type)])
        return rng.normal(size=(len(table), 4))

    def section_scorer(self, normal):
        names = self.groups.get(normal.machine_type, ())
        return SectionScorer(
            {self.main_score: DRAWN[:, 0], "section": DRAWN[:, 1]},
            DRAWN,
            {name: DRAWN[:, 2 + number] for number, name in enumerate(names)},
        )

    def choose(self, columns, table):
        return Choice(columns, (), self.oracle)

    def thresholds(self, columns, table, score=None, models=None):
        return Thresholds(pd.Series(0.0, table.index))

    def held_out(self, models, table):
        return (table["split"] == "train").to_numpy(bool) & self.holds_out

    def all_values(self, table, seed=0):
        """What was drawn for the clips of a run."""
        parts = [table[table["machine_type"] == name] for name in MACHINES]
        return np.concatenate([self.draw(part, seed) for part in parts])


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Opens a run of the variant `combined` whose members were trained: name -> system."""

    def trained(run, system, unit, table, seed):
        folder = run.folder.task(unit, seed)
        write_representations(folder, {"drawn": system.draw(table, seed)})
        save_models(MODELS, folder)
        run.folder.mark(folder, "TRAINED", warnings=[])
        run.folder.mark(folder, "DONE")

    def opened(systems, seeds="[0]"):
        for machine in MACHINES:
            for split, kind in (("train", "normal"), ("test", "normal"), ("test", "anomaly")):
                for number in range(3):
                    name = f"section_00_source_{split}_{kind}_{number:04d}_strength_1.wav"
                    path = tmp_path / "dcase2022" / "dev_data" / machine / split / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    noise = 0.1 * np.random.default_rng([*str(path).encode()]).normal(size=64)
                    soundfile.write(path, noise, 16000)
        monkeypatch.setattr(runner, "system_of", lambda run: systems[run.recipe.variant])
        monkeypatch.setattr(opening, "known_truth", lambda dataset: None)  # Whatever is fetched.
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


def test_group_scores_of_all_units_are_put_together(opened):
    groups = {"fan": ("section", "f-n"), "valve": ("section", "pat")}
    system = Drawn("main", groups)

    run = opened({"combined": system})
    score(run)

    scores = read_group_scores(run.folder.scores(0))
    table = read_trial(run.folder.scores(0)).table
    drawn = system.all_values(table)
    assert list(scores) == ["section", "f-n", "pat"]
    for machine_type, absent in (("fan", "pat"), ("valve", "f-n")):
        here = (table["machine_type"] == machine_type).to_numpy(bool)
        np.testing.assert_array_equal(scores.loc[here, groups[machine_type]], drawn[here, 2:])
        assert scores.loc[here, absent].isna().all()


def test_a_unit_may_have_no_group_scores(opened):
    system = Drawn("main", {"valve": ("section",)})

    run = opened({"combined": system})
    score(run)

    groups = read_group_scores(run.folder.scores(0))["section"]
    table = read_trial(run.folder.scores(0)).table
    is_fan = (table["machine_type"] == "fan").to_numpy(bool)
    assert groups[is_fan].isna().all()
    np.testing.assert_array_equal(groups[~is_fan], system.all_values(table)[~is_fan, 2])


def test_a_system_without_groups_leaves_no_group_scores(opened):
    run = opened({"combined": Drawn("main")})

    score(run)

    assert read_group_scores(run.folder.scores(0)) is None
    assert read_metadata(run.folder.scores(0)).oracle == ()


def test_choices_by_labels_stand_once_for_all_units(opened):
    run = opened({"combined": Drawn("main", oracle=("best checkpoint", "weights"))})

    score(run)

    assert read_metadata(run.folder.scores(0)).oracle == ("best checkpoint", "weights")


def ensemble(members, combination, **options):
    def threshold_of_0(columns, table, score=None):
        return Thresholds(pd.Series(0.0, table.index))

    return Ensemble(members, combination, threshold_of_0, {"section": "row"}, **options)


def test_a_variant_can_be_another_column_of_a_variant(opened):
    system = Drawn("main", {"fan": ("section",)}, oracle=("best checkpoint",))
    combined = ensemble({"left": None}, Combination("sum", main_score="section"))
    run = opened({"left": system, "combined": combined})

    score(run)

    folder = run.folder.scores(0)
    trial, metadata = read_trial(folder), read_metadata(folder)
    drawn = system.all_values(trial.table)
    np.testing.assert_array_equal(trial.columns, drawn[:, :2])
    assert (metadata.main_score, metadata.decision_score) == ("section", "section")
    assert metadata.published_rows == {"section": "row"}
    assert metadata.notes == ("scores of left, column section",)
    assert metadata.oracle == ("best checkpoint",)
    fan = (trial.table["machine_type"] == "fan").to_numpy(bool)
    np.testing.assert_array_equal(read_group_scores(folder)["section"][fan], drawn[fan, 2])
    assert (run.folder.path.parents[1] / "left" / run.folder.path.name / "scores/seed0").is_dir()


@pytest.mark.parametrize("holds_out", [True, False])
def test_clips_that_a_system_has_not_learned_from_are_told_from_others(opened, holds_out):
    run = opened({"combined": Drawn("main", holds_out=holds_out)})

    score(run)

    trial = read_trial(run.folder.scores(0))
    if holds_out:
        assert trial.held_out.equals((trial.table["split"] == "train").astype(bool))
    else:
        assert trial.held_out is None


def test_members_weigh_what_the_ensemble_says_in_every_trial(opened):
    left, right = Drawn("left main"), Drawn("right")
    weights = {"left": {"fan": 0.25}, "right": {"fan": 0.75, "valve": 0.0}}
    combined = ensemble({"left": None, "right": None}, Combination("sum"), weights=weights)
    run = opened({"left": left, "right": right, "combined": combined}, seeds="[0, 4]")

    score(run)

    for seed in (0, 4):
        trial = read_trial(run.folder.scores(seed))
        fan = trial.table["machine_type"] == "fan"
        first, second = (each.all_values(trial.table, seed)[:, 0] for each in (left, right))
        expected = np.where(fan, 0.25 * first + 0.75 * second, first)
        np.testing.assert_allclose(trial.columns["anomaly_score"], expected, rtol=1e-12)


def combined_by(opened, combination):
    """Trial and metadata of two members, and their main scores."""
    left, right = Drawn("left main"), Drawn("right")
    combined = ensemble({"left": None, "right": None}, combination)
    run = opened({"left": left, "right": right, "combined": combined})
    score(run)
    folder = run.folder.scores(0)
    trial = read_trial(folder)
    scores = [each.all_values(trial.table)[:, 0] for each in (left, right)]
    return trial, read_metadata(folder), scores


def test_an_ensemble_standardizes_and_lets_labels_choose(opened):
    combination = Combination(
        "sum", normalize="section", weights_from_labels=True, oracle=("the variant",)
    )

    trial, metadata, _ = combined_by(opened, combination)

    assert list(trial.columns) == ["anomaly_score"]
    assert metadata.oracle == (
        "the variant",
        "the labels of development test clips chose the weights of the members for fan, valve",
    )
    is_training = trial.table["split"] == "train"
    means = trial.columns["anomaly_score"][is_training].groupby(trial.table["machine_type"]).mean()
    np.testing.assert_allclose(means, 0.0, atol=1e-12)


def test_an_ensemble_passes_on_how_members_become_one(opened):
    combination = Combination(
        "sum",
        normalize="section",
        normalize_on="test",
        best_from_labels=(2,),
        methods_from_labels=("maximum",),
    )

    trial, metadata, scores = combined_by(opened, combination)

    is_test = trial.table["split"] == "test"
    rows = []
    for each in map(pd.Series, scores):
        counted = each.where(is_test).groupby(trial.table["machine_type"])
        spread = counted.transform(lambda of_section: of_section.std(ddof=0))
        rows.append((each - counted.transform("mean")) / spread)
    np.testing.assert_allclose(trial.columns["anomaly_score"], np.max(rows, axis=0), rtol=1e-10)
    assert any("the labels of development" in line for line in metadata.oracle)
    assert any(note.startswith("chosen by labels: fan") for note in metadata.notes)


class Neighbors(System):
    """Distance to the nearest normal clip of a domain; section 01 has no target clips."""

    models_class, main_score = Models, "source"
    train = represent = None

    def __init__(self):
        super().__init__(None)
        self.normal = []

    def section_scorer(self, normal):
        self.normal.append(normal)
        values = normal.values(DRAWN)

        def distance(domain):
            rows = (normal.table["domain"] == domain).to_numpy(bool)
            scorer = NearestNeighborScorer("euclidean")
            return scored(scorer.fit(values[rows]), DRAWN) if rows.any() else None

        return SectionScorer(
            {"source": distance("source"), "target": distance("target")},
            DRAWN,
            {f"group {normal.section}": DRAWN[:, 0]},
            ("all sections", f"section {normal.section}"),
            {"clips": len(values), "empty clips": 0},
        )

    def choose(self, columns, table):
        return Choice(columns.assign(doubled=2 * columns["source"]), ("chosen",), ("by labels",))

    def thresholds(self, columns, table, score=None, models=None):
        assert models is MODELS
        return Thresholds(columns["doubled"], ("limits",))


@pytest.fixture
def unit():
    """Sections 00 and 01 of a fan, mixed up; the first alone has target clips."""
    rows = [
        {
            **{"machine_type": "fan", "section": section, "domain": domain, "split": split},
            **{"is_anomalous": False, "path": f"{section}_{domain}_{split}_{number}.wav"},
        }
        for section, domains in (("00", ("source", "target")), ("01", ("source",)))
        for domain in domains
        for split in ("train", "test")
        for number in range(3)
    ]
    table = clip_table(rows, dataset="mini2021").sample(frac=1.0, random_state=0)
    drawn = np.random.default_rng(0).normal(size=(len(table), 2))
    return Unit(table, MODELS, {"drawn": drawn})


def nearest(unit, section, domain):
    """By hand: distance of each clip of a section to its nearest training clip of a domain."""
    of_section = unit.table["section"] == section
    is_normal = of_section & (unit.table["domain"] == domain) & (unit.table["split"] == "train")
    clips, normal = (unit.arrays["drawn"][rows.to_numpy(bool)] for rows in (of_section, is_normal))
    distances = [min(np.linalg.norm(clip - other) for other in normal) for clip in clips]
    return pd.Series(distances, unit.table.index[of_section.to_numpy(bool)])


def test_every_section_is_scored_by_its_own_normal_clips_and_lacks_what_it_has_no_term_for(unit):
    columns = score_unit(Neighbors(), unit, 0).columns

    sources = pd.concat([nearest(unit, "00", "source"), nearest(unit, "01", "source")])
    targets = nearest(unit, "00", "target")
    assert columns.index.equals(unit.table.index)
    np.testing.assert_allclose(columns["source"], sources[unit.table.index], rtol=1e-12)
    np.testing.assert_allclose(columns["target"], targets.reindex(unit.table.index), rtol=1e-12)
    assert columns["target"].isna().sum() == 6


def test_groups_of_a_section_are_empty_in_the_others(unit):
    groups = score_unit(Neighbors(), unit, 0).groups

    assert list(groups) == ["group 00", "group 01"]
    for section in ("00", "01"):
        here = (unit.table["section"] == section).to_numpy(bool)
        expected = np.where(here, unit.arrays["drawn"][:, 0], np.nan)
        np.testing.assert_array_equal(groups[f"group {section}"], expected)


def test_notes_stand_once_counts_are_summed_and_zeros_left_out(unit):
    scores = score_unit(Neighbors(), unit, 0)

    assert scores.notes == (
        *("all sections", "section 00", "section 01", "9 clips"),
        *("chosen", "limits"),
    )
    assert scores.oracle == ("by labels",)


def test_thresholds_follow_from_the_scores_that_were_chosen(unit):
    scores = score_unit(Neighbors(), unit, 0)

    assert list(scores.columns) == ["source", "target", "doubled"]
    np.testing.assert_array_equal(scores.thresholds, 2 * scores.columns["source"])


def test_a_scorer_is_fitted_to_the_training_clips_of_its_section_and_knows_their_places(unit):
    system, names = Neighbors(), []

    score_unit(system, unit, 5, names.append)

    assert names == ["fan_00", "fan_01"]
    training = unit.table[unit.table["split"] == "train"]
    for normal, section in zip(system.normal, ("00", "01"), strict=True):
        expected = training[training["section"] == section]
        pd.testing.assert_frame_equal(normal.table, expected)
        pd.testing.assert_frame_equal(training.iloc[normal.positions], expected)
        rows = unit.table.index.get_indexer(expected.index)
        np.testing.assert_array_equal(normal.arrays["drawn"], unit.arrays["drawn"][rows])
        of_all = unit.arrays["drawn"][unit.table.index.get_indexer(training.index)]
        np.testing.assert_array_equal(normal.values_of_unit(DRAWN), of_all)
        assert (normal.section, normal.seed) == (section, 5)


class ByDomain(System):
    """Scores 1 by the source domain, 2 by the target domain, 3 by an unknown one."""

    models_class, main_score = Models, "score"
    train = represent = None

    def section_scorer(self, normal):
        one, two, three = (0.0 * DRAWN[:, 0] + number for number in (1.0, 2.0, 3.0))
        return SectionScorer({"score": by_domain(one, two, three)}, DRAWN)

    def choose(self, columns, table):
        self.chosen_by = table
        return Choice(columns)

    def thresholds(self, columns, table, score=None, models=None):
        numbers = table["domain"].map({"source": 1.0, "target": 2.0}).fillna(3.0)
        return Thresholds(numbers.astype(float))


@pytest.mark.parametrize(
    ("dataset", "is_given"),
    [
        *(
            (f"{kind}{year}", year < 2022)
            for kind in ("dcase", "mini")
            for year in range(2020, 2026)
        ),
        ("my_pumps", True),
        ("dcase2023-own", True),
    ],
)
def test_scores_and_thresholds_know_a_test_domain_where_the_rules_of_the_year_give_it(
    unit, dataset, is_given
):
    table = unit.table.assign(dataset=pd.array([dataset] * len(unit.table), dtype="string"))
    system = ByDomain(None)

    scores = score_unit(system, unit._replace(table=table), 0)

    is_known = is_given | (table["split"] == "train").to_numpy(bool)
    stated = table["domain"].map({"source": 1.0, "target": 2.0}).to_numpy(float)
    expected = np.where(is_known, stated, 3.0)
    np.testing.assert_array_equal(scores.columns["score"], expected)
    np.testing.assert_array_equal(scores.thresholds, expected)
    # What goes by labels is marked as such, and has all that is known.
    pd.testing.assert_frame_equal(system.chosen_by, table)
