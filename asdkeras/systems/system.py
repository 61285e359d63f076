"""The border between systems and the runner: what a paper fills in, and what it is given."""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.data.clip_set import ClipSet
from asdkeras.data.frames import FrameStore
from asdkeras.data.known_domains import with_known_domains
from asdkeras.dsp.clip_length import Keep
from asdkeras.progress import Update
from asdkeras.replicas import number_of
from asdkeras.scorers.combination import WEIGHTED, Combination
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import Floats, OfArrays, Term
from asdkeras.scorers.thresholds import ThresholdRule, Thresholds
from asdkeras.systems.model_files import Models, TrainedNetwork, load_models

Config = TypeVar("Config")
AnyModels = TypeVar("AnyModels", bound=Models)
Scope = Literal["all", "machine_type", "machine_type_and_part", "section"]


class System(abc.ABC, Generic[Config, AnyModels]):
    """One paper, configured. Knows no paths, no command line and no other paper.

    Attributes:
        models_class: record of what training leaves.
        scope: what one trained model covers. A part is the development or the evaluation
            set, by the rules of the year.
        batch_size: clips per batch when representing.
        main_score: name of the score that is compared with the paper.
        decision_score: name of the score that the threshold is compared with.
        published_rows: score -> row of the published tables to compare it with; several are
            joined by `+`.
        label_free_settings: settings of the recipe by which labels choose nothing.
        combines_variants: whether ensembles add networks of several variants of it. Each then
            draws from a seed of its own, derived from trial and variant: of one seed they would
            start alike, and read the same clips in the same order.
    """

    models_class: type[AnyModels]
    scope: Scope = "machine_type"
    combines_variants = False
    label_free_settings = "settings of the recipe by which labels choose nothing"

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def batch_size(self) -> int:
        return 16

    @property
    @abc.abstractmethod
    def main_score(self) -> str: ...

    @property
    def decision_score(self) -> str:
        return self.main_score

    @property
    def published_rows(self) -> Mapping[str, str]:
        return {}

    def check(self, clips: ClipSet, everything: ClipSet) -> None:
        """Refuse training clips that cannot be learned from, or that no clip can be scored by.

        The runner asks of all units before it trains the first one, so `train`, and the scorer and
        the threshold behind it, take for granted what is refused here.

        Args:
            clips: what `train` would be given.
            everything: `all_training_clips` of its context.

        Raises:
            DataError: if it is the clips that have to change.
            RecipeError: if another recipe, variant or system can do with them.
        """

    def needs_labels(self, score: str) -> bool:
        """Whether labels of test clips choose a score, which a detector then cannot have."""
        return False

    @abc.abstractmethod
    def train(self, clips: ClipSet, context: "RunContext") -> AnyModels:
        """Train on the clips of one unit of the scope, in all phases of the paper."""

    def load(self, folder: Path) -> AnyModels:
        """The models that an earlier `train` left in the folder of a task; reads no clip.

        Raises:
            RecipeError: if there is no finished training in it.
        """
        return load_models(self.models_class, folder)

    @abc.abstractmethod
    def represent(self, models: AnyModels) -> dict[str, keras.Model]:
        """Name of a representation -> model from waveforms to an array of one row per clip.

        Waveforms are `(batch, clip_length)`. A model that gives a dict of arrays makes a
        representation `<key>_<name>` of each.
        """

    def inputs(self, models: AnyModels, table: pd.DataFrame) -> dict[str, NDArray[Any]]:
        """Name -> one value per clip of a table that all models take beside `waveform`."""
        return {}

    def rows(self, models: AnyModels, table: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
        """Name of a model -> which clips it represents; NaN in the rows of the others."""
        return {}

    def held_out(self, models: AnyModels, table: pd.DataFrame) -> NDArray[np.bool_]:
        """Training clips that neither the network nor the scorer has learned from, `(clips,)`.

        A clip that a scorer was fitted to counts if its score is by the scorer of the others.

        Args:
            table: clip table of the unit, test clips included: these are not held out.
        """
        return np.full(len(table), False)

    @abc.abstractmethod
    def section_scorer(self, normal: "NormalClips[AnyModels]") -> SectionScorer:
        """The scores of a section, fitted to its normal clips."""

    def named_scores(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Scores worth a result of their own, of those that there are."""
        return tuple(columns)

    def choose(self, columns: pd.DataFrame, table: pd.DataFrame) -> "Choice":
        """The scores of a unit that labels of test clips choose, where the recipe lets them.

        Args:
            columns: scores of all sections of the unit, whose clip table is `table`.
        """
        return Choice(columns)

    @property
    def threshold_rule(self) -> ThresholdRule:
        """How thresholds follow from `decision_score`: by default the 90th percentile."""
        return ThresholdRule("section_and_domain", "percentile", 90.0)

    def thresholds(
        self,
        columns: pd.DataFrame,
        table: pd.DataFrame,
        score: str | None = None,
        models: AnyModels | None = None,
    ) -> Thresholds:
        """Thresholds of all clips of a table.

        Args:
            columns: scores; those of training clips are read.
            table: domains of test clips are missing where the rules of the year withhold them.
            score: column that decides; None takes `decision_score`.
            models: of the unit; None if the columns are those of an ensemble.
        """
        return self.threshold_rule.thresholds(columns[score or self.decision_score], table)


AnySystem: TypeAlias = System[Any, Any]


@dataclasses.dataclass(frozen=True)
class NormalClips(Generic[AnyModels]):
    """The training clips of one section, to fit its scorer to.

    Attributes:
        arrays: name of a representation -> one row per clip.
        positions: `(clips,)`, places of these clips among all that `train` was given.
        values_of_unit: the values of a term for all clips that `train` was given, those of other
            sections among them.
        models: the models that training left.
        seed: of the trial, for all variants.
    """

    machine_type: str
    section: str
    table: pd.DataFrame
    arrays: Mapping[str, NDArray[Any]]
    positions: NDArray[np.int64]
    values_of_unit: Callable[[Term], Floats]
    models: AnyModels
    seed: int

    def values(self, term: Term) -> Floats:
        """The values of a term for these clips, for instance to fit a scorer to."""
        return training_values(term, self.arrays, self.table)


def training_values(
    term: Term, arrays: Mapping[str, NDArray[Any]], training: pd.DataFrame
) -> Floats:
    """The values of a term for training clips, whose table it is."""
    everyone = np.full(len(training), True)
    values: Floats = OfArrays(arrays, everyone, domains_of(training))(term)
    return values


def domains_of(table: pd.DataFrame) -> NDArray[np.str_]:
    """Domains of clips, `(clips,)`: `source`, `target`, or empty where it is not known.

    That of a test clip is not known where the rules of its year withhold it, see
    `with_known_domains`.
    """
    return with_known_domains(table)["domain"].fillna("").to_numpy(str)


class Choice(NamedTuple):
    """Scores of the clips of a unit, those chosen by labels among them.

    Attributes:
        notes: lines for the reader of the results.
        oracle: what labels of test clips chose, a line each; none if nothing. They mark every
            table of the run.
    """

    columns: pd.DataFrame
    notes: tuple[str, ...] = ()
    oracle: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Fitted:
    """Result of `RunContext.fit`.

    Attributes:
        networks: kept epoch -> network.
        batch_values: recorded name -> its value after every training batch of the last
            epoch, `(steps_per_epoch,)`.
    """

    networks: dict[int, TrainedNetwork]
    batch_values: dict[str, Floats]


@dataclasses.dataclass(frozen=True)
class TrainingLog:
    """What a training records beside its losses.

    Attributes:
        watch: values of the model that go into `train.csv` and into the message if training
            diverges.
        validation: returns a dataset that ends, whose losses go into `train.csv` after each
            epoch, or None.
        record: names of losses and metrics whose values after each training batch of the last
            epoch are wanted, and not those after an epoch: they are left out of `train.csv`.
            Keras logs its own as means over the epoch so far; a metric that forgets is
            recorded batch by batch.
    """

    watch: Callable[[keras.Model], dict[str, float]] = lambda model: {}
    validation: Callable[[], Any] = lambda: None
    record: tuple[str, ...] = ()


NOTHING_MORE = TrainingLog()


def learning_rate(model: keras.Model) -> dict[str, float]:
    """The learning rate of the next step, to be watched."""
    return {"learning_rate": number_of(model.optimizer.learning_rate)}


class RunContext(Protocol):
    """The runner's services to a system in training.

    Attributes:
        seed: every random number of the task derives from it. It is that of the trial, or one
            derived from trial and variant, see `System.combines_variants`.
        table: clip table of all splits. A system trains on the training clips alone; it
            reads other rows only where its recipe asks for what released code does.
        all_training_clips: the training clips of all machines of the run, those of others
            included, for systems that learn what a machine does not sound like.
        left_out: machine types of the dataset that `--machines` leaves out, or sections of them
            (`fan_00`) where it leaves out some.
    """

    seed: int
    table: pd.DataFrame
    all_training_clips: ClipSet
    left_out: tuple[str, ...]

    def store_frames(
        self, front_end: keras.Model, clips: ClipSet, clip_length: int, keep: Keep, batch_size: int
    ) -> FrameStore:
        """Frames of all clips, computed when training or a pass over them begins to read.

        They are kept beside the clip store, where every task that reads the same clips through the
        same front end finds them.

        Args:
            front_end: from waveforms `(batch, clip_length)` to frames `(batch, frames, bands)`.
            keep: which part of a longer clip is used.
        """
        ...

    def band_moments(
        self, front_end: keras.Model, clips: ClipSet, clip_length: int, keep: Keep, batch_size: int
    ) -> dict[str, NDArray[np.float64]]:
        """`mean` and `variance` of each band over all frames, kept as those of `store_frames`.

        For systems that train on waveforms: the frames themselves are not stored.
        """
        ...

    def fit(
        self,
        build: Callable[[], keras.Model],
        batches: Callable[[int], object],
        *,
        epochs: int,
        steps_per_epoch: int,
        keep_epochs: tuple[int, ...] = (),
        log: TrainingLog = NOTHING_MORE,
        phase: str = "",
    ) -> Fitted:
        """Train to the last epoch, or on from where an earlier call was stopped.

        Args:
            build: returns the compiled model; called only if there is no checkpoint.
            batches: first epoch -> endless dataset from that epoch on; not called if all
                epochs are done.
            steps_per_epoch: batches. Where the optimizer accumulates gradients, a multiple of the
                batches per update.
            keep_epochs: epochs after which the model is kept; the last one always is.
            phase: name of a training before the last one, whose files lie in a folder of
                that name inside the folder of the task. Phases that are done are not
                repeated: their models are loaded.

        Raises:
            TrainingError: if a loss is no finite number, of training or validation.
            ValueError: if a name of `log.record` is not logged.
        """
        ...

    def once(
        self, name: str, compute: Callable[[], Mapping[str, NDArray[Any]]]
    ) -> dict[str, NDArray[Any]]:
        """Arrays of this task that are computed once: stopped later, it finds them in a file."""
        ...

    def stage(self, name: str) -> AbstractContextManager[Update]:
        """Progress of a part of the task, see `asdkeras.progress.stage`."""
        ...

    def say(self, message: str) -> None:
        """Print a line about this task."""
        ...

    def warn(self, message: str) -> None:
        """Print a warning now, and again under the result table of the run."""
        ...


class ThresholdsOf(Protocol):
    """`System.thresholds` without models."""

    def __call__(
        self, columns: pd.DataFrame, table: pd.DataFrame, score: str | None = None
    ) -> Thresholds: ...


def accept(training: pd.DataFrame) -> None:
    """Refuse no clips."""


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """A variant that trains nothing: it combines the scores of other variants' runs.

    With one member and a `main_score` of the combination it is that member's run with another
    of its columns as the main score. `thresholds` and `published_rows` are as in `System`.

    Attributes:
        members: variant -> machine types whose clips it scores; None means all.
        weights: variant -> machine type -> weight, from 0 on; 1 where there is none.
        pools_trials: whether every trial of every member takes part in one result. Else
            trial k of the ensemble is made of trial k of the members.
        check: as `System.check`, of the table of all training clips, for what its members accept
            and it cannot combine.
    """

    members: Mapping[str, tuple[str, ...] | None]
    combination: Combination
    thresholds: ThresholdsOf
    published_rows: Mapping[str, str] = dataclasses.field(default_factory=dict)
    weights: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    pools_trials: bool = False
    check: Callable[[pd.DataFrame], None] = accept

    def __post_init__(self) -> None:
        unknown = sorted(set(self.weights) - set(self.members))
        if unknown:
            raise ValueError(f"`weights` must name members. Received: {', '.join(unknown)}")
        if any(weight < 0.0 for by_type in self.weights.values() for weight in by_type.values()):
            raise ValueError(f"`weights` must not be below 0. Received: weights={self.weights}")
        combination = self.combination
        used = (combination.how, *combination.methods_from_labels)
        unweighted = [how for how in used if how not in WEIGHTED]
        if unweighted and (self.weights or combination.weights_from_labels):
            raise ValueError(
                f"weights go with {', '.join(WEIGHTED)}, because others cannot count one member "
                f"more than another. Received: how={', '.join(unweighted)}"
            )
        if combination.weights_from_labels and self.pools_trials:
            raise ValueError(
                "`weights_from_labels` chooses the weights of two members, of one trial each: "
                f"leave out `pools_trials`. Received: pools_trials={self.pools_trials}"
            )
