"""Commands that need no model answer like tools: no TensorFlow, no Keras, little else."""

import json
import subprocess
import sys

import pytest

LIGHT = [
    "cli",
    "config",
    "errors",
    "evaluation",
    "files",
    "progress",
    "score_files",
    "submission",
    "systems",
    "acquire.adopt",
    "acquire.download",
    "acquire.fetch",
    "acquire.verify",
    "corpus.mini",
    "data.audio",
    "data.clip_table",
    "data.layouts",
    "data.manifest",
    "data.naming",
    "data.normal_clips",
    "data.store",
    "data.truth",
    "detector.clip_inputs",
    "detector.decision_lines",
    "detector.detector",
    "detector.file",
    "detector.stream",
    "detector.work_folder",
    "experiment.combine_runs",
    "experiment.dataset",
    "experiment.ensembles",
    "experiment.recipe",
    "experiment.open_run",
    "experiment.run",
    "experiment.run_folder",
    "metrics.auc",
    "metrics.bootstrap",
    "metrics.decision_metrics",
    "metrics.development",
    "metrics.intervals",
    "metrics.official",
    "published.papers",
    "report.comparison",
    "report.datasets",
    "report.embedding_map",
    "report.explanations",
    "report.page",
    "report.results",
    "report.side_by_side",
    "report.submission_scores",
    "report.terminal",
    "scorers.section_standardization",
]


def modules_after(code):
    """Names of the modules a fresh interpreter has loaded after running `code`."""
    code += "\nimport json, sys; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(json.loads(answer.stdout.splitlines()[-1]))


@pytest.mark.parametrize("name", LIGHT)
def test_module_does_not_load_tensorflow(name):
    loaded = modules_after(f"import asdkeras.{name}")

    assert "asdkeras" in loaded
    assert loaded.isdisjoint({"tensorflow", "keras"})


def test_help_loads_neither_numpy_nor_pandas():
    loaded = modules_after(
        "from asdkeras.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    )

    assert loaded.isdisjoint({"tensorflow", "keras", "numpy", "pandas", "yaml"})


def test_list_does_not_load_tensorflow():
    loaded = modules_after("from asdkeras.cli import main\nmain(['list'])")

    assert loaded.isdisjoint({"tensorflow", "keras"})


def test_data_list_does_not_load_tensorflow():
    loaded = modules_after("from asdkeras.cli import main\nmain(['data', 'list', '2021'])")

    assert loaded.isdisjoint({"tensorflow", "keras"})
