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

Where paper and reference are silent, and no field of the recipe chooses (those that do are listed
in recipes/wilkinghoff2021/README.md):
    - Both heads have the same mixup weights and partners. A head that has one class alone is left
      out: of one section, a network learns the attributes, and its mixture starts from k-means.
    - Embeddings are scaled to length 1 before the mixtures, as in the reference. A mixture has as
      many components as the loss has sub-clusters, that of an attribute too, but not more than
      clips. Those of attributes start from k-means where no head has learned their means.
    - A clip of unknown domain gets the section term and the larger likelihood of attributes and
      target clips, and no temporal maximum; without target clips, Eq. (2).
    - Decisions on target clips compare the section term, the one the paper takes its threshold
      from. Thresholds are taken from clips that the mixtures were fitted to, whose scores are
      lower than those of new normal clips: most of these lie above.

A run of a variant such as `two_heads_s16` is one network: the paper trains five numbers of
sub-clusters with sections and attributes (two heads) and five with sections alone (one head),
and keeps each network after 100, 200, 300 and 400 epochs. The other variants train nothing and
add such runs, each with its kept epochs: `two_heads_20` and `one_head_20` are the columns of
Table 4, `all_40` is their sum, `selected_20` takes for each machine type the family that
Sec. 2.5 names. Table 2 does not follow from that choice, but lies between the two families, so
`all_40` is compared with it, and with Tables 3 to 5; `selected_20` is compared with Table 5: the
paper does not say which of both that is of, so either is a reading. The distributions of
Table 3 are the scores `section`, `attributes` and `target` of `all_40`; `attributes` of a source
clip of a valve contains the temporal maximum, which Eq. (4) conditions on the attributes, as the
figures of the table say.
"""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.batches.mixup import Mixup
from asdkeras.config import (
    Checked,
    Constraint,
    Count,
    NotNegative,
    Percentile,
    Positive,
    Probability,
    Relation,
    above_field,
)
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.labels import (
    Labels,
    attribute_labels,
    section_labels,
    source_and_target,
)
from asdkeras.errors import DataError, RecipeError
from asdkeras.layers.log_mel_spectrogram import LogMelSpectrogram
from asdkeras.layers.mix_with_reversed import MixWithReversed
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos
from asdkeras.networks.wilkinghoff_resnet import wilkinghoff_resnet
from asdkeras.optimizers.fused_adam import FusedAdam
from asdkeras.readings import Reading
from asdkeras.scorers.combination import Combination
from asdkeras.scorers.section_mixtures import MixtureTerms, SectionMixtures
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import (
    Floats,
    Term,
    by_domain,
    representation,
    smallest,
    total,
    unit_length,
)
from asdkeras.scorers.thresholds import Thresholds, percentile_threshold
from asdkeras.systems.clip_classifier import ClipClassifier, ClipClassifierModels, numbers_of
from asdkeras.systems.model_files import TrainedNetwork
from asdkeras.systems.system import AnySystem, Ensemble, NormalClips, RunContext

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

_KNOWN_SUBCLUSTERS = Constraint(
    f"must name some of {list(_SUBCLUSTERS)}",
    lambda value: bool(value) and {*value} <= {*_SUBCLUSTERS},
    show=list,
)
_LONGER_THAN_HALF_A_WINDOW = Relation(
    "must exceed half a window of {0.window_length} samples",
    lambda value, config: value > config.window_length // 2,
)
_TRAINED_EPOCHS = Relation(
    "must name epochs between 1 and {0.epochs}",
    lambda value, config: bool(value) and all(1 <= epoch <= config.epochs for epoch in value),
    show=list,
)


@dataclasses.dataclass(frozen=True)
class Config(Checked):
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
    ensemble_subclusters: Annotated[tuple[int, ...], _KNOWN_SUBCLUSTERS]
    clip_length: Annotated[Count, _LONGER_THAN_HALF_A_WINDOW]
    window_length: Count
    hop_length: Count
    num_mel_bins: Count
    attribute_label: Annotated[
        Literal["machine_section_attribute", "machine_attribute", "attribute"],
        Reading(
            "Sec. 2.3: 199 different types of attribute information given in the file names",
            "what clips of one class share; the first is the author's code of 2022. A number of "
            "classes other than `expected_classes` is reported, with those of the other values",
        ),
    ]
    expected_classes: Annotated[dict[str, int], numbers_of("sections", "attributes")]
    mixup_on: Annotated[
        Literal["features", "waveform"],
        Reading("Sec. 2.3: mixup, not of what", "`features` is the reference"),
    ]
    mixup_probability: Probability
    mixup_labels: Annotated[
        Literal["linear", "max"],
        Reading(
            "silent",
            "of two clips of one class: `max` is the larger weight, as in all code of the author "
            "until the end of 2021; `linear` adds both, as in the reference since",
        ),
    ]
    scale_update: Annotated[
        Literal["guarded", "reference", "adacos2019", "fixed"],
        Reading(
            "Sec. 2.1: as defined in the paper of the loss",
            "`reference` is the author's code, `guarded` keeps it within `scale_floor` and "
            "`scale_ceiling`, `adacos2019` is the published AdaCos, `fixed` never changes it",
        ),
    ]
    scale_floor: Positive
    scale_ceiling: Annotated[float, above_field("scale_floor")]
    loss_form: Annotated[
        Literal["log", "reference"],
        Reading(
            "Eq. (1)",
            "`log` computes with logarithms; `reference` clips probabilities at 1e-7, which stops "
            "the gradient there",
        ),
    ]
    trainable_centers: Annotated[
        bool, Reading("Sec. 2.1: a learned class center", "`false` keeps centers as drawn")
    ]
    epochs: Count
    keep_epochs: Annotated[tuple[int, ...], _TRAINED_EPOCHS]
    batch_size: Count
    learning_rate: Positive
    weight_decay: NotNegative
    covariance_regularization: Positive
    component_weights: Annotated[
        bool,
        Reading("Sec. 2.4: weighted likelihoods", "`false` leaves weights out, as the reference"),
    ]
    target_section_mixture: Annotated[
        Literal["source", "source_and_target"],
        Reading(
            "Sec. 2.4: the same GMMs trained on the normal data of the target domain",
            "clips of the first term of Eq. (3): three target clips cannot carry the same mixture "
            "as hundreds of source clips, so it is that of the `source` clips, or of all",
        ),
    ]
    target_model: Annotated[
        Literal["gmm", "closed_form"],
        Reading(
            "Sec. 2.4: a GMM with three components, thus the cosine distance to the closest clip",
            "`closed_form` keeps the means at the clips, `gmm` fits them",
        ),
    ]
    one_head_attributes: Annotated[
        bool,
        Reading(
            "Sec. 2.5 removes the second loss, and says nothing of the score",
            "whether Eq. (2) of networks with one head keeps its attribute term",
        ),
    ]
    tmax_machines: tuple[str, ...]
    tmax_features: Annotated[
        Literal["decibels", "standardized"],
        Reading(
            "Eq. (4): temporal maxima of the log-mel spectrogram",
            "`standardized` takes them of the features of Sec. 2.2, whose smaller numbers give the "
            "term a smaller weight",
        ),
    ]
    tmax_counts: Annotated[
        Literal["each_subsystem", "once"],
        Reading(
            "Eq. (4) is the score of a subsystem, and Sec. 2.5 sums up all of these",
            "`once` divides the term, which is the same in all, by the number of kept epochs and "
            "networks of a family: each family's sum has it once",
        ),
    ]
    threshold_percentile: Percentile

    @property
    def heads(self) -> tuple[str, ...]:
        return _HEADS[self.variant.rpartition("_s")[0]]

    @property
    def num_subclusters(self) -> int:
        """Centers per class (paper: S)."""
        return int(self.variant.rpartition("_s")[2])


def create(config: Config) -> AnySystem | Ensemble:
    """The paper's system: one network, or an ensemble of several."""
    system = Wilkinghoff2021(config)
    if config.variant not in _ENSEMBLES:
        return system
    is_selected = config.variant == "selected_20"
    rows: dict[str, str] = {"combined": config.variant}
    if config.variant == "all_40":
        # Table 5 does not say which ensemble it is of.
        rows = {"combined": "all_40+selected_20", **{name: name for name in _DISTRIBUTIONS}}
    return Ensemble(
        members={
            f"{family}_s{num_subclusters}": _SELECTED[family] if is_selected else None
            for family in _ENSEMBLES[config.variant]
            for num_subclusters in config.ensemble_subclusters
        },
        combination=Combination("sum"),
        thresholds=system.thresholds,
        published_rows=rows,
    )


