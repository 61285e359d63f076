"""The table on standard output: what stands where, dimmed or not, within 80 columns."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from asdkeras.evaluation import METRIC_COLUMNS, SKIPPED_COLUMNS, summarize
from asdkeras.metrics.official import RULES
from asdkeras.report.terminal import print_decisions, print_results, print_skipped
from tests.clip_table import clip_table

DIM = "\x1b[2m"


def terminal(**options):
    return Console(file=io.StringIO(), **({"width": 80, "force_terminal": False} | options))


def summary_of(rules="dcase2021", seeds=(0,), machine_types=("fan", "valve")):
    rows = [
        (seed, machine_type, "00", domain, 0.8 - 0.01 * seed, 0.6, 0.5, 0.4, 0.4444, 10, 10)
        for seed in seeds
        for machine_type in machine_types
        for domain in RULES[rules].rows
    ]
    return summarize(pd.DataFrame(rows, columns=list(METRIC_COLUMNS)), RULES[rules])


def comparison_of(summary, comparable):
    """Published figures 77.69 for each source AUC and 62.99 for its pAUC."""
    is_printed = (summary["domain"] == "source") & summary["metric"].isin(["auc", "pauc"])
    printed = np.where(summary["metric"] == "auc", 77.69, 62.99)
    return summary.assign(published=np.where(is_printed, printed, np.nan), comparable=comparable)


def printed(summary, comparison=None, rules="dcase2021", **options):
    console = terminal(**options)
    print_results(summary, comparison, RULES[rules], title="run", console=console)
    return console.file.getvalue()


def line_of(text, *words):
    lines = [line for line in text.splitlines() if all(word in line for word in words)]
    assert len(lines) == 1
    return lines[0].split()


def test_ours_and_published_stand_side_by_side_in_percent():
    summary = summary_of()
    text = printed(summary, comparison_of(summary, comparable=True))

    assert line_of(text, "fan") == ["fan", "source", "80.00", "60.00", "44.44", "77.69", "62.99"]
    assert line_of(text, "machine type") == [
        "machine",
        "type",
        "domain",
        "AUC",
        "pAUC",
        "F1",
        "AUC",
        "pAUC",
    ]
    assert "development set" in text
    assert "not comparable" not in text


def test_last_rows_are_the_means_and_the_official_score():
    lines = printed(summary_of()).rstrip().splitlines()[-4:]
    assert lines[0].split() == ["harmonic", "mean", "source", "80.00", "60.00", "44.44"]
    assert lines[3].split() == ["official", "score", "all", "68.57"]


def test_arithmetic_rules_have_a_mean_but_no_official_score():
    text = printed(summary_of("plain"), rules="plain")
    assert line_of(text, "arithmetic mean")[2:] == ["all", "80.00", "60.00", "44.44"]
    assert "official" not in text
    assert "set" not in text.splitlines()[0]


def test_without_published_figures_the_column_is_missing():
    assert "published" not in printed(summary_of())


def test_figures_not_to_be_compared_are_headed_so_and_dimmed():
    summary = summary_of()
    comparison = comparison_of(summary, comparable=False)

    plain = printed(summary, comparison)
    color = printed(summary, comparison, force_terminal=True, color_system="standard")

    assert "(not comparable)" in plain
    assert "\x1b" not in plain
    assert f"{DIM}77.69  62.99" in color
    heading = next(line for line in color.splitlines() if "(not comparable)" in line)
    assert "\x1b[1;2m" in heading  # Bold as every heading, and dimmed.


def test_comparable_figures_are_not_dimmed():
    summary = summary_of()
    comparison = comparison_of(summary, comparable=True)
    color = printed(summary, comparison, force_terminal=True, color_system="standard")
    assert DIM not in color
    assert "77.69" in color


def test_only_some_figures_not_to_be_compared_stand_in_brackets():
    summary = summary_of()
    text = printed(summary, comparison_of(summary, summary["machine_type"] != "all"))
    assert line_of(text, "fan")[-2:] == ["77.69", "62.99"]
    assert line_of(text, "harmonic mean")[-2:] == ["(77.69)", "(62.99)"]
    assert "(not comparable)" in text


def test_several_seeds_show_mean_and_standard_deviation():
    summary = summary_of(seeds=(0, 1, 2))
    text = printed(summary, comparison_of(summary, comparable=False))
    assert line_of(text, "fan") == ["fan", "source", "79.00±1.00", "60.00±0.00", "77.69", "62.99"]


@pytest.mark.parametrize("rules", ["dcase2021", "dcase2022", "plain"])
@pytest.mark.parametrize("name", ["fan", "a_rather_long_name_of_a_machine_in_a_folder_of_ones_own"])
@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_no_line_is_wider_than_80_columns_and_no_figure_is_cut(rules, name, seeds):
    summary = summary_of(rules, seeds, machine_types=(name,))
    text = printed(summary, comparison_of(summary, comparable=False), rules)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "official score" in text or rules == "plain"
    assert "60.00" in text


def test_output_that_knows_no_unicode_stays_ascii():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=stream, width=80)
    print_results(summary_of(seeds=(0, 1)), None, RULES["dcase2021"], console=console)
    stream.flush()
    assert b"79.50+-0.71" in stream.buffer.getvalue()


def test_partial_auc_of_a_domain_stays_empty_from_2022_on():
    text = printed(summary_of("dcase2022"), rules="dcase2022")
    assert line_of(text, "fan") == ["fan", "source", "80.00", "44.44"]


def test_skipped_sections_are_named_with_the_reason():
    rows = [
        ("fan", "03", "all", 400, "no labels"),
        ("fan", "04", "all", 400, "no labels"),
        ("valve", "03", "all", 400, "no labels"),
        ("valve", "00", "target", 3, "no anomalous clips"),
    ]
    console = terminal()
    print_skipped(pd.DataFrame(rows, columns=list(SKIPPED_COLUMNS)), console)
    assert console.file.getvalue().splitlines() == [
        "no labels: metrics skipped for fan 03, 04; valve 03",
        "no anomalous clips: metrics skipped for valve 00 target",
    ]


def test_nothing_skipped_prints_nothing():
    console = terminal()
    print_skipped(pd.DataFrame(columns=list(SKIPPED_COLUMNS)), console)
    assert console.file.getvalue() == ""


def test_data_without_labels_shows_how_many_clips_were_called_anomalous():
    rows = [{"path": f"/{n}.wav", "section": "00"} for n in range(5)]
    rows += [{"path": "/t.wav", "section": "00", "split": "train"}]
    table = clip_table(rows, machine_type="pump", dataset="own")
    console = terminal()

    print_decisions(table, [1, 0, 0, 0, 1, 1], console)

    text = console.file.getvalue()
    assert text.startswith("no labels: metrics skipped\n")
    assert line_of(text, "pump") == ["pump", "00", "all", "5", "2", "40.0", "%"]
