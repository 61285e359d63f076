"""wilkinghoff2024: which loss a variant means, classes, what Config refuses."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from asdkeras.config import build_config, read_recipe
from asdkeras.losses.ada_proj import AdaProj
from asdkeras.losses.arc_face import ArcFace
from asdkeras.losses.class_compactness import ClassCompactness
from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos
from asdkeras.published.papers import load
from asdkeras.scorers.combination import Combination
from asdkeras.systems import variants
from asdkeras.systems import wilkinghoff2024 as system
from asdkeras.systems.system import Ensemble, System

RECIPES = Path(__file__).parents[2] / "recipes" / "wilkinghoff2024"
TABLE_1 = {"ic_compactness", "ic_compactness_cce", "adacos", "subcluster_adacos", "adaproj"}
COMBINED = ("adaproj_ensemble", "adaproj_j32")
TRAINED = [name for name in variants("wilkinghoff2024") if name not in COMBINED]


def recipe(name):
    return build_config(system.Config, read_recipe(RECIPES / f"{name}.yaml")["config"], "here")


@pytest.fixture
def config():
    return recipe("dcase2023")


@pytest.fixture
def short(config):
    """The paper's network for clips of 1 s."""
    return dataclasses.replace(config, clip_length=16000)


def classifier(config, variant, num_classes=4):
    built = system.create(dataclasses.replace(config, variant=variant))
    return built.build(None, {"classes": num_classes, "compactness": num_classes}, None)


