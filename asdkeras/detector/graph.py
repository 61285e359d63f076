"""From a finished training to what a detector computes: the scores of a run as Keras layers.

Beside the layers stand the scores of the same clips by scikit-learn, which the layers must
agree with. They are those of probes: clips heard as if they were new, of no known domain.
"""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
from keras import ops
from threadpoolctl import threadpool_limits

from asdkeras.dsp.clip_length import fit_clip_length
from asdkeras.errors import RecipeError
from asdkeras.experiment.combined_scores import combined
from asdkeras.experiment.run import (
    fitted_units,
    member_of,
    member_runs,
    rule_of,
    system_of,
)
from asdkeras.experiment.run_folder import RunFolder
from asdkeras.experiment.training import named_outputs
from asdkeras.layers.heard_part import HeardPart
from asdkeras.score_files import TrialScores, write_trial
from asdkeras.scorers.section_standardization import section_moments
from asdkeras.systems.system import Ensemble, Fit, Representations

_COMBINE = {"median": ops.median, "maximum": ops.max}


class Place(NamedTuple):
    """A section of a machine type."""

    machine_type: str
    section: str


class Probe(NamedTuple):
    """A clip of a place, heard as if it were new.

    Attributes:
        place: where it is from.
        waveform: float32 `(samples,)`, at the rate of the run.
    """

    place: Place
    waveform: np.ndarray


@dataclasses.dataclass(frozen=True)
class ScoredRun:
    """What a run says of its clips and of probes, and the layers that say it of a waveform.

    Attributes:
        table: clip table of the run, then a row per probe.
        columns: score columns of all of these.
        thresholds: one for each of these.
        answer: the column that is the answer.
        decision_score: the column that thresholds are compared with.
        connect: place, Keras tensor of waveforms `(batch, samples)`, and name of a column or
            None for the answer -> Keras tensors of that score `(batch,)` and of an embedding
            `(batch, dim)`.
        heard: place -> samples that are heard of a clip, and which part of a longer one. Of an
            ensemble, the most that a member hears.
        notes: what is to be said beside the scores.
    """

    table: pd.DataFrame
    columns: pd.DataFrame
    thresholds: pd.Series
    answer: str
    decision_score: str
    connect: Callable
    heard: dict[Place, tuple[int, str]]
    notes: tuple[str, ...]


def score_run(run, seed, probes):
    """Score a finished training anew, probes included.

    Args:
        run: `asdkeras.experiment.run.Run`; all its units are trained.
        seed: of the trial.
        probes: list of `Probe`.

    Returns:
        `ScoredRun`.

    Raises:
        RecipeError: if weights are gone, or the score of a clip is no function of the clip
            alone.
    """
    system = system_of(run)
    table = _with_probes(run.table, probes)
    if isinstance(system, Ensemble):
        return _scored_ensemble(run, system, seed, probes, table)
    return _scored_system(run, system, seed, probes, table)


def _with_probes(table, probes):
    """A clip table with a row for each probe behind the others."""
    first = int(table.index.max()) + 1
    rows = pd.DataFrame(
        {
            "path": [f"probe_{number}.wav" for number in range(len(probes))],
            "dataset": table["dataset"].iloc[0],
            "machine_type": [probe.place.machine_type for probe in probes],
            "section": [probe.place.section for probe in probes],
            "domain": pd.NA,
            "split": "test",
            "is_anomalous": pd.NA,
            "attributes": pd.NA,
        },
        index=range(first, first + len(probes)),
    )
    return pd.concat([table, rows.astype(table.dtypes.to_dict())])


def _scored_system(run, system, seed, probes, table):
    fits, parts, heard = {}, [], {}
    num_clips = len(run.table)
    for unit in fitted_units(run, system, seed):
        places = {Place(*key) for key in unit.table.groupby(["machine_type", "section"]).groups}
        rows = [row for row, probe in enumerate(probes) if probe.place in places]
        of_unit = pd.concat([unit.table, table.iloc[[num_clips + row for row in rows]]])
        representations = _with_rows(unit, [probes[row] for row in rows])
        # As when a run is scored: threads would show in the last digit.
        with threadpool_limits(1):
            part = system.score(representations, of_unit, seed)
            thresholds = system.decide(part.columns, of_unit, representations.constants)
        parts.append((part, thresholds))
        for place in places:
            fits[place] = unit, Fit(representations, of_unit, seed, *place)
            heard[place] = unit.trained.clip_length, _kept(unit.trained)
    first = parts[0][0]

    def connect(place, waveform, column=None):
        unit, fit = fits[place]
        heard_part = HeardPart(*heard[place])(waveform)
        tensors = {}
        for name, model in unit.trained.models.items():
            # Anew, for a name of its own: members of an ensemble call theirs alike.
            model = keras.Model(model.input, model.output)
            outputs = model(_model_inputs(unit, place, heard_part))
            tensors |= named_outputs(name, outputs)
        with threadpool_limits(1):
            return system.graph(tensors, fit, column or first.anomaly_score)

    return ScoredRun(
        table,
        pd.concat([part.columns for part, _ in parts]).loc[table.index],
        pd.concat([thresholds for _, thresholds in parts]).loc[table.index],
        first.anomaly_score,
        first.decision_score,
        connect,
        heard,
        tuple(line for part, _ in parts for line in (*part.notes, *part.oracle)),
    )


def _kept(trained):
    """Which part of a longer clip is heard; a random one would depend on the file's name."""
    return "start" if trained.keep == "random" else trained.keep


