"""Tables of a page hold the figures of the run's files, in percent, and say what they are."""

import dataclasses
import re
from pathlib import Path

import pandas as pd
import pytest

from asdkeras.evaluation import METRIC_COLUMNS, SUMMARY_COLUMNS
from asdkeras.report.finished_runs import FinishedRun, Printed
from asdkeras.report.page_tables import (
    named_score_tables,
    paper_table,
    result_tables,
    section_tables,
)
from asdkeras.score_files import NO_MARKS, Marks

NAN = float("nan")


def finished(rows, folder=Path("run"), *, dataset="mini2021", marks=NO_MARKS, variant="adacos"):
    """A run whose means are (part, machine type, domain, metric, value, spread, published)."""
    frame = pd.DataFrame(
        [(*row[:6], 1 + (row[5] == row[5]), 2, row[6]) for row in rows],
        columns=[*SUMMARY_COLUMNS, "published"],
    )
    places = {(row[1], "00", "all", 1, 1) for row in rows if row[1] != "all"}
    measured = {str(part): frozenset(places) for part in frame["part"].unique()}
    return FinishedRun(folder, "wilkinghoff2024", variant, dataset, marks, frame, measured)


def cells(table):
    """Texts of a table, row by row."""
    rows = re.findall("<tr>(.*?)</tr>", table)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


ALL = ("dev", "all", "all")
FIGURES = [
    (*ALL, "auc", 0.6, NAN, NAN),
    (*ALL, "official_score", 0.5556, NAN, NAN),
]


def test_results_have_a_row_for_each_machine_type_and_domain_and_the_mean_below():
    rows = [
        (*ALL, "auc", 0.7, NAN, NAN),
        ("dev", "fan", "source", "auc", 0.8, NAN, NAN),
        ("dev", "fan", "source", "pauc", 0.6, 0.02, NAN),
        ("dev", "fan", "source", "recall", 0.6, NAN, NAN),
        ("dev", "fan", "target", "auc", 0.9, NAN, NAN),
    ]

    (table,) = result_tables(finished(rows))

    assert cells(table) == [
        ["machine type", "domain", "AUC", "pAUC"],
        ["fan", "source", "80.00", "60.00 ±\u00a02.00"],
        ["fan", "target", "90.00", ""],
        ["harmonic mean", "all", "70.00", ""],
    ]
    assert table.index("<tfoot>") < table.index(">harmonic mean<")


@pytest.mark.parametrize(
    ("dataset", "text"),
    [
        ("mini2021", "development set, means over sections (all: harmonic mean over domains)"),
        (
            "mini2023",
            "development set, means over sections (all: harmonic mean over domains, pAUC that of "
            "all clips)",
        ),
        ("mini2020", "development set, means over sections"),
        ("pumps", "means over sections"),
    ],
)
def test_a_caption_says_what_a_mean_of_all_is(dataset, text):
    (table,) = result_tables(finished(FIGURES, dataset=dataset))

    assert f"<caption>{dataset}, {text}, percent</caption>" in table


def test_the_mean_of_one_machine_type_is_not_repeated():
    of_fan = [("dev", "fan", "source", "auc", 0.8, NAN, NAN), ("dev", "fan", *FIGURES[0][2:])]
    of_all = [("dev", "all", "source", "auc", 0.8, NAN, NAN), FIGURES[0]]
    of_valve = ("dev", "valve", "source", "auc", 0.8, NAN, NAN)

    (alone,) = result_tables(finished([*of_fan, *of_all]))
    (with_more,) = result_tables(finished([*of_fan, *FIGURES]))
    (with_another,) = result_tables(finished([*of_fan, of_valve, *of_all]))

    assert [row[:2] for row in cells(alone)[1:]] == [["fan", "source"], ["fan", "all"]]
    assert cells(with_more)[-1] == ["harmonic mean", "all", "60.00", "55.56"]
    assert [row[0] for row in cells(with_another)[-2:]] == ["harmonic mean"] * 2


