"""Parsed YAML checked key by key: every fault is noted with its place, not only the first."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from asdkeras.config import did_you_mean


class Field(NamedTuple):
    """What a value must be.

    Attributes:
        wanted: in words, to follow "must be".
        is_valid: whether a value is that.
        known: what a text may be, if it is one of a few.
        is_optional: whether the key may be missing; the value is None then.
    """

    wanted: str
    is_valid: Callable[[Any], bool]
    known: tuple[str, ...] = ()
    is_optional: bool = False

    def refusal(self, value: Any) -> str:
        """Why a value is not valid."""
        text = repr(value)
        received = text if len(text) <= 80 else f"{text[:77]}..."
        hint = did_you_mean(str(value), self.known)
        return f"must be {self.wanted}. Received: {received}{'.' if hint else ''}{hint}"


class Checker:
    """Takes parsed YAML apart.

    Attributes:
        faults: one line for each, beginning with the place, such as `rows[3]: ...`.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []

    def note(self, at: str, fault: str) -> None:
        """Add a fault."""
        self.faults.append(f"{at}: {fault}")

    def row(self, value: Any, fields: Mapping[str, Field], at: str) -> dict[str, Any] | None:
        """A mapping that holds exactly these keys; None, and the faults noted, if it does not."""
        if not isinstance(value, dict):
            self.note(at, MAPPING.refusal(value))
            return None
        before = len(self.faults)
        for key in value:
            if key not in fields:
                hint = did_you_mean(str(key), fields) or f" Known: {', '.join(fields)}."
                self.note(at, f"unknown key `{key}`.{hint}")
        for key, field in fields.items():
            if key in value:
                if not field.is_valid(value[key]):
                    self.note(at, f"`{key}` {field.refusal(value[key])}")
            elif not field.is_optional:
                self.note(at, f"missing `{key}`.")
        return {key: value.get(key) for key in fields} if len(self.faults) == before else None

    def rows(
        self, values: Sequence[Any], fields: Mapping[str, Field], at: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Place and content of those items of a list that are such a mapping."""
        for index, value in enumerate(values):
            place = f"{at}[{index}]"
            if (row := self.row(value, fields, place)) is not None:
                yield place, row

    def leaves(
        self, value: Any, keys: Sequence[Field], at: str
    ) -> Iterator[tuple[str, tuple[str, ...], Any]]:
        """Place, keys and value of what lies under mappings of mappings.

        Args:
            value: the outermost mapping.
            keys: what a key must be, for each mapping from the outermost on.
            at: place of `value`.
        """
        if not keys:
            yield at, (), value
        elif not isinstance(value, dict):
            self.note(at, MAPPING.refusal(value))
        else:
            for key, inner in value.items():
                if keys[0].is_valid(key):
                    for place, rest, leaf in self.leaves(inner, keys[1:], f"{at}.{key}"):
                        yield place, (key, *rest), leaf
                else:
                    self.note(at, f"a key {keys[0].refusal(key)}")


MAPPING = Field("a mapping", lambda value: isinstance(value, dict))
LIST = Field("a list", lambda value: isinstance(value, list))
POSITIVE_INTEGER = Field("a whole number above 0", lambda value: type(value) is int and value > 0)
POSITIVE_NUMBER = Field(
    "a number above 0", lambda value: type(value) in (int, float) and 0 < value < float("inf")
)
COUNT = Field("a whole number, not negative", lambda value: type(value) is int and value >= 0)
TEXT = Field("a text", lambda value: isinstance(value, str) and bool(value.strip()))


def matching(pattern: str, wanted: str) -> Field:
    """A text that a regular expression matches as a whole."""
    form = re.compile(pattern, re.ASCII)
    return Field(wanted, lambda value: isinstance(value, str) and form.fullmatch(value) is not None)


def one_of(*known: str) -> Field:
    """One of a few texts."""
    return Field(f"one of {', '.join(known)}", lambda value: value in known, known)


def or_null(field: Field) -> Field:
    """What a field takes, or null."""
    return field._replace(
        wanted=f"{field.wanted}, or null",
        is_valid=lambda value: value is None or field.is_valid(value),
    )


def optional(field: Field) -> Field:
    """What a field takes, or null, which is the same as no such key."""
    return or_null(field)._replace(is_optional=True)
