"""Sub-cluster AdaCos embeddings, scored by Gaussian mixtures per section and attribute.

Paper: Wilkinghoff, "Combining Multiple Distributions based on Sub-Cluster AdaCos for
    Anomalous Sound Detection under Domain Shifted Conditions", DCASE Workshop 2021.
Code: none is public for this system. The nearest is that of the loss paper (IJCNN 2021),
    github.com/wilkinghoff/sub-cluster-AdaCos, commit 260d509, called the reference here.

Differs from the released code:
    - The scale of the loss is kept within [0.5, 64] and the loss is computed from
      logarithms, which changes nothing until the reference would blow up
      (`scale_update: reference`, `loss_form: reference` for its own form).
    - A component's likelihood is weighted, as the paper says; the reference leaves the
      weight out (`component_weights: false`).
    - No class weights, and no validation on the development test clips.
    - Longer clips lose samples and not frames; shorter ones are repeated.

Where paper and reference are silent:
    - An attribute class is (machine type, section, attribute text of the file name).
      The paper counts 199 on the training data of 2021.
    - The first term of the target score is the mixture of the source clips of the
      section: three target clips cannot carry a mixture of their own twice.
    - Embeddings are scaled to length 1 before the mixtures, as in the reference.
    - A clip without a domain gets the section term and the larger likelihood of
      attributes and target clips; without target clips, Eq. (2).
    - Decisions on target clips compare the section term, the one the paper takes its
      threshold from.

A run of a variant such as `two_heads_s16` is one network: the paper trains five numbers of
sub-clusters with sections and attributes (two heads) and five with sections alone (one head),
and keeps each network after 100, 200, 300 and 400 epochs. The other variants train nothing and
add such runs, each with its kept epochs: `two_heads_20` and `one_head_20` are the columns of
Table 4, `all_40` is their sum, `selected_20` takes for each machine type the family that
Sec. 2.5 names. Table 2 does not follow from that choice, but lies between the two families, so
`all_40` is compared with Tables 2 to 4 and `selected_20` with Table 5. The distributions of
Table 3 are the scores `section`, `attributes` and `target` of `all_40`.
"""

import dataclasses
import functools
import itertools
import math
from typing import Literal

import keras
import numpy as np
import pandas as pd
from sklearn.preprocessing import normalize

from asdkeras.config import require
from asdkeras.data.labels import attribute_labels, section_labels
from asdkeras.data.pipeline import Mixup, inference_batches, training_batches
from asdkeras.data.splits import source_and_target
from asdkeras.layers.log_mel_spectrogram import LogMelSpectrogram
from asdkeras.layers.mix_with_reversed import MixWithReversed
from asdkeras.layers.mixture_score import MixtureScore
from asdkeras.layers.unit_vectors import UnitVectors
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
from asdkeras.losses.scale_record import guard_notes, scale_values
from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos
from asdkeras.networks.wilkinghoff_resnet import wilkinghoff_resnet
from asdkeras.progress import stage
from asdkeras.scorers.section_mixtures import SectionMixtures
from asdkeras.scorers.thresholds import percentile_threshold
from asdkeras.systems.system import Ensemble, ScoreTable, System, Trained

_ENSEMBLES = {  # Families whose networks they add.
    "two_heads_20": ("two_heads",),
    "one_head_20": ("one_head",),
    "all_40": ("two_heads", "one_head"),
    "selected_20": ("two_heads", "one_head"),
}
_SELECTED = {  # Sec. 2.5: chosen by the author, on labels of the development set.
    "two_heads": ("ToyCar", "ToyTrain", "pump", "slider"),
    "one_head": ("fan", "gearbox", "valve"),
}
_DISTRIBUTIONS = ("section", "attributes", "target")
_HEADS = {"two_heads": ("sections", "attributes"), "one_head": ("sections",)}
_SUBCLUSTERS = (1, 2, 4, 8, 16)
_TERMS = ("section", "attributes", "target", "tmax")
_SMALLEST_VARIANCE = 1e-6  # In dB squared: a band that varies less carries no sound.
_KEEP = "end"  # The reference keeps the last frames of a longer clip.


