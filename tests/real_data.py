"""Real recordings and scores of third parties, read in place, never part of this repository."""

import os
from pathlib import Path

import pytest

ROOT = Path(
    os.environ.get("ASDKERAS_REAL_DATA", Path(__file__).parents[2] / "shared" / "data")
).absolute()


def real_data(folder):
    """Path of a folder of real data; skips the test if it is not on this machine."""
    path = ROOT / folder
    if not path.is_dir():
        pytest.skip(f"no real data at {path}: set ASDKERAS_REAL_DATA to the folder that has them")
    return path
