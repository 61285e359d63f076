"""A training killed at any moment and gone on with leaves what one leaves that nobody killed."""

import ast
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from tests.experiment.killed_training import MOMENTS, train
from tests.trained_runs import eager_steps

ROOT = Path(__file__).parents[2]
NETWORKS = ("weights.keras", "weights_epoch0001.keras", "first/weights.keras")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a training killed again and again, and that of one that was not."""
    killed, whole = (tmp_path_factory.mktemp("runs") / name for name in ("killed", "whole"))
    for moment in MOMENTS:
        command = [sys.executable, "-m", "tests.experiment.killed_training", str(killed), moment]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    shutil.copy(killed / "train.csv", killed.with_name("before.csv"))
    with eager_steps():
        train(killed)
        train(whole)
    return killed, whole


def state_of(path):
    """Weights, states of generators and of the optimizer, as bytes."""
    model = keras.saving.load_model(path)
    return [each.numpy().tobytes() for each in (*model.variables, *model.optimizer.variables)]


def contents_of(folder):
    """Bytes of all files by name: what was kept once, nothing of what was killed half way."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def log_of(path):
    return pd.read_csv(path).drop(columns="seconds")


@pytest.mark.slow
def test_it_ends_in_the_same_bytes(trained):
    killed, whole = trained

    for name in NETWORKS:
        assert state_of(killed / name) == state_of(whole / name)
    for name in ("train.csv", "first/train.csv"):
        pd.testing.assert_frame_equal(log_of(killed / name), log_of(whole / name), check_exact=True)
    with np.load(killed / "batch_values.npz") as one, np.load(whole / "batch_values.npz") as other:
        np.testing.assert_array_equal(one["loss"], other["loss"])
    assert {path.name for path in killed.iterdir()} == {path.name for path in whole.iterdir()}
    assert contents_of(killed / "kept") == contents_of(whole / "kept")


@pytest.mark.slow
def test_epochs_that_are_done_are_not_repeated(trained):
    killed, _ = trained

    before, after = (
        pd.read_csv(path) for path in (killed.with_name("before.csv"), killed / "train.csv")
    )
    assert after.iloc[:2].equals(before.iloc[:2])  # The time they took, too.


@pytest.mark.parametrize("room", ["systems", "networks"])
def test_nothing_else_trains_and_no_layer_forgets_its_generator(room):
    """Then no system has a state that the context does not keep."""
    forbidden = {"train_on_batch", "GradientTape", "apply_gradients", "Dropout", "GaussianNoise"}
    for path in sorted((ROOT / "asdkeras" / room).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Global), path
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", "")
            assert name not in forbidden, f"{path}:{node.lineno}"
            if name == "fit":
                fitted = node.func.value  # A network by the context, or a new scorer.
                is_network = isinstance(fitted, ast.Name) and fitted.id == "context"
                assert is_network or isinstance(fitted, ast.Call), f"{path}:{node.lineno}"
