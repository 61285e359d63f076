"""`run_all.sh`: every recipe, then the table."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("options", "runs"),
    [
        ([], "runs"),
        (["--runs", "my runs", "--data", "x"], "my runs"),
        (["--data", "x", "--runs=else where"], "else where"),
        (["--data", "--runs.csv"], "runs"),
    ],
)
def test_run_all_passes_its_options_to_each_recipe_and_ends_with_the_table(tmp_path, options, runs):
    """`python` is one that only tells what it was called with."""
    shutil.copy(Path(__file__).parents[2] / "run_all.sh", tmp_path)
    for name in ("first", "second"):
        recipe = tmp_path / "recipes" / name / "run.sh"
        recipe.parent.mkdir(parents=True)
        recipe.write_text(f'echo {name} "$#" "$@"\n')
    stub = tmp_path / "bin" / "python"
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\nfor word; do echo "word: $word"; done\n')
    stub.chmod(0o755)

    answer = subprocess.run(
        ["bash", tmp_path / "run_all.sh", *options],
        env={**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )

    heard = [" ".join([name, str(len(options)), *options]) for name in ("first", "second")]
    called = [f"word: {word}" for word in ("-m", "asdkeras", "table", runs)]
    assert answer.stdout.splitlines() == heard + called
    assert answer.stderr == ""


def run_all(folder, **codes):
    """`run_all.sh` on recipes that end with an exit code each; `python` prints `table`."""
    shutil.copy(Path(__file__).parents[2] / "run_all.sh", folder)
    for name, code in codes.items():
        recipe = folder / "recipes" / name / "run.sh"
        recipe.parent.mkdir(parents=True)
        recipe.write_text(f"echo {name}\nexit {code}\n")
    stub = folder / "bin" / "python"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\necho table\n")
    stub.chmod(0o755)
    return subprocess.run(
        ["bash", folder / "run_all.sh"],
        env={**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_run_all_goes_on_without_a_system_that_refuses_the_data(tmp_path):
    answer = run_all(tmp_path, a=0, b=2, c=0)
    assert (answer.returncode, answer.stdout.split()) == (0, ["a", "b", "c", "table"])
    assert answer.stderr.startswith("run_all.sh: recipes/b/run.sh does not go on")


def test_run_all_of_systems_that_all_refuse_is_a_mistake(tmp_path):
    answer = run_all(tmp_path, a=2, b=2)
    assert (answer.returncode, answer.stdout.split()) == (2, ["a", "b"])


@pytest.mark.parametrize("code", [1, 3, 4, 130])
def test_run_all_stops_where_something_broke(tmp_path, code):
    answer = run_all(tmp_path, a=0, b=code, c=0)
    assert (answer.returncode, answer.stdout.split()) == (code, ["a", "b"])


def test_run_all_makes_no_table_after_a_failure(tmp_path):
    shutil.copy(Path(__file__).parents[2] / "run_all.sh", tmp_path)
    recipe = tmp_path / "recipes" / "first" / "run.sh"
    recipe.parent.mkdir(parents=True)
    recipe.write_text("exit 4\n")

    answer = subprocess.run(
        ["bash", tmp_path / "run_all.sh"], capture_output=True, text=True, check=False
    )

    assert (answer.returncode, answer.stdout) == (4, "")


def test_run_all_begins_with_the_controls(tmp_path):
    answer = run_all(tmp_path, a=0, controls2026=0, b=0)

    assert answer.stdout.split() == ["controls2026", "a", "b", "table"]
