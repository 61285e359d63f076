"""Commands that show what is there."""

import os
import re
import subprocess
import sys

import pytest

from asdkeras.cli import main
from tests.cli.failures import failure
from tests.report.explained_runs import explained_trial, write_explained_run
from tests.report.heard_runs import heard_run
from tests.report.mapped_runs import clip_rows, finished_mapped_run
from tests.report.run_folders import finished_run


def test_list_names_systems_and_recipes(capsys):
    assert main(["list"]) == 0

    printed = capsys.readouterr().out
    assert "wilkinghoff2021: Sub-cluster AdaCos embeddings" in printed
    assert "recipes: dcase2021, folder, mini" in printed
    assert "one_head_s16, two_heads_20, one_head_20, all_40," in " ".join(printed.split())


def test_list_of_a_system_says_what_can_be_read_otherwise_and_nothing_else():
    quiet = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-m", "asdkeras", "list", "controls2026"]

    answer = subprocess.run(command, env=quiet, capture_output=True, text=True, check=True)

    assert "| `front_end.pad_mode` | `constant` | `reflect` |" in answer.stdout
    assert answer.stderr == ""


def test_table_shows_the_runs_of_a_folder(tmp_path, capsys):
    finished_run(tmp_path / "mine", "alpha", "small")
    out = tmp_path / "table.csv"

    assert main(["table", str(tmp_path / "mine"), "--out", str(out)]) == 0

    assert "alpha small" in capsys.readouterr().out
    assert out.read_text(encoding="utf-8").startswith("system,variant,dataset,")


def test_table_looks_into_runs_unless_told_otherwise(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    code, error = failure(capsys, "table")

    assert (code, error.startswith("asdkeras: error: runs: no such folder.")) == (2, True)


def test_table_of_a_run_without_results_says_so(tmp_path, capsys):
    run = finished_run(tmp_path, "alpha", "small")
    (run / "official.csv").unlink()
    (run / "metrics.csv").unlink()

    code, error = failure(capsys, "table", run)

    assert code == 2
    assert f"{run}: has no results yet" in error


EXPLAINED = {("fan", "00"): {"answer": [4.5, 5.0], "section": [1.0, 9.0]}}


def test_report_writes_a_page_and_opens_it_if_told(tmp_path, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    run = finished_mapped_run(tmp_path / "adacos" / "mini2021", clip_rows(num_clips=2))

    assert main(["report", str(run)]) == 0
    assert opened == []
    assert main(["report", str(run), "--out", str(tmp_path / "a.html"), "--open"]) == 0

    assert capsys.readouterr().out.split() == [str(run / "report.html"), str(tmp_path / "a.html")]
    assert opened == [(tmp_path / "a.html").as_uri()]
    assert (tmp_path / "a.html").read_bytes() == (run / "report.html").read_bytes()


def test_report_maps_one_split_in_another_way_if_told(tmp_path):
    run = finished_mapped_run(tmp_path / "adacos" / "mini2021", clip_rows(num_clips=6))

    assert main(["report", str(run), "--split", "train", "--method", "pca"]) == 0

    text = (run / "report.html").read_text(encoding="utf-8")
    maps = "".join(re.findall(r'<svg[^>]*class="map.*?</svg>', text, re.DOTALL))
    assert "_train_" in maps
    assert "_test_" not in maps
    assert "principal components of embedding" in text


def test_report_has_as_many_sounds_as_told(tmp_path):
    run = heard_run(tmp_path / "adacos" / "mini2021")
    pages = []
    for options in ([], ["--sounds", "12"], ["--sounds", "0"]):
        assert main(["report", str(run), "--method", "pca", *options]) == 0
        pages.append((run / "report.html").read_text(encoding="utf-8"))

    usual, as_usual, silent = pages
    assert "data:audio" in usual
    assert as_usual == usual
    assert "data:audio" not in silent
    assert "--sounds 0" in silent  # The command that makes this page.


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--array", "embeding"], "no array `embeding`. Did you mean `embedding`?"),
        (["--seed", "7"], "has no trial 7. Choose one with --seed: 0."),
        (["--out", "page.txt"], "--out: the file must end in .html. Received: page.txt"),
    ],
)
def test_report_of_what_is_not_there_says_so(tmp_path, capsys, options, line):
    run = finished_mapped_run(tmp_path / "adacos" / "mini2021", clip_rows(num_clips=2))

    code, error = failure(capsys, "report", run, *options)

    assert code == 2
    assert line in error


def test_report_of_no_run_and_of_one_without_results_says_so(tmp_path, capsys):
    run = finished_mapped_run(tmp_path / "adacos" / "mini2021", clip_rows(num_clips=2))
    (run / "official.csv").unlink()
    (run / "metrics.csv").unlink()

    assert "no such folder" in failure(capsys, "report", tmp_path / "nowhere")[1]
    assert "has no results yet; `asdkeras eval` finishes it" in failure(capsys, "report", run)[1]


def test_explain_shows_the_clips_asked_for(tmp_path, capsys):
    run = str(write_explained_run(tmp_path, {3: explained_trial(EXPLAINED)}))

    for options in (["--top", "1"], ["--clips", "test_1.wav", "--seed", "3"]):
        assert main(["explain", run, *options]) == 0
        printed = capsys.readouterr().out
        assert "fan section 00, test_1.wav" in printed
        assert "test_0.wav" not in printed
        assert "fired: section (+4.2)" in printed


def test_explain_of_a_run_that_tells_nothing_says_so(tmp_path, capsys):
    run = write_explained_run(tmp_path, {0: (explained_trial(EXPLAINED)[0], None)})

    code, error = failure(capsys, "explain", run)

    assert code == 2
    assert (
        "no scores per section or attribute are recorded that would explain those of venkatesh2022"
        in error
    )


def test_explain_takes_names_or_a_number_of_clips(capsys):
    with pytest.raises(SystemExit) as error:
        main(["explain", "run", "--top", "2", "--clips", "a.wav"])

    assert error.value.code == 2
    assert "not allowed with argument --top" in capsys.readouterr().err
