"""Ensembles: columns added name by name, clip by clip, and what cannot be added."""

import json

import numpy as np
import pandas as pd
import pytest

from asdkeras.errors import RecipeError
from asdkeras.experiment.combined_scores import combined
from asdkeras.experiment.ensembles import write_ensemble
from asdkeras.experiment.members import Combination, Member
from asdkeras.experiment.run_folder import RunFolder
from asdkeras.metrics.development import development_score
from asdkeras.metrics.official import RULES
from asdkeras.score_files import (
    TrialScores,
    read_group_scores,
    read_story,
    read_trial,
    write_group_scores,
    write_trial,
)

MACHINES = ("fan", "valve")
SUM = Combination("sum")


def clip_table(machines=MACHINES):
    rows = [
        (machine, split, domain, f"{machine}_{split}_{domain}_{number}.wav")
        for machine in machines
        for split in ("train", "test")
        for domain in ("source", "target")
        for number in range(2)
    ]
    table = pd.DataFrame(rows, columns=["machine_type", "split", "domain", "path"]).astype("string")
    constant = {"dataset": "mini2022", "section": "00", "attributes": pd.NA, "is_anomalous": False}
    return table.assign(**constant).astype({"dataset": "string", "section": "string"})


def member_columns(seed, num_clips):
    rng = np.random.default_rng(seed)
    names = ("combined", "section", "combined_epoch1", "section_epoch1")
    return pd.DataFrame({name: rng.normal(size=num_clips) for name in names})


def member(
    tmp_path, seed, choice="", machine_types=None, *, table=None, columns=None, weights=None, **more
):
    """A scored trial on disk; `more` changes what its DONE says."""
    table = clip_table() if table is None else table
    columns = member_columns(seed, len(table)) if columns is None else columns
    folder = tmp_path / f"member{seed}"
    zeros = pd.Series(0.0, table.index)
    write_trial(folder, TrialScores(table, columns, zeros, zeros))
    story = {
        "anomaly_score": "combined",
        "decision_score": "section",
        "named_scores": ["combined", "section"],
        "published_rows": {},
        "notes": [f"note {seed}"],
        **more,
    }
    (folder / "DONE").write_text(json.dumps(story))
    return Member(folder, f"member{seed}", choice, machine_types, weights)


@pytest.mark.parametrize(("how", "factor"), [("sum", 1.0), ("mean", 1 / 3)])
def test_every_name_is_added_by_itself(tmp_path, how, factor):
    members = [member(tmp_path, seed) for seed in range(3)]

    result = combined(members, Combination(how))

    expected = sum(member_columns(seed, 16) for seed in range(3)) * factor
    assert result.is_whole
    pd.testing.assert_frame_equal(result.columns, expected, rtol=1e-14)


def test_a_snapshot_counts_under_plain_names(tmp_path):
    members = [member(tmp_path, 0), member(tmp_path, 1, choice="epoch1")]

    result = combined(members, SUM)

    ours, theirs = member_columns(0, 16), member_columns(1, 16)
    assert list(result.columns) == ["combined", "section"]
    np.testing.assert_allclose(
        result.columns["section"], ours["section"] + theirs["section_epoch1"], rtol=1e-14
    )


def test_a_chosen_score_counts_alone_beside_the_answers_of_the_others(tmp_path):
    members = [member(tmp_path, 0), member(tmp_path, 1, choice="section_epoch1")]

    result = combined(members, SUM)

    ours, theirs = member_columns(0, 16), member_columns(1, 16)
    assert not result.is_whole
    assert list(result.columns) == ["combined"]
    np.testing.assert_allclose(
        result.columns["combined"], ours["combined"] + theirs["section_epoch1"], rtol=1e-14
    )


@pytest.mark.parametrize("how", ["sum", "mean"])
def test_members_count_on_their_machines_alone(tmp_path, how):
    members = [
        member(tmp_path, 0, machine_types=("fan",)),
        member(tmp_path, 1, machine_types=("valve",)),
        member(tmp_path, 2, machine_types=("valve",)),
    ]

    columns = combined(members, Combination(how)).columns["combined"]

    first, second, third = (member_columns(seed, 16)["combined"] for seed in range(3))
    np.testing.assert_allclose(columns[:8], first[:8], rtol=1e-14)
    valve = second[8:] + third[8:]
    np.testing.assert_allclose(columns[8:], valve / 2 if how == "mean" else valve, rtol=1e-14)


