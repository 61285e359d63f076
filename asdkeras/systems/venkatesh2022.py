"""Disentangled multi-task embeddings, scored by the nearest normal clip.

Paper: Venkatesh, Wichern, Subramanian, Le Roux, "Improved Domain Generalization via
    Disentangled Multi-Task Learning in Unsupervised Anomalous Sound Detection", DCASE
    Workshop 2022. The row ANP-Boot: Wichern et al., "Anomalous Sound Detection Using
    Attentive Neural Processes", WASPAA 2021.
Code: none is public. The blocks of the network are those of
    github.com/Xiaoccer/MobileFaceNet_Pytorch, commit 26bd8d2, called the reference here.

A network per machine type hears one second of a magnitude spectrogram and learns to tell
sections apart by one embedding and the values of each attribute by another. The embeddings of
all overlapping chunks of a clip are merged, and the score is the cosine distance to the nearest
training clip of the section.

Variants: `disent_cat` trains the network and scores by both embeddings at once (S3);
`disent_wt` (S4), `disent_sec` and `disent_att` are other columns of that run and train nothing.
`mtl`, `sec_softmax`, `sec_arcface`, `disent_split` and `adversarial` are networks of their own.
`msl` (S1) takes for each machine type the network that Table 4 names, `msl_anp` (S2) adds
`anp_boot` to it.

Differs from the paper:
    - The network after the last epoch counts. The paper takes the best of every fifth epoch by
      the labels of the development test clips; `checkpoint: oracle` does so and says so.
    - Both embeddings weigh the same in `disent_wt`, and both systems in `msl_anp`. The paper's
      weights come from a grid search on the same labels: `section_weight: paper` and
      `ensemble_weight: paper` take them from Table 4, `oracle` searches anew.
    - Equations 2 and 3 are printed without the minus sign; the losses are cross-entropies.

As in the paper, though its source has it otherwise:
    - The third group of blocks has stride 2, as the shapes of Table 1 demand; the reference
      has 1.

Where the paper is silent:
    - Periodic Hann window, zeros beyond the ends of a clip, magnitudes neither scaled nor
      logarithmic (`front_end`).
    - The heads are normalized by batch as in the reference (`head_batch_norm`); embeddings are
      not scaled to length 1, nor each part of the concatenation.
    - Each loss is the mean over the clips of a batch whose class is known; the losses add up.
    - Standard deviations over chunks divide by the number of chunks.
    - An attribute counts wherever a training name has it (`attributes: shifting` keeps the one
      that tells the domains of a section apart).
    - `adversarial` reverses the gradient of a classifier of domains that reads the embedding
      of the section; `disent_split` concatenates an embedding per attribute. The paper only
      names both.
    - Gamma distributions are those of greatest likelihood; a search that ends far off is
      begun anew.
    - `msl_anp` adds scores that are standardized by those of the training clips of a section.
    - The method of `anp_boot` is not published in full: a reconstruction, see
      `systems/venkatesh/anp.py`.
"""

import dataclasses
from typing import Annotated, Literal

import keras
import pandas as pd

from asdkeras.config import Angle, Checked, Constraint, Count, NotNegative, Positive, require
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.labels import attribute_groups, has_lone_section, source_and_target
from asdkeras.scorers.combination import Combination
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.thresholds import ThresholdRule
from asdkeras.systems.system import AnySystem, Choice, Ensemble, NormalClips, RunContext, System
from asdkeras.systems.venkatesh.anp import AnpBoot, AttentiveNeuralProcess, section_thresholds
from asdkeras.systems.venkatesh.disentangled_network import clip_embedder
from asdkeras.systems.venkatesh.embeddings import Embedders, embedding_of, train
from asdkeras.systems.venkatesh.scores import (
    answer_of,
    reasons,
    section_scorer,
    uses_labels,
    with_labels,
)
from asdkeras.systems.venkatesh.spectrogram import ChunkSpectrogram

