"""The score of every system as Keras layers is its score by scikit-learn.

Representations are drawn at random, so neither audio nor training is needed. The clips that are
compared are test clips of no known domain.
"""

import dataclasses

import keras
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from asdkeras import systems
from asdkeras.errors import RecipeError
from asdkeras.experiment.recipe import find_recipe, load_recipe, system_config
from asdkeras.systems.system import Fit, Representations
from tests.clip_table import clip_table

SECTIONS = ("00", "01")
DIM = 6


@pytest.fixture(autouse=True)
def _one_thread():
    # As in a run: many small matrices.
    with threadpool_limits(1):
        yield


def clips_of(section):
    rows = [("train", "source", f"m-n_{'WX'[number % 2]}") for number in range(10)]
    rows += [("train", "target", "m-n_Y")] * 3 + [("test", None, None)] * 4
    return [
        {
            "path": f"{section}_{number:02d}.wav",
            "section": section,
            "split": split,
            "domain": domain,
            "attributes": attributes,
            "is_anomalous": False if split == "train" else None,
        }
        for number, (split, domain, attributes) in enumerate(rows)
    ]


def table_of(*sections):
    rows = [row for section in sections for row in clips_of(section)]
    return clip_table(rows, dataset="mini2021", machine_type="fan")


def configured(system, variant, *overrides):
    source = find_recipe(system, "mini2021", None)
    recipe = load_recipe(source, system, variant, overrides)
    return systems.load(system).build(system_config(recipe, source))


def embeddings(num_clips, *names):
    random = np.random.default_rng(0)
    return {name: random.normal(size=(num_clips, DIM)).astype("float32") for name in names}


def wilkinghoff2021(variant, *overrides):
    table = table_of(*SECTIONS)
    random = np.random.default_rng(1)
    clips = embeddings(len(table), "embedding_epoch1", "embedding_epoch2", "temporal_maximum")
    heads = {"sections": 2} if variant.startswith("one") else {"sections": 2, "attributes": 6}
    constants = {
        f"{head}_centers_epoch{epoch}": random.normal(size=(count, 4, DIM))
        for head, count in heads.items()
        for epoch in (1, 2)
    }
    overrides = ("config.epochs=2", "config.keep_epochs=[1]", *overrides)
    system = configured("wilkinghoff2021", variant, *overrides)
    return system, table, Representations(clips, constants)


def wilkinghoff2024(*overrides):
    table = table_of(*SECTIONS)
    clips = embeddings(len(table), "embedding")
    system = configured("wilkinghoff2024", "adaproj", "config.kmeans_clusters=4", *overrides)
    return system, table, Representations(clips, {})


def squared_errors(system):
    table = table_of(*SECTIONS)
    errors = np.random.default_rng(0).gamma(2.0, size=(len(table), 9)).astype("float32")
    return configured(system, "ae"), table, Representations({"squared_error": errors}, {})


def posteriors(system, *overrides):
    table = table_of(*SECTIONS)
    values = np.random.default_rng(0).dirichlet([1.0, 0.2], size=(len(table), 5))
    values = values.astype("float32")
    values[-1, 0] = [0.0, 1.0]  # Where a logarithm must stop.
    clips = {"train": values, "test": values}
    return configured(system, "mobilenetv2", *overrides), table, Representations(clips, {})


def residuals(variant, form):
    table, bands = table_of("00"), 128
    random = np.random.default_rng(0)
    rows = random.normal(size=(len(table), 40, bands)) + 0.3
    if form == "framewise":
        moments = np.einsum("cri,crj->cij", rows, rows) / rows.shape[1]
    else:
        moments = np.stack([rows.mean(axis=1), (rows**2).mean(axis=1)], axis=1)
    mixed = [random.normal(size=(bands, bands)) for _ in range(2)]
    covariances = [each @ each.T + 0.1 * np.eye(bands) for each in mixed]
    constants = {"covariance_source": covariances[0], "covariance_target": covariances[1]}
    system = configured(
        "baseline2023",
        variant,
        f"config.mahalanobis.form={form}",
        "config.threshold_data=clips",
    )
    clips = {"residual_moments": moments.astype("float32")}
    return system, table, Representations(clips, constants)


