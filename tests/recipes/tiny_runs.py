"""The `Tiny:` lines in the heads of recipes: options with which a system is trained in seconds.

Each line is one way to score that has a graph of its own. In a later line, `...` stands for the
options of the first one of its recipe.
"""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from asdkeras import cli

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*/*.yaml"))
_LINE = re.compile(r"^# Tiny: +(.*(?:\n#  .*)*)", re.MULTILINE)


class TinyRun(NamedTuple):
    """A line of a recipe, by its number from 1 on."""

    system: str
    number: int
    options: list[str]
    recipe: Path

    def __str__(self):
        return f"{self.system}_{self.number}"

    def parsed(self):
        """What `asdkeras eval` makes of the options."""
        return cli._parser().parse_args(["eval", "--system", self.system, *self.options])


def tiny_runs():
    """Those of all recipes, in the order of systems and lines."""
    runs = []
    for path in RECIPES:
        first = []
        for number, line in enumerate(_LINE.findall(path.read_text(encoding="utf-8")), start=1):
            words = shlex.split(line.replace("\n#", " "))
            options = [*first, *words[1:]] if words[0] == "..." else words
            first = first or options
            runs.append(TinyRun(path.parent.name, number, options, path))
    return runs
