"""Nejjar 2022: what both phases minimize, how long they train, and how clips are scored."""

import dataclasses
import itertools
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from asdkeras.config import build_config, read_recipe
from asdkeras.data.clip_set import ClipSet
from asdkeras.errors import DataError, RecipeError
from asdkeras.experiment.training import make_repeatable
from asdkeras.experiment.unit_scores import section_scorer, sections_of
from asdkeras.experiment.units import Unit
from asdkeras.layers.time_warp import TimeWarp
from asdkeras.systems import nejjar2022
from asdkeras.systems.log_mel_front_end import stored_frames
from asdkeras.systems.model_files import TrainedNetwork, save_models
from asdkeras.systems.nejjar import encoder
from asdkeras.systems.nejjar.encoder import (
    clip_embedding,
    encoder_of,
    fine_tuning_model,
    pretraining_model,
)
from asdkeras.systems.nejjar.two_phases import Encoders
from asdkeras.systems.system import Fitted
from asdkeras.systems.window_training import front_end_of
from tests.systems.recorded_clips import (
    RATE_HZ,
    Store,
    clip_table,
    noisy_clips,
    represented,
    scores_of,
    task,
    training_of,
)

RECIPE = Path(__file__).parents[2] / "recipes" / "nejjar2022" / "dcase2022.yaml"
FRAMES = BANDS = 32
WINDOWS = ("first", "second", "mixed")


def config_of(variant="dgmix", **changes):
    config = build_config(nejjar2022.Config, read_recipe(RECIPE)["config"], "here")
    return dataclasses.replace(config, variant=variant, **changes)


def small(variant="dgmix", pretraining=(), fine_tuning=(), **changes):
    """Windows of 32 x 32 and two short epochs of each phase, and otherwise the same."""
    config = config_of(variant)
    front_end = dataclasses.replace(
        config.front_end, window_length=512, hop_length=32, num_mel_bins=BANDS
    )
    first = {"epochs": 2, "warmup_epochs": 1, "batch_size": 8, "expander_dim": 6}
    return dataclasses.replace(
        config,
        front_end=front_end,
        views=dataclasses.replace(config.views, time_width=8, band_width=8),
        pretraining=dataclasses.replace(config.pretraining, **{**first, **dict(pretraining)}),
        fine_tuning=dataclasses.replace(
            config.fine_tuning, **{"epochs": 2, "batch_size": 8, **dict(fine_tuning)}
        ),
        **{"num_frames": FRAMES, "window_hop": 4, **changes},
    )


def table_of(num_train=4, sections=("00", "01")):
    rows = []
    for section in sections:
        for number in range(num_train):
            rows.append((section, "target" if number == 0 else "source", "train", False))
        for domain in ("source", "target"):
            rows += [(section, domain, "test", label) for label in (False, True)]
    return clip_table(rows, dataset="mini2022")


TABLE = table_of()
CLIPS = noisy_clips(TABLE, samples=1600)  # 51 frames, 5 windows.
TRAINING = training_of(CLIPS)


