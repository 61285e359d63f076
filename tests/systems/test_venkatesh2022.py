"""Venkatesh 2022: what each variant learns, how clips are scored, and what labels may choose."""

import dataclasses
import functools
import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from asdkeras.config import build_config, read_recipe
from asdkeras.errors import DataError, RecipeError
from asdkeras.layers.fused_batch_normalization import FusedBatchNormalization
from asdkeras.networks.chunk_embeddings import ChunkEmbeddings
from asdkeras.networks.folded_mobile_face_net import is_mobile_face_net
from asdkeras.networks.mobile_face_net import mobile_face_net
from asdkeras.readings import fields_of, reconstruction_of
from asdkeras.scorers.thresholds import gamma_threshold
from asdkeras.systems import venkatesh2022
from asdkeras.systems.model_files import TrainedNetwork, save_models
from asdkeras.systems.system import Ensemble, Fitted
from asdkeras.systems.venkatesh import disentangled_network
from asdkeras.systems.venkatesh.embeddings import Embedders, embedding_of, kept_epochs
from asdkeras.systems.venkatesh.tasks import tasks_of
from tests.systems.recorded_clips import (
    RATE_HZ,
    clip_table,
    noisy_clips,
    represented,
    scores_of,
    task,
    training_of,
)

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
    monkeypatch.setattr(disentangled_network, "mobile_face_net", trunk)


@pytest.fixture
def untrained(tmp_path):
    """A system, and the record and compiled network of a training without a step."""

    def fit(build, batches, *, epochs, **options):
        return Fitted({epochs: TrainedNetwork(None, build())}, {})

    def make(variant, clips=TRAINING, **changes):
        keras.utils.set_random_seed(0)
        system = venkatesh2022.create(small(variant, **changes))
        context = task(tmp_path, clips.table)
        context.fit = fit
        models = system.train(clips, context)
        return system, models, models.networks[system.config.epochs].model

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
    clips = dataclasses.replace(TRAINING, table=table[~is_lonely])

    with pytest.raises(DataError, match="section 00 has one training clip"):
        venkatesh2022.create(small()).check(clips, clips)


def targets_of(tasks, rows=slice(None)):
    """Classes of training clips by task, one-hot, and 1 where they are known."""
    labels = {each.name: each.labels.indices[rows] for each in tasks.tasks}
    known = {name: (each >= 0).astype("float32") for name, each in labels.items()}
    targets = {
        each.name: np.eye(len(each.labels.classes), dtype="float32")[labels[each.name]]
        * known[each.name][:, None]
        for each in tasks.tasks
    }
    return targets, known


def naive_losses(logits, labels):
    """Cross-entropy of each clip, 0 where its class is not known."""
    return np.array(
        [
            np.log(np.sum(np.exp(row - row.max()))) - (row[label] - row.max())
            if label >= 0
            else 0.0
            for row, label in zip(logits, labels, strict=True)
        ]
    )


def arc_face_logits(cosines, labels, scale, margin):
    logits = scale * cosines
    for row, label in enumerate(labels):
        cosine = cosines[row, label]
        if cosine > np.cos(np.pi - margin):
            logits[row, label] = scale * np.cos(np.arccos(cosine) + margin)
        else:
            logits[row, label] = scale * (cosine - margin * np.sin(np.pi - margin))
    return logits


