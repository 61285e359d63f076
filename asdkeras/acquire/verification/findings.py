"""What a check of a dataset found to be wrong."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        kind: a word or two, such as `unusable file`.
        place: the file, or the group of clips in words.
        text: place and fault; one line.
        machine_type: empty if it concerns all.
    """

    kind: str
    place: str
    text: str
    machine_type: str = ""


def finding(machine_type: str, kind: str, place: str, fault: str) -> Finding:
    """The finding of a fault at a place."""
    return Finding(kind, place, f"{place}: {fault}", machine_type)
