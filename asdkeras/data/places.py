"""Where datasets and what was made of them lie between commands."""

import dataclasses
import json
import os
from pathlib import Path

from asdkeras.errors import DataError
from asdkeras.files import write_text

_SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Card:
    """One dataset that was adopted or fetched."""

    dataset: str
    layout: str  # Whose folder layout it has, in words.
    machine_folders: tuple[str, ...]  # Absolute paths, one or more per machine type.


def cache_folder() -> Path:
    """$ASDKERAS_CACHE, else the user's cache folder, for what can be made again at any time."""
    if os.environ.get("ASDKERAS_CACHE"):
        return Path(os.environ["ASDKERAS_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asdkeras"


def truth_folder(dataset: str) -> Path:
    return cache_folder() / "truth" / dataset


def cards_folder() -> Path:
    """Folder of the cards, which name the folders of adopted or fetched datasets."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "asdkeras" / "datasets"


def is_card(path: Path) -> bool:
    return path.suffix == ".json" and path.is_file()


def known_cards() -> dict[str, Path]:
    """Paths of the cards by the names of their datasets."""
    return {path.stem: path for path in sorted(cards_folder().glob("*.json"))}


def write_card(card: Card) -> Path:
    """Write a card, in place of an earlier one of the same dataset."""
    path = cards_folder() / f"{card.dataset}.json"
    content = {"schema_version": _SCHEMA_VERSION, **dataclasses.asdict(card)}
    write_text(path, json.dumps(content, indent=2) + "\n")
    return path


def read_card(path: Path) -> Card:
    """Read a card.

    Raises:
        DataError: if it is none, or one of its folders is not there any more.
    """
    redo = "Run `asdkeras data adopt` on the folder of the dataset again."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("schema_version") != _SCHEMA_VERSION:
            raise ValueError("another schema_version")
        card = Card(**{**content, "machine_folders": tuple(content["machine_folders"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not the card of an adopted dataset: {error}. {redo}") from error
    missing = [folder for folder in card.machine_folders if not os.path.isdir(folder)]
    if missing:
        raise DataError(
            f"{path}: {len(missing)} of the {len(card.machine_folders)} folders of {card.dataset} "
            f"are not there any more, such as {missing[0]}. Bring them back, or: {redo}"
        )
    return card
