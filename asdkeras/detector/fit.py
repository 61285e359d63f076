"""From a finished run to the graphs of a detector, each checked against scikit-learn."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops
from numpy.typing import NDArray

from asdkeras.config import did_you_mean
from asdkeras.detector.decision import NAME, decided
from asdkeras.detector.export_check import generated_clip
from asdkeras.detector.fitted_machine import Machine
from asdkeras.detector.graph import SectionGraph, section_graphs
from asdkeras.errors import AsdkerasError, RecipeError
from asdkeras.experiment.held_out import held_out_scores
from asdkeras.experiment.open_run import RunFiles
from asdkeras.experiment.unit_scores import Section, sections_of
from asdkeras.progress import stage
from asdkeras.score_files import read_metadata, read_trial

TOLERANCE = 1e-4
"""Of the scores of layers against those of scikit-learn, relative to score or threshold."""

_NUM_CLIPS = 4  # Generated, of each section, that a graph is checked with.
_ROUNDING = 1e-14  # Of scikit-learn: a cosine distance is 1 less a sum of products.


def fit_machines(
    run: RunFiles, seed: int, *, machines: Sequence[str] | None = None
) -> Iterator[tuple[Machine, keras.Model, float]]:
    """The graphs of all sections of a run, one after the other. Reads no clip.

    Args:
        machines: types (`fan`) or sections (`fan_00`) that are wanted; None means all.

    Yields:
        machine; model from waveforms `(batch, samples)` to `anomaly_score`, `is_anomalous` and
        `embedding`; and the largest difference between its scores of generated clips and those of
        scikit-learn, relative to the larger of score and threshold.

    Raises:
        RecipeError: if weights are gone, or the score of a clip is no function of the clip alone.
        AsdkerasError: if a graph and scikit-learn disagree by more than `TOLERANCE`.
    """
    sections = _wanted(run.table, machines)
    with stage("detector graphs") as update:
        for number, (section, graph) in enumerate(section_graphs(run, seed, sections), start=1):
            scores = _normal_scores(run, seed, section)
            yield _fitted(graph, section, _name(section, run.table), scores)
            update(number, len(sections), "_".join(section))


def _wanted(table: pd.DataFrame, machines: Sequence[str] | None) -> list[Section]:
    sections = sections_of(table)
    if machines is None:
        return sections
    known = {name for each in sections for name in (each.machine_type, "_".join(each))}
    if unknown := [name for name in machines if name not in known]:
        raise RecipeError(
            f"--machines: the run has no `{unknown[0]}`.{did_you_mean(unknown[0], sorted(known))} "
            f"It has {', '.join(map('_'.join, sections))}."
        )
    return [
        each for each in sections if each.machine_type in machines or "_".join(each) in machines
    ]


def _name(section: Section, table: pd.DataFrame) -> str:
    of_type = table.loc[table["machine_type"] == section.machine_type, "section"]
    name = section.machine_type if of_type.nunique() == 1 else "_".join(section)
    return name.replace("\\", "_")  # Of what is escaped in it: a file is named after it.


def _normal_scores(run: RunFiles, seed: int, section: Section) -> tuple[float, ...]:
    """Of the held-out normal clips that its threshold rests on, in ascending order."""
    if run.recipe.thresholds.rule == "paper":
        return ()
    folder = run.folder.scores(seed)
    trial = read_trial(folder)
    if trial.held_out is None:
        return ()
    scores = trial.columns[read_metadata(folder).decision_score]
    clips = trial.table[section.is_of(trial.table)]
    return tuple(sorted(map(float, held_out_scores(scores, clips, trial.held_out))))


def _fitted(
    graph: SectionGraph, section: Section, name: str, normal_scores: tuple[float, ...]
) -> tuple[Machine, keras.Model, float]:
    machine = Machine(
        name=name,
        machine_type=section.machine_type,
        section=section.section,
        sample_rate_hz=graph.sample_rate_hz,
        clip_length=graph.clip_length,
        keep=graph.keep,
        # As the graph has it, so that whoever compares anew decides the same.
        threshold=float(np.float32(graph.threshold)),
        normal_scores=normal_scores,
    )
    model = _model(graph, machine)
    rate_hz, length = machine.sample_rate_hz, machine.clip_length
    clips = np.stack([generated_clip(rate_hz, length, seed) for seed in range(_NUM_CLIPS)])
    expected, decides = graph.score(clips)
    if not np.array_equal(expected, decides):
        raise AsdkerasError(
            f"{name}: the decision on a clip of no known domain does not compare its score."
        )
    found = model(ops.convert_to_tensor(clips), training=False)["anomaly_score"]
    found = np.asarray(ops.convert_to_numpy(found), np.float64)
    differences = _differences(expected, found, machine.threshold)
    if not differences.max() <= TOLERANCE:
        worst = int(np.argmax(differences))
        raise AsdkerasError(
            f"{name}: the graph and scikit-learn disagree by {differences[worst]:.2g} on a "
            f"generated clip that scores {expected[worst]:.8g}. They must agree within "
            f"{TOLERANCE:g} of score or threshold, {machine.threshold:.4g}."
        )
    return machine, model, float(differences.max())


def _model(graph: SectionGraph, machine: Machine) -> keras.Model:
    waveform = keras.Input((None,), name="waveform")
    score, embedding = graph.connect(waveform)
    score, is_anomalous = decided(waveform, ops.cast(score, "float32"), machine.threshold)
    outputs = {
        "anomaly_score": score,
        "is_anomalous": is_anomalous,
        "embedding": ops.cast(embedding, "float32"),
    }
    return keras.Model(waveform, outputs, name=NAME)


def _differences(
    expected: NDArray[np.float64], found: NDArray[np.float64], threshold: float
) -> NDArray[np.float64]:
    scale = np.maximum(np.abs(expected), abs(threshold))
    gaps = np.maximum(np.abs(found - expected) - _ROUNDING, 0.0)
    return gaps / np.where(scale > 0.0, scale, 1.0)


def metadata_of(run: RunFiles) -> dict[str, object]:
    """What a detector file says of its run, for JSON."""
    environment = json.loads(Path(run.folder.path, "environment.json").read_text(encoding="utf-8"))
    environment.pop("data", None)  # Local paths are private.
    sections = run.table["machine_type"] + "_" + run.table["section"]
    counts = {
        f"{name}_clips": sections[run.table["split"] == split].value_counts().sort_index()
        for name, split in (("training", "train"), ("held_out", "held_out"))
    }
    trial = read_metadata(run.folder.scores(run.recipe.seeds[0]))
    return {
        "system": run.recipe.system,
        "variant": run.recipe.variant,
        "precision": run.recipe.precision,
        "recipe": run.recipe.as_mapping(),
        "environment": environment,
        **{key: {str(name): int(n) for name, n in each.items()} for key, each in counts.items()},
        "notes": [*trial.oracle, *trial.notes, *_alarms_of_papers_rule(run)],
    }


def _alarms_of_papers_rule(run: RunFiles) -> list[str]:
    """Sections whose own training clips are called anomalous far too often, in a line."""
    asked = run.recipe.thresholds.false_alarm_rate
    if run.recipe.thresholds.rule != "paper":
        return []
    trial = read_trial(run.folder.scores(run.recipe.seeds[0]))
    flags = trial.decisions.where(trial.table["split"] == "train")
    shares = {
        _name(section, trial.table): flags[section.is_of(trial.table)].mean()
        for section in sections_of(trial.table)
    }
    many = [f"{name} {share:.0%}" for name, share in shares.items() if share > 2.0 * asked]
    if not many:
        return []
    return [
        f"thresholds follow the paper's rule, by which more than twice {asked:.0%} of the normal "
        f"clips that were learned from are anomalous: {', '.join(many)}. `asdkeras fit DIR` takes "
        "them from normal clips that are held out"
    ]
