"""What cannot be scored is refused before anything is trained; what is trained can be scored.

Every variant of every system meets small tables. Representations are drawn, networks are none.
"""

import dataclasses
import functools
import re
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asdkeras import systems
from asdkeras.data.clip_set import ClipSet
from asdkeras.detector.graph import require_graphs
from asdkeras.errors import DataError, RecipeError
from asdkeras.evaluation import evaluate
from asdkeras.experiment import run as runner
from asdkeras.experiment.open_run import Run
from asdkeras.experiment.recipe import find_recipe, load_recipe
from asdkeras.experiment.run import check, is_ensemble, member_runs, system_of
from asdkeras.experiment.run_folder import RunFolder
from asdkeras.experiment.unit_scores import score_unit
from asdkeras.experiment.units import Unit, units_of
from asdkeras.metrics.official import rules_for
from asdkeras.systems.baseline2023 import CovarianceModels
from asdkeras.systems.clip_classifier import ClipClassifierModels
from asdkeras.systems.kuroyanagi.classifier import Classifiers
from asdkeras.systems.kuroyanagi.conformer import Conformer
from asdkeras.systems.kuroyanagi.held_out_clips import held_out
from asdkeras.systems.model_files import Models
from asdkeras.systems.nejjar.two_phases import EMBEDDING, PRETRAINED, Encoders
from asdkeras.systems.venkatesh.embeddings import Embedders, embedding_of
from asdkeras.systems.venkatesh.tasks import tasks_of
from asdkeras.systems.wilkinghoff2021 import TwoHeadModels
from tests.clip_table import clip_table

SAME_BUT_FOR_A_NUMBER_OR_A_NETWORK = re.compile(
    r".*_(s[248]|j(?!16)\d+)|ae_(short|few|narrow).*|bc_(arcface|res|eff).*"
)
VARIANTS = [
    (name, variant)
    for name in systems.names()
    for variant in systems.variants(name)
    if not SAME_BUT_FOR_A_NUMBER_OR_A_NETWORK.fullmatch(variant)
]
BASE = 160_000, 16_000, "start"  # Samples of a clip, rate, and the part of longer ones.


def clips(split, count, section="00", machine="fan", domain="source", attributes=None):
    """Rows of a clip table; test clips are normal and anomalous in turns."""
    return [
        {
            **{"machine_type": machine, "section": section, "domain": domain, "split": split},
            "attributes": attributes and attributes[number % len(attributes)],
            "is_anomalous": split == "test" and number % 2 == 1,
        }
        for number in range(count)
    ]


TRAIN, TEST = clips("train", 6), clips("test", 4)
TARGET = clips("train", 2, domain="target")
NAMED = ("spd_1", "spd_2", "spd_3")
TABLES = {
    "one machine": [*TRAIN, *TEST],
    "one machine of two domains": [*TRAIN, *TARGET, *TEST],
    "one machine with attributes": [
        *clips("train", 6, attributes=NAMED),
        *clips("train", 2, domain="target", attributes=NAMED),
        *TEST,
    ],
    "two machines": [*TRAIN, *TEST, *clips("train", 5, machine="pump")],
    "two sections, one without target clips": [
        *(*clips("train", 6, attributes=NAMED), *TARGET, *TEST),
        *(*clips("train", 6, "01", attributes=NAMED), *clips("test", 4, "01")),
    ],
    "two clips": [*clips("train", 2), *TEST],
    "one clip": [*clips("train", 1), *TEST],
    "sections of one clip": [*clips("train", 1), *clips("train", 1, "01"), *TEST],
    "only target clips": [*clips("train", 6, domain="target", attributes=NAMED), *TEST],
    "one section of target clips": [*TRAIN, *clips("train", 6, "01", domain="target")],
    "no test clips": [*TRAIN, *TARGET, *clips("train", 6, "01")],
    "unlabelled test clips": [
        *(*TRAIN, *TARGET, *clips("train", 6, "01")),
        *({**row, "is_anomalous": None, "domain": None} for row in TEST),
    ],
}


