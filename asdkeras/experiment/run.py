"""From a recipe and a dataset to a run folder: train, represent, score, each done once."""

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from asdkeras import systems
from asdkeras.data.clips import clip_table, find_clips
from asdkeras.data.store import ClipStore
from asdkeras.errors import RecipeError
from asdkeras.experiment.dataset import (
    decoded,
    find_data,
    known_released,
    known_truth,
)
from asdkeras.experiment.ensembles import write_ensemble
from asdkeras.experiment.import_keras import import_keras
from asdkeras.experiment.members import Combination, Member
from asdkeras.experiment.memory import peak_mib
from asdkeras.experiment.recipe import Recipe, find_recipe, load_recipe, system_config
from asdkeras.experiment.run_folder import RunFolder, claim, finish_trial, locked
from asdkeras.experiment.stages import largest_peak_mib, recorded
from asdkeras.experiment.task_processes import Task, run_side_by_side
from asdkeras.files import replacing
from asdkeras.metrics.official import rules_for
from asdkeras.progress import say
from asdkeras.score_files import TrialScores, read_story

_SECTIONS_AT_ONCE = 2


@dataclasses.dataclass(frozen=True)
class Run:
    """A recipe on a dataset.

    Attributes:
        recipe: as it will be run.
        source: file the recipe was read from.
        data: where the dataset lies.
        table: clip table, without supplemental clips; its index says where in `store` a
            clip lies.
        store: the audio.
        folder: of the run.
        jobs: most tasks trained side by side, each in a process of its own; None leaves it to
            the system: a model per section two at once, others one after the other in this
            process.
        is_in_process: whether everything is trained in this process whatever the system, for
            programs that a new process could not import.
    """

    recipe: Recipe
    source: Path
    data: Path
    table: pd.DataFrame
    store: ClipStore
    folder: RunFolder
    jobs: int | None = None
    is_in_process: bool = False


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
        system: name of the system.
        data: dataset; None as in `find_data`.
        variant: of the system; None takes the recipe's.
        machines: machine types to use; None means all.
        recipe: name or file; None chooses by dataset.
        overrides: `key=value` changes of the recipe.
        runs: folder of all runs.
        jobs: as in `Run`.

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
    for note in notes:
        say(f"note: {note}")
    return _opened(content, source, data, table, runs / system, jobs)


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
    """As `open_run`, of a clip table that was read already.

    Where its clips have nothing that the variant learns to tell apart, the one that the system
    falls back to is taken, and the user is told.

    Args:
        system: name of the system.
        table: clip table.
        data: where it was read from.
        variant: as in `open_run`.
        recipe: name or file; None chooses by the dataset that the table names.
        overrides: as in `open_run`.
        runs: folder of all runs.
        jobs: as in `Run`.

    Raises:
        RecipeError: if system, variant, recipe or an override is not understood.
        DataError: if clips are damaged.
    """
    source = find_recipe(system, str(table["dataset"].iloc[0]), recipe)
    content = load_recipe(source, system, variant, overrides)
    import_keras()
    able = _able_variant(content, source, table)
    if able != content.variant:
        say(
            f"note: these clips leave {content.variant} nothing to tell apart; falling back to "
            f"--variant {able}"
        )
        content = load_recipe(source, system, able, overrides)
    return _opened(content, source, data, table, runs / system, jobs)


def _able_variant(content: Recipe, source: Path, table: pd.DataFrame) -> str:
    """The variant of a recipe, or the one its system falls back to on such clips."""
    config = system_config(content, source)
    fallback = getattr(systems.load(content.system), "fallback", None)
    return content.variant if fallback is None else str(fallback(config, table))


def _opened(
    content: Recipe, source: Path, data: Path, table: pd.DataFrame, place: Path, jobs: int | None
) -> Run:
    path = place / content.variant / str(table["dataset"].iloc[0])
    if not (path / "recipe.yaml").exists():  # Else it has been checked before.
        import_keras()
        system_config(content, source)
    store = decoded(table, content.audio)
    for note in store.notes:
        say(f"note: {note}")
    folder = RunFolder(path, content.digest(), _fingerprint(table, store))
    table = table[table["split"] != "supplemental"]
    return Run(content, source, data, table, store, folder, jobs)


