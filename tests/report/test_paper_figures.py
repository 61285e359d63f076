"""Only figures of the system's own paper and variant, and of the same clips, stand beside ours."""

import math

import pytest

from asdkeras.report.finished_runs import find_runs, printed_figures, read_comparison, shade
from asdkeras.score_files import read_metadata
from tests.report.run_folders import finished_run

NAN = float("nan")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run on clips that are called those of the challenge."""
    sections = [("fan", "00")]
    options = {"dataset": "dcase2021", "sections": sections, "row": "ae2021"}
    return finished_run(tmp_path_factory.mktemp("runs"), "baseline2021", "ae", **options)


@pytest.fixture(scope="module")
def printed(run_folder):
    (run,), _ = find_runs([run_folder])
    return run.printed


def test_a_section_has_what_the_paper_prints_of_it(printed):
    figure = printed["dev", "fan", "00", "source", "auc"]

    # y-kawagu/dcase2021_task2_baseline_ae, README: fan, section 00, source domain.
    assert figure[:2] == (67.38, 3.0)
    assert figure.is_comparable
    assert figure.verdict in ("within", "outside")


def test_means_over_other_sections_are_not_comparable(printed):
    means = {place: figure for place, figure in printed.items() if place[2] == "all"}

    assert means
    assert not any(figure.is_comparable for figure in means.values())
    assert printed["dev", "all", "all", "all", "auc"].note == "ours is of 1 sections"


def test_another_row_of_the_paper_is_not_this_run(run_folder, tmp_path):
    content = (run_folder / "compare.csv").read_text(encoding="utf-8")
    (run,), _ = find_runs([run_folder])
    other = tmp_path / "run"
    (other / "scores" / "seed0").mkdir(parents=True)
    done = (run_folder / "scores" / "seed0" / "DONE").read_text(encoding="utf-8")
    (other / "scores" / "seed0" / "DONE").write_text(
        done.replace('"ae2021"', '"mobilenetv2_2021"'), encoding="utf-8"
    )
    (other / "compare.csv").write_text(content, encoding="utf-8")

    assert "ae2021" in done
    assert len(read_comparison(other)) > 0
    metadata = read_metadata(other / "scores" / "seed0")
    assert printed_figures(other, run.system, run.dataset, metadata) == {}


def test_a_run_without_a_comparison_has_no_figures(run_folder, tmp_path):
    metadata = read_metadata(run_folder / "scores" / "seed0")

    assert printed_figures(tmp_path, "baseline2021", "dcase2021", metadata) == {}


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        *((0.0, None), (0.004, None), (NAN, None)),
        *((0.01, "up1"), (3.0, "up1"), (3.01, "up2"), (6.0, "up2"), (6.01, "up3")),
        *((-0.01, "down1"), (-3.0, "down1"), (-6.0, "down2"), (-math.inf, "down3")),
    ],
)
def test_shades_grow_with_the_difference_in_tolerances(difference, expected):
    assert shade(difference, 3.0) == expected


def test_without_a_tolerance_every_difference_is_large():
    assert shade(-0.5, 0.0) == "down3"