def venkatesh2022(variant):
    table = table_of(*SECTIONS)
    system = configured("venkatesh2022", variant, "config.epochs=2")
    parts = {"section": 2, "attributes": 4}
    own = 2
    if variant == "mtl":
        parts, own = {"embedding": DIM}, 1
    elif variant == "sec_arcface":
        parts, own = {"section": DIM}, 1
    constants = {
        "names": np.array(list(parts)),
        "dims": np.array(list(parts.values())),
        "num_embeddings": np.array(own),
        "groups": np.array(["section"]),
        "group_parts": np.array([next(iter(parts))]),
    }
    return (
        system,
        table,
        Representations(embeddings(len(table), "embedding_epoch0002"), constants),
    )


def neural_process():
    table = table_of(*SECTIONS)
    scores = np.random.default_rng(0).normal(size=(len(table), 7)).astype("float32")
    clips = {"negative_log_likelihood": scores}
    return configured("venkatesh2022", "anp_boot"), table, Representations(clips, {})


def nejjar2022():
    table = table_of(*SECTIONS)
    clips = embeddings(len(table), "pretrained_embedding", "embedding")
    return configured("nejjar2022", "dgmix"), table, Representations(clips, {})


def conformer(variant, *overrides):
    table = table_of(*SECTIONS)
    random = np.random.default_rng(0)
    clips = {
        "scores_conformer": random.normal(size=(len(table), 4, 3)).astype("float32"),
        "error_conformer": random.gamma(2.0, size=len(table)).astype("float32"),
        "embedding_conformer": random.normal(size=(len(table), DIM)).astype("float32"),
    }
    constants = {"own_rows": np.array([1]), "own_scores": np.ones((1, 3))}
    return (
        configured("kuroyanagi2021", variant, *overrides),
        table,
        Representations(clips, constants),
    )


def classifier(*models):
    table = table_of("00")
    random = np.random.default_rng(0)
    clips = {}
    for name in models:
        clips[f"posterior_{name}"] = random.uniform(size=len(table)).astype("float32")
        clips[f"distance_{name}"] = random.gamma(2.0, size=len(table)).astype("float32")
        clips[f"embedding_{name}"] = random.normal(size=(len(table), DIM)).astype("float32")
    return configured("kuroyanagi2021", "bc"), table, Representations(clips, {})


CASES = {
    "wilkinghoff2021 two heads": lambda: wilkinghoff2021("two_heads_s4"),
    "wilkinghoff2021 one head": lambda: wilkinghoff2021(
        "one_head_s4", "config.component_weights=false"
    ),
    "wilkinghoff2024": wilkinghoff2024,
    "wilkinghoff2024 unit means": lambda: wilkinghoff2024("config.normalize_means=true"),
    "baseline2020": lambda: squared_errors("baseline2020"),
    "baseline2021 ae": lambda: squared_errors("baseline2021"),
    "baseline2022 ae": lambda: squared_errors("baseline2022"),
    "baseline2021 mobilenetv2": lambda: posteriors("baseline2021"),
    "baseline2021 released": lambda: posteriors(
        "baseline2021", "config.mobilenetv2.score=released_2021"
    ),
    "baseline2022 mobilenetv2": lambda: posteriors("baseline2022"),
    "baseline2023 mse": lambda: residuals("mse", "mean_residual"),
    "baseline2023 mse framewise": lambda: residuals("mse", "framewise"),
    "baseline2023 mahalanobis": lambda: residuals("mahalanobis", "mean_residual"),
    "baseline2023 framewise": lambda: residuals("mahalanobis", "framewise"),
    "venkatesh2022 disent_cat": lambda: venkatesh2022("disent_cat"),
    "venkatesh2022 mtl": lambda: venkatesh2022("mtl"),
    "venkatesh2022 sec_arcface": lambda: venkatesh2022("sec_arcface"),
    "venkatesh2022 anp_boot": neural_process,
    "nejjar2022": nejjar2022,
    "kuroyanagi2021 ae": lambda: conformer("ae"),
    "kuroyanagi2021 median": lambda: conformer("ae", "config.ae.time_pooling=median"),
    "kuroyanagi2021 bc": lambda: classifier("source", "target"),
    "kuroyanagi2021 bc without target": lambda: classifier("source"),
}


