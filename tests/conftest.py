"""What every test has: no view of adopted datasets, one thread each, and shared runs."""

import os

import pytest

# Before NumPy and TensorFlow are imported, for tests and the processes they start. How many
# threads split a sum shows in its last digits, and those of several processes stand in each
# other's way.
for _name in (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
):
    os.environ[_name] = "1"

# In two processes, what takes longest comes first, so that none is alone at the end.
_LONGEST = (
    *("test_end_to_end.py", "test_nejjar_end_to_end.py", "test_every_recipe.py"),
    *("test_every_system.py", "test_sixth_paper.py", "test_kuroyanagi_end_to_end.py"),
    *("test_heads_in_models.py", "test_mini.py", "test_full_size.py", "systems", "experiment"),
    *("detector", "networks", "losses", "report", "batches"),
)


def pytest_configure(config):
    """Else files with many tests would come first."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """By the place of a file, or else of its folder, in `_LONGEST`."""

    def rank(item):
        names = (item.path.name, item.path.parent.name)
        return min((_LONGEST.index(name) for name in names if name in _LONGEST), default=99)

    items.sort(key=rank)


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture(scope="session")
def trained_runs(tmp_path_factory):
    """Corpora and runs that tests share."""
    from tests.trained_runs import TrainedRuns  # TensorFlow, which most tests do without.

    return TrainedRuns(tmp_path_factory)
