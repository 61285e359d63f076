"""AdaProj and the losses it is compared with, scored by distance to normal clips.

Paper: Wilkinghoff, "AdaProj: Adaptively Scaled Angular Margin Subspace Projections for
    Anomalous Sound Detection with Auxiliary Classification Tasks", DCASE Workshop 2024.
Code: github.com/wilkinghoff/AdaProj, commit 10baa68, called the reference here; it has
    AdaProj alone. Sub-cluster AdaCos: github.com/wilkinghoff/icassp2023, commit 4f55738.

A network with two branches, the magnitude spectrum of the whole clip and the spectrogram
without its mean over time, learns to tell classes apart: machine type with section, attributes
and domain. The score of a clip is its smallest cosine distance to the means of the source clips
of its section and to its target clips.

Differs from the released code:
    - The recipes `dcase2022` and `dcase2023` have the numbers of the paper: embeddings of
      512, subspaces, sub-clusters and means of 32, ten trials. The recipe
      `dcase2023_released_code` has those of the reference: 256, 16, and five trials.
    - The scale of the loss is kept within [0.5, 64], which changes nothing until the
      reference would blow up (`scale_update: reference` for its own form).
    - Clips have one length by repetition from their start; the reference takes a random
      window, drawn anew each time it is run, for test clips as well
      (`length_rule: tile_random` draws one from seed and file name).
    - Classes are those of the training clips; the reference reads the names of the
      development test clips as well (`classes_from: train_and_dev_test`), which gives
      classes without training clips.
    - Scores and truth are joined by name, not by their order in a folder.

As in the released code, though the paper has it otherwise:
    - The logit of AdaProj is the scaled cosine to the projection. The paper prints the
      squared distance, by which the farthest class were the likeliest.
    - Centers within a class are not orthogonal, so the projection is none in the strict
      sense.
    - The first residual unit of the spectrogram branch normalizes its shortcut and not
      its residual (`first_block_norm: residual`, and the variant `corrected`).
    - Means of the clips are not scaled to length 1, so theirs is no cosine distance in
      the strict sense (`normalize_means`).

Where paper and reference are silent:
    - IC compactness is the squared distance on the unit sphere to one fixed center per
      class, `ic_compactness_cce` adds the cross-entropy of a linear layer with weight 1
      (`normalize_compactness`, `cce_weight`). The paper names both and defines neither.
    - "AdaCos" is sub-cluster AdaCos with one center per class, the author's only code of
      it (`scale_update: adacos2019` is the published one).
    - With embeddings of 512, only the last layer of each branch grows.
    - Clips of unknown domain count as source clips in training. A section without target
      clips is scored by its source clips alone.
    - The ensemble of Figure 3 is the mean of the scores of all trials.

ArcFace is one more head, in no table of the paper.
"""

import dataclasses
import functools
import math
from typing import Literal

import keras
import numpy as np
import pandas as pd
from sklearn.preprocessing import normalize

from asdkeras.config import require
from asdkeras.data.labels import Labels, domain_labels, section_labels
from asdkeras.data.pipeline import Mixup, training_batches
from asdkeras.data.splits import source_and_target
from asdkeras.layers.exemplar_distance import ExemplarDistance
from asdkeras.layers.unit_vectors import UnitVectors
from asdkeras.losses.ada_proj import AdaProj
from asdkeras.losses.arc_face import ArcFace, ArcFaceCrossEntropy
from asdkeras.losses.class_compactness import ClassCompactness, CompactnessLoss
from asdkeras.losses.cosines import unit_vectors
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
from asdkeras.losses.scale_record import guard_notes, scale_values
from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos
from asdkeras.metrics.official import rules_for
from asdkeras.networks.wilkinghoff_two_branch import two_branch
from asdkeras.progress import stage
from asdkeras.scorers.exemplars import ExemplarScorer
from asdkeras.scorers.thresholds import percentile_threshold, scope_thresholds
from asdkeras.systems.system import Ensemble, ScoreTable, System, Trained

_TABLE_1 = ("ic_compactness", "ic_compactness_cce", "adacos", "subcluster_adacos", "adaproj")
_ADACOS = ("adacos", "subcluster_adacos")
_KEEP = {"tile_start": "start", "tile_random": "random"}
_LEAST_FRAMES = 5  # Of the spectrogram: what the poolings of the network need,
_LEAST_WINDOW = 8  # and of its bins.


