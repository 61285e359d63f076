"""Reading recipes: a recipe file becomes a frozen dataclass, or a RecipeError says why not."""

import copy
import dataclasses
import difflib
import functools
import math
import re
import sys
import types
import typing
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import yaml

from asdkeras.errors import RecipeError

RECIPE_DEFAULTS: Final[Mapping[str, Any]] = {
    "precision": "float32",
    "tensor_float_32": False,
    "untrained": False,
    "thresholds": {"rule": "paper", "false_alarm_rate": 0.1},
}
"""What a recipe may leave out."""


class _StrictLoader(yaml.SafeLoader):
    """YAML where a key may stand once and numbers are what they look like; see `_NUMBERS`."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                break  # The constructor of PyYAML says it.
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key `{key}` stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1 reads 1e-3 as text, but 1_0 as 10, 010 as 8 and 1:30 as 90.
_NUMBERS = {
    "tag:yaml.org,2002:int": r"[-+]?(?:0|[1-9][0-9]*)",
    "tag:yaml.org,2002:float": r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))"
    r"(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|nan)",
}
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, matches) for tag, matches in resolvers if tag not in _NUMBERS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern in _NUMBERS.items():
    _StrictLoader.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern})$"), list("-+.0123456789"))


def read_recipe(path: Path) -> dict[str, Any]:
    """The mapping in a recipe file, complete.

    A file with `based_on: NAME.yaml` states the recipe of that file, relative to its own folder,
    and what differs, under keys as of `--set`: `config.epochs: 40`.

    Raises:
        RecipeError: if a file cannot be read, is no YAML, names a key twice, is not a mapping, is
            based on one that is itself based on another, or changes what is not in there.
    """
    path = Path(path)
    content = _read_mapping(path)
    if "based_on" not in content:
        return content
    base = path.parent / str(content.pop("based_on"))
    recipe = _read_mapping(base)
    if "based_on" in recipe:
        raise RecipeError(f"{path}: `based_on` must name a complete recipe. Received: {base}")
    for name, value in content.items():
        section, key = _known_place(recipe, str(name), str(path))
        section[key] = value
    return recipe


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: the recipe cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of names to values.")
    return content


def with_overrides(recipe: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A copy of a recipe with assignments such as `config.epochs=3` applied, values read as YAML.

    Raises:
        RecipeError: if a text is no assignment or its key is not in the recipe.
    """
    result = copy.deepcopy(dict(recipe))
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals:
            raise RecipeError(f"--set takes KEY=VALUE, such as config.epochs=3. Received: {text!r}")
        section, key = _known_place(result, name, "--set")
        section[key] = parse_yaml(value, f"--set {name}")
    return result


def build_config(config_class: Any, values: Any, where: str) -> Any:
    """Fill a frozen dataclass from a mapping; every key must be known and typed right.

    Args:
        config_class: its fields are int, float, str, bool, `Literal`, `tuple[int, ...]`, `dict`,
            another such dataclass, a tuple of such, or one of these or None.
        where: file and section, for the error message.

    Raises:
        RecipeError: on an unknown key, a missing key, a wrong type, or a value that the dataclass
            itself refuses.
    """
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: must be a mapping. Received: {values!r}")
    hints = _hints(config_class)
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    for key in values:
        if key not in fields:
            raise RecipeError(f"{where}: unknown key `{key}`.{_hint(str(key), fields)}")
    missing = [
        name
        for name, field in fields.items()
        if name not in values and field.default is dataclasses.MISSING
    ]
    if missing:
        raise RecipeError(f"{where}: missing {', '.join(f'`{name}`' for name in missing)}.")
    checked = {key: _checked(hints[key], value, where, key) for key, value in values.items()}
    try:
        return config_class(**checked)
    except ValueError as error:
        raise RecipeError(f"{where}: {error}") from error


