"""A run is opened: its recipe and clips are read, and its folder is found."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from asdkeras import controls, systems
from asdkeras.data.alike import check_recordings
from asdkeras.data.audio import ONE_CHANNEL, soft_channels
from asdkeras.data.clip_table import clip_table, find_clips
from asdkeras.data.layouts import Layout
from asdkeras.data.places import cache_folder
from asdkeras.data.store import ClipStore, open_store
from asdkeras.data.years import MACHINE_TYPES, years_of
from asdkeras.errors import RecipeError
from asdkeras.experiment.dataset import find_data, known_released, known_truth
from asdkeras.experiment.held_out import with_clips_held_out
from asdkeras.experiment.import_keras import import_keras
from asdkeras.experiment.recipe import Recipe, find_recipe, load_recipe, system_config
from asdkeras.experiment.run_folder import RunFolder
from asdkeras.files import digest_of_file, reading
from asdkeras.metrics.official import RULES
from asdkeras.progress import say, stage
from asdkeras.score_files import clip_columns, read_trial


@dataclasses.dataclass(frozen=True)
class RunFiles:
    """A recipe, the file it was read from, the clips it is run on, and the folder of the run.

    The clip table has no supplemental clips.
    """

    recipe: Recipe
    source: Path
    table: pd.DataFrame
    folder: RunFolder

    @property
    def scored(self) -> pd.DataFrame:
        """The clips that are scored: all, or those of the machine types that an ensemble needs."""
        wanted = self.folder.machine_types
        return self.table if wanted is None else self.table[self.table["machine_type"].isin(wanted)]


@dataclasses.dataclass(frozen=True)
class Run(RunFiles):
    """A run whose dataset is at hand, so that models can be trained.

    Attributes:
        store: the audio; the index of the clip table says where in it a clip lies.
        jobs: most tasks trained side by side, each in a process of its own; None trains a model per
            section two at once, others one after the other in this process.
        is_in_process: train all in this process, for programs that a new process could not import.
        left_out: machine types or sections (`fan_00`) of the dataset that were not asked for.
    """

    data: Path
    store: ClipStore
    jobs: int | None = None
    is_in_process: bool = False
    left_out: tuple[str, ...] = ()


def open_run(
    system: str,
    data: Path | None = None,
    *,
    variant: str | None = None,
    machines: Sequence[str] | None = None,
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    runs: Path = Path("runs"),
    jobs: int | None = None,
) -> Run:
    """Read recipe and dataset; nothing of the run itself is written yet.

    Args:
        data: None as in `find_data`.
        variant: None takes the recipe's.
        recipe: name or file; None chooses by dataset.
        overrides: `key=value` changes of the recipe.

    Raises:
        RecipeError: if system, variant, recipe or an override is not understood.
        DataError: if the dataset is missing or damaged.
    """
    systems.check(system)
    if recipe is not None:  # A wrong recipe shall not wait for the data.
        load_recipe(find_recipe(system, "", recipe), system, variant, overrides)
    data = find_data(data)
    layout = find_clips(data)
    source = find_recipe(system, layout.dataset, recipe)
    content = load_recipe(source, system, variant, overrides)
    table, notes = clip_table(
        data,
        layout,
        machines,
        truth=known_truth(layout.dataset),
        released=known_released(layout) if content.clips.released_attributes else None,
        supplemental=content.clips.supplemental,
    )
    for note in (*notes, *(_absent(table) if machines is None else ())):
        say(f"note: {note}")
    run = _opened(content, source, data, table, runs / system, jobs)
    return dataclasses.replace(run, left_out=_left_out(layout, table))


def _absent(table: pd.DataFrame) -> Iterator[str]:
    """Of each set of a year of the challenge that is here in part, what is not."""
    dataset = str(table["dataset"].iloc[0])
    rules = RULES.get(dataset)
    if rules is None or not (year := years_of(dataset)):
        return
    known = MACHINE_TYPES[year[0]]
    new = {name for name in known if (name, "*") in rules.evaluation}
    types = {"dev": known - new, "eval": new or known}
    pairs = table[["machine_type", "section"]].drop_duplicates().itertuples(index=False)
    here = {(rules.part_of(*pair), pair.machine_type) for pair in pairs}
    for part, name in (("dev", "development"), ("eval", "evaluation")):
        absent = sorted(each for each in types[part] if (part, each) not in here)
        if 0 < len(absent) < len(types[part]):
            count, total = len(types[part]) - len(absent), len(types[part])
            yield (
                f"{dataset}: of the {name} set {', '.join(absent)} are not here: its means are "
                f"over {count} of {total} machine types."
            )


def _left_out(layout: Layout, table: pd.DataFrame) -> tuple[str, ...]:
    """Machine types with training clips that the clip table lacks, or sections of them."""
    kept = set(zip(table["machine_type"], table["section"], strict=True))
    types = {machine_type for machine_type, _ in kept}
    trained = {(each.machine_type, each.section) for each in layout.clips if each.split == "train"}
    missing = trained - kept
    return tuple(
        sorted({name if name not in types else f"{name}_{section}" for name, section in missing})
    )


def run_on_clips(
    system: str,
    table: pd.DataFrame,
    data: Path,
    *,
    variant: str | None = None,
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    runs: Path,
    jobs: int | None = None,
) -> Run:
    """As `open_run`, of the clip table that was read from `data` already.

    Raises:
        RecipeError: if system, variant, recipe or an override is not understood.
        DataError: if clips are damaged.
    """
    source = find_recipe(system, str(table["dataset"].iloc[0]), recipe)
    content = load_recipe(source, system, variant, overrides)
    return _opened(content, source, data, table, runs / system, jobs)


def _opened(
    content: Recipe, source: Path, data: Path, table: pd.DataFrame, place: Path, jobs: int | None
) -> Run:
    path = place / content.run_name / str(table["dataset"].iloc[0])
    if not (path / "recipe.yaml").exists():  # Else it has been checked before.
        import_keras()
        system_config(content, source)
    with stage("decode clips") as update:
        store = open_store(table, content.audio, cache_folder() / "store", on_progress=update)
    alike = check_recordings(table, store, content.audio.channel)
    firsts = table.groupby("machine_type")["path"].first()
    soft = [soft_channels(Path(path), content.audio) for path in firsts]
    for note in (*store.notes, *alike, *(f"{each}. {ONE_CHANNEL}" for each in soft if each)):
        say(f"note: {note}")
    weights = [value for value in _texts(content.config) if value.endswith((".keras", ".h5"))]
    folder = RunFolder(path, content.digest(), _fingerprint(table, store, weights))
    table = table[table["split"] != "supplemental"]
    # Where scorers alone learn, they are fitted anew without the clips that they are to score.
    if content.thresholds.rule == "held_out" and content.system != controls.SPECTRA:
        table = with_clips_held_out(table, store, content.thresholds.false_alarm_rate)
    return Run(content, source, table, folder, data, store, jobs)


def open_finished(folder: Path) -> RunFiles:
    """A run that has scores, from the files in its folder alone.

    Raises:
        RecipeError: if there is no such run, or it has no scores yet.
    """
    source, environment = folder / "recipe.yaml", folder / "environment.json"
    if not source.is_file() or not environment.is_file():
        raise RecipeError(f"{folder}: no run. `asdkeras train` or `asdkeras eval` makes one.")
    recipe = load_recipe(source)
    scores = folder / "scores" / f"seed{recipe.seeds[0]}"
    if not (scores / "scores.csv").is_file():
        raise RecipeError(f"{folder}: has no scores yet. `asdkeras eval` finishes it.")
    with reading(environment):
        fingerprint = str(json.loads(environment.read_text("utf-8"))["data_fingerprint"])
    own = RunFolder(folder, recipe.digest(), fingerprint)
    return RunFiles(recipe, source, read_trial(scores).table, own)


def _texts(section: Mapping[str, object]) -> Iterator[str]:
    for value in section.values():
        if isinstance(value, dict):
            yield from _texts(value)
        elif isinstance(value, str):
            yield value


def _fingerprint(table: pd.DataFrame, store: ClipStore, weights: Sequence[str]) -> str:
    """Of audio and labels, and of files of weights that the recipe names."""
    text = clip_columns(table).to_csv(index=False, lineterminator="\n")
    text += "".join(digest_of_file(Path(path)) for path in weights if Path(path).is_file())
    return hashlib.sha256(f"{store.fingerprint}\n{text}".encode()).hexdigest()
