"""Generated corpora: recordings of machines in the official layout of a DCASE year.

With them everything runs, and scores of methods differ, before anybody has downloaded gigabytes.
The size `mini` is for trying things, `bench` for comparing methods, `tiny` for tests. Each machine
type is a small physical model (`corpus/machines/`) with named parameters. The units of a type, its
sections, differ a little in these parameters, and faults change the same parameters by a severity
that is drawn for each anomalous clip, so that no two are equally easy to find. Attributes drive
the physics, the target domain has other ones, and each clip has another background. Every clip
is scaled to a level that is drawn alike for normal and anomalous ones, so the level says nothing.
Scores are not those of the papers and cannot be compared with them.

`benchmarks/calibrate_corpus.py` measures how hard they are, `results/corpus/` has the numbers.
"""

import concurrent.futures
import difflib
import functools
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

import soundfile

from asdkeras.corpus.machines.acoustics import SAMPLE_RATE_HZ
from asdkeras.corpus.machines.recording import record
from asdkeras.corpus.mini_plan import (
    MACHINES,
    PlannedClip,
    attribute_files,
    default_machines,
    plan,
)
from asdkeras.corpus.sizes import Size
from asdkeras.data.years import CARD
from asdkeras.errors import DataError, RecipeError
from asdkeras.files import PART_PREFIX, replacing, write_text

FORMAT_VERSION = 2
_UNFINISHED_NAME = "mini_corpus.unfinished.json"
_WAV_HEADER_BYTES = 44


def generate(
    out: Path,
    *,
    year: int,
    size: Size,
    seed: int,
    machines: Sequence[str] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    workers: int | None = None,
) -> Path:
    """Write a corpus, or what is missing of it, into `out`, which is returned.

    Each clip depends on the seed and on its own identity only, so the files are the same bytes on
    every machine, for any number of workers, in one go or after interruptions.

    Args:
        out: new, empty, or a folder that holds the same corpus in any state.
        year: 2020 to 2025; whose layout, file names and machine types.
        size: "tiny" (about 100 clips), "mini" (1000 to 2000) or "bench" (1900 to 2800), each of
            2 s; years of one section have the larger numbers.
        seed: from 0; other seeds give other machines.
        machines: machine types of that year; default: a choice of two to seven.
        on_progress: called with the clips that are there and all clips.
        workers: threads, default one per processor.

    Raises:
        RecipeError: for a year, size, seed or machine type that does not exist.
        DataError: if `out` holds something else, or files were changed since.
    """
    chosen = _checked(year, size, seed, machines)
    out = Path(out)
    parameters = {
        "asdkeras_mini_corpus": FORMAT_VERSION,
        "year": year,
        "size": size,
        "seed": seed,
        "machines": list(chosen),
    }
    clips = plan(year, size, seed, chosen)
    tables = attribute_files(year, clips)
    _check_folder(out, parameters, {clip.path for clip in clips} | set(tables))
    missing = [clip for clip in clips if not _is_complete(out, clip)]
    card = out / CARD
    if not missing and card.exists() and all((out / name).exists() for name in tables):
        _check_unchanged(card, _card(out, parameters, clips, sorted(tables)))
        return out
    write_text(out / _UNFINISHED_NAME, json.dumps(parameters))
    # Threads suffice, because array arithmetic runs outside the interpreter's lock, and unlike
    # processes they work in any script and beside TensorFlow.
    with concurrent.futures.ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        record_one = functools.partial(_record_one, out, year, seed)
        # An interruption drops the iterator of `map`, which cancels what has not begun.
        for number, _ in enumerate(pool.map(record_one, missing), start=1):
            on_progress(len(clips) - len(missing) + number, len(clips))
    for name, text in tables.items():
        write_text(out / name, text)
    content = _card(out, parameters, clips, sorted(tables))
    if card.exists():  # Files were missing.
        _check_unchanged(card, content)
    write_text(card, content)
    (out / _UNFINISHED_NAME).unlink()
    return out


def _check_unchanged(card: Path, content: str) -> None:
    if card.read_text(encoding="utf-8") != content:
        raise DataError(
            f"{card}: files of this corpus were changed since they were generated. Delete the "
            "folder to have them again, or name another one."
        )