def place_of(recipe: dict[str, Any], name: str) -> tuple[dict[str, Any] | None, str]:
    """The section of a recipe that holds a dotted name, None if there is no such key; the key."""
    *sections, key = name.split(".")
    section: Any = recipe
    for each in sections:
        section = section.get(each) if isinstance(section, dict) else None
    return section if isinstance(section, dict) and key in section else None, key


def parse_yaml(text: str, where: str) -> Any:
    """The content of a YAML text; a key may stand once, and numbers are decimal.

    Args:
        where: where the text comes from, for the error message.

    Raises:
        RecipeError: if it is no YAML or names a key twice.
    """
    try:
        return yaml.load(text, _StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{where}, line {mark.line + 1}" if mark else where
        raise RecipeError(f"{place}: {error.problem or error.context}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # Such as the date 2020-99-99.
        raise RecipeError(f"{where}: not YAML: {error}") from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean ...?` for a near miss, else the empty text."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean `{near[0]}`?" if near else ""


def require(holds: bool, name: str, rule: str, value: object) -> None:
    """Refuse a value of a configuration, in its `check`.

    Args:
        rule: what must hold, such as `must be above 0`.

    Raises:
        ValueError: unless it holds; `build_config` adds file and section.
    """
    if not holds:
        raise ValueError(f"`{name}` {rule}. Received: {value}")


@dataclasses.dataclass(frozen=True)
class Constraint:
    """A condition on the value of a field, as annotation of its type; see `Checked`.

    Attributes:
        rule: as in `require`.
        show: from the value to what the message shows of it.
    """

    rule: str
    holds: Callable[..., bool]
    show: Callable[[Any], object] = repr

    def check(self, name: str, section: Any) -> None:
        """Refuse the value of a field, by `require`."""
        value = getattr(section, name)
        require(value is None or self.holds(value), name, self.rule, self.show(value))


class Relation(Constraint):
    """A condition on a value and other fields of its section, which have passed those of their own.

    Attributes:
        rule: `{0.name}` in it stands for the value of a field.
        holds: takes value and section.
    """

    def check(self, name: str, section: Any) -> None:
        value = getattr(section, name)
        rule = self.rule.format(section)
        require(value is None or self.holds(value, section), name, rule, self.show(value))


def at_least(least: float, why: str = "") -> Constraint:
    """Numbers of at least this."""
    return Constraint(f"must be at least {least}{why and f': {why}'}", lambda value: value >= least)


def form(pattern: str, wanted: str) -> Constraint:
    """Texts that match a regular expression of ASCII characters as a whole."""
    match = re.compile(pattern, re.ASCII).fullmatch
    return Constraint(f"must be {wanted}", lambda value: match(value) is not None)


def multiple_of(factor: int, rule: str) -> Constraint:
    """Whole numbers above 0 that a factor divides."""
    return Constraint(rule, lambda value: value > 0 and value % factor == 0)


def multiple_of_field(name: str) -> Relation:
    """Whole numbers above 0 that the value of another field divides."""
    return Relation(
        f"must be a multiple of `{name}`, {{0.{name}}}",
        lambda value, section: value > 0 and value % getattr(section, name) == 0,
    )


def above_field(name: str) -> Relation:
    """Numbers above the value of another field."""
    return Relation(f"must exceed `{name}`", lambda value, section: value > getattr(section, name))


def at_least_field(name: str) -> Relation:
    """Numbers not below the value of another field."""
    return Relation(
        f"must not be below `{name}`, {{0.{name}}}",
        lambda value, section: value >= getattr(section, name),
    )


def at_most_field(name: str) -> Relation:
    """Numbers not above the value of another field."""
    return Relation(
        f"must not be above `{name}`, {{0.{name}}}",
        lambda value, section: value <= getattr(section, name),
    )


Count = Annotated[int, at_least(1)]
NotNegative = Annotated[float, Constraint("must not be negative", lambda value: value >= 0)]
NaturalNumber = Annotated[int, Constraint("must not be negative", lambda value: value >= 0)]
Positive = Annotated[float, Constraint("must be above 0", lambda value: value > 0)]
Probability = Annotated[float, Constraint("must lie in [0, 1]", lambda value: 0 <= value <= 1)]
Fraction = Annotated[float, Constraint("must lie in [0, 1)", lambda value: 0 <= value < 1)]
Share = Annotated[float, Constraint("must lie between 0 and 1", lambda value: 0 < value < 1)]
Angle = Annotated[float, Constraint("must lie in [0, pi)", lambda value: 0 <= value < math.pi)]
Percentile = Annotated[
    float, Constraint("must lie between 0 and 100", lambda value: 0 < value < 100)
]


class Checked:
    """Base of a section of a recipe whose values are None or meet their fields' constraints.

    Raises:
        ValueError: if a value does not; `build_config` adds file and section.
    """

    def __post_init__(self) -> None:
        hints = _hints(typing.cast(Any, type(self)))
        constraints = [
            (name, each)
            for name, hint in hints.items()
            for each in getattr(hint, "__metadata__", ())
            if isinstance(each, Constraint)
        ]
        for name, constraint in sorted(constraints, key=lambda pair: isinstance(pair[1], Relation)):
            constraint.check(name, self)
        self.check()

    def check(self) -> None:
        """Refuse values that do not fit those of other fields, by `require`."""


@functools.cache
def _hints(config_class: Any) -> dict[str, Any]:
    return typing.get_type_hints(config_class, include_extras=True)


def _known_place(recipe: dict[str, Any], name: str, where: str) -> tuple[dict[str, Any], str]:
    section, key = place_of(recipe, name.strip())
    if section is None:
        raise RecipeError(f"{where}: unknown key `{name}`.{_hint(name, _keys(recipe))}")
    return section, key


def _keys(recipe: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Names of all keys, those of sections behind a dot."""
    for key, value in recipe.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _hint(name: str, known: Iterable[str]) -> str:
    known = list(known)
    return did_you_mean(name, known) or f" Known: {', '.join(known)}."


def _checked(expected: Any, value: Any, where: str, key: str) -> Any:
    if typing.get_origin(expected) is Annotated:
        expected = expected.__origin__
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):  # A type or None.
        return None if value is None else _checked(arguments[0], value, where, key)
    hint = ""
    if dataclasses.is_dataclass(expected):
        valid, wanted = isinstance(value, dict), "a mapping"
        value = build_config(expected, value, f"{where}: `{key}`") if valid else value
    elif origin is typing.Literal:
        valid = any(value == each and type(value) is type(each) for each in arguments)
        wanted = f"one of {', '.join(map(repr, arguments))}"
        hint = "" if valid else did_you_mean(str(value), map(str, arguments))
    elif origin is tuple and dataclasses.is_dataclass(arguments[0]):
        valid, wanted = isinstance(value, list), "a list"
        if valid:
            rows = [(f"{where}.{key}[{index}]", row) for index, row in enumerate(value)]
            value = tuple(build_config(arguments[0], row, place) for place, row in rows)
    elif origin is tuple:
        valid = isinstance(value, list) and all(
            type(item) is arguments[0] and (type(item) is not float or _is_finite(item))
            for item in value
        )
        value, wanted = tuple(value) if valid else value, f"a list of {arguments[0].__name__}"
    elif expected is float:
        valid = type(value) in (int, float) and _is_finite(value)
        wanted = "a number"
        value = float(value) if valid else value
    else:  # `type() is`, not isinstance: True must not pass for 1.
        plain = origin or expected
        valid = type(value) is plain
        wanted = "a mapping" if plain is dict else f"of type {plain.__name__}"
    if not valid:
        raise RecipeError(f"{where}: `{key}` must be {wanted}. Received: {value!r}.{hint}")
    return value


def _is_finite(value: float) -> bool:
    return abs(value) <= sys.float_info.max  # Also of whole numbers that no float can hold.
