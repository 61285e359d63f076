"""Means over several datasets beside the paper's: Table 1 of AdaProj, last block."""

import itertools

import numpy as np
import pandas as pd
import pytest

from asdkeras.cli import main
from asdkeras.published import papers
from asdkeras.report.comparison import COLUMNS
from asdkeras.report.means_over_sets import compare_means, sets_of
from tests.cli.failures import failure
from tests.report.run_folders import scored_run

ADAPROJ = "wilkinghoff2024"
LOSSES = ("ic_compactness", "ic_compactness_cce", "adacos", "subcluster_adacos", "adaproj")
SETS = ["dcase2022 dev", "dcase2022 eval", "dcase2023 dev", "dcase2023 eval"]
PLACES = list(itertools.product(("source", "target", "all"), ("auc", "pauc")))


def measured(percents, verdict="within", note=""):
    """Comparisons of runs: each set has the same figure everywhere, but for 0.1 per place."""
    rows = [
        {
            **{"dataset": name.split()[0], "part": name.split()[1], "machine_type": "all"},
            **{"section": "all", "domain": domain, "metric": metric},
            **{"ours": percent + 0.1 * number, "verdict": verdict, "note": note},
        }
        for name, percent in percents.items()
        for number, (domain, metric) in enumerate(PLACES)
    ]
    return pd.DataFrame(rows)


def means_of(comparisons, row="adaproj", **options):
    known = papers.contradictions()
    known = known[known["system"] == ADAPROJ]
    return compare_means(comparisons, papers.load(ADAPROJ), known, row=row, **options)


def test_means_are_over_development_and_evaluation_sets_of_both_years():
    means = means_of(measured(dict(zip(SETS, (60.0, 70.0, 80.0, 97.0), strict=True))))

    assert list(zip(means["domain"], means["metric"], strict=True)) == PLACES
    expected = [np.mean([60.0, 70.0, 80.0, 97.0]) + 0.1 * number for number in range(6)]
    np.testing.assert_allclose(means["ours"], expected, rtol=1e-12)
    assert means["published"].tolist() == [76.6, 66.3, 70.9, 58.7, 73.9, 60.6]
    np.testing.assert_allclose(means["difference"], means["ours"] - means["published"])
    assert means.loc[1, SETS].tolist() == pytest.approx([60.1, 70.1, 80.1, 97.1])
    assert set(COLUMNS) | set(SETS) == set(means.columns)


def test_each_loss_has_six_means_so_that_all_thirty_are_compared():
    comparisons = measured(dict.fromkeys(SETS, 70.0))
    means = pd.concat([means_of(comparisons, row) for row in LOSSES])

    published = papers.load(ADAPROJ)
    printed = published.loc[published["dataset"] == "all", "percent"]
    assert means["published"].tolist() == printed.tolist()
    assert len(means) == 30
    assert set(means["verdict"]) <= {"within", "outside"}


def test_a_figure_of_the_paper_is_met_within_three_points():
    means = means_of(measured(dict.fromkeys(SETS, 73.5)))

    # 73.5, 73.6, ... beside 76.6, 66.3, 70.9, 58.7, 73.9, 60.6.
    assert means["tolerance"].tolist() == [3.0] * 6
    assert means["verdict"].tolist() == [
        *("outside", "outside", "within", "outside", "within", "outside")
    ]
    assert means_of(measured(dict.fromkeys(SETS, 73.5)), tolerance=3.2).loc[0, "verdict"] == (
        "within"
    )


def test_the_one_mean_that_its_own_table_contradicts_says_so():
    means = means_of(measured(dict.fromkeys(SETS, 66.0)))

    assert means["note"].tolist() == ["", "its own table gives 67.00", "", "", "", ""]
    assert means.loc[1, "verdict"] == "within"


def test_without_one_of_the_sets_nothing_is_measured_but_the_others_are_shown():
    means = means_of(measured({name: 70.0 for name in SETS if name != "dcase2022 eval"}))

    assert set(means["verdict"]) == {"not measured"}
    assert means["ours"].isna().all()
    assert means["dcase2022 eval"].isna().all()
    assert means["dcase2023 eval"].notna().all()


@pytest.mark.parametrize("name", ["mini2023", "bench2023"])
def test_what_is_not_comparable_in_one_set_is_not_in_the_mean(name):
    year = measured(dict.fromkeys(SETS[:2], 70.0))
    generated = measured(
        {f"{name} dev": 70.0, f"{name} eval": 70.0}, "not comparable", f"ours is of {name}"
    )

    means = means_of(pd.concat([year, generated], ignore_index=True))

    assert set(means["verdict"]) == {"not comparable"}
    assert set(means["note"]) == {f"ours is of {name}"}
    assert means["ours"].notna().all()


def test_only_papers_with_means_over_datasets_have_their_sets():
    assert sets_of(papers.load(ADAPROJ), "adaproj") == SETS
    assert sets_of(papers.load("wilkinghoff2021"), "all_40") == []


