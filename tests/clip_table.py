"""Clip tables for tests, without files."""

import pandas as pd

from asdkeras.data.clip_table import COLUMNS


def clip_table(rows, **shared):
    """A clip table from dictionaries; `shared` fills columns, missing ones become NA."""
    filled = [{"split": "test", **shared, **row} for row in rows]
    return pd.DataFrame(filled, columns=list(COLUMNS)).astype(COLUMNS)
