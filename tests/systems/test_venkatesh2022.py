"""Venkatesh 2022: what each variant learns, how clips are scored, and what labels may choose."""

import dataclasses
import functools
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from asdkeras.config import build_config, read_recipe
from asdkeras.errors import DataError, RecipeError
from asdkeras.experiment.training import represent
from asdkeras.networks.chunk_embeddings import ChunkEmbeddings
from asdkeras.networks.folded_mobile_face_net import is_mobile_face_net
from asdkeras.networks.mobile_face_net import mobile_face_net
from asdkeras.scorers.section_neighbors import require_neighbors
from asdkeras.scorers.thresholds import gamma_threshold
from asdkeras.systems import venkatesh2022
from asdkeras.systems.system import Ensemble, Representations
from asdkeras.systems.venkatesh import networks
from asdkeras.systems.venkatesh.embeddings import kept_epochs
from asdkeras.systems.venkatesh.tasks import tasks_of
from tests.systems.recorded_clips import clip_table, noisy_clips, task, training_of

RECIPE = Path(__file__).parents[2] / "recipes" / "venkatesh2022" / "dcase2022.yaml"
NETWORKS = ("disent_cat", "mtl", "sec_softmax", "sec_arcface", "adversarial", "disent_split")


def config_of(variant="disent_cat", **changes):
    config = build_config(venkatesh2022.Config, read_recipe(RECIPE)["config"], "here")
    return dataclasses.replace(config, variant=variant, **changes)


def small(variant="disent_cat", chunk_frames=8, test_hop=7, **changes):
    """Chunks of 8 frames of 33 bins and two epochs: quick, and otherwise the same."""
    changes = {"epochs": 2, "batch_size": 8, "embedding_dim": 6, "mtl_embedding_dim": 10, **changes}
    config = config_of(variant, **changes)
    front_end = dataclasses.replace(
        config.front_end,
        window_length=64,
        hop_length=32,
        chunk_frames=chunk_frames,
        test_hop=test_hop,
    )
    return dataclasses.replace(config, front_end=front_end)


def table_of(machine_type="fan", num_train=6):
    """Two sections; `vel` is known in both, `loc` in section 01 alone."""
    rows, attributes = [], []
    for section in ("00", "01"):
        for number in range(num_train):
            domain = "target" if number == 0 else "source"
            rows.append((section, domain, "train", False))
            velocity = f"vel_{(number + int(section)) % 3}"
            attributes.append(f"{velocity}_loc_{'AB'[number % 2]}" if section == "01" else velocity)
        for domain in ("source", "target"):
            rows += [(section, domain, "test", label) for label in (False, False, True, True)]
            attributes += [None] * 4
    table = clip_table(rows, dataset="mini2022")
    return table.assign(machine_type=machine_type, attributes=attributes).astype(
        {"machine_type": "string", "attributes": "string"}
    )


TABLE = table_of()
CLIPS = noisy_clips(TABLE, samples=800)
TRAINING = training_of(CLIPS)


@pytest.fixture(autouse=True)
def shallow_trunk(monkeypatch):
    """Two blocks instead of fifteen; `tests/networks` has the whole one."""
    trunk = functools.partial(
        mobile_face_net, stem_channels=4, groups=((2, 4, 1, 2), (2, 8, 1, 2)), num_features=12
    )
    monkeypatch.setattr(networks, "mobile_face_net", trunk)


@pytest.fixture
def fitted():
    """A compiled network of a variant, not trained, and its tasks."""

    def make(variant, **changes):
        keras.utils.set_random_seed(0)
        config = small(variant, **changes)
        tasks = tasks_of(config, TRAINING)
        return config, tasks, networks.classifier(config, tasks, config.learning_rate)

    return make


# What is learned.


