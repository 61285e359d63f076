"""Numbers and CSV lines as anybody writes them, and nothing that only looks like them."""

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from asdkeras.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_NUMBER = re.compile(
    r"[ \t]*[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf(?:inity)?)[ \t]*",
    re.ASCII | re.IGNORECASE,
)


def number(text: str) -> float:
    """The number that a text is: decimal, in ASCII, with a point; or NaN or infinity by name.

    Python's own reading takes `1_0` for ten, and digits of every script.

    Raises:
        ValueError: if it is none.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"not a number: {text!r}")
    return float(text)


def number_or_nan(text: str) -> float:
    """The number that a field of our own files is; an empty one is NaN."""
    return number(text) if text else float("nan")


def csv_text(frame: "pd.DataFrame", header: bool = True) -> str:
    """A frame without its index as CSV, floats exact, lines ended by a line feed."""
    text = frame.to_csv(index=False, header=header, lineterminator="\n")
    if "\r" not in text:
        return text
    # Unquoted, a carriage return in a name would end the line for whoever reads it.
    return frame.to_csv(
        index=False, header=header, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
    )


def csv_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Number and fields of each line of a CSV file, without blanks around fields.

    A byte order mark, any line ends, and blank lines at the end are no fault.

    Raises:
        DataError: if it cannot be read, is no CSV text in UTF-8, or a field holds a line break.
    """
    lines: list[tuple[int, list[str]]] = []
    number = 1
    try:
        # Not split into lines before: a line break between quotes would be lost.
        reader = csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), ""), strict=True)
        for fields in reader:
            if any("\n" in field or "\r" in field for field in fields):
                raise csv.Error(f"a field that begins in line {number} holds a line break")
            lines.append((number, [field.strip(" \t") for field in fields]))
            number = reader.line_num + 1
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable CSV file in UTF-8: {error}.") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a readable CSV file: line {number}: {error}.") from error
    while lines and not any(lines[-1][1]):
        lines.pop()
    return lines