def missing_scores(run: Run) -> list[int]:
    """Seeds whose score files are not there yet."""
    first = run.folder.scores(run.recipe.seeds[0])
    if run.folder.is_done(first) and "pooled_seeds" in read_story(first):
        is_pooled = read_story(first)["pooled_seeds"] == list(run.recipe.seeds)
        return [] if is_pooled else list(run.recipe.seeds)
    return [s for s in run.recipe.seeds if not run.folder.is_done(run.folder.scores(s))]


def train(run: Run) -> None:
    """Train and represent whatever has not been yet.

    Raises:
        RecipeError: if the system refuses the recipe, or the folder holds another run.
        TrainingError: if training diverges.
    """
    system = system_of(run)
    with locked(run.folder):
        _claim(run, system)
        if _is_ensemble(system):
            for member in member_runs(run, system).values():
                train(member)
        else:
            _train_missing(run, system, run.recipe.seeds)


def score(run: Run) -> None:
    """Train, represent, score and decide whatever has not been yet.

    Raises:
        RecipeError: if the system refuses the recipe, or the folder holds another run.
        TrainingError: if training diverges.
    """
    if not missing_scores(run):
        return
    system = system_of(run)
    with locked(run.folder):
        _claim(run, system)
        if _is_ensemble(system):
            members = member_runs(run, system)
            for member in members.values():
                score(member)
            _combine_trials(run, system, members)
        else:
            _score_missing(run, system)


def _score_missing(run: Run, system: Any) -> None:
    seeds = missing_scores(run)
    if _num_jobs(run, system) is not None:  # Then no trial waits for the scores of another.
        _train_missing(run, system, seeds)
    for seed in seeds:
        _train_missing(run, system, [seed])
        warnings = _warnings(run, system, seed)
        # Many small matrices: several threads per matrix cost more than they bring, and
        # how they split a sum would show in the last digit.
        with recorded(run.folder.path, f"score seed {seed}"), threadpool_limits(1):
            _score_trial(run, system, seed, warnings)


def system_of(run: Run) -> Any:
    """The `System` or `Ensemble` of a run. Imports Keras.

    Raises:
        RecipeError: if the system refuses the recipe.
    """
    import_keras()
    config = system_config(run.recipe, run.source)
    return systems.load(run.recipe.system).build(config)


def _claim(run: Run, system: Any) -> None:
    jobs = 1 if _is_ensemble(system) else _num_jobs(run, system) or 1
    claim(run.folder, run.recipe, run.source, run.data, jobs)


def _is_ensemble(system: Any) -> bool:
    from asdkeras.systems.system import Ensemble

    return isinstance(system, Ensemble)


def member_runs(run: Run, ensemble: Any) -> dict[str, Run]:
    """The runs an ensemble is made of, by variant: the same recipe but for the variant."""
    runs, dataset = run.folder.path.parents[1], run.folder.path.name
    present = set(run.table["machine_type"])
    scored: set[str] = set()
    members = {}
    for variant, machine_types in ensemble.members.items():
        of_member = present if machine_types is None else present & set(machine_types)
        if not of_member:
            continue
        scored |= of_member
        recipe = dataclasses.replace(run.recipe, config={**run.recipe.config, "variant": variant})
        folder = dataclasses.replace(
            run.folder, path=runs / variant / dataset, recipe_digest=recipe.digest()
        )
        members[variant] = dataclasses.replace(run, recipe=recipe, folder=folder)
    if present - scored:
        raise RecipeError(
            f"{run.recipe.variant} has no member for {', '.join(sorted(present - scored))}. Choose "
            "another variant, or leave these machine types out with --machines."
        )
    return members


def _combine_trials(run: Run, ensemble: Any, runs: Mapping[str, Run]) -> None:
    trials = {
        seed: [
            member_of(ensemble, name, member.folder.scores(seed)) for name, member in runs.items()
        ]
        for seed in missing_scores(run)
    }
    pooled = {}
    if ensemble.pools_trials:
        pooled = {"pooled_seeds": list(run.recipe.seeds)}
        everyone = [
            each._replace(name=f"{each.name} seed {seed}")
            for seed, members in trials.items()
            for each in members
        ]
        trials = {run.recipe.seeds[0]: everyone}
    rule = rule_of(ensemble)
    for seed, members in trials.items():
        write_ensemble(
            run.folder,
            seed,
            members,
            rule,
            decide=ensemble.decide,
            published_rows=ensemble.published_rows,
            **pooled,
        )


