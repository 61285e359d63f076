"""Imports go down the floors, never up and never sideways; TensorFlow stays where it belongs."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "asdkeras"
FLOORS = [
    {"errors", "mixed_precision"},
    {"config", "files", "plain_text", "progress", "readings", "controls", "dsp", "metrics"}
    | {"replicas", "shapes"},
    {"layers", "losses", "optimizers", "data", "published", "submission", "score_files"},
    {"networks", "scorers", "batches", "corpus"},
    {"keras_objects", "acquire"},
    {"systems"},
    {"experiment", "evaluation"},
    {"detector"},
    {"report"},
    {"cli"},
    {"__main__", "eval", "train"},
]
FLOOR_OF = {name: height for height, names in enumerate(FLOORS) for name in names}
MAY_ALSO_IMPORT_ONLY = {
    "evaluation": {"errors", *FLOORS[1], *FLOORS[2]},
    "report": {"errors", *FLOORS[1], *FLOORS[2], "acquire", "scorers", "evaluation"},
}
MAY_IMPORT_TENSORFLOW = {
    "experiment/training.py",
    "detector/export_formats.py",
    # An operation of TensorFlow, beside what `keras.ops` computes on other backends.
    "layers/fused_batch_normalization.py",
    "optimizers/fused_adam.py",
    "replicas.py",
    "shapes.py",
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.module == "asdkeras":
                yield from (f"asdkeras.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def imported_rooms(path):
    names = (name.split(".") for name in imported_modules(path) if name.startswith("asdkeras."))
    return {parts[1] for parts in names if parts[1] != "__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    room = room_of(path)

    for other in imported_rooms(path) - {room}:
        assert FLOOR_OF[other] < FLOOR_OF[room], f"{path} imports {other}"
        assert other in MAY_ALSO_IMPORT_ONLY.get(room, FLOOR_OF), f"{path} imports {other}"


def test_every_room_has_a_floor():
    assert {room_of(path) for path in FILES} <= set(FLOOR_OF)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_tensorflow_is_imported_by_the_room_batches_and_few_files_only(path):
    uses_tensorflow = any(
        name.split(".")[0] in ("tensorflow", "tensorflow_probability")
        for name in imported_modules(path)
        if name
    )

    may_use_it = room_of(path) == "batches" or (
        str(path.relative_to(PACKAGE)) in MAY_IMPORT_TENSORFLOW
    )
    assert may_use_it or not uses_tensorflow


def test_only_the_systems_know_papers():
    others = [path for path in FILES if room_of(path) != "systems"]

    imported = {
        name
        for path in others
        for name in imported_modules(path)
        if name and name.startswith("asdkeras.systems.")
    }

    assert imported == {"asdkeras.systems.system", "asdkeras.systems.model_files"}
