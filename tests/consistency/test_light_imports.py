"""Commands that need no model answer like tools: no TensorFlow, no Keras, little else."""

import json
import subprocess
import sys

import pytest

LIGHT = (
    *("config", "files", "progress", "errors", "cli", "submission", "evaluation", "score_files"),
    *("metrics.auc", "metrics.official", "metrics.decisions", "published.tables"),
    *("data.naming", "data.layouts", "data.clips", "data.audio", "data.store", "data.mini"),
    *(
        "data.manifest",
        "data.download",
        "data.fetch",
        "data.adopt",
        "data.verification.verify",
        "data.truth",
    ),
    *("data.verification.verify", "report.datasets", "report.scoring", "report.comparison"),
    *("report.side_by_side", "report.results", "report.explanations", "report.page"),
    "report.embedding_map",
    *("metrics.development", "scorers.section_standardization"),
    *(
        "experiment.dataset",
        "experiment.combine_runs",
        "experiment.ensembles",
        "metrics.intervals",
        "metrics.bootstrap",
    ),
    *("data.normal_clips", "detector.clips", "detector.decisions", "detector.file"),
    *("detector.detector", "detector.stream", "detector.work_folder"),
    *("report.tables", "systems", "experiment.recipe", "experiment.run_folder", "experiment.run"),
)


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