@pytest.fixture
def shallow(monkeypatch):
    """A convolution instead of MobileNetV2, for what does not depend on the network."""

    def embedding(windows):
        x = keras.layers.Reshape((FRAMES, BANDS, 1))(windows)
        x = keras.layers.Conv2D(4, 8, strides=8, use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
        return keras.layers.Dense(5)(keras.layers.Flatten()(x))

    monkeypatch.setattr(encoder, "dgmix_mobilenet_v2", embedding)


def pairs(count=8, seed=0):
    generator = np.random.default_rng(seed)
    first, second = (
        10 * generator.normal(size=(count, FRAMES, BANDS)).astype("float32") - 40 for _ in range(2)
    )
    weight = generator.beta(0.5, 0.5, size=(count, 1)).astype("float32")
    mixed = weight[:, :, None] * first + (1 - weight[:, :, None]) * second
    return {"first": first, "second": second, "mixed": mixed, "weight": weight}


# The networks of the paper.


def test_the_encoder_of_the_paper_has_its_parameters():
    encoder = encoder_of(config_of())

    assert encoder.input_shape == (None, 64, 128)
    assert encoder.output_shape == (None, 320)
    assert sum(int(np.prod(w.shape)) for w in encoder.trainable_weights) == 1_454_720


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(("form", "num_last"), [("released", 0), ("printed", 3)])
def test_the_expander_has_three_layers_in_both_forms(form, num_last):
    config = small(pretraining={"expander": form})

    expander = pretraining_model(config, encoder_of(config), 3).get_layer("expander")

    shapes = [w.shape for w in expander.trainable_weights if len(w.shape) == 2]
    assert shapes == [(5, 6), (6, 6), (6, 6)]
    values = np.array(expander(np.random.default_rng(0).normal(size=(50, 5)).astype("float32")))
    assert (values.min() >= 0) == (form == "printed")


# What is minimized.


def naive_terms(first, second, mixed, weight, form):
    """Equations 1 to 5, number by number."""
    count, dim = first.shape
    distance = 0.0
    for n in range(count):
        for d in range(dim):
            between = weight[n, 0] * first[n, d] + (1 - weight[n, 0]) * second[n, d]
            distance += (mixed[n, d] - between) ** 2 / count
    variance = covariance = 0.0
    for batch in (first, second):
        centered = batch - batch.sum(axis=0) / count
        for i in range(dim):
            spread = (centered[:, i] ** 2).sum() / (count - 1)
            spread = np.sqrt(spread + (1e-4 if form == "released" else 0.0))
            variance += max(0.0, 1.0 - spread) / dim
            for j in range(dim):
                if i != j:
                    covariance += ((centered[:, i] * centered[:, j]).sum() / (count - 1)) ** 2 / dim
    if form == "released":
        distance, variance = distance / dim, variance / 2
    return distance, variance, covariance


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("form", ["released", "printed"])
def test_pretraining_minimizes_the_terms_of_the_mixed_windows(form):
    keras.utils.set_random_seed(1)
    config = small(pretraining={"form": form})
    encoder = encoder_of(config)
    model = pretraining_model(config, encoder, 3)
    inputs = pairs()
    expanded = {
        name: np.array(model.get_layer("expander")(encoder(inputs[name])), "float64")
        for name in WINDOWS
    }

    logs = model.test_on_batch(inputs, return_dict=True)

    terms = naive_terms(**expanded, weight=inputs["weight"].astype("float64"), form=form)
    named = dict(zip(("invariance", "variance", "covariance"), terms, strict=True))
    assert {name: float(logs[name]) for name in named} == pytest.approx(named, rel=1e-4)
    assert float(logs["loss"]) == pytest.approx(25 * terms[0] + 25 * terms[1] + terms[2], rel=1e-4)


@pytest.mark.usefixtures("shallow")
def test_vicreg_compares_two_views_that_hide_parts_of_the_same_window():
    keras.utils.set_random_seed(2)
    config = small("vicreg", pretraining={"learning_rate": 1e-9, "end_learning_rate": 0.0})
    model = pretraining_model(config, encoder_of(config), 3)
    windows = pairs()["first"]

    unmasked = model.test_on_batch(windows, return_dict=True)["invariance"]
    model.reset_metrics()
    masked = model.train_on_batch(windows, return_dict=True)["invariance"]

    assert float(unmasked) == 0.0
    assert float(masked) > 1e-4
    (warp,) = (each for each in model.layers if isinstance(each, TimeWarp))
    assert warp.width == 8
    augment = next(each for each in model.layers if "spec_augment" in each.name)
    widths = (augment.num_time_masks, augment.time_width, augment.num_band_masks)
    assert (*widths, augment.band_width, augment.fill) == (2, 8, 2, 8, "mean")


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("phase", ["pretraining", "fine_tuning"])
def test_each_of_the_three_inputs_is_normalized_by_itself(phase):
    """Moving averages take a step for each of them, in whatever order."""
    config = small()
    encoder = encoder_of(config)
    if phase == "pretraining":
        model = pretraining_model(config, encoder, 3)
    else:
        model = fine_tuning_model(config, encoder, 2)
    inputs = pairs()
    convolution, norm = (
        next(each for each in encoder.layers if isinstance(each, kind))
        for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization)
    )
    means = [
        np.array(convolution(inputs[name][..., None])).mean(axis=(0, 1, 2)) for name in WINDOWS
    ]
    targets = {"section": np.eye(2, dtype="float32")[np.arange(8) % 2]}

    model.train_on_batch(inputs, None if phase == "pretraining" else targets)

    possible = [
        0.1 * (0.81 * first + 0.9 * second + third)
        for first, second, third in itertools.permutations(means)
    ]
    assert any(np.allclose(norm.moving_mean, each, rtol=1e-4, atol=0.0) for each in possible)


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(("form", "weight"), [("released", 1.0), ("printed", 0.5)])
def test_fine_tuning_minimizes_the_divergence_and_equation_1_on_the_encoder(form, weight):
    keras.utils.set_random_seed(3)
    config = small(pretraining={"form": form}, fine_tuning={"consistency_weight": weight})
    encoder = encoder_of(config)
    model = fine_tuning_model(config, encoder, 3)
    inputs = pairs()
    one_hot = np.eye(3)[np.arange(8) % 3], np.eye(3)[(np.arange(8) + 1) // 3]
    labels = inputs["weight"] * one_hot[0] + (1 - inputs["weight"]) * one_hot[1]

    logs = model.test_on_batch(inputs, {"section": labels.astype("float32")}, return_dict=True)

    embeddings = {name: np.array(encoder(inputs[name]), "float64") for name in WINDOWS}
    distance, _, _ = naive_terms(**embeddings, weight=inputs["weight"].astype("float64"), form=form)
    logits = np.array(model(inputs)["section"], "float64")
    posteriors = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    divergence = np.mean(
        [stats.entropy(label, given) for label, given in zip(labels, posteriors, strict=True)]
    )
    assert float(logs["consistency"]) == pytest.approx(distance, rel=1e-4)
    assert float(logs["loss"]) == pytest.approx(divergence + weight * distance, rel=1e-4)


@pytest.mark.usefixtures("shallow")
def test_logits_of_sections_depend_on_the_mixed_windows_alone():
    config = small()
    model = fine_tuning_model(config, encoder_of(config), 3)
    inputs, others = pairs(), pairs(seed=1)

    logits = np.array(model(inputs)["section"])

    unchanged = model({**others, "mixed": inputs["mixed"]})["section"]
    np.testing.assert_array_equal(unchanged, logits)
    assert not np.allclose(model({**inputs, "mixed": others["mixed"]})["section"], logits)


@pytest.mark.usefixtures("shallow")
def test_only_a_standardized_network_scales_its_windows():
    config = small(standardize=True)
    windows = pairs()["first"]
    mean, variance = np.full(BANDS, -40.0), np.full(BANDS, 100.0)
    plain, scaled = encoder_of(config), encoder_of(config, {"mean": mean, "variance": variance})
    scaled.set_weights(
        [*scaled.get_weights()[: len(scaled.weights) - len(plain.weights)], *plain.get_weights()]
    )

    np.testing.assert_allclose(scaled(windows), plain((windows + 40) / 10), rtol=1e-4, atol=1e-5)


def test_a_band_that_never_changes_keeps_its_scale(tmp_path):
    config = small("no_pretraining", standardize=True)
    silent = ClipSet(TRAINING.table, Store([np.zeros(1600, "float32")] * 99))
    with task(tmp_path, TABLE) as context:
        _, frames = stored_frames(config.front_end, silent, context)
        moments = frames.moments()
    standardize = keras.layers.Normalization(axis=-1, **moments)
    floor = np.broadcast_to(moments["mean"], (1, FRAMES, BANDS)).astype("float32")

    np.testing.assert_array_equal(standardize(floor), np.zeros_like(floor))
    np.testing.assert_allclose(standardize(floor + 1.0), np.ones_like(floor), rtol=1e-5)


# How long, and how fast.


@pytest.mark.usefixtures("shallow")
def test_the_learning_rate_warms_up_and_falls_along_a_cosine():
    config = small(pretraining={"epochs": 100, "warmup_epochs": 10})
    optimizer = pretraining_model(config, encoder_of(config), 187).optimizer

    for step in (0, 1, 935, 1870, 5000, 10285, 18699):
        optimizer.iterations.assign(step)
        if step < 1870:
            expected = 0.8 * step / 1870
        else:
            share = (1 + np.cos(np.pi * (step - 1870) / 16_830)) / 2
            expected = 0.8 * share + 0.002 * (1 - share)
        assert float(optimizer.learning_rate) == pytest.approx(expected, rel=1e-5)


@pytest.mark.usefixtures("shallow")
def test_without_warmup_the_rate_begins_at_its_peak():
    config = small(pretraining={"warmup_epochs": 0})

    optimizer = pretraining_model(config, encoder_of(config), 10).optimizer

    assert float(optimizer.learning_rate) == pytest.approx(0.8)


@pytest.mark.usefixtures("shallow")
def test_the_optimizers_are_those_of_the_recipe():
    config = small()
    encoder = encoder_of(config)

    lars = pretraining_model(config, encoder, 3).optimizer
    adam = fine_tuning_model(config, encoder, 2).optimizer

    settings = lars.get_config()
    assert settings["weight_decay"] == 1e-4
    assert settings["momentum"] == 0.9
    assert settings["trust_coefficient"] == 0.001
    assert settings["exclude_one_dimensional"]
    assert type(adam) is keras.optimizers.AdamW
    assert (adam.weight_decay, adam.epsilon) == (1e-4, 1e-8)
    assert float(adam.learning_rate) == pytest.approx(1e-4)


@pytest.fixture
def asked(tmp_path, shallow):
    """A context with what it was asked to fit, and the record of a training without a step."""

    def ask(config, clips=TRAINING, table=TABLE):
        context = task(tmp_path, table)
        context.fits = []

        def fit(**asked):
            context._open_frames()
            network = TrainedNetwork(None, asked["build"]())
            batches = asked["batches"](asked["epochs"] - 1)
            asked["seen"] = [keras.tree.map_structure(np.array, batch) for batch in batches]
            context.fits.append(asked)
            return Fitted({asked["epochs"]: network}, {})

        context.fit = fit
        with context:
            return context, nejjar2022.create(config).train(clips, context)

    return ask


@pytest.mark.parametrize("variant", ["dgmix", "vicreg"])
def test_pretraining_sees_whole_batches_of_all_windows_without_labels(asked, variant):
    context, _ = asked(small(variant, pretraining={"batch_size": 12}))  # 40 windows, 3 batches.

    first = context.fits[0]
    assert first["phase"] == "pretraining"
    assert (first["epochs"], first["steps_per_epoch"]) == (2, 3)
    assert len(first["seen"]) == 3
    for batch in first["seen"]:
        if variant == "vicreg":
            assert batch[0].shape == (12, FRAMES, BANDS)
        else:
            (inputs,) = batch
            assert inputs["mixed"].shape == (12, FRAMES, BANDS)


@pytest.mark.parametrize("variant", ["dgmix", "vicreg"])
def test_parts_of_a_batch_are_what_the_batch_would_have_been(asked, variant):
    whole, _ = asked(small(variant))
    parts, _ = asked(small(variant, pretraining={"accumulation_steps": 4}))

    assert parts.fits[0]["steps_per_epoch"] == 20
    model = parts.fits[0]["build"]()
    assert model.optimizer.gradient_accumulation_steps == 4
    seen, expected = (
        np.concatenate([keras.tree.flatten(batch)[0] for batch in each.fits[0]["seen"]])
        for each in (parts, whole)
    )
    np.testing.assert_array_equal(seen, expected)
    assert len(keras.tree.flatten(parts.fits[0]["seen"][0])[0]) == 2


@pytest.mark.parametrize("pairing", ["all", "within_section"])
def test_fine_tuning_mixes_sections_unless_pairs_are_within_them(asked, pairing):
    context, _ = asked(small(fine_tuning={"pairing": pairing, "batch_size": 12}))

    second = context.fits[1]
    assert second.get("phase", "") == ""
    assert (second["epochs"], second["steps_per_epoch"]) == (2, 4)  # 40 windows.
    assert sum(len(inputs["first"]) for inputs, _ in second["seen"]) == 40
    labels = np.concatenate([targets["section"] for _, targets in second["seen"]])
    assert labels.shape == (40, 2)
    np.testing.assert_allclose(labels.sum(axis=1), 1.0, rtol=1e-6)
    assert (labels.max(axis=1) < 0.999).any() == (pairing == "all")


def test_without_pretraining_there_is_one_phase_from_random_weights(asked):
    context, models = asked(small("no_pretraining"))

    assert len(context.fits) == 1
    assert list(models.encoders) == ["embedding"]


def test_fine_tuning_begins_where_pretraining_ended_and_leaves_it_as_it_was(asked):
    _, models = asked(small())

    first, second = (each.model.get_layer("encoder") for each in models.encoders.values())
    assert sorted(models.encoders) == ["embedding", "pretrained_embedding"]
    assert first is not second
    for ours, theirs in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_bands_are_standardized_by_the_frames_of_training_clips(asked):
    config = small("no_pretraining", standardize=True)

    _, models = asked(config)

    encoder = models.encoders["embedding"].model.get_layer("encoder")
    normalization = next(
        each for each in encoder.layers if isinstance(each, keras.layers.Normalization)
    )
    front_end = front_end_of(config.front_end, models)
    frames = np.array(front_end(TRAINING.read(np.arange(8), 1600, "start")), "float64")
    np.testing.assert_allclose(
        np.squeeze(normalization.mean), frames.mean(axis=(0, 1)), rtol=1e-4, atol=1e-3
    )
    np.testing.assert_allclose(
        np.squeeze(normalization.variance), frames.var(axis=(0, 1)), rtol=1e-3
    )


@pytest.mark.usefixtures("shallow")
def test_a_machine_type_of_one_section_is_scored_by_pretraining_alone(asked):
    table = table_of(sections=("00",))
    clips = training_of(noisy_clips(table, samples=1600))

    context, models = asked(small(pretraining={"batch_size": 4}), clips, table)

    assert len(context.fits) == 1
    assert list(models.encoders) == ["embedding"]
    assert "fan has one section" in context.warnings[0]


@pytest.mark.parametrize(
    ("config", "sections", "message"),
    [
        (small("no_pretraining"), ("00",), "fan has one section, 00, .*--variant dgmix"),
        (small(pretraining={"batch_size": 64}), ("00", "01"), "64 windows, and there are 40"),
        (small(num_frames=64), ("00", "01"), "hears 64 frames at once, and a clip has 51"),
    ],
)
def test_too_little_to_learn_from_is_said_in_one_line(config, sections, message):
    table = table_of(sections=sections)
    clips = training_of(noisy_clips(table, samples=1600))

    with pytest.raises(RecipeError, match=message) as caught:
        nejjar2022.create(config).check(clips, clips)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("neighbors", "num_sections", "message"),
    [
        ("section", 2, "section 00 has one training clip"),
        ("machine_type", 1, "machine type fan has one training clip"),
    ],
)
def test_a_clip_without_a_neighbor_is_refused_before_training(neighbors, num_sections, message):
    is_lonely = (TABLE["section"] == "00") & (TABLE.index > 0) & (TABLE["split"] == "train")
    table = TABLE[~is_lonely & TABLE["section"].isin(["00", "01"][:num_sections])]
    clips = dataclasses.replace(CLIPS, table=table)
    system = nejjar2022.create(small(neighbors=neighbors))

    with pytest.raises(DataError, match=message):
        system.check(training_of(clips), training_of(clips))


