"""The classifier of Kuroyanagi 2021: its positives and negatives, its losses and its scores."""

import dataclasses
import functools
import inspect
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from asdkeras.batches.outlier_batches import outlier_batches
from asdkeras.config import build_config, read_recipe
from asdkeras.data.clip_set import ClipSet
from asdkeras.errors import DataError, RecipeError
from asdkeras.experiment.training import make_repeatable
from asdkeras.losses.arc_face import ArcFaceCrossEntropy
from asdkeras.optimizers.one_cycle import OneCycleAdam
from asdkeras.systems import kuroyanagi2021
from asdkeras.systems.kuroyanagi import classifier, classifier_models
from asdkeras.systems.kuroyanagi.classifier import Classifiers, OutlierClassifierSystem
from asdkeras.systems.kuroyanagi.classifier_models import scoring_model, training_model
from asdkeras.systems.kuroyanagi.config_sections import changed
from asdkeras.systems.kuroyanagi.held_out_clips import held_out
from asdkeras.systems.model_files import TrainedNetwork, save_models
from asdkeras.systems.system import Fitted, NormalClips
from tests.systems.naive_log_mel import naive_log_mel
from tests.systems.recorded_clips import RATE_HZ, Store, clip_table, represented, scores_of, task

RECIPE = Path(__file__).parents[2] / "recipes" / "kuroyanagi2021" / "dcase2021.yaml"
CONFIG = build_config(kuroyanagi2021.Config, read_recipe(RECIPE)["config"], "here")
SAMPLES, FRAMES, BANDS, HOP, WINDOW = 3200, 32, 32, 64, 512  # 51 frames, 20 places of a crop.
CROP = (FRAMES - 1) * HOP + WINDOW
SMALL = {
    **{"window_length": WINDOW, "hop_length": HOP, "num_mel_bins": BANDS},
    **{"num_frames": FRAMES, "num_windows": 3, "batch_size": 8, "steps": 4, "steps_per_save": 2},
    **{"adaptation.steps": 6, "adaptation.steps_per_save": 3, "adaptation.num_target": 2},
}


def small(**changes):
    return changed(CONFIG.bc, {**SMALL, **changes}, "here")


system_of = functools.partial(OutlierClassifierSystem, CONFIG)


# A fan with two sections among other machines; the index does not count from 0, and test clips
# lie between training clips.
KINDS = [
    *(("fan", "00", "source"),) * 4,
    *(("fan", "00", "target"),) * 2,
    *(("fan", "01", "source"),) * 2,
    ("fan", "01", "target"),
    ("pump", "00", "source"),
    ("pump", "00", "target"),
    *(("ToyCar", "00", "source"),) * 2,
    ("ToyCar", "00", "target"),
    *(("ToyTrain", "00", ""),) * 2,
]


def all_clips():
    rows, machines = [], []
    for machine, section, domain in KINDS:
        for split in ("test", "train"):
            rows.append((section, domain, split, False))
            machines.append(machine)
    table = clip_table(rows).assign(machine_type=pd.array(machines, "string"))
    generator = np.random.default_rng(0)
    waveforms = []
    for number in range(len(table)):
        loudness, offset = 0.05 * (1 + number % 7), 0.02 * (number % 5 - 2)
        waveforms.append((loudness * generator.normal(size=SAMPLES) + offset).astype("float32"))
    return ClipSet(table[::-1], Store(waveforms))


CLIPS = all_clips()
EVERYTHING = ClipSet(CLIPS.table[CLIPS.table["split"] == "train"], CLIPS.store)


def of_section(machine="fan", section="00", domains=("source", "target")):
    """Table of a section, and its training clips."""
    table = CLIPS.table
    is_own = (table["machine_type"] == machine) & (table["section"] == section)
    table = table[is_own & table["domain"].isin([*domains, ""])]
    return table, ClipSet(table[table["split"] == "train"], CLIPS.store)


TABLE, TRAINING = of_section()


def convolution(spectrograms, *arguments):
    """Instead of the backbones, for what does not depend on the network."""
    return keras.layers.Conv2D(5, 8, strides=8, bias_initializer="random_normal")(spectrograms)


@pytest.fixture
def shallow(monkeypatch):
    for name in ("residual_network", "efficientnet_b3"):
        monkeypatch.setattr(classifier_models, name, convolution)


def randomized(model, seed=0):
    """The model with other weights everywhere, centroids that have been met among them."""
    generator = np.random.default_rng(seed)
    weights = [generator.normal(size=each.shape) / 5 for each in model.get_weights()]
    model.set_weights(weights)
    model.get_layer("centroids").is_met.assign([1.0, 1.0])
    return model