@pytest.mark.parametrize(
    ("variant", "embeddings", "readers"),
    [
        ("disent_cat", {"section": 6, "attributes": 6}, ["section", "attributes", "attributes"]),
        ("mtl", {"embedding": 10}, ["embedding"] * 3),
        ("sec_softmax", {"section": 6}, ["section"]),
        ("sec_arcface", {"section": 6}, ["section"]),
        ("adversarial", {"section": 6}, ["section", "section"]),
        (
            "disent_split",
            {"section": 6, "attribute_vel": 6, "attribute_loc": 6},
            ["section", "attribute_vel", "attribute_loc"],
        ),
    ],
)
def test_each_variant_has_the_embeddings_and_tasks_of_the_paper(variant, embeddings, readers):
    tasks = tasks_of(small(variant), TRAINING)

    assert tasks.embeddings == embeddings
    assert sorted(task.embedding for task in tasks.tasks) == sorted(readers)
    assert tasks.tasks[0].labels.classes == ("fan_00", "fan_01")
    if "attributes" in embeddings:
        classes = {task.name: task.labels.classes for task in tasks.tasks[1:]}
        assert classes == {"attribute_vel": ("0", "1", "2"), "attribute_loc": ("A", "B")}


def test_attributes_are_unknown_where_the_training_name_has_none():
    loc = next(t for t in tasks_of(small(), TRAINING).tasks if t.name == "attribute_loc")

    assert loc.labels.indices.tolist() == [-1] * 6 + [0, 1] * 3


def test_the_adversary_is_shown_the_domains():
    domain = tasks_of(small("adversarial"), TRAINING).tasks[1]

    assert domain.labels.classes == ("source", "target")
    assert domain.labels.indices.tolist() == [1, 0, 0, 0, 0, 0] * 2
    assert domain.group == ""


def training_with(**columns):
    return dataclasses.replace(TRAINING, table=TRAINING.table.assign(**columns))


@pytest.mark.parametrize(
    ("variant", "columns", "message"),
    [
        ("sec_softmax", {"section": "00"}, "has one section, 00"),
        ("disent_cat", {"attributes": pd.NA}, "no attribute has two values"),
        ("mtl", {"attributes": "vel_1"}, "Take --variant sec_softmax"),
        ("adversarial", {"domain": "source"}, "none of one of them"),
    ],
)
def test_nothing_to_tell_apart_is_said_in_one_line(variant, columns, message):
    with pytest.raises(RecipeError, match=message) as caught:
        tasks_of(small(variant), training_with(**columns))

    assert "\n" not in str(caught.value)


def test_a_section_of_one_training_clip_is_refused():
    table = TRAINING.table
    is_lonely = (table["section"] == "00") & (table["section"].duplicated())

    with pytest.raises(DataError, match="section 00 has one training clip"):
        require_neighbors(table[~is_lonely])


def naive_cross_entropy(logits, labels):
    """Mean over the clips whose class is known."""
    known = [n for n, label in enumerate(labels) if label >= 0]
    losses = [
        np.log(np.exp(logits[n] - logits[n].max()).sum()) - (logits[n][labels[n]] - logits[n].max())
        for n in known
    ]
    return sum(losses) / len(known) if known else 0.0


def naive_arc_face(cosines, labels, scale, margin):
    logits = scale * cosines
    for row, label in enumerate(labels):
        cosine = cosines[row, label]
        if cosine > np.cos(np.pi - margin):
            logits[row, label] = scale * np.cos(np.arccos(cosine) + margin)
        else:
            logits[row, label] = scale * (cosine - margin * np.sin(np.pi - margin))
    return naive_cross_entropy(logits, labels)


@pytest.mark.parametrize("variant", NETWORKS)
def test_the_loss_is_the_sum_of_the_means_over_known_clips(variant, fitted):
    config, tasks, model = fitted(variant)
    rows = np.array([0, 1, 6, 7, 8])
    waveforms = np.random.default_rng(1).normal(size=(5, config.front_end.chunk_length))
    waveforms = waveforms.astype("float32")
    labels = {each.name: each.labels.indices[rows] for each in tasks.tasks}
    one_hot = {
        each.name: np.eye(len(each.labels.classes), dtype="float32")[labels[each.name]]
        * (labels[each.name] >= 0)[:, None]
        for each in tasks.tasks
    }
    weights = {name: (each >= 0).astype("float32") for name, each in labels.items()}

    logits = {n: np.array(each, "float64") for n, each in model(waveforms, training=False).items()}
    loss = model.test_on_batch(waveforms, one_hot, weights, return_dict=True)["loss"]

    expected = 0.0
    for name, each in logits.items():
        if variant == "sec_arcface":
            expected += naive_arc_face(each / 32.0, labels[name], 32.0, 0.5)
        else:
            expected += naive_cross_entropy(each, labels[name])
    assert loss == pytest.approx(expected, rel=1e-4)


