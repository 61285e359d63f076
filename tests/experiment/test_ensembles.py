"""Ensembles: columns added name by name, clip by clip, and what cannot be added."""

import json

import numpy as np
import pandas as pd
import pytest

from asdkeras.errors import RecipeError
from asdkeras.experiment.ensembles import Member, combined, write_ensemble
from asdkeras.experiment.run_folder import RunFolder
from asdkeras.score_files import TrialScores, read_story, read_trial, write_trial

MACHINES = ("fan", "valve")


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


def member(tmp_path, seed, choice="", machine_types=None, table=None, columns=None):
    """A scored trial on disk."""
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
    }
    (folder / "DONE").write_text(json.dumps(story))
    return Member(folder, f"member{seed}", choice, machine_types)


@pytest.mark.parametrize(("how", "factor"), [("sum", 1.0), ("mean", 1 / 3)])
def test_every_name_is_added_by_itself(tmp_path, how, factor):
    members = [member(tmp_path, seed) for seed in range(3)]

    result = combined(members, how)

    expected = sum(member_columns(seed, 16) for seed in range(3)) * factor
    assert result.is_whole
    pd.testing.assert_frame_equal(result.columns, expected, rtol=1e-14)


def test_a_snapshot_counts_under_plain_names(tmp_path):
    members = [member(tmp_path, 0), member(tmp_path, 1, choice="epoch1")]

    result = combined(members, "sum")

    ours, theirs = member_columns(0, 16), member_columns(1, 16)
    assert list(result.columns) == ["combined", "section"]
    np.testing.assert_allclose(
        result.columns["section"], ours["section"] + theirs["section_epoch1"], rtol=1e-14
    )


def test_a_chosen_score_counts_alone_beside_the_answers_of_the_others(tmp_path):
    members = [member(tmp_path, 0), member(tmp_path, 1, choice="section_epoch1")]

    result = combined(members, "sum")

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

    columns = combined(members, how).columns["combined"]

    first, second, third = (member_columns(seed, 16)["combined"] for seed in range(3))
    np.testing.assert_allclose(columns[:8], first[:8], rtol=1e-14)
    valve = second[8:] + third[8:]
    np.testing.assert_allclose(columns[8:], valve / 2 if how == "mean" else valve, rtol=1e-14)


def test_a_clip_without_a_score_of_one_member_has_none(tmp_path):
    columns = member_columns(1, 16)
    columns.loc[3, "section"] = np.nan
    members = [member(tmp_path, 0), member(tmp_path, 1, columns=columns)]

    result = combined(members, "sum").columns

    assert result["section"].isna().tolist() == [number == 3 for number in range(16)]
    assert result["combined"].notna().all()


def test_machines_without_a_member_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="no member of this ensemble scores valve"):
        combined([member(tmp_path, 0, machine_types=("fan",))], "sum")


def test_members_of_other_clips_are_refused(tmp_path):
    other = member(tmp_path, 1, table=clip_table(("fan", "pump")))

    with pytest.raises(RecipeError, match="member1: its clips are not those of member0"):
        combined([member(tmp_path, 0), other], "sum")


def test_an_unknown_choice_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(RecipeError, match=r"no score `epoch7`. It has: combined, section, "):
        combined([member(tmp_path, 0, choice="epoch7")], "sum")


def by_answer(columns, table, constants):
    assert constants == {}
    return columns["combined"]


def written(tmp_path, members, decide=None):
    folder = RunFolder(tmp_path / "out", "digest", "data")
    rows = {"combined": "all_40", "target": "target"}
    write_ensemble(folder, 0, members, "sum", decide=decide, published_rows=rows)
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
