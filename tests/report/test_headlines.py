"""A headline is the figure that counts, and says what the paper has to do with it."""

import dataclasses

import pytest

from asdkeras.report.finished_runs import Printed
from asdkeras.report.page import headlines
from tests.report.test_page_tables import ALL, FIGURES, NAN, finished

SCORE_OF_ALL = ("dev", "all", "all", "all", "official_score")


def test_the_headline_is_the_official_score():
    assert headlines(finished(FIGURES)) == [
        ("official score, development set", "55.56", "1 trial", "", None)
    ]


def test_the_headline_is_the_mean_auc_where_rules_have_no_official_score():
    (line,) = headlines(finished(FIGURES, dataset="pumps"))

    assert line[:3] == ("mean AUC", "60.00", "1 trial")


@pytest.mark.parametrize(
    ("machine_types", "beside"),
    [(["fan"], "1 trial, fan alone"), (["fan", "valve"], "1 trial"), ([], "1 trial")],
)
def test_a_figure_of_one_machine_type_says_so(machine_types, beside):
    rows = [("dev", name, "all", "auc", 0.6, NAN, NAN) for name in machine_types]

    assert headlines(finished([*FIGURES, *rows]))[0][2] == beside


@pytest.mark.parametrize(
    ("value", "told", "color"),
    [
        (0.62, "published 61.20, ours +0.80, within the tolerance of 2.00", "up1"),
        (0.58, "published 61.20, ours -3.20, outside the tolerance of 2.00", "down2"),
        (0.70, "published 61.20, ours +8.80, outside the tolerance of 2.00", "up3"),
    ],
)
def test_spread_and_published_figure_stand_beside_the_headline(value, told, color):
    run = finished([(*ALL, "official_score", value, 0.01, 0.612)])
    printed = {SCORE_OF_ALL: Printed(61.2, 2.0, "within", "", is_comparable=True)}

    (line,) = headlines(dataclasses.replace(run, printed=printed))

    assert line[1:] == (f"{100 * value:.2f}", "± 1.00 over 2 trials", told, color)


def test_a_published_figure_of_other_clips_is_told_without_a_difference():
    printed = {SCORE_OF_ALL: Printed(61.2, 2.0, "not comparable", "ours is of mini2021", False)}

    (line,) = headlines(dataclasses.replace(finished(FIGURES), printed=printed))

    assert line[3:] == ("published 61.20, not comparable: ours is of mini2021", None)


def test_a_published_figure_that_its_own_paper_contradicts_is_told_so():
    run = finished([(*ALL, "official_score", 0.6, NAN, 0.6)])
    printed = {SCORE_OF_ALL: Printed(60.0, 3.0, "contradicted", "its own table gives 65.00", True)}

    (line,) = headlines(dataclasses.replace(run, printed=printed))

    assert line[3] == (
        "published 60.00, ours +0.00, which contradicts its own table (its own table gives 65.00)"
    )


def test_a_small_contradiction_is_told_beside_the_verdict():
    run = finished([(*ALL, "official_score", 0.6, NAN, 0.6)])
    printed = {SCORE_OF_ALL: Printed(60.0, 3.0, "within", "its own table gives 60.40", True)}

    (line,) = headlines(dataclasses.replace(run, printed=printed))

    assert line[3] == (
        "published 60.00, ours +0.00, within the tolerance of 3.00 (its own table gives 60.40)"
    )


def test_there_is_a_headline_for_each_part():
    run = finished([*FIGURES, ("eval", "all", "all", "official_score", 0.4, NAN, NAN)])

    assert [line[:2] for line in headlines(run)] == [
        ("official score, development set", "55.56"),
        ("official score, evaluation set", "40.00"),
    ]
