"""A run folder belongs to one recipe and one dataset."""

import json
from pathlib import Path

import pytest

from asdkeras.errors import RecipeError
from asdkeras.experiment.recipe import load_recipe, recipes_of
from asdkeras.experiment.run_folder import RunFolder, claim, locked
from asdkeras.systems.model_files import Models, save_models

SOURCE = recipes_of("wilkinghoff2021")["mini"]


def claimed(tmp_path, *overrides, fingerprint="audio"):
    recipe = load_recipe(SOURCE, "wilkinghoff2021", overrides=overrides)
    folder = RunFolder(tmp_path / "run", recipe.digest(), fingerprint)
    claim(folder, recipe, SOURCE, Path("clips"), jobs=2)
    return folder


def content(folder):
    return {path.name: path.read_bytes() for path in folder.path.iterdir()}


def test_the_recipe_as_run_is_a_recipe_with_the_overrides_in_it(tmp_path):
    folder = claimed(tmp_path, "config.epochs=40")

    as_run = load_recipe(folder.path / "recipe.yaml", "wilkinghoff2021")

    assert as_run.config["epochs"] == 40
    assert as_run.digest() == folder.recipe_digest


def test_the_environment_tells_how_many_tasks_shared_the_processors(tmp_path):
    folder = claimed(tmp_path)
    environment = json.loads((folder.path / "environment.json").read_text(encoding="utf-8"))
    assert environment["jobs"] == 2


@pytest.mark.parametrize("allowed", [False, True])
def test_the_environment_says_with_which_precision_gpus_computed(tmp_path, allowed):
    folder = claimed(tmp_path, f"tensor_float_32={str(allowed).lower()}")
    environment = json.loads((folder.path / "environment.json").read_text(encoding="utf-8"))
    assert environment["tensor_float_32"] is allowed


def test_the_same_recipe_may_claim_again_and_another_seed_too(tmp_path):
    first = claimed(tmp_path)

    again = claimed(tmp_path, "seeds=[0, 1]")

    assert again.digest == first.digest


@pytest.mark.parametrize(
    ("overrides", "fingerprint", "message"),
    [
        (["config.epochs=41"], "audio", r"`config\.epochs` was \d+, now 41\..*--runs DIR"),
        (["audio.channel=0"], "audio", r"`audio\.channel` was 'mean', now 0"),
        ([], "other audio", r"the data are not those it had from clips"),
    ],
)
def test_another_recipe_or_other_data_are_refused_and_nothing_is_touched(
    tmp_path, overrides, fingerprint, message
):
    before = content(claimed(tmp_path))

    with pytest.raises(RecipeError, match=message):
        claimed(tmp_path, *overrides, fingerprint=fingerprint)

    assert content(RunFolder(tmp_path / "run", "", "")) == before


def others(folder):
    """The same folder, of another recipe or of other data."""
    yield RunFolder(folder.path, folder.recipe_digest, "other audio")
    yield RunFolder(folder.path, "other recipe", folder.data_fingerprint)


def test_done_counts_for_its_recipe_and_data_only(tmp_path):
    folder = claimed(tmp_path)
    part = folder.scores(0)
    assert not folder.is_done(part)

    folder.mark(part, "DONE", notes=["a"])

    assert folder.is_done(part)
    assert json.loads((part / "DONE").read_text())["notes"] == ["a"]
    assert not any(other.is_done(part) for other in others(folder))


def test_a_training_counts_for_its_recipe_and_data_as_long_as_its_models_are_there(tmp_path):
    folder = claimed(tmp_path)
    part = folder.task("all", 0)
    folder.mark(part, "TRAINED", warnings=["a", "b"])
    assert not folder.is_trained(part)

    save_models(Models(64, 16000, "start"), part)

    assert folder.is_trained(part)
    assert not folder.is_done(part)
    assert not any(other.is_trained(part) for other in others(folder))
    assert folder.warnings(part) == ["a", "b"]
    assert folder.warnings(folder.task("all", 1)) == []


@pytest.mark.parametrize("text", ['{"digest": "', "", "[]"])
def test_a_torn_mark_is_none(tmp_path, text):
    folder = claimed(tmp_path)
    part = folder.task("all", 0)
    save_models(Models(64, 16000, "start"), part)
    for stage in ("TRAINED", "DONE"):
        folder.mark(part, stage)
        (part / stage).write_text(text)

    assert not folder.is_done(part)
    assert not folder.is_trained(part)


def test_one_process_at_a_time_and_what_a_killed_one_left_is_cleared(tmp_path):
    folder = claimed(tmp_path)
    half = folder.task("all", 0) / ".part-x-weights.keras"
    half.parent.mkdir(parents=True)
    half.touch()

    with locked(folder):
        assert not half.exists()
        with pytest.raises(RecipeError, match="another process is at work"), locked(folder):
            pass

    with locked(folder):
        pass
