"""What a detector says about clips as lines: for eyes, as JSON, as CSV."""

import csv
import io
import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TextIO

from asdkeras.progress import say, visible

COLUMNS = ("clip", "machine", "anomaly_score", "threshold", "is_anomalous")

_END = "\r\n"  # Of a line whose writer quotes both, so that no name ends it.
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
    clips: Counter[str] = Counter()
    for number, row in enumerate(rows):
        if number == 0 and form != "json":
            print(_HEADING if form == "plain" else ",".join(COLUMNS), file=out)
        print(_LINES[form](row), file=out, flush=True)
        is_any_anomalous |= bool(row["is_anomalous"])
        clips[os.path.realpath(row["clip"])] += 1
    if again := [clip for clip, count in clips.items() if count > 1]:
        say(f"note: {len(again)} clips were named more than once, such as {again[0]}")
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
    values = {name: row[name] for name in COLUMNS}
    if not math.isfinite(row["anomaly_score"]):
        values["anomaly_score"] = None  # JSON has neither NaN nor infinity.
    return json.dumps(values, allow_nan=False)


def _csv_line(row: Mapping[str, Any]) -> str:
    values = {**row, "is_anomalous": str(row["is_anomalous"]).lower()}
    line = io.StringIO()
    csv.writer(line, lineterminator=_END).writerow(values[name] for name in COLUMNS)
    return line.getvalue().removesuffix(_END)


_LINES = {"plain": _plain_line, "json": _json_line, "csv": _csv_line}
