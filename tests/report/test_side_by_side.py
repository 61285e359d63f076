"""Runs side by side: which stand in one table, in which order, and with which figures."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from asdkeras.errors import RecipeError
from asdkeras.report.finished_runs import find_runs
from asdkeras.report.side_by_side import CSV_COLUMNS, boards_of, show_side_by_side
from tests.report.run_folders import FAN_AND_VALVE, finished_run, scored_run

BOLD, DIM = "\x1b[1m", "\x1b[2m"
MACHINES_2023 = ("bandsaw", "grinder", "shaker", "ToyDrone", "ToyNscale", "ToyTank", "Vacuum")
SECTIONS_2023 = tuple((machine_type, "00") for machine_type in MACHINES_2023)


def terminal(**options):
    return Console(file=io.StringIO(), **({"width": 80, "force_terminal": False} | options))


def shown(*places, out=None, **options):
    console = terminal(**options)
    show_side_by_side(places, out, console=console)
    return console.file.getvalue()


def lines_of(text, *words):
    return [line.split() for line in text.splitlines() if all(word in line for word in words)]


def figures_of(folder, *places):
    """Values of `official.csv` in percent, two digits."""
    official = pd.read_csv(folder / "official.csv", dtype={"domain": str})
    official = official[(official["machine_type"] == "all") & (official["part"] == "dev")]
    values = official.set_index(["domain", "metric"])["value"]
    return [f"{100 * values[place]:.2f}" for place in places]


PLACES_2021 = (
    *(("source", "auc"), ("source", "pauc"), ("target", "auc"), ("target", "pauc")),
    *(("all", "auc"), ("all", "pauc"), ("all", "official_score")),
)
PLACES_2022 = (
    *(("source", "auc"), ("target", "auc"), ("all", "auc"), ("all", "pauc")),
    ("all", "official_score"),
)
PLACES_2020 = (("all", "auc"), ("all", "pauc"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two systems, the first of them worse than the other."""
    folder = tmp_path_factory.mktemp("runs")
    finished_run(folder, "alpha", "weak", skill=0.2)
    finished_run(folder, "beta", "strong", skill=2.0)
    return folder


@pytest.mark.parametrize(
    ("dataset", "places", "headings"),
    [
        ("mini2020", PLACES_2020, ["all", "run", "AUC", "pAUC"]),
        (
            "mini2021",
            PLACES_2021,
            ["source", "target", "all", "official", "run", *3 * ["AUC", "pAUC"], "score"],
        ),
        (
            "mini2022",
            PLACES_2022,
            ["source", "target", "all", "official", "run", *2 * ["AUC"], "AUC", "pAUC", "score"],
        ),
        ("factory", PLACES_2020, ["all", "run", "AUC", "pAUC"]),
    ],
)
def test_a_row_has_the_means_of_the_years_rules_in_percent(tmp_path, dataset, places, headings):
    folder = finished_run(tmp_path, "alpha", "small", dataset=dataset)

    lines = [line.split() for line in shown(tmp_path, width=100).splitlines()]

    start = lines.index(["alpha", "small", *figures_of(folder, *places)])
    assert lines[start - 3] + lines[start - 2] == headings


def test_the_best_run_stands_first_and_is_bold(runs):
    plain = shown(runs)
    color = shown(runs, force_terminal=True, color_system="standard")

    assert plain.index("beta strong") < plain.index("alpha weak")
    assert "\x1b" not in plain
    line = next(line for line in color.splitlines() if "beta strong" in line)
    assert f"{BOLD}beta strong" in line
    assert BOLD not in next(line for line in color.splitlines() if "alpha weak" in line)


def test_a_run_alone_is_not_called_the_best(tmp_path):
    finished_run(tmp_path, "alpha", "small")

    color = shown(tmp_path, force_terminal=True, color_system="standard")

    assert BOLD not in next(line for line in color.splitlines() if "alpha small" in line)