def test_a_clip_without_a_score_of_one_member_has_none(tmp_path):
    columns = member_columns(1, 16)
    columns.loc[3, "section"] = np.nan
    members = [member(tmp_path, 0), member(tmp_path, 1, columns=columns)]

    result = combined(members, SUM).columns

    assert result["section"].isna().tolist() == [number == 3 for number in range(16)]
    assert result["combined"].notna().all()


def test_machines_without_a_member_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="no member of this ensemble scores valve"):
        combined([member(tmp_path, 0, machine_types=("fan",))], SUM)


def test_members_of_other_clips_are_refused(tmp_path):
    other = member(tmp_path, 1, table=clip_table(("fan", "pump")))

    with pytest.raises(RecipeError, match="member1: its clips are not those of member0"):
        combined([member(tmp_path, 0), other], SUM)


def test_an_unknown_choice_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(RecipeError, match=r"no score `epoch7`. It has: combined, section, "):
        combined([member(tmp_path, 0, choice="epoch7")], SUM)


def by_answer(columns, table, constants):
    assert constants == {}
    return columns["combined"]


def written(tmp_path, members, decide=None, rule=SUM):
    folder = RunFolder(tmp_path / "out", "digest", "data")
    rows = {"combined": "all_40", "target": "target"}
    write_ensemble(folder, 0, members, rule, decide=decide, published_rows=rows)
    return folder.scores(0)


def test_thresholds_of_whole_members_are_those_of_the_system(tmp_path):
    members = [member(tmp_path, 0), member(tmp_path, 1)]

    out = written(tmp_path, members, by_answer)

    trial = read_trial(out)
    expected = trial.columns["section"] > trial.columns["combined"]
    np.testing.assert_array_equal(trial.decisions, expected.astype(int))
    assert 0 < expected.sum() < 16


def test_thresholds_of_a_chosen_score_are_percentiles_per_section_and_domain(tmp_path):
    out = written(tmp_path, [member(tmp_path, 0, choice="section")])

    trial = read_trial(out)
    scores, table = trial.columns["combined"], trial.table
    for machine in MACHINES:
        for domain in ("source", "target"):
            here = (table["machine_type"] == machine) & (table["domain"] == domain)
            threshold = np.percentile(scores[here & (table["split"] == "train")], 90)
            np.testing.assert_allclose(trial.thresholds[here], threshold)
    np.testing.assert_array_equal(trial.decisions, (scores > trial.thresholds).astype(int))


def test_the_result_says_what_it_is_made_of_and_what_its_members_said(tmp_path):
    members = [member(tmp_path, 0), member(tmp_path, 1, machine_types=MACHINES)]

    story = read_story(written(tmp_path, members, by_answer))

    assert story["notes"] == [
        "sum of 2: member0, member1 on fan valve",
        "member0: note 0",
        "member1: note 1",
    ]
    assert story["published_rows"] == {"combined": "all_40"}
    assert story["named_scores"] == ["combined", "section"]


def test_official_files_are_written_for_the_test_clips(tmp_path):
    out = written(tmp_path, [member(tmp_path, 0)], by_answer)

    names = {path.name: path.read_text().count("\n") for path in out.glob("*_test.csv")}
    assert names == {
        f"{kind}_{machine}_section_00_test.csv": 4
        for kind in ("anomaly_score", "decision_result")
        for machine in MACHINES
    }


def differing_members(tmp_path, **more):
    """Two members that call their answers differently, and share the column `section`."""
    first = member_columns(0, 16).rename(columns={"combined": "weighted"})
    second = member_columns(1, 16).rename(columns={"combined": "joint"})
    return (
        member(tmp_path, 0, columns=first, anomaly_score="weighted", decision_score="weighted"),
        member(tmp_path, 1, columns=second, anomaly_score="joint", decision_score="joint", **more),
    )


