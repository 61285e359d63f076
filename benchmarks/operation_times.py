"""Where the time of a TensorFlow graph goes, by kind of operation."""

import collections
import re
import tempfile
import time
from pathlib import Path

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

_KINDS = {  # Kind: pattern of `path of the operation:type`; the first that fits.
    "Fourier transforms, magnitude": r"RFFT|/(log_mel_)?spectr(um|ogram)(_\d+)?/",
    "convolutions, dense layers": r"Conv2D|MatMul|/(\w*conv[12]d|dense|stem|embedding)\w*/",
    "batch normalization": r"batch_normalization",
    "activations": r"re_lu|Relu",
    "pooling": r"pool|Pool",
    "optimizer, weight decay": r"[aA]dam|Square|AssignVariable|AssignSub|AssignAdd",
    "rest": r"",
}
_OUTSIDE = "Python, outside the graph"
_GRAPH = "EagerLocalExecute: __inference_"


def operation_times(run, repeats=3):
    """Seconds per call of the operations of each kind, added up over all threads.

    What passes outside the graph, in Python above all, counts as one more kind.

    Args:
        run: function without arguments; has run before, so that nothing is traced.
        repeats: int, calls to take the mean of.
    """
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        started = time.perf_counter()
        for _ in range(repeats):
            run()
        seconds = collections.Counter(dict.fromkeys((*_KINDS, _OUTSIDE), 0.0))
        seconds[_OUTSIDE] = (time.perf_counter() - started) / repeats
        tf.profiler.experimental.stop()
        (file,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(file.read_bytes())
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if _is_operation(name):
                    seconds[_kind(name)] += event.duration_ps * 1e-12 / repeats
                elif name.startswith(_GRAPH):
                    seconds[_OUTSIDE] -= event.duration_ps * 1e-12 / repeats
    return seconds


def print_shares(seconds):
    """Print the share of each kind in the sum of all."""
    total = sum(seconds.values())
    for kind, part in seconds.most_common():
        print(f"  {kind:32s}{part:8.3f} s {100 * part / total:5.1f}%")
    print(f"  {'sum over threads':32s}{total:8.3f} s")


def _is_operation(name):
    """Whether a traced event is one operation of a graph: `path/of/it:Type`."""
    return re.fullmatch(r"[\w/.]+:_?[A-Z]\w*", name) is not None


def _kind(name):
    return next(kind for kind, pattern in _KINDS.items() if re.search(pattern, name))
