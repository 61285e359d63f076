"""What a mini corpus should hold by its card."""

import json
import os
from pathlib import Path

from asdkeras.acquire.verification.findings import Finding, finding
from asdkeras.corpus import mini_plan
from asdkeras.corpus.mini import digest_of_files
from asdkeras.data import naming, years
from asdkeras.data.layouts import Layout
from asdkeras.data.manifest import ClipCount
from asdkeras.errors import DataError


def check_mini(layout: Layout, data: Path, decode: bool) -> tuple[list[ClipCount], list[Finding]]:
    """Compare the files of mini corpora of one year with their cards.

    Args:
        layout: of the corpora.
        data: what is checked; clips beside a folder within a corpus do not count.
        decode: whether to read all bytes, too.

    Returns:
        what should be there, and files that are missing, too many, or changed.

    Raises:
        DataError: if a card does not say how the corpus was generated.
    """
    top = Path(os.path.abspath(data))
    counts: dict[tuple[str, str, str, str | None], list[int]] = {}
    found = []
    above = [(path, *path.parents[:3]) for path in map(Path, layout.machine_folders)]
    for folder in sorted(
        {each for paths in above for each in paths if (each / years.CARD).exists()}
    ):
        card = folder / years.CARD
        try:
            content = json.loads(card.read_text(encoding="utf-8"))
            year, digest = content["year"], content["sha256"]
            plan = mini_plan.plan(year, content["size"], content["seed"], content["machines"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{card}: not the card of a mini corpus: {error!r}. Generate the corpus again with "
                "`asdkeras data mini`."
            ) from error
        is_part = top != folder and top.is_relative_to(folder)
        clips = [each for each in plan if not is_part or (folder / each.path).is_relative_to(top)]
        for clip in clips:
            parsed = naming.parse_name(os.path.basename(clip.path))  # None if supplemental.
            domain = parsed.domain if parsed else None
            key = clip.scene.machine_type, clip.scene.section, clip.split, domain
            counts.setdefault(key, [0, 0])[clip.scene.fault >= 0] += 1
        names = {each.path for each in clips} | set(mini_plan.attribute_files(year, clips))
        missing = [name for name in sorted(names) if not (folder / name).is_file()]
        for name in missing:
            kind = "missing clip" if naming.is_audio_name(name) else "missing file"
            fault = "missing, the card of the corpus has it"
            found.append(finding(Path(name).parts[1], kind, os.fspath(folder / name), fault))
        for each in layout.clips:
            path = Path(os.path.abspath(each.path))
            if path.is_relative_to(folder) and path.relative_to(folder).as_posix() not in names:
                fault = "the card of the corpus has it not"
                found.append(finding(each.machine_type, "extra clip", os.fspath(path), fault))
        if decode and not is_part and not missing and digest_of_files(folder, names) != digest:
            fault = "some files were changed since they were generated. Delete the corpus, "
            found.append(finding("", "changed files", os.fspath(card), f"{fault}generate it again"))
    return [ClipCount("dev", *key, *numbers) for key, numbers in counts.items()], found
