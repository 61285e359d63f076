"""Controls stand in every table side by side, and who does not beat them is marked."""

import re

import pandas as pd
import pytest

from asdkeras import systems
from asdkeras.controls import SPECTRA
from asdkeras.report.compared_runs import title_of
from asdkeras.report.finished_runs import find_runs
from asdkeras.report.provenance import run_command
from asdkeras.report.scored_runs import read_scored_run
from asdkeras.report.side_by_side import board_tables, boards_of
from tests.report.run_folders import finished_run
from tests.report.test_page_tables import cells
from tests.report.test_side_by_side import shown


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """In order: beta strong, the mean spectrum, alpha middle, alpha untrained, alpha weak."""
    folder = tmp_path_factory.mktemp("runs")
    finished_run(folder, "beta", "strong", skill=4.0)
    finished_run(folder, SPECTRA, "mean_spectrum", skill=2.0)
    finished_run(folder, "alpha", "middle", skill=1.5)
    finished_run(folder, "alpha", "middle", skill=1.0, untrained=True)
    finished_run(folder, "alpha", "weak", skill=0.0)
    return folder


def board(folder):
    (only,) = boards_of(find_runs([folder])[0])
    return only


def test_the_system_that_controls_are_known_by_is_there():
    assert SPECTRA in systems.names()


def test_controls_stand_among_the_others_under_names_that_say_it(runs):
    assert board(runs).names == [
        "beta strong",
        f"{SPECTRA} mean_spectrum (control)",
        "alpha middle",
        "alpha middle (untrained)",
        "alpha weak",
    ]


def test_a_run_does_not_beat_the_controls_that_are_as_good_or_better(runs):
    made = board(runs)

    assert [made.not_beaten(run) for run in made.runs] == [
        [],
        [],
        ["mean_spectrum"],
        [],
        ["mean_spectrum", "middle (untrained)"],
    ]


def test_a_figure_that_is_printed_alike_is_not_above_the_control(tmp_path):
    folders = [finished_run(tmp_path, system, "v") for system in ("alpha", "beta", SPECTRA)]
    for folder, value in zip(folders, (0.500049, 0.5001, 0.5), strict=True):
        table = pd.read_csv(folder / "official.csv")
        table.loc[table["metric"] == "official_score", "value"] = value
        table.to_csv(folder / "official.csv", index=False)

    made = board(tmp_path)

    found = {run.system: made.not_beaten(run) for run in made.runs}
    assert found == {"alpha": ["v"], "beta": [], SPECTRA: []}


def test_rules_without_an_official_score_compare_the_auc(tmp_path):
    """The better AUC goes with the worse pAUC."""
    folders = [
        finished_run(tmp_path, system, "v", dataset="factory") for system in ("alpha", SPECTRA)
    ]
    for folder, auc, pauc in zip(folders, (0.6, 0.7), (0.9, 0.5), strict=True):
        table = pd.read_csv(folder / "official.csv")
        table.loc[table["metric"] == "auc", "value"] = auc
        table.loc[table["metric"] == "pauc", "value"] = pauc
        table.to_csv(folder / "official.csv", index=False)

    made = board(tmp_path)

    assert made.not_beaten(made.runs[1]) == ["v"]
    assert "≤ control: AUC no higher than that of these controls." in made.legend()


def test_untrained_networks_are_controls_of_their_own_system_alone(tmp_path):
    finished_run(tmp_path, "alpha", "v", skill=2.0, untrained=True)
    for system in ("alpha", "beta", "beta+alpha"):
        finished_run(tmp_path, system, "w", skill=0.0)

    made = board(tmp_path)

    found = {run.system: made.not_beaten(run) for run in made.runs if not run.is_control}
    assert found == {
        "alpha": ["v (untrained)"],
        "beta": [],
        "beta+alpha": ["v (untrained)"],
    }


def test_the_terminal_marks_below_the_name_and_explains_the_mark(runs):
    lines = [line.rstrip() for line in shown(runs, width=100).splitlines()]

    text = " ".join("\n".join(lines).split())
    marks = [number for number, line in enumerate(lines) if line.startswith("   ≤ control: ")]
    assert [lines[number - 1].split()[:2] for number in marks] == [
        ["alpha", "middle"],
        ["alpha", "weak"],
    ]
    assert "≤ control: official score no higher than that of these controls. Controls have" in text
    assert text.count("≤ control: mean_spectrum") == 2
    assert "No controls" not in text


