"""The dataset a command works on, and what is kept of it between commands."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from asdkeras.data.audio import AudioConfig
from asdkeras.data.mini import generate
from asdkeras.data.mini_plan import Size
from asdkeras.data.store import ClipStore, open_store
from asdkeras.progress import say, stage


def find_data(given: Path | None) -> Path:
    """The folder or CSV file to work on: as given, else $ASDKERAS_DATA, else generated."""
    if given is not None:
        return given
    if os.environ.get("ASDKERAS_DATA"):
        say(f"data: $ASDKERAS_DATA, {os.environ['ASDKERAS_DATA']}")
        return Path(os.environ["ASDKERAS_DATA"])
    folder = cache_folder() / "mini2021"
    say(f"data: the generated mini corpus in {folder} (choose another with --data DIR)")
    return generate_mini(folder, year=2021, size="mini", seed=0)


def generate_mini(
    out: Path, *, year: int, size: Size, seed: int, machines: Sequence[str] | None = None
) -> Path:
    """Generate a mini corpus, with progress; see `data.mini.generate`."""
    with stage("generate clips") as update:
        return generate(out, year=year, size=size, seed=seed, machines=machines, on_progress=update)


def cache_folder() -> Path:
    """$ASDKERAS_CACHE, else the user's cache folder: what can be made again at any time."""
    if os.environ.get("ASDKERAS_CACHE"):
        return Path(os.environ["ASDKERAS_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asdkeras"


def decoded(table: pd.DataFrame, audio: AudioConfig) -> ClipStore:
    """The audio of a clip table; decodes what has not been decoded before.

    Raises:
        DataError: if files are damaged; the message names every one.
    """
    with stage("decode clips") as update:
        return open_store(table, audio, cache_folder() / "store", on_progress=update)
