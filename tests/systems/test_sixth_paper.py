"""A paper is one file, one folder and one table: the example of the documentation proves it.

Its files are written into a copy of the package, in which nothing else is changed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asdkeras.corpus.mini import generate

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "adding_a_paper.md"
NAME = "example2030"
MOST_LINES = 150

DRIVER = """
import json, sys
from asdkeras.cli import main
from asdkeras.experiment.import_keras import import_keras
for command in json.loads(sys.argv[1]):
    print("$", *command, flush=True)
    if command[0] != "list":
        import_keras()
        import tensorflow
        # A few steps are done sooner than the graph of one is traced.
        tensorflow.config.run_functions_eagerly(command[0] in ("eval", "fit"))
    code = main(command)
    if code:
        sys.exit(f"{' '.join(command)}: exit code {code}")
"""


def files_of_the_page():
    """Path -> content of every file that the page shows."""
    text = PAGE.read_text(encoding="utf-8")
    shown = re.findall(r"^`([\w/.]+)`\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return dict(shown)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the package with the files of the page, and nothing else changed."""
    copy = tmp_path_factory.mktemp("checkout")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("asdkeras", "recipes"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    shutil.copy(ROOT / "data_manifest.yaml", copy)
    for path, content in files_of_the_page().items():
        target = copy / path
        assert not target.exists()
        target.parent.mkdir(exist_ok=True)
        target.write_text(content, encoding="utf-8")
    return copy


def run(checkout, folder, *commands):
    """Run commands in one process of the copy; what they print."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "ASDKERAS_CACHE": str(folder / "cache"),
        "CUDA_VISIBLE_DEVICES": "",
    }
    words = [[str(word) for word in command] for command in commands]
    result = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "InitializeLog" not in result.stderr  # TensorFlow about itself.
    return result.stdout


def test_the_system_is_one_short_file():
    files = files_of_the_page()

    assert len(files) == 4
    assert files[f"asdkeras/systems/{NAME}.py"].count("\n") <= MOST_LINES


def test_the_system_is_listed(checkout, tmp_path):
    printed = run(checkout, tmp_path, ["list"])

    assert NAME in printed
    assert "Sections learned with an angular margin" in printed


@pytest.mark.slow
def test_every_command_takes_the_new_system(checkout, tmp_path):
    tiny = ["--set", "config.clip_length=16000", "--set", "config.batch_size=4"]
    short = [*tiny, "--set", "config.epochs=1"]
    longer = [*tiny, "--set", "config.epochs=3"]  # One step leaves all embeddings alike.
    corpus = generate(tmp_path / "corpus", year=2022, size="tiny", seed=0)
    official = tmp_path / "dcase2022"  # With this name, the table of the paper is its own.
    for machine in ("fan", "valve"):
        shutil.copytree(next(corpus.rglob(machine)), official / "dev_data" / machine)
        clips = tmp_path / "factory" / machine
        clips.mkdir(parents=True)
        for clip in sorted((official / "dev_data" / machine / "train").glob("*.wav"))[:8]:
            shutil.copy(clip, clips)
    finished = tmp_path / "runs" / NAME / "arcface" / "dcase2022"
    some_clip = next((official / "dev_data" / "fan" / "test").glob("*.wav"))
    formats = {"keras": "a.keras", "saved_model": "a", "onnx": "a.onnx", "litert": "a.tflite"}

    run(
        checkout,
        tmp_path,
        ["eval", "--system", NAME, "--data", official, "--recipe", "mini", *longer],
        ["eval", "--system", NAME, "--data", official, "--recipe", "mini", *longer, "--untrained"],
        ["compare", finished],
        ["ensemble", finished, finished, "--out", "both"],
        ["report", finished, "--out", "report.html"],
    )
    printed = run(
        checkout,
        tmp_path,
        ["fit", "--run", finished, "--out", "run.asd"],
        ["fit", "factory", "--system", NAME, *short, "--out", "factory.asd"],
        ["detect", "run.asd", some_clip, "--json"],
        *(
            ["export", "run.asd", "--machine", "fan_00", "--format", format, "--out", path]
            for format, path in formats.items()
        ),
    )

    untrained = tmp_path / "runs" / NAME / "arcface_untrained" / "dcase2022"
    assert (untrained / "official.csv").is_file()
    scores = pd.read_csv(finished / "scores" / "seed0" / "scores.csv")
    assert scores["score_nearest_neighbors"].notna().all()
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "both" / "official.csv").is_file()
    detected = next(json.loads(line) for line in printed.splitlines() if line.startswith('{"'))
    row = scores[scores["name"] == some_clip.name].iloc[0]
    np.testing.assert_allclose(detected["anomaly_score"], row["score_nearest_neighbors"], rtol=1e-4)
    np.testing.assert_allclose(detected["threshold"], row["threshold"], rtol=1e-6)
    assert all((tmp_path / path).exists() for path in formats.values())
