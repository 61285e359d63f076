"""What a mini corpus should hold by its card, and whether it holds these very files."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from asdkeras.data import mini_plan, naming, years
from asdkeras.data.machines.acoustics import SAMPLE_RATE_HZ
from asdkeras.data.manifest import ClipCount
from asdkeras.data.verification.findings import Located, locate
from asdkeras.data.verification.recordings import Expected
from asdkeras.errors import DataError

EXPECTED = Expected(SAMPLE_RATE_HZ, num_channels=1, longest_clip_s=None)
_REDO = "Generate the corpus again with `asdkeras data mini`."


@dataclasses.dataclass(frozen=True)
class Corpus:
    """What belongs to a mini corpus, or to the part of it that is checked.

    Attributes:
        card: path of the card.
        sha256: hex digest over all files, by the card.
        is_whole: whether all of it is checked.
        clips: absolute path of each clip, and its machine type.
        tables: absolute path of each file of attributes, and its machine type.
        counts: clips by machine type, section, split and domain.
    """

    card: Path
    sha256: str
    is_whole: bool
    clips: Mapping[str, str]
    tables: Mapping[str, str]
    counts: tuple[ClipCount, ...]


def find_corpora(machine_folders: Iterable[str]) -> list[Path]:
    """Folders of the mini corpora that machine folders belong to."""
    found = []
    for folder in map(Path, machine_folders):
        above = (place for place in (folder, *folder.parents[:3]) if (place / years.CARD).exists())
        found.append(next(above, folder))
    return sorted(set(found))


def read_corpus(folder: Path, data: Path) -> Corpus:
    """Plan what lies in the folder of a mini corpus.

    Args:
        folder: of the corpus.
        data: what is checked; clips beside a folder within the corpus do not count.

    Raises:
        DataError: if the card does not say how the corpus was generated.
    """
    card = folder / years.CARD
    try:
        content = json.loads(card.read_text(encoding="utf-8"))
        year, sha256 = content["year"], str(content["sha256"])
        machines = [str(name) for name in content["machines"]]
        planned = mini_plan.plan(year, content["size"], content["seed"], machines)
        tables = mini_plan.attribute_files(year, planned)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{card}: not the card of a mini corpus: {error!r}. {_REDO}") from error
    clips = {_below(folder, clip.path): clip for clip in planned}
    top = os.path.join(os.path.abspath(data), "")
    is_whole = not top.startswith(_below(folder, "")) or top == _below(folder, "")
    if not is_whole:
        clips = {path: clip for path, clip in clips.items() if path.startswith(top)}
    ours = {clip.scene.machine_type for clip in clips.values()}
    return Corpus(
        card,
        sha256,
        is_whole,
        {path: clip.scene.machine_type for path, clip in clips.items()},
        {_below(folder, name): name.split("/")[1] for name in tables if name.split("/")[1] in ours},
        _counts(clips.values()),
    )


def _below(folder: Path, name: str) -> str:
    return os.path.join(os.path.abspath(folder), *name.split("/"))


def _counts(clips: Iterable[mini_plan.PlannedClip]) -> tuple[ClipCount, ...]:
    counts: dict[tuple[str, str, str, str | None], list[int]] = {}
    for clip in clips:
        name = naming.parse_name(os.path.basename(clip.path))
        domain = name.domain if name else None  # Supplemental names follow another grammar.
        key = clip.scene.machine_type, clip.scene.section, clip.split, domain
        counts.setdefault(key, [0, 0])[clip.scene.fault >= 0] += 1
    return tuple(
        ClipCount("dev", *key, normal, None if key[2] == "supplemental" else anomalous)
        for key, (normal, anomalous) in counts.items()
    )


def compare_files(corpus: Corpus, clips: Collection[str]) -> list[Located]:
    """Find missing and extra files by name.

    Args:
        corpus: what should be there.
        clips: absolute paths of the clips that are, with those that contradict their place.
    """
    missing = [
        locate(machine_type, kind, path, "missing, the card of the corpus has it")
        for kind, wanted in (("missing clip", corpus.clips), ("missing file", corpus.tables))
        for path, machine_type in wanted.items()
        if not os.path.isfile(path)
    ]
    ours = _below(corpus.card.parent, "")
    extra = [
        locate(Path(path).parts[-3], "extra clip", path, "the card of the corpus has it not")
        for path in clips
        if path.startswith(ours) and path not in corpus.clips
    ]
    return missing + extra


def compare_digest(corpus: Corpus, digests: Mapping[str, bytes]) -> list[Located]:
    """Compare the bytes of all files with the digest on the card.

    Args:
        corpus: checked as a whole, or nothing is compared.
        digests: SHA-256 of clips by absolute path; that one is missing is found elsewhere.
    """
    files = [*corpus.clips, *corpus.tables]
    if not corpus.is_whole or not corpus.clips.keys() <= digests.keys():
        return []
    if not all(map(os.path.isfile, corpus.tables)):
        return []
    top = Path(os.path.abspath(corpus.card.parent))
    content = hashlib.sha256()
    for name, path in sorted((Path(path).relative_to(top).as_posix(), path) for path in files):
        digest = digests.get(path) or hashlib.sha256(Path(path).read_bytes()).digest()
        content.update(name.encode() + b"\0" + digest)
    if content.hexdigest() == corpus.sha256:
        return []
    text = "some files were changed since they were generated. Delete the corpus, generate it again"
    return [locate("", "changed files", os.fspath(corpus.card), text)]
