"""Systems that learn to tell classes of whole clips apart, and score clips by their embeddings."""

import abc
import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import keras

from asdkeras.batches.mixup import Mixup
from asdkeras.batches.steps import Schedule
from asdkeras.batches.waveform_batches import training_batches
from asdkeras.config import Constraint
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.labels import Labels
from asdkeras.dsp.clip_length import Keep
from asdkeras.losses.scale_record import guard_notes, scale_values
from asdkeras.readings import fields_of
from asdkeras.systems.model_files import Models, TrainedNetwork
from asdkeras.systems.system import RunContext, System, TrainingLog


def numbers_of(*names: str) -> Constraint:
    """Mappings from some of these names to numbers of classes."""
    return Constraint(
        f"must map some of {', '.join(names)} to numbers of classes",
        lambda value: (
            {*value} <= {*names}
            and all(type(number) is int and number > 0 for number in value.values())
        ),
    )


class ClassifierConfig(Protocol):
    """The fields that the config of every such paper has."""

    @property
    def clip_length(self) -> int: ...
    @property
    def epochs(self) -> int: ...
    @property
    def batch_size(self) -> int: ...


@dataclasses.dataclass(frozen=True)
class ClipClassifierModels(Models):
    """The classifiers after the kept epochs."""

    networks: dict[int, TrainedNetwork]


Config = TypeVar("Config", bound=ClassifierConfig)
AnyModels = TypeVar("AnyModels", bound=ClipClassifierModels)


class ClipClassifier(System[Config, AnyModels], abc.ABC, Generic[Config, AnyModels]):
    """One network for all machines, trained on waveforms that may be mixed.

    A subclass defines `classes`, `build` and `section_scorer`. By default clips are represented by
    the layer `network` of the classifier after the last epoch.

    Attributes:
        keep: which part of a longer clip is used.
        definitions: name of classes -> field of the config that defines them, where there are
            several definitions.
    """

    scope = "all"
    definitions: ClassVar[Mapping[str, str]] = {}

    @property
    def keep(self) -> Keep:
        return "start"

    @property
    def batch_size(self) -> int:
        return self.config.batch_size

    @property
    def kept_epochs(self) -> tuple[int, ...]:
        """Epochs after which clips are represented, in ascending order."""
        return (self.config.epochs,)

    @property
    def mixup(self) -> Mixup:
        """How training clips are mixed: by default not at all."""
        return Mixup("waveform", 0.0, "linear")

    @abc.abstractmethod
    def classes(self, clips: ClipSet, context: RunContext) -> dict[str, Labels]:
        """Name of each auxiliary task -> classes of the training clips."""

    @property
    def expected_classes(self) -> Mapping[str, int]:
        """Name of classes -> their number in the paper, where the recipe knows it."""
        return {}

    def num_classes(self, name: str, clips: ClipSet, context: RunContext) -> int:
        """How many classes of a name in `expected_classes` the training clips have."""
        return len(self.classes(clips, context)[name].classes)

    @abc.abstractmethod
    def build(
        self, clips: ClipSet, num_classes: dict[str, int], context: RunContext
    ) -> keras.Model:
        """The compiled classifier.

        Its inputs are those of `training_batches`: `waveform` `(batch, clip_length)`, `weight`
        `(batch, 1)` and `<task>_label` `(batch, classes)`; its outputs are logits by task.
        """

    def models(
        self, networks: dict[int, TrainedNetwork], labels: dict[str, Labels], clips: ClipSet
    ) -> AnyModels:
        """The record of the trained networks."""
        rate_hz = clips.store.sample_rate_hz
        return self.models_class(self.config.clip_length, rate_hz, self.keep, networks)

    def train(self, clips: ClipSet, context: RunContext) -> AnyModels:
        config = self.config
        labels = self.classes(clips, context)
        num_classes = {name: len(each.classes) for name, each in labels.items()}
        counts = ", ".join(f"{count} {name}" for name, count in num_classes.items())
        context.say(f"{len(clips)} training clips; {counts}")
        self._warn_of_counts(clips, context)
        self.warn_of_lengths(clips, context)
        networks = context.fit(
            build=lambda: self.build(clips, num_classes, context),
            batches=lambda first: training_batches(
                clips,
                config.clip_length,
                self.keep,
                labels,
                self.mixup,
                Schedule(config.batch_size, context.seed, first, config.epochs),
            ),
            epochs=config.epochs,
            steps_per_epoch=math.ceil(len(clips) / config.batch_size),
            keep_epochs=self.kept_epochs,
            log=TrainingLog(watch=scale_values),
        ).networks
        for note in guard_notes(networks[config.epochs].model):
            context.warn(note)
        return self.models(networks, labels, clips)

    def _warn_of_counts(self, clips: ClipSet, context: RunContext) -> None:
        """Warn of classes that are not as many as the recipe says that the paper has."""
        for name, expected in self.expected_classes.items():
            count = self.num_classes(name, clips, context)
            if count == expected:
                continue
            text = f"{count} {name}, where `config.expected_classes` has {expected}"
            field = self.definitions.get(name)
            if field is not None:
                others = self._other_counts(field, name, clips, context)
                fitting = [value for value, number in others.items() if number == expected]
                advice = f"`{fitting[0]}`" if fitting else "none"
                listed = ", ".join(f"`{value}` {number}" for value, number in others.items())
                text += f"; by other values of `config.{field}`: {listed}; "
                text += f"{advice} gives the expected number"
            context.warn(text)

    def _other_counts(
        self, field: str, name: str, clips: ClipSet, context: RunContext
    ) -> dict[str, int]:
        """Other value of a field of the config -> how many classes it gives."""
        config: Any = self.config
        choices = next(each.choices for each in fields_of(type(config)) if each.name == field)
        others = [str(value) for value in choices if value != getattr(config, field)]
        return {
            value: type(self)(dataclasses.replace(config, **{field: value})).num_classes(
                name, clips, context
            )
            for value in others
        }

    def warn_of_lengths(self, clips: ClipSet, context: RunContext) -> None:
        """Warn if clips are far from the length that the network takes."""
        length, longest = self.config.clip_length, clips.lengths().max()
        if longest <= length / 2:
            context.warn(
                f"no training clip is longer than {longest} samples, and all are repeated up to "
                f"{length}; --set config.clip_length={longest} hears them once"
            )

    def represent(self, models: AnyModels) -> dict[str, keras.Model]:
        return {"embedding": models.networks[self.config.epochs].model.get_layer("network")}