def test_a_section_of_one_training_clip_has_neighbors_in_the_others(asked):
    table = TABLE[(TABLE["section"] == "01") | (TABLE.index == 0)]
    clips = training_of(dataclasses.replace(CLIPS, table=table))

    _, models = asked(small("no_pretraining"), clips, table)

    assert list(models.encoders) == ["embedding"]


# What clips are scored by.


@pytest.mark.usefixtures("shallow")
def test_a_clip_is_the_mean_of_the_embeddings_of_its_windows(tmp_path):
    config = small("no_pretraining", window_hop=8)
    waveform = keras.Input((1600,))
    frames = keras.ops.reshape(waveform, (-1, 50, BANDS))
    encoder = encoder_of(config)

    model = clip_embedding(config, encoder, keras.Model(waveform, frames))

    waveforms = CLIPS.read(np.array([0, 9, 11]), 1600, "start")
    for values, embedding in zip(waveforms, np.array(model(waveforms)), strict=True):
        image = values.reshape(50, BANDS)
        windows = np.stack([image[start : start + FRAMES] for start in (0, 8, 16)])
        expected = np.array(encoder(windows)).mean(axis=0)
        np.testing.assert_allclose(embedding, expected, rtol=1e-4, atol=1e-6)


def naive_distances(embeddings, neighbors):
    """Smallest Euclidean distance to another training clip, of the section if this says so."""
    return [
        min(
            np.sqrt(((embeddings[row] - embeddings[other]) ** 2).sum())
            for other, its in TABLE.iterrows()
            if its["split"] == "train" and its[neighbors] == clip[neighbors] and other != row
        )
        for row, clip in TABLE.iterrows()
    ]