def test_published_figures_stand_beside_ours_with_the_difference():
    rows = [
        ("dev", "fan", "all", "auc", 0.8, NAN, 0.75),
        ("dev", "fan", "all", "f1", 0.5, NAN, NAN),
        (*ALL, "auc", 0.7, NAN, NAN),
    ]
    printed = {("dev", "fan", "all", "all", "auc"): Printed(75.0, 6.0, "within", "", True)}

    (table,) = result_tables(dataclasses.replace(finished(rows), printed=printed))

    assert cells(table)[:2] == [
        ["machine type", "domain", "AUC", "difference (published)", "F1"],
        ["fan", "all", "80.00", "+5.00 (75.00)", "50.00"],
    ]
    assert cells(table)[2][2:] == ["70.00", "", ""]
    assert '<td class="up1">80.00</td>' in table
    assert table.count('class="up') + table.count('class="down') == 1


def test_each_part_has_a_table_of_its_own():
    rows = [
        ("dev", "fan", "all", "auc", 0.8, NAN, NAN),
        ("eval", "fan", "all", "auc", 0.3, NAN, NAN),
    ]

    development, evaluation = result_tables(finished(rows))

    assert ("80.00" in development, "30.00" in development) == (True, False)
    assert "evaluation set" in evaluation


def test_labels_that_had_a_say_mark_every_table():
    (table,) = result_tables(finished(FIGURES, marks=Marks(("the epoch",), ("ranks",))))

    assert "percent, oracle, transductive<" in table


def with_sections(folder, rows, dataset="dcase2021"):
    """A run whose sections are (seed, machine type, section, domain, AUC, pAUC, P, R, F1)."""
    content = pd.DataFrame([(*row, 10, 12) for row in rows], columns=list(METRIC_COLUMNS))
    content.to_csv(folder / "metrics.csv", index=False)
    return finished(FIGURES, folder, dataset=dataset)


def test_sections_have_the_means_and_the_spread_of_trials(tmp_path):
    rows = [
        (0, "NA", "00", "source", 0.5, 0.6, 1.0, 0.0, 0.1),
        (0, "NA", "00", "target", 0.4, 0.6, 1.0, 0.0, 0.1),
        (1, "NA", "00", "source", 0.7, 0.6, 1.0, 0.0, 0.3),
        (1, "NA", "00", "target", 0.4, 0.6, 1.0, 0.0, 0.3),
    ]

    (table,) = section_tables(with_sections(tmp_path, rows))

    spread = 100 * (0.02) ** 0.5  # Of 0.5 and 0.7, with N - 1.
    assert cells(table)[0][3:] == [
        "AUC",
        "pAUC",
        "precision",
        "recall",
        "F1",
        "F1 of all anomalous",
        "normal",
        "anomalous",
    ]
    assert cells(table)[1][:4] == ["NA", "00", "source", f"60.00 ±\u00a0{spread:.2f}"]
    assert cells(table)[2][3:5] == ["40.00 ±\u00a00.00", "60.00 ±\u00a00.00"]
    all_anomalous = 100 * 2 * 12 / (2 * 12 + 10)
    assert cells(table)[1][-3:] == [f"{all_anomalous:.2f} ±\u00a00.00", "10", "12"]
    assert "sections and domains, percent, means over 2 trials<" in table


def test_a_caption_says_that_all_is_no_mean_of_domains(tmp_path):
    rows = [(0, "fan", "00", "all", 0.5, 0.6, NAN, NAN, NAN)]

    (table,) = section_tables(with_sections(tmp_path, rows, dataset="dcase2023"))

    assert "sections and domains (all: clips of both domains together), percent<" in table


def test_sections_of_both_sets_have_tables_of_their_own(tmp_path):
    rows = [(0, "fan", section, "source", 0.5, 0.6, NAN, NAN, NAN) for section in ("00", "03")]

    development, evaluation = section_tables(with_sections(tmp_path, rows))

    assert cells(development) == [
        ["machine type", "section", "domain", "AUC", "pAUC", "normal", "anomalous"],
        ["fan", "00", "source", "50.00", "60.00", "10", "12"],
    ]
    assert cells(evaluation)[1][1] == "03"