@pytest.mark.parametrize("attribute_loss", ["clip_mean", "known_mean"])
@pytest.mark.parametrize("variant", NETWORKS)
def test_the_loss_of_a_clip_is_the_sum_over_what_is_known_of_it(variant, attribute_loss, untrained):
    """Of a batch, the mean over all clips (eq. 3), or over those that know each attribute."""
    system, _, model = untrained(variant, attribute_loss=attribute_loss)
    tasks = tasks_of(system.config, TRAINING)
    rows = np.array([0, 1, 6, 7, 8])
    waveforms = np.random.default_rng(1).normal(size=(5, *model.input_shape[1:]))
    waveforms = waveforms.astype("float32")
    labels = {each.name: each.labels.indices[rows] for each in tasks.tasks}
    targets, known = targets_of(tasks, rows)

    logits = {n: np.array(each, "float64") for n, each in model(waveforms, training=False).items()}
    loss = model.test_on_batch(waveforms, targets, known, return_dict=True)["loss"]

    if variant == "sec_arcface":
        cosines = logits["sections"] / 32.0
        logits["sections"] = arc_face_logits(cosines, labels["sections"], 32.0, 0.5)
    losses = {name: naive_losses(each, labels[name]) for name, each in logits.items()}
    expected = np.mean(sum(losses.values()))
    if attribute_loss == "known_mean":
        expected = sum(each[labels[name] >= 0].mean() for name, each in losses.items())
    assert loss == pytest.approx(expected, rel=1e-4)


def thirds():
    """30 clips, ten of each of three attributes, which have four values."""
    rows = [(f"0{number % 2}", "source", "train", False) for number in range(30)]
    attributes = [f"{'abc'[number % 3]}_{number // 3 % 4}" for number in range(30)]
    return clip_table(rows, dataset="mini2022").assign(attributes=attributes)


@pytest.mark.parametrize(
    ("attribute_loss", "expected"), [("clip_mean", 1.386), ("known_mean", 4.159)]
)
@pytest.mark.parametrize("variant", ["disent_cat", "mtl", "disent_split"])
def test_an_attribute_that_a_third_of_the_clips_knows_counts_a_third(
    variant, attribute_loss, expected
):
    """Logits are uniform: the term of eq. 3 that a clip has is log 4."""
    tasks = tasks_of(small(variant), training_of(noisy_clips(thirds(), samples=800)))
    model = disentangled_network.classifier(
        small(variant, attribute_loss=attribute_loss), tasks, 0.1
    )
    for each in tasks.tasks:
        layer = model.get_layer(each.name)
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    targets, known = targets_of(tasks)

    waveforms = np.zeros((30, *model.input_shape[1:]), "float32")
    loss = model.test_on_batch(waveforms, targets, known, return_dict=True)["loss"]

    assert [known[f"attribute_{key}"].sum() for key in "abc"] == [10, 10, 10]
    assert loss - np.log(2) == pytest.approx(expected, abs=5e-4)  # Two sections.


@pytest.mark.parametrize("batch_norm", [True, False])
def test_one_step_moves_heads_with_and_without_batch_normalization(batch_norm, untrained):
    system, models, model = untrained("disent_cat", head_batch_norm=batch_norm)
    network = model.get_layer("network")
    kinds = [type(network.get_layer(name)) for name in ("section", "attributes")]
    before = [np.array(each) for each in network.trainable_weights]
    targets, known = targets_of(tasks_of(system.config, TRAINING))
    waveforms = np.random.default_rng(5).normal(size=(12, *model.input_shape[1:]))

    model.train_on_batch(waveforms.astype("float32"), targets, known)
    scores = scores_of(system, represented(system, models, CLIPS), TABLE, models)

    expected = FusedBatchNormalization if batch_norm else keras.layers.Dense
    assert kinds == [expected] * 2
    after = [np.array(each) for each in network.trainable_weights]
    assert all(np.any(old != new) for old, new in zip(before, after, strict=True))
    assert scores.columns["concatenated"].between(0.0, 2.0).all()
    assert scores.columns["concatenated"].nunique() > len(TABLE) // 2


def test_an_attribute_nobody_in_the_batch_has_costs_nothing(untrained):
    _, _, model = untrained("disent_cat")
    waveforms = np.zeros((2, *model.input_shape[1:]), "float32")
    nothing = {name: np.zeros(each.shape, "float32") for name, each in model(waveforms).items()}
    weights = {name: np.zeros(2, "float32") for name in nothing}

    assert model.test_on_batch(waveforms, nothing, weights, return_dict=True)["loss"] == 0.0


