"""Ensembles of a conformer autoencoder and of classifiers that tell a section from all others.

Paper: Kuroyanagi, Hayashi, Adachi, Yoshimura, Takeda, Toda, "Anomalous Sound Detection with
    Ensemble of Autoencoder and Binary Classification Approaches", DCASE 2021 Challenge.
Code: none of this paper is public. Where it is silent, older and newer code of the same authors
    decides, called the trace here (github.com/ibkuroyagi: birdclef-2021, commit f4ec03b;
    Serial-OE, commit e981ed6).

AE: for each machine type a conformer autoencoder takes whole clips of which masks and dropout hide
a part, and as one more feature of every frame the section they are of; it reconstructs both ("ID
regression"). Its errors on training clips it has not learned from have a Gaussian per section and
domain, and the score of a clip is how unlikely its errors are. BC: for each section a classifier
learns to tell its clips from those of all other sections and machines, while its embeddings gather
around a centroid; a copy is tuned to the target domain by target clips of this section and of all
others and by mixtures of these and source clips, as many positive as negative. The score is what
the posterior leaves, and the distance to the centroid. Scores of several models are averaged, each
with mean 0 and variance 1 on clips of the section and domain that the model has not learned from.

Variants, rows of Table 1: `ae`, `bc`, `ae_ensemble`, `bc_ensemble`, `mix` (the mean of both
ensembles), `max_of_rows`. The members of the ensembles beside `ae` and `bc` are variants, too. The
baselines of the table are `baseline2021`.

A later version of the paper was not at hand: "An Ensemble Approach to Anomalous Sound Detection
Based on Conformer-Based Autoencoder and Binary Classifier Incorporated with Metric Learning", DCASE
2021 Workshop. It may well say what is marked as ours here.

Differs from the paper:
    - One configuration for all machines and domains. The paper's were chosen by the labels of
      test clips, machine by machine and domain by domain, and are not printed, nor are the
      members of its ensembles. `together.choice: oracle` lets these labels choose members,
      their number and the method among the members there are, and is marked. Of the numbers of
      autoencoders, 3, 5, 10 and 20, only 3 and 5 can be had, as there are five. Runs of more, made
      with other `ae` settings, can be chosen from with `asdkeras ensemble --oracle-best 3 5 10 20`.
    - `max_of_rows` is no maximum of scores: in Table 1 it is the better of both ensembles for
      each machine and domain, known by labels. It is an oracle by nature.
    - The classifier's second loss (DDCSAD) is a reconstruction, `asdkeras.losses.double_centroids`:
      the paper that defines it was not at hand. `bc.ddcsad.reading` has the alternatives.

As in the paper, though the trace has it otherwise:
    - Widths of masks include the largest one.

Where the paper is silent:
    - AE: 128 bands every 512 samples; four blocks of 144 channels before and after 64 latent
      dimensions; absolute errors. The masks of the ten copies are the same for every clip, so a
      score depends on the clip alone.
    - AE, section ID: its scale, mean 0 and variance 1 over the sections, as the bands have; that
      masks and dropout do not hide it. Loss and Gaussians are of all F + 1 features, since the
      paper makes no exception of the ID where it speaks of errors.
    - A tenth of the source clips of each section, at least ten where there are 30, is held out of
      the networks, the same clips for all members and trials. AE fits its Gaussian to them, each
      scored by the others; BC has the scale of its scores from them. There are three target
      clips, which AE has learned from; their Gaussian has 0.001 added to variances.
    - BC: the moments that waveforms are normalized by are those of all training clips of a machine
      type. Ten windows at inference. Dropout 0.3. Fine-tuning starts with a fresh Adam and its
      own cycle of the same peak rates. Half of the 16 target clips of a batch are of the section;
      half are mixed (`bc.adaptation.mixup_probability`), on normalized waveforms, with a source
      clip that is of the section with equal chance. If no other section has target clips,
      source clips of others take their place, and a warning says so.
    - BC, score: posterior and distance have no common scale; a posterior near 0 or 1 adds nothing
      to a distance. `bc.combination: standardized` takes its logit and the distance with mean 0
      and variance 1 over the held-out clips of the domain, if these are ten, else of both
      domains, and adds half of each.
    - Members of `ae_ensemble`: five, each with one thing changed of what the paper says it varied.
      Members of `bc_ensemble`: six, `bc` and one for each variation it names. All weigh the same.
      With `oracle` they are N x S, the two best configurations of each section with labels, and
      count in all sections of the machine type, one that is among the best of two sections twice.
    - Scores are normalized wherever they are averaged: those of models, and once more those of
      both ensembles in `mix`, since the mean of scores of variance 1 has another one. Each model
      goes by its own held-out clips of the section and domain; where there are fewer than ten of a
      domain, as always of the target domain, by those of both domains; where there are fewer than
      ten in all, by its training clips, which a note names. What is held out of an ensemble is
      held out of all its members.
    - Thresholds: the 90th percentile of a gamma distribution of greatest likelihood, fitted to
      the scores of the training clips of the section and domain; of fewer than four, their
      90th percentile.
    - A clip whose domain is unknown is scored by both domains, and the smaller score counts.
"""

import dataclasses
from typing import Annotated, Any, Literal

from asdkeras.config import Checked, Constraint, Percentile
from asdkeras.readings import Reconstructed
from asdkeras.scorers.combination import Combination, Method
from asdkeras.systems.kuroyanagi.classifier import ANSWER, OutlierClassifierSystem
from asdkeras.systems.kuroyanagi.config_sections import (
    Classifier,
    ConformerAutoencoder,
    Together,
    changed,
)
from asdkeras.systems.kuroyanagi.conformer import ConformerSystem, answer_of
from asdkeras.systems.system import AnySystem, Ensemble

