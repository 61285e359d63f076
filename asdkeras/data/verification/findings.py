"""What a check of a dataset found to be off."""

import os
from collections.abc import Iterable
from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that is off.

    Attributes:
        kind: what sort of thing, in a word or two, such as `missing clip`.
        place: the file, or the group of clips in words.
        text: place, and what is off there; one line.
    """

    kind: str
    place: str
    text: str


Located = tuple[str, Finding]
"""A machine type and what was found there."""


def locate(machine_type: str, kind: str, place: str, what: str) -> Located:
    """What is off at a place of a machine type."""
    return machine_type, Finding(kind, place, f"{place}: {what}")


def in_order(located: Iterable[Located]) -> tuple[Finding, ...]:
    """By machine type, and there first what concerns many clips, then files by their paths."""
    return tuple(
        finding
        for _, finding in sorted(
            located, key=lambda item: (item[0], os.sep in item[1].place, item[1].place, item[1])
        )
    )