def test_rules_without_an_official_score_rank_by_auc(tmp_path):
    """The worse run has the higher pAUC."""
    folders = [finished_run(tmp_path, "alpha", name, dataset="factory") for name in "ab"]
    for folder, auc, pauc in zip(folders, (0.6, 0.7), (0.9, 0.5), strict=True):
        table = pd.read_csv(folder / "official.csv")
        table.loc[table["metric"] == "auc", "value"] = auc
        table.loc[table["metric"] == "pauc", "value"] = pauc
        table.to_csv(folder / "official.csv", index=False)

    (board,) = boards_of(find_runs([tmp_path])[0])

    assert [run.variant for run in board.runs] == ["b", "a"]


def test_heading_tells_dataset_part_and_what_was_measured(runs):
    head = shown(runs).splitlines()[0]

    assert head == "mini2021, development set, percent: 2 sections, 32 clips, 1 trial each"


def test_clips_of_both_domains_are_counted_once_from_2022_on(tmp_path):
    finished_run(tmp_path, "alpha", "small", dataset="mini2022", sections=(("fan", "00"),))

    assert "mini2022, development set, percent: 1 section, 16 clips" in shown(tmp_path)


def test_recordings_of_ones_own_have_no_part(tmp_path):
    finished_run(tmp_path, "alpha", "small", dataset="factory")

    assert shown(tmp_path).startswith("factory, percent: 2 sections, 32 clips")


def test_runs_on_other_clips_have_a_table_of_their_own(tmp_path):
    finished_run(tmp_path, "alpha", "whole")
    finished_run(tmp_path, "alpha", "fan_alone", sections=(("fan", "00"),))
    finished_run(tmp_path, "alpha", "fewer_clips", num_clips=4)
    finished_run(tmp_path, "alpha", "another_year", dataset="mini2022")
    parts = (("fan", "00"), ("fan", "03"))
    finished_run(tmp_path, "alpha", "both_parts", sections=parts)
    finished_run(tmp_path, "alpha", "whole_again", skill=0.5)

    boards = boards_of(find_runs([tmp_path])[0])

    assert [(board.dataset, board.part, {run.variant for run in board.runs}) for board in boards][
        -1
    ] == ("mini2022", "dev", {"another_year"})
    members = sorted((board.part, sorted(run.variant for run in board.runs)) for board in boards)
    assert members == [
        ("dev", ["another_year"]),
        ("dev", ["both_parts", "fan_alone"]),
        ("dev", ["fewer_clips"]),
        ("dev", ["whole", "whole_again"]),
        ("eval", ["both_parts"]),
    ]


def test_the_two_parts_of_a_run_have_their_own_figures(tmp_path):
    sections = (("fan", "00"), ("fan", "03"))
    folder = finished_run(tmp_path, "alpha", "small", sections=sections)
    official = pd.read_csv(folder / "official.csv")
    is_headline = (official["metric"] == "official_score") & (official["machine_type"] == "all")
    values = official[is_headline].set_index("part")["value"]

    text = shown(tmp_path, width=100)

    dev, evaluation = lines_of(text, "alpha small")
    assert values["dev"] != values["eval"]
    assert dev[-1] == f"{100 * values['dev']:.2f}"
    assert evaluation[-1] == f"{100 * values['eval']:.2f}"
    assert text.index("development set") < text.index("evaluation set")


def test_several_trials_show_their_spread_below_the_means(tmp_path):
    folder = finished_run(tmp_path, "alpha", "small", seeds=(0, 1, 2))
    finished_run(tmp_path, "beta", "alone")
    official = pd.read_csv(folder / "official.csv")
    row = official[(official["machine_type"] == "all") & (official["metric"] == "official_score")]

    text = shown(tmp_path, width=100)

    spreads = lines_of(text, "± over 3 trials")
    assert spreads[0][-1] == f"{100 * row['standard_deviation'].item():.2f}"
    assert len(spreads[0]) == 4 + len(PLACES_2021)
    assert ["1", "trial"] in lines_of(text, "1 trial")
    assert "1 trial each" not in text


