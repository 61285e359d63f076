"""Time and memory of the stages of a run, in its `stages.csv`."""

import contextlib
import csv
import time
from collections.abc import Iterator
from pathlib import Path

from asdkeras.experiment.memory import peak_mib
from asdkeras.files import reading

_FILE = "stages.csv"
_NAMES = ("stage", "seconds", "peak_memory_mib")


@contextlib.contextmanager
def recorded(run: Path, stage: str) -> Iterator[None]:
    """Append time and peak memory of a stage of a run, also if it is cut short."""
    started = time.monotonic()
    try:
        yield
    finally:
        # The peak is that of the process so far: it never falls from stage to stage.
        row = (stage, f"{time.monotonic() - started:.1f}", f"{peak_mib():.0f}")
        # Added in one piece, since several processes may be at work.
        with (run / _FILE).open("a", encoding="utf-8", newline="") as file:
            rows = [_NAMES, row] if file.tell() == 0 else [row]
            file.write("".join(",".join(each) + "\n" for each in rows))


def largest_peak_mib(run: Path) -> float | None:
    """The most that any stage of the run has needed; None if none has run yet."""
    if not (run / _FILE).exists():
        return None
    path = run / _FILE
    with reading(path), path.open(encoding="utf-8", newline="") as file:
        peaks = [float(row["peak_memory_mib"]) for row in csv.DictReader(file)]
    return max(peaks, default=None)
