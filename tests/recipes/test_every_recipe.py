"""Every recipe is whole, every system has recipes, and the commands they state are valid."""

import re
import shlex
from pathlib import Path

import pytest

from asdkeras import cli, systems
from asdkeras.data.mini import generate
from asdkeras.detector.detector import Detector
from asdkeras.experiment.recipe import find_recipe, load_recipe, recipes_of, system_config

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*/*.yaml"))


def test_every_system_has_a_folder_of_recipes_and_every_folder_a_system():
    assert RECIPES
    assert {path.parent.name for path in RECIPES} == set(systems.names())
    for name in systems.names():
        assert (ROOT / "recipes" / name / "README.md").exists()
        assert (ROOT / "recipes" / name / "run.sh").exists()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recipe_builds_its_system(path):
    recipe = load_recipe(path, path.parent.name)

    config = system_config(recipe, path)
    system = systems.load(recipe.system).build(config)

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


def test_recipes_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert set(recipes_of("wilkinghoff2021")) == {"dcase2021", "folder", "mini"}


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("mini2024", "mini"),
        ("dcase2021", "dcase2021"),
        ("factory", "folder"),
        ("dcase2021-own", "folder"),
        ("mini2021-own", "folder"),
    ],
)
def test_the_dataset_chooses_the_recipe(dataset, name):
    assert find_recipe("wilkinghoff2021", dataset, None).stem == name


# Every system sees two years between which something changes, every year a baseline and one more:
# domains come with 2021, sections end with 2022. One network takes too long to build twice.
VARIANTS = {
    "wilkinghoff2021": {2020: "two_heads_s4", 2023: "two_heads_s4"},
    "wilkinghoff2024": {2022: "adaproj", 2025: "adaproj"},
    "venkatesh2022": {2022: "disent_cat", 2024: "anp_boot"},
    "nejjar2022": {2021: "no_pretraining"},
    "kuroyanagi2021": {2020: "ae", 2023: "ae"},
}
COSTLY = ("kuroyanagi2021", "nejjar2022", "venkatesh2022")  # To build, for each machine.
SHORT = {
    "wilkinghoff2021": ["epochs=1", "clip_length=16000", "batch_size=32", "keep_epochs=[1]"],
    "wilkinghoff2024": ["epochs=1", "clip_length=16000", "batch_size=32"],
    "venkatesh2022": [
        *("epochs=1", "front_end.window_length=256", "anp.epochs=1", "anp.test_hop=32"),
    ],
    "nejjar2022": [
        *("front_end.clip_length=16000", "front_end.num_mel_bins=32", "num_frames=32"),
        *("pretraining.epochs=1", "pretraining.warmup_epochs=0", "pretraining.batch_size=4"),
        *("pretraining.expander_dim=32", "fine_tuning.epochs=1"),
    ],
    "kuroyanagi2021": [
        *("ae.clip_length=16000", "ae.num_mel_bins=32", "ae.num_blocks=1", "ae.width=16"),
        *("ae.masks.num_time_masks=3", "ae.num_copies=2", "ae.batch_size=4"),
        *("ae.steps=2", "ae.steps_per_save=1"),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("year", range(2020, 2026))
def test_every_mini_corpus_is_adopted_verified_evaluated_and_detected(
    year, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path / "cache"))
    corpus = generate(tmp_path / "corpus", year=year, size="tiny", seed=0)
    assert cli.main(["data", "adopt", str(corpus)]) == 0
    assert cli.main(["data", "verify", f"mini{year}", "--decode"]) == 0
    where = ["--data", f"mini{year}", "--runs", str(tmp_path / "runs")]

    papers = [name for name in systems.names() if not name.startswith("baseline")]
    baseline = f"baseline{min(year, 2023)}"
    for system in [baseline, *papers]:
        short = SHORT.get(system, ["ae.epochs=1", "front_end.clip_length=16000"])
        changes = [word for change in short for word in ("--set", f"config.{change}")]
        if system in papers:
            if year not in VARIANTS[system]:
                continue
            changes += ["--variant", VARIANTS[system][year]]
        if system in COSTLY:
            changes += ["--machines", "fan"]

        assert cli.main(["eval", "--system", system, *where, *changes]) == 0

        assert f"{system}, " in capsys.readouterr().out
        if year == min(VARIANTS.get(system, {int(baseline[-4:]): ""})):
            run = next((tmp_path / "runs" / system).glob(f"*/mini{year}"))
            differences = Detector.of_run(run).story["largest_differences"]
            assert max(differences.values()) < 1e-5
