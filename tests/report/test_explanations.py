"""What is said of the groups that a score is due to: excess, what fired, and how often."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from asdkeras.report.explanations import explain, explanations_of, group_names, print_fired
from asdkeras.report.results import conclude
from asdkeras.report.scored_runs import read_scored_run
from tests.report.explained_runs import TRAINING, explained_trial, write_explained_run

SPREAD = 2**0.5
SLIDER = {
    ("slider", "00"): {
        "answer": [4.5, 3.0],
        "section": [4.7, 4.6],
        "attribute_ac": [9.0, 1.0],
        "attribute_vel": [4.6, 5.0],
    }
}


def explained(sections=SLIDER, **options):
    trial, groups = explained_trial(sections, **options)
    return explain(trial, groups, "combined", "combined")


def test_there_is_a_row_for_each_test_clip():
    clips = explained()

    assert clips["name"].tolist() == ["test_0.wav", "test_1.wav"]
    assert clips["is_anomalous"].tolist() == [False, True]
    assert clips["anomaly_score"].tolist() == [4.5, 3.0]
    assert clips["threshold"].tolist() == [4.0, 4.0]
    assert clips["is_decided_anomalous"].tolist() == [1, 0]
    assert group_names(clips) == ["section", "attribute_ac", "attribute_vel"]


def test_excess_counts_standard_deviations_above_the_training_clips():
    clips = explained()

    np.testing.assert_allclose(clips["excess_attribute_ac"], [6 / SPREAD, -2 / SPREAD])
    np.testing.assert_allclose(clips["group_attribute_ac"], [9.0, 1.0])


def test_what_lies_above_the_90th_percentile_has_fired_the_largest_excess_first():
    """4.6 is the percentile itself, which is not above it."""
    clips = explained()

    assert clips["fired_section"].tolist() == [1, 0]
    assert clips["fired_attribute_vel"].tolist() == [0, 1]
    assert clips["fired"].tolist() == ["attribute_ac;section", "attribute_vel"]


def test_groups_of_equal_excess_stand_in_their_order():
    clips = explained({("fan", "00"): {"answer": [5.0], "b": [6.0], "a": [6.0], "c": [7.0]}})

    assert clips["fired"].tolist() == ["c;b;a"]


def test_margin_counts_standard_deviations_of_the_score_above_the_threshold():
    clips = explained(thresholds={("slider", "00"): 2.0})

    np.testing.assert_allclose(clips["margin"], [2.5 / SPREAD, 1.0 / SPREAD])


def test_each_section_has_training_clips_of_its_own():
    trial, groups = explained_trial(
        {
            ("slider", "00"): {"answer": [5.0], "section": [6.0]},
            ("slider", "01"): {"answer": [5.0], "section": [6.0]},
        }
    )
    is_other = (trial.table["section"] == "01") & (trial.table["split"] == "train")
    groups.loc[is_other, "section"] += 10.0

    clips = explain(trial, groups, "combined", "combined")

    np.testing.assert_allclose(clips["excess_section"], [3 / SPREAD, -7 / SPREAD])
    assert clips["fired"].tolist() == ["section", ""]


def test_a_group_that_a_machine_type_lacks_is_empty_there():
    clips = explained(
        {
            ("fan", "00"): {"answer": [5.0], "section": [6.0], "attribute_m-n": [1.0]},
            ("valve", "00"): {"answer": [5.0], "attribute_pat": [6.0]},
        }
    )

    valve = clips[clips["machine_type"] == "valve"].iloc[0]
    for name in ("section", "attribute_m-n"):
        assert all(pd.isna(valve[f"{kind}_{name}"]) for kind in ("group", "excess", "fired"))
    assert clips["fired"].tolist() == ["section", "attribute_pat"]


def test_a_section_whose_training_clips_have_no_score_cannot_fire():
    """A clip that is scored without itself has nothing to be compared with if it is alone."""
    trial, groups = explained_trial(SLIDER)
    groups.loc[trial.table["split"] == "train", "section"] = np.nan

    clips = explain(trial, groups, "combined", "combined")

    assert clips["fired_section"].isna().all()
    assert clips["fired"].tolist() == ["attribute_ac", "attribute_vel"]


def test_another_score_that_decides_stands_beside_the_answer():
    trial, groups = explained_trial(SLIDER)
    trial.columns["weighted"] = 2.0 * trial.columns["combined"]

    clips = explain(trial, groups, "combined", "weighted")

    assert clips["anomaly_score"].tolist() == [4.5, 3.0]
    assert clips["decision_score"].tolist() == [9.0, 6.0]
    np.testing.assert_allclose(clips["margin"], [5 / (2 * SPREAD), 2 / (2 * SPREAD)])
    assert "decision_score" not in explained()


def test_all_trials_are_explained_one_below_the_other(tmp_path):
    other = {("slider", "00"): {"answer": [4.5, 3.0], "section": [1.0, 9.0]}}
    trials = {3: explained_trial(SLIDER), 1: explained_trial(other)}
    scores = read_scored_run(write_explained_run(tmp_path, trials), [3, 1])

    clips = explanations_of(scores)

    assert clips["seed"].tolist() == [3, 3, 1, 1]
    assert clips["fired"].tolist() == ["attribute_ac;section", "attribute_vel", "", "section"]
    assert explanations_of(scores, 1)["fired"].tolist() == ["", "section"]


def test_a_run_without_group_scores_has_no_explanations(tmp_path):
    trials = {0: (explained_trial(SLIDER)[0], None)}

    assert explanations_of(read_scored_run(write_explained_run(tmp_path, trials), [0])) is None


def printed(explanations, width=80):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    print_fired(explanations, console)
    return console.file.getvalue()


def counted_clips():
    """Decided anomalous: ac, vel;ac, ac;section, and one without anything; one is normal."""
    return {
        ("slider", "01"): {
            "answer": [5.0, 5.0, 5.0, 5.0, 1.0],
            "section": [1.0, 1.0, 6.0, 1.0, 9.0],
            "attribute_ac": [6.0, 6.0, 7.0, 1.0, 9.0],
            "attribute_vel": [1.0, 7.0, 1.0, 1.0, 9.0],
        }
    }


def test_what_fired_is_counted_in_clips_decided_anomalous():
    text = printed(explained(counted_clips()).assign(seed=0))

    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "what fired in clips decided anomalous: first (at all)"
    start = next(k for k, line in enumerate(lines) if line.startswith("slider"))
    assert " ".join(lines[start:]).strip() == (
        "slider 01 4 of 5 attribute_ac 2 (3), attribute_vel 1 (1), section 0 (1), nothing 1"
    )


def test_trials_are_counted_together():
    clips = explained(counted_clips())

    text = printed(pd.concat([clips.assign(seed=seed) for seed in (0, 1)]))

    assert "first (at all), 2 trials together" in text
    assert "8 of 10" in text
    assert "attribute_ac 4 (6)" in text


def test_a_machine_type_is_named_once_and_nothing_fires_where_nothing_is_anomalous():
    quiet = {"answer": [1.0], "section": [1.0]}

    text = printed(explained({("fan", "00"): quiet, ("fan", "01"): quiet}).assign(seed=0))

    lines = [line.split() for line in text.splitlines()]
    assert ["fan", "00", "0", "of", "1"] in lines
    assert ["01", "0", "of", "1"] in lines


def test_many_groups_are_broken_between_words_on_a_narrow_terminal():
    names = ["section", *(f"attribute_{word}" for word in ("car", "spd", "mic", "noise", "long"))]
    of_place = {"answer": [5.0]} | {name: [9.0] for name in names}
    clips = explained({("ToyCar", "00"): of_place}).assign(seed=0)

    for width in (64, 80):
        text = printed(clips, width)
        assert max(map(len, text.splitlines())) <= width
        for name in names:
            assert f"{name} {int(name == 'section')} (1)" in text
    words = " ".join(printed(clips, 56).split())
    assert all(name in words for name in names)
    assert "\N{HORIZONTAL ELLIPSIS}" not in words


def test_the_end_of_a_run_writes_and_prints_what_its_scores_are_due_to(tmp_path, capsys):
    run = write_explained_run(tmp_path / "disent_cat" / "mini2022", {0: explained_trial(SLIDER)})

    conclude(run, "venkatesh2022", [0])

    clips = pd.read_csv(run / "explanations.csv", dtype={"section": str})
    assert list(clips.columns[:2]) == ["seed", "dataset"]
    assert clips["fired"].tolist() == ["attribute_ac;section", "attribute_vel"]
    output = capsys.readouterr().out
    assert "what fired in clips decided anomalous" in output


def test_recordings_without_labels_are_explained_too(tmp_path, capsys):
    trial, groups = explained_trial(SLIDER, dataset="factory")
    table = trial.table.assign(is_anomalous=pd.array([pd.NA] * len(trial.table), "boolean"))
    run = write_explained_run(
        tmp_path / "a" / "factory", {0: (trial._replace(table=table), groups)}
    )

    conclude(run, "venkatesh2022", [0])

    assert len(pd.read_csv(run / "explanations.csv")) == 2
    assert "what fired" in capsys.readouterr().out


def test_explanations_of_an_earlier_run_do_not_stay(tmp_path, capsys):
    trial, groups = explained_trial(SLIDER)
    run = write_explained_run(tmp_path / "a" / "mini2022", {0: (trial, groups)})
    conclude(run, "venkatesh2022", [0])
    capsys.readouterr()
    write_explained_run(run, {0: (trial, None)})

    conclude(run, "venkatesh2022", [0])

    assert not (run / "explanations.csv").exists()
    assert "what fired" not in capsys.readouterr().out


def test_the_numbers_of_the_examples_are_right():
    assert (np.mean(TRAINING), np.std(TRAINING), np.percentile(TRAINING, 90)) == (
        3.0,
        pytest.approx(SPREAD),
        4.6,
    )
