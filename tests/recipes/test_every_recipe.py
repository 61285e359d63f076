"""Every recipe is whole, every system has recipes, and the commands they state are valid."""

import contextlib
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from asdkeras import cli, systems
from asdkeras.controls import SPECTRA
from asdkeras.experiment.recipe import find_recipe, load_recipe, recipes_of, system_config
from asdkeras.systems.system import Ensemble, System
from tests.recipes.tiny_runs import RECIPES, tiny_runs
from tests.trained_runs import eager_steps

YEARS = range(2020, 2026)  # Of mini corpora.
ENDED_TO_END = (2021, 2022)  # The systems of these years have tests that train with graphs.


def runs_of(year):
    """The first tiny runs of the systems of a year, of its newest baseline, and of the controls."""
    first = {tiny.system: tiny for tiny in reversed(tiny_runs())}
    years = {name: int(re.search(r"\d{4}", name)[0]) for name in first}
    baselines = [name for name in first if name.startswith("baseline") and years[name] <= year]
    newest = max(baselines, key=years.get)
    wanted = {newest, SPECTRA, *(name for name in first if years[name] == year)}
    return [first[name] for name in sorted(wanted)]


def test_every_system_has_a_folder_of_recipes_and_every_folder_a_system():
    assert RECIPES
    assert {path.parent.name for path in RECIPES} == set(systems.names())
    for folder in {path.parent for path in RECIPES}:
        assert (folder / "README.md").exists()
        assert (folder / "run.sh").exists()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recipe_builds_its_system(path):
    recipe = load_recipe(path, path.parent.name)

    config = system_config(recipe, path)
    system = systems.create(recipe.system, config)

    assert path.stem == recipe.dataset or path.stem.startswith(f"{recipe.dataset}_")
    assert system.scope in ("all", "machine_type", "machine_type_and_part", "section")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_head_of_a_recipe_states_a_command_that_leads_to_it(path, monkeypatch):
    head = path.read_text(encoding="utf-8").partition("\nsystem:")[0]
    for word in ("Run:", "Takes:", "Reported:"):
        assert f"# {word}" in head
    command = shlex.split(re.search(r"# Run: +asdkeras (.*)", head)[1])

    arguments = cli._parser().parse_args(command)

    dataset = "mini2021" if arguments.data is None else load_recipe(path, path.parent.name).dataset
    assert find_recipe(arguments.system, dataset, arguments.recipe).resolve() == path


ESTIMATES = Path(__file__).parents[2] / "results" / "estimates" / "full_size.csv"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_a_recipe_takes_at_full_size_is_what_was_estimated(path):
    head = path.read_text(encoding="utf-8").partition("\nsystem:")[0]
    rows = pd.read_csv(ESTIMATES).query("system == @path.parent.name and recipe == @path.stem")

    stated = re.findall(r"`(\w+)` ([\d.]+) hours.*? on two cores, ([\d.]+) (hours|minutes)", head)

    is_at_full_size = path.stem.startswith("dcase") and path.parent.name != "controls2026"
    assert len(stated) == len(rows)
    assert bool(stated) is is_at_full_size
    assert "not measured" not in head or not is_at_full_size
    for (variant, cores, gpu, unit), (_, row) in zip(stated, rows.iterrows(), strict=True):
        assert (variant, float(cores)) == (row["variant"], row["hours_two_cores"])
        in_unit = row["hours_gpu"] * (60.0 if unit == "minutes" else 1.0)
        assert float(gpu) == (round(in_unit) if unit == "minutes" else in_unit)


OF_ONES_OWN = {
    "controls2026": ("dcase2020", {}),
    "baseline2020": ("dcase2020", {}),
    "baseline2021": ("dcase2021", {"config.mobilenetv2.learning_rate": 0.0001}),
    "baseline2022": ("dcase2022", {"config.mobilenetv2.learning_rate": 0.0001}),
    "baseline2023": ("dcase2023", {"config.threshold_data": "clips"}),
    "kuroyanagi2021": ("dcase2021", {}),
    "nejjar2022": (
        "dcase2022",
        {"config.pretraining.batch_size": 64, "config.pretraining.learning_rate": 0.05},
    ),
    "venkatesh2022": ("dcase2022", {"config.machine_learning_rates": {}}),
    "wilkinghoff2021": (
        "dcase2021",
        {
            "config.epochs": 40,
            "config.keep_epochs": [10, 20, 30, 40],
            "config.expected_classes": {},
        },
    ),
    "wilkinghoff2024": ("dcase2022", {"config.expected_classes": {}, "seeds": [0]}),
}


@pytest.mark.parametrize("system", OF_ONES_OWN)
def test_recordings_of_ones_own_take_the_recipe_of_the_paper_but_for_few_values(system):
    base, differing = OF_ONES_OWN[system]
    shipped = recipes_of(system)
    differing = {"dataset": "folder", "thresholds.rule": "held_out", **differing}
    overrides = [f"{key}={value}" for key, value in differing.items()]

    assert load_recipe(shipped["folder"]) == load_recipe(shipped[base], overrides=overrides)


def test_recipes_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert set(recipes_of("wilkinghoff2021")) == {"dcase2021", "folder", "mini"}


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("mini2024", "mini"),
        ("bench2021", "mini"),
        ("dcase2021", "dcase2021"),
        ("factory", "folder"),
        ("dcase2021-own", "folder"),
        ("mini2021-own", "folder"),
        ("bench2021-own", "folder"),
    ],
)
def test_the_dataset_chooses_the_recipe(dataset, name):
    assert find_recipe("wilkinghoff2021", dataset, None).stem == name


@pytest.mark.parametrize("tiny", tiny_runs(), ids=str)
def test_a_tiny_run_builds_its_system(tiny):
    options = tiny.parsed()
    recipe = load_recipe(tiny.recipe, tiny.system, options.variant, options.set)

    system = systems.create(recipe.system, system_config(recipe, tiny.recipe))

    assert isinstance(system, System | Ensemble)


def test_every_system_has_a_tiny_run_of_its_mini_recipe():
    assert {(tiny.system, tiny.recipe.stem) for tiny in tiny_runs()} == {
        (name, "mini") for name in systems.names()
    }


def test_systems_are_run_in_a_year_of_their_own_and_every_year_has_a_baseline():
    assert {tiny.system for year in YEARS for tiny in runs_of(year)} == set(systems.names())
    assert all(any("baseline" in tiny.system for tiny in runs_of(year)) for year in YEARS)


@pytest.mark.slow
@pytest.mark.parametrize("year", YEARS)
def test_every_mini_corpus_is_adopted_verified_and_evaluated(
    year, trained_runs, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path / "cache"))
    corpus = trained_runs.corpus(year)
    assert cli.main(["data", "adopt", str(corpus)]) == 0
    assert cli.main(["data", "verify", f"mini{year}", "--decode"]) == 0
    if year != 2023:  # One year suffices for models per section in processes of their own.
        monkeypatch.setattr("asdkeras.experiment.run._num_jobs", lambda run, system: None)

    for tiny in runs_of(year):
        where = ["--data", f"mini{year}", "--runs", str(tmp_path / "runs")]
        with eager_steps() if year in ENDED_TO_END else contextlib.nullcontext():
            assert cli.main(["eval", "--system", tiny.system, *tiny.options, *where]) == 0

        assert f"{tiny.system}, " in capsys.readouterr().out