def test_the_embedding_unlearns_what_the_adversary_learns(untrained):
    """One step on the domains alone: the network goes where an ally would not."""
    _, _, model = untrained("adversarial", adversarial_weight=1.0)
    waveforms = np.random.default_rng(2).normal(size=(16, *model.input_shape[1:]))
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


@pytest.mark.parametrize(("machine_type", "rate"), [("fan", 1e-4), ("ToyCar", 1e-5)])
def test_a_machine_type_may_have_a_learning_rate_of_its_own(machine_type, rate, untrained):
    clips = training_of(noisy_clips(table_of(machine_type), samples=800))

    _, _, model = untrained("sec_softmax", clips)

    assert float(model.optimizer.learning_rate) == pytest.approx(rate)


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
def test_the_embeddings_of_all_chunks_are_merged(merge, merged, untrained):
    system, models, model = untrained("disent_cat", machine_merges={"fan": merge})
    waveforms = CLIPS.read(np.array([0, 9]), 800, "start")

    embeddings = np.array(system.represent(models)["embedding_epoch0002"](waveforms))

    assert models.parts == {"section": 6, "attributes": 6, "attribute_vel": 3, "attribute_loc": 2}
    assert embeddings.shape == (2, 6 + 6 + 3 + 2)
    for waveform, embedding in zip(waveforms, embeddings, strict=True):
        section, attributes = naive_chunks(system.config, model, waveform)
        assert len(section) == 3
        expected = merged(np.concatenate([section, attributes], axis=1), axis=0)
        np.testing.assert_allclose(embedding[:12], expected, rtol=2e-4, atol=2e-4)


def test_all_chunks_of_a_clip_share_what_they_can(untrained):
    """The network with its heads and views is still one that `ChunkEmbeddings` knows."""
    system, models, model = untrained("disent_cat", chunk_frames=16, test_hop=1)
    waveforms = CLIPS.read(np.array([3]), 800, "start")

    embedder = system.represent(models)["embedding_epoch0002"]

    chunks = next(each for each in embedder.layers if isinstance(each, ChunkEmbeddings))
    assert is_mobile_face_net(chunks.network)
    section, attributes = naive_chunks(system.config, model, waveforms[0])
    assert len(section) == 11
    expected = np.concatenate([section, attributes], axis=1).mean(axis=0)
    np.testing.assert_allclose(
        np.array(embedder(waveforms))[0, :12], expected, rtol=2e-4, atol=2e-4
    )


@pytest.mark.parametrize(
    ("variant", "parameters"), [("disent_cat", 1_059_584), ("mtl", 928_000 + 131_584)]
)
def test_the_network_of_the_paper_has_its_parameters(variant, parameters, monkeypatch):
    monkeypatch.setattr(disentangled_network, "mobile_face_net", mobile_face_net)
    config = config_of(variant)
    tasks = tasks_of(config, TRAINING)

    model = disentangled_network.classifier(config, tasks, 0.1)

    network = model.get_layer("network")
    assert network.input_shape == (None, 32, 1025)
    assert sum(int(np.prod(w.shape)) for w in network.trainable_weights) == parameters


@pytest.mark.parametrize("variant", ["disent_cat", "mtl"])
def test_a_view_is_all_that_a_classifier_sees_of_a_shared_embedding(variant, untrained):
    _, models, model = untrained(variant)

    views = disentangled_network.views(models.readers, model)

    expected = {"attribute_vel", "attribute_loc"} | ({"section"} if variant == "mtl" else set())
    assert set(views) == expected
    for name, group, _ in models.readers:
        if group in views:
            _, basis = views[group]
            np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-6)
            kernel = np.array(model.get_layer(name).kernel)
            np.testing.assert_allclose(basis @ basis.T @ kernel, kernel, atol=1e-6)


