"""Training of the networks, and the record of them."""

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING

from asdkeras.batches.chunk_batches import Crop, chunk_batches
from asdkeras.batches.steps import Schedule
from asdkeras.data.clip_set import ClipSet
from asdkeras.scorers.nearest_neighbor import require_neighbors
from asdkeras.scorers.terms import Term, concatenated, representation
from asdkeras.systems.log_mel_front_end import KEEP, heard_length, require_frames
from asdkeras.systems.model_files import Models, TrainedNetwork
from asdkeras.systems.system import RunContext
from asdkeras.systems.venkatesh.disentangled_network import classifier, views
from asdkeras.systems.venkatesh.tasks import SECTIONS, tasks_of

if TYPE_CHECKING:
    from asdkeras.systems.venkatesh2022 import Config


@dataclasses.dataclass(frozen=True)
class Embedders(Models):
    """What training leaves.

    Attributes:
        networks: kept epoch -> the network with its classifiers.
        embeddings: name -> dimension of each embedding, in the order they are concatenated.
        readers: name, group and embedding of each task, see `ClassifierTask`.
        parts: name -> dimension of the embeddings, and behind them of the views of `views`.
        merge: how the chunks of a clip are merged, `mean` or `std`.
    """

    networks: dict[int, TrainedNetwork]
    embeddings: dict[str, int]
    readers: tuple[tuple[str, str, str], ...]
    parts: dict[str, int]
    merge: str

    @property
    def groups(self) -> dict[str, str]:
        """Group of a task -> name of the part that its score goes by."""
        return {
            group: group if group in self.parts else embedding
            for _, group, embedding in self.readers
            if group
        }

    def terms(self, epoch: int) -> dict[str, Term]:
        """The parts of the embeddings of an epoch; `concatenated` has all embeddings."""
        whole = representation(embedding_of(epoch))
        ends = itertools.accumulate(self.parts.values())
        terms = {
            name: whole[:, end - dim : end]
            for (name, dim), end in zip(self.parts.items(), ends, strict=True)
        }
        return {**terms, "concatenated": concatenated([terms[name] for name in self.embeddings])}


def check(config: "Config", clips: ClipSet) -> None:
    """See `System.check`.

    Raises:
        DataError: if a section has one clip.
        RecipeError: if there is nothing to tell apart, or clips have fewer frames than a chunk.
    """
    front_end = config.front_end
    require_neighbors(clips.table)
    tasks_of(config, clips)
    require_frames(front_end.chunk_frames, front_end, clips, "front_end.chunk_frames")


def train(config: "Config", clips: ClipSet, context: RunContext) -> Embedders:
    """Train the network of one machine type."""
    machine_type = str(clips.table["machine_type"].iloc[0])
    tasks = tasks_of(config, clips)
    front_end = config.front_end
    clip_length = heard_length(front_end, clips, context)
    crop = Crop(
        front_end.window_length, front_end.hop_length, front_end.chunk_frames, front_end.pad_mode
    )
    classes = ", ".join(f"{len(task.labels.classes)} {task.name}" for task in tasks.tasks)
    context.say(f"{len(clips)} training clips; classes: {classes}")
    if tasks.tasks[0].name != SECTIONS:
        context.warn(f"{machine_type} has one section: the network learns attributes alone")
    networks = context.fit(
        build=lambda: classifier(
            config, tasks, config.machine_learning_rates.get(machine_type, config.learning_rate)
        ),
        batches=lambda first: chunk_batches(
            clips,
            clip_length,
            KEEP,
            {task.name: task.labels for task in tasks.tasks},
            crop,
            Schedule(config.batch_size, context.seed, first, config.epochs),
        ),
        epochs=config.epochs,
        steps_per_epoch=math.ceil(len(clips) / config.batch_size),
        keep_epochs=kept_epochs(config),
    ).networks
    readers = tuple((task.name, task.group, task.embedding) for task in tasks.tasks)
    seen = views(readers, networks[config.epochs].model)
    return Embedders(
        clip_length,
        clips.store.sample_rate_hz,
        KEEP,
        networks,
        tasks.embeddings,
        readers,
        {**tasks.embeddings, **{name: basis.shape[1] for name, (_, basis) in seen.items()}},
        config.machine_merges.get(machine_type, config.merge),
    )


def kept_epochs(config: "Config") -> tuple[int, ...]:
    """Epochs whose networks clips are scored by: the last alone, unless labels may choose."""
    if config.checkpoint == "last":
        return (config.epochs,)
    interval = config.checkpoint_interval
    return tuple(sorted({*range(interval, config.epochs + 1, interval), config.epochs}))


def embedding_of(epoch: int) -> str:
    """Name of the representation of an epoch."""
    return f"embedding_epoch{epoch:04d}"
