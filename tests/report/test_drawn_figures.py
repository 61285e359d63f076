"""Figures 2 and 3 of AdaProj, drawn from the runs that are there."""

import re

import numpy as np
import pytest

from asdkeras import systems
from asdkeras.cli import main
from asdkeras.published import papers
from asdkeras.report.comparison import compare
from asdkeras.report.drawn_figures import figure_parts, round_ticks
from asdkeras.report.finished_runs import find_runs
from asdkeras.report.scored_runs import read_scored_run
from tests.cli.failures import failure
from tests.report.run_folders import finished_run

ADAPROJ = "wilkinghoff2024"
SECTIONS = [("fan", "00"), ("valve", "00"), ("bandsaw", "00"), ("grinder", "00")]
SKILLS = {"adaproj": 0.2, "adaproj_j1": 0.8, "adaproj_j8": 1.4, "adaproj_j64": 2.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four variants of Figure 2, that of Figure 3, and one of neither; two trials each."""
    runs = tmp_path_factory.mktemp("runs")
    options = {"dataset": "dcase2023", "sections": SECTIONS, "seeds": (0, 1), "num_clips": 20}
    for variant, skill in SKILLS.items():
        finished_run(runs, ADAPROJ, variant, skill=skill, **options)
    finished_run(runs, ADAPROJ, "adaproj_ensemble", **options)
    finished_run(runs, ADAPROJ, "adacos", **options)
    return runs


@pytest.fixture(scope="module")
def runs(folder):
    return {run.variant: run for run in find_runs([folder])[0]}


def rows_of(number):
    rows = papers.figures(ADAPROJ)
    return rows[rows["figure"] == number]


def drawn(runs, number, variants):
    return "".join(figure_parts({name: runs[name] for name in variants}, rows_of(number)))


@pytest.fixture(scope="module")
def figure_2(runs):
    return drawn(runs, "2", SKILLS)


def points(text):
    """Each line of a drawing as an array of places."""
    return [
        np.array([pair.split(",") for pair in line.split()], dtype=float)
        for line in re.findall(r'<polyline points="([^"]+)"', text)
    ]


def table_of(text):
    body = re.search("<tbody>(.*?)</tbody>", text)[1]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("</tr>")[:-1]]


def test_figures_are_drawn_from_variants_that_the_system_has():
    known = set(systems.variants(ADAPROJ))

    for name in papers.names():
        rows = papers.figures(name)
        assert name == ADAPROJ or rows.empty
    assert set(papers.figures(ADAPROJ)["variant"]) <= known
    assert {*known} - {*rows_of("2")["variant"]} >= {"adacos", "adaproj_ensemble"}


def test_a_variant_of_figure_2_stands_at_the_dimension_of_its_subspaces():
    rows = rows_of("2").set_index("variant")["place"]

    assert rows.pop("adaproj") == 32  # Table 1, and Sec. 3.4.
    assert [f"adaproj_j{place:g}" for place in rows] == rows.index.tolist()
    assert len(rows) == 11


def test_places_follow_the_dimension_and_heights_the_figures(figure_2):
    lines = points(figure_2)
    assert len(lines) == 4  # AUC, then pAUC, each of the development and the evaluation set.
    for line in lines:
        across, down = line.T
        shares = (across - across[0]) / (across[-1] - across[0])
        np.testing.assert_allclose(shares, [0.0, 7 / 63, 31 / 63, 1.0], atol=1e-3)
        # The skill of j1, j8, j32 and j64 is 0.8, 1.4, 0.2 and 2.0; down is worse.
        assert np.argsort(-down).tolist() == [2, 0, 1, 3]


def test_a_run_stands_at_its_own_place_when_it_is_alone(runs, figure_2):
    alone = points(drawn(runs, "2", ["adaproj_j8"]))

    assert alone[0][0, 0] == points(figure_2)[0][1, 0]


def test_values_are_those_of_the_papers_rules_and_not_of_the_challenge(runs, figure_2):
    """Domain-independent: all clips of a section, as in Table 1, ten trials averaged."""
    run = runs["adaproj_j8"]
    scores = read_scored_run(run.folder, [0, 1])
    table_1 = papers.load(ADAPROJ)
    none = papers.contradictions().iloc[:0]
    rules = papers.convention(ADAPROJ)
    ours = compare(scores.of("combined"), table_1, none, rules, row="adaproj")
    ours = ours[ours["domain"] == "all"].set_index(["part", "metric"])["ours"]
    official = run.means.set_index(["part", "machine_type", "domain", "metric"])["value"]

    (row,) = [row for row in table_of(figure_2) if row[0] == "adaproj_j8"]

    keys = [("dev", "auc"), ("dev", "pauc"), ("eval", "auc"), ("eval", "pauc")]
    assert [cell.split(" ")[0] for cell in row[2:6]] == [f"{ours[key]:.2f}" for key in keys]
    assert abs(100.0 * official["dev", "all", "all", "auc"] - ours["dev", "auc"]) > 0.1
    assert row[1] == "8"
    assert row[-1] == "2"


def test_a_spread_is_that_of_the_trials(runs):
    text = drawn(runs, "2", ["adaproj_j8"])
    rules = papers.convention(ADAPROJ)
    by_seed = []
    for seed in (0, 1):
        scores = read_scored_run(runs["adaproj_j8"].folder, [seed])
        rows = compare(
            scores.of("combined"),
            papers.load(ADAPROJ),
            papers.contradictions().iloc[:0],
            rules,
            row="adaproj",
        ).set_index(["part", "domain", "metric"])
        by_seed.append(rows.loc[("dev", "all", "auc"), "ours"])

    ((_, _, first, *_),) = table_of(text)

    assert first == f"{np.mean(by_seed):.2f} ± {np.std(by_seed):.2f}"
    assert len(re.findall(r'd="M[\d.]+ [\d.]+V[\d.]+M', text)) == 4  # A line through each point.


def test_figure_3_has_the_official_score_and_says_what_cannot_be_drawn(runs):
    text = drawn(runs, "3", ["adaproj_ensemble"])
    means = runs["adaproj_ensemble"].means
    official = means[(means["metric"] == "official_score") & (means["machine_type"] == "all")]

    ((name, dev, evaluation, _),) = table_of(text)

    expected = 100.0 * official.set_index("part")["value"]
    assert name == "adaproj_ensemble"
    assert [dev.split(" ")[0], evaluation.split(" ")[0]] == [
        f"{expected['dev']:.2f}",
        f"{expected['eval']:.2f}",
    ]
    widths = [float(width) for width in re.findall(r'width="([\d.]+)" height', text)]
    assert widths[0] / widths[1] == pytest.approx(expected["dev"] / expected["eval"], rel=1e-2)
    assert "ten best systems of the DCASE 2023 challenge" in text


def test_what_is_missing_is_named_but_not_where_another_variant_is_the_same_system(figure_2):
    others = "adaproj_j2, adaproj_j4, adaproj_j16, adaproj_j24, adaproj_j40, adaproj_j48"
    assert f"No run of {others}, adaproj_j56 among those named." in figure_2


def test_the_command_draws_every_figure_that_has_a_run(folder, tmp_path, capsys):
    out = tmp_path / "figures.html"

    assert main(["figure", str(folder), "--out", str(out)]) == 0

    assert capsys.readouterr().out.split() == [str(out)]
    page = out.read_text(encoding="utf-8")
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert headings == [f"{ADAPROJ}, Figure {number}, dcase2023" for number in (2, 3)]
    assert "adacos" not in re.search("<main.*</main>", page)[0]
    assert f"asdkeras figure {folder}" in page


def test_runs_of_no_figure_are_refused(folder, tmp_path, capsys):
    run = folder / ADAPROJ / "adacos"
    code, error = failure(capsys, "figure", run, "--out", tmp_path / "a.html")

    assert code == 2
    assert f"no figure of a paper has a run among these 1. There are figures of {ADAPROJ}." in error


def test_two_runs_of_one_variant_are_refused(folder, tmp_path, capsys):
    options = {"dataset": "dcase2023", "sections": SECTIONS}
    other = finished_run(tmp_path, ADAPROJ, "adaproj_j8", **options)

    code, error = failure(capsys, "figure", folder, other, "--out", tmp_path / "a.html")

    assert code == 2
    assert f"and {other} are both of adaproj_j8 on dcase2023: name one of them" in error


def test_a_page_needs_its_ending(folder, tmp_path, capsys):
    code, error = failure(capsys, "figure", folder, "--out", tmp_path / "a.png")

    assert (code, "--out: the file must end in .html. Received: " in error) == (2, True)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (60.1, 69.9, [60, 62, 64, 66, 68, 70]),
        (60.3, 60.4, [60.2, 60.4]),
        (0.0, 100.0, [0, 20, 40, 60, 80, 100]),
        (60.0, 60.0, [60.0, 60.2]),
    ],
)
def test_an_axis_has_few_round_numbers_around_all_values(low, high, expected):
    assert round_ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("name", [ADAPROJ, "wilkinghoff2021"])
def test_columns_of_figures_are_typed_even_without_one(name):
    kinds = {column: str(kind) for column, kind in papers.figures(name).dtypes.items()}

    assert kinds == papers.FIGURE_COLUMNS