@pytest.mark.parametrize("variant", ["sec_softmax", "adversarial", "disent_split"])
def test_an_embedding_of_one_task_is_its_own_view(variant, untrained):
    _, models, model = untrained(variant)

    assert disentangled_network.views(models.readers, model) == {}


def scored(arrays, table=TABLE, **changes):
    """A system, and its scores of clips that are represented by arrays of 3 + 2 + 2 values."""
    embeddings = {"section": 3, "attributes": 2}
    readers = (("sections", "section", "section"), ("vel", "attribute_vel", "attributes"))
    parts = {**embeddings, "attribute_vel": 2}
    models = Embedders(800, RATE_HZ, "start", {}, embeddings, readers, parts, "mean")
    system = venkatesh2022.create(config_of(**changes))
    return system, scores_of(system, arrays, table, models)


def random_arrays(*epochs):
    generator = np.random.default_rng(3)
    return {embedding_of(epoch): generator.normal(size=(len(TABLE), 7)) for epoch in epochs}


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
    arrays = random_arrays(300)
    array = arrays["embedding_epoch0300"]

    system, scores = scored(arrays)

    expected = {
        "concatenated": naive_distances(array[:, :5]),
        "section": naive_distances(array[:, :3]),
        "attributes": naive_distances(array[:, 3:5]),
    }
    expected["weighted"] = 0.5 * expected["section"] + 0.5 * expected["attributes"]
    assert list(scores.columns) == list(expected)
    for name, each in expected.items():
        np.testing.assert_allclose(scores.columns[name], each, rtol=1e-9, atol=1e-12)
    assert system.main_score == system.decision_score == "concatenated"
    assert scores.oracle == ()
    np.testing.assert_allclose(scores.groups["section"], expected["section"])
    np.testing.assert_allclose(
        scores.groups["attribute_vel"], naive_distances(array[:, 5:]), rtol=1e-9, atol=1e-12
    )


def test_the_parts_of_table_4_weigh_the_distances_and_are_marked():
    system, scores = scored(random_arrays(300), section_weight="paper")

    columns = scores.columns
    expected = 0.15 * columns["section"] + 0.85 * columns["attributes"]  # Fan.
    np.testing.assert_allclose(columns["weighted_oracle"], expected, rtol=1e-12)
    np.testing.assert_allclose(
        columns["weighted"], (columns["section"] + columns["attributes"]) / 2, rtol=1e-12
    )
    assert system.main_score == "concatenated"  # No label had a say in it.
    assert scores.oracle == ()


def labelled_arrays():
    """The part of the section separates the labels after epoch 5, that of the attributes after 10.

    The latter is so long that both parts together are best after epoch 10; of the last epoch, 15,
    nothing separates them.
    """
    arrays = random_arrays(5, 10, 15)
    is_anomalous = TABLE["is_anomalous"].to_numpy(bool)
    for epoch, first, behind, length in ((5, 0, 3, 1.0), (10, 3, 5, 100.0)):
        part = 0.01 * np.arange(len(TABLE))[:, None] * np.ones(behind - first)
        part[:, 0] += np.where(is_anomalous, -1.0, 1.0)
        arrays[embedding_of(epoch)][:, first:behind] = length * part
    return arrays


def epochs_of(scores):
    """Name of a score that labels chose -> its epoch, by the notes."""
    matches = (re.match(r"fan: (\w+)_oracle is of epoch (\d+)", note) for note in scores.notes)
    return {each[1]: int(each[2]) for each in matches if each}


def assert_separates(column):
    chosen = column.where(TABLE["split"] == "test")
    is_anomalous = TABLE["is_anomalous"].astype(bool)
    assert chosen[is_anomalous].min() > chosen[~is_anomalous].max()


