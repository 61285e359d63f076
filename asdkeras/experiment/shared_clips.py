"""The clips that members of an ensemble have in common."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from asdkeras.experiment.ensembles import Member

CLIP = ["machine_type", "section", "split", "path"]


def shared_clips(members: "Sequence[Member]") -> pd.DataFrame:
    """The clips that members score, in the order of a clip table.

    Sections without test clips are among them only where every member has them: no network of its
    own was trained for one.
    """
    table = _known_clips(members)
    for member in members:
        clips = member.trial().table
        table = table[~member.scores_clips(table) | is_shared(table, clips)]
    return table.reset_index(drop=True)


def is_shared(clips: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    """Clips of a section that has test clips, or is among the others; all if none has any."""
    is_test = clips["split"] == "test"
    if not is_test.any():
        return pd.Series(True, clips.index)
    own, known = (pd.MultiIndex.from_frame(table[CLIP[:2]]) for table in (clips, others))
    return pd.Series(own.isin(own[is_test]) | own.isin(known), clips.index)


def _known_clips(members: "Sequence[Member]") -> pd.DataFrame:
    tables: dict[str, pd.DataFrame] = {}
    for member in members:
        if member.machine_types is None:
            return member.trial().table
        if not set(member.machine_types) <= set(tables):
            clips = member.trial().table
            for machine_type, own in clips[member.scores_clips(clips)].groupby("machine_type"):
                tables.setdefault(str(machine_type), own)
    return pd.concat([tables[name] for name in sorted(tables)], ignore_index=True)
