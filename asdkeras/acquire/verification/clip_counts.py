"""How many clips of each kind are here, against how many there should be."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
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
        counts = [
            (self.found_normal, "normal", self.expected_normal or 0),
            (self.found_anomalous, "anomalous", self.expected_anomalous or 0),
        ]
        if self.split == "supplemental" or self.found_unlabeled:
            # Of clips without labels, at least no label may have too many.
            counts = [count for count in counts if count[0] > count[2]]
            if self.num_found != self.num_expected:
                counts = [(self.num_found, "clips", self.num_expected)]
        texts = [
            f"{found} {what}, expected {want}" for found, what, want in counts if found != want
        ]
        return "; ".join(texts) or None


def count_clips(clips: Iterable[Clip], expected: Collection[ClipCount] | None) -> list[CountRow]:
    """Count clips, in order of machine type, section, split and domain.

    Args:
        clips: what is here.
        expected: what should be; None if nothing is known, as of an own dataset.

    Returns:
        rows, those expected and not here included.
    """
    found: defaultdict[tuple[str, str, str], Counter[tuple[str | None, bool | None]]]
    found = defaultdict(Counter)
    for clip in clips:
        found[clip.machine_type, clip.section, clip.split][clip.domain, clip.is_anomalous] += 1
    wanted: defaultdict[tuple[str, str, str], dict[str | None, ClipCount]] = defaultdict(dict)
    for count in expected or ():
        wanted[count.machine_type, count.section, count.split][count.domain] = count
    # Of a section that is known, a split that is not listed may or may not exist.
    known_sections = {key[:2] for key in wanted}
    rows = []
    for key in sorted(found.keys() | wanted.keys()):
        is_open = expected is None or (key not in wanted and key[:2] in known_sections)
        domains = {domain for domain, _ in found[key]} | set(wanted[key])
        # All together if a clip or a count does not state its domain.
        for domain in [None] if None in domains else sorted(filter(None, domains)):
            counts = [each for name, each in wanted[key].items() if domain in (None, name)]
            labels = Counter[bool | None]()
            for (name, label), number in found[key].items():
                labels[label] += number if domain in (None, name) else 0
            row = CountRow(
                *key,
                domain=domain,
                found_normal=labels[False],
                found_anomalous=labels[True],
                found_unlabeled=labels[None],
                expected_normal=None if is_open else _sum([each.normal for each in counts]),
                expected_anomalous=None if is_open else _sum([each.anomalous for each in counts]),
            )
            if not is_open and (row.num_expected is not None or not row.num_found):
                row = row._replace(is_as_expected=row.fault is None)
            rows.append(row)
    return rows


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None
