"""Runs stand side by side, the best first, and the best of each column is marked."""

import re

import numpy as np

from asdkeras.report.roc_panels import RocCurve, SectionRoc, roc_parts
from asdkeras.report.side_by_side import board_tables
from tests.report.test_page_tables import NAN, cells, finished

CURVE = RocCurve("source", (np.array([[0.0, 0.0], [1.0, 1.0]]),), 0.5, 0.5)


def run_of(variant, score, *, spread=NAN, published=NAN, dataset="mini2021"):
    rows = [
        ("dev", name, "all", "official_score", value, spread, published)
        for name, value in (("all", score), ("fan", score), ("valve", 1.1 - score))
    ]
    return finished(rows, variant=variant, dataset=dataset)


def plain(table):
    return [[re.sub("<[^>]+>", "", cell) for cell in row] for row in cells(table)]


def test_runs_stand_side_by_side_the_best_first():
    overall, machines = board_tables([run_of("adacos", 0.5), run_of("adaproj", 0.6)])

    assert [row[0] for row in plain(overall)] == [
        "run",
        "wilkinghoff2024 adaproj",
        "wilkinghoff2024 adacos",
    ]
    assert plain(overall)[0][-2:] == ["official score", "trials"]
    assert plain(machines) == [
        ["run", "fan", "valve", "trials"],
        ["wilkinghoff2024 adaproj", "60.00 ★", "50.00", "1"],
        ["wilkinghoff2024 adacos", "50.00", "60.00 ★", "1"],
    ]


def test_the_best_of_a_column_is_bold_as_well():
    _, machines = board_tables([run_of("adacos", 0.5), run_of("adaproj", 0.6)])

    assert re.findall('<td class="bold">([0-9.]+)', machines) == ["60.00", "60.00"]


def test_runs_that_are_equally_good_are_both_marked():
    overall, _ = board_tables([run_of("adacos", 0.5), run_of("adaproj", 0.5)])

    assert overall.count("★") == 2


def test_a_single_run_is_not_the_best():
    overall, _ = board_tables([run_of("adacos", 0.5)])

    assert "★" not in overall


def test_spread_and_published_figure_stand_in_the_cell():
    overall, _ = board_tables([run_of("adacos", 0.5, spread=0.02, published=0.53)])

    assert plain(overall)[1][-2:] == ["50.00 ±\u00a02.00published 53.00 (-3.00)", "2"]


def test_curves_of_runs_share_their_panels():
    curves = {
        "one": [SectionRoc("fan", "00", (CURVE,))],
        "other": [SectionRoc("fan", "00", (CURVE,)), SectionRoc("valve", "00", (CURVE,))],
    }

    made = "".join(roc_parts([(name, run_of(name, 0.5), rocs) for name, rocs in curves.items()]))

    assert re.findall("<figcaption>(.*?)</figcaption>", made) == ["fan", "valve"]
    assert made.count("<polyline") == 3
    assert "<h3>" not in made


def test_curves_of_other_clips_are_kept_apart():
    curves = {
        "dcase2021": [SectionRoc("fan", number, (CURVE,)) for number in ("00", "03")],
        "mini2022": [SectionRoc("fan", "00", (CURVE,))],
    }
    runs = [(name, run_of("a", 0.5, dataset=name), rocs) for name, rocs in curves.items()]

    made = "".join(roc_parts(runs))

    assert re.findall("<h3>(.*?)</h3>", made) == [
        "dcase2021, development set",
        "dcase2021, evaluation set",
        "mini2022, development set",
    ]
    assert made.count("<polyline") == 3