def test_answers_of_different_names_are_one_answer_of_a_plain_name(tmp_path):
    def decide(columns, table, constants):
        return columns["anomaly_score"] - 1.0

    out = written(tmp_path, differing_members(tmp_path), decide)

    columns, story = read_trial(out).columns, read_story(out)
    ours, theirs = member_columns(0, 16), member_columns(1, 16)
    expected = ours["combined"] + theirs["combined"]
    np.testing.assert_allclose(columns["anomaly_score"], expected, rtol=1e-14)
    np.testing.assert_allclose(columns["section"], ours["section"] + theirs["section"], rtol=1e-14)
    assert not {"weighted", "joint"} & set(columns)
    assert (story["anomaly_score"], story["decision_score"]) == 2 * ("anomaly_score",)
    assert story["named_scores"] == ["anomaly_score", "section"]
    assert read_trial(out).decisions.all()


def test_another_column_of_one_member_can_be_the_answer(tmp_path):
    one = member(tmp_path, 0)

    out = written(tmp_path, [one], by_answer, Combination("sum", answer="section_epoch1"))

    trial, story = read_trial(out), read_story(out)
    pd.testing.assert_frame_equal(trial.columns, member_columns(0, 16))
    assert (story["anomaly_score"], story["decision_score"]) == 2 * ("section_epoch1",)
    assert story["named_scores"] == ["section_epoch1", "combined", "section"]
    assert story["notes"] == ["scores of member0, column section_epoch1", "member0: note 0"]
    is_above = trial.columns["section_epoch1"] > trial.columns["combined"]
    np.testing.assert_array_equal(trial.decisions, is_above.astype(int))


def test_an_answer_that_a_member_lacks_is_our_mistake(tmp_path):
    with pytest.raises(ValueError, match=r"column of every member.*'weighted'; member1 has joint,"):
        combined(differing_members(tmp_path), Combination("sum", answer="weighted"))


def test_two_members_add_the_column_that_is_chosen_as_the_answer(tmp_path):
    members = [member(tmp_path, 0), member(tmp_path, 1, machine_types=MACHINES)]

    result = combined(members, Combination("sum", answer="section"))

    expected = member_columns(0, 16)["section"] + member_columns(1, 16)["section"]
    assert result.answer == "section"
    np.testing.assert_allclose(result.columns["section"], expected, rtol=1e-14)


def standardized(scores, table):
    """By hand: every clip against the training clips of its machine type and section."""
    values = []
    for number in range(len(table)):
        here = table.iloc[number]
        training = [
            scores[k]
            for k in range(len(table))
            if table.loc[k, "split"] == "train"
            and table.loc[k, "machine_type"] == here["machine_type"]
            and table.loc[k, "section"] == here["section"]
        ]
        mean = sum(training) / len(training)
        variance = sum((value - mean) ** 2 for value in training) / len(training)
        values.append((scores[number] - mean) / variance**0.5)
    return np.array(values)


def table_of_sections():
    """Two sections for each machine type of `clip_table`."""
    table = clip_table()
    sections = ["00" if number % 2 else "01" for number in range(len(table))]
    return table.assign(section=pd.array(sections, dtype="string"))


def test_standardized_answers_count_by_the_training_clips_of_their_section(tmp_path):
    table = table_of_sections()
    members = [
        member(tmp_path, 0, table=table, weights={"fan": 3.0}),
        member(tmp_path, 1, table=table),
    ]

    result = combined(members, Combination("sum", normalize="section"))

    ours, theirs = (
        standardized(member_columns(seed, 16)["combined"].to_numpy(), table) for seed in (0, 1)
    )
    weight = np.where(table["machine_type"] == "fan", 3.0, 1.0)
    assert list(result.columns) == ["combined"]
    np.testing.assert_allclose(result.columns["combined"], weight * ours + theirs, rtol=1e-12)


def test_standardization_stands_in_the_notes_and_the_system_is_asked_for_thresholds(tmp_path):
    rule = Combination("sum", normalize="section")

    out = written(tmp_path, [member(tmp_path, 0), member(tmp_path, 1)], by_answer, rule)

    trial, story = read_trial(out), read_story(out)
    assert "in standard deviations of its training clips" in story["notes"][1]
    assert story["decision_score"] == "combined"
    np.testing.assert_array_equal(trial.thresholds, trial.columns["combined"])
    assert not trial.decisions.any()


