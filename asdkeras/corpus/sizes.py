"""Sizes of a generated corpus. They stand apart, because the command line reads nothing heavier."""

from typing import Literal, TypeAlias

Size: TypeAlias = Literal["tiny", "mini", "bench"]

CONTENTS: dict[Size, str] = {
    "tiny": "100 clips, 4 minutes",
    "mini": "1100 clips, 36 minutes",
    "bench": "1900 clips, 64 minutes",
}
"""How many clips of 2 s the default machine types of 2021 have, and of how much sound they are."""
