"""Where things lie between commands: what can be made again, and what cannot."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """$ASDKERAS_CACHE, else the user's cache folder: what can be made again at any time."""
    if os.environ.get("ASDKERAS_CACHE"):
        return Path(os.environ["ASDKERAS_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asdkeras"


def truth_folder(dataset: str) -> Path:
    """Downloaded ground truth of a dataset."""
    return cache_folder() / "truth" / dataset


def cards_folder() -> Path:
    """Cards of the datasets that were adopted or fetched: which folders they consist of."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "asdkeras" / "datasets"