_AE = ("ae", "ae_short_hop", "ae_few_bands", "ae_few_blocks", "ae_narrow_kernel")
_BC = (
    *("bc", "bc_same_dataset", "bc_augmented", "bc_arcface"),
    *("bc_resnext50", "bc_efficientnet_b3"),
)
_MEMBERS = {
    "ae_ensemble": _AE,
    "bc_ensemble": _BC,
    "mix": ("ae_ensemble", "bc_ensemble"),
    "max_of_rows": ("ae_ensemble", "bc_ensemble"),
}
_METHODS: tuple[Method, ...] = ("mean", "median", "maximum", "rank")
_BEST_AE = (3, 5, 10, 20)  # Section 3.1: N was selected from these.
_BEST_BC = (2,)
_TOGETHER = "anomaly_score"
_CHANGED = "the paper says that it varied this, and prints no value"
_DDCSAD = "its second loss, DDCSAD, is a reading of a paper that was not at hand"
_RECONSTRUCTED = Reconstructed(
    {
        **dict.fromkeys(_BC, _DDCSAD),
        "bc_arcface": f"{_DDCSAD}; weight, scale and margin of ArcFace are ours",
        **dict.fromkeys(_AE[1:], _CHANGED),
        "ae_ensemble": "the paper prints neither the members nor their number",
        "bc_ensemble": "as `bc`; the paper prints no member, only what was varied",
        "mix": "of the members of both ensembles",
        "max_of_rows": "of the members of both ensembles",
    }
)


def _entries_for(names: tuple[str, ...]) -> Constraint:
    """Mappings that have an entry for each of these, and no other."""
    return Constraint(
        f"must have an entry for each of {', '.join(names)}",
        lambda value: set(value) == set(names),
        show=lambda value: ", ".join(map(str, value)) or "none",
    )


@dataclasses.dataclass(frozen=True)
class Config(Checked):
    """Nothing has a default: the recipe states the paper's values.

    Attributes:
        ae: of `ae`.
        ae_members: variant -> fields of `ae` it has otherwise, those of sections behind a dot.
        bc: of `bc`.
        bc_members: likewise.
    """

    variant: Annotated[
        Literal[
            "ae",
            "bc",
            "ae_ensemble",
            "bc_ensemble",
            "mix",
            "max_of_rows",
            "ae_short_hop",
            "ae_few_bands",
            "ae_few_blocks",
            "ae_narrow_kernel",
            "bc_same_dataset",
            "bc_augmented",
            "bc_arcface",
            "bc_resnext50",
            "bc_efficientnet_b3",
        ],
        _RECONSTRUCTED,
    ]
    ae: ConformerAutoencoder
    ae_members: Annotated[dict[str, Any], _entries_for(_AE[1:])]
    bc: Classifier
    bc_members: Annotated[dict[str, Any], _entries_for(_BC[1:])]
    together: Together
    threshold_percentile: Percentile

    def check(self) -> None:
        for name, each in self.ae_members.items():
            changed(self.ae, each, f"ae_members.{name}")
        for name, each in self.bc_members.items():
            changed(self.bc, each, f"bc_members.{name}")


def create(config: Config) -> AnySystem | Ensemble:
    """A model per machine type, a model per section, or other variants together."""
    if config.variant in _MEMBERS:
        return _ensemble(config)
    settings = settings_of(config)
    if isinstance(settings, Classifier):
        return OutlierClassifierSystem(config, settings)
    return ConformerSystem(config, settings)


def fallbacks(variant: str) -> tuple[str, ...]:
    """The autoencoder, where one section is all there is, with nothing to tell it from."""
    return ("ae_ensemble",) if variant in _MEMBERS else ("ae",)


def settings_of(config: Config) -> ConformerAutoencoder | Classifier:
    """`ConformerAutoencoder` or `Classifier` of a variant that is trained."""
    settings = config.bc if config.variant in _BC else config.ae
    changes = {**config.ae_members, **config.bc_members}.get(config.variant, {})
    return changed(settings, changes, config.variant)


def _ensemble(config: Config) -> Ensemble:
    together = config.together
    combination = Combination(
        # Table 1 has the average of both ensembles; that of classifiers is one, too.
        together.combine if config.variant == "ae_ensemble" else "mean",
        normalize=together.normalize,
        normalize_on=together.normalize_on,
    )
    if config.variant == "max_of_rows":  # Takes one or the other: nothing is averaged.
        combination = Combination("mean", best_from_labels=(1,))
    elif together.choice == "oracle" and config.variant == "ae_ensemble":
        combination = dataclasses.replace(
            combination,
            best_from_labels=tuple(n for n in _BEST_AE if n <= len(_AE)),
            methods_from_labels=_METHODS,
            method_of=together.method_of,
        )
    elif together.choice == "oracle" and config.variant == "bc_ensemble":
        combination = dataclasses.replace(
            combination, best_from_labels=_BEST_BC, best_of=together.best_classifiers_of
        )
    ae = ConformerSystem(config, config.ae)
    return Ensemble(
        members=dict.fromkeys(_MEMBERS[config.variant]),
        combination=combination,
        thresholds=ae.thresholds,
        # What an ensemble may call its main score: as its members, or their common name.
        published_rows=dict.fromkeys((answer_of(config.ae), ANSWER, _TOGETHER), config.variant),
    )
