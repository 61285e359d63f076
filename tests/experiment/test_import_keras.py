"""What is set in a process before its first operation: memory of a GPU by need, whole mantissas."""

import os
import subprocess
import sys

import pytest

_SCRIPT = """
import os
from asdkeras.experiment.import_keras import import_keras
import_keras({arguments})
import tensorflow
print(os.environ["TF_FORCE_GPU_ALLOW_GROWTH"])
print(tensorflow.config.experimental.tensor_float_32_execution_enabled())
"""


def lines_of(arguments="", **environment):
    inherited = {k: v for k, v in os.environ.items() if k != "TF_FORCE_GPU_ALLOW_GROWTH"}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(arguments=arguments)],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_every_process_takes_memory_by_need_and_computes_whole_products():
    assert lines_of() == ["true", "False"]


@pytest.mark.parametrize("wanted", [True, False])
def test_a_recipe_may_allow_shorter_products(wanted):
    assert lines_of(f"tensor_float_32={wanted}")[1] == str(wanted)


def test_what_the_user_sets_about_memory_stays():
    assert lines_of(TF_FORCE_GPU_ALLOW_GROWTH="false")[0] == "false"