@dataclasses.dataclass(frozen=True)
class Config:
    """Lengths are in samples. Nothing has a default: the recipe states the paper's values."""

    variant: Literal[
        "two_heads_s1",
        "two_heads_s2",
        "two_heads_s4",
        "two_heads_s8",
        "two_heads_s16",
        "one_head_s1",
        "one_head_s2",
        "one_head_s4",
        "one_head_s8",
        "one_head_s16",
        "two_heads_20",
        "one_head_20",
        "all_40",
        "selected_20",
    ]
    ensemble_subclusters: tuple[int, ...]
    clip_length: int
    window_length: int
    hop_length: int
    num_mel_bins: int
    attribute_label: Literal["machine_section_attribute", "machine_attribute", "attribute"]
    mixup_on: Literal["features", "waveform"]
    mixup_probability: float
    mixup_labels: Literal["linear", "max"]
    scale_update: Literal["guarded", "reference", "adacos2019", "fixed"]
    scale_floor: float
    scale_ceiling: float
    loss_form: Literal["log", "reference"]
    trainable_centers: bool
    epochs: int
    keep_epochs: tuple[int, ...]
    batch_size: int
    learning_rate: float
    weight_decay: float
    covariance_regularization: float
    component_weights: bool
    target_model: Literal["gmm", "closed_form"]
    tmax_machines: tuple[str, ...]
    threshold_percentile: float

    def __post_init__(self):
        for name in ("clip_length", "window_length", "hop_length", "num_mel_bins"):
            require(getattr(self, name) >= 1, name, "must be at least 1", getattr(self, name))
        require(
            self.clip_length > self.window_length // 2,
            "clip_length",
            f"must exceed half a window of {self.window_length} samples",
            self.clip_length,
        )
        for name in ("epochs", "batch_size"):
            require(getattr(self, name) >= 1, name, "must be at least 1", getattr(self, name))
        for name in ("learning_rate", "covariance_regularization", "scale_floor"):
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))
        require(self.weight_decay >= 0, "weight_decay", "must not be negative", self.weight_decay)
        require(
            self.scale_ceiling > self.scale_floor,
            "scale_ceiling",
            "must exceed `scale_floor`",
            self.scale_ceiling,
        )
        require(
            0.0 <= self.mixup_probability <= 1.0,
            "mixup_probability",
            "must lie in [0, 1]",
            self.mixup_probability,
        )
        require(
            0.0 < self.threshold_percentile < 100.0,
            "threshold_percentile",
            "must lie between 0 and 100",
            self.threshold_percentile,
        )
        require(
            bool(self.keep_epochs) and all(1 <= e <= self.epochs for e in self.keep_epochs),
            "keep_epochs",
            f"must name epochs between 1 and {self.epochs}",
            list(self.keep_epochs),
        )
        require(
            bool(self.ensemble_subclusters) and {*self.ensemble_subclusters} <= {*_SUBCLUSTERS},
            "ensemble_subclusters",
            f"must name some of {list(_SUBCLUSTERS)}",
            list(self.ensemble_subclusters),
        )

    @property
    def heads(self):
        """Names of the auxiliary tasks."""
        return _HEADS[self.variant.rpartition("_s")[0]]

    @property
    def num_subclusters(self):
        """Centers per class (paper: S)."""
        return int(self.variant.rpartition("_s")[2])


def build(config: Config) -> System | Ensemble:
    """The paper's system: one network, or an ensemble of several."""
    if config.variant in _ENSEMBLES:
        return _ensemble(config)
    return System(
        scope="all",
        batch_size=config.batch_size,
        train=functools.partial(train, config),
        score=functools.partial(score, config),
        decide=functools.partial(decide, config),
        published_rows={"combined": f"{config.variant.rpartition('_s')[0]}_20"},
        graph=functools.partial(graph, config),
    )