def test_published_figures_stand_below_those_they_may_be_compared_with(tmp_path):
    finished_run(
        *(tmp_path, "baseline2023", "mse"),
        **{"dataset": "dcase2023", "sections": SECTIONS_2023, "row": "ae2023_mse"},
    )

    plain = shown(tmp_path, width=100)
    color = shown(tmp_path, width=100, force_terminal=True, color_system="standard")

    assert lines_of(plain, "published")[0] == [
        *("published", "74.23", "52.54", "61.53", "55.17", "59.25")
    ]
    assert any(DIM in line and "59.25" in line for line in color.splitlines())


def test_a_second_table_has_the_score_of_each_machine_type(runs):
    run = next(run for run in find_runs([runs])[0] if run.system == "beta")
    scores = run.means[run.means["metric"] == "official_score"].set_index("machine_type")["value"]

    text = shown(runs).partition("mean of all AUCs and pAUCs, by machine type")[2]

    assert lines_of(text, "run") == [["run", "fan", "valve"]]
    (figures,) = lines_of(text, "beta strong")
    assert figures[2:] == [f"{100 * scores[name]:.2f}" for name in ("fan", "valve")]


def test_the_second_table_of_arithmetic_rules_has_the_auc(tmp_path):
    finished_run(tmp_path, "alpha", "small", dataset="factory")
    run = find_runs([tmp_path])[0][0]
    aucs = run.means[run.means["metric"] == "auc"].set_index("machine_type")["value"]

    text = shown(tmp_path).partition("mean AUC, by machine type")[2]

    (figures,) = lines_of(text, "alpha small")
    assert figures[2:] == [f"{100 * aucs[name]:.2f}" for name in ("fan", "valve")]


def test_a_single_machine_type_needs_no_second_table(tmp_path):
    finished_run(tmp_path, "alpha", "small", sections=(("fan", "00"),))

    assert "by machine type" not in shown(tmp_path)


MACHINES_2024 = ("3DPrinter", "AirCompressor", "BrushlessMotor", "HoveringDrone", "ToothBrush")


@pytest.fixture(scope="module")
def wide_runs(tmp_path_factory):
    """Runs of two years, with long names and several trials."""
    folder = tmp_path_factory.mktemp("wide")
    sections = tuple((name, "00") for name in MACHINES_2024)
    for dataset in ("mini2021", "mini2022"):
        finished_run(
            *(folder, "wilkinghoff2024", "ic_compactness_cce"),
            **{"dataset": dataset, "sections": sections, "seeds": (0, 1)},
        )
    return folder


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(wide_runs, width):
    text = shown(wide_runs, width=width)

    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    words = text.split()
    assert [words.count(name) for name in MACHINES_2024] == len(MACHINES_2024) * [2]
    num_tables = text.count("by machine type")
    assert words.count("±") == num_tables + 2
    assert num_tables == {80: 4, 100: 2, 120: 2}[width]
    assert words.count("ic_compactness_cce") == num_tables + 2


def test_tables_of_machine_types_are_about_equally_wide(wide_runs):
    """Four of the five would fit beside the names."""
    headings = lines_of(shown(wide_runs / "wilkinghoff2024", width=85), "run ")

    of_machines = [words[1:] for words in headings if set(words) & set(MACHINES_2024)]
    assert of_machines == 2 * [list(MACHINES_2024[:3]), list(MACHINES_2024[3:])]


def test_runs_of_the_same_name_are_told_apart_by_their_place(tmp_path):
    for name in ("first", "second"):
        finished_run(tmp_path / name, "alpha", "small")

    text = shown(tmp_path, width=300)

    for name in ("first", "second"):
        assert f"alpha small ({tmp_path / name})" in text


def test_unfinished_runs_are_noted(runs, tmp_path):
    finished_run(tmp_path, "alpha", "small")
    begun = tmp_path / "begun"
    scored_run(begun, "alpha", dataset="mini2021", sections=FAN_AND_VALVE)

    assert f"note: {begun}: has no results yet; `asdkeras eval` finishes it\n" in shown(tmp_path)