def embedded(config, names=("embedding", "pretrained_embedding")):
    """The system, embeddings of the clips of `TABLE` and models without networks."""
    generator = np.random.default_rng(4)
    arrays = {name: generator.normal(size=(len(TABLE), 5)) for name in names}
    return nejjar2022.create(config), arrays, Encoders(1600, RATE_HZ, "start", dict.fromkeys(names))


@pytest.mark.parametrize("neighbors", ["machine_type", "section"])
def test_a_clip_is_scored_by_the_nearest_other_training_clip(neighbors):
    system, arrays, models = embedded(config_of(neighbors=neighbors))

    columns = scores_of(system, arrays, TABLE, models).columns

    assert system.main_score == system.decision_score == "nearest_neighbor"
    assert list(columns) == ["nearest_neighbor", "pretrained_nearest_neighbor"]
    assert system.named_scores(columns) == tuple(columns)
    for array, name in zip(arrays.values(), columns, strict=True):
        np.testing.assert_allclose(columns[name], naive_distances(array, neighbors), rtol=1e-10)
    of_both = (naive_distances(arrays["embedding"], each) for each in ("machine_type", "section"))
    assert not np.allclose(*of_both)


def test_by_default_training_clips_of_all_sections_are_neighbors():
    assert config_of().neighbors == "machine_type"


