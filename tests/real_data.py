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


def real_machine():
    """Folder of DCASE 2023 with a complete ToyCar; skips the test if none is named."""
    named = os.environ.get("ASDKERAS_REAL")
    if not named:
        pytest.skip(
            "no complete real machine: set ASDKERAS_REAL to a folder of DCASE 2023 that holds "
            "dev_data/ToyCar"
        )
    if not (Path(named) / "dev_data" / "ToyCar").is_dir():
        pytest.fail(f"ASDKERAS_REAL: {named} holds no folder dev_data/ToyCar. Correct or unset it.")
    return Path(named).absolute()