class Asked:
    """A context that notes what it is asked to fit and hands back other weights."""

    def __init__(self, context):
        self.context = context
        self.fits = []

    def __getattr__(self, name):
        return getattr(self.context, name)

    def fit(self, **asked):
        model = asked["build"]()
        first, second = (
            [keras.tree.map_structure(np.array, each) for each in asked["batches"](epoch)]
            for epoch in (0, 1)
        )
        noted = {"at_first": model.get_weights(), "seen": first, "later": second}
        self.fits.append({**asked, **noted, "rate": asked["log"].watch(model), "model": model})
        return Fitted({asked["epochs"]: TrainedNetwork(self.folder, randomized(model))}, {})


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """What is fitted, the arguments of both batch functions by name, and the record.

    Asked once for the same settings of the same clips.
    """
    calls, known = [], {}

    def noting(*arguments):
        calls.append(inspect.signature(outlier_batches).bind(*arguments).arguments)
        return outlier_batches(*arguments)

    def ask(settings, section=None, everything=EVERYTHING, seed=3, left_out=()):
        is_usual = section is None and everything is EVERYTHING and not left_out
        if is_usual and settings in known:
            return known[settings]
        calls.clear()
        table, training = section or (TABLE, TRAINING)
        ask.task = task(tmp_path_factory.mktemp("task"), table, seed, everything, left_out)
        context = Asked(ask.task)
        models = system_of(settings).train(training, context)
        result = context.fits, list(calls), models
        if is_usual:
            known[settings] = result
        return result

    with pytest.MonkeyPatch.context() as patch:
        for name in ("residual_network", "efficientnet_b3"):
            patch.setattr(classifier_models, name, convolution)
        patch.setattr(classifier, "outlier_batches", noting)
        yield ask


# Positives and negatives.


def kinds_of(positions, everything=EVERYTHING):
    """Machine type, section and domain of training clips, sorted."""
    table = everything.table.iloc[positions]
    return sorted(zip(table["machine_type"], table["section"], table["domain"], strict=True))


SOURCE_OF_OTHERS = [
    *(("ToyCar", "00", "source"),) * 2,
    *(("ToyTrain", "00", ""),) * 2,
    *(("fan", "01", "source"),) * 2,
    ("pump", "00", "source"),
]


TARGET_OF_OTHERS = [("ToyCar", "00", "target"), ("fan", "01", "target"), ("pump", "00", "target")]


def test_negatives_are_the_source_clips_of_all_other_sections_and_machines(asked):
    _, (first, _, second, _), _ = asked(small())

    for call in (first, second):
        assert kinds_of(call["positives"]) == [("fan", "00", "source")] * 3  # One is held out.
        assert kinds_of(call["negatives"]) == SOURCE_OF_OTHERS
    assert first["target_slots"] is None
    assert kinds_of(second["target_slots"].positives) == [("fan", "00", "target")] * 2


def test_target_clips_of_all_other_sections_and_machines_are_negatives_in_fine_tuning(asked):
    """Sec. 2.2: the other normal data are negatives; source domain only in the first training."""
    _, (_, _, second, _), _ = asked(small())

    assert kinds_of(second["target_slots"].negatives) == TARGET_OF_OTHERS


def test_without_target_clips_of_others_the_user_is_told(asked):
    table = EVERYTHING.table
    is_kept = (table["domain"] != "target") | table.index.isin(TABLE.index)
    everything = ClipSet(table[is_kept.to_numpy(bool)], CLIPS.store)

    _, (_, _, second, _), _ = asked(small(), everything=everything)

    negatives = second["target_slots"].negatives
    assert kinds_of(negatives, everything) == SOURCE_OF_OTHERS
    [warning] = asked.task.warnings
    assert "no other section or machine has training clips of the target domain" in warning


@pytest.mark.parametrize("seed", [3, 4])
def test_held_out_clips_are_learned_from_in_neither_training(asked, seed):
    """They are the same whatever a training draws from, as members of an ensemble differ in it."""
    settings = small(held_out_fraction=0.5, dropout=0.1 * seed)
    _, calls, models = asked(settings, seed=seed)

    is_held_out = held_out(0.5, TRAINING.table)
    rows = set(TRAINING.table.index[is_held_out])
    assert len(rows) == 2
    for call in calls:
        slots = call["target_slots"]
        kinds = [call["positives"], call["negatives"]]
        kinds += [] if slots is None else [slots.positives, slots.negatives]
        assert not rows & set(EVERYTHING.table.index[np.concatenate(kinds)])
    found = system_of(settings).held_out(models, TABLE)
    assert set(TABLE.index[found]) == rows


@pytest.mark.parametrize(
    ("machine", "others"),
    [
        ("fan", [*(("fan", "01", "source"),) * 2, ("pump", "00", "source")]),
        ("ToyCar", [("ToyTrain", "00", "")] * 2),
    ],
)
def test_names_of_machines_say_what_is_of_the_same_dataset(asked, machine, others):
    _, calls, _ = asked(small(negatives="same_dataset"), of_section(machine))

    assert kinds_of(calls[0]["negatives"]) == others
    slots = calls[2]["target_slots"]
    if machine == "fan":
        assert kinds_of(slots.negatives) == TARGET_OF_OTHERS[1:]


@pytest.mark.parametrize(
    ("negatives", "left_out", "named"),
    [
        ("all", ("ToyTrain", "slider_01"), "ToyTrain, slider_01"),
        ("same_dataset", ("ToyTrain", "slider_01"), "slider_01"),
    ],
)
def test_negatives_that_a_selection_of_machines_takes_away_are_named(
    asked, negatives, left_out, named
):
    asked(small(negatives=negatives), left_out=left_out)

    [warning] = asked.task.warnings
    assert f"--machines takes away negatives that the paper's classifier learns from: {named}." in (
        warning
    )


