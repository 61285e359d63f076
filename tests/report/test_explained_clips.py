"""Single clips on standard output: which are shown, and what is said of them."""

import io

import pandas as pd
import pytest
from rich.console import Console

from asdkeras import systems
from asdkeras.errors import RecipeError
from asdkeras.report.explanations import show_explanations
from tests.report.explained_runs import explained_trial, write_explained_run

SECTIONS = {
    ("fan", "00"): {"answer": [4.5, 3.0], "section": [1.0, 1.0]},
    ("slider", "01"): {
        "answer": [4.9, 4.2],
        "section": [4.7, 4.6],
        "attribute_ac": [9.0, 1.0],
    },
}


def shown(run, width=80, **options):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    show_explanations(run, console=console, **options)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.fixture
def run(tmp_path):
    other = {**SECTIONS, ("fan", "00"): {"answer": [4.5, 9.0], "section": [1.0, 9.0]}}
    # Above its threshold the fan lies as high as the slider, but in smaller units.
    thresholds = {("fan", "00"): 4.45}
    trials = {
        seed: explained_trial(sections, thresholds)
        for seed, sections in ((0, SECTIONS), (1, other))
    }
    return write_explained_run(tmp_path / "run", trials)


def test_a_clip_is_told_with_its_decision_its_label_and_what_fired(run):
    lines = shown(run, top=1)

    assert lines[-3:] == [
        "slider section 01, test_0.wav",
        "  decided anomalous, labelled normal; score 4.9, threshold 4",
        "  fired: attribute_ac (+4.2), section (+1.2)",
    ]


def test_groups_that_did_not_fire_are_told_behind_those_that_did(run):
    lines = shown(run, clips=["test_1.wav"])

    assert lines[-1] == "  fired: nothing; not fired: section (+1.1), attribute_ac (-1.4)"
    assert lines[-4:-3] == ["  fired: nothing; not fired: section (-1.4)"]


def test_clips_farthest_above_their_threshold_come_first(run):
    names = [line for line in shown(run) if line[0] != " " and "section 0" in line]

    assert names == [
        "slider section 01, test_0.wav",
        "slider section 01, test_1.wav",
        "fan section 00, test_0.wav",
        "fan section 00, test_1.wav",
    ]
    assert [line for line in shown(run, top=2) if line in names] == names[:2]


def test_above_its_threshold_is_measured_in_the_spread_of_the_section(tmp_path):
    """The slider lies 0.9 above its threshold and the fan 0.5, but its spread is a tenth."""
    trial, groups = explained_trial(SECTIONS, {("fan", "00"): 4.0})
    fan_training = (trial.table["machine_type"] == "fan") & (trial.table["split"] == "train")
    trial.columns.loc[fan_training, "combined"] /= 10.0

    lines = shown(write_explained_run(tmp_path, {0: (trial, groups)}), top=1)

    assert lines[-3] == "fan section 00, test_0.wav"


def test_named_clips_come_in_the_order_named_of_every_machine_type_that_has_them(run):
    names = [line for line in shown(run, clips=["test_1.wav", "test_0.wav"]) if ".wav" in line]

    assert names == [
        "fan section 00, test_1.wav",
        "slider section 01, test_1.wav",
        "fan section 00, test_0.wav",
        "slider section 01, test_0.wav",
    ]


def test_the_trial_can_be_chosen(run):
    assert shown(run, top=1, seed=1)[-3] == "fan section 00, test_1.wav"
    assert shown(run, top=1, seed=0) == shown(run, top=1)


def test_an_unlabelled_clip_has_no_label(tmp_path):
    trial, groups = explained_trial(SECTIONS)
    table = trial.table.assign(is_anomalous=pd.array([pd.NA] * len(trial.table), "boolean"))
    run = write_explained_run(tmp_path, {0: (trial._replace(table=table), groups)})

    assert shown(run, top=1)[-2] == "  decided anomalous; score 4.9, threshold 4"


def test_the_score_that_decides_is_told_beside_its_threshold(tmp_path):
    trial, groups = explained_trial(SECTIONS)
    trial.columns["weighted"] = 2.0 * trial.columns["combined"]
    run = write_explained_run(tmp_path, {0: (trial, groups)}, decision_score="weighted")

    assert "score 9.8, threshold 4" in shown(run, top=1)[-2]


def test_a_narrow_terminal_breaks_lines_between_words(run):
    lines = shown(run, width=40, top=1)

    assert all(len(line) <= 40 for line in lines)
    assert lines[-2:] == ["  fired: attribute_ac (+4.2), section", "  (+1.2)"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clips": ["test_0.wave"]}, r"no test clip `test_0.wave`\. Did you mean `test_0.wav`\?"),
        ({"clips": ["train_0.wav"]}, r"has no test clip `train_0.wav`"),
        ({"seed": 7}, r"has no trial 7\. Choose one with --seed: 0, 1\."),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(run, options, message):
    with pytest.raises(RecipeError, match=message):
        shown(run, **options)


def test_a_run_without_group_scores_is_answered_with_who_has_them(tmp_path):
    trials = {0: (explained_trial(SECTIONS)[0], None)}
    run = write_explained_run(tmp_path, trials, system="wilkinghoff2021")

    with pytest.raises(
        RecipeError, match=r"would explain those of wilkinghoff2021\..* such as venkatesh2022"
    ):
        shown(run)
    assert "venkatesh2022" in systems.names()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="not the folder of a run"):
        shown(tmp_path)