def fallbacks(variant: str) -> tuple[str, ...]:
    """The same with a second head, for attributes, where there is one section alone."""
    subclusters = variant.rpartition("_s")[2]
    return (f"two_heads_s{subclusters}" if subclusters.isdigit() else "two_heads_20",)


@dataclasses.dataclass(frozen=True)
class TwoHeadModels(ClipClassifierModels):
    """What training leaves.

    Attributes:
        sections: `(training clips,)`, class of each clip by section.
        attributes: `(training clips,)`, class by attributes.
        section_centers: kept epoch -> `(sections, num_subclusters, dim)`, of unit length; empty
            without that head.
        attribute_centers: likewise of the attributes.
    """

    sections: NDArray[np.int64]
    attributes: NDArray[np.int64]
    section_centers: dict[int, Floats]
    attribute_centers: dict[int, Floats]


class Wilkinghoff2021(ClipClassifier[Config, TwoHeadModels]):
    """One network.

    Of its scores, `section`, `attributes`, `target` and `tmax` are the terms of Eq. (2) to (4),
    `combined` is their sum for the domain of the clip, `unknown_domain` what it would be without
    a domain, and `decision` what the threshold is compared with. Each is summed over the kept
    epochs; `<name>_epoch<n>` are those of one epoch.
    """

    models_class = TwoHeadModels
    definitions: ClassVar = {"attributes": "attribute_label"}
    combines_variants = True
    main_score = "combined"
    decision_score = "decision"
    keep = "end"  # The reference keeps the last frames of a longer clip.

    @property
    def published_rows(self) -> dict[str, str]:
        return {"combined": f"{self.config.variant.rpartition('_s')[0]}_20"}

    @property
    def kept_epochs(self) -> tuple[int, ...]:
        return tuple(sorted({*self.config.keep_epochs, self.config.epochs}))

    @property
    def expected_classes(self) -> dict[str, int]:
        return self.config.expected_classes

    @property
    def mixup(self) -> Mixup:
        config = self.config
        return Mixup(config.mixup_on, config.mixup_probability, config.mixup_labels)

    def check(self, clips: ClipSet, everything: ClipSet) -> None:
        """A head has two classes or more, and each section has source clips to fit mixtures to."""
        table, labels = clips.table, self._labels(clips.table)
        if not self._learned(labels):
            if len(labels["attributes"].classes) > 1:
                raise RecipeError(
                    f"{labels['sections'].classes[0]} is one section, and {self.config.variant} "
                    "learns by telling sections apart. Take --variant "
                    f"{fallbacks(self.config.variant)[0]}, which learns its "
                    f"{len(labels['attributes'].classes)} classes of attributes."
                )
            attribute_labels(table, self.config.attribute_label)
        is_source, _ = source_and_target(table)
        names = table["machine_type"] + "_" + table["section"]
        if lost := sorted({*names} - {*names[is_source]}):
            raise DataError(
                f"{', '.join(lost)}: no training clip is of the source domain, to whose clips "
                "every mixture is fitted. Add some, leave the section out, or take --system "
                "wilkinghoff2024, which scores by target clips alone."
            )

    def _labels(self, table: pd.DataFrame) -> dict[str, Labels]:
        """Classes of both heads, of one head, too: mixtures are fitted by attributes."""
        return {
            "sections": section_labels(table, least=1),
            "attributes": attribute_labels(table, self.config.attribute_label, least=1),
        }

    def _learned(self, labels: dict[str, Labels]) -> dict[str, Labels]:
        """Those of the heads that have something to tell apart."""
        heads = self.config.heads
        return {head: labels[head] for head in heads if len(labels[head].classes) > 1}

    def classes(self, clips: ClipSet, context: RunContext) -> dict[str, Labels]:
        labels = self._learned(self._labels(clips.table))
        if left_out := {*self.config.heads} - {*labels}:
            context.warn(
                f"there is one class of {left_out.pop()} alone: the network learns by "
                f"{', '.join(labels)}, and has one head"
            )
        return labels

    def num_classes(self, name: str, clips: ClipSet, context: RunContext) -> int:
        return len(self._labels(clips.table)[name].classes)

    def warn_of_lengths(self, clips: ClipSet, context: RunContext) -> None:
        length = self.config.clip_length
        lengths = clips.table["machine_type"].to_frame().assign(length=clips.lengths())
        for machine_type, median in lengths.groupby("machine_type")["length"].median().items():
            if median <= length / 2:
                context.warn(
                    f"{machine_type}: clips of {median:.0f} samples are repeated up to {length}; "
                    f"--set config.clip_length={median:.0f} hears them once"
                )

    def build(
        self, clips: ClipSet, num_classes: dict[str, int], context: RunContext
    ) -> keras.Model:
        config = self.config
        waveform = keras.Input((config.clip_length,), name="waveform")
        weight = keras.Input((1,), name="weight")
        labels = {
            name: keras.Input((count,), name=f"{name}_label") for name, count in num_classes.items()
        }
        front_end = self._front_end(clips, context)
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
            FusedAdam(config.learning_rate),
            {name: MixedCrossEntropy(config.loss_form) for name in logits},
        )
        return classifier

    def _front_end(self, clips: ClipSet, context: RunContext) -> keras.Model:
        """Log-mel spectrogram, standardized per band over all frames of all training clips."""
        config = self.config
        waveform = keras.Input((config.clip_length,), name="front_end_waveform")
        log_mel = LogMelSpectrogram(
            sample_rate_hz=clips.store.sample_rate_hz,
            window_length=config.window_length,
            hop_length=config.hop_length,
            num_mel_bins=config.num_mel_bins,
            window="symmetric",
            name="log_mel",
        )(waveform)
        moments = context.band_moments(
            keras.Model(waveform, log_mel), clips, config.clip_length, self.keep, config.batch_size
        )
        features = keras.layers.Normalization(axis=-1, **moments)(log_mel)
        return keras.Model(waveform, features, name="front_end")

    def models(
        self, networks: dict[int, TrainedNetwork], labels: dict[str, Labels], clips: ClipSet
    ) -> TwoHeadModels:
        def centers(head: str) -> dict[int, Floats]:
            return {
                epoch: each.model.get_layer(head).unit_centers()
                for epoch, each in networks.items()
                if head in labels
            }

        everything = self._labels(clips.table)
        return TwoHeadModels(
            clip_length=self.config.clip_length,
            sample_rate_hz=clips.store.sample_rate_hz,
            keep=self.keep,
            networks=networks,
            sections=everything["sections"].indices,
            attributes=everything["attributes"].indices,
            section_centers=centers("sections"),
            attribute_centers=centers("attributes"),
        )

    def represent(self, models: TwoHeadModels) -> dict[str, keras.Model]:
        classifiers = {epoch: each.model for epoch, each in models.networks.items()}
        front_end = classifiers[self.config.epochs].get_layer("front_end")
        is_log_mel = self.config.tmax_features == "decibels"
        features = front_end.get_layer("log_mel").output if is_log_mel else front_end.output
        maximum = keras.Model(front_end.input, keras.ops.max(features, axis=1))
        embedders = {f"embedding_epoch{n}": _embedder(each) for n, each in classifiers.items()}
        return {**embedders, "temporal_maximum": maximum}

    def section_scorer(self, normal: NormalClips[TwoHeadModels]) -> SectionScorer:
        fitted = {epoch: self._mixtures(normal, epoch) for epoch in self.kept_epochs}
        maximum = representation("temporal_maximum")
        by_epoch = {
            epoch: _combined(mixtures.terms(_embedding(epoch), maximum), self._tmax_weight)
            for epoch, mixtures in fitted.items()
        }
        scores: dict[str, Term | None] = {}
        for name in by_epoch[self.config.epochs]:
            present = [term for terms in by_epoch.values() if (term := terms[name]) is not None]
            scores[name] = total(present) if present else None
        for epoch, terms in by_epoch.items():
            scores |= {f"{name}_epoch{epoch}": term for name, term in terms.items()}
        num_unconverged = sum(each.num_unconverged_ for each in fitted.values())
        return SectionScorer(
            scores,
            embedding=representation(f"embedding_epoch{self.config.epochs}"),
            notes=self._notes(normal),
            counts={"mixtures stopped at the iteration limit and are kept": num_unconverged},
        )

    @property
    def _tmax_weight(self) -> float:
        """Of the temporal maximum in the score of one epoch."""
        if self.config.tmax_counts == "each_subsystem":
            return 1.0
        return 1.0 / (len(self.kept_epochs) * len({*self.config.ensemble_subclusters}))

    def _mixtures(self, normal: NormalClips[TwoHeadModels], epoch: int) -> SectionMixtures:
        config, models = self.config, normal.models
        label = int(models.sections[normal.positions[0]])
        embeddings = normal.values(_embedding(epoch))
        attributes = models.attributes[normal.positions]
        is_source, is_target = source_and_target(normal.table)
        section_means = models.section_centers.get(epoch)
        has_tmax = normal.machine_type in config.tmax_machines
        maxima = normal.values(representation("temporal_maximum"))[is_source] if has_tmax else None
        return SectionMixtures(
            config.num_subclusters,
            reg_covar=config.covariance_regularization,
            component_weights=config.component_weights,
            target_model=config.target_model,
            pools_domains=config.target_section_mixture == "source_and_target",
            has_attributes=config.one_head_attributes or "attributes" in config.heads,
            random_state=np.random.RandomState([normal.seed, label, epoch]),
        ).fit(
            embeddings[is_source],
            attributes[is_source],
            target_embeddings=embeddings[is_target],
            section_means=None if section_means is None else section_means[label],
            attribute_means=models.attribute_centers.get(epoch),
            temporal_maxima=maxima,
        )

    def _notes(self, normal: NormalClips[TwoHeadModels]) -> tuple[str, ...]:
        num_source = np.count_nonzero(source_and_target(normal.table)[0])
        if num_source >= self.config.num_subclusters:
            return ()
        return (
            f"{normal.machine_type}_{normal.section}: {num_source} source clips for "
            f"{self.config.num_subclusters} components; fitted {num_source}",
        )

    def named_scores(self, columns: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in ("combined", *_DISTRIBUTIONS) if name in columns)

    def thresholds(
        self,
        columns: pd.DataFrame,
        table: pd.DataFrame,
        score: str | None = None,
        models: TwoHeadModels | None = None,
    ) -> Thresholds:
        """Section 2.6: a percentile of the training clips of section and domain.

        A clip of unknown domain is compared with the percentile of all training clips of its
        section, scored as if their domain were unknown; so is one of a domain without training
        clips.
        """
        percentile = self.config.threshold_percentile
        thresholds = pd.Series(np.nan, index=table.index)
        for _, section in table.groupby(["machine_type", "section"]):
            training = section[section["split"] == "train"]
            pooled = percentile_threshold(columns.loc[training.index, "unknown_domain"], percentile)
            for domain, clips in section.groupby("domain", dropna=False):
                normal = training.index[(training["domain"] == domain).fillna(False)]
                thresholds[clips.index] = (
                    percentile_threshold(columns.loc[normal, "decision"], percentile)
                    if len(normal)
                    else pooled
                )
        return Thresholds(thresholds)