def test_output_that_knows_no_unicode_stays_ascii(tmp_path):
    finished_run(tmp_path, "alpha", "small", seeds=(0, 1))
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show_side_by_side([tmp_path], console=Console(file=stream, width=80))
    stream.flush()
    assert b"+- over 2 trials" in stream.buffer.getvalue()


def test_markdown_has_the_same_tables(runs, tmp_path):
    text = shown(runs, out=tmp_path / "table.md")

    document = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert f"file: {tmp_path / 'table.md'}\n" in text
    assert "## mini2021, development set, percent: 2 sections, 32 clips" in document
    assert "\nmean of all AUCs and pAUCs, by machine type\n\n| run | fan | valve |\n" in document
    best = figures_of(runs / "beta" / "strong" / "mini2021", *PLACES_2021)
    assert f"| **beta strong** | {' | '.join(f'**{figure}**' for figure in best)} |\n" in document
    other = figures_of(runs / "alpha" / "weak" / "mini2021", *PLACES_2021)
    assert f"\n| alpha weak | {' | '.join(other)} |\n" in document
    assert "| run | source AUC | source pAUC | target AUC |" in document


def test_a_bar_in_a_name_does_not_break_the_markdown(tmp_path):
    finished_run(tmp_path, "alpha", "a|b")
    shown(tmp_path, out=tmp_path / "table.md")

    assert "| alpha a\\|b |" in (tmp_path / "table.md").read_text(encoding="utf-8")


def test_csv_has_every_mean_of_every_run(runs, tmp_path):
    shown(runs, out=tmp_path / "table.csv")

    table = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)
    assert tuple(table.columns) == CSV_COLUMNS
    assert table["system"].unique().tolist() == ["beta", "alpha"]
    for run in find_runs([runs])[0]:
        of_run = table[table["run"] == str(run.folder)]
        assert set(of_run["machine_type"]) == {"fan", "valve", "all"}
        assert set(of_run["variant"]) == {run.variant}
        assert set(of_run["dataset"]) == {"mini2021"}
        assert sorted(of_run["value"]) == sorted(run.means["value"])


def test_another_ending_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(RecipeError, match=r"--out: .*\.csv or \.md\. Received: table\.txt"):
        show_side_by_side([tmp_path / "missing"], Path("table.txt"))


def test_a_run_that_labels_had_a_say_in_is_marked_wherever_it_stands(tmp_path):
    finished_run(tmp_path, "alpha", "plain")
    done = finished_run(tmp_path, "alpha", "best") / "scores" / "seed0" / "DONE"
    marks = {"oracle": ["the checkpoint"], "transductive": ["ranks"]}
    done.write_text(json.dumps(json.loads(done.read_text()) | marks))
    files = [tmp_path / "table.md", tmp_path / "table.csv"]

    text, _ = (shown(tmp_path, out=file) for file in files)

    best = "best (oracle, transductive)"
    assert text.count("alpha best (oracle,") == text.count("transductive) ") == 2  # Folded.
    assert "oracle: alpha best: the checkpoint\ntransductive: alpha best: ranks\n" in text
    assert "alpha plain (oracle" not in text
    markdown = files[0].read_text(encoding="utf-8")
    assert markdown.count(f"alpha {best}") == 2
    assert set(pd.read_csv(files[1])["variant"]) == {"plain", best}


def test_without_such_a_run_nothing_is_said_of_oracles(runs):
    assert "oracle" not in shown(runs)
    assert "transductive" not in shown(runs)


def test_an_ensemble_of_several_systems_stands_among_the_runs(tmp_path):
    """Its name has places where a narrow table may break it; files have the name as it is."""
    finished_run(tmp_path, "wilkinghoff2021", "all_40", skill=2.0)
    finished_run(tmp_path, "wilkinghoff2021+baseline2021", "mix", skill=0.2)
    out = tmp_path / "table.csv"

    text = shown(tmp_path, out=out)

    assert "wilkinghoff2021 + baseline2021 mix" in text
    assert "eline2021" not in [line.split()[0] for line in text.splitlines() if line.split()]
    assert set(pd.read_csv(out)["system"]) == {"wilkinghoff2021", "wilkinghoff2021+baseline2021"}
