"""How many clips of each kind are here, against how many there should be."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from asdkeras.data.layouts import Clip
from asdkeras.data.manifest import ClipCount


class CountRow(NamedTuple):
    """Clips of one machine type, section, split and domain.

    Attributes:
        machine_type, section, split: whose clips.
        domain: None where the year has none, and where some clips do not say theirs: then the
            row counts all domains together.
        found_normal, found_anomalous, found_unlabeled: clips that are here.
        expected_normal, expected_anomalous: clips that should be; None where nobody knows.
            Supplemental clips of all kinds are expected together, as `expected_normal`.
        is_as_expected: None where nobody knows.
    """

    machine_type: str
    section: str
    split: str
    domain: str | None
    found_normal: int
    found_anomalous: int
    found_unlabeled: int
    expected_normal: int | None
    expected_anomalous: int | None
    is_as_expected: bool | None = None

    @property
    def place(self) -> str:
        """Which clips, in words."""
        domain = f" {self.domain}" if self.domain else ""
        return f"{self.machine_type} section {self.section} {self.split}{domain}"

    @property
    def num_found(self) -> int:
        """All clips that are here."""
        return self.found_normal + self.found_anomalous + self.found_unlabeled

    @property
    def num_expected(self) -> int | None:
        """All clips that should be here; None where nobody knows."""
        if self.split == "supplemental":
            return self.expected_normal
        return _sum([self.expected_normal, self.expected_anomalous])

    @property
    def fault(self) -> str | None:
        """What is not as expected, in numbers; None if nothing is known to be."""
        if self.num_expected is None:
            return None if self.num_found else "no clips, expected some"
        by_label = [
            (self.found_normal, "normal", self.expected_normal),
            (self.found_anomalous, "anomalous", self.expected_anomalous),
        ]
        if self.split != "supplemental" and not self.found_unlabeled:
            return _difference(by_label)
        if self.num_found != self.num_expected:
            return _difference([(self.num_found, "clips", self.num_expected)])
        return _difference([item for item in by_label if item[0] > (item[2] or 0)])


Counted = Sequence[tuple[CountRow, list[Clip]]]
"""Rows and the clips of each."""


def count_clips(clips: Iterable[Clip], expected: Sequence[ClipCount] | None) -> Counted:
    """Count clips, in order of machine type, section, split and domain.

    Args:
        clips: what is here.
        expected: what should be; None if nothing is known, as of an own dataset.

    Returns:
        rows, those expected and not here included, and the clips of each.
    """
    found: dict[tuple[str, str, str], list[Clip]] = {}
    for clip in clips:
        found.setdefault((clip.machine_type, clip.section, clip.split), []).append(clip)
    wanted: dict[tuple[str, str, str], dict[str | None, ClipCount]] = {}
    for count in expected or ():
        key = count.machine_type, count.section, count.split
        wanted.setdefault(key, {})[count.domain] = count
    # Of a section that is known, a split that is not listed may or may not exist.
    known_sections = {key[:2] for key in wanted}
    rows: list[tuple[CountRow, list[Clip]]] = []
    for key in sorted(found.keys() | wanted.keys()):
        is_open = expected is None or (key not in wanted and key[:2] in known_sections)
        rows += _rows(key, found.get(key, []), None if is_open else wanted.get(key, {}))
    return rows


def _rows(
    key: tuple[str, str, str], clips: list[Clip], wanted: dict[str | None, ClipCount] | None
) -> list[tuple[CountRow, list[Clip]]]:
    """Rows of one split: one per domain where all clips and counts say theirs, else one."""
    domains = {clip.domain for clip in clips} | set(wanted or ())
    if None in domains:
        counts = None if wanted is None else list(wanted.values())
        return [_row(key, None, clips, counts)]
    rows = []
    for domain in sorted(domain for domain in domains if domain):
        own = [clip for clip in clips if clip.domain == domain]
        counts = None if wanted is None else [wanted[domain]] if domain in wanted else []
        rows.append(_row(key, domain, own, counts))
    return rows


def _row(
    key: tuple[str, str, str],
    domain: str | None,
    clips: list[Clip],
    counts: list[ClipCount] | None,
) -> tuple[CountRow, list[Clip]]:
    labels = Counter(clip.is_anomalous for clip in clips)
    row = CountRow(
        *key,
        domain=domain,
        found_normal=labels[False],
        found_anomalous=labels[True],
        found_unlabeled=labels[None],
        expected_normal=_sum([None] if counts is None else [each.normal for each in counts]),
        expected_anomalous=_sum([None] if counts is None else [each.anomalous for each in counts]),
    )
    if counts is None or (row.num_expected is None and clips):
        return row, clips
    return row._replace(is_as_expected=row.fault is None), clips


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _difference(items: Iterable[tuple[int, str, int | None]]) -> str | None:
    texts = [f"{found} {what}, expected {want}" for found, what, want in items if found != want]
    return "; ".join(texts) or None