_MERGES = ("mean", "std")
_EQUAL = 0.5
_TOGETHER = "anomaly_score"  # What an ensemble calls answers of several names.
_OTHER_COLUMNS = ("disent_wt", "disent_sec", "disent_att")
_MSL = {  # Table 4: chosen by the authors, on labels of the development set.
    "disent_cat": ("ToyCar", "slider"),
    "mtl": ("ToyTrain",),
    "sec_softmax": ("bearing",),
    "sec_arcface": ("fan",),
    "adversarial": ("gearbox",),
    "disent_split": ("valve",),
}
_MSL_REASON = "the loss of each machine type (Table 4), by the authors on development labels"
_ANP_WEIGHTS = {  # Table 4; the other system has the rest.
    "ToyCar": 0.40,
    "ToyTrain": 0.30,
    "bearing": 0.00,
    "fan": 0.05,
    "gearbox": 0.35,
    "slider": 0.30,
    "valve": 0.20,
}
_RATES = Constraint(
    "must have a number above 0 for each machine type",
    lambda rates: all(_is_number(rate) and rate > 0 for rate in rates.values()),
)
_KNOWN_MERGES = Constraint(
    "must have `mean` or `std` for each machine type",
    lambda merges: all(merge in _MERGES for merge in merges.values()),
)


@dataclasses.dataclass(frozen=True)
class Config(Checked):
    """Nothing has a default: the recipe states the paper's values."""

    variant: Literal[
        "disent_wt",
        "disent_cat",
        "disent_sec",
        "disent_att",
        "mtl",
        "sec_arcface",
        "sec_softmax",
        "disent_split",
        "adversarial",
        "msl",
        "msl_anp",
        "anp_boot",
    ]
    front_end: ChunkSpectrogram
    attributes: Literal["all", "shifting"]
    embedding_dim: Count
    mtl_embedding_dim: Count
    head_batch_norm: bool
    arcface_scale: Positive
    arcface_margin_rad: Angle
    adversarial_weight: NotNegative
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    machine_learning_rates: Annotated[dict[str, float], _RATES]
    adam_epsilon: Positive
    checkpoint: Literal["last", "oracle"]
    checkpoint_interval: Count
    merge: Literal["mean", "std"]
    machine_merges: Annotated[dict[str, str], _KNOWN_MERGES]
    section_weight: Literal["equal", "paper", "oracle"]
    ensemble_weight: Literal["equal", "paper", "oracle"]
    threshold_percentile: float
    machine_percentiles: dict[str, float]
    anp: AttentiveNeuralProcess

    def check(self) -> None:
        percentiles = {"all": self.threshold_percentile, **self.machine_percentiles}
        require(
            all(_is_number(each) and 0.0 < each < 100.0 for each in percentiles.values()),
            "threshold_percentile` and `machine_percentiles",
            "must lie between 0 and 100",
            percentiles,
        )


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def create(config: Config) -> AnySystem | Ensemble:
    """A network, another score of a variant's run, or an ensemble."""
    if config.variant in _OTHER_COLUMNS:
        return _column(config)
    if config.variant in ("msl", "msl_anp"):
        return _ensemble(config)
    return AnpBoot(config) if config.variant == "anp_boot" else Venkatesh2022(config)


class Venkatesh2022(System[Config, Embedders]):
    """A network per machine type, scored by the nearest training clip of the section."""

    models_class = Embedders
    combines_variants = True
    label_free_settings = "the recipe's `checkpoint: last` and `section_weight: equal`"
    batch_size = 1  # Each clip has hundreds of chunks.

    @property
    def main_score(self) -> str:
        return answer_of(self.config, self.config.variant)

    @property
    def published_rows(self) -> dict[str, str]:
        return _rows(self.config)

    def train(self, clips: ClipSet, context: RunContext) -> Embedders:
        return train(self.config, clips, context)

    def represent(self, models: Embedders) -> dict[str, keras.Model]:
        epochs = sorted(models.networks)
        return {embedding_of(n): clip_embedder(self.config, models, n) for n in epochs}

    def section_scorer(self, normal: NormalClips[Embedders]) -> SectionScorer:
        return section_scorer(self.config, normal)

    def choose(self, columns: pd.DataFrame, table: pd.DataFrame) -> Choice:
        if not uses_labels(self.config):
            return Choice(columns)
        return with_labels(self.config, columns, table)

    @property
    def threshold_rule(self) -> ThresholdRule:
        return section_thresholds(self.config)