@pytest.mark.parametrize("neighbors", ["machine_type", "section"])
def test_the_graph_of_a_section_has_the_same_neighbors(neighbors):
    system, arrays, models = embedded(config_of(neighbors=neighbors), ("embedding",))
    unit = Unit(TABLE, models, arrays)
    expected = np.array(naive_distances(arrays["embedding"], neighbors))
    tensor = keras.Input((5,))

    for section in sections_of(TABLE):
        scorer = section_scorer(system, unit, section, 0)
        scores, _ = scorer.layers({"embedding": tensor}, ["nearest_neighbor"])
        rows = np.flatnonzero(section.is_of(TABLE) & (TABLE["split"] == "test"))
        found = keras.Model(tensor, scores)(arrays["embedding"][rows])
        np.testing.assert_allclose(found["nearest_neighbor"], expected[rows], rtol=1e-6)


def test_one_threshold_is_fitted_to_the_training_clips_of_all_sections():
    table = table_of(num_train=40)
    generator = np.random.default_rng(5)
    columns = pd.DataFrame({"nearest_neighbor": generator.gamma(3.0, 2.0, len(table))})
    is_test = (table["split"] == "test").to_numpy(bool)
    columns.loc[is_test, "nearest_neighbor"] += 100.0

    thresholds = nejjar2022.create(config_of()).thresholds(columns, table).values

    assert thresholds.nunique() == 1
    # Of the distribution that was drawn from; 80 draws give its 90th percentile to 15 percent.
    assert thresholds.iloc[0] == pytest.approx(stats.gamma.ppf(0.9, 3.0, scale=2.0), rel=0.15)


