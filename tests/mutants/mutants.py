"""The mutants as data: each is one mistake in one file, and the tests that must notice it."""

import ast
import dataclasses
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FOLDER = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One wrong version of one file.

    Attributes:
        mistake: str, what is wrong in a few words; no other mutant of the room has it.
        file: str, below `asdkeras`.
        tests: str, a file, a folder or one test below `tests`, which must fail.
        text: str, stands once in the file.
        replacement: str, what stands there in the wrong version.
    """

    mistake: str
    file: str
    tests: str
    text: str
    replacement: str

    def wrong_version(self, source):
        """The text of the file with the mistake in it.

        Raises:
            ValueError: if `text` does not stand once in the file, or the replacement changes
                nothing or leaves no Python.
        """
        count = source.count(self.text)
        if count != 1:
            raise ValueError(f"`text` must stand once in the file. Received: {count} times")
        if self.replacement == self.text:
            raise ValueError("`replacement` must differ from `text`.")
        wrong = source.replace(self.text, self.replacement)
        try:
            ast.parse(wrong)
        except SyntaxError as error:
            raise ValueError(f"the wrong version must be Python. Received: {error}") from error
        return wrong


def rooms():
    """Names of all rooms, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load(room):
    """All mutants of a room, in the order of its file.

    Raises:
        ValueError: if the file holds anything but `[[mutant]]`.
        TypeError: if an entry lacks a key or has one that is not known.
    """
    content = tomllib.loads((_FOLDER / f"{room}.toml").read_text(encoding="utf-8"))
    if content.keys() != {"mutant"}:
        raise ValueError(f"{room}.toml must hold [[mutant]] alone. Received: {[*content]}")
    return [Mutant(**entry) for entry in content["mutant"]]
