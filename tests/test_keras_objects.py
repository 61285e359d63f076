"""One import, and every layer, loss and optimizer of the package loads from a file."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile

import asdkeras.keras_objects
from asdkeras import layers, losses, networks, optimizers
from asdkeras.detector.detector import Detector
from asdkeras.losses.ada_proj import AdaProj
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy

MODULES = [
    importlib.import_module(f"{package.__name__}.{module.name}")
    for package in (layers, losses, networks, optimizers)
    for module in pkgutil.iter_modules(package.__path__)
]
CLASSES = [
    each
    for module in MODULES
    for _, each in inspect.getmembers(module, inspect.isclass)
    if each.__module__ == module.__name__
    and issubclass(each, keras.layers.Layer | keras.losses.Loss | keras.optimizers.Optimizer)
    # What heads share; nobody makes one.
    and each.__name__ not in ("AdaptiveScaleHead", "CenterHead")
]


@pytest.mark.parametrize("each", CLASSES, ids=lambda each: each.__name__)
def test_every_layer_loss_and_optimizer_is_registered(each):
    name = keras.saving.get_registered_name(each)

    assert name == f"asdkeras>{each.__name__}"
    assert keras.saving.get_registered_object(name) is each


@pytest.mark.slow
def test_a_saved_model_loads_in_a_fresh_process_by_that_import_alone(tmp_path):
    embedding, label = keras.Input((8,)), keras.Input((3,))
    model = keras.Model([embedding, label], AdaProj(3, 2)(embedding, label))
    model.compile("adam", MixedCrossEntropy())
    model.save(tmp_path / "model.keras")
    code = (
        "import sys, keras, asdkeras.keras_objects; "
        "print(type(keras.saving.load_model(sys.argv[1]).loss).__name__)"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.keras")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "MixedCrossEntropy"


@pytest.mark.slow
def test_that_import_registers_all_that_any_module_registers():
    package = Path(asdkeras.keras_objects.__file__).parent
    found = {
        f"asdkeras>{name}"
        for path in package.rglob("*.py")
        for name in re.findall(
            r"@keras\.saving\.register_keras_serializable.*\nclass (\w+)", path.read_text("utf-8")
        )
    }
    code = "import asdkeras.keras_objects, keras; print(*keras.saving.get_custom_objects())"

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert "asdkeras>ChunkEmbeddings" in found
    assert found <= set(answer.stdout.split())


def examples():
    readme = Path(__file__).parents[1] / "README.md"
    parts = readme.read_text(encoding="utf-8").split("```python\n")[1:]
    return [part.partition("```")[0] for part in parts]


def test_the_examples_of_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}

    for part in examples():
        if "Detector" not in part:
            exec(compile(part, "README.md", "exec"), names)

    assert names["windows"].shape == (None, 8, 64, 64)
    assert (tmp_path / "model.keras").exists()


@pytest.mark.slow
def test_the_example_of_a_detector_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = Detector.__init__

    def short(self, system, **options):
        whole(self, system, overrides=("config.ae.epochs=1",), **options)

    monkeypatch.setattr(Detector, "__init__", short)
    random = np.random.default_rng(0)
    Path("my_press").mkdir()
    Path("today").mkdir()
    names = [f"my_press/{number}.wav" for number in range(4)]
    for name in [*names, "monday.wav", "tuesday.wav", "today/1.wav"]:
        soundfile.write(name, 0.1 * random.normal(size=16000), 16000)

    (example,) = [part for part in examples() if "Detector" in part]
    exec(compile(example, "README.md", "exec"), {})

    assert Path("press.asd").exists()
    assert Path("press.onnx").exists()