@pytest.mark.parametrize("variant", ["dgmix", "vicreg", "no_pretraining"])
def test_each_variant_is_compared_with_its_row(variant):
    assert nejjar2022.create(config_of(variant)).published_rows == {"nearest_neighbor": variant}


# What recipes may say.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_frames": 60}, "num_frames.*multiple of 32"),
        ({"window_hop": 0}, "window_hop"),
        ({"mixup_alpha": 0.0}, "mixup_alpha"),
        ({"threshold_percentile": 100.0}, "threshold_percentile"),
        ({"pretraining": {"accumulation_steps": 3}}, "must divide `batch_size`, 8"),
        ({"pretraining": {"accumulation_steps": 8}}, "parts of 2 windows or more"),
        ({"pretraining": {"warmup_epochs": 2}}, "warmup_epochs"),
        ({"pretraining": {"momentum": 1.0}}, "momentum"),
        ({"pretraining": {"weights": (1.0, -1.0, 1.0)}}, "weights"),
        ({"fine_tuning": {"epochs": 0}}, "epochs"),
        ({"fine_tuning": {"consistency_weight": -1.0}}, "consistency_weight"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("width", [0, 8])
def test_without_masks_views_differ_by_the_time_warp_alone(width):
    keras.utils.set_random_seed(2)
    config = small("vicreg", pretraining={"learning_rate": 1e-9, "end_learning_rate": 0.0})
    views = dataclasses.replace(config.views, num_time_masks=0, num_band_masks=0, time_warp=width)
    config = dataclasses.replace(config, views=views)
    model = pretraining_model(config, encoder_of(config), 3)

    invariance = model.train_on_batch(pairs()["first"], return_dict=True)["invariance"]

    assert (float(invariance) > 1e-6) == (width > 0)


def test_a_time_warp_is_not_wider_than_a_window_allows():
    config = config_of()
    widest = dataclasses.replace(config.views, time_warp=31)
    dataclasses.replace(config, views=widest)

    with pytest.raises(ValueError, match=r"views\.time_warp.*must not be above 31.*32"):
        dataclasses.replace(config, views=dataclasses.replace(config.views, time_warp=32))


def test_masks_are_not_wider_than_a_window():
    config = config_of()

    with pytest.raises(ValueError, match=r"views\.time_width.*64"):
        dataclasses.replace(config, views=dataclasses.replace(config.views, time_width=65))


# A training from end to end.


def trained(config, folder, context=None):
    make_repeatable(0)
    with context or task(folder, TABLE) as context:
        return nejjar2022.create(config).train(TRAINING, context)


def folder(path, name):
    made = path / name
    made.mkdir()
    return made


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
def test_the_log_of_each_phase_has_its_terms_and_the_learning_rate(tmp_path):
    system = nejjar2022.create(small())
    save_models(trained(system.config, tmp_path), tmp_path)
    first = pd.read_csv(tmp_path / "pretraining" / "train.csv")
    second = pd.read_csv(tmp_path / "train.csv")

    terms = ["invariance", "variance", "covariance"]
    assert {"epoch", "loss", "learning_rate", *terms} <= set(first)
    assert {"epoch", "loss", "consistency", "learning_rate"} <= set(second)
    expected = 25 * first["invariance"] + 25 * first["variance"] + first["covariance"]
    np.testing.assert_allclose(first["loss"], expected, rtol=1e-4)
    # Five updates an epoch: all of the warm-up, then all of the cosine.
    np.testing.assert_allclose(first["learning_rate"], [0.8, 0.002], rtol=1e-5)
    arrays = represented(system, system.load(tmp_path), CLIPS)
    assert {name: each.shape for name, each in arrays.items()} == {
        "embedding": (len(TABLE), 5),
        "pretrained_embedding": (len(TABLE), 5),
    }
    assert np.abs(arrays["embedding"] - arrays["pretrained_embedding"]).max() > 1e-4


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("variant", ["dgmix", "vicreg"])
def test_each_term_is_lower_with_it_than_without_and_none_collapses(variant, tmp_path):
    """A term may rise from its start, for embeddings that spread have more to share."""
    weights = {"invariance": 25.0, "variance": 25.0, "covariance": 1.0}
    settings = {"epochs": 25, "batch_size": 32, "expander_dim": 8, "learning_rate": 0.3}

    def last(**left_out):
        path = folder(tmp_path, "_".join(["run", *left_out]))
        used = {**settings, "weights": tuple({**weights, **left_out}.values())}
        config = small(variant, used, {"epochs": 1, "batch_size": 40}, window_hop=1)
        trained(config, path)
        return pd.read_csv(path / "pretraining" / "train.csv").iloc[-1]

    everything = last()

    for term in weights:
        assert everything[term] < 0.5 * last(**{term: 0.0})[term]