@functools.cache
def recipe_of(system, variant):
    source = find_recipe(system, "mini2021", None)
    return load_recipe(source, system, variant), source


def run_of(system, variant, table, folder=Path("unused")):
    """A run on clips of one length that nobody has recorded."""
    recipe, source = recipe_of(system, variant)
    rows = [{**row, "path": f"{number}.wav"} for number, row in enumerate(TABLES[table])]
    table = clip_table(rows, dataset="own")
    store = types.SimpleNamespace(
        lengths=np.full(len(table), BASE[0]), sample_rate_hz=BASE[1], moments=lambda rows: (0, 1)
    )
    path = folder / system / recipe.run_name / "own"
    return Run(recipe, source, table, RunFolder(path, recipe.digest(), ""), folder, store)


def refusal_of(run):
    try:
        check(run, system_of(run))
    except (DataError, RecipeError) as refusal:
        return str(refusal)
    return ""


def drawn(system, table):
    """Models without networks, and drawn representations of the clips of a unit."""
    random, count = np.random.default_rng(0), len(table)
    training = table[table["split"] == "train"].reset_index(drop=True)
    config = system.config

    def draw(*shape):
        return random.normal(size=(count, *shape)) ** 2

    return DRAWN[type(system).__name__](system, config, table, training, draw)


def _covariances(system, config, table, training, draw):
    bands = config.front_end.num_mel_bins
    domains = ("source", "target") if (training["domain"] == "target").any() else ("source",)
    covariances = {f"covariance_{name}": np.eye(bands) for name in domains}
    models = CovarianceModels(*BASE, None, covariances, {})
    return models, {"residual_moments": draw(2, bands)}


def _two_heads(system, config, table, training, draw):
    labels = system._labels(training)
    learned = system._learned(labels)

    def centers(head):
        size = (len(labels[head].classes), config.num_subclusters, 4)
        draws = np.random.default_rng(1).normal(size=size)
        return dict.fromkeys(system.kept_epochs, draws) if head in learned else {}

    indices = [labels[head].indices for head in ("sections", "attributes")]
    models = TwoHeadModels(*BASE, {}, *indices, centers("sections"), centers("attributes"))
    arrays = {f"embedding_epoch{epoch}": draw(4) for epoch in system.kept_epochs}
    return models, {**arrays, "temporal_maximum": draw(3)}


def _embedders(system, config, table, training, draw):
    tasks = tasks_of(config, ClipSet(training, None))
    readers = tuple((task.name, task.group, task.embedding) for task in tasks.tasks)
    parts = dict(tasks.embeddings)
    models = Embedders(*BASE, {}, tasks.embeddings, readers, parts, "mean")
    return models, {embedding_of(config.epochs): draw(sum(parts.values()))}


def _encoders(system, config, table, training, draw):
    has_both = config.variant != "no_pretraining" and training["section"].nunique() > 1
    names = (PRETRAINED, EMBEDDING) if has_both else (EMBEDDING,)
    return Encoders(*BASE, dict.fromkeys(names)), {name: draw(5) for name in names}


def _conformer(system, config, table, training, draw):
    names = tuple(sorted(set(training["section"])))
    held = np.flatnonzero(held_out(system.settings.held_out_fraction, training))
    moments = [np.zeros(1)] * 4
    models = Conformer(*BASE, None, names, *moments, held, np.ones((len(held), 3)), held, 0)
    shapes = {"scores": (len(names) * 2, 3), "error": (), "embedding": (5,)}
    return models, {f"{name}_conformer": draw(*shape) for name, shape in shapes.items()}


def _classifiers(system, config, table, training, draw):
    has_target = (training["domain"] == "target").any()
    names = ("source", "target") if has_target else ("source",)
    held = np.flatnonzero(held_out(system.settings.held_out_fraction, training))
    models = Classifiers(*BASE, dict.fromkeys(names), held, 0.0, 1.0)
    arrays = {}
    for name in names:
        is_of_model = system.rows(models, table).get(name, np.full(len(table), True))
        for each in ("logit", "posterior", "distance"):
            arrays[f"{each}_{name}"] = np.where(is_of_model, draw(), np.nan)
        arrays[f"embedding_{name}"] = draw(5)
    return models, arrays


