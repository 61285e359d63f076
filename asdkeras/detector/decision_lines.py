"""What a detector says about clips as lines: for eyes, as JSON, as CSV."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TextIO

from asdkeras.progress import visible

COLUMNS = ("clip", "machine", "anomaly_score", "threshold", "is_anomalous")

_PLAIN = "{:>10}  {:>10}  {:<9}  {:<12}  {}"  # The clip last: its path may be of any length.
_HEADING = _PLAIN.format("score", "threshold", "decision", "machine", "clip")


def print_decisions(
    rows: Iterable[Mapping[str, Any]], form: Literal["plain", "json", "csv"], out: TextIO
) -> bool:
    """Print one line for each clip as soon as it is scored; say whether any is anomalous.

    Args:
        rows: of `Detector.decisions`; all but the values of `COLUMNS` is left out.
        form: `plain` has aligned columns and four digits; `json`, one object a line, and
            `csv`, with a heading, have all digits.
    """
    is_any_anomalous = False
    for number, row in enumerate(rows):
        if number == 0 and form != "json":
            print(_HEADING if form == "plain" else ",".join(COLUMNS), file=out)
        print(_LINES[form](row), file=out, flush=True)
        is_any_anomalous |= bool(row["is_anomalous"])
    return is_any_anomalous


def _plain_line(row: Mapping[str, Any]) -> str:
    return _PLAIN.format(
        f"{row['anomaly_score']:.4g}",
        f"{row['threshold']:.4g}",
        "anomalous" if row["is_anomalous"] else "normal",
        row["machine"],
        visible(row["clip"]),
    )


def _json_line(row: Mapping[str, Any]) -> str:
    return json.dumps({name: row[name] for name in COLUMNS})


def _csv_line(row: Mapping[str, Any]) -> str:
    values = {**row, "is_anomalous": str(row["is_anomalous"]).lower()}
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values[name] for name in COLUMNS)
    return line.getvalue()


_LINES = {"plain": _plain_line, "json": _json_line, "csv": _csv_line}