SECTIONS_2022 = [
    (machine_type, f"0{number}")
    for machine_type in ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve")
    for number in range(6)
]
EVALUATION_2023 = ("bandsaw", "grinder", "shaker", "ToyDrone", "ToyNscale", "ToyTank", "Vacuum")
SECTIONS_2023 = [(name, "00") for name, number in SECTIONS_2022 if number == "00"] + [
    (name, "00") for name in EVALUATION_2023
]
SECTIONS = {"dcase2022": SECTIONS_2022, "dcase2023": SECTIONS_2023}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(variant, dataset) -> folder of a run; `arcface` is in no table."""
    folder = tmp_path_factory.mktemp("runs") / ADAPROJ
    found = {}
    for variant in ("adaproj", "adacos", "arcface"):
        for dataset, sections in SECTIONS.items():
            row = "" if variant == "arcface" else variant
            options = {"dataset": dataset, "sections": sections, "row": row, "num_clips": 4}
            run = folder / variant / dataset
            found[variant, dataset] = str(scored_run(run, ADAPROJ, **options))
    return found


def test_runs_of_both_years_are_compared_each_and_together(runs, tmp_path, capsys):
    out = tmp_path / "means.csv"
    of_adaproj = [runs["adaproj", dataset] for dataset in SECTIONS]
    of_adacos = [runs["adacos", dataset] for dataset in SECTIONS]

    code = main(
        ["compare", *of_adaproj, *of_adacos, "--tolerance", "100", "--out", str(out)]
    )  # The printed spreads of single sets are smaller.

    shown = capsys.readouterr()
    assert code == 5
    assert "4 runs: " in shown.err
    assert "wilkinghoff2024, adaproj, means over datasets, against wilkinghoff2024" in shown.out
    assert "wilkinghoff2024, adacos, means over datasets" in shown.out
    assert "no mean without" not in shown.out
    written = pd.read_csv(out)
    assert written["variant"].tolist() == ["adaproj"] * 6 + ["adacos"] * 6
    assert set(written["verdict"]) == {"within"}
    for variant, means in written.groupby("variant"):
        parts = [pd.read_csv(f"{runs[variant, dataset]}/compare.csv") for dataset in SECTIONS]
        ours = pd.concat(parts).groupby(["domain", "metric"])["ours"]
        assert set(ours.size()) == {4}
        keys = list(zip(means["domain"], means["metric"], strict=True))
        np.testing.assert_allclose(means["ours"], ours.mean()[keys], rtol=1e-12)


def test_runs_of_one_year_say_what_is_missing(runs, tmp_path, capsys):
    out = tmp_path / "means.md"
    of_2023 = [runs[variant, "dcase2023"] for variant in ("adaproj", "adacos")]

    main(["compare", *of_2023, "--out", str(out)])

    shown = capsys.readouterr().out
    line = "no mean without the sets that no run named here has: dcase2022 dev, dcase2022 eval"
    assert shown.count(line) == 2
    assert out.read_text().count("not measured |") == 12
    assert "| adaproj | combined | all |" in out.read_text()


def test_one_run_has_no_means(runs, tmp_path, capsys):
    main(["compare", runs["adaproj", "dcase2023"]])

    assert "means over datasets" not in capsys.readouterr().out
    code, error = failure(
        capsys, "compare", runs["adaproj", "dcase2023"], "--out", tmp_path / "means.csv"
    )
    assert code == 2
    assert "there are no means over datasets to write" in error


def test_a_run_without_a_row_is_left_out_beside_others_and_refused_alone(runs, capsys):
    both = ["compare", runs["adaproj", "dcase2023"], runs["arcface", "dcase2023"]]
    main(both)

    shown = capsys.readouterr()
    assert f"note: {both[2]}: left out, no row of the paper is known for it" in shown.out
    assert "2 runs: " in shown.err
    code, error = failure(capsys, "compare", runs["arcface", "dcase2023"])
    assert (code, "no row of the paper is known for `combined`" in error) == (2, True)
    code, error = failure(capsys, "compare", *(runs["arcface", dataset] for dataset in SECTIONS))
    assert (code, "2 runs: no row of the paper is known" in error) == (2, True)


def test_two_runs_of_one_variant_and_dataset_are_refused(runs, capsys):
    run = runs["adaproj", "dcase2023"]

    code, error = failure(capsys, "compare", run, run)

    assert code == 2
    assert f"{run} and {run} are both of adaproj on dcase2023: name one of them" in error


def test_means_are_written_into_tables_alone(runs, capsys):
    code, error = failure(capsys, "compare", runs["adaproj", "dcase2023"], "--out", "means.txt")

    assert (code, "--out: the file must end in .csv or .md. Received: means.txt" in error) == (
        2,
        True,
    )
