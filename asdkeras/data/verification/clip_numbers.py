"""Which clips are missing or too many, as far as the numbers in their names tell.

Most official clips are numbered without gaps, from 0 or from 1, per domain and label. Where
they are not, nothing is said here.
"""

import itertools
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence

from asdkeras.data import naming
from asdkeras.data.layouts import Clip
from asdkeras.data.verification.clip_counts import Counted, CountRow
from asdkeras.data.verification.findings import Located, locate

_Numbered = dict[int, list[str]]  # Paths of the clips of each number.


def compare_numbers(counted: Counted) -> Iterator[Located]:
    """Name what is missing or too many in counts that are not as expected.

    Args:
        counted: rows and the clips of each, of `count_clips`.
    """
    # Machine types differ in where their numbers begin, their sections and domains do not.
    from_zero = {
        (row.machine_type, row.split)
        for row, clips in counted
        if any(number == 0 for number, _ in _numbers(clips))
    }
    for row, clips in counted:
        begins = (0,) if (row.machine_type, row.split) in from_zero else (0, 1)
        for what, own, expected in _groups(row, clips):
            numbered: _Numbered = defaultdict(list)
            for number, path in _numbers(own):
                numbered[number].append(path)
            if len(own) < expected:
                text = _missing(numbered, expected, begins)
                if text:
                    place = f"{row.place} {what}".rstrip()
                    yield locate(row.machine_type, "missing clip", place, f"{text} missing")
            elif len(own) > expected > 0:
                surplus = len(own) - expected
                for path, text in _too_many(numbered, surplus, expected, begins):
                    yield locate(row.machine_type, "extra clip", path, text)


def _groups(row: CountRow, clips: list[Clip]) -> Iterator[tuple[str, list[Clip], int]]:
    """Clips that are numbered together, and how many they should be."""
    if row.num_expected is None:
        return
    if row.split != "test" or row.found_unlabeled:
        yield "", clips, row.num_expected
        return
    for is_anomalous, expected in ((False, row.expected_normal), (True, row.expected_anomalous)):
        own = [clip for clip in clips if clip.is_anomalous == is_anomalous]
        yield "anomalous" if is_anomalous else "normal", own, expected or 0


def _numbers(clips: Sequence[Clip]) -> Iterator[tuple[int, str]]:
    for clip in clips:
        base = os.path.basename(clip.path)
        name = naming.parse_name(base) or naming.parse_supplemental_name(base)
        if name is not None:
            yield int(name.counter), clip.path


def _missing(numbered: _Numbered, expected: int, begins: tuple[int, ...]) -> str:
    """Missing numbers; empty if the clips are not numbered without gaps."""
    fitting = [
        set(range(begin, begin + expected))
        for begin in begins
        if numbered.keys() <= set(range(begin, begin + expected))
    ]
    if not numbered or not fitting or any(len(paths) > 1 for paths in numbered.values()):
        return ""
    certain = set.intersection(*fitting) - numbered.keys()
    uncertain = set.union(*fitting) - numbered.keys() - certain
    texts = [*_spans(sorted(certain)), " or ".join(map(str, sorted(uncertain)))]
    return "number " + ", ".join(filter(None, texts))


def _too_many(
    numbered: _Numbered, surplus: int, expected: int, begins: tuple[int, ...]
) -> Iterator[tuple[str, str]]:
    """Paths of clips that may not belong here, and why."""
    end = max(begins) + expected
    beyond = [path for number in numbered if number >= end for path in numbered[number]]
    if len(beyond) == surplus:
        for path in beyond:
            yield path, f"numbered beyond the {expected} clips expected"
    for paths in numbered.values():
        for path in sorted(paths)[1:]:
            yield path, f"has the number of {os.path.basename(min(paths))}, one is too many"


def _spans(numbers: Sequence[int]) -> list[str]:
    """Numbers as text, runs of them as `3 to 7`."""
    texts = []
    for _, run in itertools.groupby(enumerate(numbers), lambda item: item[1] - item[0]):
        values = [value for _, value in run]
        texts.append(f"{values[0]} to {values[-1]}" if len(values) > 1 else str(values[0]))
    return texts