def test_labels_choose_one_epoch_for_all_scores_and_the_weight_at_that_epoch():
    """That of both embeddings together, though the section's own is better after epoch 5."""
    arrays = labelled_arrays()

    _, scores = scored(arrays, epochs=15, checkpoint="oracle", section_weight="oracle")

    columns = scores.columns
    names = ("concatenated", "section", "attributes", "weighted")
    assert epochs_of(scores) == dict.fromkeys(names, 10)
    _, at_ten = scored({embedding_of(10): arrays[embedding_of(10)]}, epochs=10)
    for name in names[:3]:
        np.testing.assert_array_equal(columns[f"{name}_oracle"], at_ten.columns[name])
    assert_separates(columns["weighted_oracle"])
    weight = float(re.search(r"w_S (\d\.\d\d)", " ".join(scores.notes))[1])
    np.testing.assert_allclose(
        columns["weighted_oracle"],
        weight * at_ten.columns["section"] + (1.0 - weight) * at_ten.columns["attributes"],
    )
    assert "the epoch of each machine type, by labels" in scores.oracle[0]


def test_labels_choose_an_epoch_for_each_score_where_the_recipe_lets_them():
    arrays = labelled_arrays()

    changes = {"checkpoint": "oracle_by_score", "section_weight": "oracle"}
    system, scores = scored(arrays, epochs=15, **changes)

    _, last = scored({embedding_of(15): arrays[embedding_of(15)]}, epochs=15)
    names = ["concatenated", "section", "attributes", "weighted"]
    pd.testing.assert_frame_equal(scores.columns[names], last.columns)
    assert list(scores.columns) == [*names, *(f"{name}_oracle" for name in names)]
    assert system.main_score == "concatenated_oracle"
    assert len(scores.oracle) == 2
    assert "each machine type and score" in scores.oracle[0]
    epochs = epochs_of(scores)
    assert (epochs["section"], epochs["attributes"], epochs["concatenated"]) == (5, 10, 10)
    assert_separates(scores.columns["section_oracle"])


@pytest.mark.parametrize("checkpoint", ["oracle", "oracle_by_score"])
def test_without_labels_the_oracle_takes_the_last_epoch(checkpoint):
    table = TABLE.assign(is_anomalous=TABLE["is_anomalous"].where(TABLE["split"] == "train"))

    _, scores = scored(labelled_arrays(), table, epochs=15, checkpoint=checkpoint)

    columns = scores.columns
    np.testing.assert_array_equal(columns["section_oracle"], columns["section"])


@pytest.mark.parametrize(
    ("checkpoint", "epochs", "expected"),
    [
        ("last", 12, (12,)),
        ("oracle", 12, (5, 10, 12)),
        ("oracle_by_score", 12, (5, 10, 12)),
        ("oracle", 10, (5, 10)),
    ],
)
def test_every_fifth_epoch_is_kept_for_the_oracle(checkpoint, epochs, expected):
    assert kept_epochs(config_of(checkpoint=checkpoint, epochs=epochs)) == expected


@pytest.mark.parametrize(("machine_type", "percentile"), [("fan", 0.6), ("slider", 0.9)])
def test_thresholds_are_of_a_gamma_distribution_per_section(machine_type, percentile):
    table = TABLE.assign(machine_type=machine_type).astype({"machine_type": "string"})
    generator = np.random.default_rng(4)
    columns = pd.DataFrame({"concatenated": generator.gamma(2.0, size=len(table))})

    thresholds = venkatesh2022.create(config_of()).thresholds(columns, table).values

    for section in ("00", "01"):
        rows = table["section"] == section
        training = columns.loc[rows & (table["split"] == "train"), "concatenated"]
        expected = gamma_threshold(training, 100 * percentile, restart=True).value
        np.testing.assert_allclose(thresholds[rows], expected, rtol=1e-12)


# Rows that train nothing.


