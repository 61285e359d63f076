"""The lines of a submission become a clip table: joined by file name, and complete.

Names of development clips say label and domain. Evaluation clips, under whatever names,
are looked up in the ground truth. Every clip that was to be scored must have one score,
and no other may have any.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from asdkeras.data import naming
from asdkeras.data.clip_table import COLUMNS
from asdkeras.data.manifest import ClipCount, Dataset
from asdkeras.data.truth import Truth, TruthRow
from asdkeras.errors import Faults, shortened
from asdkeras.metrics.official import RuleSet
from asdkeras.submission import DECISION, SCORE, SubmittedSystem, Value, file_name

_FURTHER_COLUMNS = {"name": "string", "score": "float64", "decision": "boolean", "part": "string"}


@dataclasses.dataclass(frozen=True)
class SubmittedClips:
    """The test clips that one system scored.

    The table is a clip table, sorted as the evaluators sort their lines, with the further columns
    `name` (of the clip as it was distributed), `score` (float64), `decision` (boolean, NA without
    decision files) and `part` (`dev`, `eval`). It is not to be used if there is any fault.
    """

    table: pd.DataFrame
    absent_machine_types: tuple[str, ...]  # Wholly absent, though they should be there.
    faults: tuple[str, ...]
    notes: tuple[str, ...]


class _Clip(NamedTuple):
    machine_type: str
    section: str
    name: str
    domain: str | None
    is_anomalous: bool


class _Place(NamedTuple):
    """What one file of a submission is about; the domain in 2021 only."""

    machine_type: str
    section: str
    domain: str | None


def parts_of(
    system: SubmittedSystem, rules: RuleSet, machines: Collection[str] | None = None
) -> set[str]:
    """Parts of the dataset (`dev`, `eval`) that the clips of a system belong to."""
    return {
        rules.part_of(value.machine_type, parsed.section)
        for value in _of_machines(system.scores, machines)
        if (parsed := naming.parse_name(value.clip)) is not None
    }


def join_submission(
    system: SubmittedSystem,
    dataset: Dataset,
    truth: Truth | None,
    rules: RuleSet,
    machines: Collection[str] | None = None,
) -> SubmittedClips:
    """Find out what the clips of a submission are, and whether all are there.

    Args:
        dataset: of the manifest; says how many development clips there are.
        truth: of its evaluation set; None if the submission is not about it.
        rules: of the year.
        machines: machine types to look at. None means that a part must be there as a whole.
    """
    faults = Faults()
    scores, decisions = (
        _identified(_of_machines(values, machines), dataset, truth, rules, faults)
        for values in (system.scores, system.decisions)
    )
    year = dataset.year
    evaluation = []
    if truth is not None:
        evaluation = [
            _true_clip(name, row) for name in truth.machine_types for row in truth.rows(name)
        ]
    development = [
        count for count in dataset.clip_counts if (count.part, count.split) == ("dev", "test")
    ]
    is_development = any(rules.part_of(*clip[:2]) == "dev" for clip in scores)
    expected = (*evaluation, *(development if is_development else ()))
    places = {
        _place(each, year) for each in expected if machines is None or each.machine_type in machines
    }
    known = {place.machine_type for place in places}
    for each in machines or ():
        if each not in known:
            faults.add(each, "there are no scores of it")
    _add_gaps(faults, SCORE, places, evaluation, scores, year)
    _add_miscounted(faults, scores, development, dataset, rules)
    if system.decisions:
        of_scores = {_place(clip, year) for clip in scores}
        _add_gaps(faults, DECISION, of_scores, scores, decisions, year)
        unscored = defaultdict(list)
        for clip, value in decisions.items():
            if clip not in scores:
                unscored[value.path].append(value.clip)
        for path, names in unscored.items():
            faults.add(path, "decisions without a score", f": {_counted(names)}")
    absent = known - {clip.machine_type for clip in scores}
    table = _table(scores, decisions, dataset, rules)
    notes = tuple(_notes(scores, truth))
    found = (*system.faults, *faults.lines())
    return SubmittedClips(table, tuple(sorted(absent)), found, notes)


def _of_machines(values: Iterable[Value], machines: Collection[str] | None) -> list[Value]:
    return [value for value in values if machines is None or value.machine_type in machines]


def _counted(names: Sequence[str]) -> str:
    return f"{shortened(names)} ({len(names)} in all)"


def _place(clip: _Clip | ClipCount, year: int) -> _Place:
    return _Place(clip.machine_type, clip.section, clip.domain if year == 2021 else None)


def _true_clip(machine_type: str, row: TruthRow) -> _Clip:
    return _Clip(machine_type, row.section, row.name, row.domain, row.is_anomalous)


def _identified(
    values: Sequence[Value],
    dataset: Dataset,
    truth: Truth | None,
    rules: RuleSet,
    faults: Faults,
) -> dict[_Clip, Value]:
    """Values by clip; those that are no clip's are added to the faults."""
    found: dict[_Clip, Value] = {}
    first: dict[object, Value] = {}
    odd: dict[tuple[str, str], list[str]] = defaultdict(list)
    for value, clip in zip(values, _clips(values, truth, rules), strict=True):
        if clip is None or (clip.domain is None and dataset.year > 2020):
            odd[value.path, f"no test clips of {dataset.name}"].append(value.clip)
        elif value.section not in (None, clip.section) or value.domain not in (None, clip.domain):
            odd[value.path, "clips of another section or domain"].append(value.clip)
        elif (key := (clip.machine_type, naming.clip_key(clip.name))) in first:
            other = first[key]
            name = value.clip if other.clip == value.clip else f"{value.clip} = {other.clip}"
            place = "here" if other.path == value.path else f"in {other.path}"
            odd[value.path, f"clips that are already {place}"].append(name)
        else:
            found[clip], first[key] = value, value
    for (path, text), names in odd.items():
        faults.add(path, text, f": {_counted(names)}")
    return found


