"""Training of the networks, and what of it is kept: one array of embeddings per clip."""

import math

import numpy as np

from asdkeras.data.chunk_batches import chunk_batches
from asdkeras.scorers.section_neighbors import require_neighbors
from asdkeras.systems.baselines.front_end import KEEP, heard_length, require_frames
from asdkeras.systems.system import Trained
from asdkeras.systems.venkatesh.networks import classifier, clip_embedder
from asdkeras.systems.venkatesh.tasks import tasks_of


def train(config, clips, context):
    """Train the network of one machine type.

    Args:
        config: of the system.
        clips: `ClipSet`, the training clips.
        context: `RunContext`.

    Returns:
        `Trained`: for each kept epoch `embedding_epoch<n>`; constants `names` and `dims` of
        its parts, `tasks` group by group (see `parts_of`).

    Raises:
        DataError: if a section has one clip.
        RecipeError: if there is nothing to tell apart, or clips have fewer frames than a chunk.
    """
    machine_type = str(clips.table["machine_type"].iloc[0])
    require_neighbors(clips.table)
    tasks = tasks_of(config, clips)
    front_end = config.front_end
    clip_length = heard_length(front_end, clips, context)
    require_frames(front_end.chunk_frames, front_end, clip_length, "front_end.chunk_frames")
    classes = ", ".join(f"{len(task.labels.classes)} {task.name}" for task in tasks.tasks)
    context.say(f"{len(clips)} training clips; classes: {classes}")
    fitted = context.fit(
        build=lambda: classifier(
            config, tasks, config.machine_learning_rates.get(machine_type, config.learning_rate)
        ),
        batches=lambda first_epoch: chunk_batches(
            clips,
            clip_length,
            KEEP,
            {task.name: task.labels for task in tasks.tasks},
            window_length=front_end.window_length,
            hop_length=front_end.hop_length,
            num_frames=front_end.chunk_frames,
            pad_mode=front_end.pad_mode,
            batch_size=config.batch_size,
            seed=context.seed,
            first_epoch=first_epoch,
            epochs=config.epochs,
        ),
        epochs=config.epochs,
        steps_per_epoch=math.ceil(len(clips) / config.batch_size),
        keep_epochs=kept_epochs(config),
        watch=lambda model: {},
    )
    merge = config.machine_merges.get(machine_type, config.merge)
    models, dims = {}, {}
    for epoch, model in sorted(fitted.models.items()):
        embedder, dims = clip_embedder(config, tasks, model, clip_length, merge)
        models[embedding_of(epoch)] = embedder
    groups = {
        task.group: task.group if task.group in dims else task.embedding
        for task in tasks.tasks
        if task.group
    }
    constants = {
        "names": np.array(list(dims)),
        "dims": np.array(list(dims.values())),
        "num_embeddings": np.array(len(tasks.embeddings)),
        "groups": np.array(list(groups)),
        "group_parts": np.array(list(groups.values())),
    }
    return Trained(models, constants, clip_length, KEEP)


def kept_epochs(config):
    """Epochs whose networks clips are scored by: the last alone, unless labels may choose."""
    if config.checkpoint == "last":
        return (config.epochs,)
    interval = config.checkpoint_interval
    return tuple(sorted({*range(interval, config.epochs + 1, interval), config.epochs}))


def embedding_of(epoch):
    """Name of the representation of an epoch."""
    return f"embedding_epoch{epoch:04d}"


def parts_of(embeddings, constants):
    """The parts of an array of embeddings.

    Args:
        embeddings: `(clips, dim)`, of one epoch.
        constants: of `train`.

    Returns:
        name -> `(clips, dim of the part)`; and the names of those that are embeddings of
        their own and not views of another.
    """
    ends = np.cumsum(constants["dims"])
    pieces = np.split(embeddings, ends[:-1], axis=1)
    names = [str(name) for name in constants["names"]]
    return dict(zip(names, pieces, strict=True)), names[: int(constants["num_embeddings"])]