@pytest.mark.parametrize(("negatives", "left_out"), [("all", ()), ("same_dataset", ("ToyTrain",))])
def test_nothing_is_said_of_negatives_that_are_all_there(asked, negatives, left_out):
    asked(small(negatives=negatives, dropout=0.31), left_out=left_out)

    assert asked.task.warnings == []


@pytest.mark.parametrize("normalization", ["own_machine", "positive_machine"])
def test_waveforms_are_normalized_by_all_training_clips_of_a_machine_type(asked, normalization):
    _, calls, models = asked(small(normalization=normalization))

    heard = calls[0]["outlier_clips"]
    table = EVERYTHING.table
    for position, machine in enumerate(table["machine_type"]):
        wanted = machine if normalization == "own_machine" else "fan"
        rows = table.index[table["machine_type"] == wanted]
        samples = np.concatenate([CLIPS.store.waveforms[row] for row in rows]).astype("float64")
        assert heard.mean[position] == pytest.approx(samples.mean(), abs=1e-12)
        assert heard.deviation[position] == pytest.approx(samples.std(), rel=1e-12)
    assert (heard.clips, heard.clip_length, heard.keep) == (EVERYTHING, SAMPLES, "start")
    assert (models.clip_length, models.keep) == (SAMPLES, "start")


def test_both_trainings_get_batches_as_the_recipe_says(asked):
    changes = {"adaptation.mixup_alpha": 0.7, "adaptation.mixup_probability": 0.25}
    _, (first, later, second, still_later), _ = asked(small(**changes))

    crop = dataclasses.asdict(first["outlier_clips"].crop)
    assert crop == {
        "window_length": WINDOW,
        "hop_length": HOP,
        "num_frames": FRAMES,
        "pad_mode": "reflect",
    }
    for call in (first, later, second, still_later):
        schedule = call["schedule"]
        assert (schedule.batch_size, schedule.seed, call["augmentation"]) == (8, 3, None)
    schedules = [call["schedule"] for call in (first, later, second, still_later)]
    assert [each.last for each in schedules] == [4, 4, 6, 6]
    assert [each.first for each in schedules] == [0, 2, 0, 3]
    slots = second["target_slots"]
    assert (slots.num_slots, slots.mixup_probability, slots.alpha) == (2, 0.25, 0.7)


@pytest.mark.parametrize("name", ["noise_probability", "volume_probability"])
def test_noise_and_volume_are_added_in_both_trainings(asked, name):
    changes = {f"augmentation.{name}": 0.5, "augmentation.snr_db": [1.0, 2.0]}

    _, calls, _ = asked(small(**changes))

    for call in calls:
        augmentation = dataclasses.asdict(call["augmentation"])
        chances = {"noise_probability": 0.0, "volume_probability": 0.0, name: 0.5}
        assert augmentation == {**chances, "snr_db": (1.0, 2.0), "gain_db": (-10.0, 10.0)}


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_every_output_with_a_loss_gets_its_label(asked, weight):
    """ArcFace has the section as its first class and all others as its second."""
    fits, _, _ = asked(small(**{"arc_face.weight": weight}))

    inputs, targets = fits[0]["seen"][0]
    expected = np.repeat([[1.0], [0.0]], 4, axis=0)
    np.testing.assert_array_equal(inputs["label"], expected)
    np.testing.assert_array_equal(targets["head"], expected)
    assert set(targets) == ({"head", "arc_face"} if weight else {"head"})
    for inputs, targets in fits[0]["seen"] + fits[1]["seen"]:
        assert inputs["waveform"].shape == (8, CROP)
        np.testing.assert_array_equal(targets["head"], inputs["label"])
        if weight:
            both = np.concatenate([inputs["label"], 1.0 - inputs["label"]], axis=1)
            np.testing.assert_array_equal(targets["arc_face"], both)


# Two trainings, one from the other.

HELD_OUT = (0, 2)  # Among the training clips of `SCORED`.


def models_of(*names):
    """A record of models that are not looked at."""
    networks = dict.fromkeys(names)
    return Classifiers(SAMPLES, RATE_HZ, "start", networks, np.array(HELD_OUT), 0.0, 1.0)


