"""What recordings of a table must not have in common, and what those of one machine should."""

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from asdkeras.data import years
from asdkeras.data.audio import Channel
from asdkeras.data.store import ClipStore
from asdkeras.errors import DataError

_SPREAD = 2.0  # Lengths of one machine that differ by more are mentioned.


def check_recordings(table: pd.DataFrame, store: ClipStore, channel: Channel) -> tuple[str, ...]:
    """Notes on recordings that are there twice, and on machine types whose recordings differ.

    Args:
        table: the clip table that `store` was opened with.
        channel: what is taken of each recording.

    Raises:
        DataError: if, but in an official dataset, the same audio is a training and a test clip, or
            normal and anomalous; or if means of different numbers of channels would meet in one
            machine type.
    """
    return (
        *_doubled(table, store),
        *_several_channels(table, store, channel),
        *_lengths(table, store),
    )


def _doubled(table: pd.DataFrame, store: ClipStore) -> Iterator[str]:
    """Same audio under several paths: other spellings, links and copies alike."""
    rows: dict[str, list[int]] = {}
    for row, digest in enumerate(store.digests):
        rows.setdefault(digest, []).append(row)
    groups = [table.iloc[same] for same in rows.values() if len(same) > 1]
    if not groups:
        return
    faults = [
        " = ".join(group["path"])
        for group in groups
        if {"train", "test"} <= set(group["split"]) or group["is_anomalous"].nunique() > 1
    ]
    what = (
        f"{len(faults)} recordings are training and test clips at once, or normal and anomalous, "
        "under several paths"
    )
    if faults and not years.years_of(str(table["dataset"].iloc[0])):
        raise DataError(
            f"{what}, and no result would count. Remove all paths but one of each:"
            + "".join(f"\n  {fault}" for fault in faults)
        )
    if faults:
        yield f"{what}, such as {faults[0]}."
    count = sum(len(group) - 1 for group in groups)
    yield (
        f"{count} clips hold the same audio as another and count as often: "
        f"{' = '.join(groups[0]['path'][:3])}{', ...' if len(groups) > 1 else '.'}"
    )


def _several_channels(table: pd.DataFrame, store: ClipStore, channel: Channel) -> Iterator[str]:
    taken = "the mean of all channels" if channel == "mean" else f"channel {channel}, from 0,"
    mixed = []
    for machine_type, own in pd.Series(store.num_channels).groupby(
        table["machine_type"].to_numpy(object)
    ):
        counts = sorted(Counter(own).items())
        text = f"{machine_type}: " + ", ".join(
            f"{clips} clips with {number} channel{'s' * (number > 1)}" for number, clips in counts
        )
        if len(counts) > 1 and channel == "mean":
            mixed.append(text)
        elif counts != [(1, len(own))]:
            yield f"{text}; {taken} is taken."
    if mixed:
        raise DataError(
            "recordings of one machine type must have one number of channels, else means of "
            f"several are compared with single ones. Received: {'; '.join(mixed)}. Record or "
            "convert them alike, or take one channel of each: --set audio.channel=0."
        )


def _lengths(table: pd.DataFrame, store: ClipStore) -> Iterator[str]:
    lengths = pd.Series(store.lengths / store.sample_rate_hz)
    for machine_type, own in lengths.groupby(table["machine_type"].to_numpy(object)):
        if own.max() > _SPREAD * own.min():
            yield (
                f"{machine_type}: clips last {own.min():.3g} to {own.max():.3g} s. Scores of short "
                "and long ones may differ whatever the machine does."
            )