def _model_inputs(unit, place, waveforms):
    """What the models of a unit take of clips of a place."""
    if not unit.trained.inputs:
        return waveforms
    nothing = ops.zeros_like(waveforms[:, 0])
    values = {
        name: ops.cast(nothing, str(of_clips.dtype)) + of_clips[_row_of(unit, place)].item()
        for name, of_clips in unit.trained.inputs.items()
    }
    return {"waveform": waveforms, **values}


def _row_of(unit, place):
    table = unit.table
    return np.flatnonzero(
        (table["machine_type"] == place.machine_type) & (table["section"] == place.section)
    )[0]


def _with_rows(unit, probes):
    """The representations of a unit with those of probes behind."""
    clips = unit.representations.clips
    rows = {name: [array] for name, array in clips.items()}
    trained = unit.trained
    for probe in probes:
        waveform = fit_clip_length(probe.waveform, trained.clip_length, _kept(trained))
        waveform = ops.convert_to_tensor(waveform[None], "float32")
        for name, model in trained.models.items():
            outputs = model(_model_inputs(unit, probe.place, waveform), training=False)
            for array, output in named_outputs(name, outputs).items():
                if array in rows:  # An older run may lack one that no score is made of.
                    rows[array].append(ops.convert_to_numpy(output).astype("float32"))
    return Representations(
        {name: np.concatenate(each) for name, each in rows.items()},
        unit.representations.constants,
    )


def _scored_ensemble(run, ensemble, seed, probes, table):
    _require_graph(run, ensemble)
    runs = member_runs(run, ensemble)
    seeds = run.recipe.seeds if ensemble.pools_trials else (seed,)
    scored = {
        (name, trial): score_run(member, trial, probes)
        for trial in seeds
        for name, member in runs.items()
    }
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        members = [
            member_of(ensemble, name, _written(each, Path(folder, name, str(trial))))
            for (name, trial), each in scored.items()
        ]
        result = combined(members, rule_of(ensemble))
    columns = result.columns.set_axis(table.index)
    first = next(iter(scored.values()))
    decision_score = first.decision_score if first.decision_score in columns else result.answer

    def connect(place, waveform, column=None):
        terms, weights, embedding = [], [], None
        for (name, _), each in scored.items():
            machine_types = ensemble.members[name]
            weight = (ensemble.weights or {}).get(name, {}).get(place.machine_type, 1.0)
            if weight == 0.0 or (machine_types and place.machine_type not in machine_types):
                continue
            score, own = each.connect(place, waveform, ensemble.answer)
            terms.append(_normalized(ensemble, each, place, score))
            weights.append(weight)
            embedding = own if embedding is None else embedding
        return _together(ensemble.combine, terms, weights), embedding

    heard = {place: max(each.heard[place] for each in scored.values()) for place in first.heard}
    return ScoredRun(
        table,
        columns,
        ensemble.decide(columns, table, {}),
        result.answer,
        result.answer if ensemble.answer else decision_score,
        connect,
        heard,
        tuple(
            dict.fromkeys(
                (*ensemble.oracle, *(line for each in scored.values() for line in each.notes))
            )
        ),
    )


def _require_graph(run, ensemble):
    """Refuse ensembles in which the score of a clip depends on other test clips or their labels."""
    reasons = {
        "ranks among the test clips": ensemble.combine == "rank",
        "normalizes by the test clips": (
            ensemble.normalize != "none" and ensemble.normalize_on == "test"
        ),
        "lets labels of test clips choose": (
            ensemble.weights_from_labels or bool(ensemble.best_from_labels)
        ),
    }
    for reason, is_so in reasons.items():
        if is_so:
            raise RecipeError(
                f"{run.recipe.system} {run.recipe.variant} {reason}, and a detector hears one clip "
                "at a time. Take another variant, or another rule for this one with --set."
            )


def _written(scored, folder):
    """The score files of a run, probes included."""
    folder.mkdir(parents=True)
    names = [Path(path).name for path in scored.table["path"]]
    decisions = (scored.columns[scored.decision_score] > scored.thresholds).astype(int)
    table = scored.table.assign(path=pd.Series(names, scored.table.index, dtype="string"))
    write_trial(folder, TrialScores(table, scored.columns, scored.thresholds, decisions))
    RunFolder(folder, "", "").mark_done(
        folder,
        anomaly_score=scored.answer,
        decision_score=scored.decision_score,
        named_scores=[scored.answer],
        notes=[],
        oracle=[],
    )
    return folder


def _normalized(ensemble, member, place, score):
    """The score of a member in standard deviations above the mean of training clips."""
    if ensemble.normalize == "none":
        return score
    scores = member.columns[ensemble.answer or member.answer]
    moments = section_moments(scores, member.table, ensemble.normalize, "train")
    # That of a probe: a clip of no known domain.
    is_here = (member.table["machine_type"] == place.machine_type) & (
        member.table["section"] == place.section
    )
    probe = member.table.index[is_here & (member.table["split"] == "test")][-1]
    return (score - float(moments.mean[probe])) / float(moments.spread[probe])


def _together(how, scores, weights):
    """The scores of all members as one, as `asdkeras.scorers.ensembles.combine` has it."""
    if how in _COMBINE:
        return _COMBINE[how](ops.stack(scores, axis=1), axis=1)
    weighted = [weight * score for weight, score in zip(weights, scores, strict=True)]
    total = sum(weighted[1:], weighted[0])
    return total if how == "sum" else total / sum(weights)