def _posteriors(system, config, table, training, draw):
    sections = tuple(sorted(set(training["section"])))
    models = types.SimpleNamespace(sections=sections)
    return models, {name: draw(3, len(sections)) % 1.0 for name in ("train", "test")}


DRAWN = {
    "Baseline2023": _covariances,
    "Wilkinghoff2021": _two_heads,
    "Venkatesh2022": _embedders,
    "Nejjar2022": _encoders,
    "ConformerSystem": _conformer,
    "OutlierClassifierSystem": _classifiers,
    "SectionClassifierSystem": _posteriors,
    "Wilkinghoff2024": lambda *given: (
        ClipClassifierModels(*BASE, {}),
        {"embedding": given[-1](6)},
    ),
    "Controls2026": lambda *given: (Models(*BASE), {"spectrum": given[-1](6)}),
    "DenseAutoencoderSystem": lambda *given: (Models(*BASE), {"squared_error": given[-1](6)}),
    "AnpBoot": lambda *given: (Models(*BASE), {"negative_log_likelihood": given[-1](6)}),
}


def trained_run(run, score=None):
    """The run that a variant trains or takes a column of, and the name of the score."""
    system = system_of(run)
    if not is_ensemble(system):
        return run, system, score or system.main_score
    first, *others = member_runs(run, system).values()
    return None if others else trained_run(first, system.combination.main_score)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(("system", "variant"), VARIANTS)
def test_clips_are_refused_before_training_or_scored_after_it(system, variant, table):
    run = run_of(system, variant, table)
    if refusal := refusal_of(run):
        assert "\n" not in refusal
        return
    if (found := trained_run(run)) is None:
        return  # An ensemble of variants, each of which stands here by itself.
    run, trained, score = found
    for _, table in units_of(run.scored, trained.scope):
        models, arrays = drawn(trained, table)
        scores = score_unit(trained, Unit(table, models, arrays), 0)
        assert np.isfinite(scores.columns[score]).all()
        assert np.isfinite(scores.thresholds).all()
        decisions = scores.columns[score] > scores.thresholds
        evaluate(table, scores.columns[score], decisions, rules_for("own"))


NEED_NOTHING = {
    **{"baseline2020": {"ae"}, "baseline2021": {"ae"}, "baseline2022": {"ae"}},
    **{"baseline2023": {"mse", "mahalanobis"}, "nejjar2022": {"dgmix", "vicreg"}},
    "controls2026": {"mean_spectrum", "spectrum_deviation", "log_mel_statistics"},
    **{"kuroyanagi2021": {"ae", "ae_ensemble"}, "venkatesh2022": {"anp_boot"}},
}
NEED_CLASSES = {
    "wilkinghoff2024": {variant for name, variant in VARIANTS if name == "wilkinghoff2024"}
}
NEED_ATTRIBUTES = {
    "wilkinghoff2021": {"two_heads_s1", "two_heads_s16", "two_heads_20"},
    "venkatesh2022": {"mtl", "disent_cat", "disent_wt", "disent_att", "disent_split"},
}


def able(table):
    return {each for each in VARIANTS if not refusal_of(run_of(*each, table))}


def pairs(names):
    return {(system, variant) for system, variants in names.items() for variant in variants}


def test_a_single_machine_is_refused_by_what_learns_to_tell_apart_alone():
    assert able("one machine") == pairs(NEED_NOTHING)


def test_domains_or_attributes_are_enough_for_a_single_machine():
    expected = pairs(NEED_NOTHING) | pairs(NEED_CLASSES)
    assert able("one machine of two domains") == expected
    assert able("one machine with attributes") == expected | pairs(NEED_ATTRIBUTES)


