"""One file per paper; the file name is the name a recipe uses. A folder is what several share.

A system module defines `Config`, a frozen dataclass with a field `variant`, and
`build(config)`, which returns a `System` or an `Ensemble` (`systems/system.py`). It may define
`fallback(config, table)`, which names the variant that a detector is made of where the training
clips in `table` have nothing that the variant of `config` could learn to tell apart.
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
    modules = pkgutil.iter_modules(__path__)
    return sorted(m.name for m in modules if not m.ispkg and m.name != "system")


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
    return (ast.get_docstring(_source(name)) or "").partition("\n")[0]


def variants(name: str) -> tuple[str, ...]:
    """What `variant` may be in a system's `Config`, read without importing Keras."""
    for node in ast.walk(_source(name)):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "variant":
            constants = (
                each for each in ast.walk(node.annotation) if isinstance(each, ast.Constant)
            )
            return tuple(str(each.value) for each in constants)
    return ()


def _source(name: str) -> ast.Module:
    return ast.parse(Path(__path__[0], f"{name}.py").read_text(encoding="utf-8"))
