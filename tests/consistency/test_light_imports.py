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


HEAVY = {"tensorflow", "keras"}
IMPORTS = f"""
import importlib, json, sys
found = {{}}
for name in {LIGHT}:
    importlib.import_module("asdkeras." + name)
    if loaded := {HEAVY} & set(sys.modules):
        found[name] = sorted(loaded)
        break
print(json.dumps(found))
"""


def printed(code):
    """The last line that a fresh interpreter prints."""
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return json.loads(answer.stdout.splitlines()[-1])


def modules_after(code):
    """Names of the modules a fresh interpreter has loaded after running `code`."""
    return set(printed(code + "\nimport json, sys; print(json.dumps([*sys.modules]))"))


def test_no_module_loads_tensorflow():
    # One process for all: what it has loaded after a module was not there before it.
    assert printed(IMPORTS) == {}


def test_help_loads_neither_numpy_nor_pandas():
    loaded = modules_after(
        "from asdkeras.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    )

    assert "asdkeras.cli" in loaded
    assert loaded.isdisjoint({*HEAVY, "numpy", "pandas", "yaml"})


@pytest.mark.parametrize("command", [["list"], ["data", "list", "2021"]])
def test_lists_do_not_load_tensorflow(command):
    assert modules_after(f"from asdkeras.cli import main\nmain({command})").isdisjoint(HEAVY)