def test_an_attribute_nobody_in_the_batch_has_costs_nothing(fitted):
    config, tasks, model = fitted("disent_cat")
    waveforms = np.zeros((2, config.front_end.chunk_length), "float32")
    sizes = {each.name: len(each.labels.classes) for each in tasks.tasks}
    nothing = {name: np.zeros((2, size), "float32") for name, size in sizes.items()}
    weights = {name: np.zeros(2, "float32") for name in nothing}

    assert model.test_on_batch(waveforms, nothing, weights, return_dict=True)["loss"] == 0.0


def test_the_embedding_unlearns_what_the_adversary_learns(fitted):
    """One step on the domains alone: the network goes where an ally would not."""
    config, _, model = fitted("adversarial", adversarial_weight=1.0)
    waveforms = np.random.default_rng(2).normal(size=(16, config.front_end.chunk_length))
    domains = np.eye(2, dtype="float32")[np.arange(16) % 2]
    targets = {"sections": np.zeros((16, 2), "float32"), "domain": domains}
    weights = {"sections": np.zeros(16, "float32"), "domain": np.ones(16, "float32")}

    def steps(weight):
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        next(each for each in copy.layers if "gradient_reversal" in each.name).weight = weight
        copy.compile(keras.optimizers.SGD(0.1), model.loss)
        copy.train_on_batch(waveforms.astype("float32"), targets, weights)
        return {
            name: [
                np.array(new) - np.array(old)
                for new, old in zip(
                    copy.get_layer(name).trainable_weights,
                    model.get_layer(name).trainable_weights,
                    strict=True,
                )
            ]
            for name in ("network", "domain")
        }

    adversary, ally = steps(1.0), steps(-1.0)
    for ours, theirs in zip(adversary["domain"], ally["domain"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-7)
    assert any(np.abs(step).max() > 1e-5 for step in adversary["network"])
    for ours, theirs in zip(adversary["network"], ally["network"], strict=True):
        np.testing.assert_allclose(ours, -theirs, rtol=1e-3, atol=1e-6)


class Built(Exception):
    """The model was asked for."""


@pytest.mark.parametrize(("machine_type", "rate"), [("fan", 1e-4), ("ToyCar", 1e-5)])
def test_a_machine_type_may_have_a_learning_rate_of_its_own(machine_type, rate, tmp_path):
    clips = noisy_clips(table_of(machine_type), samples=800)
    context = task(tmp_path, clips.table)

    def fit(build, *rest, **options):
        raise Built(build().optimizer.learning_rate)

    context.fit = fit
    with pytest.raises(Built) as caught:
        venkatesh2022.build(small("sec_softmax")).train(training_of(clips), context)

    assert float(caught.value.args[0]) == pytest.approx(rate)


# What clips are scored by.


def naive_chunks(config, model, waveform):
    """Embeddings of every chunk of a clip, from the definition."""
    front_end = config.front_end
    half = front_end.window_length // 2
    padded = np.pad(np.asarray(waveform, "float64"), half)
    window = np.hanning(front_end.window_length + 1)[:-1]
    frames = [
        np.abs(np.fft.rfft(window * padded[start : start + front_end.window_length]))
        for start in range(0, len(waveform) + 1, front_end.hop_length)
    ]
    chunks = [
        frames[start : start + front_end.chunk_frames]
        for start in range(0, len(frames) - front_end.chunk_frames + 1, front_end.test_hop)
    ]
    return [np.array(each) for each in model.get_layer("network")(np.array(chunks, "float32"))]


@pytest.mark.parametrize(("merge", "merged"), [("mean", np.mean), ("std", np.std)])
def test_the_embeddings_of_all_chunks_are_merged(merge, merged, fitted):
    config, tasks, model = fitted("disent_cat")
    waveforms = CLIPS.read(np.array([0, 9]), 800, "start")

    embedder, dims = networks.clip_embedder(config, tasks, model, 800, merge)
    embeddings = np.array(embedder(waveforms))

    assert dims == {"section": 6, "attributes": 6, "attribute_vel": 3, "attribute_loc": 2}
    for waveform, embedding in zip(waveforms, embeddings, strict=True):
        section, attributes = naive_chunks(config, model, waveform)
        assert len(section) == 3
        expected = merged(np.concatenate([section, attributes], axis=1), axis=0)
        np.testing.assert_allclose(embedding[:12], expected, rtol=2e-4, atol=2e-4)


def test_all_chunks_of_a_clip_share_what_they_can(fitted):
    """The network with its heads and views is still one that `ChunkEmbeddings` knows."""
    config, tasks, model = fitted("disent_cat", chunk_frames=16, test_hop=1)
    waveforms = CLIPS.read(np.array([3]), 800, "start")

    embedder, _ = networks.clip_embedder(config, tasks, model, 800, "mean")

    chunks = next(each for each in embedder.layers if isinstance(each, ChunkEmbeddings))
    assert is_mobile_face_net(chunks.network)
    section, attributes = naive_chunks(config, model, waveforms[0])
    assert len(section) == 11
    expected = np.concatenate([section, attributes], axis=1).mean(axis=0)
    np.testing.assert_allclose(
        np.array(embedder(waveforms))[0, :12], expected, rtol=2e-4, atol=2e-4
    )


@pytest.mark.parametrize(
    ("variant", "parameters"), [("disent_cat", 1_059_584), ("mtl", 928_000 + 131_584)]
)
def test_the_network_of_the_paper_has_its_parameters(variant, parameters, monkeypatch):
    monkeypatch.setattr(networks, "mobile_face_net", mobile_face_net)
    config = config_of(variant)
    tasks = tasks_of(config, TRAINING)

    model = networks.classifier(config, tasks, 0.1)

    network = model.get_layer("network")
    assert network.input_shape == (None, 32, 1025)
    assert sum(int(np.prod(w.shape)) for w in network.trainable_weights) == parameters


@pytest.mark.parametrize("variant", ["disent_cat", "mtl"])
def test_a_view_is_all_that_a_classifier_sees_of_a_shared_embedding(variant, fitted):
    _, tasks, model = fitted(variant)

    views = networks.views(tasks, model)

    expected = {"attribute_vel", "attribute_loc"} | ({"section"} if variant == "mtl" else set())
    assert set(views) == expected
    for each in tasks.tasks:
        if each.group in views:
            _, basis = views[each.group]
            np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-6)
            kernel = np.array(model.get_layer(each.name).kernel)
            np.testing.assert_allclose(basis @ basis.T @ kernel, kernel, atol=1e-6)


