"""False alarms stand beside F1 wherever a run is shown, and decisions that say nothing warn."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from asdkeras.errors import AsdkerasError
from asdkeras.evaluation import false_alarms
from asdkeras.metrics.official import RULES
from asdkeras.report.compared_runs import compare_runs
from asdkeras.report.false_alarms import (
    FalseAlarms,
    asked_rate,
    is_by_paper,
    page_parts,
    print_false_alarms,
)
from asdkeras.report.page import write_report
from asdkeras.report.results import conclude
from asdkeras.report.scored_runs import read_results
from asdkeras.report.side_by_side import show_side_by_side
from asdkeras.score_files import TrialScores, write_trial
from tests.clip_table import clip_table
from tests.report.mapped_runs import clip_rows, finished_mapped_run, scored_clips

TYPES = ("n_normal", "n_false_alarms", "n_anomalous", "n_detected")


def clips_of(machine_type="fan", section="00", *, seed=0, **kinds):
    """A row for each kind: false alarms, of normal clips, found, of anomalous clips."""
    rows = []
    for kind, counts in kinds.items():
        place = {"seed": seed, "machine_type": machine_type, "section": section}
        counts = dict(zip(TYPES, (counts[1], counts[0], counts[3], counts[2]), strict=True))
        others = {"n_unlabelled": 0, "n_unlabelled_flagged": 0}
        rows.append({**place, "kind": kind.replace("_", " "), **counts, **others})
    return pd.DataFrame(rows)


def alarms_of(*frames, means=(), rules="dcase2021", asked=0.1):
    frame = pd.concat(frames, ignore_index=True)
    rows = pd.DataFrame(
        [("dev", machine, "all", metric, value) for machine, metric, value in means],
        columns=["part", "machine_type", "domain", "metric", "value"],
    )
    return FalseAlarms(frame, rows, RULES[rules], asked)


def printed(found, width=80):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    print_false_alarms(found, console)
    return console.file.getvalue()


def test_machine_types_have_percent_and_counts_of_each_kind_and_f1_of_both():
    fan = clips_of("fan", training=(30, 300, 0, 0), test_source=(6, 50, 1, 50))
    more = clips_of("fan", "01", training=(0, 100, 0, 0), test_source=(0, 50, 1, 50))
    valve = clips_of("valve", training=(1, 3, 0, 0), test_source=(25, 25, 1, 50))
    means = [
        *[("fan", "f1", 0.5), ("fan", "f1_all_anomalous", 2 / 3)],
        *[("valve", "f1", 0.74074), ("all", "f1", 0.6)],
    ]

    title, headings, rows = next(alarms_of(fan, more, valve, means=means).tables(finds=True))

    assert title == "false alarms on normal clips, 10% asked, development set"
    assert headings == [
        "training,\nin-sample",
        "test\nsource",
        "found",
        "F1",
        "F1 of all\nanomalous",
    ]
    assert rows == [
        ["fan", "8% (30/400)", "6% (6/100)", "2% (2/100)", "50.00", "66.67"],
        ["valve", "33% (1/3)", "100% (25/25)", "2% (1/50)", "74.07", ""],
        ["all", "8% (31/403)", "25% (31/125)", "2% (3/150)", "60.00", ""],
    ]


def test_on_a_page_all_together_stay_below_the_machine_types():
    frames = [clips_of(name, test=(1, 2, 0, 0)) for name in ("fan", "valve")]

    (_, table), (_, alone) = (page_parts(alarms_of(*of), "x") for of in (frames, frames[:1]))

    row = '<tr><th scope="row" class="name">{}</th><td>50% ({})</td></tr>'
    rows = [row.format("fan", "1/2"), row.format("valve", "1/2")]
    assert f"<tbody>{''.join(rows)}</tbody>" in table
    assert f"<tfoot>{row.format('all', '2/4')}</tfoot>" in table
    assert f"<tbody>{rows[0]}</tbody>" in alone
    assert "tfoot" not in alone


def test_of_several_trials_the_counts_are_means():
    trials = [clips_of(seed=seed, test=(seed, 10, 0, 10)) for seed in (0, 1)]

    (row,) = next(alarms_of(*trials, rules="plain").tables(finds=False))[2]

    assert row == ["fan", "5% (0.5/10)"]


def test_parts_of_a_dataset_have_tables_of_their_own():
    frames = [clips_of("fan", section, test_source=(1, 2, 0, 0)) for section in ("00", "03")]

    development, evaluation = alarms_of(*frames).tables(finds=False)

    assert development[2] == evaluation[2] == [["fan", "50% (1/2)"]]
    assert evaluation[0].endswith("evaluation set")


def test_nothing_is_cut_off_in_80_columns():
    kinds = {"training": (999, 1000, 0, 0), "test_source": (100, 100, 0, 1)}
    frame = clips_of("BrushlessMotor", **kinds, test_target=(100, 100, 1, 1))
    means = [("BrushlessMotor", "f1", 1.0), ("BrushlessMotor", "f1_all_anomalous", 1.0)]

    text = printed(alarms_of(frame, means=means))

    assert "…" not in text
    for words in ("100% (999/1000)", "100% (100/100)", "100.00"):
        assert words in text


def test_the_warning_begins_beyond_twice_what_was_asked():
    at, beyond = (clips_of(test_source=(count, 50, 5, 10)) for count in (10, 11))

    assert alarms_of(at).warnings == []
    assert alarms_of(beyond).warnings == [
        "more than twice 10% of normal clips are called anomalous: fan source 22% (11/50)"
    ]
    assert alarms_of(at, asked=0.05).warnings == [
        "more than twice 5% of normal clips are called anomalous: fan source 20% (10/50)"
    ]
    assert alarms_of(beyond, asked=0.2).warnings == []
    assert alarms_of(beyond, asked=None).warnings == alarms_of(beyond).warnings


def test_one_line_lists_all_machine_types_and_kinds_that_are_beyond():
    fan = clips_of("fan", held_out=(3, 10, 0, 0), test_source=(1, 10, 5, 10))
    valve = clips_of("valve", training=(9, 10, 0, 0), test=(3, 10, 5, 10))

    assert alarms_of(fan, valve).warnings == [
        "more than twice 10% of normal clips are called anomalous: fan held out 30% (3/10); "
        "valve in-sample 90% (9/10), test 30% (3/10)"
    ]


def test_calling_everything_or_nothing_anomalous_is_said():
    everything = clips_of("ToyCar", test_source=(50, 50, 50, 50), test_target=(50, 50, 50, 50))
    nothing = clips_of("valve", test_source=(0, 50, 0, 50), test_target=(0, 50, 0, 50))
    one_section = [
        clips_of("fan", "00", test_source=(5, 50, 5, 50)),
        clips_of("fan", "01", test_source=(0, 50, 0, 50)),
    ]
    found = alarms_of(everything, nothing, *one_section, means=[("ToyCar", "f1", 2 / 3)])

    assert found.warnings[1:] == [
        "every test clip is called anomalous: ToyCar (200 clips, F1 66.67 by that alone)",
        "no test clip is called anomalous: fan section 01; valve (200 clips)",
    ]


def test_everything_must_be_so_in_every_trial():
    first = clips_of("fan", test=(0, 5, 5, 5))
    second = clips_of("fan", seed=1, test=(0, 5, 0, 5))
    found = alarms_of(first, second)

    assert found.warnings == []
    assert alarms_of(second, second.assign(seed=0)).warnings == [
        "no test clip is called anomalous: fan (10 clips)"
    ]


def test_unlabelled_clips_count_where_everything_is_flagged():
    table = clip_table([{}, {}], machine_type="fan", section="00")
    found = alarms_of(false_alarms(table, [1, 1]), rules="plain")

    assert found.warnings == ["every test clip is called anomalous: fan (2 clips)"]
    assert list(found.tables(finds=True)) == []


@pytest.mark.parametrize(
    ("recipe", "rate"),
    [
        ({}, 0.1),
        ({"thresholds": {"rule": "paper", "false_alarm_rate": 0.3}}, 0.1),
        ({"thresholds": {"rule": "held_out", "false_alarm_rate": 0.3}}, 0.3),
    ],
)
def test_the_rate_asked_is_that_of_the_recipe_or_the_usual_one(recipe, rate):
    assert asked_rate(recipe) == rate


@pytest.mark.parametrize(
    ("recipe", "is_so"),
    [
        ({"config": {}}, True),  # A run's own recipe leaves the paper's rule out.
        ({"config": {}, "thresholds": {"rule": "paper", "false_alarm_rate": 0.1}}, True),
        ({"config": {}, "thresholds": {"rule": "held_out", "false_alarm_rate": 0.1}}, False),
        ({"ensemble": {}}, False),
        ({}, False),
    ],
)
def test_a_recipe_that_says_nothing_else_has_the_papers_thresholds(recipe, is_so):
    assert is_by_paper(recipe) is is_so


def test_a_warning_names_the_other_rule_where_the_papers_decided():
    everything = alarms_of(clips_of(test_source=(50, 50, 50, 50)))
    nothing_wrong = alarms_of(clips_of(test_source=(5, 50, 25, 50)))

    assert everything.advice == ""
    assert nothing_wrong._replace(is_by_paper=True).advice == ""
    text = printed(everything._replace(is_by_paper=True), width=400)
    assert "\nwarning: every test clip is called anomalous: fan (100 clips)\nnote: " in text
    assert "--false-alarm-rate 0.1" in text
    assert "--runs DIR" in text


ALARM = "more than twice 10% of normal clips are called anomalous: fan held out 100% (8/8)"


def finished(folder, dataset="mini2021"):
    """Two trials on training clips that are held out and flagged, and on four of each domain."""
    table = scored_clips(folder, clip_rows(num_clips=4), seeds=(0, 3), dataset=dataset)
    is_training = table["split"] == "train"
    scores = pd.DataFrame({"answer": np.arange(len(table), dtype=float)})
    flags = (is_training | (table["is_anomalous"] & (table["domain"] == "source"))).astype(int)
    for seed in (0, 3):
        trial = TrialScores(table, scores, scores["answer"] * 0.0, flags, is_training)
        write_trial(folder / "scores" / f"seed{seed}", trial)
    conclude(folder, "wilkinghoff2024", [0, 3])
    return folder


@pytest.fixture
def run(tmp_path):
    return finished(tmp_path / "wilkinghoff2024" / "adacos" / "mini2021")


def test_a_run_has_them_of_all_trials_in_a_file(run):
    rows = read_results(run / "false_alarms.csv").fillna({"f1": -1.0})
    names = ["seed", "kind", "n_normal", "n_false_alarms", "n_anomalous", "n_detected", "f1"]
    assert rows[names].to_numpy().tolist() == [
        row
        for seed in (0, 3)
        for row in (
            [seed, "held out", 8, 8, 0, 0, -1.0],
            [seed, "test source", 2, 0, 2, 2, 1.0],
            [seed, "test target", 2, 0, 2, 0, 0.0],
        )
    ]


def test_the_end_of_a_run_shows_false_alarms_and_warns(capsys, run):
    text = capsys.readouterr().out

    assert re.search(r" fan +100% \(8/8\) +0% \(0/2\) +0% \(0/2\) +0\.00 +66\.67 ", text)
    assert f"warning: {ALARM}\n" in text
    assert "note: thresholds follow the paper's rule. --false-alarm-rate" in text


def test_a_run_without_labels_warns_as_well(tmp_path, capsys):
    folder = tmp_path / "adacos" / "factory"
    rows = [{**row, "is_anomalous": pd.NA} for row in clip_rows() if row["split"] == "test"]
    scored_clips(folder, [*clip_rows(), *rows], dataset="factory")
    table = clip_table(
        [*(r for r in clip_rows() if r["split"] == "train"), *rows], dataset="factory"
    )
    scores = pd.DataFrame({"answer": np.arange(len(table), dtype=float)})
    flags = pd.Series(np.ones(len(table), int))
    write_trial(folder / "scores" / "seed0", TrialScores(table, scores, flags * 0.0, flags))

    conclude(folder, "wilkinghoff2024", [0])

    text = capsys.readouterr().out
    assert "100% (8/8)" in text
    assert "are called anomalous: fan in-sample 100% (8/8)" in text
    assert "every test clip is called anomalous: fan (8 clips)\n" in text


def test_runs_side_by_side_warn_each(run, tmp_path, capsys):
    show_side_by_side([run], tmp_path / "table.csv")

    assert f"warning: wilkinghoff2024 adacos: {ALARM}\n" in capsys.readouterr().out
    means = pd.read_csv(tmp_path / "table.csv").query("metric == 'f1_all_anomalous'")
    assert means["value"].tolist() == pytest.approx([2 / 3] * len(means))
    assert {"fan", "all"} == set(means["machine_type"])


def test_runs_from_before_are_shown_without(run, capsys):
    (run / "false_alarms.csv").unlink()

    show_side_by_side([run])

    assert "warning" not in capsys.readouterr().out


def test_a_page_shows_them_and_warns(run, tmp_path):
    finished = finished_mapped_run(tmp_path / "adacos" / "mini2021", clip_rows(num_clips=4))
    (run / "false_alarms.csv").unlink()  # The page goes by the scores.

    page = write_report([run, finished], tmp_path / "page.html").read_text(encoding="utf-8")

    headings = ["held out", "test source", "test target", "found", "F1", "F1 of all anomalous"]
    cells = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    assert f'<th scope="col" class="name">machine type</th>{cells}' in page
    row = ["100% (8/8)", "0% (0/2)", "0% (0/2)", "50% (2/4)", "0.00", "66.67"]
    assert "".join(f"<td>{text}</td>" for text in row) in page
    assert f'<p class="warn">Warning: {ALARM}</p>' in page
    assert '<p class="warn">Note: thresholds follow the paper' in page
    assert '<th scope="col">training, in-sample</th>' in page


@pytest.mark.parametrize(
    ("paper", "row", "has_f1"),
    [("baseline2021", "ae2021", True), ("wilkinghoff2021", "two_heads_20", False)],
)
def test_compare_warns_and_shows_them_beside_a_printed_f1(tmp_path, capsys, paper, row, has_f1):
    folder = finished(tmp_path / "adacos" / "dcase2021", "dcase2021")
    capsys.readouterr()

    with pytest.raises(AsdkerasError):  # Nothing of it is near, or of the same clips.
        compare_runs([folder], paper, row, None)

    text = capsys.readouterr().out
    assert f"warning: {ALARM}\n" in text
    assert ("100% (8/8)   0% (0/2)" in text) == has_f1
