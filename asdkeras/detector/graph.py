"""From a finished run to the graph of a section: the scores of the run as Keras layers."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import keras
import numpy as np
import pandas as pd
from keras import ops
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from asdkeras.errors import RecipeError
from asdkeras.experiment.held_out import held_out_thresholds
from asdkeras.experiment.open_run import RunFiles
from asdkeras.experiment.run import (
    is_ensemble,
    load_units,
    member_runs,
    scored_clips,
    system_of,
)
from asdkeras.experiment.training import named_outputs, networks_for_inference
from asdkeras.experiment.unit_scores import Section, section_scorer, sections_of
from asdkeras.experiment.units import Unit
from asdkeras.layers.heard_part import HeardPart
from asdkeras.score_files import TrialScores, read_metadata, read_trial
from asdkeras.scorers.combination import WEIGHTED, Combination, Method, combine, combine_tensors
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.section_standardization import section_moments
from asdkeras.scorers.terms import Floats, OfArrays
from asdkeras.scorers.thresholds import Thresholds
from asdkeras.systems.system import Ensemble

Waveforms = NDArray[np.float32]
_ThresholdsOf = Callable[[pd.DataFrame, pd.DataFrame], Thresholds]


@dataclasses.dataclass(frozen=True)
class SectionGraph:
    """The score of one section, for waveforms as tensors and as arrays.

    Attributes:
        clip_length: samples that are used of a clip; of an ensemble, the most of its members.
        threshold: of a clip of unknown domain.
        connect: Keras tensor of waveforms `(batch, samples)` -> Keras tensors of the score
            `(batch,)` and of an embedding `(batch, dim)`.
        score: waveforms `(clips, samples)` -> float64 `(2, clips)`, the same score by
            scikit-learn and the score that is compared with the threshold.
    """

    clip_length: int
    keep: Literal["start", "end"]
    sample_rate_hz: int
    threshold: float
    connect: Callable[[keras.KerasTensor], tuple[keras.KerasTensor, keras.KerasTensor]]
    score: Callable[[Waveforms], Floats]


def require_graphs(run: RunFiles, score: str | None = None) -> None:
    """Refuse a run, trained or not, whose score is no function of the clip alone.

    Raises:
        RecipeError: if a score depends on other clips or their labels, or networks stay untrained.
    """
    system, name = system_of(run), f"{run.recipe.system} {run.recipe.variant}"
    if run.recipe.untrained:
        raise RecipeError(
            f"{name}: its networks have learned nothing: a control, which no detector is made of. "
            "Leave out --untrained."
        )
    if is_ensemble(system):
        if reason := system.combination.needs_other_clips:
            raise RecipeError(
                f"{name} {reason}, and a detector scores one clip at a time. Take another variant, "
                "or another rule for this one with --set."
            )
        for member in member_runs(run, system).values():
            require_graphs(member, system.combination.main_score)
    elif system.needs_labels(main := score or system.main_score):
        raise RecipeError(
            f"{name}: `{main}` is chosen by labels of test clips, and a detector knows none. Take "
            f"{system.label_free_settings}."
        )


def section_graphs(
    run: RunFiles, seed: int, sections: Sequence[Section], score: str | None = None
) -> Iterator[tuple[Section, SectionGraph]]:
    """The graphs of some sections of a scored run, one after the other. Reads no clip.

    Args:
        score: its name; None takes the main one.

    Raises:
        RecipeError: if weights are gone, or as `require_graphs`.
    """
    require_graphs(run, score)
    system = system_of(run)
    if is_ensemble(system):
        yield from _ensemble_graphs(run, system, seed, sections)
        return
    trial = read_trial(run.folder.scores(seed))
    clips = scored_clips(run, system)
    columns = trial.columns.set_axis(clips.index)
    machines = [section.machine_type for section in sections]
    for unit in load_units(run, system, seed, machines):
        own = [each for each in sections_of(unit.table) if each in sections]
        thresholds: _ThresholdsOf = functools.partial(
            system.thresholds, score=score, models=unit.models
        )
        if run.recipe.thresholds.rule == "held_out":
            thresholds = _of_held_out(run, trial, clips.index, score or system.decision_score)
        scored = unit.table[unit.table.index.isin(columns.index)]
        limits = _limits(thresholds, columns.loc[scored.index], scored, own)
        networks = networks_for_inference(system, unit.models)
        for section in own:
            # As when a run is scored: threads would show in the last digit.
            with threadpool_limits(1):
                scorer = section_scorer(system, unit, section, seed)
            names = score or system.main_score, score or system.decision_score
            # What networks take beside the waveform is the same for all clips of a section.
            clip = unit.table[section.is_of(unit.table)].iloc[:1]
            inputs = {name: each[0] for name, each in system.inputs(unit.models, clip).items()}
            yield section, _system_graph(unit, networks, inputs, scorer, names, limits[section])


def _of_held_out(run: RunFiles, trial: TrialScores, index: pd.Index, score: str) -> _ThresholdsOf:
    held_out = False if trial.held_out is None else trial.held_out.to_numpy()
    flags = pd.Series(held_out, index)
    rate = run.recipe.thresholds.false_alarm_rate
    return lambda columns, table: held_out_thresholds(columns[score], table, flags, rate)


def _limits(
    thresholds: _ThresholdsOf,
    columns: pd.DataFrame,
    table: pd.DataFrame,
    sections: Sequence[Section],
) -> dict[Section, float]:
    """Threshold of each section for a clip of unknown domain."""
    first = int(table.index.max()) + 1
    index = range(first, first + len(sections))
    rows = pd.DataFrame(sections, index=index).reindex(columns=table.columns).assign(split="test")
    whole = pd.concat([table, rows.astype(table.dtypes.to_dict())])
    values = thresholds(columns.reindex(whole.index), whole).values
    return dict(zip(sections, values[rows.index].astype(float), strict=True))


def _system_graph(
    unit: Unit,
    networks: Mapping[str, keras.Model],
    inputs: Mapping[str, np.generic],
    scorer: SectionScorer,
    names: tuple[str, str],
    threshold: float,
) -> SectionGraph:
    """The graph of the main score, with the score that decides; their names in that order."""
    keep = unit.models.keep
    # A random part would depend on the name of a file.
    part = HeardPart(unit.models.clip_length, "start" if keep == "random" else keep)

    def represented(waveforms: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        given = values = part(waveforms)
        if inputs:
            zero = ops.zeros_like(values[:, 0])
            given = {"waveform": values} | {
                name: ops.cast(zero, str(each.dtype)) + each.item() for name, each in inputs.items()
            }
        tensors: dict[str, keras.KerasTensor] = {}
        for name, model in networks.items():
            # Anew, for a name of its own: members of an ensemble call theirs alike.
            tensors |= named_outputs(name, keras.Model(model.input, model.output)(given))
        return tensors

    def connect(waveforms: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        with threadpool_limits(1):
            scores, embedding = scorer.layers(represented(waveforms), names[:1])
        return scores[names[0]], embedding

    def score(waveforms: Waveforms) -> Floats:
        tensors = represented(ops.convert_to_tensor(waveforms, "float32"))
        arrays = {name: ops.convert_to_numpy(each) for name, each in tensors.items()}
        clips = OfArrays(arrays, np.full(len(waveforms), False), np.full(len(waveforms), ""))
        with threadpool_limits(1):
            return scorer.arrays(clips)[0][[*names]].to_numpy("float64").T

    rate_hz = unit.models.sample_rate_hz
    return SectionGraph(part.clip_length, part.keep, rate_hz, threshold, connect, score)


def _ensemble_graphs(
    run: RunFiles, ensemble: Ensemble, seed: int, sections: Sequence[Section]
) -> Iterator[tuple[Section, SectionGraph]]:
    combination = ensemble.combination
    members: dict[Section, list[tuple[float, SectionGraph]]] = {each: [] for each in sections}
    for trial in run.recipe.seeds if ensemble.pools_trials else (seed,):
        for name, member in member_runs(run, ensemble).items():
            machine_types, weights = ensemble.members[name], ensemble.weights.get(name, {})
            counted = {
                section: weights.get(section.machine_type, 1.0)
                for section in sections
                if machine_types is None or section.machine_type in machine_types
            }
            wanted = [section for section, weight in counted.items() if weight > 0.0]
            graphs = section_graphs(member, trial, wanted, combination.main_score)
            for section, graph in _normalized(graphs, member, trial, combination):
                members[section].append((counted[section], graph))
    trial_scores = read_trial(run.folder.scores(seed))
    metadata = read_metadata(run.folder.scores(seed))
    clips = scored_clips(run, ensemble)
    thresholds: _ThresholdsOf = functools.partial(ensemble.thresholds, score=metadata.main_score)
    if run.recipe.thresholds.rule == "held_out":
        thresholds = _of_held_out(run, trial_scores, clips.index, metadata.decision_score)
    limits = _limits(thresholds, trial_scores.columns.set_axis(clips.index), clips, sections)
    for section in sections:
        yield section, _together(combination.how, members[section], limits[section])


def _normalized(
    graphs: Iterator[tuple[Section, SectionGraph]],
    run: RunFiles,
    seed: int,
    combination: Combination,
) -> Iterator[tuple[Section, SectionGraph]]:
    """Graphs whose scores are in standard deviations above the mean of clips of the section."""
    if combination.normalize == "none":
        yield from graphs
        return
    folder = run.folder.scores(seed)
    trial, main_score = read_trial(folder), read_metadata(folder).main_score
    scores = trial.columns[combination.main_score or main_score]
    # Those of a section, because the domain of a clip is not known.
    on = combination.normalize_on
    moments = section_moments(scores, trial.table, "section", on, trial.held_out)
    for section, graph in graphs:
        clip = trial.table.index[section.is_of(trial.table)][0]
        yield section, _scaled(graph, float(moments.mean[clip]), float(moments.spread[clip]))


def _scaled(graph: SectionGraph, mean: float, spread: float) -> SectionGraph:
    def connect(waveforms: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        score, embedding = graph.connect(waveforms)
        return (score - mean) / spread, embedding

    return dataclasses.replace(
        graph,
        connect=connect,
        score=lambda waveforms: (graph.score(waveforms) - mean) / spread,
    )


def _together(
    how: Method, members: Sequence[tuple[float, SectionGraph]], threshold: float
) -> SectionGraph:
    weights, graphs = zip(*members, strict=True)

    def connect(waveforms: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        scores, embeddings = zip(*(graph.connect(waveforms) for graph in graphs), strict=True)
        return combine_tensors(scores, how, weights), embeddings[0]

    def score(waveforms: Waveforms) -> Floats:
        given = weights if how in WEIGHTED else None
        each = np.stack([graph.score(waveforms) for graph in graphs], axis=1)
        return np.stack([combine(scores, how, given) for scores in each])

    clip_length, keep = max((graph.clip_length, graph.keep) for graph in graphs)
    return SectionGraph(clip_length, keep, graphs[0].sample_rate_hz, threshold, connect, score)
