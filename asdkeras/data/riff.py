"""How many bytes of audio a WAV file announces and how many it has.

The audio library reads a WAV file that was cut off as if it ended there on purpose, so
the comparison is made here.
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO

_UNKNOWN_SIZE = 0xFFFFFFFF  # Written by programs that cannot seek back in a pipe.


def missing_bytes(path: Path) -> int:
    """Bytes of audio that the header of a WAV file announces and the file lacks.

    Returns:
        int, 0 for a whole file, and for anything that is not a WAV file.
    """
    with open(path, "rb") as file:
        total = os.fstat(file.fileno()).st_size
        data_size = _seek_data(file, total)
        return max(0, file.tell() + data_size - total)


def _seek_data(file: BinaryIO, total: int) -> int:
    """Go to the first byte of audio; returns the announced number of bytes."""
    kind, form = struct.unpack("<4s4x4s", file.read(12).ljust(12))
    if kind not in (b"RIFF", b"RF64") or form != b"WAVE":
        return 0
    long_size = _UNKNOWN_SIZE
    while file.tell() < total:
        name, size = struct.unpack("<4sI", file.read(8).ljust(8, b"\0"))
        if name == b"data":
            size = long_size if size == _UNKNOWN_SIZE else size
            return 0 if size == _UNKNOWN_SIZE else size
        start = file.tell()
        if name == b"ds64":  # Holds the sizes that do not fit into 32 bits.
            long_size = struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))[0]
        file.seek(start + size + size % 2)  # Chunks begin at even positions.
    return 0
