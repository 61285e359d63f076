"""One file per paper; the file name is the name a recipe uses. A folder is what several share.

A system is a module whose name has a year: `<author><year>`, and a letter or the method behind it
where that is taken, such as `wilkinghoff2024ssl`. Small letters and digits alone: a module that is
named otherwise is no system. It defines `Config`, a frozen dataclass with a field `variant`, and
`create(config)`, which returns a `System` or an `Ensemble` (`systems/system.py`). It may define
`fallbacks(variant)`, which names the variants that a detector is made of where a variant refuses
the training clips (`System.check`); the first one that takes them is used.
"""

import ast
import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from asdkeras.config import did_you_mean
from asdkeras.errors import RecipeError

if TYPE_CHECKING:
    from asdkeras.systems.model_files import Models
    from asdkeras.systems.system import Ensemble, System


_NAME = re.compile(r"[a-z]+\d{4}[a-z0-9]*")


def names() -> list[str]:
    """Names of all systems, sorted."""
    modules = (module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)
    return sorted(name for name in modules if _NAME.fullmatch(name))


def check(name: str) -> None:
    """Raise a RecipeError if there is no such system."""
    if name not in names():
        hint = did_you_mean(name, names())
        raise RecipeError(f"There is no system `{name}`.{hint} Known: {', '.join(names())}.")


def load(name: str) -> ModuleType:
    """Import the module of one system; a RecipeError if there is none."""
    check(name)
    return importlib.import_module(f"{__name__}.{name}")


def create(name: str, config: object) -> "System[object, Models] | Ensemble":
    """The system of a name with the given config. Imports Keras."""
    created: System[object, Models] | Ensemble = load(name).create(config)
    return created


def title(name: str) -> str:
    """First line of a system's docstring, read without importing Keras."""
    return (ast.get_docstring(_source(name)) or "").partition("\n")[0]


def variants(name: str) -> tuple[str, ...]:
    """The values of `variant` in a system's `Config`, read without importing Keras."""
    for node in ast.walk(_source(name)):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "variant":
            choices = next(
                each
                for each in ast.walk(node.annotation)
                if isinstance(each, ast.Subscript) and ast.unparse(each.value) == "Literal"
            )
            parts = ast.walk(choices.slice)
            return tuple(str(each.value) for each in parts if isinstance(each, ast.Constant))
    return ()


def _source(name: str) -> ast.Module:
    return ast.parse(Path(__path__[0], f"{name}.py").read_text(encoding="utf-8"))