def _embedding(epoch: int) -> Term:
    return unit_length(representation(f"embedding_epoch{epoch}"))


def _combined(terms: MixtureTerms, tmax_weight: float) -> dict[str, Term | None]:
    """Eq. (2) to (4) from their terms, and the distributions of Table 3."""
    section, pooled, attributes, target, tmax = terms
    if tmax is not None:
        tmax = tmax_weight * tmax
    of_source = [term for term in (attributes, tmax) if term is not None]
    likeliest = [smallest(attributes, target)] if attributes or target else []
    unknown = total([section, *likeliest])
    on_target = pooled or section
    combined = by_domain(
        total([section, *of_source]), on_target + target if target else unknown, unknown
    )
    distributions: dict[str, Term | None] = {"section": by_domain(section, on_target, section)}
    if attributes is not None:
        distributions["attributes"] = by_domain(total(of_source), attributes, attributes)
    return {
        **distributions,
        "target": target,
        "tmax": tmax,
        "combined": combined,
        "unknown_domain": unknown,
        "decision": by_domain(combined, on_target, combined),
    }


def _embedder(classifier: keras.Model) -> keras.Model:
    front_end = classifier.get_layer("front_end")
    embedding = classifier.get_layer("network")(front_end.output)
    return keras.Model(front_end.input, embedding)
