"""What fills the folder of a run: train, represent, score, each done once."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pandas as pd
from threadpoolctl import threadpool_limits

from asdkeras import systems
from asdkeras.data.clip_set import ClipSet
from asdkeras.errors import DataError, RecipeError
from asdkeras.experiment.ensembles import Member, write_ensemble
from asdkeras.experiment.import_keras import import_keras
from asdkeras.experiment.memory import peak_mib
from asdkeras.experiment.open_run import Run, RunFiles
from asdkeras.experiment.recipe import system_config
from asdkeras.experiment.remarks import published_rows, remarks, say_untested
from asdkeras.experiment.run_folder import claim, finish_trial, locked, say_version
from asdkeras.experiment.stages import largest_peak_mib, recorded
from asdkeras.experiment.task_processes import run_side_by_side
from asdkeras.experiment.units import Unit, read_representations, units_of, write_representations
from asdkeras.metrics.development import require_domains
from asdkeras.metrics.official import rules_for
from asdkeras.progress import stage
from asdkeras.score_files import TrialMetadata, TrialScores, read_metadata, read_trial

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from asdkeras.systems.system import AnySystem, Ensemble

AnyRun = TypeVar("AnyRun", bound="RunFiles")

_SECTIONS_AT_ONCE = 2


def missing_scores(run: RunFiles) -> list[int]:
    """Seeds whose score files are not there yet."""
    seeds = run.recipe.seeds
    first = run.folder.scores(seeds[0])
    if run.folder.is_done(first) and (pooled := read_metadata(first).pooled_seeds):
        return [] if pooled == seeds else list(seeds)
    return [seed for seed in seeds if not run.folder.is_done(run.folder.scores(seed))]


def train(run: Run) -> None:
    """Train and represent whatever has not been yet.

    Raises:
        DataError: as `check`, which comes before the first training.
        RecipeError: if the system refuses the recipe, or the folder holds another run.
        TrainingError: if training diverges.
    """
    say_version(run.folder)
    system = system_of(run)
    check(run, system)
    with locked(run.folder):
        _claim(run, system)
        if is_ensemble(system):
            for member in member_runs(run, system).values():
                train(member)
        else:
            _train_missing(run, system, run.recipe.seeds)


def score(run: Run) -> None:
    """Train, represent, score and decide whatever has not been yet; raises as `train`.

    Also refuses, before anything is trained, labels that the rules of the year cannot measure by.
    """
    say_version(run.folder)
    if not missing_scores(run):
        return
    require_domains(run.scored, rules_for(str(run.table["dataset"].iloc[0])))
    system = system_of(run)
    check(run, system)
    with locked(run.folder):
        _claim(run, system)
        if is_ensemble(system):
            members = member_runs(run, system)
            for member in members.values():
                score(member)
            _combine_trials(run, system, members)
        else:
            _score_missing(run, system)


def system_of(run: RunFiles) -> "AnySystem | Ensemble":
    """The system or ensemble of a run. Imports Keras, and sets its precision for this process.

    Raises:
        RecipeError: if the system refuses the recipe.
    """
    import_keras(run.recipe.tensor_float_32)
    return systems.create(run.recipe.system, system_config(run.recipe, run.source))


def one_trial(run: AnyRun) -> AnyRun:
    """The run with its first trial alone, unless trials are one result together."""
    system = system_of(run)
    if is_ensemble(system) and system.pools_trials:
        return run
    return dataclasses.replace(
        run, recipe=dataclasses.replace(run.recipe, seeds=run.recipe.seeds[:1])
    )


def is_ensemble(system: "AnySystem | Ensemble") -> "TypeIs[Ensemble]":
    """Whether a variant combines the runs of others."""
    from asdkeras.systems.system import Ensemble

    return isinstance(system, Ensemble)


def check(run: Run, system: "AnySystem | Ensemble") -> None:
    """Refuse what could not be trained, or not be scored after it; of an ensemble all members.

    Raises:
        DataError: if training clips cannot be used, or a section has test clips alone.
        RecipeError: if another variant or system can do with these clips.
    """
    everything = ClipSet(run.table[run.table["split"] == "train"], run.store)
    if is_ensemble(system):
        system.check(everything.table)
        for member in member_runs(run, system).values():
            check(member, system_of(member))
        return
    for table in _units(run, system).values():
        training = table[table["split"] == "train"]
        key = ["machine_type", "section"]
        trained = training.set_index(key).index
        if len(lost := table[~table.set_index(key).index.isin(trained)]):
            clip = lost.iloc[0]
            raise DataError(
                f"{clip['path']}: section {clip['section']} of {clip['machine_type']} has no "
                "training clips. Leave its clips out, or add normal ones."
            )
        system.check(dataclasses.replace(everything, table=training), everything)


def _claim(run: Run, system: "AnySystem | Ensemble") -> None:
    jobs = 1 if is_ensemble(system) else _num_jobs(run, system) or 1
    claim(run.folder, run.recipe, run.source, run.data, jobs)
    if not is_ensemble(system):
        say_untested(run.recipe, run.scored.drop(scored_clips(run, system).index))


def member_runs(run: AnyRun, ensemble: "Ensemble") -> dict[str, AnyRun]:
    """The runs an ensemble is made of, by variant: the same recipe but for the variant.

    A member that counts on some machine types alone is trained and scored on these alone.
    """
    runs, dataset = run.folder.path.parents[1], run.folder.path.name
    present = set(run.scored["machine_type"])
    scored: set[str] = set()
    members = {}
    for variant, machine_types in ensemble.members.items():
        of_member = present if machine_types is None else present & set(machine_types)
        if not of_member:
            continue
        scored |= of_member
        recipe = dataclasses.replace(run.recipe, config={**run.recipe.config, "variant": variant})
        folder = dataclasses.replace(
            run.folder,
            path=runs / recipe.run_name / dataset,
            recipe_digest=recipe.digest(),
            machine_types=run.folder.machine_types
            if of_member == present
            else tuple(sorted(of_member)),
        )
        table = run.table
        if machine_types is None and not isinstance(run, Run):  # It may have scored more clips.
            table = read_trial(folder.scores(recipe.seeds[0])).table
        members[variant] = dataclasses.replace(run, recipe=recipe, folder=folder, table=table)
    if present - scored:
        raise RecipeError(
            f"{run.recipe.variant} has no member for {', '.join(sorted(present - scored))}. Choose "
            "another variant, or leave these machine types out with --machines."
        )
    return members


def _combine_trials(run: Run, ensemble: "Ensemble", runs: dict[str, Run]) -> None:
    trials = {
        seed: [
            Member(
                name,
                member.folder.scores(seed),
                machine_types=ensemble.members[name],
                weights=ensemble.weights.get(name, {}),
            )
            for name, member in runs.items()
        ]
        for seed in missing_scores(run)
    }
    pooled: tuple[int, ...] = ()
    if ensemble.pools_trials:
        pooled = run.recipe.seeds
        everyone = [
            dataclasses.replace(each, name=f"{each.name} seed {seed}")
            for seed, members in trials.items()
            for each in members
        ]
        trials = {pooled[0]: everyone}
    for seed, members in trials.items():
        write_ensemble(
            run.folder,
            seed,
            members,
            ensemble.combination,
            thresholds=ensemble.thresholds,
            options=run.recipe.thresholds,
            published_rows=published_rows(run.recipe, ensemble),
            pooled_seeds=pooled,
            remarks=remarks(run.recipe),
        )


def _num_jobs(run: Run, system: "AnySystem") -> int | None:
    """How many tasks at once, each in a process of its own; None for all in this one."""
    if run.is_in_process:
        return None
    if system.scope == "section":  # Dozens of models: one process would keep something of each.
        return run.jobs or min(_SECTIONS_AT_ONCE, os.cpu_count() or 1)
    return None if run.jobs is None or run.jobs == 1 else run.jobs


def _units(run: RunFiles, system: "AnySystem") -> dict[str, pd.DataFrame]:
    """Name and clip table of each unit that is trained and scored.

    Where there are test clips, a unit without any would measure nothing; finished runs keep theirs.
    """
    scored = run.scored.index
    parts = units_of(run.table, system.scope)
    units = {name: table for name, table in parts if table.index.isin(scored).any()}
    tested = {name: table for name, table in units.items() if (table["split"] == "test").any()}
    return tested if tested and isinstance(run, Run) else units


def scored_clips(run: RunFiles, system: "AnySystem | Ensemble") -> pd.DataFrame:
    """The clips that have scores: those of all units, of an ensemble those of all its members."""
    scored = run.scored
    if not isinstance(run, Run):
        return scored
    if not is_ensemble(system):
        return scored[scored.index.isin(pd.concat(_units(run, system)).index.get_level_values(1))]
    for member in member_runs(run, system).values():
        without = member.scored.index.difference(scored_clips(member, system_of(member)).index)
        scored = scored[~scored.index.isin(without)]
    return scored


def _train_missing(run: Run, system: "AnySystem", seeds: Sequence[int]) -> None:
    tables = _units(run, system)
    tasks = [(unit, seed) for seed in seeds for unit in tables]
    missing = [task for task in tasks if not _is_represented(run, run.folder.task(*task))]
    jobs = _num_jobs(run, system)
    if jobs is None:
        for unit, seed in missing:
            _train_unit(run, system, unit, tables[unit], seed)
        return
    run_side_by_side(
        [(f"train {run.recipe.run_name} {u} seed {s}", (run, u, s)) for u, s in missing],
        _train_in_own_process,
        jobs=jobs,
        needed_mib=largest_peak_mib(run.folder.path),
    )


def _is_represented(run: RunFiles, folder: Path) -> bool:
    return run.folder.is_trained(folder) and run.folder.is_done(folder)


def _train_in_own_process(run: Run, unit: str, seed: int) -> float:
    """Train one unit; returns the peak memory of this process in MiB."""
    system = system_of(run)
    if not is_ensemble(system):  # An ensemble has no units.
        _train_unit(run, system, unit, dict(units_of(run.table, system.scope))[unit], seed)
    return peak_mib()


def training_seed(system: "AnySystem", variant: str, seed: int) -> int:
    """What a training draws from: the seed of the trial, or one of its own for each variant.

    See `System.combines_variants`. One of its own lies in 0..2**31 - 1.
    """
    if not system.combines_variants:
        return seed
    digest = hashlib.sha256(f"{seed} {variant}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _train_unit(run: Run, system: "AnySystem", unit: str, table: pd.DataFrame, seed: int) -> None:
    """Train one unit, or load what is trained, and represent its clips."""
    from asdkeras.experiment.training import TaskContext, discard_passes, make_repeatable, represent
    from asdkeras.systems.model_files import save_models

    folder = run.folder.task(unit, seed)
    name = f"{run.recipe.run_name} {unit} seed {seed}"
    own_seed = training_seed(system, run.recipe.variant, seed)
    if run.folder.is_trained(folder):
        discard_passes(folder)
        models = system.load(folder)
    else:
        run.folder.refuse_foreign(folder)
        with recorded(run.folder.path, f"train {name}"):
            folder.mkdir(parents=True, exist_ok=True)
            everything = ClipSet(run.table[run.table["split"] == "train"], run.store, own_seed)
            training = ClipSet(table[table["split"] == "train"], run.store, own_seed)
            make_repeatable(own_seed)
            with TaskContext(
                *(folder, own_seed, table, f"train {name}", everything),
                left_out=run.left_out,
                untrained=run.recipe.untrained,
                precision=run.recipe.precision,
            ) as context:
                models = system.train(training, context)
                save_models(models, folder)
                run.folder.mark(folder, "TRAINED", seed=own_seed, warnings=context.warnings)
    with recorded(run.folder.path, f"represent {unit} seed {seed}"):
        clips = ClipSet(table, run.store, own_seed)
        arrays = represent(system, models, clips, f"represent {name}")
        write_representations(folder, arrays)
    run.folder.mark(folder, "DONE")


def load_units(
    run: RunFiles, system: "AnySystem", seed: int, machines: Sequence[str] | None = None
) -> Iterator[Unit]:
    """The models and representations of each unit of a trial, one after the other. Reads no clip.

    Args:
        machines: whose units are wanted; None means all that are scored.

    Raises:
        RecipeError: if a unit is not finished, or its weights are gone.
    """
    for unit, table in _units(run, system).items():
        if machines is not None and not table["machine_type"].isin(machines).any():
            continue
        folder = run.folder.task(unit, seed)
        if not _is_represented(run, folder):
            raise RecipeError(
                f"{folder}: holds no finished training. `asdkeras train` finishes it."
            )
        yield Unit(table, system.load(folder), read_representations(folder))


def _score_missing(run: Run, system: "AnySystem") -> None:
    seeds = missing_scores(run)
    if _num_jobs(run, system) is not None:  # Then no trial waits for the scores of another.
        _train_missing(run, system, seeds)
    for seed in seeds:
        _train_missing(run, system, [seed])
        # Many small matrices: several threads per matrix cost more than they bring, and
        # how they split a sum would show in the last digit.
        with recorded(run.folder.path, f"score seed {seed}"), threadpool_limits(1):
            _score_trial(run, system, seed)


def _score_trial(run: Run, system: "AnySystem", seed: int) -> None:
    from asdkeras.experiment.unit_scores import score_unit, sections_of

    scored, tables = scored_clips(run, system), _units(run, system)
    count = sum(len(sections_of(table)) for table in tables.values())
    names = iter(range(1, count + 1))
    with stage(f"score {run.recipe.run_name} seed {seed}") as update:

        def on_section(name: str) -> None:
            update(next(names), count, name)

        parts = [
            score_unit(system, unit, seed, on_section, run.recipe.thresholds)
            for unit in load_units(run, system, seed)
        ]
    columns = pd.concat([part.columns for part in parts]).loc[scored.index]
    groups = pd.concat([part.groups for part in parts]).loc[scored.index]
    thresholds = pd.concat([part.thresholds for part in parts]).loc[scored.index]
    held_out = pd.concat([part.held_out for part in parts]).loc[scored.index]
    decisions = ~(columns[system.decision_score] <= thresholds)  # A score that is none, too.
    published = published_rows(run.recipe, system)
    folders = [run.folder.task(unit, seed) for unit in tables]
    warnings = [line for folder in folders for line in run.folder.warnings(folder)]
    finish_trial(
        run.folder,
        seed,
        TrialScores(scored, columns, thresholds, decisions, held_out),
        groups if len(groups.columns) else None,
        TrialMetadata(
            system.main_score,
            system.decision_score,
            system.named_scores(list(map(str, columns))),
            {name: row for name, row in published.items() if name in columns},
            (*remarks(run.recipe), *warnings, *(note for part in parts for note in part.notes)),
            tuple(dict.fromkeys(line for part in parts for line in part.oracle)),
        ),
    )