@pytest.mark.parametrize("variant", ["sec_softmax", "adversarial", "disent_split"])
def test_an_embedding_of_one_task_is_its_own_view(variant, fitted):
    _, tasks, model = fitted(variant)

    assert networks.views(tasks, model) == {}


def representations(
    epochs=(300,), dims=(3, 2, 2), names=("section", "attributes", "attribute_vel")
):
    """Random embeddings, and what belongs to them."""
    generator = np.random.default_rng(3)
    clips = {
        f"embedding_epoch{epoch:04d}": generator.normal(size=(len(TABLE), sum(dims)))
        for epoch in epochs
    }
    constants = {
        "names": np.array(names),
        "dims": np.array(dims),
        "num_embeddings": np.array(2),
        "groups": np.array(["section", "attribute_vel"]),
        "group_parts": np.array(["section", "attribute_vel"]),
    }
    return Representations(clips, constants)


def naive_distances(embeddings):
    """Smallest cosine distance to another training clip of the section."""
    distances = []
    for row, clip in TABLE.iterrows():
        others = [
            other
            for other, its in TABLE.iterrows()
            if its["split"] == "train" and its["section"] == clip["section"] and other != row
        ]
        norms = np.linalg.norm(embeddings, axis=1)
        distances.append(
            min(
                1 - embeddings[row] @ embeddings[other] / (norms[row] * norms[other])
                for other in others
            )
        )
    return np.array(distances)


def test_a_clip_is_scored_by_the_nearest_other_training_clip_of_its_section():
    given = representations()
    array = given.clips["embedding_epoch0300"]

    scores = venkatesh2022.build(config_of()).score(given, TABLE, 0)

    expected = {
        "concatenated": naive_distances(array[:, :5]),
        "section": naive_distances(array[:, :3]),
        "attributes": naive_distances(array[:, 3:5]),
    }
    expected["weighted"] = 0.5 * expected["section"] + 0.5 * expected["attributes"]
    assert list(scores.columns) == list(expected)
    for name, each in expected.items():
        np.testing.assert_allclose(scores.columns[name], each, rtol=1e-9, atol=1e-12)
    assert scores.anomaly_score == scores.decision_score == "concatenated"
    assert scores.oracle == ()
    np.testing.assert_allclose(scores.group_scores["section"], expected["section"])
    np.testing.assert_allclose(
        scores.group_scores["attribute_vel"], naive_distances(array[:, 5:]), rtol=1e-9, atol=1e-12
    )


