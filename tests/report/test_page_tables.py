"""Tables of a page hold the figures of the run's files, in percent, and say what they are."""

import re
from pathlib import Path

import pandas as pd
import pytest

from asdkeras.evaluation import SUMMARY_COLUMNS
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.page_tables import (
    board_tables,
    headline,
    named_score_tables,
    paper_table,
    result_tables,
)

NAN = float("nan")


def finished(rows, folder=Path("run"), *, dataset="mini2021", oracle=(), variant="adacos"):
    """A run whose means are (part, machine type, domain, metric, value, spread, published)."""
    frame = pd.DataFrame(
        [(*row[:6], 1 + (row[5] == row[5]), 2, row[6]) for row in rows],
        columns=[*SUMMARY_COLUMNS, "published"],
    )
    places = {(row[1], "00", "all", 1, 1) for row in rows if row[1] != "all"}
    measured = {str(part): frozenset(places) for part in frame["part"].unique()}
    return FinishedRun(folder, "wilkinghoff2024", variant, dataset, oracle, frame, measured)


def cells(table):
    """Texts of a table, row by row."""
    rows = re.findall("<tr>(.*?)</tr>", table)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


ALL = ("dev", "all", "all")
FIGURES = [
    (*ALL, "auc", 0.6, NAN, NAN),
    (*ALL, "official_score", 0.5556, NAN, NAN),
]


def test_the_headline_is_the_official_score():
    assert headline(finished(FIGURES)) == [("official score, development set", "55.56", "1 trial")]


def test_the_headline_is_the_mean_auc_where_rules_have_no_official_score():
    assert headline(finished(FIGURES, dataset="pumps")) == [("mean AUC", "60.00", "1 trial")]


def test_spread_and_published_figure_stand_beside_the_headline():
    run = finished([(*ALL, "official_score", 0.5, 0.01, 0.612)])

    assert headline(run)[0][1:] == ("50.00", "± 1.00 over 2 trials, published 61.20")


def test_there_is_a_headline_for_each_part():
    run = finished([*FIGURES, ("eval", "all", "all", "official_score", 0.4, NAN, NAN)])

    assert [(what, figure) for what, figure, _ in headline(run)] == [
        ("official score, development set", "55.56"),
        ("official score, evaluation set", "40.00"),
    ]


def test_results_have_a_row_for_each_machine_type_and_domain_and_the_mean_last():
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
        ["fan", "source", "80.00", "60.00 ± 2.00"],
        ["fan", "target", "90.00", ""],
        ["harmonic mean", "all", "70.00", ""],
    ]
    assert "mini2021, development set, means over sections, percent<" in table


def test_published_figures_stand_beside_ours():
    rows = [
        ("dev", "fan", "all", "auc", 0.8, NAN, 0.75),
        ("dev", "fan", "all", "f1", 0.5, NAN, NAN),
        (*ALL, "auc", 0.7, NAN, NAN),
    ]

    (table,) = result_tables(finished(rows))

    assert cells(table)[:2] == [
        ["machine type", "domain", "AUC", "published", "F1"],
        ["fan", "all", "80.00", "75.00", "50.00"],
    ]
    assert cells(table)[2][2:] == ["70.00", "", ""]


def test_each_part_has_a_table_of_its_own():
    rows = [
        ("dev", "fan", "all", "auc", 0.8, NAN, NAN),
        ("eval", "fan", "all", "auc", 0.3, NAN, NAN),
    ]

    development, evaluation = result_tables(finished(rows))

    assert ("80.00" in development, "30.00" in development) == (True, False)
    assert "evaluation set" in evaluation


def test_labels_that_had_a_say_mark_every_table():
    (table,) = result_tables(finished(FIGURES, oracle=("the epoch",)))

    assert "percent, oracle<" in table


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


def test_runs_stand_side_by_side_the_best_first():
    def run(variant, score):
        rows = [
            ("dev", name, "all", "official_score", value, NAN, NAN)
            for name, value in (("all", score), ("fan", score), ("valve", score + 0.1))
        ]
        return finished(rows, variant=variant)

    made = board_tables([run("adacos", 0.5), run("adaproj", 0.6)])

    plain = [[re.sub("<[^>]+>", "", cell) for cell in row] for row in cells(made)]
    assert [row[0] for row in plain] == [
        "run",
        "wilkinghoff2024 adaproj",
        "wilkinghoff2024 adacos",
        *("run", "wilkinghoff2024 adaproj", "wilkinghoff2024 adacos"),
    ]
    assert plain[0][-1] == "official score"
    assert plain[1][-1] == "60.00"
    assert plain[3:5] == [["run", "fan", "valve"], ["wilkinghoff2024 adaproj", "60.00", "70.00"]]
    assert '<span class="bold">60.00</span>' in made
    assert '<span class="bold">50.00</span>' not in made
