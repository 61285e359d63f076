"""Published systems for anomalous sound detection, reproduced with Keras."""

from typing import Any

__version__ = "0.1.0.dev0"


def __getattr__(name: str) -> Any:
    """`asdkeras.Detector`, imported when it is asked for: `asdkeras --help` answers at once."""
    if name == "Detector":
        from asdkeras.detector.detector import Detector

        return Detector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