def _ensemble(config):
    is_selected = config.variant == "selected_20"
    rows = {"combined": config.variant}
    if config.variant == "all_40":
        rows |= {name: name for name in _DISTRIBUTIONS}
    return Ensemble(
        members={
            f"{family}_s{num_subclusters}": _SELECTED[family] if is_selected else None
            for family in _ENSEMBLES[config.variant]
            for num_subclusters in config.ensemble_subclusters
        },
        combine="sum",
        pools_trials=False,
        decide=functools.partial(decide, config),
        published_rows=rows,
    )


def train(config, clips, context):
    """Train the network; one model per kept epoch."""
    labels = {"sections": section_labels(clips.table)}
    if "attributes" in config.heads:
        labels["attributes"] = attribute_labels(clips.table, config.attribute_label)
    num_classes = {name: len(each.classes) for name, each in labels.items()}
    context.say(
        f"{len(clips)} training clips; classes: "
        + ", ".join(f"{count} {name}" for name, count in num_classes.items())
    )
    _warn_of_short_clips(config, clips, context)

    kept = context.fit(
        build=lambda: _classifier(config, clips, num_classes),
        batches=lambda first_epoch: training_batches(
            clips,
            config.clip_length,
            _KEEP,
            labels,
            batch_size=config.batch_size,
            mixup=Mixup(config.mixup_on, config.mixup_probability, config.mixup_labels),
            seed=context.seed,
            first_epoch=first_epoch,
            epochs=config.epochs,
        ),
        epochs=config.epochs,
        steps_per_epoch=math.ceil(len(clips) / config.batch_size),
        keep_epochs=config.keep_epochs,
        watch=scale_values,
    ).models
    for note in guard_notes(kept[config.epochs]):
        context.warn(note)
    return Trained(
        models={f"embedding_epoch{epoch}": _embedder(model) for epoch, model in kept.items()}
        | {"temporal_maximum": _temporal_maximum(kept[config.epochs])},
        constants={
            f"{name}_centers_epoch{epoch}": model.get_layer(name).unit_centers()
            for epoch, model in kept.items()
            for name in config.heads
        },
        clip_length=config.clip_length,
        keep=_KEEP,
    )


def _warn_of_short_clips(config, clips, context):
    lengths = clips.table["machine_type"].to_frame().assign(length=clips.lengths())
    for machine_type, length in lengths.groupby("machine_type")["length"].median().items():
        if length <= config.clip_length / 2:
            context.warn(
                f"{machine_type}: clips of {length:.0f} samples are repeated up to "
                f"{config.clip_length}; --set config.clip_length={length:.0f} hears them once"
            )


def _classifier(config, clips, num_classes):
    waveform = keras.Input((config.clip_length,), name="waveform")
    weight = keras.Input((1,), name="weight")
    labels = {
        name: keras.Input((count,), name=f"{name}_label") for name, count in num_classes.items()
    }

    front_end = _front_end(config, clips)
    features = keras.Input(front_end.output_shape[1:], name="features")
    network = keras.Model(
        features, wilkinghoff_resnet(features, config.weight_decay), name="network"
    )
    embedding = network(MixWithReversed()(front_end(waveform), weight))
    logits = {
        name: SubClusterAdaCos(
            count,
            config.num_subclusters,
            trainable_centers=config.trainable_centers,
            scale_update=config.scale_update,
            scale_floor=config.scale_floor,
            scale_ceiling=config.scale_ceiling,
            name=name,
        )(embedding, labels[name])
        for name, count in num_classes.items()
    }

    classifier = keras.Model(
        {"waveform": waveform, "weight": weight}
        | {f"{name}_label": each for name, each in labels.items()},
        logits,
    )
    classifier.compile(
        keras.optimizers.Adam(config.learning_rate),
        {name: MixedCrossEntropy(config.loss_form) for name in logits},
    )
    return classifier


