"""From a recipe and a dataset to a run folder: train, represent, score, each done once."""

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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
    """

    recipe: Recipe
    source: Path
    data: Path
    table: pd.DataFrame
    store: ClipStore
    folder: RunFolder
    jobs: int | None = None


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
    path = runs / system / content.variant / layout.dataset
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
    system = _system(run)
    with locked(run.folder):
        _claim(run, system)
        if _is_ensemble(system):
            for member in _member_runs(run, system).values():
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
    system = _system(run)
    with locked(run.folder):
        _claim(run, system)
        if _is_ensemble(system):
            members = _member_runs(run, system)
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


def _system(run: Run) -> Any:
    import_keras()
    config = system_config(run.recipe, run.source)
    return systems.load(run.recipe.system).build(config)


def _claim(run: Run, system: Any) -> None:
    jobs = 1 if _is_ensemble(system) else _num_jobs(run, system) or 1
    claim(run.folder, run.recipe, run.source, run.data, jobs)


def _is_ensemble(system: Any) -> bool:
    from asdkeras.systems.system import Ensemble

    return isinstance(system, Ensemble)


def _member_runs(run: Run, ensemble: Any) -> dict[str, Run]:
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
            Member(
                member.folder.scores(seed),
                name,
                machine_types=ensemble.members[name],
                weights=(ensemble.weights or {}).get(name),
            )
            for name, member in runs.items()
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
    rule = Combination(
        ensemble.combine,
        ensemble.answer,
        ensemble.normalize,
        ensemble.weights_from_labels,
        ensemble.oracle,
        ensemble.normalize_on,
        ensemble.best_from_labels,
        ensemble.combine_from_labels,
    )
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


def _num_jobs(run: Run, system: Any) -> int | None:
    """How many tasks at once, each in a process of its own; None for all in this one."""
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
    system = _system(run)
    table = dict(_units(run.table, system.scope))[unit]
    _train_unit(run, system, unit, table, seed)
    return peak_mib()


def _warnings(run: Run, system: Any, seed: int) -> list[str]:
    """What training said of all units of a trial."""
    folders = [run.folder.task(unit, seed) for unit, _ in _units(run.table, system.scope)]
    return [line for folder in folders for line in run.folder.read_done(folder)["warnings"]]


def _train_unit(run: Run, system: Any, unit: str, table: pd.DataFrame, seed: int) -> None:
    from asdkeras.experiment.training import TaskContext, make_repeatable, represent
    from asdkeras.systems.system import ClipSet

    folder = run.folder.task(unit, seed)
    folder.mkdir(parents=True, exist_ok=True)
    make_repeatable(seed)
    everything = ClipSet(run.table[run.table["split"] == "train"], run.store, seed)
    name = f"{run.recipe.variant} {unit} seed {seed}"
    context = TaskContext(folder, seed, table, f"train {name}", everything)
    training = table[table["split"] == "train"]
    with recorded(run.folder.path, context.name), contextlib.closing(context):
        trained = system.train(ClipSet(training, run.store, seed), context)
    with recorded(run.folder.path, f"represent {unit} seed {seed}"):
        clips = ClipSet(table, run.store, seed)
        representations = represent(trained, clips, system.batch_size, f"represent {name}")
        with replacing(folder / "representations.npz") as temporary:
            np.savez(temporary, **representations.as_arrays())
    run.folder.mark_done(folder, warnings=context.warnings)


def _score_trial(run: Run, system: Any, seed: int, warnings: list[str]) -> None:
    from asdkeras.systems.system import Representations

    parts, groups = [], []
    for unit, table in _units(run.table, system.scope):
        with np.load(run.folder.task(unit, seed) / "representations.npz") as arrays:
            representations = Representations.from_arrays(dict(arrays))
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