def test_the_parts_of_table_4_weigh_the_distances_and_are_marked():
    config = config_of(section_weight="paper")

    scores = venkatesh2022.build(config).score(representations(), TABLE, 0)

    columns = scores.columns
    expected = 0.15 * columns["section"] + 0.85 * columns["attributes"]  # Fan.
    np.testing.assert_allclose(columns["weighted_oracle"], expected, rtol=1e-12)
    np.testing.assert_allclose(
        columns["weighted"], (columns["section"] + columns["attributes"]) / 2, rtol=1e-12
    )
    assert scores.anomaly_score == "concatenated"  # No label had a say in it.
    assert scores.oracle == ()


def labelled_representations():
    """After epoch 5 section 00 is told by the section, after epoch 10 nothing is told."""
    given = representations(epochs=(5, 10))
    is_anomalous = TABLE["is_anomalous"].to_numpy(bool)
    told = np.where(is_anomalous[:, None], [[-1.0, 0.0, 0.0]], [[1.0, 0.0, 0.0]])
    given.clips["embedding_epoch0005"][:, :3] = told + 0.01 * np.arange(len(TABLE))[:, None]
    return given


def test_labels_choose_epoch_and_weight_in_oracle_mode_alone():
    config = config_of(epochs=10, checkpoint="oracle", section_weight="oracle")

    scores = venkatesh2022.build(config).score(labelled_representations(), TABLE, 0)

    last = venkatesh2022.build(config_of(epochs=10)).score(
        Representations(
            {"embedding_epoch0010": labelled_representations().clips["embedding_epoch0010"]},
            labelled_representations().constants,
        ),
        TABLE,
        0,
    )
    names = ["concatenated", "section", "attributes", "weighted"]
    pd.testing.assert_frame_equal(scores.columns[names], last.columns)
    assert list(scores.columns) == [*names, *(f"{name}_oracle" for name in names)]
    assert scores.anomaly_score == "concatenated_oracle"
    assert len(scores.oracle) == 2
    assert "fan: section_oracle is of epoch 5" in scores.notes
    anomalous = TABLE["is_anomalous"].to_numpy(bool) & (TABLE["split"] == "test").to_numpy(bool)
    normal = ~TABLE["is_anomalous"].to_numpy(bool) & (TABLE["split"] == "test").to_numpy(bool)
    told = scores.columns["section_oracle"]
    assert told[anomalous].min() > told[normal].max()


def test_without_labels_the_oracle_has_nothing_to_say():
    table = TABLE.assign(is_anomalous=TABLE["is_anomalous"].where(TABLE["split"] == "train"))
    config = config_of(epochs=10, checkpoint="oracle")

    columns = venkatesh2022.build(config).score(labelled_representations(), table, 0).columns

    np.testing.assert_array_equal(columns["section_oracle"], columns["section"])


@pytest.mark.parametrize(
    ("checkpoint", "epochs", "expected"),
    [("last", 12, (12,)), ("oracle", 12, (5, 10, 12)), ("oracle", 10, (5, 10))],
)
def test_every_fifth_epoch_is_kept_for_the_oracle(checkpoint, epochs, expected):
    assert kept_epochs(config_of(checkpoint=checkpoint, epochs=epochs)) == expected


@pytest.mark.parametrize(("machine_type", "percentile"), [("fan", 0.6), ("slider", 0.9)])
def test_thresholds_are_of_a_gamma_distribution_per_section(machine_type, percentile):
    table = TABLE.assign(machine_type=machine_type).astype({"machine_type": "string"})
    generator = np.random.default_rng(4)
    columns = pd.DataFrame({"concatenated": generator.gamma(2.0, size=len(table))})

    thresholds = venkatesh2022.build(config_of()).decide(columns, table, {})

    for section in ("00", "01"):
        rows = table["section"] == section
        training = columns.loc[rows & (table["split"] == "train"), "concatenated"]
        expected = gamma_threshold(training, 100 * percentile, restart=True).value
        np.testing.assert_allclose(thresholds[rows], expected, rtol=1e-12)


