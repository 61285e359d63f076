"""One file per paper; the file name is the name a recipe uses.

A system module defines `Config`, a frozen dataclass, and `build(config) -> System`
(`systems/system.py`).
"""

import ast
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from asdkeras.config import did_you_mean
from asdkeras.errors import RecipeError


def names() -> list[str]:
    """Names of all systems, sorted."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "system")


def check(name: str) -> None:
    """Raise a RecipeError if there is no such system."""
    if name not in names():
        hint = did_you_mean(name, names())
        raise RecipeError(f"There is no system `{name}`.{hint} Known: {', '.join(names())}.")


def load(name: str) -> ModuleType:
    """Import the module of one system.

    Raises:
        RecipeError: if there is no such system.
    """
    check(name)
    return importlib.import_module(f"{__name__}.{name}")


def title(name: str) -> str:
    """First line of a system's docstring, read without importing Keras."""
    source = Path(__path__[0], f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