def member_of(ensemble: Any, variant: str, scores: Path) -> Member:
    """A trial of a variant as member of an ensemble."""
    weights = (ensemble.weights or {}).get(variant)
    return Member(scores, variant, machine_types=ensemble.members[variant], weights=weights)


def rule_of(ensemble: Any) -> Combination:
    """How the members of an ensemble become one."""
    return Combination(
        ensemble.combine,
        ensemble.answer,
        ensemble.normalize,
        ensemble.weights_from_labels,
        ensemble.oracle,
        ensemble.normalize_on,
        ensemble.best_from_labels,
        ensemble.combine_from_labels,
    )


def _num_jobs(run: Run, system: Any) -> int | None:
    """How many tasks at once, each in a process of its own; None for all in this one."""
    if run.is_in_process:
        return None
    if system.scope == "section":  # Dozens of models: one process would keep something of each.
        return run.jobs or min(_SECTIONS_AT_ONCE, os.cpu_count() or 1)
    return None if run.jobs is None or run.jobs == 1 else run.jobs


def _train_missing(run: Run, system: Any, seeds: Sequence[int]) -> None:
    """Train and represent the missing units of some trials."""
    tables = dict(_units(run.table, system.scope))
    units = [(unit, seed) for seed in seeds for unit in tables]
    missing = [each for each in units if not run.folder.is_done(run.folder.task(*each))]
    jobs = _num_jobs(run, system)
    if jobs is None:
        for unit, seed in missing:
            _train_unit(run, system, unit, tables[unit], seed)
        return
    run_side_by_side(
        [Task(f"train {run.recipe.variant} {u} seed {s}", (run, u, s)) for u, s in missing],
        _train_in_own_process,
        jobs=jobs,
        needed_mib=largest_peak_mib(run.folder.path),
    )


def _train_in_own_process(run: Run, unit: str, seed: int) -> float:
    """Train one unit; the peak of the memory of this process, in MiB."""
    system = system_of(run)
    table = dict(_units(run.table, system.scope))[unit]
    _train_unit(run, system, unit, table, seed)
    return peak_mib()


def _warnings(run: Run, system: Any, seed: int) -> list[str]:
    """What training said of all units of a trial."""
    folders = [run.folder.task(unit, seed) for unit, _ in _units(run.table, system.scope)]
    return [line for folder in folders for line in run.folder.read_done(folder)["warnings"]]


def _train_unit(run: Run, system: Any, unit: str, table: pd.DataFrame, seed: int) -> None:
    from asdkeras.experiment.training import TaskContext, represent
    from asdkeras.systems.system import ClipSet

    folder = run.folder.task(unit, seed)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{run.recipe.variant} {unit} seed {seed}"
    everything = ClipSet(run.table[run.table["split"] == "train"], run.store, seed)
    context = TaskContext(folder, seed, table, f"train {name}", everything)
    with recorded(run.folder.path, context.name):
        trained = _trained(run, system, table, seed, context)
    with recorded(run.folder.path, f"represent {unit} seed {seed}"):
        clips = ClipSet(table, run.store, seed)
        representations = represent(trained, clips, system.batch_size, f"represent {name}")
        with replacing(folder / "representations.npz") as temporary:
            np.savez(temporary, **representations.as_arrays())
    run.folder.mark_done(folder, warnings=context.warnings)


def _trained(run: Run, system: Any, table: pd.DataFrame, seed: int, context: Any) -> Any:
    from asdkeras.experiment.training import make_repeatable
    from asdkeras.systems.system import ClipSet

    make_repeatable(seed)
    training = table[table["split"] == "train"]
    with contextlib.closing(context):
        return system.train(ClipSet(training, run.store, seed), context)


