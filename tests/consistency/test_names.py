"""One name means one thing: files, public classes and systems."""

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "asdkeras"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def shared(names):
    """Name -> where it stands, of those that stand in several files."""
    places = defaultdict(list)
    for name, path in names:
        places[name].append(str(path.relative_to(PACKAGE)))
    return {name: paths for name, paths in places.items() if len(paths) > 1}


def test_no_two_files_have_one_name():
    assert shared((path.name, path) for path in FILES) == {}


def test_no_two_public_classes_have_one_name():
    classes = [
        (node.name, path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]

    found = shared(classes)

    # Every system has one: what its recipe may say.
    assert {path.split("/")[0] for path in found.pop("Config")} == {"systems"}
    assert found == {}