@pytest.mark.slow
@pytest.mark.parametrize("variant", [*sorted(TABLE_1), "adaproj_j1", "corrected", "arcface"])
def test_every_loss_trains_one_step_and_moves_its_network(short, variant):
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = classifier(short, variant)
    model.run_eagerly = True  # One step is not worth a graph.
    rng = np.random.default_rng(0)
    labels = 0.3 * np.eye(4)[[0, 1, 2, 3]] + 0.7 * np.eye(4)[[3, 2, 1, 0]]
    names = [name.removesuffix("_label") for name in model.input if name.endswith("_label")]
    inputs = {"waveform": rng.normal(size=(4, 16000)), "weight": np.ones((4, 1))}
    inputs |= {f"{name}_label": labels for name in names}
    before = [weight.numpy() for weight in model.get_layer("network").trainable_weights]

    loss = model.train_on_batch(
        {name: array.astype("float32") for name, array in inputs.items()},
        {name: labels.astype("float32") for name in names},
    )

    assert np.all(np.isfinite(loss))
    after = [weight.numpy() for weight in model.get_layer("network").trainable_weights]
    assert all(np.any(old != new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("variant", "kind", "centers"),
    [
        ("adaproj", AdaProj, 4 * 32),
        ("adaproj_j8", AdaProj, 4 * 8),
        ("adaproj_j64", AdaProj, 4 * 64),
        ("corrected", AdaProj, 4 * 32),
        ("subcluster_adacos", SubClusterAdaCos, 4 * 32),
        ("adacos", SubClusterAdaCos, 4),
        ("ic_compactness", ClassCompactness, 4),
        ("arcface", ArcFace, 4),
    ],
)
def test_a_variant_is_its_loss_with_fixed_centers(short, variant, kind, centers):
    head = classifier(short, variant).get_layer("classes")

    assert isinstance(head, kind)
    assert tuple(head.centers.shape) == (512, centers)
    assert not head.centers.trainable


def test_compactness_with_cross_entropy_has_a_linear_layer_on_the_same_embedding(short):
    model = classifier(short, "ic_compactness_cce")
    waveforms = np.random.default_rng(0).normal(size=(2, 16000)).astype("float32")
    embedding = model.get_layer("network")(waveforms, training=False).numpy().astype("float64")
    kernel = model.get_layer("classes").kernel.numpy().astype("float64")

    inputs = {"waveform": waveforms, "weight": np.ones((2, 1), "float32")}
    labels = np.eye(4, dtype="float32")[:2]
    logits = model(inputs | {"classes_label": labels, "compactness_label": labels})

    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    np.testing.assert_allclose(logits["classes"], unit @ kernel, rtol=1e-4, atol=1e-6)
    centers = model.get_layer("compactness").centers.numpy().astype("float64")
    distances = 2 - 2 * unit @ (centers / np.linalg.norm(centers, axis=0))
    np.testing.assert_allclose(-logits["compactness"], distances, rtol=1e-4, atol=1e-6)


def test_the_weight_of_the_cross_entropy_is_that_of_the_recipe(short):
    def losses(weight):
        keras.utils.set_random_seed(0)
        config = dataclasses.replace(short, cce_weight=weight, weight_decay=0.0)
        model = classifier(config, "ic_compactness_cce")
        model.run_eagerly = True
        names = ("classes", "compactness")
        labels = np.eye(4, dtype="float32")
        waveforms = np.random.default_rng(0).normal(size=(4, 16000)).astype("float32")
        inputs = {"waveform": waveforms, "weight": np.ones((4, 1), "float32")}
        inputs |= {f"{name}_label": labels for name in names}
        return model.evaluate(inputs, dict.fromkeys(names, labels), verbose=0, return_dict=True)

    light, heavy = losses(1.0), losses(3.0)

    assert light["loss"] == pytest.approx(light["classes_loss"] + light["compactness_loss"])
    assert heavy["loss"] - light["loss"] == pytest.approx(2 * light["classes_loss"], rel=1e-5)


def test_what_clips_are_represented_by_holds_no_part_of_the_training(short):
    model = classifier(short, "adaproj")

    network = model.get_layer("network")

    assert [tensor.name for tensor in network.inputs] == ["waveform"]
    assert not any(isinstance(layer, AdaProj) for layer in network.layers)
    assert network.output_shape == (None, 512)


def test_corrected_differs_in_the_wiring_alone(short):
    keras.utils.set_random_seed(0)
    corrected = classifier(short, "corrected")
    released = classifier(short, "adaproj")
    released.get_layer("network").set_weights(corrected.get_layer("network").get_weights())
    waveforms = np.random.default_rng(0).normal(size=(2, 16000)).astype("float32")

    one, other = (
        model.get_layer("network")(waveforms, training=False).numpy()
        for model in (corrected, released)
    )

    np.testing.assert_allclose(one[:, :256], other[:, :256], rtol=1e-5, atol=1e-6)
    assert np.abs(one[:, 256:] - other[:, 256:]).max() > 1e-3


def test_the_ensemble_of_figure_3_is_the_mean_over_all_trials_of_adaproj(config):
    built = system.create(dataclasses.replace(config, variant="adaproj_ensemble"))

    assert isinstance(built, Ensemble)
    assert dict(built.members) == {"adaproj": None}
    assert built.combination == Combination("mean")
    assert built.pools_trials


@pytest.mark.parametrize(
    ("name", "variant", "is_adaproj"),
    [
        ("dcase2023", "adaproj_j32", True),
        ("dcase2023", "adaproj_j16", False),
        ("dcase2023_released_code", "adaproj_j16", True),
        ("dcase2023_released_code", "adaproj_j32", False),
    ],
)
def test_the_dimension_of_the_recipe_trains_nothing_that_adaproj_has(name, variant, is_adaproj):
    built = system.create(dataclasses.replace(recipe(name), variant=variant))

    assert isinstance(built, Ensemble) == is_adaproj
    if is_adaproj:
        assert dict(built.members) == {"adaproj": None}
        assert not built.pools_trials
        adaproj = system.create(recipe(name))
        assert built.published_rows == adaproj.published_rows


@pytest.mark.parametrize("variant", TRAINED)
def test_rows_to_compare_with_are_those_of_table_1(config, variant):
    built = system.create(dataclasses.replace(config, variant=variant))

    assert isinstance(built, System)
    rows = set(built.published_rows.values())
    assert rows <= TABLE_1 <= set(load("wilkinghoff2024")["system_row"])
    assert (variant in TABLE_1) <= (rows == {variant})
    assert (variant == "corrected") <= (rows == {"adaproj"})
    assert (variant.startswith("adaproj_j") or variant == "arcface") <= (rows == set())


def clip_table():
    rows = [
        ("fan", "00", "train", "source", "a"),
        ("fan", "00", "train", "target", "b"),
        ("fan", "00", "train", pd.NA, "a"),
        ("fan", "00", "test", "source", "only in test"),
        ("saw", "00", "train", "source", "a"),
        ("saw", "00", "test", "target", "never read"),
    ]
    table = pd.DataFrame(
        rows, columns=["machine_type", "section", "split", "domain", "attributes"]
    ).astype("string")
    # In 2023 a fan is of the development set, any machine of the evaluation set is new.
    table["machine_type"] = table["machine_type"].replace("saw", "bandsaw")
    return table.assign(dataset=pd.array(["dcase2023"] * len(table), dtype="string"))


@dataclasses.dataclass
class Clips:
    table: pd.DataFrame


def labels_of(config):
    table = clip_table()
    training = table[table["split"] == "train"]
    return system.create(config).classes(Clips(training), Clips(table))["classes"]


def test_classes_are_machine_section_attributes_and_domain_of_training_clips(config):
    labels = labels_of(config)

    assert len(labels.classes) == 3
    assert labels.indices[0] == labels.indices[2]  # No domain counts as source.
    assert len({*labels.indices[[0, 1, 3]]}) == 3
    assert not any("test" in name or "never" in name for name in labels.classes)


def test_the_reference_has_classes_of_development_test_names_without_clips(config):
    released = dataclasses.replace(config, classes_from="train_and_dev_test")

    labels = labels_of(released)

    names = [labels.classes[index] for index in labels.indices]
    assert len(labels.classes) == 4
    assert sum("only in test" in name for name in labels.classes) == 1
    assert not any("never read" in name for name in labels.classes)
    ours = labels_of(config)
    assert names == [ours.classes[index] for index in ours.indices]


def test_the_recipes_state_what_paper_and_released_code_have():
    paper, released = recipe("dcase2023"), recipe("dcase2023_released_code")

    differing = {
        field.name: (getattr(paper, field.name), getattr(released, field.name))
        for field in dataclasses.fields(paper)
        if getattr(paper, field.name) != getattr(released, field.name)
    }

    assert differing == {
        "embedding_dim": (512, 256),
        "subspace_dimension": (32, 16),
        "num_subclusters": (32, 16),
        "kmeans_clusters": (32, 16),
        "classes_from": ("train", "train_and_dev_test"),
        "length_rule": ("tile_start", "tile_random"),
        "scale_update": ("guarded", "reference"),
        "expected_classes": ({"classes": 167}, {"classes": 186}),
    }
    of_2022 = {"clip_length": 160000, "expected_classes": {"classes": 342}}
    assert recipe("dcase2022") == dataclasses.replace(paper, **of_2022)
    assert recipe("mini").expected_classes == recipe("folder").expected_classes == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip_length": 3000}, r"`clip_length` must be at least 3072.*Received: 3000"),
        ({"embedding_dim": 511}, r"`embedding_dim` must be even.*Received: 511"),
        ({"subspace_dimension": 512}, r"`subspace_dimension` must be below.*Received: 512"),
        ({"scale_update": "adacos2019"}, r"for adacos and subcluster_adacos alone.*adaproj"),
        ({"epochs": 0}, r"`epochs` must be at least 1"),
        ({"kmeans_clusters": 0}, r"`kmeans_clusters` must be at least 1"),
        ({"learning_rate": 0.0}, r"`learning_rate` must be above 0"),
        ({"scale_floor": 0.0}, r"`scale_floor` must be above 0"),
        ({"arcface_scale": 0.0}, r"`arcface_scale` must be above 0"),
        ({"weight_decay": -1e-5}, r"`weight_decay` must not be negative"),
        ({"variant": "adaproj_j64", "embedding_dim": 64}, r"`subspace_dimension`.*Received: 64"),
        ({"window_length": 7}, r"`window_length` must be at least 8.*Received: 7"),
        ({"cce_weight": -1.0}, r"`cce_weight` must not be negative"),
        ({"scale_ceiling": 0.5}, r"`scale_ceiling` must exceed `scale_floor`"),
        ({"mixup_probability": 1.5}, r"`mixup_probability` must lie in \[0, 1\]"),
        ({"arcface_margin_rad": 3.2}, r"`arcface_margin_rad` must lie in \[0, pi\)"),
        ({"threshold_percentile": 100.0}, r"`threshold_percentile` must lie between"),
    ],
)
def test_what_cannot_be_is_refused_by_name(config, change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(config, **change)


def test_published_adacos_may_be_asked_for_where_it_is_defined(short):
    changed = dataclasses.replace(short, variant="adacos", scale_update="adacos2019")

    head = classifier(changed, "adacos").get_layer("classes")

    assert head.scale_update == "adacos2019"
