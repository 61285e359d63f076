"""How exactly the detector of a run says what the run says, in every format.

    for run in runs/*/*/mini2021; do
        python -m benchmarks.detector_parity $run --out parity.csv
    done

Adds a row for each format, of the first section of the run: the largest difference of scores
from those by scikit-learn (`graph`, over four test clips of each section), from the graph after
the detector's file was loaded in a fresh process (`loaded`), and from the graph in each exported
format over generated clips; all relative to score or threshold, whichever is larger. Beside it
bytes on disk, and milliseconds for a clip of the length that the network hears (the median of
rounds that visit all formats in turn).
"""

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from asdkeras.experiment.import_keras import import_keras
from benchmarks.detector_formats import exported_formats, times_ms_of

_COLUMNS = ("system", "variant", "machine", "format", "difference", "bytes", "ms_per_clip")
_FRESH = """
import sys
import numpy as np
from asdkeras import Detector
scorer = Detector.load(sys.argv[1]).scorer(sys.argv[2])
print(repr(float(scorer(np.load(sys.argv[3]))["anomaly_score"][0])))
"""


def main():
    """Measure one run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()

    import_keras()
    from asdkeras import Detector

    detector = Detector.of_run(options.run)
    machine = next(iter(detector.machines.values()))
    with tempfile.TemporaryDirectory() as folder:
        exported = exported_formats(detector.model(machine.name), machine, Path(folder))
        times_ms = times_ms_of(exported, machine, options.rounds)
        detector.save(Path(folder, "all.asd"))
        num_bytes = Path(folder, "all.asd").stat().st_size
        loaded = _difference_when_loaded(detector, machine, Path(folder))
    graph = max(detector.story["largest_differences"].values())
    rows = [("graph", graph, "", ""), ("loaded", loaded, num_bytes, "")]
    rows += [
        (name, each.largest_difference, each.num_bytes, f"{statistics.median(times_ms[name]):.2f}")
        for name, each in exported.items()
    ]
    _write(options.out, detector, machine, rows)


def _difference_when_loaded(detector, machine, folder):
    """Of the score of one clip, here and in a process that reads the file."""
    from asdkeras.detector.export_check import generated_clip

    clip = generated_clip(machine.sample_rate_hz, machine.clip_length, seed=0)[None]
    np.save(folder / "clip.npy", clip)
    here = float(detector.scorer(machine.name)(clip)["anomaly_score"][0])
    command = [sys.executable, "-c", _FRESH, str(folder / "all.asd"), machine.name]
    answer = subprocess.run(
        [*command, str(folder / "clip.npy")], check=True, capture_output=True, text=True
    )
    return abs(float(answer.stdout) - here) / max(abs(here), abs(machine.threshold))


def _write(path, detector, machine, rows):
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(_COLUMNS)
        for name, difference, num_bytes, ms in rows:
            place = (detector.system, detector.variant, machine.name)
            writer.writerow((*place, name, f"{difference:.1e}", num_bytes, ms))
            print(*place, name, f"{difference:.1e}", num_bytes, ms, flush=True)


if __name__ == "__main__":
    main()