def test_training_clips_of_one_score_are_not_divided_by_their_spread(tmp_path):
    """Nor by the 1e-17 that rounding leaves of it."""
    columns = member_columns(0, 16)
    fan = clip_table()["machine_type"] == "fan"
    columns.loc[fan & (clip_table()["split"] == "train"), "combined"] = 0.1
    members = [member(tmp_path, 0, columns=columns)]

    result = combined(members, Combination("sum", normalize="section"))

    np.testing.assert_allclose(
        result.columns["combined"][fan], columns["combined"][fan] - 0.1, atol=1e-12
    )
    assert result.notes == (
        "member0: the training clips of fan 00 have one score, so its scores there are not "
        "divided by their spread",
    )


def test_machines_that_a_member_does_not_score_are_not_standardized(tmp_path):
    """The valve is out of the hands of the first member: its one score there is no matter."""
    columns = member_columns(0, 16)
    columns.loc[8:, "combined"] = 0.1
    members = [
        member(tmp_path, 0, columns=columns, machine_types=("fan",)),
        member(tmp_path, 1, machine_types=("valve",)),
    ]

    result = combined(members, Combination("sum", normalize="section"))

    theirs = standardized(member_columns(1, 16)["combined"].to_numpy(), clip_table())
    np.testing.assert_allclose(result.columns["combined"][8:], theirs[8:], rtol=1e-12)
    assert result.notes == ()


@pytest.mark.parametrize("how", ["sum", "mean"])
def test_weights_are_those_of_member_and_machine(tmp_path, how):
    members = [
        member(tmp_path, 0, weights={"fan": 0.6, "pump": 9.0}),
        member(tmp_path, 1, weights={"fan": 0.2}),
    ]

    result = combined(members, Combination(how))

    ours, theirs = member_columns(0, 16), member_columns(1, 16)
    for name in ("combined", "section"):
        fan = 0.6 * ours[name][:8] + 0.2 * theirs[name][:8]
        valve = ours[name][8:] + theirs[name][8:]
        expected = [*fan, *valve] if how == "sum" else [*(fan / 0.8), *(valve / 2)]
        np.testing.assert_allclose(result.columns[name], expected, rtol=1e-12)
    assert result.notes == ("weights: fan member0 0.60, member1 0.20",)


def test_a_machine_whose_members_all_weigh_nothing_is_our_mistake(tmp_path):
    members = [
        member(tmp_path, 0, weights={"valve": 0.0}),
        member(tmp_path, 1, machine_types=("fan",)),
    ]

    with pytest.raises(ValueError, match=r"`weights` must leave .*Received: only zeros for valve"):
        combined(members, SUM)


def labelled_members(tmp_path, best, machine_types=(None, None)):
    """Two members of which labels choose the weight `best` of the first, on the fan.

    The valve is of the evaluation set, and so are other clips of the fan. Both would choose
    another weight.
    """
    rows = [
        (machine, section, split, domain, f"{machine}_{section}_{split}_{domain}_{number}.wav")
        for machine, sections in (("fan", ("00", "03")), ("valve", ("03",)))
        for section in sections
        for split in ("train", "test")
        for domain in ("source", "target")
        for number in range(8)
    ]
    names = ["machine_type", "section", "split", "domain", "path"]
    table = pd.DataFrame(rows, columns=names).astype("string")
    table = table.assign(dataset="mini2022", attributes=pd.NA)
    table["is_anomalous"] = (table["split"] == "test") & (table.index % 2 == 1)
    is_dev = table["section"] == "00"
    rng = np.random.default_rng(0)
    noise, skill = rng.normal(size=len(table)), 0.02 * table["is_anomalous"]
    # best * first + (1 - best) * second = skill, and the noise is gone; elsewhere with 1 - best.
    weight = np.where(is_dev, best, 1.0 - best)
    first, second = skill + (1.0 - weight) * noise, skill - weight * noise
    columns = [pd.DataFrame({"combined": each}) for each in (first, second)]
    return [
        member(
            tmp_path,
            seed,
            machine_types=machine_types[seed],
            table=table,
            columns=columns[seed],
            decision_score="combined",
            oracle=["checkpoint"] if seed else [],
        )
        for seed in (0, 1)
    ]


