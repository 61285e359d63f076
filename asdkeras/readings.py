"""What a paper says of the fields of a config that can be read otherwise, as a list for readers."""

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple


@dataclasses.dataclass(frozen=True)
class Reading:
    """Annotation of a field with several defensible values.

    Attributes:
        paper: what the paper says, with its section, or `silent`.
        readings: what each value stands for, and where it comes from.
    """

    paper: str
    readings: str


@dataclasses.dataclass(frozen=True)
class Reconstructed:
    """Annotation of a field of choices, of which some rest on what its source does not say.

    Attributes:
        choices: value -> what we built without a source.
    """

    choices: Mapping[str, str]


class Field(NamedTuple):
    """A field of a config, by its dotted name.

    Attributes:
        choices: its values, where the type names them all.
        notes: `Reading`, `Reconstructed` and constraints.
    """

    name: str
    choices: tuple[object, ...]
    notes: tuple[object, ...]


def fields_of(config_class: type, prefix: str = "") -> Iterator[Field]:
    """All fields of a config, those of its sections behind a dot."""
    for name, hint in typing.get_type_hints(config_class, include_extras=True).items():
        notes: tuple[object, ...] = ()
        if typing.get_origin(hint) is Annotated:
            hint, *metadata = typing.get_args(hint)
            notes = tuple(metadata)
        if dataclasses.is_dataclass(hint):
            yield from fields_of(typing.cast(type, hint), f"{prefix}{name}.")
        elif typing.get_origin(hint) is typing.Literal:
            yield Field(f"{prefix}{name}", typing.get_args(hint), notes)
        else:
            yield Field(f"{prefix}{name}", (False, True) if hint is bool else (), notes)


def reconstruction_of(config_class: type, variant: str) -> str | None:
    """What a variant rests on that its source does not say; None if there is nothing."""
    variants = next(field for field in fields_of(config_class) if field.name == "variant")
    texts = (
        note.choices.get(variant) for note in variants.notes if isinstance(note, Reconstructed)
    )
    return next((text for text in texts if text is not None), None)


def as_markdown(config_class: type, values: Mapping[str, Any]) -> str:
    """Fields with another reading as a table in Markdown, then what is a reconstruction.

    Args:
        values: the section `config` of the recipe whose values stand in the table.
    """
    rows = ["| field | recipe | also | the paper | readings |", "|---|---|---|---|---|"]
    rebuilt = []
    for field in fields_of(config_class):
        value: Any = values
        for key in field.name.split("."):
            value = value[key]
        for note in field.notes:
            if isinstance(note, Reading):
                others = (each for each in field.choices if each != value)
                also = ", ".join(f"`{_as_yaml(each)}`" for each in others)
                cells = (f"`{field.name}`", f"`{_as_yaml(value)}`", also, note.paper, note.readings)
                rows.append(f"| {' | '.join(cells)} |")
            elif isinstance(note, Reconstructed):
                texts = note.choices.items()
                rebuilt += [f"- `{field.name}: {choice}`: {text}" for choice, text in texts]
    text = "\n".join(rows) + "\n"
    if rebuilt:
        text += "\nReconstructions, built without a source that says them:\n\n"
        text += "\n".join(rebuilt) + "\n"
    return text


def _as_yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