def test_a_terminal_without_unicode_marks_in_ascii(runs, monkeypatch):
    monkeypatch.setattr("asdkeras.report.side_by_side.plus_minus", lambda console: "+-")

    text = shown(runs, width=100)

    assert text.count("<= control: ") == 3
    assert "≤" not in text


def test_controls_are_dim_on_a_terminal_with_colors(runs):
    text = shown(runs, width=100, force_terminal=True, color_system="standard")

    dim, plain = "\x1b[2m", "alpha weak"
    of_controls = [line for line in text.splitlines() if "mean_spectrum (control)" in line]
    assert of_controls
    assert all(dim in line for line in of_controls)
    assert all(dim not in line for line in text.splitlines() if plain in line)


def test_markdown_marks_and_explains_once_per_board(runs, tmp_path):
    shown(runs, out=tmp_path / "table.md")

    document = (tmp_path / "table.md").read_text(encoding="utf-8")
    lines = document.splitlines()
    weak = next(number for number, line in enumerate(lines) if line.startswith("| alpha weak |"))
    assert lines[weak + 1].startswith("| ≤ control: mean_spectrum, middle (untrained) | ")
    strong = next(number for number, line in enumerate(lines) if "beta strong" in line)
    assert "control:" not in lines[strong + 1]
    assert document.count("Controls have learned nothing") == 1


def test_csv_says_of_every_mean_whether_its_run_is_a_control_and_which_it_does_not_beat(
    runs, tmp_path
):
    shown(runs, out=tmp_path / "table.csv")

    table = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)
    found = {
        (row["system"], row["variant"]): (row["is_control"], row["not_better_than"])
        for _, row in table.iterrows()
    }
    assert found == {
        ("beta", "strong"): (False, ""),
        (SPECTRA, "mean_spectrum"): (True, ""),
        ("alpha", "middle"): (False, "mean_spectrum"),
        ("alpha", "middle (untrained)"): (True, ""),
        ("alpha", "weak"): (False, "mean_spectrum; middle (untrained)"),
    }


def test_pages_mark_below_the_name_and_explain_below_the_first_table(runs):
    overall, machines = board_tables(find_runs([runs])[0])

    names = [re.sub("<[^>]+>", "|", row[0]).strip("|") for row in cells(overall)[1:]]
    assert names == [
        "beta strong",
        f"{SPECTRA} mean_spectrum (control)",
        "alpha middle|≤ control: mean_spectrum",
        "alpha middle (untrained)",
        "alpha weak|≤ control: mean_spectrum, middle (untrained)",
    ]
    assert re.findall('<th scope="row" class="name dim">([^<]+)', overall) == [names[1], names[3]]
    assert overall.count("Controls have learned nothing") == 1
    assert "≤ control" not in machines
    assert "Controls" not in machines


def test_a_board_without_controls_says_how_to_make_them_in_every_format(tmp_path):
    finished_run(tmp_path, "alpha", "v", skill=0.0)
    expected = (
        f"No controls on these clips: `asdkeras eval --system {SPECTRA}` makes one, "
        "`asdkeras eval --system alpha --untrained` another."
    )

    text = shown(tmp_path, out=tmp_path / "table.md")

    assert expected in " ".join(text.split())
    assert expected in (tmp_path / "table.md").read_text(encoding="utf-8")
    assert expected in board_tables(find_runs([tmp_path])[0])[0]
    assert "≤" not in text


def test_the_command_of_an_untrained_run_says_it_and_finds_its_folder(tmp_path):
    folder = finished_run(tmp_path / "runs", "alpha", "v", untrained=True)
    recipe = "system: alpha\nseeds: [0]\nconfig:\n  variant: v\nuntrained: true\n"
    (folder / "recipe.yaml").write_text(recipe)

    words = run_command(folder, {})

    assert words[:7] == ["asdkeras", "eval", "--system", "alpha", "--variant", "v", "--untrained"]
    assert words[-2:] == ["--runs", str(tmp_path / "runs")]


def test_results_of_an_untrained_run_are_called_so(tmp_path):
    folder = finished_run(tmp_path, "alpha", "v", untrained=True)

    assert (
        title_of(folder, "alpha", read_scored_run(folder, [0])) == "alpha, v, mini2021, untrained"
    )


def test_two_untrained_runs_of_one_name_are_told_apart_by_the_folder_of_runs(tmp_path):
    for place in ("here", "there"):
        finished_run(tmp_path / place, "alpha", "v", untrained=True)

    assert sorted(board(tmp_path).names) == [
        f"alpha v (untrained) ({tmp_path / place})" for place in ("here", "there")
    ]
