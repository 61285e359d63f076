"""Systems in half precision, from `--set precision=...` to a detector and its exports."""

import keras
import numpy as np
import pytest

from asdkeras import cli
from asdkeras.controls import SPECTRA
from asdkeras.detector.detector import Detector
from asdkeras.errors import RecipeError
from asdkeras.experiment.open_run import open_finished
from asdkeras.experiment.run import load_units, score, system_of
from asdkeras.experiment.training import TaskContext
from asdkeras.optimizers.loss_scale import LossScale
from asdkeras.report.provenance import recipe_and_changes, run_command
from asdkeras.score_files import read_metadata, read_trial
from tests.recipes.tiny_runs import tiny_runs
from tests.trained_runs import eager_steps, run_of_few_clips, statistics_of_the_last_batch

MIXED = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}
RUNS = {str(tiny): tiny for tiny in tiny_runs()}
TRAINED = ("baseline2023_1", "wilkinghoff2024_1")  # An autoencoder, and a classifier of waveforms.


@pytest.fixture(autouse=True)
def _without_graphs(tmp_path, monkeypatch):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path / "cache"))
    with eager_steps():
        yield


def in_precision(tiny, precision):
    return tiny._replace(options=[*tiny.options, "--set", f"precision={precision}"])


class Built(Exception):
    """In place of a training."""


def flat(model):
    for layer in model.layers:
        yield from flat(layer) if hasattr(layer, "layers") else [layer]


@pytest.mark.slow
@pytest.mark.parametrize("precision", MIXED)
@pytest.mark.parametrize(
    "tiny", [tiny for tiny in RUNS.values() if tiny.system != SPECTRA], ids=str
)
def test_networks_of_every_system_are_in_half_precision_and_their_losses_are_not(
    tiny, precision, trained_runs, tmp_path, monkeypatch
):
    def fit(context, build, *args, **kwargs):
        models.append(context._built(build))
        raise Built

    models = []
    monkeypatch.setattr(TaskContext, "fit", fit)

    with pytest.raises(Built):
        score(run_of_few_clips(in_precision(tiny, precision), trained_runs.corpus(2022), tmp_path))

    (model,) = models
    assert {output.dtype for output in model.outputs} == {"float32"}
    assert {each.dtype for each in model.weights} == {"float32"}
    policies = {layer.dtype_policy.name for layer in flat(model) if layer.trainable_variables}
    assert precision in policies
    assert policies <= {precision, "float32"}
    assert isinstance(model.optimizer, LossScale) == (precision == "mixed_float16")


@pytest.mark.slow
@pytest.mark.parametrize("precision", MIXED)
@pytest.mark.parametrize("name", TRAINED)
def test_a_run_in_half_precision_scores_and_its_detector_scores_alike(
    name, precision, trained_runs, tmp_path
):
    run = trained_runs.run(in_precision(RUNS[name], precision))
    system = system_of(run)
    trial, metadata = (read(run.folder.scores(0)) for read in (read_trial, read_metadata))

    detector = Detector.of_run(run.folder.path)
    detector.save(tmp_path / "a.asd")
    loaded = Detector.load(tmp_path / "a.asd")

    assert open_finished(run.folder.path).recipe.precision == precision
    assert np.isfinite(trial.columns[metadata.main_score]).all()
    for unit in load_units(run, system, 0):
        assert {array.dtype.name for array in unit.arrays.values()} == {"float32"}
    weights = next(run.folder.path.glob("*/seed0/weights.keras"))
    model = keras.saving.load_model(weights)
    assert {layer.compute_dtype for layer in flat(model)} >= {MIXED[precision], "float32"}
    assert loaded.precision == detector.precision == precision
    half = {layer.compute_dtype for layer in flat(loaded.model(next(iter(loaded.machines))))}
    assert {MIXED[precision], "float32"} <= half
    for machine in loaded.machines.values():
        is_test = (run.table["split"] == "test") & (run.table["section"] == machine.section)
        found = loaded.score([*run.table.loc[is_test, "path"]], machine=machine.name)
        expected = trial.columns.loc[is_test, metadata.main_score]
        # In batches of other sizes, of networks with few digits.
        near = 0.02 * np.maximum(np.abs(expected), abs(machine.threshold))
        assert (np.abs(found - expected) <= near).all()
    assert recipe_and_changes(run.folder.path)[1].count(f"precision={precision}") == 1
    assert f"precision={precision}" in run_command(run.folder.path, {})


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_the_same_seed_twice_is_the_same_bytes(name, trained_runs, tmp_path):
    tiny = in_precision(RUNS[name], "mixed_bfloat16")
    first = trained_runs.run(tiny).folder.path
    second = run_of_few_clips(tiny, trained_runs.corpus(2022), tmp_path)

    with statistics_of_the_last_batch():
        score(second)

    assert contents(first) == contents(second.folder.path)


def contents(run):
    """File -> its bytes, and of a network those of all that it holds."""
    files = {
        path.relative_to(run): path.read_bytes()
        for pattern in ("*/seed0/representations.npz", "scores/seed0/*.csv")
        for path in run.glob(pattern)
    }
    for path in run.glob("*/seed0/weights.keras"):
        model = keras.saving.load_model(path)
        variables = (*model.variables, *model.optimizer.variables)
        files[path.relative_to(run)] = [np.array(each).tobytes() for each in variables]
    assert len({path.name for path in files}) >= 3
    return files


@pytest.mark.slow
def test_precision_is_no_option_of_runs_that_do_without(trained_runs):
    single = trained_runs.run(RUNS["baseline2023_1"])

    assert "precision" not in single.recipe.as_mapping()
    assert not any("precision" in change for change in recipe_and_changes(single.folder.path)[1])
    assert Detector.of_run(single.folder.path).precision == "float32"


@pytest.mark.slow
@pytest.mark.parametrize("format", ["keras", "saved_model", "onnx", "litert"])
def test_a_detector_in_half_precision_is_exported(format, trained_runs, tmp_path):
    run = trained_runs.run(in_precision(RUNS["wilkinghoff2024_1"], "mixed_bfloat16"))
    detector = Detector.of_run(run.folder.path)
    machine = next(iter(detector.machines))

    exported = detector.export(tmp_path / "a.keras", format, machine)

    assert exported.largest_difference < 1e-4
    assert exported.path.exists()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("mixd_float16", "Did you mean `mixed_float16`?"),
        ("float64", "'float32', 'mixed_bfloat16', 'mixed_float16'"),
    ],
)
def test_another_precision_is_refused_in_one_line(value, text, trained_runs, capsys):
    words = ["--data", str(trained_runs.corpus(2022)), "--set", f"precision={value}"]

    assert cli.main(["eval", "--system", "baseline2023", *words]) == 2

    error = capsys.readouterr().err
    assert text in error
    assert f"Received: '{value}'" in error
    assert error.count("\n") == 1


def test_a_run_in_another_precision_is_not_written_over(trained_runs, tmp_path):
    run = run_of_few_clips(RUNS[f"{SPECTRA}_1"], trained_runs.corpus(2022), tmp_path)
    score(run)
    written = (run.folder.scores(0) / "scores.csv").read_bytes()
    other = run_of_few_clips(
        in_precision(RUNS[f"{SPECTRA}_1"], "mixed_float16"), trained_runs.corpus(2022), tmp_path
    )

    with pytest.raises(RecipeError, match="`precision` was 'float32', now 'mixed_float16'"):
        score(other)

    assert other.folder.path == run.folder.path
    assert (run.folder.scores(0) / "scores.csv").read_bytes() == written