def _clips(values: Sequence[Value], truth: Truth | None, rules: RuleSet) -> Iterator[_Clip | None]:
    """The clip of each value; None where the name is not that of a test clip."""
    rows = {}
    if truth is not None:
        # Names are looked up together: one alone may not say which clip is meant.
        for machine_type in {value.machine_type for value in values}:
            names = [value.clip for value in values if value.machine_type == machine_type]
            for name, row in zip(names, truth.find_all(machine_type, names), strict=True):
                rows[machine_type, name] = row
    for value in values:
        parsed = naming.parse_name(value.clip)
        if parsed is None or parsed.split == "train":
            yield None
        elif rules.part_of(value.machine_type, parsed.section) == "eval":
            row = rows.get((value.machine_type, value.clip))
            yield row and _true_clip(value.machine_type, row)
        elif parsed.is_anomalous is None:
            yield None
        else:
            domain = None if rules.name == "dcase2020" else parsed.domain
            is_anomalous = parsed.is_anomalous
            yield _Clip(value.machine_type, parsed.section, value.clip, domain, is_anomalous)


def _add_gaps(
    faults: Faults,
    kind: str,
    places: Iterable[_Place],
    expected: Iterable[_Clip],
    found: Collection[_Clip],
    year: int,
) -> None:
    """Files of which not a single line is there, then single lines that files lack."""
    here = {_place(clip, year) for clip in found}
    for place in sorted(set(places) - here, key=str):
        faults.add(file_name(kind, f"dcase{year}", *place), "is missing")
    names: dict[_Place, list[str]] = defaultdict(list)
    for clip in expected:
        if clip not in found and _place(clip, year) in here:
            names[_place(clip, year)].append(clip.name)
    for place, of_file in names.items():
        name = file_name(kind, f"dcase{year}", *place)
        faults.add(name, "clips are missing", f": {_counted(of_file)}")


def _add_miscounted(
    faults: Faults,
    scored: Iterable[_Clip],
    development: Iterable[ClipCount],
    dataset: Dataset,
    rules: RuleSet,
) -> None:
    """Development clips cannot be listed, but counted, by section, domain and label.

    In each of these, the official names of all years count the clips, none of them twice.
    """
    clips = [c for c in scored if rules.part_of(c.machine_type, c.section) == "dev"]
    found = Counter((c.machine_type, c.section, c.domain, c.is_anomalous) for c in clips)
    counters: dict[tuple[_Place, object], list[str]] = defaultdict(list)
    for clip in clips:
        if (parsed := naming.parse_name(clip.name)) is not None:
            key = (clip.domain, clip.is_anomalous, parsed.counter)
            counters[_place(clip, dataset.year), key].append(clip.name)
    for (of_file, _), names in counters.items():
        if len(names) > 1:
            faults.add(
                file_name(SCORE, dataset.name, *of_file),
                "one clip under several names",
                f": {_counted(names)}",
            )
    here = {_place(clip, dataset.year) for clip in clips}
    known = set()
    for count in development:
        of_count = (count.machine_type, count.section, count.domain)
        known.add(of_count[:2])
        normal, anomalous = found[*of_count, False], found[*of_count, True]
        expected = (count.normal, count.anomalous)
        is_here = _place(count, dataset.year) in here
        if is_here and None not in expected and (normal, anomalous) != expected:
            faults.add(
                " ".join(filter(None, of_count)),
                f"{normal} normal and {anomalous} anomalous clips have scores, but there are "
                f"{count.normal} and {count.anomalous}",
            )
    for place in sorted({place for place in here if place[:2] not in known}, key=str):
        faults.add(place.machine_type, f"{dataset.name} has no section {place.section}")


def _notes(scored: dict[_Clip, Value], truth: Truth | None) -> Iterator[str]:
    disputed = truth.disputed if truth else ()
    renamed = [
        clip
        for clip, value in scored.items()
        if clip.machine_type in disputed
        and naming.clip_key(value.clip) != naming.clip_key(clip.name)
    ]
    if renamed:
        machine_types = ", ".join(sorted({clip.machine_type for clip in renamed}))
        yield (
            f"{len(renamed)} clips of {machine_types} have names of a published list that "
            "contradicts the tables the challenge scored with. Labels and domains come from the "
            "tables."
        )


def _table(
    scored: dict[_Clip, Value], decided: dict[_Clip, Value], dataset: Dataset, rules: RuleSet
) -> pd.DataFrame:
    rows = [
        {
            **clip._asdict(),
            "path": scored[clip].clip,
            "dataset": dataset.name,
            "split": "test",
            "score": scored[clip].value,
            "decision": bool(decided[clip].value) if clip in decided else None,
            "part": rules.part_of(clip.machine_type, clip.section),
        }
        for clip in sorted(scored, key=lambda clip: clip[:3])
    ]
    types = {**COLUMNS, **_FURTHER_COLUMNS}
    return pd.DataFrame(rows, columns=list(types)).astype(types)
