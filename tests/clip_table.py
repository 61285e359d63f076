"""Clip tables for tests, without files."""

import pandas as pd

_COLUMNS = {
    "path": "string",
    "dataset": "string",
    "machine_type": "string",
    "section": "string",
    "domain": "string",
    "split": "string",
    "is_anomalous": "boolean",
    "attributes": "string",
}


def clip_table(rows, **shared):
    """A clip table from dictionaries; `shared` fills columns, missing ones become NA."""
    filled = [{"split": "test", **shared, **row} for row in rows]
    return pd.DataFrame(filled, columns=list(_COLUMNS)).astype(_COLUMNS)
