"""Disentangled multi-task embeddings, scored by the nearest normal clip.

Paper: Venkatesh, Wichern, Subramanian, Le Roux, "Improved Domain Generalization via
    Disentangled Multi-Task Learning in Unsupervised Anomalous Sound Detection", DCASE
    Workshop 2022. The row ANP-Boot: Wichern et al., "Anomalous Sound Detection Using
    Attentive Neural Processes", WASPAA 2021.
Code: none is public. The blocks of the network are those of
    github.com/Xiaoccer/MobileFaceNet_Pytorch, commit 26bd8d2, called the reference here.

A network per machine type takes one second of a magnitude spectrogram and learns to tell
sections apart by one embedding and the values of each attribute by another. The embeddings of
all overlapping chunks of a clip are merged, and the score is the cosine distance to the nearest
training clip of the section.

Variants: `disent_cat` trains the network and scores by both embeddings at once (S3);
`disent_wt` (S4), `disent_sec` and `disent_att` are other columns of that run and train nothing.
`mtl`, `sec_softmax`, `sec_arcface`, `disent_split` and `adversarial` are networks of their own.
`msl` (S1) takes for each machine type the network that Table 4 names, `msl_anp` (S2) adds
`anp_boot` to it; networks of machine types that they do not take are not trained for them.

Differs from the paper:
    - The network after the last epoch counts. The paper takes the best of every fifth epoch by
      the labels of the development test clips; `checkpoint: oracle` does so and says so. Then one
      network per machine type counts in all rows of its run, the one that is best by the main
      score of the trained variant: `disent_wt`, `disent_sec` and `disent_att` have the epoch of
      `disent_cat`, and `section_weight: oracle` searches w_S at this epoch.
    - Both embeddings weigh the same in `disent_wt`, and both systems in `msl_anp`. The paper's
      weights come from a grid search on the same labels: `section_weight: paper` and
      `ensemble_weight: paper` take them from Table 4, `oracle` searches anew.
    - Equations 2 and 3 are printed without the minus sign; the losses are cross-entropies.
    - The caption of Table 1 has PReLU behind all convolutions but the last linear layers. As in
      the reference, none stands behind the projections of the bottlenecks either.
    - ToyCar of S2 has the scores of S1 to the last digit (76.43; 93.88 and 78.67), so ANP had no
      part in it, though Table 4 prints a weight of 0.40. `ensemble_weight: paper` is what Table 4
      prints and cannot give these scores; the row to compare ToyCar with is `msl`.

As in the paper, though its source has it otherwise:
    - The third group of blocks has stride 2, as the shapes of Table 1 demand; the reference
      has 1.

Where the paper is silent (what has a field is listed in the README of the recipe):
    - Periodic Hann window; magnitudes are not scaled.
    - Embeddings are not scaled to length 1, nor each part of the concatenation.
    - Standard deviations over chunks divide by the number of chunks.
    - Of a machine type with one section, a network that learns attributes too learns these alone;
      its `weighted` score is that of the attributes, and it has none of the section.
    - `adversarial` reverses the gradient of a classifier of domains that reads the embedding
      of the section; `disent_split` concatenates an embedding per attribute. The paper only
      names both, and `msl` and `msl_anp` rest on them.
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
from asdkeras.published.papers import venkatesh2022_setups
from asdkeras.readings import Reading, Reconstructed
from asdkeras.scorers.combination import Combination
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.thresholds import ThresholdRule
from asdkeras.systems.system import (
    AnySystem,
    Choice,
    Ensemble,
    NormalClips,
    RunContext,
    System,
    accept,
)
from asdkeras.systems.venkatesh.anp import AnpBoot, AttentiveNeuralProcess, section_thresholds
from asdkeras.systems.venkatesh.disentangled_network import clip_embedder
from asdkeras.systems.venkatesh.embeddings import Embedders, check, embedding_of, train
from asdkeras.systems.venkatesh.scores import (
    ORACLE,
    answer_of,
    reasons,
    section_scorer,
    uses_labels,
    with_labels,
)
from asdkeras.systems.venkatesh.spectrogram import ChunkSpectrogram
from asdkeras.systems.venkatesh.tasks import require_sections

_MERGES = ("mean", "std")
_EQUAL = 0.5
_TOGETHER = "anomaly_score"  # What an ensemble calls answers of several names.
_OTHER_COLUMNS = ("disent_wt", "disent_sec", "disent_att")
_MSL_REASON = "the loss of each machine type (Table 4), by the authors on development labels"
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

    variant: Annotated[
        Literal[
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
        ],
        Reconstructed(
            {
                "adversarial": "the paper names adversarial training and no more; here the "
                "embedding of the section unlearns the domain, by a reversed gradient",
                "disent_split": "the paper only says that every attribute has an embedding of its "
                "own; here clips are scored by all of them and that of the section, concatenated",
                "msl": "gearbox rests on `adversarial` and valve on `disent_split`, which the "
                "paper only names",
                "msl_anp": "all machine types rest on `anp_boot`, gearbox also on `adversarial` "
                "and valve on `disent_split`, which the paper only names",
                "anp_boot": "the attentive neural process of this row is not published in full, "
                "and what `Boot` means is our reading",
            }
        ),
    ]
    front_end: ChunkSpectrogram
    attributes: Annotated[
        Literal["all", "shifting"],
        Reading(
            "all present attributes, of which MIMII DG has the shifting one alone (Sec. 3.1)",
            "`all` is every attribute in the name of a training clip, in some sections of MIMII "
            "DG two; `shifting` the one that differs between the domains of a section",
        ),
    ]
    embedding_dim: Count
    mtl_embedding_dim: Count
    head_batch_norm: Annotated[
        bool,
        Reading(
            "linear embedding layers (Sec. 2.1)",
            "`true` is the reference, which calls a convolution with batch normalization and "
            "without an activation linear; `false` is a linear layer with a bias alone",
        ),
    ]
    attribute_loss: Annotated[
        Literal["clip_mean", "known_mean"],
        Reading(
            "a sum over the attributes of a clip, in which the term of an unknown one is ignored "
            "(eq. 3 and below)",
            "`clip_mean` is the mean of this sum over all clips of a batch; `known_mean` the sum "
            "of means over the clips that know an attribute, in which one known to a third of the "
            "clips weighs three times as much",
        ),
    ]
    arcface_scale: Positive
    arcface_margin_rad: Angle
    adversarial_weight: NotNegative
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    machine_learning_rates: Annotated[dict[str, float], _RATES]
    adam_epsilon: Positive
    checkpoint: Annotated[
        Literal["last", "oracle", "oracle_by_score"],
        Reading(
            "every fifth epoch is saved, and the best model for each machine is selected on the "
            "development test set (Sec. 3.2)",
            "`last` needs no labels; `oracle` is the paper's selection, one epoch per machine type "
            "by the main score of the trained variant; in `oracle_by_score` each score has its own",
        ),
    ]
    checkpoint_interval: Count
    merge: Annotated[
        Literal["mean", "std"],
        Reading(
            "the mean over chunks, for valve the standard deviation (Sec. 2.2)",
            "`machine_merges` has what differs by machine type",
        ),
    ]
    machine_merges: Annotated[dict[str, str], _KNOWN_MERGES]
    section_weight: Annotated[
        Literal["equal", "paper", "oracle"],
        Reading(
            "w_S and w_A of S4, optimized on the development set (Sec. 2.2, Table 4)",
            "`equal` needs no labels; `paper` is Table 4; `oracle` is a search of our own",
        ),
    ]
    ensemble_weight: Annotated[
        Literal["equal", "paper", "oracle"],
        Reading(
            "weights of S2, by a grid search (Table 4)",
            "`equal` needs no labels; `paper` is Table 4, though ToyCar of S2 is that of S1; "
            "`oracle` is a search of our own",
        ),
    ]
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

    def check(self, clips: ClipSet, everything: ClipSet) -> None:
        check(self.config, clips)

    def needs_labels(self, score: str) -> bool:
        return score.endswith(ORACLE)

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


def fallbacks(variant: str) -> tuple[str, ...]:
    """A classifier of sections alone, or without a second section the attentive neural process."""
    return ("sec_softmax", "anp_boot")


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
    oracle = tuple(reasons(config)) if answer.endswith(ORACLE) else ()
    return Ensemble(
        members={"disent_cat": None},
        combination=Combination("sum", main_score=answer, oracle=oracle),
        thresholds=Venkatesh2022(config).thresholds,
        published_rows=_rows(config),
        check=_check_sections if config.variant == "disent_sec" else accept,
    )


def _check_sections(training: pd.DataFrame) -> None:
    for _, clips in training.groupby("machine_type"):
        require_sections(clips, "disent_sec")


def _ensemble(config: Config) -> Ensemble:
    """The network of each machine type that Table 4 names; with ANP beside it or alone."""
    setups = venkatesh2022_setups()
    members = {
        str(variant): tuple(rows.index) for variant, rows in setups.groupby("msl", sort=False)
    }
    weights, oracle = {}, [_MSL_REASON]
    has_anp = config.variant == "msl_anp"
    if has_anp:
        weights = _ensemble_weights(config, setups)
        members["anp_boot"] = tuple(setups.index)
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


def _ensemble_weights(config: Config, setups: pd.DataFrame) -> dict[str, dict[str, float]]:
    if config.ensemble_weight != "paper":
        setups = setups.assign(msl_weight=_EQUAL, anp_weight=_EQUAL)
    of_others = {
        str(variant): _by_machine(rows["msl_weight"]) for variant, rows in setups.groupby("msl")
    }
    return {**of_others, "anp_boot": _by_machine(setups["anp_weight"])}


def _by_machine(weights: "pd.Series[float]") -> dict[str, float]:
    return {str(machine_type): float(weight) for machine_type, weight in weights.items()}
