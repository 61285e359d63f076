"""A run folder belongs to one recipe and one dataset."""

import json
from pathlib import Path

import pytest

from asdkeras.errors import RecipeError
from asdkeras.experiment.recipe import load_recipe, recipes_of
from asdkeras.experiment.run_folder import RunFolder, claim, locked, say_version
from asdkeras.systems.model_files import Models, save_models

SOURCE = recipes_of("wilkinghoff2021")["mini"]


PRECISIONS = {"older": ("precision=float32",), "half": ("precision=mixed_bfloat16",)}


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


def test_a_precision_is_part_of_a_recipe_where_it_is_not_that_of_older_runs(tmp_path):
    older, half = (claimed(tmp_path / name, *changes) for name, changes in PRECISIONS.items())

    assert "\nprecision:" not in (older.path / "recipe.yaml").read_text(encoding="utf-8")
    as_run = load_recipe(half.path / "recipe.yaml")
    assert as_run.precision == "mixed_bfloat16"
    assert as_run.digest() == half.recipe_digest != older.recipe_digest


def test_the_same_recipe_may_claim_again_and_another_seed_too(tmp_path):
    first = claimed(tmp_path)

    again = claimed(tmp_path, "seeds=[0, 1]")

    assert again.digest == first.digest


@pytest.mark.parametrize(
    ("overrides", "fingerprint", "message"),
    [
        (["config.epochs=41"], "audio", r"`config\.epochs` was \d+, now 41\..*--runs DIR"),
        (["audio.channel=0"], "audio", r"`audio\.channel` was 'mean', now 0"),
        (["precision=mixed_float16"], "audio", r"`precision` was 'float32', now 'mixed_float16'"),
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


@pytest.mark.parametrize("lost", ["recipe.yaml", "environment.json"])
def test_a_folder_that_does_not_say_whose_it_is_is_refused(tmp_path, lost):
    folder = claimed(tmp_path)
    folder.task("all", 0).mkdir(parents=True)  # Perhaps with weights of an interrupted training.
    (folder.path / lost).unlink()

    with pytest.raises(RecipeError, match=rf"run: {lost} is gone, so nobody can say.*--runs DIR"):
        claimed(tmp_path)


def test_a_run_of_an_older_version_says_so_until_it_is_begun_anew(tmp_path, capsys):
    folder = claimed(tmp_path)
    say_version(folder)
    assert "begun with" not in capsys.readouterr().err
    path = folder.path / "environment.json"
    older = json.loads(path.read_text()) | {"asdkeras": "0.0.1"}
    del older["begun_with"]
    path.write_text(json.dumps(older))

    for _ in range(2):
        say_version(folder)
        assert "run: begun with asdkeras 0.0.1, and this is" in capsys.readouterr().err
        claimed(tmp_path)


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


def test_models_changed_since_their_training_are_refused(tmp_path):
    folder = claimed(tmp_path)
    part = folder.task("all", 0)
    save_models(Models(64, 16000, "start"), part)
    (part / "head").mkdir()
    weights = part / "head" / "weights.keras"
    weights.write_bytes(b"as trained")
    folder.mark(part, "TRAINED")
    assert folder.is_trained(part)

    weights.write_bytes(b"of another")

    with pytest.raises(RecipeError, match=r"head/weights\.keras: changed since.*Delete .*seed0 to"):
        folder.is_trained(part)


def test_a_training_of_another_recipe_is_not_gone_on_with(tmp_path):
    folder = claimed(tmp_path)
    part = folder.task("all", 0)
    folder.refuse_foreign(part)
    folder.mark(part, "TRAINED")
    folder.refuse_foreign(part)

    for other in others(folder):
        with pytest.raises(RecipeError, match="seed0: holds a training of another recipe or of"):
            other.refuse_foreign(part)


@pytest.mark.parametrize("name", ["representations.npz", "scores.csv", "group_scores.csv"])
def test_what_was_changed_or_lost_since_is_not_done(tmp_path, name):
    folder = claimed(tmp_path)
    part = folder.task("all", 0)
    part.mkdir(parents=True)
    (part / name).write_text("as written")
    folder.mark(part, "DONE")
    assert folder.is_done(part)

    (part / name).write_text("as Written")
    assert not folder.is_done(part)
    (part / name).unlink()
    assert not folder.is_done(part)
    (part / name).write_text("as written")
    assert folder.is_done(part)


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