@pytest.mark.parametrize(
    ("system", "variant", "table", "message"),
    [
        ("wilkinghoff2024", "adaproj", "one machine", "column `attributes`.*baseline2023 or cont"),
        ("wilkinghoff2021", "all_40", "one machine", "column `attributes`.*baseline2023 or contr"),
        (
            *("wilkinghoff2021", "one_head_s16", "one machine with attributes"),
            "fan_00 is one section, .* Take --variant two_heads_s16, .* its 3 classes of attribut",
        ),
        (
            *("wilkinghoff2021", "two_heads_s1", "one section of target clips"),
            "fan_01: no training clip is of the source domain.*--system wilkinghoff2024",
        ),
        (
            *("baseline2023", "mahalanobis", "only target clips"),
            "fan_00: the covariance of the source domain .* 0 rows of 0 .*--variant mse",
        ),
        ("venkatesh2022", "disent_sec", "one machine with attributes", "disent_sec learns by tell"),
    ],
)
def test_a_refusal_says_what_else_to_do(system, variant, table, message):
    assert re.search(message, refusal_of(run_of(system, variant, table)))


@pytest.mark.parametrize(
    ("system", "variant", "table"),
    [
        ("baseline2023", "mahalanobis", "one section of target clips"),  # By the last unit.
        ("kuroyanagi2021", "mix", "one machine"),  # By the last of its members.
        ("kuroyanagi2021", "bc", "one section of target clips"),
    ],
)
@pytest.mark.parametrize("command", [runner.train, runner.score])
def test_nothing_is_trained_nor_written_if_one_unit_or_member_is_refused(
    system, variant, table, command, tmp_path, monkeypatch
):
    monkeypatch.setattr(runner, "_train_missing", None)
    run = run_of(system, variant, table, tmp_path)

    with pytest.raises((DataError, RecipeError)):
        command(run)

    assert not any(tmp_path.iterdir())


def test_labels_that_the_rules_cannot_measure_by_are_refused_before_training(monkeypatch):
    monkeypatch.setattr(runner, "check", None)
    run = run_of("baseline2020", "ae", "no test clips")
    labelled = clip_table([{**TEST[1], "path": "x.wav", "domain": None}])
    table = pd.concat([run.table, labelled], ignore_index=True).assign(dataset="mini2022")

    with pytest.raises(DataError, match=r"x\.wav: the rules dcase2022 need the domain .* 1 of 1"):
        runner.score(dataclasses.replace(run, table=table))


def test_test_clips_of_a_section_without_training_clips_are_refused():
    run = run_of("baseline2020", "ae", "no test clips")
    strange = clip_table([{**TEST[0], "path": "x.wav", "section": "07"}], dataset="own")
    run = dataclasses.replace(run, table=pd.concat([run.table, strange], ignore_index=True))

    assert refusal_of(run).startswith("x.wav: section 07 of fan has no training clips")


@pytest.mark.parametrize(
    ("system", "variant", "changes", "message"),
    [
        ("venkatesh2022", "mtl", {"checkpoint": "oracle"}, "chosen by labels.*checkpoint: last"),
        ("venkatesh2022", "disent_wt", {"section_weight": "oracle"}, "`weighted_oracle` is chosen"),
        ("venkatesh2022", "msl_anp", {"ensemble_weight": "oracle"}, "lets labels of test clips"),
        ("kuroyanagi2021", "max_of_rows", {}, "lets labels of test clips choose"),
    ],
)
def test_scores_that_a_detector_cannot_have_are_refused_without_a_training(
    system, variant, changes, message
):
    run = run_of(system, variant, "no test clips")
    recipe = dataclasses.replace(run.recipe, config={**run.recipe.config, **changes})

    with pytest.raises(RecipeError, match=message):
        require_graphs(dataclasses.replace(run, recipe=recipe))
    with pytest.raises(RecipeError, match=r"learned nothing.*--untrained"):
        require_graphs(dataclasses.replace(run, recipe=dataclasses.replace(recipe, untrained=True)))