@pytest.mark.parametrize("best", [0.35, 0.8])
def test_labels_of_the_development_set_choose_the_weights(tmp_path, best):
    members = labelled_members(tmp_path, best)
    members[0] = members[0]._replace(weights={"fan": 0.2, "valve": 0.3})

    result = combined(members, Combination("sum", None, "none", True))

    first, second = (read_trial(tmp_path / f"member{seed}").columns["combined"] for seed in (0, 1))
    fan = result.table["machine_type"] == "fan"
    expected = best * first + (1 - best) * second
    np.testing.assert_allclose(result.columns["combined"][fan], expected[fan], rtol=1e-12)
    clips, scores = result.table[fan], result.columns["combined"][fan]
    assert development_score(clips, scores, RULES["dcase2022"]) == 1.0
    valve = 0.3 * first + second
    np.testing.assert_allclose(result.columns["combined"][~fan], valve[~fan], rtol=1e-12)


def test_weights_chosen_by_labels_are_told_and_mark_the_result(tmp_path):
    rule = Combination("sum", None, "none", True, ("the variant",))

    out = written(tmp_path, labelled_members(tmp_path, 0.8), by_answer, rule)

    story = read_story(out)
    assert story["notes"][1:3] == [
        "there are no labels to choose the weights for valve by",
        "weights: fan member0 0.80, member1 0.20",
    ]
    assert story["oracle"] == [
        "the variant",
        "the labels of development test clips chose the weights of the members for fan",
        "checkpoint",
    ]


def test_the_first_of_equally_good_weights_is_taken(tmp_path):
    members = labelled_members(tmp_path, 0.5)
    members = [members[0], members[0]._replace(name="again")]

    result = combined(members, Combination("sum", None, "none", True))

    assert result.notes[-1] == "weights: fan member0 0.00, again 1.00"


def test_a_machine_with_one_member_has_no_weight_to_choose(tmp_path):
    members = labelled_members(tmp_path, 0.8, (None, ("valve",)))

    result = combined(members, Combination("sum", None, "none", True))

    assert result.oracle == ()
    assert result.notes == ("there are no labels to choose the weights for valve by",)


def test_without_a_choice_by_labels_nothing_is_marked(tmp_path):
    assert read_story(written(tmp_path, [member(tmp_path, 0)], by_answer))["oracle"] == []


def answers(num_members):
    return np.stack([member_columns(seed, 16)["combined"] for seed in range(num_members)])


@pytest.mark.parametrize(
    ("how", "expected"),
    [("median", np.median(answers(3), axis=0)), ("maximum", np.max(answers(3), axis=0))],
)
def test_methods_without_sums_combine_the_answers_alone(tmp_path, how, expected):
    members = [member(tmp_path, seed) for seed in range(3)]

    result = combined(members, Combination(how))

    assert result.is_whole
    assert list(result.columns) == ["combined"]
    np.testing.assert_array_equal(result.columns["combined"], expected)


def average_ranks(scores, table):
    """By counting, among the test clips of machine type and section."""
    ranks = []
    for number in range(len(table)):
        here = table.iloc[number]
        references = [
            scores[k]
            for k in range(len(table))
            if table.loc[k, "split"] == "test"
            and table.loc[k, "machine_type"] == here["machine_type"]
            and table.loc[k, "section"] == here["section"]
        ]
        lower = sum(each < scores[number] for each in references)
        alike = sum(each == scores[number] for each in references)
        ranks.append(lower + alike / 2 + 0.5)
    return np.array(ranks)


def test_ranks_are_weighted_and_say_that_clips_depend_on_one_another(tmp_path):
    table = table_of_sections()
    members = [
        member(tmp_path, 0, table=table, weights={"fan": 3.0}),
        member(tmp_path, 1, table=table)._replace(weight=0.5),
    ]

    result = combined(members, Combination("rank"))

    first, second = (average_ranks(each, table) for each in answers(2))
    weight = np.where(table["machine_type"] == "fan", 3.0, 1.0)
    expected = (weight * first + 0.5 * second) / (weight + 0.5)
    np.testing.assert_allclose(result.columns["combined"], expected, rtol=1e-14)
    story = read_story(written(tmp_path, members, rule=Combination("rank")))
    assert story["notes"][:2] == [
        "rank of 2: member0, member1",
        "ranks are among the test clips of a section: the score of a clip depends on the others",
    ]