# Rows that train nothing.


@pytest.mark.parametrize(
    ("variant", "answer"),
    [("disent_wt", "weighted"), ("disent_sec", "section"), ("disent_att", "attributes")],
)
def test_other_rows_are_columns_of_the_disentangled_run(variant, answer):
    ensemble = venkatesh2022.build(config_of(variant))

    assert isinstance(ensemble, Ensemble)
    assert ensemble.members == {"disent_cat": None}
    assert ensemble.answer == answer
    assert ensemble.published_rows[answer] == variant
    assert ensemble.oracle == ()


def test_weights_of_table_4_make_the_weighted_row_an_oracle():
    ensemble = venkatesh2022.build(config_of("disent_wt", section_weight="paper"))

    assert ensemble.answer == "weighted_oracle"
    assert "Table 4" in ensemble.oracle[0]
    assert venkatesh2022.build(config_of("disent_sec", section_weight="paper")).oracle == ()


def test_msl_takes_the_network_of_table_4_for_each_machine_type():
    ensemble = venkatesh2022.build(config_of("msl"))

    chosen = {m: variant for variant, machines in ensemble.members.items() for m in machines}
    assert chosen == {
        "ToyCar": "disent_cat",
        "ToyTrain": "mtl",
        "bearing": "sec_softmax",
        "fan": "sec_arcface",
        "gearbox": "adversarial",
        "slider": "disent_cat",
        "valve": "disent_split",
    }
    assert ensemble.normalize == "none"
    assert ensemble.oracle  # The authors chose by labels.


@pytest.mark.parametrize(("weight", "of_fan"), [("equal", 0.5), ("paper", 0.05)])
def test_msl_anp_weighs_both_halves(weight, of_fan):
    ensemble = venkatesh2022.build(config_of("msl_anp", ensemble_weight=weight))

    assert ensemble.normalize == "section"
    assert ensemble.weights["anp_boot"]["fan"] == of_fan
    assert ensemble.weights["sec_arcface"] == {"fan": 1.0 - of_fan}
    for machine, of_anp in ensemble.weights["anp_boot"].items():
        others = [each[machine] for each in ensemble.weights.values() if machine in each]
        assert sum(others) == pytest.approx(1.0)
        assert 0.0 <= of_anp <= 1.0


# The whole of it.


@pytest.mark.parametrize(
    ("variant", "losses"),
    [
        ("disent_cat", {"sections_loss", "attribute_vel_loss", "attribute_loc_loss"}),
        ("sec_arcface", set()),  # The only one is the whole.
    ],
)
def test_training_ends_in_one_array_per_clip(variant, losses, tmp_path):
    system = venkatesh2022.build(small(variant))

    trained = system.train(TRAINING, task(tmp_path, TABLE))
    given = represent(trained, CLIPS, system.batch_size)
    scores = system.score(given, TABLE, 0)
    thresholds = system.decide(scores.columns, TABLE, given.constants)

    assert scores.columns.notna().all(axis=None)
    assert scores.group_scores.notna().all(axis=None)
    assert thresholds.notna().all()
    log = pd.read_csv(tmp_path / "train.csv")
    assert len(log) == 2
    assert {name for name in log if name.endswith("_loss")} == losses
    assert log["loss"].notna().all()


def test_clips_shorter_than_a_chunk_are_refused(tmp_path):
    config = small("sec_softmax")
    front_end = dataclasses.replace(config.front_end, chunk_frames=32)
    system = venkatesh2022.build(dataclasses.replace(config, front_end=front_end))

    with pytest.raises(RecipeError, match=r"front_end\.chunk_frames"):
        system.train(TRAINING, task(tmp_path, TABLE))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("machine_merges", {"valve": "median"}, "`mean` or `std`"),
        ("machine_percentiles", {"fan": 100.0}, "between 0 and 100"),
        ("machine_learning_rates", {"ToyCar": "fast"}, "a number above 0"),
        ("epochs", 0, "`epochs` must be at least 1"),
        ("adversarial_weight", -0.1, "must not be negative"),
        ("arcface_margin_rad", 4.0, r"\[0, pi\)"),
    ],
)
def test_wrong_values_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        config_of(**{field: value})
