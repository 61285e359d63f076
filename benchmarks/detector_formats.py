"""How large a detector is in each format, and how long it takes for a clip.

    python -m benchmarks.detector_formats machine.asd

Exports one machine of the detector to all formats and prints for each the bytes on disk, the
milliseconds for one clip of the length that the network hears (batch 1, the median of rounds
that visit all formats in turn, and the fastest and slowest round) and the largest difference
from the Keras graph that the export found. Each runtime has as many threads as it takes by
itself.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

_NAMES = {
    "keras": "detector.keras",
    "saved_model": "detector",
    "onnx": "detector.onnx",
    "litert": "detector.tflite",
}


def main():
    """Export, time and print."""
    options = _options()

    from asdkeras.experiment.import_keras import import_keras

    import_keras()
    from asdkeras.detector.detector import Detector

    detector = Detector.load(options.detector)
    name = options.machine or sorted(detector.machines)[0]
    machine = detector.machines[name]
    with tempfile.TemporaryDirectory() as folder:
        exported = exported_formats(detector.model(name), machine, Path(folder))
        times_ms = times_ms_of(exported, machine, options.rounds)
    seconds = machine.clip_length / machine.sample_rate_hz
    print(f"{options.detector}, {name}, clips of {seconds:g} s, {options.rounds} rounds")
    print(
        f"{'format':12} {'bytes':>12} {'ms per clip':>12} {'fastest':>8} {'slowest':>8} difference"
    )
    for format, found in exported.items():
        median, low, high = (f(times_ms[format]) for f in (statistics.median, min, max))
        print(
            f"{format:12} {found.num_bytes:12,d} {median:12.1f} {low:8.1f} {high:8.1f} "
            f"{found.largest_difference:.1e}"
        )


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("detector", help="file of `asdkeras fit`")
    parser.add_argument("--machine", help="default: the first by name")
    parser.add_argument("--rounds", type=int, default=20)
    return parser.parse_args()


def exported_formats(model, machine, folder):
    """`Exported` by format; what cannot be written is told and left out."""
    from asdkeras.detector.exports import export_model
    from asdkeras.errors import AsdkerasError

    exported = {}
    for format, name in _NAMES.items():
        try:
            exported[format] = export_model(model, folder / name, format, machine)
        except AsdkerasError as error:
            print(error)
    return exported


def times_ms_of(exported, machine, rounds):
    """Milliseconds for one clip of every round, by format."""
    from asdkeras.detector.export_check import generated_clip
    from asdkeras.detector.exports import load_exported

    functions = {format: load_exported(found.path, format) for format, found in exported.items()}
    clip = generated_clip(machine.sample_rate_hz, machine.clip_length, seed=0)[None]
    for compute in functions.values():
        compute(clip)  # Traces, allocates and reads.
    times_ms = {format: [] for format in functions}
    for _ in range(rounds):
        for format, compute in functions.items():
            start = time.perf_counter()
            compute(clip)
            times_ms[format].append(1000.0 * (time.perf_counter() - start))
    return times_ms


if __name__ == "__main__":
    main()