def test_thresholds_of_ranks_are_percentiles_of_the_ranks_of_training_clips(tmp_path):
    members = [member(tmp_path, seed) for seed in range(2)]

    trial = read_trial(written(tmp_path, members, rule=Combination("rank")))

    here = (trial.table["machine_type"] == "fan") & (trial.table["domain"] == "target")
    ranks = np.mean([average_ranks(each, trial.table) for each in answers(2)], axis=0)
    threshold = np.percentile(ranks[here & (trial.table["split"] == "train")], 90)
    np.testing.assert_allclose(trial.thresholds[here], threshold)


def test_weights_of_a_member_count_on_machines_that_are_not_named(tmp_path):
    members = [
        member(tmp_path, 0, weights={"fan": 3.0})._replace(weight=0.25),
        member(tmp_path, 1)._replace(weight=2.0),
    ]

    result = combined(members, SUM)

    weight = np.where(clip_table()["machine_type"] == "fan", 3.0, 0.25)
    first, second = answers(2)
    np.testing.assert_allclose(result.columns["combined"], weight * first + 2 * second, rtol=1e-14)


def test_weights_that_all_machines_share_are_told_once(tmp_path):
    members = [member(tmp_path, 0)._replace(weight=0.25), member(tmp_path, 1)]

    assert combined(members, SUM).notes == ("weights: member0 0.25, member1 1.00",)


def test_a_method_without_weights_refuses_them(tmp_path):
    members = [member(tmp_path, 0, weights={"fan": 3.0}), member(tmp_path, 1)]

    with pytest.raises(ValueError, match=r"`weights` go with .* Received: how='median'"):
        combined(members, Combination("median"))


def test_a_member_that_does_not_score_a_machine_is_left_out_of_every_method(tmp_path):
    members = [member(tmp_path, 0, machine_types=("valve",)), member(tmp_path, 1)]
    first, second = answers(2)

    for how in ("maximum", "median"):
        columns = combined(members, Combination(how)).columns["combined"]
        np.testing.assert_array_equal(columns[:8], second[:8])
    np.testing.assert_array_equal(
        combined(members, Combination("maximum")).columns["combined"][8:],
        np.maximum(first, second)[8:],
    )


def normalized(scores, table, split, keys):
    """By hand: every clip against those of its place in one split, population deviation."""
    places = table[keys].agg("/".join, axis=1)
    values = []
    for number in range(len(table)):
        here = (places == places[number]) & (table["split"] == split)
        counted = scores[here.to_numpy(dtype=bool)]
        values.append((scores[number] - counted.mean()) / counted.std())
    return np.array(values)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("scope", ["section", "section_and_domain"])