def by_graph(system, table, representations, column, section):
    """The graph's scores and embeddings of the test clips of a section."""
    inputs = {
        name: keras.Input(array.shape[1:], name=name)
        for name, array in representations.clips.items()
    }
    fit = Fit(representations, table, 0, "fan", section)
    model = keras.Model(inputs, system.graph(inputs, fit, column))
    is_test = fit.is_inside & (table["split"] == "test").to_numpy(bool)
    outputs = model({name: each[is_test] for name, each in representations.clips.items()})
    return is_test, *(keras.ops.convert_to_numpy(each) for each in outputs)


@pytest.mark.parametrize("case", CASES)
def test_graph_and_score_agree_on_clips_of_unknown_domain(case):
    system, table, representations = CASES[case]()
    scores = system.score(representations, table, 0)
    thresholds = system.decide(scores.columns, table, representations.constants)

    for section in sorted(set(table["section"])):
        is_test, found, embedding = by_graph(
            system, table, representations, scores.anomaly_score, section
        )

        expected = scores.columns.loc[is_test, scores.anomaly_score]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert np.std(found) > 0
        # A detector compares what it answers.
        np.testing.assert_array_equal(expected, scores.columns.loc[is_test, scores.decision_score])
        assert thresholds[is_test].nunique() == 1
        assert embedding.ndim == 2
        assert len(embedding) == 4


@pytest.mark.parametrize("column", ["section", "attributes", "weighted"])
def test_other_columns_of_a_disentangled_network_have_a_graph_too(column):
    system, table, representations = venkatesh2022("disent_cat")
    scores = system.score(representations, table, 0)

    is_test, found, _ = by_graph(system, table, representations, column, "01")

    np.testing.assert_allclose(found, scores.columns.loc[is_test, column], rtol=1e-5)


def test_a_column_that_labels_chose_has_no_graph():
    system, table, representations = venkatesh2022("disent_cat")

    with pytest.raises(RecipeError, match="labels of test clips"):
        by_graph(system, table, representations, "weighted_oracle", "00")


@pytest.mark.parametrize(
    ("system", "variant", "sections", "able"),
    [
        ("baseline2021", "mobilenetv2", ("00",), "ae"),
        ("baseline2021", "mobilenetv2", SECTIONS, "mobilenetv2"),
        ("baseline2022", "mobilenetv2", ("00",), "ae"),
        ("venkatesh2022", "disent_cat", ("00",), "anp_boot"),
        ("venkatesh2022", "disent_cat", SECTIONS, "disent_cat"),
        ("venkatesh2022", "adversarial", SECTIONS, "adversarial"),
        ("nejjar2022", "no_pretraining", ("00",), "dgmix"),
        ("nejjar2022", "no_pretraining", SECTIONS, "no_pretraining"),
        ("kuroyanagi2021", "bc_arcface", ("00",), "ae"),
        ("kuroyanagi2021", "mix", ("00",), "ae_ensemble"),
        ("kuroyanagi2021", "bc", SECTIONS, "bc"),
    ],
)
def test_a_variant_with_nothing_to_tell_apart_falls_back(system, variant, sections, able):
    source = find_recipe(system, "mini2021", None)
    config = system_config(load_recipe(source, system, variant), source)

    assert systems.load(system).fallback(config, table_of(*sections)) == able


@pytest.mark.parametrize("variant", ["disent_cat", "mtl", "adversarial"])
def test_without_attributes_or_domains_sections_alone_are_told_apart(variant):
    source = find_recipe("venkatesh2022", "mini2021", None)
    config = system_config(load_recipe(source, "venkatesh2022", variant), source)
    table = table_of(*SECTIONS).assign(attributes=None, domain=None)

    assert systems.load("venkatesh2022").fallback(config, table) == "sec_softmax"


def test_every_system_that_trains_has_a_case():
    covered = {case.split()[0] for case in CASES}

    assert covered == set(systems.names())


def test_a_system_must_say_its_graph():
    fields = {field.name: field for field in dataclasses.fields(systems.system.System)}

    assert fields["graph"].default is dataclasses.MISSING
