"""What every test has: no view of adopted datasets, and linear algebra in one thread."""

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Read when NumPy is imported, which is later: threads of several processes stand in each
    # other's way, and what fits many small matrices takes several times as long.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
