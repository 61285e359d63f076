"""The command that a page prints makes the run that the page is of."""

import json
import shlex
from pathlib import Path

import pytest
import yaml

from asdkeras.config import read_recipe, with_overrides
from asdkeras.experiment.recipe import find_recipe, load_recipe, recipes_of
from asdkeras.report.finished_runs import find_runs
from asdkeras.report.provenance import (
    command_parts,
    provenance_parts,
    report_command,
    run_command,
)
from asdkeras.systems import names
from tests.report.mapped_runs import clip_rows, finished_mapped_run

SYSTEM = "wilkinghoff2021"


def option(words, name):
    """All values of an option."""
    return [words[number + 1] for number, word in enumerate(words) if word == name]


def recipe_folder(root, changes, *, source=None, variant="two_heads_s4"):
    """A folder of a run with its recipe alone, as `asdkeras eval` writes it."""
    source = find_recipe(SYSTEM, "mini2021", None) if source is None else source
    content = with_overrides(read_recipe(source), changes)
    content["config"]["variant"] = variant
    folder = root / "runs" / SYSTEM / variant / "mini2021"
    folder.mkdir(parents=True)
    first = f"# As run. Read from {source}, with the changes of the command line.\n"
    text = first + yaml.safe_dump(content, sort_keys=False)
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return folder


CHANGES = ["seeds=[3, 4]", "audio.channel=0", "config.epochs=1", "config.learning_rate=1e-07"]


def test_the_command_leads_to_the_recipe_of_the_run(tmp_path):
    folder = recipe_folder(tmp_path, CHANGES)

    words = run_command(folder, {"data": "/data/mini", "jobs": 1})

    (system,), (name,) = option(words, "--system"), option(words, "--recipe")
    (variant,), overrides = option(words, "--variant"), option(words, "--set")
    again = load_recipe(find_recipe(system, "mini2021", name), system, variant, overrides)
    assert again == load_recipe(folder / "recipe.yaml")
    assert len(overrides) == len(CHANGES)
    assert option(words, "--data") == ["/data/mini"]
    assert option(words, "--runs") == [str(tmp_path / "runs")]
    assert words[:2] == ["asdkeras", "eval"]
    assert "--jobs" not in words


def test_a_recipe_as_it_came_needs_no_changes(tmp_path):
    words = run_command(recipe_folder(tmp_path, []), {"jobs": 3})

    assert "--set" not in words
    assert option(words, "--recipe") == ["mini"]
    assert option(words, "--jobs") == ["3"]
    assert option(words, "--data") == ["DIR"]


@pytest.mark.parametrize("system", names())
def test_what_runs_leave_out_of_a_recipe_is_no_change(tmp_path, system):
    """A run does not state a default; the recipe that it came from may."""
    source = next(iter(recipes_of(system).values()))
    content = load_recipe(source, overrides=["untrained=false", "seeds=[5]"]).as_mapping()
    first = f"# As run. Read from {source}, with the changes of the command line.\n"
    (tmp_path / "recipe.yaml").write_text(first + yaml.safe_dump(content), encoding="utf-8")

    words = run_command(tmp_path, {})

    assert option(words, "--recipe") == [source.stem]
    assert option(words, "--set") == ["seeds=[5]"]


def test_a_run_that_was_moved_does_not_say_where_it_lay(tmp_path):
    folder = recipe_folder(tmp_path, []).rename(tmp_path / "moved")

    assert "--runs" not in run_command(folder, {})


def test_a_run_named_from_nearby_says_where_it_lies(tmp_path, monkeypatch):
    folder = recipe_folder(tmp_path, [])
    monkeypatch.chdir(folder.parent)

    assert option(run_command(Path(folder.name), {}), "--runs") == [str(tmp_path / "runs")]


def test_a_recipe_of_ones_own_is_named_by_its_file(tmp_path):
    own = tmp_path / "own.yaml"
    shipped = find_recipe(SYSTEM, "mini2021", None)
    own.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")

    words = run_command(recipe_folder(tmp_path, ["seeds=[7]"], source=own), {})

    assert option(words, "--recipe") == [str(own)]
    assert option(words, "--set") == ["seeds=[7]"]


@pytest.mark.parametrize("reason", ["gone", "other keys"])
def test_else_the_recipe_of_the_run_itself_is_named(tmp_path, reason):
    own = tmp_path / "own.yaml"
    shipped = find_recipe(SYSTEM, "mini2021", None)
    own.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    folder = recipe_folder(tmp_path, ["seeds=[7]"], source=own)
    if reason == "gone":
        own.unlink()
    else:
        own.write_text("system: wilkinghoff2021\nseeds: [0]\n", encoding="utf-8")

    words = run_command(folder, {})

    assert option(words, "--recipe") == [str(folder / "recipe.yaml")]
    assert "--set" not in words


def test_an_ensemble_has_a_command_of_its_own(tmp_path):
    made = {
        **{"runs": ["a:section", "b"], "combine": "mean", "normalize": "test"},
        **{"weights": [1.0, 0.5], "best_from_labels": [2], "pools_trials": True},
    }
    content = {"system": "x+y", "seeds": [0], "ensemble": made}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    assert run_command(tmp_path, {}) == [
        *("asdkeras", "ensemble", "a:section", "b", "--out", str(tmp_path)),
        *("--combine", "mean", "--normalize", "test", "--weights", "1", "0.5"),
        *("--oracle-best", "2", "--pool-trials"),
    ]


def test_the_command_of_the_page_has_what_was_asked_for(tmp_path):
    options = {"out": tmp_path / "x.html", "array": None, "seed": 3, "split": "test"}

    assert report_command([tmp_path], options) == [
        *("asdkeras", "report", str(tmp_path), "--out", str(tmp_path / "x.html")),
        *("--seed", "3", "--split", "test"),
    ]


def test_a_shell_reads_the_command_as_it_was_meant():
    words = ["asdkeras", "eval", "--data", "my data; rm", "--set", "seeds=[0, 1]"]

    made = command_parts(words)

    text = made.removeprefix("<pre><code>").removesuffix("</code></pre>").replace("&#x27;", "'")
    assert shlex.split(text.replace("\\\n", "")) == words
    assert text.count("\\\n") == 2


def test_environment_recipe_and_times_are_told(tmp_path):
    folder = finished_mapped_run(tmp_path / "adacos" / "mini2021", clip_rows("fan", num_clips=2))
    environment = {"keras": "3.15.1", "commit": None, "seeds": [0, 1]}
    (folder / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    stages = "stage,seconds,peak_memory_mib\ntrain fan,1.5,100\nscore,2.0,200\n"
    (folder / "stages.csv").write_text(stages, encoding="utf-8")
    (run,), _ = find_runs([folder])

    made = "".join(provenance_parts(run))

    assert '<th scope="row" class="name">keras</th><td class="name">3.15.1</td>' in made
    assert ">0, 1</td>" in made
    assert "commit" not in made
    assert "Time and memory of each step: 4 s in all" in made  # 3.5 rounds to even.
    assert "system: wilkinghoff2024\nseeds: [0]" in made
    assert "DIR: where the data lie is not recorded." in made


def test_a_damaged_environment_is_no_obstacle(tmp_path):
    folder = finished_mapped_run(tmp_path / "adacos" / "mini2021", clip_rows("fan", num_clips=2))
    (folder / "environment.json").write_text("[1", encoding="utf-8")
    (run,), _ = find_runs([folder])

    assert "environment of the run" not in "".join(provenance_parts(run))
