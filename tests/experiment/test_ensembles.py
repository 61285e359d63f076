"""Ensembles: columns added name by name, clip by clip, and what cannot be added."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from asdkeras.errors import RecipeError
from asdkeras.experiment.ensembles import Member, combined, write_ensemble
from asdkeras.experiment.run_folder import RunFolder
from asdkeras.metrics.development import development_score
from asdkeras.metrics.official import RULES
from asdkeras.score_files import (
    TrialMetadata,
    TrialScores,
    read_group_scores,
    read_metadata,
    read_trial,
)
from asdkeras.scorers.combination import Combination
from asdkeras.scorers.thresholds import ThresholdRule, Thresholds

MACHINES = ("fan", "valve")
SUM = Combination("sum")


def clip_table(machines=MACHINES, dataset="mini2022", num_clips=2):
    rows = [
        (machine, split, domain, f"{machine}_{split}_{domain}_{number}.wav")
        for machine in machines
        for split in ("train", "test")
        for domain in ("source", "target")
        for number in range(num_clips)
    ]
    table = pd.DataFrame(rows, columns=["machine_type", "split", "domain", "path"]).astype("string")
    constant = {"dataset": dataset, "section": "00", "attributes": pd.NA, "is_anomalous": False}
    return table.assign(**constant).astype({"dataset": "string", "section": "string"})


def member_columns(seed, num_clips):
    rng = np.random.default_rng(seed)
    names = ("combined", "section", "combined_epoch1", "section_epoch1")
    return pd.DataFrame({name: rng.normal(size=num_clips) for name in names})


@dataclasses.dataclass(frozen=True)
class Kept(Member):
    """A member whose scores are in memory."""

    kept: object = None
    metadata: TrialMetadata = None
    by_group: object = None

    def __post_init__(self):
        pass

    def trial(self):
        return self.kept

    def groups(self):
        return self.by_group


def member(seed, choice="", machine_types=None, *, table=None, columns=None, held_out=None, **more):
    """A scored trial; `more` are other attributes of the member or of its metadata."""
    table = clip_table() if table is None else table
    columns = member_columns(seed, len(table)) if columns is None else columns
    zeros = pd.Series(0.0, table.index)
    metadata = TrialMetadata("combined", "section", ("combined", "section"), {}, (f"note {seed}",))
    known = {field.name for field in dataclasses.fields(TrialMetadata)} & set(more)
    return Kept(
        f"member{seed}",
        None,
        kept=TrialScores(table, columns, zeros, zeros, held_out),
        metadata=dataclasses.replace(metadata, **{name: more.pop(name) for name in known}),
        choice=choice,
        machine_types=machine_types,
        **more,
    )


@pytest.mark.parametrize(("how", "factor"), [("sum", 1.0), ("mean", 1 / 3)])
def test_every_name_is_added_by_itself(how, factor):
    members = [member(seed) for seed in range(3)]

    result = combined(members, Combination(how))

    expected = sum(member_columns(seed, 16) for seed in range(3)) * factor
    assert result.is_whole
    pd.testing.assert_frame_equal(result.columns, expected, rtol=1e-14)


def test_a_snapshot_counts_under_plain_names():
    members = [member(0), member(1, choice="epoch1")]

    result = combined(members, SUM)

    ours, theirs = member_columns(0, 16), member_columns(1, 16)
    assert list(result.columns) == ["combined", "section"]
    np.testing.assert_allclose(
        result.columns["section"], ours["section"] + theirs["section_epoch1"], rtol=1e-14
    )


def test_a_chosen_score_counts_alone_beside_the_main_scores_of_the_others():
    members = [member(0), member(1, choice="section_epoch1")]

    result = combined(members, SUM)

    ours, theirs = member_columns(0, 16), member_columns(1, 16)
    assert not result.is_whole
    assert list(result.columns) == ["combined"]
    np.testing.assert_allclose(
        result.columns["combined"], ours["combined"] + theirs["section_epoch1"], rtol=1e-14
    )


@pytest.mark.parametrize("how", ["sum", "mean"])
def test_members_count_on_their_machines_alone(how):
    members = [
        member(0, machine_types=("fan",)),
        member(1, machine_types=("valve",)),
        member(2, machine_types=("valve",)),
    ]

    columns = combined(members, Combination(how)).columns["combined"]

    first, second, third = (member_columns(seed, 16)["combined"] for seed in range(3))
    np.testing.assert_allclose(columns[:8], first[:8], rtol=1e-14)
    valve = second[8:] + third[8:]
    np.testing.assert_allclose(columns[8:], valve / 2 if how == "mean" else valve, rtol=1e-14)


def test_a_clip_without_a_score_of_one_member_has_none():
    columns = member_columns(1, 16)
    columns.loc[3, "section"] = np.nan
    members = [member(0), member(1, columns=columns)]

    result = combined(members, SUM).columns

    assert result["section"].isna().tolist() == [number == 3 for number in range(16)]
    assert result["combined"].notna().all()


def of_own_clips(whole):
    """The same member, whose files hold nothing but the clips that it scores."""
    table, columns, *others = whole.kept
    is_own = whole.scores_clips(table)
    table, columns, *others = (
        each if each is None else each[is_own].reset_index(drop=True)
        for each in (table, columns, *others)
    )
    by_group = None if whole.by_group is None else whole.by_group[is_own].reset_index(drop=True)
    return dataclasses.replace(whole, kept=TrialScores(table, columns, *others), by_group=by_group)


@pytest.mark.parametrize("normalize", ["none", "section"])
def test_a_member_need_not_have_clips_that_it_does_not_score(normalize):
    members = [member(0, machine_types=("valve",)), member(1, machine_types=("fan",))]
    rule = Combination("sum", normalize=normalize)

    of_parts = combined([of_own_clips(each) for each in members], rule)

    pd.testing.assert_frame_equal(of_parts.table, clip_table())
    pd.testing.assert_frame_equal(of_parts.columns, combined(members, rule).columns)


def test_members_of_other_clips_are_refused():
    other = member(1, table=clip_table(("fan", "pump")))

    with pytest.raises(RecipeError, match="member1: its clips are not those of member0"):
        combined([member(0), other], SUM)


def with_section(split):
    """A clip table that has clips of one split in a section more."""
    table = clip_table()
    more = table[table["split"] == split].assign(section="03")
    return pd.concat([table, more], ignore_index=True)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("normalize", ["none", "section"])
def test_sections_without_test_clips_count_where_all_members_have_them(order, normalize):
    whole, part = member(0, table=with_section("train")), member(1)
    members = [(whole, part)[number] for number in order]
    kept = [dataclasses.replace(each, kept=shortened(each.kept)) for each in members]
    rule = Combination("sum", normalize=normalize)

    result = combined(members, rule)

    pd.testing.assert_frame_equal(result.table, clip_table())
    pd.testing.assert_frame_equal(result.columns, combined(kept, rule).columns)
    assert len(combined([whole, whole], rule).table) == len(with_section("train"))


def shortened(trial):
    return TrialScores(*(None if each is None else each[: len(clip_table())] for each in trial))


def test_a_section_with_test_clips_that_a_member_lacks_is_refused():
    for members in ((0, 1), (1, 0)):
        tables = [with_section("test"), clip_table()]
        with pytest.raises(RecipeError, match="its clips are not those of"):
            combined([member(number, table=tables[number]) for number in members], SUM)


def test_the_message_on_an_unknown_choice_names_the_known_ones():
    with pytest.raises(RecipeError, match=r"no score `epoch7`. It has: combined, section, "):
        combined([member(0, choice="epoch7")], SUM)


def equal_to_combined(columns, table, score):
    return Thresholds(columns["combined"])


def by_section_and_domain(columns, table, score):
    return ThresholdRule("section_and_domain", "percentile", 90.0).thresholds(columns[score], table)


@pytest.fixture
def written(tmp_path):
    """Writes the scores of an ensemble into a folder."""

    def written(members, thresholds=None, combination=SUM):
        folder = RunFolder(tmp_path / "out", "digest", "data")
        rows = {"combined": "all_40", "target": "target"}
        write_ensemble(folder, 0, members, combination, thresholds=thresholds, published_rows=rows)
        return folder.scores(0)

    return written


def test_thresholds_of_whole_members_are_those_of_the_system(written):
    members = [member(0), member(1)]

    out = written(members, equal_to_combined)

    trial = read_trial(out)
    expected = trial.columns["section"] > trial.columns["combined"]
    np.testing.assert_array_equal(trial.decisions, expected.astype(int))
    assert 0 < expected.sum() < 16


def test_thresholds_of_a_chosen_score_are_percentiles_per_section_and_domain(written):
    out = written([member(0, choice="section", table=clip_table(dataset="mini2021"))])

    trial = read_trial(out)
    scores, table = trial.columns["combined"], trial.table
    for machine in MACHINES:
        for domain in ("source", "target"):
            here = (table["machine_type"] == machine) & (table["domain"] == domain)
            threshold = np.percentile(scores[here & (table["split"] == "train")], 90)
            np.testing.assert_allclose(trial.thresholds[here], threshold)
    np.testing.assert_array_equal(trial.decisions, (scores > trial.thresholds).astype(int))


@pytest.mark.parametrize("thresholds", [None, by_section_and_domain])
def test_thresholds_of_test_clips_whose_domain_is_withheld_are_those_of_the_section(
    written, thresholds
):
    choice = "section" if thresholds is None else ""
    members = [member(0, choice=choice, table=clip_table(dataset="mini2022"))]

    trial = read_trial(written(members, thresholds))

    table, scores = trial.table, trial.columns["combined"]
    training = table["split"] == "train"
    for machine in MACHINES:
        here = table["machine_type"] == machine
        threshold = np.percentile(scores[here & training], 90)
        np.testing.assert_allclose(trial.thresholds[here & ~training], threshold)
        for domain in ("source", "target"):
            own = here & training & (table["domain"] == domain)
            np.testing.assert_allclose(trial.thresholds[own], np.percentile(scores[own], 90))


def test_the_result_says_what_it_is_made_of_and_repeats_the_notes_of_its_members(written):
    members = [member(0), member(1, machine_types=MACHINES)]

    metadata = read_metadata(written(members, equal_to_combined))

    assert metadata.notes == (
        "sum of 2: member0, member1 on fan valve",
        "member0: note 0",
        "member1: note 1",
    )
    assert metadata.published_rows == {"combined": "all_40"}
    assert metadata.named_scores == ("combined", "section")


def test_what_is_said_of_an_ensemble_is_not_repeated_for_its_members(tmp_path):
    folder = RunFolder(tmp_path / "out", "digest", "data")
    members = [member(0, notes=("ours", "theirs")), member(1, notes=("ours",))]

    write_ensemble(
        folder, 0, members, SUM, thresholds=None, published_rows={}, remarks=("ours", "own")
    )

    notes = read_metadata(folder.scores(0)).notes
    assert notes == ("ours", "own", "sum of 2: member0, member1", "member0: theirs")


def test_official_files_are_written_for_the_test_clips(written):
    out = written([member(0)], equal_to_combined)

    names = {path.name: path.read_text().count("\n") for path in out.glob("*_test.csv")}
    assert names == {
        f"{kind}_{machine}_section_00_test.csv": 4
        for kind in ("anomaly_score", "decision_result")
        for machine in MACHINES
    }


def differing_members(**more):
    """Two members whose main scores have different names, and that share the column `section`."""
    first = member_columns(0, 16).rename(columns={"combined": "weighted"})
    second = member_columns(1, 16).rename(columns={"combined": "joint"})
    return (
        member(0, columns=first, main_score="weighted", decision_score="weighted"),
        member(1, columns=second, main_score="joint", decision_score="joint", **more),
    )


def test_main_scores_of_different_names_are_one_of_a_plain_name(written):
    def below(columns, table, score):
        return Thresholds(columns[score] - 1.0)

    out = written(differing_members(), below)

    columns, metadata = read_trial(out).columns, read_metadata(out)
    ours, theirs = member_columns(0, 16), member_columns(1, 16)
    expected = ours["combined"] + theirs["combined"]
    np.testing.assert_allclose(columns["anomaly_score"], expected, rtol=1e-14)
    np.testing.assert_allclose(columns["section"], ours["section"] + theirs["section"], rtol=1e-14)
    assert not {"weighted", "joint"} & set(columns)
    assert (metadata.main_score, metadata.decision_score) == 2 * ("anomaly_score",)
    assert metadata.named_scores == ("anomaly_score", "section")
    assert read_trial(out).decisions.all()


def test_another_column_of_one_member_can_be_the_main_score(written):
    one = member(0)

    out = written([one], equal_to_combined, Combination("sum", main_score="section_epoch1"))

    trial, metadata = read_trial(out), read_metadata(out)
    pd.testing.assert_frame_equal(trial.columns, member_columns(0, 16))
    assert (metadata.main_score, metadata.decision_score) == 2 * ("section_epoch1",)
    assert metadata.named_scores == ("section_epoch1", "combined", "section")
    assert metadata.notes == ("scores of member0, column section_epoch1", "member0: note 0")
    is_above = trial.columns["section_epoch1"] > trial.columns["combined"]
    np.testing.assert_array_equal(trial.decisions, is_above.astype(int))


def test_a_main_score_that_a_member_lacks_is_our_mistake():
    with pytest.raises(ValueError, match=r"column of every member.*'weighted'; member1 has joint,"):
        combined(differing_members(), Combination("sum", main_score="weighted"))


def test_two_members_add_the_column_that_is_chosen_as_the_main_score():
    members = [member(0), member(1, machine_types=MACHINES)]

    result = combined(members, Combination("sum", main_score="section"))

    expected = member_columns(0, 16)["section"] + member_columns(1, 16)["section"]
    assert result.main_score == "section"
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


def test_standardized_main_scores_count_by_the_training_clips_of_their_section():
    table = table_of_sections()
    members = [
        member(0, table=table, weights={"fan": 3.0}),
        member(1, table=table),
    ]

    result = combined(members, Combination("sum", normalize="section"))

    ours, theirs = (
        standardized(member_columns(seed, 16)["combined"].to_numpy(), table) for seed in (0, 1)
    )
    weight = np.where(table["machine_type"] == "fan", 3.0, 1.0)
    assert list(result.columns) == ["combined"]
    np.testing.assert_allclose(result.columns["combined"], weight * ours + theirs, rtol=1e-12)


def test_standardization_stands_in_the_notes_and_the_system_is_asked_for_thresholds(written):
    rule = Combination("sum", normalize="section")

    out = written([member(0), member(1)], equal_to_combined, rule)

    trial, metadata = read_trial(out), read_metadata(out)
    assert "in standard deviations of its training clips" in metadata.notes[1]
    assert metadata.decision_score == "combined"
    np.testing.assert_array_equal(trial.thresholds, trial.columns["combined"])
    assert not trial.decisions.any()


def test_training_clips_of_one_score_are_not_divided_by_their_spread():
    """Nor by the 1e-17 that rounding leaves of it."""
    columns = member_columns(0, 16)
    fan = clip_table()["machine_type"] == "fan"
    columns.loc[fan & (clip_table()["split"] == "train"), "combined"] = 0.1
    members = [member(0, columns=columns)]

    result = combined(members, Combination("sum", normalize="section"))

    np.testing.assert_allclose(
        result.columns["combined"][fan], columns["combined"][fan] - 0.1, atol=1e-12
    )
    assert result.notes == (
        "member0: all clips that normalize its scores of fan 00 have one score, so these are not "
        "divided by their spread",
    )


def test_machines_that_a_member_does_not_score_are_not_standardized():
    """The valve is out of the hands of the first member: its one score there is no matter."""
    columns = member_columns(0, 16)
    columns.loc[8:, "combined"] = 0.1
    members = [
        member(0, columns=columns, machine_types=("fan",)),
        member(1, machine_types=("valve",)),
    ]

    result = combined(members, Combination("sum", normalize="section"))

    theirs = standardized(member_columns(1, 16)["combined"].to_numpy(), clip_table())
    np.testing.assert_allclose(result.columns["combined"][8:], theirs[8:], rtol=1e-12)
    assert result.notes == ()


@pytest.mark.parametrize("how", ["sum", "mean"])
def test_weights_are_those_of_member_and_machine(how):
    members = [
        member(0, weights={"fan": 0.6, "pump": 9.0}),
        member(1, weights={"fan": 0.2}),
    ]

    result = combined(members, Combination(how))

    ours, theirs = member_columns(0, 16), member_columns(1, 16)
    for name in ("combined", "section"):
        fan = 0.6 * ours[name][:8] + 0.2 * theirs[name][:8]
        valve = ours[name][8:] + theirs[name][8:]
        expected = [*fan, *valve] if how == "sum" else [*(fan / 0.8), *(valve / 2)]
        np.testing.assert_allclose(result.columns[name], expected, rtol=1e-12)
    assert result.notes == ("weights: fan member0 0.60, member1 0.20",)


def test_a_machine_whose_members_all_weigh_nothing_is_our_mistake():
    members = [
        member(0, weights={"valve": 0.0}),
        member(1, machine_types=("fan",)),
    ]

    with pytest.raises(ValueError, match=r"`weights` must leave .*Received: only zeros for valve"):
        combined(members, SUM)


def labelled_members(best, machine_types=(None, None)):
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
            seed,
            machine_types=machine_types[seed],
            table=table,
            columns=columns[seed],
            decision_score="combined",
            oracle=("checkpoint",) if seed else (),
        )
        for seed in (0, 1)
    ]


@pytest.mark.parametrize("best", [0.35, 0.8])
def test_labels_of_the_development_set_choose_the_weights(best):
    members = labelled_members(best)
    members[0] = dataclasses.replace(members[0], weights={"fan": 0.2, "valve": 0.3})

    result = combined(members, Combination("sum", weights_from_labels=True))

    first, second = (each.trial().columns["combined"] for each in members)
    fan = result.table["machine_type"] == "fan"
    expected = best * first + (1 - best) * second
    np.testing.assert_allclose(result.columns["combined"][fan], expected[fan], rtol=1e-12)
    clips, scores = result.table[fan], result.columns["combined"][fan]
    assert development_score(clips, scores, RULES["dcase2022"]) == 1.0
    valve = 0.3 * first + second
    np.testing.assert_allclose(result.columns["combined"][~fan], valve[~fan], rtol=1e-12)


def test_weights_chosen_by_labels_stand_in_the_notes_and_mark_the_result(written):
    rule = Combination("sum", weights_from_labels=True, oracle=("the variant",))

    out = written(labelled_members(0.8), equal_to_combined, rule)

    metadata = read_metadata(out)
    assert metadata.notes[1:3] == (
        "there are no labels to choose the weights for valve by",
        "weights: fan member0 0.80, member1 0.20",
    )
    assert metadata.oracle == (
        "the variant",
        "the labels of development test clips chose the weights of the members for fan",
        "checkpoint",
    )


def test_the_first_of_equally_good_weights_is_taken():
    members = labelled_members(0.5)
    members = [members[0], dataclasses.replace(members[0], name="again")]

    result = combined(members, Combination("sum", weights_from_labels=True))

    assert result.notes[-1] == "weights: fan member0 0.00, again 1.00"


def test_a_machine_with_one_member_has_no_weight_to_choose():
    members = labelled_members(0.8, (None, ("valve",)))

    result = combined(members, Combination("sum", weights_from_labels=True))

    assert result.oracle == ()
    assert result.notes == ("there are no labels to choose the weights for valve by",)


def test_without_a_choice_by_labels_nothing_is_marked(written):
    assert read_metadata(written([member(0)], equal_to_combined)).oracle == ()


def main_scores(num_members):
    return np.stack([member_columns(seed, 16)["combined"] for seed in range(num_members)])


@pytest.mark.parametrize(
    ("how", "expected"),
    [("median", np.median(main_scores(3), axis=0)), ("maximum", np.max(main_scores(3), axis=0))],
)
def test_methods_without_sums_combine_the_main_scores_alone(how, expected):
    members = [member(seed) for seed in range(3)]

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


def test_ranks_are_weighted_and_mark_that_clips_depend_on_one_another(written):
    table = table_of_sections()
    members = [
        member(0, table=table, weights={"fan": 3.0}),
        member(1, table=table, weight=0.5),
    ]

    result = combined(members, Combination("rank"))

    first, second = (average_ranks(each, table) for each in main_scores(2))
    weight = np.where(table["machine_type"] == "fan", 3.0, 1.0)
    expected = (weight * first + 0.5 * second) / (weight + 0.5)
    np.testing.assert_allclose(result.columns["combined"], expected, rtol=1e-14)
    metadata = read_metadata(written(members, combination=Combination("rank")))
    assert metadata.notes[0] == "rank of 2: member0, member1"
    assert metadata.transductive == (
        "ranks are among the test clips of a section: the score of a clip depends on the others",
    )


def test_thresholds_of_ranks_are_percentiles_of_the_ranks_of_training_clips(written):
    table = clip_table(dataset="mini2021")
    members = [member(seed, table=table) for seed in range(2)]

    trial = read_trial(written(members, combination=Combination("rank")))

    here = (trial.table["machine_type"] == "fan") & (trial.table["domain"] == "target")
    ranks = np.mean([average_ranks(each, trial.table) for each in main_scores(2)], axis=0)
    threshold = np.percentile(ranks[here & (trial.table["split"] == "train")], 90)
    np.testing.assert_allclose(trial.thresholds[here], threshold)


def test_weights_of_a_member_count_on_machines_that_are_not_named():
    members = [
        member(0, weights={"fan": 3.0}, weight=0.25),
        member(1, weight=2.0),
    ]

    result = combined(members, SUM)

    weight = np.where(clip_table()["machine_type"] == "fan", 3.0, 0.25)
    first, second = main_scores(2)
    np.testing.assert_allclose(result.columns["combined"], weight * first + 2 * second, rtol=1e-14)


def test_weights_that_all_machines_share_stand_in_the_notes_once():
    members = [member(0, weight=0.25), member(1)]

    assert combined(members, SUM).notes == ("weights: member0 0.25, member1 1.00",)


def test_a_method_without_weights_refuses_them():
    members = [member(0, weights={"fan": 3.0}), member(1)]

    with pytest.raises(ValueError, match=r"`weights` go with .* Received: how='median'"):
        combined(members, Combination("median"))


def test_a_member_that_does_not_score_a_machine_is_left_out_of_every_method():
    members = [member(0, machine_types=("valve",)), member(1)]
    first, second = main_scores(2)

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
def test_main_scores_are_normalized_by_the_clips_that_the_rule_names(scope, split):
    table = clip_table(dataset="mini2021", num_clips=10)
    members = [member(seed, table=table) for seed in range(3)]
    rule = Combination("median", normalize=scope, normalize_on=split)

    result = combined(members, rule)

    keys = ["machine_type", "section", "domain"][: 2 if scope == "section" else 3]
    scores = [each.trial().columns["combined"].to_numpy() for each in members]
    rows = [normalized(each, table, split, keys) for each in scores]
    np.testing.assert_allclose(result.columns["combined"], np.median(rows, axis=0), rtol=1e-12)


@pytest.mark.parametrize("split", ["train", "test"])
def test_test_clips_whose_domain_is_withheld_are_normalized_by_the_whole_section(split):
    rule = Combination("median", normalize="section_and_domain", normalize_on=split)

    result = combined([member(0, table=clip_table(dataset="mini2022"))], rule)

    is_test = (result.table["split"] == "test").to_numpy(dtype=bool)
    by_section = normalized(main_scores(1)[0], result.table, split, ["machine_type", "section"])
    combined_scores = result.columns["combined"].to_numpy()
    np.testing.assert_allclose(combined_scores[is_test], by_section[is_test], rtol=1e-12)


@pytest.mark.parametrize(
    ("scope", "split", "words"),
    [
        ("section", "train", "of its training clips"),
        ("section_and_domain", "train", "of its training clips per section and domain"),
        ("section", "test", "of the test clips"),
        ("section", "held_out", "of clips it has not learned from"),
    ],
)
def test_the_notes_say_which_clips_normalize(written, scope, split, words):
    rule = Combination("mean", normalize=scope, normalize_on=split)

    metadata = read_metadata(written([member(0), member(1)], None, rule))

    assert metadata.notes[1] == f"each member's scores count in standard deviations {words}"
    assert bool(metadata.transductive) == (split == "test")


def test_test_clips_of_one_score_are_named():
    columns = member_columns(0, 16).assign(combined=1.0)

    result = combined(
        [member(0, columns=columns)],
        Combination("mean", normalize="section", normalize_on="test"),
    )

    assert result.notes[0].startswith(
        "member0: all clips that normalize its scores of fan 00, valve 00 have one score"
    )


# Clips that members have not learned from.

HELD_OUT = Combination("mean", normalize="section_and_domain", normalize_on="held_out")
PLACE = ["machine_type", "domain"]


def members_that_learned(spreads=(1.0, 4.0), num_held_out=12):
    """Members whose scores have these spreads, but far smaller ones of what they learned from.

    Of the 40 training clips of each domain, some are held out, other ones for every member. The
    wider the scores of a member lie, the closer lie those of what it learned from.
    """
    table = clip_table(dataset="mini2021", num_clips=40)
    is_training = (table["split"] == "train").to_numpy(bool)
    random = np.random.default_rng(0)
    members = []
    for number, spread in enumerate(spreads):
        held_out = pd.Series(False, table.index)
        for _, clips in table[is_training].groupby(PLACE):
            held_out[random.choice(clips.index, num_held_out, replace=False)] = True
        scores = spread * random.normal(size=len(table)) + 7.0 * number
        scores[is_training & ~held_out] *= 0.3 / spread**2
        columns = pd.DataFrame({"combined": scores})
        members.append(member(number, table=table, columns=columns, held_out=held_out))
    return members


def test_each_member_has_mean_0_and_variance_1_on_its_own_held_out_clips_of_each_domain():
    for one in members_that_learned():
        result = combined([one], HELD_OUT)

        held_out = result.table[one.trial().held_out]
        for _, clips in held_out.groupby(PLACE):
            scores = result.columns["combined"][clips.index]
            assert len(scores) == 12
            np.testing.assert_allclose(np.mean(scores), 0.0, atol=1e-12)
            np.testing.assert_allclose(np.var(scores), 1.0, rtol=1e-12)
        assert result.notes == ()


def test_members_of_fourfold_spread_weigh_alike_however_well_they_learned():
    """By training clips, the first one would weigh many times the others."""
    members = members_that_learned((1.0, 4.0, 0.25))

    result = combined(members, HELD_OUT).columns["combined"]

    table = members[0].trial().table
    places = list(zip(table["machine_type"], table["domain"], strict=True))
    for number, place in enumerate(places):
        values = []
        for one in members:
            scores, held_out = one.trial().columns["combined"], one.trial().held_out
            counted = [scores[k] for k in range(len(table)) if held_out[k] and places[k] == place]
            mean = sum(counted) / len(counted)
            variance = sum((score - mean) ** 2 for score in counted) / len(counted)
            values.append((scores[number] - mean) / variance**0.5)
        np.testing.assert_allclose(result[number], sum(values) / 3, rtol=1e-10)


def test_too_few_held_out_clips_of_a_member_are_replaced_by_training_clips_and_named():
    """Four of each domain are eight of the section."""
    members = [members_that_learned()[1], *members_that_learned((1.0,), num_held_out=4)]

    result = combined(members, HELD_OUT)

    by_training = combined(members[1:], dataclasses.replace(HELD_OUT, normalize_on="train"))
    by_itself = combined(members[:1], HELD_OUT)
    expected = (by_itself.columns["combined"] + by_training.columns["combined"]) / 2
    np.testing.assert_allclose(result.columns["combined"], expected, rtol=1e-12)
    assert result.notes == (
        "member0: fewer than 10 clips of fan 00, valve 00 are held out, so its scores there are "
        "normalized by training clips it has learned from",
    )


def test_clips_are_held_out_of_an_ensemble_if_they_are_of_all_members_that_score_them(written):
    members = members_that_learned(num_held_out=30)
    first, second = (one.trial().held_out for one in members)
    members[1] = of_own_clips(dataclasses.replace(members[1], machine_types=("valve",)))

    trial = read_trial(written(members, combination=HELD_OUT))

    assert 0 < (first & second).sum() < first.sum()
    expected = np.where(trial.table["machine_type"] == "fan", first, first & second)
    np.testing.assert_array_equal(trial.held_out, expected)


def test_a_member_that_holds_nothing_out_leaves_nothing_held_out_of_an_ensemble(written):
    members = members_that_learned()
    members[1] = dataclasses.replace(members[1], kept=members[1].trial()._replace(held_out=None))

    assert read_trial(written(members, combination=HELD_OUT)).held_out is None


def test_an_ensemble_that_is_a_member_is_normalized_by_clips_that_are_held_out_of_all(written):
    """The mean of three scores of variance 1 has a smaller one, and would weigh less."""
    members = members_that_learned((1.0, 4.0, 0.25), num_held_out=35)
    together = read_trial(written(members, combination=HELD_OUT))
    alone = read_trial(written(members[:1], combination=HELD_OUT))
    pair = [dataclasses.replace(members[0], kept=trial) for trial in (together, alone)]

    result = combined(pair, HELD_OUT).columns["combined"]

    expected = []
    for trial in (together, alone):
        for _, clips in trial.table.groupby(PLACE):
            scores = trial.columns["combined"][clips.index]
            counted = scores[trial.held_out[clips.index]]
            expected.append((scores - np.mean(counted)) / np.std(counted))
        if trial is together:
            assert 10 <= len(counted) < 35
            assert np.std(counted) < 0.9
    total = pd.concat(expected).groupby(level=0).sum()
    np.testing.assert_allclose(result, total / 2, rtol=1e-10)


def test_what_members_read_of_test_clips_marks_their_ensemble_too(written):
    rule = dataclasses.replace(HELD_OUT, normalize_on="test")

    out = written([member(0, transductive=("ranks",)), member(1)], combination=rule)

    assert read_metadata(out).transductive == (
        "scores of members are normalized by the test clips: the score of a clip depends on the "
        "others",
        "ranks",
    )


def test_members_chosen_by_labels_stand_in_the_notes_and_mark_the_result(written):
    """On the fan the noise of one member is that of the other turned round: their sum is best."""
    members = labelled_members(0.5)
    rule = Combination("mean", best_from_labels=(1, 2), methods_from_labels=("sum", "maximum"))

    out = written(members, equal_to_combined, rule)

    trial, metadata = read_trial(out), read_metadata(out)
    assert metadata.notes[1] == "chosen by labels: fan member0, member1 by sum"
    assert metadata.notes[2] == (
        "there are no labels to choose members for valve by: all count there, by mean"
    )
    assert metadata.oracle == (
        "the labels of development test clips chose which members count, and how",
        "checkpoint",
    )
    first, second = (each.trial().columns["combined"] for each in members)
    fan = trial.table["machine_type"] == "fan"
    expected = np.where(fan, first + second, (first + second) / 2)
    np.testing.assert_allclose(trial.columns["combined"], expected, rtol=1e-12)


def test_members_are_chosen_by_what_is_normalized_and_scored():
    members = [*labelled_members(0.8), *labelled_members(0.8)[:1]]
    members[2] = dataclasses.replace(members[2], name="of the valve", machine_types=("valve",))
    rule = Combination("mean", normalize="section", best_from_labels=(3,))

    result = combined(members, rule)

    assert "chosen by labels: fan member0, member1" in result.notes
    parts = [
        normalized(
            each.trial().columns["combined"].to_numpy(),
            result.table,
            "train",
            ["machine_type", "section"],
        )
        for each in members[:2]
    ]
    fan = (result.table["machine_type"] == "fan").to_numpy(dtype=bool)
    expected = np.mean(parts, axis=0)[fan]
    np.testing.assert_allclose(result.columns["combined"][fan], expected, rtol=1e-10)


def groups_of(seed, *names):
    """Scores by group of the clips of a member."""
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(16, len(names))), columns=names)


@pytest.mark.parametrize("files_of", [lambda whole: whole, of_own_clips], ids=["all", "own"])
def test_group_scores_are_those_of_the_member_that_scores_a_clip_alone(written, files_of):
    first = groups_of(7, "section", "attribute_f-n")
    second = groups_of(8, "attribute_ac", "section")
    members = [
        member(0, machine_types=("fan",), by_group=first),
        member(1, machine_types=("valve",), by_group=second),
    ]

    groups = read_group_scores(written([*map(files_of, members)], equal_to_combined))

    assert list(groups) == ["section", "attribute_f-n", "attribute_ac"]
    np.testing.assert_array_equal(groups["section"][:8], first["section"][:8])
    np.testing.assert_array_equal(groups["section"][8:], second["section"][8:])
    np.testing.assert_array_equal(groups["attribute_f-n"][:8], first["attribute_f-n"][:8])
    np.testing.assert_array_equal(groups["attribute_ac"][8:], second["attribute_ac"][8:])
    assert groups["attribute_f-n"][8:].isna().all()
    assert groups["attribute_ac"][:8].isna().all()


def test_clips_of_several_members_have_no_group_scores(written):
    first = groups_of(7, "section")
    members = [member(0, by_group=first), member(1, machine_types=("valve",))]

    groups = read_group_scores(written(members, equal_to_combined))

    np.testing.assert_array_equal(groups["section"][:8], first["section"][:8])
    assert groups["section"][8:].isna().all()


def test_members_that_share_all_clips_leave_no_group_scores(written):
    members = [member(0, by_group=groups_of(7, "section")), member(1)]

    assert read_group_scores(written(members, equal_to_combined)) is None