def test_sections_are_colored_by_their_difference_to_comparable_figures(tmp_path):
    rows = [(0, "fan", section, "source", 0.5, 0.6, NAN, NAN, NAN) for section in ("00", "01")]
    printed = {
        ("dev", "fan", "00", "source", "auc"): Printed(54.0, 3.0, "outside", "", True),
        ("dev", "fan", "01", "source", "auc"): Printed(40.0, 3.0, "not comparable", "", False),
    }

    run = dataclasses.replace(with_sections(tmp_path, rows), printed=printed)
    (table,) = section_tables(run)

    assert [row[3:5] for row in cells(table)[1:]] == [["50.00", "-4.00 (54.00)"], ["50.00", ""]]
    assert table.count('<td class="down2">50.00</td>') == 1
    assert table.count('class="up') == 0


@pytest.fixture
def with_named_scores(tmp_path):
    rows = [
        ("answer", *ALL, "auc", 0.7),
        ("answer", *ALL, "official_score", 0.6),
        ("answer", "dev", "fan", "all", "auc", 0.1),
        ("other", *ALL, "auc", 0.8),
        ("rest", *ALL, "auc", 0.9),
    ]
    names = ["score", "part", "machine_type", "domain", "metric", "value"]
    pd.DataFrame(rows, columns=names).to_csv(tmp_path / "named_scores.csv", index=False)
    return finished(FIGURES, tmp_path)


def test_named_scores_are_compared_by_their_means(with_named_scores):
    (table,) = named_score_tables(with_named_scores, ["answer", "other"])

    assert cells(table) == [
        ["score", "all AUC", "official score"],
        ["answer", "70.00", "60.00"],
        ["other", "80.00", ""],
    ]


def test_a_single_named_score_has_no_table(with_named_scores, tmp_path):
    assert named_score_tables(with_named_scores, ["answer"]) == []


def test_a_run_without_named_scores_has_no_table(tmp_path):
    assert named_score_tables(finished(FIGURES, tmp_path), ["answer", "other"]) == []


def test_the_paper_is_shown_figure_by_figure(tmp_path):
    header = (
        "score,part,machine_type,section,domain,metric,average,published,ours,difference,"
        "tolerance,n_sections,verdict,note"
    )
    lines = [
        "answer,dev,NA,00,source,auc,,75.03,70.03,-5.0,3.0,1,outside,",
        "answer,dev,fan,all,all,auc,harmonic,60,,,3.0,3,not measured,",
        "answer,dev,fan,all,all,pauc,harmonic,60,60,0,3.0,3,not comparable,ours is of <mini>",
        "answer,dev,fan,all,all,pauc,harmonic,60,60,0,3.0,3,not comparable,",
    ]
    (tmp_path / "compare.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")

    made = paper_table(finished(FIGURES, tmp_path))

    assert made.count('<td class="down2">-5.00</td>') == 1
    assert made.count('class="name up') + made.count('<td class="up') == 0
    assert "figure by figure: 2 not comparable, 1 outside, 1 not measured</summary>" in made
    assert cells(made)[1:4] == [
        [
            "answer",
            "dev",
            "NA",
            "00",
            "source",
            "auc",
            "75.03",
            "70.03",
            "-5.00",
            "3.00",
            "outside",
        ],
        ["answer", "dev", "fan", "all", "all", "auc", "60.00", "", "", "3.00", "not measured"],
        [
            *("answer", "dev", "fan", "all", "all", "pauc", "60.00", "60.00", "+0.00", "3.00"),
            "not comparable: ours is of &lt;mini&gt;",
        ],
    ]


def test_a_run_without_a_comparison_has_no_table_of_it(tmp_path):
    assert paper_table(finished(FIGURES, tmp_path)) is None
