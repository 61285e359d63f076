"""What a paper fills in, and what it is given: the border between systems and the runner."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import keras
import numpy as np
import pandas as pd

from asdkeras.data.frames import FrameStore
from asdkeras.data.store import ClipStore
from asdkeras.dsp.clip_length import Keep
from asdkeras.scorers.ensembles import METHODS, WEIGHTED, Method


@dataclasses.dataclass(frozen=True)
class ClipSet:
    """Clips a system may hear: rows of the clip table and the store that has their audio.

    Attributes:
        table: clip table; its index says where in `store` a clip lies.
        store: the decoded audio of the whole dataset.
        seed: int, of the trial; what is drawn once per clip derives from it.
    """

    table: pd.DataFrame
    store: ClipStore
    seed: int = 0

    def __len__(self):
        return len(self.table)

    def lengths(self):
        """Samples of each clip, int `(len(self),)`."""
        return self.store.lengths[self.table.index.to_numpy()]

    def read(self, positions, clip_length, keep):
        """Waveforms of the rows at `positions`, float32 `(len(positions), clip_length)`.

        Where `keep` is `random`, seed and file name decide which window of a clip is read,
        so it is the same one whenever and in whatever order clips are read.
        """
        draws = self._draws[positions] if keep == "random" else None
        return self.store.read(self.table.index.to_numpy()[positions], clip_length, keep, draws)

    def read_chunks(self, positions, first_samples, num_samples, clip_length, keep, pad_mode):
        """One part of each row at `positions`, float32 `(len(positions), num_samples)`.

        Part i starts at sample `first_samples[i]` of the clip of `clip_length` samples that
        `read` would give, and may reach beyond its ends; see `ClipStore.read_part`.
        """
        rows = self.table.index.to_numpy()[positions]
        return self.store.read_part(rows, first_samples, num_samples, clip_length, keep, pad_mode)

    @functools.cached_property
    def _draws(self):
        return np.array([_draw(self.seed, Path(path).name) for path in self.table["path"]])


def _draw(seed, name):
    """A number in [0, 1) that depends on nothing but the seed and the name."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53  # As many bits as a float has.


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What `RunContext.fit` leaves.

    Attributes:
        models: kept epoch -> model.
        batch_values: recorded name -> its value after every training batch of the last
            epoch, float64 `(steps_per_epoch,)`.
    """

    models: dict[int, keras.Model]
    batch_values: dict[str, np.ndarray]


class RunContext(Protocol):
    """What the runner does for a system in training.

    Attributes:
        seed: int, of the trial; every random number of the task derives from it.
        table: clip table of all splits. A system trains on the training clips alone; it
            reads other rows only where its recipe asks for what released code does.
        all_training_clips: the training clips of the whole dataset, those of other machines
            included, for systems that learn what a machine does not sound like.
    """

    seed: int
    table: pd.DataFrame
    all_training_clips: ClipSet

    def store_frames(
        self,
        front_end: keras.Model,
        clips: ClipSet,
        clip_length: int,
        keep: Keep,
        batch_size: int,
    ) -> FrameStore:
        """Compute the frames of all clips once, for training to read windows of them.

        They lie in the folder of the task, until it is trained, has failed or was stopped;
        a resumed task computes them anew. Nothing that is kept may depend on them.

        Args:
            front_end: from waveforms `(batch, clip_length)` to frames
                `(batch, frames, bands)`.
            clips: whose frames; row order of its table.
            clip_length: int, samples.
            keep: which part of a longer clip is heard.
            batch_size: int, clips.
        """
        ...

    def fit(
        self,
        build: Callable[[], keras.Model],
        batches: Callable[[int], object],
        *,
        epochs: int,
        steps_per_epoch: int,
        keep_epochs: tuple[int, ...],
        watch: Callable[[keras.Model], dict[str, float]],
        validation: Callable[[], object | None] | None = None,
        record: tuple[str, ...] = (),
        phase: str = "",
    ) -> Fitted:
        """Train to the last epoch, or on from where an earlier call was stopped.

        Args:
            build: returns the compiled model; called only if there is no checkpoint.
            batches: first epoch -> endless dataset from that epoch on.
            epochs: int.
            steps_per_epoch: int, batches. Where the optimizer accumulates gradients, a
                multiple of the batches per update.
            keep_epochs: epochs after which the model is kept; the last one always is.
            watch: values of the model that go into `train.csv` beside the losses and
                into the message if training diverges.
            validation: returns a dataset that ends, whose losses go into `train.csv`
                after each epoch, or None.
            record: names of losses and metrics whose values after each training batch of
                the last epoch are wanted, and not those after an epoch: they are left out
                of `train.csv`. Keras logs its own as means over the epoch so far; a metric
                that forgets is recorded batch by batch.
            phase: name of a training before the last one, whose files lie in a folder of
                that name inside the folder of the task. Phases that are done are not
                repeated: their models are loaded.

        Raises:
            TrainingError: if a loss is no finite number, of training or validation.
            ValueError: if a name of `record` is not logged.
        """
        ...

    def say(self, message: str) -> None:
        """Tell the user something about this task."""
        ...

    def warn(self, message: str) -> None:
        """Tell the user now, and again under the result table of the run."""
        ...


@dataclasses.dataclass(frozen=True)
class Trained:
    """What training leaves.

    Attributes:
        models: name of a representation -> model from waveform `(batch, clip_length)` to
            an array of one row per clip. A model that gives a dict of arrays makes a
            representation `<key>_<name>` of each.
        constants: name -> array that belongs to the models and not to a clip.
        clip_length: int, samples the models hear.
        keep: which part of a longer clip they hear.
        rows: name of a model -> bool `(clips,)`, which clips of the table of the context it
            hears; the rows of the others are NaN, at no cost.
        inputs: name -> one value per clip of that table; all models then take a dict of
            these and of `waveform`.
    """

    models: dict[str, keras.Model]
    constants: dict[str, np.ndarray]
    clip_length: int
    keep: Keep
    rows: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    inputs: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Representations:
    """Arrays a scorer reads.

    Attributes:
        clips: name -> array, one row per row of the clip table.
        constants: as in `Trained`.
    """

    clips: dict[str, np.ndarray]
    constants: dict[str, np.ndarray]

    def as_arrays(self):
        """All arrays under names that `from_arrays` understands."""
        return {f"clips/{name}": each for name, each in self.clips.items()} | {
            f"constants/{name}": each for name, each in self.constants.items()
        }

    @classmethod
    def from_arrays(cls, arrays):
        """The inverse of `as_arrays`."""
        parts = {"clips": {}, "constants": {}}
        for name, each in arrays.items():
            kind, _, rest = name.partition("/")
            parts[kind][rest] = each
        return cls(**parts)

    def of_rows(self, rows):
        """The same for some clips only."""
        return Representations({n: each[rows] for n, each in self.clips.items()}, self.constants)


@dataclasses.dataclass(frozen=True)
class ScoreTable:
    """Anomaly scores of all clips; higher is more anomalous.

    Attributes:
        columns: one row per clip of the table, one column per named score, NaN where a
            score does not apply.
        anomaly_score: name of the column that is the system's answer.
        decision_score: name of the column that the threshold is compared with.
        named_scores: columns worth a result of their own, the answer among them.
        notes: what a reader of the results should know, a line each.
        oracle: which choices were made by labels of test clips, a line each; none if there
            was no such choice. They mark every table of the run.
        group_scores: for systems that can say what a score is due to: one row per clip of
            the table, one column per group of what was learned, such as `section` and
            `attribute_vel`. Higher is more anomalous; training clips are scored without
            themselves; NaN where a machine type has no such group.
    """

    columns: pd.DataFrame
    anomaly_score: str
    decision_score: str
    named_scores: tuple[str, ...]
    notes: tuple[str, ...] = ()
    oracle: tuple[str, ...] = ()
    group_scores: pd.DataFrame | None = None


Decide = Callable[[pd.DataFrame, pd.DataFrame, Mapping[str, np.ndarray]], pd.Series]


class Fit(NamedTuple):
    """What the scorers of one section are fitted to.

    Attributes:
        representations: of all clips that a model covers.
        table: their clip table.
        seed: of the trial.
        machine_type: of the section.
        section: whose scorer is wanted.
    """

    representations: Representations
    table: pd.DataFrame
    seed: int
    machine_type: str
    section: str

    @property
    def is_inside(self):
        """Which clips are of the section, bool `(clips,)`."""
        table = self.table
        is_inside = (table["machine_type"] == self.machine_type) & (
            table["section"] == self.section
        )
        return is_inside.to_numpy(bool)

    @property
    def is_normal(self):
        """Which clips are training clips of the section, bool `(clips,)`."""
        return self.is_inside & (self.table["split"] == "train").to_numpy(bool)


Graph = Callable[
    [Mapping[str, keras.KerasTensor], Fit, str], tuple[keras.KerasTensor, keras.KerasTensor]
]


@dataclasses.dataclass(frozen=True)
class System:
    """One paper, configured. Knows no paths, no command line and no other paper.

    Attributes:
        scope: what one trained model covers. A part is the development or the evaluation
            set, by the rules of the year.
        batch_size: int, clips per batch when representing.
        train: all training phases of the paper.
        score: fits scorers on normal training clips and scores all clips; the integer is
            the seed of the trial.
        decide: score columns, clip table and the constants of the models (none if the
            columns are those of an ensemble) -> thresholds, one per clip, for the decision
            score.
        published_rows: score column -> row of the published tables to compare it with.
        graph: the score as Keras layers, for detectors: Keras tensors of the representations
            of a batch, what the scorers are fitted to, and the name of a score column -> that
            score `(batch,)` as `score` gives it to test clips of the section whose domain is
            not known, and an embedding `(batch, dim)`. Raises `RecipeError` if a column has
            no such graph, because labels of test clips chose it.
    """

    scope: Literal["all", "machine_type", "machine_type_and_part", "section"]
    batch_size: int
    train: Callable[[ClipSet, RunContext], Trained]
    score: Callable[[Representations, pd.DataFrame, int], ScoreTable]
    decide: Decide
    published_rows: Mapping[str, str]
    graph: Graph


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """A variant that trains nothing: it combines the scores of other variants' runs.

    With one member and an `answer` it is that member's run with another of its columns as
    the answer.

    Attributes:
        members: variant -> machine types whose clips it scores; None means all.
        combine: what the scores of a clip become; `rank` is the mean of the ranks among the
            test clips of its section. Sums and means of scores that are not normalized go
            name by name; else answers alone are combined. `sum`, `mean` and `rank` are
            weighted if there are weights.
        pools_trials: whether every trial of every member takes part in one result. Else
            trial k of the ensemble is made of trial k of the members.
        decide: as in `System`, on the combined columns.
        published_rows: as in `System`.
        answer: the column that is the answer, and that thresholds are compared with. None
            takes what the members call their answers; if they call them differently, theirs
            together are the column `anomaly_score`.
        normalize: `section` makes the answer of each member a multiple of the standard
            deviation above the mean of the training clips of the section, before weights;
            `section_and_domain` goes by those of the same domain, where these have two
            different scores at least.
        weights: variant -> machine type -> weight, from 0 on; 1 where there is none.
        weights_from_labels: whether the weights w and 1 - w of a machine type with two
            members are those of 0, 0.05 .. 1 that are best by the labels of its development
            test clips. What is chosen so is marked as an oracle; without labels `weights`
            stay.
        oracle: as in `ScoreTable`, of choices that the variant stands for.
        normalize_on: `test` normalizes by the test clips of a section in place of its
            training clips: the score of a clip then depends on the others.
        best_from_labels: if not empty, the labels of development test clips choose for each
            machine type (and domain, where the rules set the clips of a domain against its
            own anomalies alone) which members count: the n that are best by themselves, n
            among these numbers. It is marked as an oracle; without labels all members count.
        combine_from_labels: what `combine` may be where labels choose the members, the best
            one being chosen with them; empty leaves it.
    """

    members: Mapping[str, tuple[str, ...] | None]
    combine: Method
    pools_trials: bool
    decide: Decide
    published_rows: Mapping[str, str]
    answer: str | None = None
    normalize: Literal["none", "section", "section_and_domain"] = "none"
    weights: Mapping[str, Mapping[str, float]] | None = None
    weights_from_labels: bool = False
    oracle: tuple[str, ...] = ()
    normalize_on: Literal["train", "test"] = "train"
    best_from_labels: tuple[int, ...] = ()
    combine_from_labels: tuple[Method, ...] = ()

    def __post_init__(self):
        weights = self.weights or {}
        unknown = sorted(set(weights) - set(self.members))
        if unknown:
            raise ValueError(f"`weights` must name members. Received: {', '.join(unknown)}")
        if any(weight < 0.0 for of_member in weights.values() for weight in of_member.values()):
            raise ValueError(f"`weights` must not be below 0. Received: weights={weights}")
        self._check_methods()
        self._check_choices()

    def _check_methods(self):
        unknown = sorted({self.combine, *self.combine_from_labels} - set(METHODS))
        if unknown:
            raise ValueError(
                f"`combine` must be one of {', '.join(METHODS)}. Received: {', '.join(unknown)}"
            )
        used = (self.combine, *self.combine_from_labels)
        unweighted = [how for how in used if how not in WEIGHTED]
        if unweighted and (self.weights or self.weights_from_labels):
            raise ValueError(
                f"weights go with {', '.join(WEIGHTED)}, because others cannot count one member "
                f"more than another. Received: combine={', '.join(unweighted)}"
            )
        if self.weights_from_labels and self.combine == "rank":
            raise ValueError(
                "`weights_from_labels` searches the weights of a sum: choose `sum` or `mean`. "
                f"Received: combine={self.combine!r}"
            )

    def _check_choices(self):
        if self.weights_from_labels and self.pools_trials:
            raise ValueError(
                "`weights_from_labels` chooses the weights of two members, of one trial each: "
                f"leave out `pools_trials`. Received: pools_trials={self.pools_trials}"
            )
        if self.weights_from_labels and self.best_from_labels:
            raise ValueError(
                "`weights_from_labels` and `best_from_labels` both choose who counts: leave out "
                f"one. Received: best_from_labels={self.best_from_labels}"
            )
        if any(number < 1 for number in self.best_from_labels):
            raise ValueError(
                "`best_from_labels` must be numbers of members, from 1 on. "
                f"Received: best_from_labels={self.best_from_labels}"
            )
        if self.combine_from_labels and not self.best_from_labels:
            raise ValueError(
                "`combine_from_labels` goes with `best_from_labels`, because labels choose both at "
                f"once. Received: combine_from_labels={self.combine_from_labels}"
            )