def test_answers_are_normalized_by_the_clips_that_the_rule_names(tmp_path, scope, split):
    members = [member(tmp_path, seed) for seed in range(3)]
    rule = Combination("median", normalize=scope, normalize_on=split)

    result = combined(members, rule)

    keys = ["machine_type", "section", "domain"][: 2 if scope == "section" else 3]
    rows = [normalized(each, result.table, split, keys) for each in answers(3)]
    np.testing.assert_allclose(result.columns["combined"], np.median(rows, axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    ("scope", "split", "words"),
    [
        ("section", "train", "of its training clips"),
        ("section_and_domain", "train", "of its training clips per section and domain"),
        ("section", "test", "of the test clips: the score of a clip depends on the others"),
    ],
)
def test_the_notes_say_which_clips_normalize(tmp_path, scope, split, words):
    rule = Combination("mean", normalize=scope, normalize_on=split)

    story = read_story(written(tmp_path, [member(tmp_path, 0), member(tmp_path, 1)], None, rule))

    assert story["notes"][1] == f"each member's scores count in standard deviations {words}"


def test_test_clips_of_one_score_are_called_test_clips(tmp_path):
    columns = member_columns(0, 16).assign(combined=1.0)

    result = combined(
        [member(tmp_path, 0, columns=columns)],
        Combination("mean", normalize="section", normalize_on="test"),
    )

    assert result.notes[0].startswith("member0: the test clips of fan 00, valve 00 have one score")


def test_members_chosen_by_labels_are_told_and_mark_the_result(tmp_path):
    """On the fan the noise of one member is that of the other turned round: their sum is best."""
    members = labelled_members(tmp_path, 0.5)
    rule = Combination("mean", best_from_labels=(1, 2), combine_from_labels=("sum", "maximum"))

    out = written(tmp_path, members, by_answer, rule)

    trial, story = read_trial(out), read_story(out)
    assert story["notes"][1] == "chosen by labels: fan member0, member1 by sum"
    assert story["notes"][2] == (
        "there are no labels to choose members for valve by: all count there, by mean"
    )
    assert story["oracle"] == [
        "the labels of development test clips chose which members count, and how",
        "checkpoint",
    ]
    first, second = (read_trial(each.folder).columns["combined"] for each in members)
    fan = trial.table["machine_type"] == "fan"
    expected = np.where(fan, first + second, (first + second) / 2)
    np.testing.assert_allclose(trial.columns["combined"], expected, rtol=1e-12)


def test_members_are_chosen_by_what_is_normalized_and_scored(tmp_path):
    members = [*labelled_members(tmp_path, 0.8), *labelled_members(tmp_path, 0.8)[:1]]
    members[2] = members[2]._replace(name="of the valve", machine_types=("valve",))
    rule = Combination("mean", normalize="section", best_from_labels=(3,))

    result = combined(members, rule)

    assert "chosen by labels: fan member0, member1" in result.notes
    parts = [
        normalized(
            read_trial(each.folder).columns["combined"].to_numpy(),
            result.table,
            "train",
            ["machine_type", "section"],
        )
        for each in members[:2]
    ]
    fan = (result.table["machine_type"] == "fan").to_numpy(dtype=bool)
    expected = np.mean(parts, axis=0)[fan]
    np.testing.assert_allclose(result.columns["combined"][fan], expected, rtol=1e-10)


def with_groups(one, seed, *names):
    """A member that tells what its scores are due to."""
    groups = pd.DataFrame(np.random.default_rng(seed).normal(size=(16, len(names))), columns=names)
    write_group_scores(one.folder, clip_table(), groups)
    return groups


def test_group_scores_are_those_of_the_member_that_scores_a_clip_alone(tmp_path):
    members = [
        member(tmp_path, 0, machine_types=("fan",)),
        member(tmp_path, 1, machine_types=("valve",)),
    ]
    first = with_groups(members[0], 7, "section", "attribute_f-n")
    second = with_groups(members[1], 8, "attribute_ac", "section")

    groups = read_group_scores(written(tmp_path, members, by_answer))

    assert list(groups) == ["section", "attribute_f-n", "attribute_ac"]
    np.testing.assert_array_equal(groups["section"][:8], first["section"][:8])
    np.testing.assert_array_equal(groups["section"][8:], second["section"][8:])
    np.testing.assert_array_equal(groups["attribute_f-n"][:8], first["attribute_f-n"][:8])
    np.testing.assert_array_equal(groups["attribute_ac"][8:], second["attribute_ac"][8:])
    assert groups["attribute_f-n"][8:].isna().all()
    assert groups["attribute_ac"][:8].isna().all()


def test_clips_of_several_members_have_no_group_scores(tmp_path):
    members = [member(tmp_path, 0), member(tmp_path, 1, machine_types=("valve",))]
    first = with_groups(members[0], 7, "section")

    groups = read_group_scores(written(tmp_path, members, by_answer))

    np.testing.assert_array_equal(groups["section"][:8], first["section"][:8])
    assert groups["section"][8:].isna().all()


def test_members_that_share_all_clips_leave_no_group_scores(tmp_path):
    members = [member(tmp_path, 0), member(tmp_path, 1)]
    with_groups(members[0], 7, "section")

    assert read_group_scores(written(tmp_path, members, by_answer)) is None
