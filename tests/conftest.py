"""What every test has: no view of the datasets its user has adopted, and one thread per process."""

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Read by libraries when they are imported, which is later: threads of several processes
    # stand in each other's way, and tests take twice as long.
    for _name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ):
        os.environ.setdefault(_name, "1")


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