@pytest.mark.parametrize(
    ("variant", "score"),
    [("disent_wt", "weighted"), ("disent_sec", "section"), ("disent_att", "attributes")],
)
def test_other_rows_are_columns_of_the_disentangled_run(variant, score):
    ensemble = venkatesh2022.create(config_of(variant))

    assert isinstance(ensemble, Ensemble)
    assert ensemble.members == {"disent_cat": None}
    assert ensemble.combination.main_score == score
    assert ensemble.published_rows[score] == variant
    assert ensemble.combination.oracle == ()


def test_weights_of_table_4_make_the_weighted_row_an_oracle():
    weighted, section = (
        venkatesh2022.create(config_of(variant, section_weight="paper")).combination
        for variant in ("disent_wt", "disent_sec")
    )

    assert weighted.main_score == "weighted_oracle"
    assert "Table 4" in weighted.oracle[0]
    assert section.oracle == ()


def test_msl_takes_the_network_of_table_4_for_each_machine_type():
    ensemble = venkatesh2022.create(config_of("msl"))

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
    assert ensemble.combination.normalize == "none"
    assert ensemble.combination.oracle  # The authors chose by labels.


def test_what_rests_on_losses_that_the_paper_only_names_is_a_reconstruction():
    variants = next(f for f in fields_of(venkatesh2022.Config) if f.name == "variant").choices

    rebuilt = {v: reconstruction_of(venkatesh2022.Config, v) for v in variants}

    assert {v for v, text in rebuilt.items() if text} == {
        *("adversarial", "disent_split", "msl", "msl_anp", "anp_boot")
    }
    for variant, networks in (("msl", ("adversarial", "disent_split")), ("msl_anp", ("anp_boot",))):
        assert all(f"`{network}`" in rebuilt[variant] for network in networks)


@pytest.mark.parametrize(("weight", "of_fan"), [("equal", 0.5), ("paper", 0.05)])
def test_msl_anp_weighs_both_halves(weight, of_fan):
    ensemble = venkatesh2022.create(config_of("msl_anp", ensemble_weight=weight))

    assert ensemble.combination.normalize == "section"
    assert ensemble.weights["anp_boot"]["fan"] == of_fan
    assert ensemble.weights["sec_arcface"] == {"fan": 1.0 - of_fan}
    for machine, of_anp in ensemble.weights["anp_boot"].items():
        others = [each[machine] for each in ensemble.weights.values() if machine in each]
        assert sum(others) == pytest.approx(1.0)
        assert 0.0 <= of_anp <= 1.0


# The whole of it.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "checkpoint", "losses"),
    [
        ("disent_cat", "last", {"sections_loss", "attribute_vel_loss", "attribute_loc_loss"}),
        ("sec_arcface", "oracle", set()),  # The only one is the whole.
    ],
)
def test_training_ends_in_one_array_per_clip_and_kept_epoch(variant, checkpoint, losses, tmp_path):
    system = venkatesh2022.create(small(variant, checkpoint=checkpoint, checkpoint_interval=1))
    save_models(system.train(TRAINING, task(tmp_path, TABLE)), tmp_path)

    models = system.load(tmp_path)
    arrays = represented(system, models, CLIPS)
    scores = scores_of(system, arrays, TABLE, models)

    assert list(arrays) == [embedding_of(epoch) for epoch in kept_epochs(system.config)]
    assert scores.columns.notna().all(axis=None)
    assert scores.groups.notna().all(axis=None)
    assert scores.thresholds.notna().all()
    log = pd.read_csv(tmp_path / "train.csv")
    assert len(log) == 2
    assert {name for name in log if name.endswith("_loss")} == losses
    assert log["loss"].notna().all()


def test_clips_shorter_than_a_chunk_are_refused():
    config = small("sec_softmax")
    front_end = dataclasses.replace(config.front_end, chunk_frames=32)
    system = venkatesh2022.create(dataclasses.replace(config, front_end=front_end))

    with pytest.raises(RecipeError, match=r"front_end\.chunk_frames"):
        system.check(TRAINING, TRAINING)


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