class FittedUnit(NamedTuple):
    """A model of a finished training, and what it made of all clips.

    Attributes:
        name: of the unit.
        table: clip table of what it covers.
        trained: `asdkeras.systems.system.Trained`.
        representations: `asdkeras.systems.system.Representations`.
    """

    name: str
    table: pd.DataFrame
    trained: Any
    representations: Any


def fitted_units(run: Run, system: Any, seed: int) -> Iterator[FittedUnit]:
    """The models of a trial that `train` finished, one unit of its scope after the other.

    Raises:
        RecipeError: if a unit is not finished, or its weights are gone.
    """
    from asdkeras.experiment.training import TaskContext
    from asdkeras.systems.system import ClipSet

    everything = ClipSet(run.table[run.table["split"] == "train"], run.store, seed)
    for unit, table in _units(run.table, system.scope):
        folder = run.folder.task(unit, seed)
        # Those of a phase lie in a folder of its own.
        if not (run.folder.is_done(folder) and any(folder.rglob("weights.keras"))):
            raise RecipeError(
                f"{folder}: holds no weights of a finished training. `asdkeras train` finishes it."
            )
        name = f"{run.recipe.variant} {unit} seed {seed}"
        context = TaskContext(folder, seed, table, f"load {name}", everything)
        yield FittedUnit(
            unit, table, _trained(run, system, table, seed, context), _represented(folder)
        )


def _represented(folder: Path) -> Any:
    from asdkeras.systems.system import Representations

    with np.load(folder / "representations.npz") as arrays:
        return Representations.from_arrays(dict(arrays))


def _score_trial(run: Run, system: Any, seed: int, warnings: list[str]) -> None:
    parts, groups = [], []
    for unit, table in _units(run.table, system.scope):
        representations = _represented(run.folder.task(unit, seed))
        part = system.score(representations, table, seed)
        thresholds = system.decide(part.columns, table, representations.constants)
        if part.group_scores is not None:
            groups.append(part.group_scores.loc[table.index])
        parts.append((part, thresholds))

    columns = pd.concat([part.columns for part, _ in parts]).loc[run.table.index]
    thresholds = pd.concat([each for _, each in parts]).loc[run.table.index]
    first = parts[0][0]
    decisions = columns[first.decision_score] > thresholds
    finish_trial(
        run.folder,
        seed,
        TrialScores(run.table, columns, thresholds, decisions),
        # A unit that lacks a group that others have is NaN there.
        pd.concat(groups).reindex(run.table.index) if groups else None,
        anomaly_score=first.anomaly_score,
        decision_score=first.decision_score,
        named_scores=list(first.named_scores),
        published_rows={
            name: row for name, row in system.published_rows.items() if name in columns
        },
        notes=[*_remarks(run.recipe), *warnings, *(n for part, _ in parts for n in part.notes)],
        oracle=list(dict.fromkeys(line for part, _ in parts for line in part.oracle)),
    )


def _remarks(recipe: Recipe) -> list[str]:
    """What must stand beside every result of a recipe."""
    remarks = []
    if recipe.clips.released_attributes:
        remarks.append("attributes that the challenge withheld were used: not first-shot")
    if recipe.clips.supplemental == "normal":
        remarks.append("supplemental clips were used as training clips")
    return remarks


def _units(table: pd.DataFrame, scope: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """The parts of a dataset that get a model of their own, and their names."""
    if scope == "all":
        yield "all", table
        return
    keys = [table["machine_type"]]
    if scope == "section":
        keys.append(table["section"])
    elif scope == "machine_type_and_part":
        keys.append(_parts(table))
    for names, part in table.groupby(keys):
        yield "_".join(map(str, names)), part


def _parts(table: pd.DataFrame) -> pd.Series:
    """Whether each clip is of the development (`dev`) or the evaluation set (`eval`)."""
    rules = rules_for(str(table["dataset"].iloc[0]))
    parts = [
        rules.part_of(str(machine_type), str(section))
        for machine_type, section in zip(table["machine_type"], table["section"], strict=True)
    ]
    return pd.Series(parts, table.index)


def _fingerprint(table: pd.DataFrame, store: ClipStore) -> str:
    labels = table.drop(columns="path").assign(name=[Path(path).name for path in table["path"]])
    text = labels.to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(f"{store.fingerprint}\n{text}".encode()).hexdigest()
