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

Where paper and reference are silent (fields that can be read otherwise are listed in
recipes/wilkinghoff2024/README.md):
    - IC compactness is the squared distance on the unit sphere to one fixed center per
      class, `ic_compactness_cce` adds the cross-entropy of a linear layer with weight 1
      (`normalize_compactness`, `cce_weight`). The paper names both and defines neither.
      The layer is drawn and kept, as Sec. 3.2 says of the centers of all losses;
      `trainable_centers` trains it, with weight decay, and the centers.
    - "AdaCos" is sub-cluster AdaCos with one center per class, the author's only code of
      it (`scale_update: adacos2019` is the published one).
    - With embeddings of 512, only the last layer of each branch grows.
    - Clips of unknown domain count as source clips in training. A section without target
      clips is scored by its source clips alone.
    - The ensemble of Figure 3 is the mean of the scores of all trials.

The point of Figure 2 at the dimension of the recipe, `adaproj_j32`, trains nothing: it is the run
of `adaproj`.

ArcFace is one more head, in no table of the paper.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal

import keras
import numpy as np

from asdkeras.batches.mixup import Mixup
from asdkeras.config import (
    Angle,
    Checked,
    Count,
    NotNegative,
    Percentile,
    Positive,
    Probability,
    above_field,
    at_least,
    multiple_of,
    require,
)
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.labels import Labels, domain_labels, source_and_target
from asdkeras.dsp.clip_length import Keep
from asdkeras.losses.ada_proj import AdaProj
from asdkeras.losses.arc_face import ArcFace, ArcFaceCrossEntropy
from asdkeras.losses.class_compactness import ClassCompactness, CompactnessLoss
from asdkeras.losses.cosines import unit_vectors
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos
from asdkeras.metrics.official import rules_for
from asdkeras.networks.wilkinghoff_two_branch import two_branch
from asdkeras.optimizers.fused_adam import FusedAdam
from asdkeras.readings import Reading, Reconstructed
from asdkeras.scorers.cluster_means import cluster_means
from asdkeras.scorers.combination import Combination
from asdkeras.scorers.nearest_neighbor import NearestNeighborScorer
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import representation, scored, smallest, unit_length
from asdkeras.scorers.thresholds import ThresholdRule
from asdkeras.systems.clip_classifier import ClipClassifier, ClipClassifierModels, numbers_of
from asdkeras.systems.system import AnySystem, Ensemble, NormalClips, RunContext