def _front_end(config, clips):
    """Log-mel spectrogram, standardized per band over all frames of all training clips."""
    waveform = keras.Input((config.clip_length,), name="front_end_waveform")
    log_mel = LogMelSpectrogram(
        sample_rate_hz=clips.store.sample_rate_hz,
        window_length=config.window_length,
        hop_length=config.hop_length,
        num_mel_bins=config.num_mel_bins,
        window="symmetric",
    )
    mean, variance = _statistics(
        log_mel(batch)
        for batch in inference_batches(clips, config.clip_length, _KEEP, config.batch_size)
    )
    features = keras.layers.Normalization(axis=-1, mean=mean, variance=variance)(log_mel(waveform))
    return keras.Model(waveform, features, name="front_end")


def _statistics(batches):
    """Mean and population variance per band, in one pass and float64.

    A band that never changes, such as one above the band of a low sample rate, gets the
    variance 1: else a trace of sound in a test clip would drown all other bands.
    """
    count, total, squares = 0, 0.0, 0.0
    for batch in batches:
        frames = keras.ops.convert_to_numpy(batch).astype("float64")
        frames = frames.reshape(-1, frames.shape[-1])
        count += len(frames)
        total = total + frames.sum(axis=0)
        squares = squares + (frames**2).sum(axis=0)
    mean = total / count
    variance = squares / count - mean**2
    return mean, np.where(variance > _SMALLEST_VARIANCE, variance, 1.0)


def _embedder(classifier):
    front_end = classifier.get_layer("front_end")
    embedding = classifier.get_layer("network")(front_end.output)
    return keras.Model(front_end.input, embedding)


def _temporal_maximum(classifier):
    front_end = classifier.get_layer("front_end")
    return keras.Model(front_end.input, keras.ops.max(front_end.output, axis=1))


def score(config, representations, table, seed):
    """Fit the mixtures of every section and score all clips, Eq. (2) to (4).

    Columns `section`, `attributes`, `target` and `tmax` are the terms of the equations,
    `combined` is their sum for the domain of the clip, `unknown_domain` what it would be
    without a domain, and `decision` what the threshold is compared with. Each is summed
    over the kept epochs; `<name>_epoch<n>` are those of one epoch.
    """
    sections = section_labels(table)
    attributes = attribute_labels(table, config.attribute_label).indices
    epochs = _epochs(config)
    by_epoch = {
        epoch: pd.DataFrame(np.nan, index=table.index, columns=list(_TERMS)) for epoch in epochs
    }
    unconverged = 0
    steps = list(itertools.product(range(len(sections.classes)), epochs))
    with stage("fit mixtures") as update:
        for done, (label, epoch) in enumerate(steps, start=1):
            rows = np.flatnonzero(sections.indices == label)
            part = representations.of_rows(rows)
            mixtures, embeddings, maxima = _fitted(
                config, part, table.iloc[rows], attributes[rows], epoch, label, seed
            )
            terms = mixtures.terms(embeddings, maxima)
            by_epoch[epoch].iloc[rows] = np.stack([terms[name] for name in _TERMS], axis=1)
            unconverged += mixtures.num_unconverged_
            update(done, len(steps), sections.classes[label])

    by_epoch = {epoch: _combined(terms, table["domain"]) for epoch, terms in by_epoch.items()}
    named = [columns.add_suffix(f"_epoch{epoch}") for epoch, columns in by_epoch.items()]
    return ScoreTable(
        pd.concat([sum(by_epoch.values()), *named], axis=1),
        anomaly_score="combined",
        decision_score="decision",
        named_scores=("combined", *_DISTRIBUTIONS),
        notes=_notes(config, table, sections, unconverged),
    )


def _epochs(config):
    return sorted({*config.keep_epochs, config.epochs})


