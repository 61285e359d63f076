"""Clip tables for tests, without files."""

import pandas as pd

from asdkeras.data.clip_table import COLUMNS


def clip_table(rows, **shared):
    """A clip table from dictionaries; `shared` fills columns, missing ones become NA."""
    filled = [{"split": "test", **shared, **row} for row in rows]
    return pd.DataFrame(filled, columns=list(COLUMNS)).astype(COLUMNS)


def clips_of_every_domain(dataset):
    """Three training clips and three test clips of a section: source, target, and unknown."""
    rows = [
        {"split": split, "domain": domain}
        for split in ("train", "test")
        for domain in ("source", "target", pd.NA)
    ]
    return clip_table(rows, dataset=dataset, machine_type="fan", section="00")
