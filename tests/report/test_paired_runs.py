"""Differences between runs on the same clips, and how sure they are."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from asdkeras.cli import main
from asdkeras.errors import RecipeError
from asdkeras.metrics.bootstrap import resampled_official_scores
from asdkeras.metrics.official import RULES
from asdkeras.report.finished_runs import find_runs
from asdkeras.report.paired_runs import difference, resampled_runs
from asdkeras.report.side_by_side import show_side_by_side
from tests.report.run_folders import finished_run


@pytest.fixture
def runs(tmp_path):
    """Two systems of two trials, the first of them worse than the other."""
    finished_run(tmp_path, "alpha", "weak", skill=0.2, seeds=(0, 1), num_clips=40)
    finished_run(tmp_path, "beta", "strong", skill=1.0, seeds=(0, 1), num_clips=40)
    return tmp_path


def scores_of(folder):
    """Clips and scores of both trials, by pandas."""
    tables = [pd.read_csv(folder / f"scores/seed{seed}/scores.csv") for seed in (0, 1)]
    keys = ["machine_type", "section", "domain", "name"]
    tables = [table.sort_values(keys, ignore_index=True) for table in tables]
    return tables[0], np.stack([table["score_combined"] for table in tables])


def test_difference_is_that_of_the_official_scores_and_of_the_same_resamples(runs):
    found = sorted(find_runs([runs])[0], key=lambda run: run.system)
    resampled = resampled_runs(found, "dev", num_resamples=50)

    pair = difference(found[1], found[0], "dev", tuple(resampled[::-1]))

    expected = []
    for run in found:
        clips, trials = scores_of(run.folder)
        sections = clips["machine_type"] + clips["section"].astype(str)
        columns = (clips["is_anomalous"], clips["domain"].to_numpy(str), sections.to_numpy(str))
        values = resampled_official_scores(
            trials, *columns, RULES["dcase2021"], seed=0, num_resamples=50
        )
        expected.append(values)
    assert resampled == pytest.approx(np.stack(expected), abs=1e-12)
    official = [
        pd.read_csv(run.folder / "official.csv").query("metric == 'official_score'")["value"]
        for run in found
    ]
    assert pair.value == pytest.approx(official[1].iloc[0] - official[0].iloc[0], abs=1e-12)
    quantiles = np.quantile(expected[1] - expected[0], (0.025, 0.975))
    assert pair[1:] == pytest.approx(tuple(quantiles), abs=1e-12)
    assert pair.lower > 0.0


def test_order_of_clips_in_the_files_is_no_matter(runs):
    before = resampled_runs(find_runs([runs])[0], "dev", num_resamples=5)
    path = runs / "alpha/weak/mini2021/scores/seed1/scores.csv"
    pd.read_csv(path, dtype=str, keep_default_na=False)[::-1].to_csv(path, index=False)

    after = resampled_runs(find_runs([runs])[0], "dev", num_resamples=5)

    assert (after == before).all()


def test_runs_on_other_clips_are_refused_by_name(runs):
    finished_run(runs, "gamma", "other", num_clips=38)
    found = find_runs([runs])[0]

    with pytest.raises(RecipeError, match=r"gamma.other.mini2021: its test clips are not those"):
        resampled_runs(found, "dev", num_resamples=5)


def test_table_prints_how_far_others_are_below_the_best(runs):
    console = Console(file=io.StringIO(), width=100)

    show_side_by_side([runs], differences=True, console=console)

    found = sorted(find_runs([runs])[0], key=lambda run: run.system)
    pair = difference(*found, "dev", tuple(resampled_runs(found, "dev")))
    printed = console.file.getvalue()
    assert "official score minus that of beta strong, percent" in printed
    value, lower, upper = (f"{100 * each:+.2f}" for each in pair)
    assert f"alpha weak: {value}, {lower} to {upper}\n" in printed
    assert float(upper) < 0.0


@pytest.mark.parametrize(
    ("arguments", "is_shown"), [(["--differences"], True), ([], False)], ids=["asked", "not asked"]
)
def test_command_prints_differences_if_asked(runs, arguments, is_shown, capsys):
    assert main(["table", str(runs), *arguments]) == 0

    assert ("minus that of" in capsys.readouterr().out) == is_shown


def test_rules_without_an_official_score_have_no_differences(tmp_path, capsys):
    for name, skill in (("weak", 0.2), ("strong", 1.0)):
        finished_run(tmp_path, "alpha", name, dataset="mini2020", skill=skill)

    assert main(["table", str(tmp_path), "--differences"]) == 0

    assert "minus that of" not in capsys.readouterr().out