def _fitted(config, part, table, attributes, epoch, label, seed):
    """The mixtures of one section, and what all its clips are scored by."""
    mixtures = SectionMixtures(
        config.num_subclusters,
        reg_covar=config.covariance_regularization,
        component_weights=config.component_weights,
        target_model=config.target_model,
        random_state=np.random.RandomState([seed, label, epoch]),
    )
    embeddings = normalize(part.clips[f"embedding_epoch{epoch}"].astype("float64"))
    has_tmax = table["machine_type"].iloc[0] in config.tmax_machines
    maxima = part.clips["temporal_maximum"].astype("float64") if has_tmax else None
    is_source, is_target = source_and_target(table)
    mixtures.fit(
        embeddings[is_source],
        attributes[is_source],
        target_embeddings=embeddings[is_target],
        section_means=part.constants[f"sections_centers_epoch{epoch}"][label],
        attribute_means=part.constants.get(f"attributes_centers_epoch{epoch}"),
        temporal_maxima=None if maxima is None else maxima[is_source],
    )
    return mixtures, embeddings, maxima


def graph(config, tensors, fit, column):
    """The sum over the kept epochs of what a clip of unknown domain scores."""
    label = section_labels(fit.table).indices[fit.is_inside][0]
    attributes = attribute_labels(fit.table, config.attribute_label).indices[fit.is_inside]
    part, table = fit.representations.of_rows(fit.is_inside), fit.table[fit.is_inside]
    scores = []
    for epoch in _epochs(config):
        mixtures, _, _ = _fitted(config, part, table, attributes, epoch, label, fit.seed)
        embedding = UnitVectors()(tensors[f"embedding_epoch{epoch}"])
        # The smaller of two scores is that of the components of both.
        others = [*mixtures.attributes_, *([mixtures.target_] if mixtures.target_ else [])]
        scores.append(_mixture_score(config, [mixtures.section_], embedding))
        scores.append(_mixture_score(config, others, embedding))
    return sum(scores[1:], scores[0]), tensors[f"embedding_epoch{config.epochs}"]


def _mixture_score(config, mixtures, embedding):
    """What the likeliest component of several mixtures says."""
    means, covariances, weights = (
        np.concatenate([getattr(mixture, name) for mixture in mixtures])
        for name in ("means_", "covariances_", "weights_")
    )
    layer = MixtureScore(len(means))
    layer.set_components(means, covariances, weights if config.component_weights else None)
    return layer(embedding)


def _combined(terms, domain):
    """Eq. (2) to (4) from their terms, a column each."""
    # fmin leaves out a missing target term, tmax counts where there is one.
    unknown = terms["section"] + np.fmin(terms["attributes"], terms["target"])
    source = terms["section"] + terms["attributes"] + terms["tmax"].fillna(0.0)
    target = (terms["section"] + terms["target"]).fillna(unknown)
    is_source, is_target = (domain == "source").fillna(False), (domain == "target").fillna(False)
    combined = source.where(is_source, target.where(is_target, unknown))
    return terms.assign(
        combined=combined,
        unknown_domain=unknown,
        decision=terms["section"].where(is_target, combined),
    )


def _notes(config, table, sections, unconverged):
    is_source, _ = source_and_target(table)
    num_source = np.bincount(sections.indices[is_source], minlength=len(sections.classes))
    notes = [
        f"{name}: {num_source[label]} source clips for {config.num_subclusters} components; "
        f"fitted {num_source[label]}"
        for label, name in enumerate(sections.classes)
        if num_source[label] < config.num_subclusters
    ]
    if unconverged:
        notes.append(f"{unconverged} mixtures stopped at the iteration limit and are kept")
    return tuple(notes)


def decide(config, columns, table, constants):
    """Thresholds, section 2.6: a percentile of the training clips of section and domain.

    A clip of unknown domain meets the percentile of all training clips of its section,
    scored as if their domain were unknown; so does a domain without training clips.
    """
    thresholds = pd.Series(np.nan, index=table.index)
    for _, section in table.groupby(["machine_type", "section"]):
        training = section[section["split"] == "train"]
        pooled = percentile_threshold(
            columns.loc[training.index, "unknown_domain"], config.threshold_percentile
        )
        for domain, clips in section.groupby("domain", dropna=False):
            normal = training.index[(training["domain"] == domain).fillna(False)]
            thresholds[clips.index] = (
                percentile_threshold(columns.loc[normal, "decision"], config.threshold_percentile)
                if len(normal)
                else pooled
            )
    return thresholds