def digest_of_files(out: Path, names: Iterable[str]) -> str:
    """Hex digest over names and bytes of files of a corpus."""
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(name.encode() + b"\0" + hashlib.sha256((out / name).read_bytes()).digest())
    return digest.hexdigest()


def _checked(year: int, size: str, seed: int, machines: Sequence[str] | None) -> tuple[str, ...]:
    if year not in MACHINES:
        raise RecipeError(
            f"year must be one of {', '.join(map(str, MACHINES))}, the years that can be "
            f"generated. Received: year={year!r}"
        )
    if size not in get_args(Size):
        known = ", ".join(f"`{name}`" for name in get_args(Size))
        raise RecipeError(f"size must be one of {known}. Received: size={size!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise RecipeError(f"seed must be a whole number from 0. Received: seed={seed!r}")
    if machines is None:
        return default_machines(year, size)  # type: ignore[arg-type]
    if not machines or isinstance(machines, str):
        raise RecipeError(
            f"machines must be a list of at least one machine type. Received: machines={machines!r}"
        )
    for name in machines:
        if name not in MACHINES[year]:
            by_lower = {known.lower(): known for known in MACHINES[year]}
            near = difflib.get_close_matches(str(name).lower(), by_lower, 1)
            hint = f" Did you mean `{by_lower[near[0]]}`?" if near else ""
            raise RecipeError(
                f"machines: {year} has no machine type `{name}`.{hint} "
                f"It has {', '.join(MACHINES[year])}. Received: machines={list(machines)!r}"
            )
    return tuple(sorted(set(machines)))


def _check_folder(out: Path, parameters: dict[str, Any], known: set[str]) -> None:
    """Raise unless the folder is free or holds this very corpus; sweep away half-written files."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file, a corpus needs a folder. Name another one.")
    cards = [out / name for name in (CARD, _UNFINISHED_NAME) if (out / name).exists()]
    if not cards:
        if out.exists() and any(out.iterdir()):
            raise DataError(
                f"{out}: is not empty and holds no generated corpus, so nothing is written there. "
                "Name a new or an empty folder."
            )
        return
    for card in cards:
        try:
            content = json.loads(card.read_text(encoding="utf-8"))
            present = {key: content.get(key) for key in parameters}
        except (ValueError, AttributeError) as error:
            raise DataError(
                f"{card}: is not the card of a generated corpus. Name another folder or delete "
                "this one."
            ) from error
        if present != parameters:
            raise DataError(
                f"{card}: the folder holds another generated corpus, {json.dumps(present)}. "
                f"Name another folder or delete this one. Received: {json.dumps(parameters)}"
            )
    for debris in out.rglob(f"{PART_PREFIX}*"):
        debris.unlink(missing_ok=True)
    files = [each for each in out.rglob("*") if each.suffix in (".wav", ".csv") and each.is_file()]
    foreign = sorted(path for path in files if path.relative_to(out).as_posix() not in known)
    if foreign:
        raise DataError(
            f"{foreign[0]}: is one of {len(foreign)} file(s) that do not belong to this "
            "corpus but would be read with it. Move them elsewhere, or name another folder."
        )


def _is_complete(out: Path, clip: PlannedClip) -> bool:
    """Whether the file is there; it is written in one step, so its size settles the rest."""
    path = out / clip.path
    return path.is_file() and path.stat().st_size == _WAV_HEADER_BYTES + 2 * clip.scene.length


def _record_one(out: Path, year: int, seed: int, clip: PlannedClip) -> None:
    samples = record(clip.scene, seed, f"{year} {clip.scene.length} {clip.path}")
    with replacing(out / clip.path) as temporary:
        coded = io.BytesIO()  # The library does not say that a disk is full.
        soundfile.write(coded, samples, SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")
        temporary.write_bytes(coded.getbuffer())


def _card(
    out: Path, parameters: dict[str, Any], clips: Sequence[PlannedClip], tables: Sequence[str]
) -> str:
    digest = digest_of_files(out, [*(clip.path for clip in clips), *tables])
    counts: dict[str, dict[str, int]] = {}
    for machine_type in parameters["machines"]:
        own = (clip for clip in clips if clip.scene.machine_type == machine_type)
        counts[machine_type] = dict(Counter(clip.split for clip in own))
    card = {**parameters, "clips": len(clips), "counts": counts, "sha256": digest}
    return json.dumps(card, indent=2) + "\n"
