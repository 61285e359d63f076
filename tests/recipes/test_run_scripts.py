"""The scripts of the recipes: which runs they make."""

import os
import subprocess

import pytest

from asdkeras import cli, systems
from asdkeras.config import read_recipe
from asdkeras.controls import SPECTRA
from asdkeras.experiment.recipe import recipes_of
from tests.recipes.tiny_runs import RECIPES

SCRIPTS = sorted({path.parent / "run.sh" for path in RECIPES})
LEARNING = [script for script in SCRIPTS if script.parent.name != SPECTRA]
NETWORKS = {
    "baseline2020": {"ae"},
    "baseline2021": {"ae", "mobilenetv2"},
    "baseline2022": {"ae", "mobilenetv2"},
    "baseline2023": {"mse"},
    "kuroyanagi2021": {"ae", "bc"},
    "nejjar2022": {"dgmix"},
    "venkatesh2022": {"disent_cat", "anp_boot"},
    "wilkinghoff2021": {"two_heads_s4"},
    "wilkinghoff2024": {"adaproj"},
}


def evaluated(script, folder, *options):
    """What `asdkeras eval` is called with, parsed; `python` only tells its arguments."""
    stub = folder / "bin" / "python"
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\necho "$*"\n')
    stub.chmod(0o755)
    answer = subprocess.run(
        ["bash", script, *options],
        env={**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    commands = []
    for line in answer.stdout.splitlines():
        module, *words = line.removeprefix("-m ").split()
        assert module == "asdkeras.eval"
        commands.append(cli._parser().parse_args(["eval", *words]))
    return commands


def variant_of(command):
    mini = recipes_of(command.system)["mini"]
    return command.variant or read_recipe(mini)["config"]["variant"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.parent.name)
def test_a_script_makes_runs_of_its_own_system_and_passes_its_options_on(script, tmp_path):
    commands = evaluated(script, tmp_path, "--runs", "elsewhere")

    assert {command.system for command in commands} == {script.parent.name}
    assert {str(command.runs) for command in commands} == {"elsewhere"}
    trained = [variant_of(command) for command in commands if not command.untrained]
    assert trained
    assert {*trained} <= {*systems.variants(script.parent.name)}
    assert len({*trained}) == len(trained)


@pytest.mark.parametrize("script", LEARNING, ids=lambda script: script.parent.name)
def test_a_script_makes_a_control_of_each_network(script, tmp_path):
    commands = evaluated(script, tmp_path)

    untrained = [variant_of(command) for command in commands if command.untrained]
    assert sorted(untrained) == sorted(NETWORKS[script.parent.name])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.parent.name)
def test_a_variant_that_is_named_is_all_that_a_script_makes(script, tmp_path):
    variant = systems.variants(script.parent.name)[0]

    commands = evaluated(script, tmp_path, "--variant", variant)

    assert {command.variant for command in commands} == {variant}
    assert [command.untrained for command in commands].count(False) == 1


def test_the_controls_are_all_variants_of_their_system(tmp_path):
    script = next(script for script in SCRIPTS if script.parent.name == SPECTRA)

    commands = evaluated(script, tmp_path)

    assert [command.variant for command in commands] == [*systems.variants(SPECTRA)]
