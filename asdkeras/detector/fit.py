"""From a run to the graphs of a detector, each checked against the scores of the run."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
from keras import ops

from asdkeras.config import did_you_mean
from asdkeras.detector.graph import Place, Probe, score_run
from asdkeras.detector.machine import Machine
from asdkeras.errors import AsdkerasError, RecipeError
from asdkeras.progress import stage

TOLERANCE = 1e-4
"""Of the scores of layers against those of scikit-learn, relative to score or threshold."""

_NUM_PROBES = 4
_ROUNDING = 1e-14  # Of scikit-learn: a cosine distance is 1 less a sum of products.
_FIRST_WEIGHT = 0.7  # Of two clips that are heard together where there are no test clips.


@dataclasses.dataclass(frozen=True)
class FittedMachine:
    """One machine of a detector.

    Attributes:
        machine: what is known of it.
        model: waveforms `(batch, samples)` to `anomaly_score`, `is_anomalous`, `embedding`.
        scores: float64 `(probes, 2)`, of the probes by scikit-learn and by the model.
        notes: what is to be said beside the scores of the run.
    """

    machine: Machine
    model: keras.Model
    scores: np.ndarray
    notes: tuple[str, ...]

    @property
    def largest_difference(self):
        """Of both scores, relative to the larger of score and threshold."""
        return _difference(self.scores, self.machine.threshold).max()


def fit_machines(run, seed, *, machines=None, num_probes=_NUM_PROBES):
    """The graphs of all sections of a run, one after the other.

    Args:
        run: `asdkeras.experiment.run.Run`; all its units are trained.
        seed: of the trial.
        machines: machine types (`fan`) or sections (`fan_00`) that are wanted; None means all.
        num_probes: int, clips of each section that a graph is checked with: its first test
            clips or, if it has none, two training clips each that are heard together.

    Yields:
        `FittedMachine`.

    Raises:
        RecipeError: if weights are gone, or the score of a clip is no function of the clip
            alone.
        AsdkerasError: if a graph and scikit-learn disagree by more than `TOLERANCE`.
    """
    places = _wanted(run.table, machines)
    probes = [probe for place in places for probe in _probes(run, place, num_probes)]
    scored = score_run(run, seed, probes)
    first = len(run.table)
    with stage("detector graphs") as update:
        for number, place in enumerate(places):
            own = [row for row, probe in enumerate(probes) if probe.place == place]
            rows = scored.table.index[[first + row for row in own]]
            waveforms = [probes[row].waveform for row in own]
            yield _fitted(run, place, scored, rows, waveforms)
            update(number + 1, len(places), "_".join(place))


def _wanted(table, machines):
    places = [Place(*key) for key in table.groupby(["machine_type", "section"]).groups]
    if machines is None:
        return places
    known = {name for place in places for name in (place.machine_type, "_".join(place))}
    if unknown := [name for name in machines if name not in known]:
        raise RecipeError(
            f"--machines: the run has no `{unknown[0]}`.{did_you_mean(unknown[0], sorted(known))} "
            f"It has {', '.join(map('_'.join, places))}."
        )
    return [
        place for place in places if place.machine_type in machines or "_".join(place) in machines
    ]


def _probes(run, place, num_probes):
    """Clips that no scorer has seen."""
    table = run.table
    is_here = (table["machine_type"] == place.machine_type) & (table["section"] == place.section)
    is_training = table["split"] == "train"
    new = table.index[is_here & ~is_training][:num_probes]
    if len(new):
        return [Probe(place, run.store.read([row], _length(run, row), "start")[0]) for row in new]
    known = table.index[is_here & is_training][: 2 * num_probes]
    return [
        Probe(place, _heard_together(run, one, other))
        for one, other in zip(known[::2], [*known[1::2], known[0]], strict=False)
    ]


def _length(run, row):
    return int(run.store.lengths[row])


def _heard_together(run, one, other):
    first, second = (run.store.read([row], _length(run, one), "start")[0] for row in (one, other))
    return _FIRST_WEIGHT * first + (1.0 - _FIRST_WEIGHT) * second


def _fitted(run, place, scored, rows, waveforms):
    answers = scored.columns.loc[rows, scored.answer].to_numpy("float64")
    compared = scored.columns.loc[rows, scored.decision_score].to_numpy("float64")
    if not np.array_equal(answers, compared):
        raise AsdkerasError(
            f"{'_'.join(place)}: the decision on a clip of no known domain compares "
            f"`{scored.decision_score}`, which is not the score `{scored.answer}`."
        )
    clip_length, keep = scored.heard[place]
    machine = Machine(
        name=_name(place, scored.table),
        machine_type=place.machine_type,
        section=place.section,
        sample_rate_hz=run.store.sample_rate_hz,
        clip_length=clip_length,
        keep=keep,
        # As the graph has it, so that whoever compares anew decides the same.
        threshold=float(np.float32(scored.thresholds[rows].iloc[0])),
    )
    model = _model(scored, place, machine)
    found = [_score_of(model, waveform) for waveform in waveforms]
    fitted = FittedMachine(machine, model, np.stack([answers, found], axis=1), scored.notes)
    if not fitted.largest_difference <= TOLERANCE:
        worst = fitted.scores[np.argmax(_difference(fitted.scores, machine.threshold))]
        raise AsdkerasError(
            f"{machine.name}: the graph says {worst[1]:.8g} of a clip, scikit-learn {worst[0]:.8g}."
            f" They must agree within {TOLERANCE:g} of score or threshold, {machine.threshold:.4g}."
        )
    return fitted


def _name(place, table):
    of_type = table.loc[table["machine_type"] == place.machine_type, "section"]
    return place.machine_type if of_type.nunique() == 1 else "_".join(place)


def _model(scored, place, machine):
    waveform = keras.Input((None,), name="waveform")
    score, embedding = scored.connect(place, waveform)
    score = ops.cast(score, "float32")
    outputs = {
        "anomaly_score": score,
        "is_anomalous": ops.greater(score, machine.threshold),
        "embedding": ops.cast(embedding, "float32"),
    }
    return keras.Model(waveform, outputs, name="detector")


def _score_of(model, waveform):
    outputs = model(ops.convert_to_tensor(waveform[None], "float32"), training=False)
    return float(outputs["anomaly_score"][0])


def _difference(scores, threshold):
    scale = np.maximum(np.abs(scores[:, 0]), abs(threshold))
    gaps = np.maximum(np.abs(scores[:, 1] - scores[:, 0]) - _ROUNDING, 0.0)
    return gaps / np.where(scale > 0.0, scale, 1.0)


def story_of(run):
    """What a detector file says of the run it comes from, JSON-able."""
    environment = json.loads(Path(run.folder.path, "environment.json").read_text(encoding="utf-8"))
    environment.pop("data", None)  # Where things lie is nobody's business who gets the file.
    clips = run.table[run.table["split"] == "train"]
    counts = clips.groupby(["machine_type", "section"]).size()
    return {
        "system": run.recipe.system,
        "variant": run.recipe.variant,
        "recipe": run.recipe.as_mapping(),
        "environment": environment,
        "training_clips": {"_".join(map(str, key)): int(n) for key, n in counts.items()},
    }