def fallback(config: Config, table: pd.DataFrame) -> str:
    """The variant for clips without what the configured one learns from.

    Without a second section there is nothing to classify: the attentive neural process. Without
    attributes, or for `adversarial` without both domains, a classifier of sections alone.
    """
    if config.variant == "anp_boot":
        return config.variant
    if has_lone_section(table):
        return "anp_boot"
    if config.variant in ("sec_arcface", "sec_softmax"):
        return config.variant
    if config.variant == "adversarial":
        is_source, is_target = source_and_target(table)
        return config.variant if is_source.any() and is_target.any() else "sec_softmax"
    groups = (
        attribute_groups(clips, which=config.attributes)
        for _, clips in table.groupby("machine_type")
    )
    return config.variant if all(groups) else "sec_softmax"


def _rows(config: Config) -> dict[str, str]:
    """Score column -> row of the paper's tables; what labels chose has the same row."""
    if config.variant == "disent_cat" or config.variant in _OTHER_COLUMNS:
        rows = {}
        for variant in ("disent_cat", *_OTHER_COLUMNS):
            last = dataclasses.replace(config, checkpoint="last", section_weight="equal")
            rows[answer_of(last, variant)] = variant
            rows[answer_of(config, variant)] = variant
        return rows
    if config.variant in ("disent_split", "adversarial"):
        return {}  # Rows of Table 4 alone, without figures.
    return {answer_of(config, config.variant): config.variant}


def _column(config: Config) -> Ensemble:
    answer = answer_of(config, config.variant)
    oracle = tuple(reasons(config)) if answer.endswith("_oracle") else ()
    return Ensemble(
        members={"disent_cat": None},
        combination=Combination("sum", main_score=answer, oracle=oracle),
        thresholds=Venkatesh2022(config).thresholds,
        published_rows=_rows(config),
    )


def _ensemble(config: Config) -> Ensemble:
    """The network of each machine type that Table 4 names; with ANP beside it or alone."""
    members, weights, oracle = dict(_MSL), {}, [_MSL_REASON]
    has_anp = config.variant == "msl_anp"
    if has_anp:
        members["anp_boot"] = tuple(machine for machines in _MSL.values() for machine in machines)
        weights = _ensemble_weights(config)
        if config.ensemble_weight == "paper":
            oracle.append("the weight of ANP (Table 4), by the authors on development labels")
    return Ensemble(
        members=members,
        combination=Combination(
            "sum",
            normalize="section" if has_anp else "none",
            weights_from_labels=has_anp and config.ensemble_weight == "oracle",
            oracle=tuple(oracle),
        ),
        thresholds=Venkatesh2022(config).thresholds,
        # The last two: members that call their main scores alike keep that name.
        published_rows=dict.fromkeys((_TOGETHER, "concatenated", "embedding"), config.variant),
        weights=weights,
    )


def _ensemble_weights(config: Config) -> dict[str, dict[str, float]]:
    of_anp = {
        machine: weight if config.ensemble_weight == "paper" else _EQUAL
        for machine, weight in _ANP_WEIGHTS.items()
    }
    of_others = {
        variant: {machine: 1.0 - of_anp[machine] for machine in machines}
        for variant, machines in _MSL.items()
    }
    return {**of_others, "anp_boot": of_anp}
