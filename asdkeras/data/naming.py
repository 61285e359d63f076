"""File names of the DCASE Task 2 datasets, 2020 to 2026, and their parts.

Three grammars: 2020 (`normal_id_01_00000000.wav`), 2021 and later
(`section_00_source_train_normal_0000_<attributes>.wav`, evaluation names leave parts out), and
the supplemental clips of 2025 (`section_00_machine_0001_.wav`). Nothing is read from a
position: a name may lack any middle part.
"""

import dataclasses
import re
from collections.abc import Collection
from typing import Literal

_END = r"(?i:\.(?:wav|flac))"
_2020 = re.compile(
    rf"(?:(?P<condition>normal|anomaly)_)?id_(?P<section>\d\d)_(?P<counter>\d{{8}}){_END}", re.ASCII
)
_2021 = re.compile(
    r"section_(?P<section>\d\d)(?:_(?P<domain>source|target))?(?:_(?P<split>train|test))?"
    # ASDKit renames the clips of 2020 to this form and leaves their eight digits.
    r"(?:_(?P<condition>normal|anomaly))?_(?P<counter>\d{4}(?:\d{4})?)"
    rf"(?:_(?P<attributes>.*))?{_END}",
    re.ASCII,
)
_SUPPLEMENTAL = re.compile(
    r"section_(?P<section>\d\d)_(?:(?P<origin>source|noise)_supplemental_)?"
    rf"(?P<content>machine|noise|normal)_(?P<counter>\d{{4}})(?:_(?P<attributes>.*))?{_END}",
    re.ASCII,
)
_WITHHELD = "noAttribute"
COPY = "named like a copy, as browsers and systems make them, of another clip"
"""What is said of a file with an official name among `copies`."""
_COPY = re.compile(
    r".+(?:[ _-]*\(\d+\)|[ _-]+(?:\((?:\w+ )?copy\)|copy)(?: ?\(?\d+\)?)?|~\d*)", re.IGNORECASE
)

ClipKey = tuple[object, ...]


@dataclasses.dataclass(frozen=True)
class ClipName:
    """Parts of one file name; None where it says nothing.

    `attributes` is the whole text after the counter: it may hold `_`, `-` and `.`, may end in `_`,
    and is not always key and value.
    """

    grammar: Literal[2020, 2021, "supplemental"]  # 2021 stands for all later years.
    section: str  # Two digits; the machine id of 2020.
    domain: Literal["source", "target"] | None
    split: Literal["train", "test", "supplemental"] | None  # None in training names of 2020.
    is_anomalous: bool | None  # None in evaluation names and for noise without a machine.
    counter: str  # Digits; neither unique nor the same before and after labeling.
    attributes: str | None
    is_withheld: bool = False  # The name carries the `noAttribute` marker.
    is_noise: bool | None = None  # A supplemental clip has no machine in it.


def is_audio_name(name: str) -> bool:
    """Whether a file name ends like audio we read; hidden files (`._x.wav`) do not count."""
    return name.lower().endswith((".wav", ".flac")) and not name.startswith(".")


def parse_name(name: str) -> ClipName | None:
    """Parse the file name, without folders, of a training or test clip.

    None if it follows neither the grammar of 2020 nor that of 2021.

    >>> parse_name("section_00_source_normal_0035_weight15_BckgF.wav").attributes
    'weight15_BckgF'
    >>> parse_name("anomaly_id_05_00000012.wav").is_anomalous
    True
    >>> parse_name("recording 7.wav") is None
    True
    """
    if match := _2021.fullmatch(name):
        return _named(2021, match)
    if match := _2020.fullmatch(name):
        return _named(2020, match)
    return None


def parse_supplemental_name(name: str) -> ClipName | None:
    """Parse the file name of a supplemental clip; None if it follows no reported form.

    The folder decides that a clip is supplemental, because the organizers' names are not known for
    certain. The name only says whether a machine is in the recording.

    >>> parse_supplemental_name("section_00_noise_supplemental_normal_0000.wav").is_noise
    True
    """
    match = _SUPPLEMENTAL.fullmatch(name)
    if match is None:
        return None
    is_noise = "noise" in (match["origin"], match["content"])
    return dataclasses.replace(
        _named("supplemental", match),
        domain="source" if match["origin"] == "source" else None,
        split="supplemental",
        is_anomalous=None if is_noise else False,
        is_noise=is_noise,
    )


def copies(names: Collection[str]) -> set[str]:
    """Those file names that were made from others, as `x (1).wav`, `x - Copy.wav`, `x 2.wav`.

    `x 2.wav` and others with an unknown ending count as copies where `x.wav` is there, too.

    >>> sorted(copies(["a_1.wav", "a_1 2.wav", "a_2 (1).wav", "a_2 copy.wav", "b_slow 2.wav"]))
    ['a_1 2.wav', 'a_2 (1).wav', 'a_2 copy.wav']
    """
    stems = {name: name.rpartition(".")[0] for name in names}
    known = set(stems.values())
    return {
        name
        for name, stem in stems.items()
        if _COPY.fullmatch(stem)
        or any(stem[: match.start()] in known for match in re.finditer(r"[ (~-]", stem))
    }


def clip_key(name: str) -> ClipKey | None:
    """What all names of one clip have in common; None if `parse_name` does not know the name.

    Training and test clips differ in it, but neither an ending nor a missing `_test` counts, nor
    that ASDKit calls the only domain of 2020 the source domain.

    >>> clip_key("section_03_test_0000.flac") == clip_key("section_03_0000.wav")
    True
    """
    parsed = parse_name(name)
    if parsed is None:
        return None
    is_converted = len(parsed.counter) == 8 and parsed.domain == "source"  # Digits of 2020.
    return (
        parsed.section,
        None if is_converted else parsed.domain,
        parsed.split == "train",
        parsed.is_anomalous,
        parsed.counter,
        parsed.attributes,
        parsed.is_withheld,
    )


def _named(grammar: Literal[2020, 2021, "supplemental"], match: re.Match[str]) -> ClipName:
    parts = dict.fromkeys(("domain", "split", "condition", "attributes")) | match.groupdict()
    condition, attributes = parts["condition"], parts["attributes"]
    return ClipName(
        grammar=grammar,
        section=match["section"],
        domain=parts["domain"],
        split=parts["split"],
        is_anomalous=None if condition is None else condition == "anomaly",
        counter=match["counter"],
        attributes=None if attributes in ("", _WITHHELD) else attributes,
        is_withheld=attributes == _WITHHELD,
    )