Head = Callable[[keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]
_TABLE_1 = ("ic_compactness", "ic_compactness_cce", "adacos", "subcluster_adacos", "adaproj")
_FIGURE_2 = "adaproj_j"  # Of which each variant has its own dimension.
_ADACOS = ("adacos", "subcluster_adacos")
_KEEP: dict[str, Keep] = {"tile_start": "start", "tile_random": "random"}
_LEAST_FRAMES = 5  # Of the spectrogram: what the poolings of the network need,
_LEAST_WINDOW = 8  # and of its bins.


@dataclasses.dataclass(frozen=True)
class Config(Checked):
    """Lengths are in samples. Nothing has a default: the recipe states the paper's values."""

    variant: Annotated[
        Literal[
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
        ],
        Reconstructed(
            {
                "ic_compactness_cce": "its classifier and the equal weights; the paper it cites "
                "takes the cross-entropy on another data set"
            }
        ),
    ]
    clip_length: int
    length_rule: Annotated[
        Literal["tile_start", "tile_random"],
        Reading(
            "silent",
            "how clips get one length: `tile_start` repeats them from their start, `tile_random` "
            "takes a random window of the repeated clip, as the reference",
        ),
    ]
    window_length: Annotated[int, at_least(_LEAST_WINDOW)]
    hop_length: Count
    embedding_dim: Annotated[int, multiple_of(2, "must be even: each branch makes half of it")]
    first_block_norm: Annotated[
        Literal["shortcut", "residual"],
        Reading(
            "silent",
            "what the first residual unit normalizes: `shortcut` as the reference, `residual` as "
            "the author's later correction",
        ),
    ]
    classes_from: Annotated[
        Literal["train", "train_and_dev_test"],
        Reading(
            "Sec. 3.1: attributes are known of the training samples",
            "`train_and_dev_test` adds classes that only names of development test clips have, as "
            "the reference. A number of classes other than `expected_classes` is reported",
        ),
    ]
    expected_classes: Annotated[dict[str, int], numbers_of("classes")]
    mixup_probability: Probability
    mixup_labels: Annotated[
        Literal["linear", "max"],
        Reading(
            "silent",
            "of two clips of one class: `linear` adds both weights, as the reference, `max` takes "
            "the larger",
        ),
    ]
    subspace_dimension: Count
    num_subclusters: Count
    trainable_centers: Annotated[
        bool,
        Reading(
            "Sec. 3.2: centers of all losses are not adapted during training",
            "`true` trains them, and the classifier of `ic_compactness_cce`",
        ),
    ]
    scale_update: Annotated[
        Literal["guarded", "reference", "adacos2019", "fixed"],
        Reading(
            "Def. 1: the dynamically adaptive scale of the AdaCos loss",
            "`reference` is the author's code, `guarded` keeps it within `scale_floor` and "
            "`scale_ceiling`, `adacos2019` is the published AdaCos, `fixed` never changes it",
        ),
    ]
    scale_floor: Positive
    scale_ceiling: Annotated[float, above_field("scale_floor")]
    cce_weight: NotNegative
    normalize_compactness: Annotated[
        bool,
        Reading(
            "Sec. 3.2: embeddings are normalized; of this loss silent",
            "`false` takes distances of raw embeddings to raw centers",
        ),
    ]
    arcface_scale: Positive
    arcface_margin_rad: Angle
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    weight_decay: NotNegative
    kmeans_clusters: Count
    normalize_means: Annotated[
        bool,
        Reading(
            "Sec. 3.2: the smallest cosine distance to these means",
            "`true` makes it one; `false` leaves means shorter than 1, as the reference",
        ),
    ]
    threshold_percentile: Percentile

    def check(self) -> None:
        least = self.window_length + (_LEAST_FRAMES - 1) * self.hop_length
        require(
            self.clip_length >= least,
            "clip_length",
            f"must be at least {least} samples, {_LEAST_FRAMES} frames of the spectrogram",
            self.clip_length,
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

    @property
    def subspace_dim(self) -> int:
        """Centers per class of AdaProj (paper: J); a variant of Figure 2 has its own."""
        _, is_of_figure_2, number = self.variant.partition(_FIGURE_2)
        return int(number) if is_of_figure_2 else self.subspace_dimension

    @property
    def block_norm(self) -> Literal["shortcut", "residual"]:
        """`first_block_norm`, unless the variant has its own."""
        return "residual" if self.variant == "corrected" else self.first_block_norm


def create(config: Config) -> AnySystem | Ensemble:
    """The paper's system with one of its losses, the ensemble of its trials, or its own run."""
    system = Wilkinghoff2024(config)
    if config.variant == "adaproj_ensemble":  # Figure 3, which has no figures to compare with.
        return Ensemble(
            {"adaproj": None}, Combination("mean"), system.thresholds, pools_trials=True
        )
    if config.variant == f"{_FIGURE_2}{config.subspace_dimension}":
        return Ensemble(
            {"adaproj": None}, Combination("mean"), system.thresholds, system.published_rows
        )
    return system


class Wilkinghoff2024(ClipClassifier[Config, ClipClassifierModels]):
    """One network.

    Its scores are `source`, the distance to the nearest mean of source clips, `target`, that to
    the nearest target clip, and `combined`, the smaller of both.
    """

    models_class = ClipClassifierModels
    definitions: ClassVar = {"classes": "classes_from"}
    main_score = "combined"

    @property
    def keep(self) -> Keep:
        return _KEEP[self.config.length_rule]

    @property
    def published_rows(self) -> dict[str, str]:
        variant = self.config.variant
        row = "adaproj" if variant == "corrected" else variant
        return {"combined": row} if row in _TABLE_1 else {}  # None of Figure 2 prints a value.

    @property
    def expected_classes(self) -> dict[str, int]:
        return self.config.expected_classes

    @property
    def mixup(self) -> Mixup:
        return Mixup("waveform", self.config.mixup_probability, self.config.mixup_labels)

    def check(self, clips: ClipSet, everything: ClipSet) -> None:
        domain_labels(clips.table)

    def classes(self, clips: ClipSet, context: RunContext) -> dict[str, Labels]:
        labels = self._labels(clips, context)
        has_two = self.config.variant == "ic_compactness_cce"
        return dict.fromkeys(("compactness", "classes") if has_two else ("classes",), labels)

    def _labels(self, clips: ClipSet, context: RunContext) -> Labels:
        """Classes of training clips; the reference has those of development test clips too."""
        if self.config.classes_from == "train":
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

    def build(
        self, clips: ClipSet, num_classes: dict[str, int], context: RunContext
    ) -> keras.Model:
        config = self.config
        waveform = keras.Input((config.clip_length,), name="waveform")
        features = two_branch(
            waveform,
            embedding_dim=config.embedding_dim,
            window_length=config.window_length,
            hop_length=config.hop_length,
            first_block_norm=config.block_norm,
            weight_decay=config.weight_decay,
        )
        network = keras.Model(waveform, features, name="network")
        embedding = network(waveform)
        inputs = {"waveform": waveform, "weight": keras.Input((1,), name="weight")}
        logits, losses, loss_weights = {}, {}, {}
        for name, (head, loss, loss_weight) in self.heads(num_classes["classes"]).items():
            label = keras.Input((num_classes[name],), name=f"{name}_label")
            inputs[f"{name}_label"] = label
            logits[name] = head(embedding, label)
            losses[name], loss_weights[name] = loss, loss_weight
        classifier = keras.Model(inputs, logits)
        classifier.compile(FusedAdam(config.learning_rate), losses, loss_weights=loss_weights)
        return classifier

    def heads(self, num_classes: int) -> dict[str, tuple[Head, keras.losses.Loss, float]]:
        """Name -> (layer from embedding and labels to logits, its loss, weight of the loss)."""
        config = self.config
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

    def section_scorer(self, normal: NormalClips[ClipClassifierModels]) -> SectionScorer:
        config = self.config
        embedding = unit_length(representation("embedding"))
        values = normal.values(embedding)
        is_source, is_target = source_and_target(normal.table)
        source = target = None
        means = values[:0]
        if is_source.any():
            means = cluster_means(
                values[is_source], config.kmeans_clusters, normalize_means=config.normalize_means
            )
            source = scored(NearestNeighborScorer("dot").fit(means), embedding)
        if is_target.any():
            target = scored(NearestNeighborScorer("dot").fit(values[is_target]), embedding)
        notes: tuple[str, ...] = ()
        if len(means) < config.kmeans_clusters:
            notes = (
                f"{normal.machine_type}_{normal.section}: {np.count_nonzero(is_source)} source "
                f"clips for {config.kmeans_clusters} means; fitted {len(means)}",
            )
        scores = {"source": source, "target": target, "combined": smallest(source, target)}
        return SectionScorer(scores, representation("embedding"), notes=notes)

    def named_scores(self, columns: Sequence[str]) -> tuple[str, ...]:
        return ("combined", "source", "target")

    @property
    def threshold_rule(self) -> ThresholdRule:
        """Thresholds of the reference; the paper has none.

        Of all training clips of the section, whatever their domain. Target clips are exemplars
        of their own and score about 0.
        """
        return ThresholdRule("section", "percentile", self.config.threshold_percentile)


def _linear(config: Config, num_classes: int) -> Head:
    """The linear classifier beside compactness, on the embedding that compactness reads.

    Its kernel holds a vector per class: as centers, it stays as drawn unless these are trained.
    """
    is_trained = config.trainable_centers
    dense = keras.layers.Dense(
        num_classes,
        use_bias=False,
        kernel_regularizer=keras.regularizers.L2(config.weight_decay) if is_trained else None,
        trainable=is_trained,
        dtype="float32",
        name="classes",
    )

    def logits(embedding: keras.KerasTensor, label: keras.KerasTensor) -> keras.KerasTensor:
        return dense(
            unit_vectors(embedding, axis=-1) if config.normalize_compactness else embedding
        )

    return logits