@dataclasses.dataclass(frozen=True)
class Config:
    """Lengths are in samples. Nothing has a default: the recipe states the paper's values."""

    variant: Literal[
        "ic_compactness",
        "ic_compactness_cce",
        "adacos",
        "subcluster_adacos",
        "adaproj",
        "adaproj_ensemble",
        "adaproj_j1",
        "adaproj_j2",
        "adaproj_j4",
        "adaproj_j8",
        "adaproj_j16",
        "adaproj_j24",
        "adaproj_j32",
        "adaproj_j40",
        "adaproj_j48",
        "adaproj_j56",
        "adaproj_j64",
        "corrected",
        "arcface",
    ]
    clip_length: int
    length_rule: Literal["tile_start", "tile_random"]
    window_length: int
    hop_length: int
    embedding_dim: int
    first_block_norm: Literal["shortcut", "residual"]
    classes_from: Literal["train", "train_and_dev_test"]
    mixup_probability: float
    mixup_labels: Literal["linear", "max"]
    subspace_dimension: int
    num_subclusters: int
    trainable_centers: bool
    scale_update: Literal["guarded", "reference", "adacos2019", "fixed"]
    scale_floor: float
    scale_ceiling: float
    cce_weight: float
    normalize_compactness: bool
    arcface_scale: float
    arcface_margin_rad: float
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    kmeans_clusters: int
    normalize_means: bool
    threshold_percentile: float

    def __post_init__(self):
        counts = ("hop_length", "subspace_dimension", "num_subclusters")
        for name in (*counts, "epochs", "batch_size", "kmeans_clusters"):
            require(getattr(self, name) >= 1, name, "must be at least 1", getattr(self, name))
        require(
            self.window_length >= _LEAST_WINDOW,
            "window_length",
            f"must be at least {_LEAST_WINDOW}",
            self.window_length,
        )
        least = self.window_length + (_LEAST_FRAMES - 1) * self.hop_length
        require(
            self.clip_length >= least,
            "clip_length",
            f"must be at least {least} samples, {_LEAST_FRAMES} frames of the spectrogram",
            self.clip_length,
        )
        require(
            self.embedding_dim >= 2 and self.embedding_dim % 2 == 0,
            "embedding_dim",
            "must be even: each branch makes half of it",
            self.embedding_dim,
        )
        require(
            self.subspace_dim < self.embedding_dim,
            "subspace_dimension",
            f"must be below `embedding_dim`, {self.embedding_dim}",
            self.subspace_dim,
        )
        require(
            self.scale_update != "adacos2019" or self.variant in _ADACOS,
            "scale_update",
            f"may be `adacos2019` for {' and '.join(_ADACOS)} alone",
            f"adacos2019 for {self.variant}",
        )
        for name in ("learning_rate", "scale_floor", "arcface_scale"):
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))
        for name in ("weight_decay", "cce_weight"):
            require(getattr(self, name) >= 0, name, "must not be negative", getattr(self, name))
        require(
            self.scale_ceiling > self.scale_floor,
            "scale_ceiling",
            "must exceed `scale_floor`",
            self.scale_ceiling,
        )
        require(
            0.0 <= self.arcface_margin_rad < math.pi,
            "arcface_margin_rad",
            "must lie in [0, pi)",
            self.arcface_margin_rad,
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

    @property
    def subspace_dim(self):
        """Centers per class of AdaProj (paper: J); a variant of Figure 2 says its own."""
        _, is_of_figure_2, number = self.variant.partition("adaproj_j")
        return int(number) if is_of_figure_2 else self.subspace_dimension

    @property
    def block_norm(self):
        """`first_block_norm`, unless the variant says it."""
        return "residual" if self.variant == "corrected" else self.first_block_norm


def build(config: Config) -> System | Ensemble:
    """The paper's system with one of its losses, or the ensemble of its trials."""
    if config.variant == "adaproj_ensemble":
        return Ensemble(
            members={"adaproj": None},
            combine="mean",
            pools_trials=True,
            decide=functools.partial(decide, config),
            published_rows={},  # Figure 3 has no figures.
        )
    row = "adaproj" if config.variant.startswith(("adaproj", "corrected")) else config.variant
    return System(
        scope="all",
        batch_size=config.batch_size,
        train=functools.partial(train, config),
        score=functools.partial(score, config),
        decide=functools.partial(decide, config),
        published_rows={"combined": row} if row in _TABLE_1 else {},
        graph=functools.partial(graph, config),
    )


def train(config, clips, context):
    """Train the network; its embedding after the last epoch is what clips are scored by."""
    labels = _labels(config, clips, context)
    context.say(f"{len(clips)} training clips; {len(labels.classes)} classes")
    longest = clips.lengths().max()
    if longest <= config.clip_length / 2:
        context.warn(
            f"no training clip is longer than {longest} samples, and all are repeated up to "
            f"{config.clip_length}; --set config.clip_length={longest} hears them once"
        )
    names = ("compactness", "classes") if config.variant == "ic_compactness_cce" else ("classes",)
    fitted = context.fit(
        build=lambda: _classifier(config, len(labels.classes)),
        batches=lambda first_epoch: training_batches(
            clips,
            config.clip_length,
            _KEEP[config.length_rule],
            dict.fromkeys(names, labels),
            batch_size=config.batch_size,
            mixup=Mixup("waveform", config.mixup_probability, config.mixup_labels),
            seed=context.seed,
            first_epoch=first_epoch,
            epochs=config.epochs,
        ),
        epochs=config.epochs,
        steps_per_epoch=math.ceil(len(clips) / config.batch_size),
        keep_epochs=(config.epochs,),
        watch=scale_values,
    )
    classifier = fitted.models[config.epochs]
    for note in guard_notes(classifier):
        context.warn(note)
    return Trained(
        models={"embedding": classifier.get_layer("network")},
        constants={},
        clip_length=config.clip_length,
        keep=_KEEP[config.length_rule],
    )


def _labels(config, clips, context):
    """Classes of the training clips; the reference has those of development test clips too."""
    if config.classes_from == "train":
        return domain_labels(clips.table)
    table = context.table
    rules = rules_for(str(table["dataset"].iloc[0]))
    is_development = [
        rules.part_of(str(machine_type), str(section)) == "dev"
        for machine_type, section in zip(table["machine_type"], table["section"], strict=True)
    ]
    is_training = (table["split"] == "train").to_numpy(bool)
    labels = domain_labels(table, extra=np.array(is_development) & ~is_training)
    return Labels(labels.classes, labels.indices[is_training])


def _classifier(config, num_classes):
    waveform = keras.Input((config.clip_length,), name="waveform")
    network = keras.Model(
        waveform,
        two_branch(
            waveform,
            embedding_dim=config.embedding_dim,
            window_length=config.window_length,
            hop_length=config.hop_length,
            first_block_norm=config.block_norm,
            weight_decay=config.weight_decay,
        ),
        name="network",
    )
    embedding = network(waveform)
    inputs = {"waveform": waveform, "weight": keras.Input((1,), name="weight")}
    logits, losses, loss_weights = {}, {}, {}
    for name, (head, loss, loss_weight) in _heads(config, num_classes).items():
        label = keras.Input((num_classes,), name=f"{name}_label")
        inputs[f"{name}_label"] = label
        logits[name] = head(embedding, label)
        losses[name], loss_weights[name] = loss, loss_weight
    classifier = keras.Model(inputs, logits)
    classifier.compile(
        keras.optimizers.Adam(config.learning_rate), losses, loss_weights=loss_weights
    )
    return classifier


def _heads(config, num_classes):
    """Name -> (layer from embedding and labels to logits, its loss, weight of the loss)."""
    if config.variant in ("ic_compactness", "ic_compactness_cce"):
        compactness = functools.partial(
            ClassCompactness,
            num_classes,
            normalize=config.normalize_compactness,
            trainable_centers=config.trainable_centers,
        )
        if config.variant == "ic_compactness":
            return {"classes": (compactness(name="classes"), CompactnessLoss(), 1.0)}
        return {
            "compactness": (compactness(name="compactness"), CompactnessLoss(), 1.0),
            "classes": (_linear(config, num_classes), MixedCrossEntropy(), config.cce_weight),
        }
    if config.variant == "arcface":
        head = ArcFace(
            num_classes,
            scale=config.arcface_scale,
            trainable_centers=config.trainable_centers,
            name="classes",
        )
        loss = ArcFaceCrossEntropy(config.arcface_margin_rad, config.arcface_scale)
        return {"classes": (head, loss, 1.0)}
    scale = {
        "trainable_centers": config.trainable_centers,
        "scale_update": config.scale_update,
        "scale_floor": config.scale_floor,
        "scale_ceiling": config.scale_ceiling,
        "name": "classes",
    }
    if config.variant in _ADACOS:
        per_class = 1 if config.variant == "adacos" else config.num_subclusters
        head = SubClusterAdaCos(num_classes, per_class, **scale)
    else:
        head = AdaProj(num_classes, config.subspace_dim, **scale)
    return {"classes": (head, MixedCrossEntropy(), 1.0)}


def _linear(config, num_classes):
    """The linear classifier beside compactness, on the embedding that compactness reads."""
    dense = keras.layers.Dense(
        num_classes,
        use_bias=False,
        kernel_regularizer=keras.regularizers.L2(config.weight_decay),
        dtype="float32",
        name="classes",
    )

    def logits(embedding, label):
        return dense(
            unit_vectors(embedding, axis=-1) if config.normalize_compactness else embedding
        )

    return logits


def score(config, representations, table, seed):
    """Cosine distances of every clip to the normal clips of its section.

    Columns `source`, to the nearest mean of source clips, `target`, to the nearest target
    clip, and `combined`, the smaller of both.
    """
    sections = section_labels(table)
    columns = pd.DataFrame(np.nan, index=table.index, columns=["source", "target", "combined"])
    notes = []
    with stage("fit exemplars") as update:
        for label, name in enumerate(sections.classes):
            rows = np.flatnonzero(sections.indices == label)
            embeddings = normalize(representations.clips["embedding"][rows].astype("float64"))
            is_source, _ = source_and_target(table.iloc[rows])
            scorer = _exemplars(config, embeddings, table.iloc[rows])
            terms = scorer.terms(embeddings)
            columns.iloc[rows] = np.stack(
                [terms["source"], terms["target"], scorer.anomaly_score(embeddings)], axis=1
            )
            if len(scorer.centers_) < config.kmeans_clusters:
                notes.append(
                    f"{name}: {np.count_nonzero(is_source)} source clips for "
                    f"{config.kmeans_clusters} means; fitted {len(scorer.centers_)}"
                )
            update(label + 1, len(sections.classes), name)
    return ScoreTable(
        columns,
        anomaly_score="combined",
        decision_score="combined",
        named_scores=("combined", "source", "target"),
        notes=tuple(notes),
    )


def _exemplars(config, embeddings, table):
    """The scorer of one section, fitted to its training clips."""
    is_source, is_target = source_and_target(table)
    scorer = ExemplarScorer(
        config.kmeans_clusters, normalize_means=config.normalize_means, random_state=0
    )
    return scorer.fit(embeddings[is_source], embeddings[is_target])


def graph(config, tensors, fit, column):
    """Distance to the nearest exemplar, of either domain."""
    embeddings = fit.representations.clips["embedding"][fit.is_inside].astype("float64")
    scorer = _exemplars(config, normalize(embeddings), fit.table[fit.is_inside])
    exemplars = np.concatenate([scorer.centers_, scorer.targets_])
    layer = ExemplarDistance(len(exemplars), "dot")
    layer.set_exemplars(exemplars)
    return layer(UnitVectors()(tensors["embedding"])), tensors["embedding"]


def decide(config, columns, table, constants):
    """Thresholds of the reference; the paper has none: a percentile of the training clips.

    Of all training clips of the section, whatever their domain. Target clips are exemplars
    of their own and score about 0.
    """
    scored = table.assign(anomaly_score=columns["combined"])
    training = scored[scored["split"] == "train"]
    threshold = functools.partial(percentile_threshold, percentile=config.threshold_percentile)
    return scope_thresholds(training, scored, "section", threshold)