def test_a_target_model_starts_where_the_source_model_ended(asked):
    """With its centroids, but with a cycle of its own."""
    (first, second), _, models = asked(small())

    ended = first["model"].get_weights()
    assert len(ended) == 6  # Of the convolution, the head and the centroids.
    for ours, theirs in zip(second["at_first"], ended, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert any((a != b).any() for a, b in zip(first["at_first"], ended, strict=True))
    assert first["model"] is not second["model"]
    assert int(second["model"].optimizer.iterations) == 0
    assert set(models.networks) == {"source", "target"}


def test_each_training_is_saved_apart_and_as_long_as_the_recipe_says(asked):
    (first, second), _, _ = asked(small())

    assert (first["phase"], second["phase"]) == ("source", "")
    assert (first["epochs"], first["steps_per_epoch"]) == (2, 2)
    assert (second["epochs"], second["steps_per_epoch"]) == (2, 3)
    assert {*first.get("keep_epochs", ()), *second.get("keep_epochs", ())} == set()
    assert len(first["seen"]) == 4
    assert len(second["seen"]) == 6
    for fit, skipped in ((first, 2), (second, 3)):
        for ours, theirs in zip(fit["later"], fit["seen"][skipped:], strict=True):
            np.testing.assert_array_equal(ours[0]["waveform"], theirs[0]["waveform"])
    for fit, steps in ((first, 4), (second, 6)):
        assert fit["model"].optimizer.cycle.total_steps == steps
        assert fit["rate"] == {"learning_rate": pytest.approx(1e-3 / 25, rel=1e-5)}


def test_without_target_clips_there_is_one_training_that_everything_is_scored_by(asked):
    fits, _, models = asked(small(), of_section("ToyTrain"))

    assert [each["phase"] for each in fits] == [""]
    assert set(models.networks) == {"source"}
    assert system_of(small()).rows(models, TABLE) == {}


def test_each_model_represents_all_training_clips_and_the_test_clips_of_its_domain():
    table = TABLE.sort_index()
    test = table.index[table["split"] == "test"]
    table.loc[test[0], "domain"] = ""  # Unknown.

    rows = system_of(small()).rows(models_of("source", "target"), table)

    is_target = (table["domain"] == "target").to_numpy(bool)
    is_source = (table["domain"] == "source").to_numpy(bool)
    is_test = (table["split"] == "test").to_numpy(bool)
    np.testing.assert_array_equal(rows["source"], ~(is_test & is_target))
    np.testing.assert_array_equal(rows["target"], ~(is_test & is_source))


def backbone_weights(model):
    return model.get_layer("backbone").get_weights()


@pytest.mark.usefixtures("shallow")
def test_the_first_training_alone_starts_from_the_file_of_the_recipe(asked, tmp_path):
    donor = randomized(training_model(small(), RATE_HZ, CROP, 10), seed=5)
    file = str(tmp_path / "start.weights.h5")
    donor.get_layer("backbone").save_weights(file)

    (first, second), _, _ = asked(small(start_weights=file))

    wanted = backbone_weights(donor)
    for ours, theirs in zip(first["at_first"], wanted, strict=False):
        np.testing.assert_array_equal(ours, theirs)
    assert any(
        (ours != theirs).any() for ours, theirs in zip(second["at_first"], wanted, strict=False)
    )


def test_a_missing_file_of_start_weights_is_refused_before_training():
    with pytest.raises(RecipeError, match=r"`bc\.start_weights`: none\.keras: there is no such"):
        checked(small(start_weights="none.keras"))


# What is minimized.


def batch(count=6, seed=0):
    generator = np.random.default_rng(seed)
    waveform = generator.normal(size=(count, CROP)).astype("float32")
    label = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.25] * (count // 6), "float32")[:, None]
    return {"waveform": waveform, "label": label}


def targets(label, arc_face):
    both = np.concatenate([label, 1.0 - label], axis=1)
    return {"head": label, "arc_face": both} if arc_face else {"head": label}


def embeddings_of(model, settings, waveforms):
    """Of crops that are normalized and mirrored already, by the trained backbone."""
    half = WINDOW // 2 // HOP
    spectrograms = [
        naive_log_mel(each, settings, RATE_HZ)[half : half + FRAMES] for each in waveforms
    ]
    return np.array(model.get_layer("backbone")(np.array(spectrograms, "float32")), "float64")


def head_of(model):
    kernel, bias = (np.array(each, "float64") for each in model.get_layer("head").get_weights())
    return lambda embeddings: (np.maximum(embeddings, 0.0) @ kernel + bias)[:, 0]


def naive_ddcsad(embeddings, label, centroids):
    """Both distances of a clip, its own drawn and the other driven away, by its label."""
    total = 0.0
    for embedding, share in zip(embeddings, label[:, 0], strict=True):
        to_section, to_others = (((embedding - each) ** 2).sum() for each in centroids)
        as_section = to_section + 1e-6 + 1.0 / (to_others + 1e-6)
        as_others = to_others + 1e-6 + 1.0 / (to_section + 1e-6)
        total += share * as_section + (1.0 - share) * as_others
    return total / len(embeddings)


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(
    ("backbone", "face_weight", "weight"),
    [("resnet34", 0.0, 0.7), ("efficientnet_b3", 0.4, 1.0), ("resnext50_32x4d", 0.0, 0.0)],
)
def test_losses_are_those_of_the_logit_the_centroids_and_where_wanted_arcface(
    backbone, face_weight, weight
):
    changes = {"arc_face.weight": face_weight, "arc_face.scale": 5.0, "arc_face.margin_rad": 0.3}
    settings = small(**changes, **{"ddcsad.weight": weight, "backbone": backbone})
    model = randomized(training_model(settings, RATE_HZ, CROP, 10))
    inputs = batch()
    label = inputs["label"].astype("float64")

    loss = model.test_on_batch(inputs, targets(inputs["label"], face_weight > 0))

    embeddings = embeddings_of(model, settings, inputs["waveform"])
    assert (embeddings < 0).any()
    assert embeddings.shape == (6, 5)
    posterior = 1.0 / (1.0 + np.exp(-head_of(model)(embeddings)))[:, None]
    expected = -(label * np.log(posterior) + (1 - label) * np.log(1 - posterior)).mean()
    centroids = np.array(model.get_layer("centroids").centroids, "float64")
    expected += weight * naive_ddcsad(embeddings, label, centroids)
    assert "arc_face" in model.output if face_weight else "arc_face" not in model.output
    if face_weight:
        centers = np.array(model.get_layer("arc_face").centers, "float64")
        cosines = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)) @ (
            centers / np.linalg.norm(centers, axis=0)
        )
        both = np.concatenate([label, 1.0 - label], axis=1)
        face = ArcFaceCrossEntropy(margin_rad=0.3, scale=5.0)  # Tested by itself.
        expected += face_weight * float(face(both, 5.0 * cosines))
    assert float(np.ravel(loss)[0]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.usefixtures("shallow")
def test_the_reading_of_the_second_loss_is_the_recipes():
    model = training_model(
        small(**{"ddcsad.reading": "ratio", "ddcsad.momentum": 0.6}), RATE_HZ, CROP, 10
    )

    layer = model.get_layer("centroids")
    assert (layer.reading, layer.momentum, layer.weight) == ("ratio", 0.6, 1.0)


@pytest.mark.usefixtures("shallow")
def test_centroids_are_of_embeddings_that_nothing_was_dropped_from():
    settings = small(dropout=0.9)
    model = training_model(settings, RATE_HZ, CROP, 10)
    inputs = batch()
    embeddings = embeddings_of(model, settings, inputs["waveform"])

    model.train_on_batch(inputs, targets(inputs["label"], arc_face=False))

    for centroid, share in zip(
        np.array(model.get_layer("centroids").centroids),
        (inputs["label"], 1.0 - inputs["label"]),
        strict=True,
    ):
        expected = (share * embeddings).sum(axis=0) / share.sum()
        np.testing.assert_allclose(centroid, expected, rtol=1e-3, atol=1e-4)  # Levels in float32.


@pytest.mark.usefixtures("shallow")
def test_only_the_head_loses_a_part_of_the_embedding_in_training():
    model = randomized(training_model(small(dropout=0.3), RATE_HZ, CROP, 10))
    inputs = batch(600)

    outputs = [model(inputs, training=is_training) for is_training in (False, True)]

    lost, whole = (np.array(each["head"]) for each in reversed(outputs))
    assert not np.allclose(lost, whole)
    bias = np.array(model.get_layer("head").bias)
    # Dropout keeps the mean; 600 clips.
    assert (lost - bias).mean() == pytest.approx((whole - bias).mean(), rel=0.1)
    assert next(each for each in model.layers if "dropout" in each.name).rate == 0.3


@pytest.mark.usefixtures("shallow")
def test_the_head_learns_at_its_rate_and_all_before_it_at_theirs():
    """The first step of Adam is as large as the rate, whatever the gradient."""
    settings = small(
        **{"head_rate": 0.01, "network_rate": 0.002, "arc_face.weight": 1.0, "dropout": 0.0}
    )
    model = randomized(training_model(settings, RATE_HZ, CROP, 100))
    before = {each.path: np.array(each) for each in model.trainable_variables}
    inputs = batch()

    model.train_on_batch(inputs, targets(inputs["label"], arc_face=True))

    steps = {
        each.path: np.abs(np.array(each) - before[each.path]).max()
        for each in model.trainable_variables
    }
    assert len(steps) == 5
    for path, step in steps.items():
        rate = 0.01 if path.startswith("head/") else 0.002
        assert step == pytest.approx(rate / 25, rel=1e-2)  # A gradient may be near epsilon.


@pytest.mark.usefixtures("shallow")
def test_the_optimizer_is_adam_in_one_cycle():
    optimizer = training_model(small(adam_epsilon=1e-5), RATE_HZ, CROP, 800).optimizer

    assert type(optimizer) is OneCycleAdam
    assert (optimizer.beta_1_range, optimizer.beta_2, optimizer.epsilon) == (
        *((0.85, 0.95), 0.999, 1e-5),
    )
    for step, rate in ((0, 1e-3 / 25), (239, 1e-3), (799, 1e-3 / 250_000)):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(rate, rel=1e-4)


@pytest.mark.parametrize(
    ("backbone", "width", "dim"),
    [("resnet34", 8, 64), ("resnext50_32x4d", 32, 1024), ("efficientnet_b3", 8, 1536)],
)
def test_the_backbone_is_the_one_of_the_recipe(backbone, width, dim, monkeypatch):
    """Built by name, at the width of the recipe; the networks are tested by themselves."""
    built = []

    def network(name):
        def build(spectrograms, *arguments):
            built.append((name, tuple(spectrograms.shape), *arguments))
            return convolution(spectrograms)

        return build

    for name in ("residual_network", "efficientnet_b3"):
        monkeypatch.setattr(classifier_models, name, network(name))

    training_model(small(backbone=backbone, width=width), RATE_HZ, CROP, 10)

    shape = (None, FRAMES, BANDS, 1)
    if backbone == "efficientnet_b3":
        assert built == [("efficientnet_b3", shape)]
    else:
        assert built == [("residual_network", shape, backbone, width)]


# How clips are scored.


@pytest.fixture(scope="module")
def scored():
    """Settings, a model with random weights, what it says of two clips, and the clips."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier_models, "residual_network", convolution)
        settings = small()
        trained = randomized(training_model(settings, RATE_HZ, CROP, 10))
        model = scoring_model(settings, trained, RATE_HZ, SAMPLES, 0.2, 0.5)
    waveforms = np.array(CLIPS.store.waveforms[:2])
    outputs = {name: np.array(each) for name, each in model(waveforms, training=False).items()}
    return settings, trained, outputs, waveforms


def naive_outputs(settings, trained, waveform):
    """Window by window: logit, posterior, squared distance to the centroid, embedding."""
    frames = naive_log_mel((waveform.astype("float64") - 0.2) / 0.5, settings, RATE_HZ)
    assert len(frames) == 51
    centroid = np.array(trained.get_layer("centroids").centroids, "float64")[0]
    logits, posteriors, distances, embeddings = [], [], [], []
    for start in (0, 9, 19):
        window = frames[start : start + FRAMES].astype("float32")
        embedding = np.array(trained.get_layer("backbone")(window[None]), "float64")
        logits.append(head_of(trained)(embedding)[0])
        posteriors.append(1.0 / (1.0 + np.exp(-logits[-1])))
        distances.append(((embedding[0] - centroid) ** 2).sum())
        embeddings.append(embedding[0])
    means = [np.mean(each) for each in (logits, posteriors, distances)]
    return *means, np.mean(embeddings, axis=0)


def test_a_clip_is_what_its_windows_are_on_average(scored):
    settings, trained, outputs, waveforms = scored

    assert outputs["posterior"].shape == outputs["distance"].shape == (2,)
    for number, waveform in enumerate(waveforms):
        logit, posterior, distance, embedding = naive_outputs(settings, trained, waveform)
        assert 0.01 < posterior < 0.99
        assert outputs["logit"][number] == pytest.approx(logit, rel=1e-4)
        assert outputs["posterior"][number] == pytest.approx(posterior, rel=1e-4)
        assert outputs["distance"][number] == pytest.approx(distance, rel=1e-4)
        np.testing.assert_allclose(outputs["embedding"][number], embedding, rtol=1e-3, atol=1e-4)


def test_clips_are_scored_by_the_moments_of_their_own_machine(asked):
    """Of the training clips of both of its sections."""
    settings = small()
    _, _, models = asked(settings)

    layers = system_of(settings).represent(models)["target"].layers
    rescaling = next(each for each in layers if isinstance(each, keras.layers.Rescaling))

    table = EVERYTHING.table
    rows = table.index[table["machine_type"] == "fan"]
    samples = np.concatenate([CLIPS.store.waveforms[row] for row in rows]).astype("float64")
    assert rescaling.scale == pytest.approx(1.0 / samples.std(), rel=1e-12)
    assert rescaling.offset == pytest.approx(-samples.mean() / samples.std(), rel=1e-12)


def test_a_crop_of_training_is_a_piece_of_what_is_scored(asked):
    """The frames of a place are the same, whether the clip is mirrored before or behind it."""
    settings = small()
    _, calls, _ = asked(settings)
    heard = calls[0]["outlier_clips"]

    for place in (0, 7, 19):
        crops = heard.read(np.array([2]), np.array([place]))

        row = EVERYTHING.table.index[2]
        waveform = (CLIPS.store.waveforms[row] - heard.mean[2]) / heard.deviation[2]
        whole = naive_log_mel(waveform, settings, RATE_HZ)
        piece = keras.Model(
            (given := keras.Input((CROP,))),
            classifier_models.log_mel(given, settings, RATE_HZ, centered=False),
        )
        np.testing.assert_allclose(
            np.array(piece(crops))[0], whole[place : place + FRAMES], rtol=1e-4, atol=1e-4
        )


# Scores.

SCORED = clip_table(
    [
        ("00", "source", "train", False),
        ("00", "source", "test", True),
        ("00", "target", "train", False),
        ("00", "target", "test", False),
        ("00", pd.NA, "test", True),
        ("00", "", "train", False),
    ]
).set_axis(np.arange(6)[::-1] + 30)


def representations(*names):
    values = {
        "source": ([0.9, 0.2, 0.6, np.nan, 0.3, 0.8], [2.0, 9.0, 6.0, np.nan, 4.0, 3.0]),
        "target": ([0.7, np.nan, 0.5, 0.1, 0.4, 0.9], [30.0, np.nan, 10.0, 50.0, 5.0, 20.0]),
    }
    arrays = {}
    for name in names:
        posterior, distance = (np.array(each, "float32") for each in values[name])
        arrays[f"posterior_{name}"], arrays[f"distance_{name}"] = posterior, distance
        arrays[f"logit_{name}"] = np.log(posterior) - np.log1p(-posterior)
    return arrays


def with_fields(**changes):
    return changed(CONFIG.bc, changes, "here")


def scored_by(arrays, settings=CONFIG.bc, models=None):
    """`UnitScores` of a section with as many models as have arrays."""
    names = [name for name in ("source", "target") if f"distance_{name}" in arrays]
    return scores_of(system_of(settings), arrays, SCORED, models or models_of(*names))


def naive_standardized(values, held=(0, 5)):
    """By rows of `SCORED`, those of the held-out clips."""
    values = np.array(values, "float64")
    return (values - values[list(held)].mean()) / values[list(held)].std()


def naive_columns(arrays, held=(0, 5), weight=0.5):
    """Row by row: what the source model says, or the target model; of no domain, the smaller."""
    of_model = {}
    for name in ("source", "target"):
        posterior, distance = (
            naive_standardized(sign * arrays[f"{array}_{name}"], held)
            for array, sign in (("logit", -1.0), ("distance", 1.0))
        )
        together = weight * posterior + (1.0 - weight) * distance
        of_model[name] = {"combined": together, "posterior": posterior, "distance": distance}
    return {
        column: [
            *(of_model["source"][column][row] for row in (0, 1)),
            *(of_model["target"][column][row] for row in (2, 3)),
            min(of_model[name][column][4] for name in of_model),
            of_model["source"][column][5],
        ]
        for column in ("combined", "posterior", "distance")
    }


def test_logit_and_distance_have_mean_0_and_variance_1_over_the_held_out_clips():
    """Rows 0 and 5: training clips 0 and 2 of three, by the model of the domain of each clip."""
    arrays = representations("source", "target")

    columns = scored_by(arrays).columns

    assert columns.index.equals(SCORED.index)
    for name, expected in naive_columns(arrays).items():
        np.testing.assert_allclose(columns[name], expected, rtol=1e-5, atol=1e-6)
    for name in ("posterior", "distance"):
        assert columns[name].iloc[[0, 5]].mean() == pytest.approx(0.0, abs=1e-6)
        assert columns[name].iloc[[0, 5]].std(ddof=0) == pytest.approx(1.0, rel=1e-6)
    system = system_of(CONFIG.bc)
    assert system.main_score == system.decision_score == "combined"
    assert system.named_scores(list(columns)) == ("combined", "posterior", "distance")


def test_a_saturated_posterior_counts_as_much_as_the_distance():
    """Its probabilities have no spread beside the distances; its logits have."""
    arrays = representations("source", "target")
    for name in ("source", "target"):
        arrays[f"logit_{name}"] = arrays[f"logit_{name}"] + 12.0
        arrays[f"posterior_{name}"] = 1.0 / (1.0 + np.exp(-arrays[f"logit_{name}"]))

    columns = scored_by(arrays).columns
    by_probability = scored_by(arrays, with_fields(combination="probability")).columns

    for name, expected in naive_columns(arrays).items():
        np.testing.assert_allclose(columns[name], expected, rtol=1e-4, atol=1e-5)
    assert by_probability["posterior"].std() < 1e-4
    assert columns["posterior"].std() > 0.5


def test_with_one_held_out_clip_or_none_all_training_clips_of_the_section_set_the_scale():
    arrays = representations("source", "target")
    for positions in ([], [1]):
        models = dataclasses.replace(
            models_of("source", "target"), held_out_positions=np.array(positions, int)
        )

        columns = scored_by(arrays, models=models).columns

        for name, expected in naive_columns(arrays, held=(0, 2, 5)).items():
            np.testing.assert_allclose(columns[name], expected, rtol=1e-5, atol=1e-6)


def test_a_domain_with_ten_held_out_clips_has_a_scale_of_its_own():
    """Twelve of the source domain and three of the target domain are held out."""
    domains = ["source"] * 12 + ["target"] * 3
    table = clip_table([("00", domain, "train", False) for domain in domains])
    generator = np.random.default_rng(0)
    arrays = {
        f"{array}_{name}": generator.normal(3.0, 2.0, 15)
        for name in ("source", "target")
        for array in ("logit", "distance")
    }
    models = dataclasses.replace(models_of("source", "target"), held_out_positions=np.arange(15))

    columns = scores_of(system_of(CONFIG.bc), arrays, table, models).columns

    source, target = arrays["distance_source"], arrays["distance_target"]
    expected = (source[:12] - source[:12].mean()) / source[:12].std()
    np.testing.assert_allclose(columns["distance"].iloc[:12], expected, rtol=1e-6)
    expected = (target[12:] - target.mean()) / target.std()
    np.testing.assert_allclose(columns["distance"].iloc[12:], expected, rtol=1e-6)


def test_by_probability_distances_are_scaled_by_those_of_all_training_clips():
    """Distances by those of training clips, 2 to 6 and 10 to 30; 0.5 of each."""
    arrays = representations("source", "target")

    columns = scored_by(arrays, with_fields(combination="probability")).columns

    # The fifth is of unknown domain: 0.7 and 0.5 by the source, 0.6 and -0.25 by the target.
    # The last is a training clip: of the source, though the target's posterior says less.
    posterior, distance = [0.1, 0.8, 0.5, 0.9, 0.6, 0.2], [0.0, 1.75, 0.0, 2.0, -0.25, 0.25]
    np.testing.assert_allclose(columns["posterior"], posterior, rtol=1e-6)
    np.testing.assert_allclose(columns["distance"], distance, rtol=1e-6, atol=1e-12)
    combined = [0.05, 1.275, 0.25, 1.45, 0.175, 0.225]
    np.testing.assert_allclose(columns["combined"], combined, rtol=1e-6)


@pytest.mark.parametrize("combination", ["standardized", "probability"])
def test_without_a_target_model_the_source_model_scores_all(combination):
    arrays = representations("source")
    arrays["posterior_source"][3], arrays["distance_source"][3] = 0.4, 4.0
    arrays["logit_source"][3] = np.log(0.4 / 0.6)

    columns = scored_by(arrays, with_fields(combination=combination)).columns

    posterior, distance = [0.1, 0.8, 0.4, 0.6, 0.7, 0.2], [0, 1.75, 1.0, 0.5, 0.5, 0.25]
    if combination == "standardized":
        posterior = naive_standardized(-arrays["logit_source"])
        distance = naive_standardized(arrays["distance_source"])
    np.testing.assert_allclose(columns["posterior"], posterior, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(columns["distance"], distance, rtol=1e-5, atol=1e-6)


def test_the_recipe_says_how_much_the_posterior_counts():
    arrays = representations("source", "target")

    columns = scored_by(arrays, with_fields(posterior_weight=0.8)).columns

    expected = naive_columns(arrays, weight=0.8)["combined"]
    np.testing.assert_allclose(columns["combined"], expected, rtol=1e-5, atol=1e-6)


def test_equal_distances_of_training_clips_are_not_divided():
    arrays = representations("source")
    arrays["distance_source"][[0, 2, 5]] = 2.0

    for combination in ("standardized", "probability"):
        distances = scored_by(arrays, with_fields(combination=combination)).columns["distance"]

        assert distances.iloc[[0, 1, 2]].tolist() == [0.0, 7.0, 0.0]


def test_a_graph_scores_as_arrays_do_a_clip_of_unknown_domain():
    """Of both models the smaller score."""
    arrays = representations("source", "target")
    normal = NormalClips(
        *("fan", "00"),
        SCORED[SCORED["split"] == "train"],
        {name: each[[0, 2, 5]] for name, each in arrays.items()},
        np.arange(3),
        None,  # Nothing is asked of other sections.
        models_of("source", "target"),
        0,
    )
    tensors = {name: keras.Input((), name=name) for name in arrays}
    embedding = {"embedding_source": keras.Input((2,), name="embedding_source")}
    scorer = system_of(CONFIG.bc).section_scorer(normal)

    scores, _ = scorer.layers({**tensors, **embedding}, ["combined", "posterior", "distance"])
    graph = keras.Model({**tensors, **embedding}, scores)

    given = {name: each[[4]] for name, each in arrays.items()}
    found = graph({**given, "embedding_source": np.zeros((1, 2), "float32")})
    for name, expected in naive_columns(arrays).items():
        np.testing.assert_allclose(found[name], expected[4:5], rtol=1e-4)


# The whole of it.


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
def test_training_ends_in_one_array_per_clip_and_loaded_models_give_the_same(tmp_path):
    make_repeatable(0)
    system = system_of(small(**{"arc_face.weight": 0.5}))
    clips = ClipSet(TABLE, CLIPS.store)

    with task(tmp_path, TABLE, 0, EVERYTHING) as context:
        models = system.train(TRAINING, context)
    save_models(models, tmp_path)
    arrays = represented(system, models, clips)
    scores = scores_of(system, arrays, TABLE, models)

    assert np.isfinite(scores.columns).all(axis=None)
    assert scores.thresholds.notna().all()
    assert set(arrays) == {
        f"{array}_{model}"
        for array in ("logit", "posterior", "distance", "embedding")
        for model in ("source", "target")
    }
    for folder in (tmp_path / "source", tmp_path):
        log = pd.read_csv(folder / "train.csv")
        assert len(log) == 2
        assert {"loss", "head_loss", "arc_face_loss", "within", "between"} <= set(log)
        assert log["loss"].notna().all()
    loaded = system.load(tmp_path)
    again = represented(system, loaded, clips)
    np.testing.assert_equal(again, arrays)
    pd.testing.assert_frame_equal(
        scores_of(system, again, TABLE, loaded).columns, scores.columns, check_exact=True
    )


# What is refused.


def checked(settings, clips=TRAINING, everything=EVERYTHING):
    system_of(settings).check(clips, everything)


def test_a_section_without_other_sections_or_machines_is_refused():
    _, training = of_section("pump")

    with pytest.raises(RecipeError, match=r"pump 00: there are no .*machines to tell it from"):
        checked(small(), training, training)


def test_a_section_alone_in_its_dataset_is_refused_where_others_do_not_count():
    is_left = EVERYTHING.table["machine_type"].isin(["ToyCar", "pump"])
    everything = ClipSet(EVERYTHING.table[is_left], CLIPS.store)

    with pytest.raises(RecipeError, match="machines of its dataset to tell it from"):
        checked(small(negatives="same_dataset"), of_section("pump")[1], everything)


def test_a_section_without_source_clips_is_refused():
    table = TABLE[(TABLE["domain"] == "target") | (TABLE["split"] == "test")]
    training = ClipSet(table[table["split"] == "train"], CLIPS.store)

    with pytest.raises(DataError, match="fan 00: has no training clips of the source domain"):
        checked(small(), training)


def test_a_silent_machine_type_is_refused_by_name():
    waveforms = list(CLIPS.store.waveforms)
    silent = EVERYTHING.table.index[EVERYTHING.table["machine_type"] == "pump"]
    for row in silent:
        waveforms[row] = np.zeros(SAMPLES, "float32")
    everything = ClipSet(EVERYTHING.table, Store(waveforms))

    with pytest.raises(DataError, match="pump: all samples of its 2 training clips are equal"):
        checked(small(), everything=everything)


def test_clips_shorter_than_a_crop_are_refused():
    with pytest.raises(RecipeError, match=r"`bc`: 52 frames are needed, and a clip has 51"):
        checked(small(num_frames=52))
