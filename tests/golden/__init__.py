"""Recorded outputs of the authors' code; origins in README.md beside this file."""

import json
from pathlib import Path

import numpy as np

_FOLDER = Path(__file__).parent


def load_golden(name):
    """Contents of `<name>.npz` as a dict of arrays, or of `<name>` if it ends in `.json`."""
    if name.endswith(".json"):
        return json.loads((_FOLDER / name).read_text(encoding="utf-8"))
    with np.load(_FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)


def golden_names(folder, pattern):
    """Sorted names for `load_golden` of the `.npz` files of a folder."""
    return sorted(f"{folder}/{path.stem}" for path in (_FOLDER / folder).glob(f"{pattern}.npz"))
