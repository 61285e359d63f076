"""wilkinghoff2024: what its training reads, learns, keeps and says."""

import dataclasses
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asdkeras.config import build_config, read_recipe
from asdkeras.losses.class_compactness import CompactnessLoss
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
from asdkeras.systems import wilkinghoff2024 as system
from asdkeras.systems.model_files import TrainedNetwork
from asdkeras.systems.system import Fitted

RECIPE = Path(__file__).parents[2] / "recipes" / "wilkinghoff2024" / "dcase2023.yaml"
CLIP_LENGTH = 3072  # The least that the network takes.
NUM_CLIPS, NUM_CLASSES = 6, 3


@pytest.fixture
def config():
    """The paper's, for short clips and with small embeddings."""
    config = build_config(system.Config, read_recipe(RECIPE)["config"], "here")
    return dataclasses.replace(
        config,
        clip_length=CLIP_LENGTH,
        embedding_dim=8,
        subspace_dimension=2,
        batch_size=4,
        expected_classes={"classes": NUM_CLASSES},
    )


class Clips:
    """Two clips of each class; every sample of a clip is the number of its class."""

    store = types.SimpleNamespace(sample_rate_hz=16_000)

    def __init__(self, samples=CLIP_LENGTH):
        self.classes = np.arange(NUM_CLIPS) % NUM_CLASSES
        self.table = pd.DataFrame(
            {
                "dataset": "mini2023",
                "machine_type": "fan",
                "section": "00",
                "attributes": [str(number) for number in self.classes],
                "domain": "source",
                "split": "train",
            },
            dtype="string",
        )
        self.samples = samples
        self.reads = set()

    def __len__(self):
        return NUM_CLIPS

    def lengths(self):
        return np.full(NUM_CLIPS, self.samples)

    def read(self, positions, clip_length, keep):
        self.reads.add((clip_length, keep))
        return np.repeat(self.classes[positions, None].astype("float32"), clip_length, axis=1)


class Context:
    """Takes down what it is asked to train and gives back the untrained model."""

    def __init__(self, table, seed=5, updates_guarded=0):
        self.table, self.seed = table, seed
        self.updates_guarded = updates_guarded
        self.said, self.warnings = [], []
        self.say, self.warn = self.said.append, self.warnings.append

    def fit(self, build, batches, **asked):
        self.batches, self.asked = batches, asked
        self.model = build()
        if self.updates_guarded:
            self.model.get_layer("classes").scale_clamped.assign(self.updates_guarded)
        return Fitted({asked["epochs"]: TrainedNetwork(None, self.model)}, {})


def trained(config, clips=None, **context):
    clips = clips or Clips()
    context = Context(clips.table, **context)
    return system.create(config).train(clips, context), clips, context


def read(context, first_epoch=0):
    """All batches of a training: waveform values `(clips,)`, label rows by name."""
    batches = [inputs for inputs, _ in context.batches(first_epoch)]
    joined = {name: np.concatenate([each[name] for each in batches]) for name in batches[0]}
    return joined.pop("waveform")[:, 0], joined


def test_waveforms_and_labels_are_mixed_alike_and_all_are(config):
    _, clips, context = trained(config)

    waveforms, labels = read(context)

    rows = labels["classes_label"]
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(rows @ np.arange(NUM_CLASSES), waveforms, rtol=1e-4, atol=1e-5)
    is_of_one_class = rows.max(axis=1) > 1.0 - 1e-6
    assert 0 < np.count_nonzero(is_of_one_class) < len(rows) / 2
    assert clips.reads == {(CLIP_LENGTH, "start")}


def test_labels_of_two_clips_of_a_class_are_mixed_as_the_recipe_says(config):
    _, _, context = trained(dataclasses.replace(config, mixup_labels="max"))
    sums = read(context)[1]["classes_label"].sum(axis=1)
    assert np.all(sums < 1.0 + 1e-6)
    assert np.any(sums < 0.99)


def test_no_mixup_leaves_clips_as_they_are(config):
    _, _, context = trained(dataclasses.replace(config, mixup_probability=0.0))
    waveforms, labels = read(context)
    np.testing.assert_array_equal(
        labels["classes_label"], np.eye(NUM_CLASSES)[waveforms.astype(int)]
    )


def test_both_losses_of_compactness_with_cross_entropy_learn_the_same_labels(config):
    _, _, context = trained(dataclasses.replace(config, variant="ic_compactness_cce"))

    _, labels = read(context)

    np.testing.assert_array_equal(labels["classes_label"], labels["compactness_label"])
    assert set(context.model.output) == {"classes", "compactness"}


def test_order_and_mixing_are_of_the_seed_and_the_epoch(config):
    _, _, first = trained(config)
    _, _, other = trained(config, seed=6)

    waveforms, _ = read(first)

    np.testing.assert_array_equal(waveforms, read(first)[0])
    np.testing.assert_array_equal(waveforms[NUM_CLIPS:], read(first, first_epoch=1)[0])
    assert np.any(waveforms[:NUM_CLIPS] != waveforms[NUM_CLIPS : 2 * NUM_CLIPS])
    assert np.any(waveforms != read(other)[0])


def test_training_runs_as_long_as_the_recipe_says_and_keeps_the_end(config):
    _, _, context = trained(dataclasses.replace(config, epochs=3))

    watch = context.asked.pop("log").watch

    assert context.asked == {"epochs": 3, "steps_per_epoch": 2, "keep_epochs": (3,)}
    steps = list(context.batches(0))
    assert [len(inputs["waveform"]) for inputs, _ in steps] == [4, 2] * 3
    assert {*watch(context.model)} == {"classes_scale", "classes_scale_clamped"}
    assert float(context.model.optimizer.learning_rate) == pytest.approx(config.learning_rate)


@pytest.mark.parametrize(
    ("length_rule", "keep"), [("tile_start", "start"), ("tile_random", "random")]
)
def test_clips_are_represented_as_they_were_read(config, length_rule, keep):
    config = dataclasses.replace(config, length_rule=length_rule)
    models, clips, context = trained(config)

    read(context)

    assert clips.reads == {(models.clip_length, models.keep)} == {(CLIP_LENGTH, keep)}
    represented = system.create(config).represent(models)
    assert {name: model.output_shape for name, model in represented.items()} == {
        "embedding": (None, 8)
    }


def test_a_guard_that_acted_is_warned_of(config):
    _, _, quiet = trained(config)
    _, _, guarded = trained(config, updates_guarded=3)

    assert quiet.warnings == []
    assert len(guarded.warnings) == 1
    assert "`classes`" in guarded.warnings[0]
    assert "3 updates" in guarded.warnings[0]


def test_clips_far_shorter_than_the_clip_length_are_warned_of(config):
    _, _, half = trained(config, Clips(samples=CLIP_LENGTH // 2))
    _, _, longer = trained(config, Clips(samples=CLIP_LENGTH // 2 + 1))

    assert longer.warnings == []
    assert "config.clip_length=1536" in half.warnings[0]


def test_the_number_of_clips_and_classes_is_said(config):
    _, _, context = trained(config)
    assert context.said == ["6 training clips; 3 classes"]


def test_layers_are_of_the_recipe(config):
    config = dataclasses.replace(
        config, weight_decay=0.125, trainable_centers=True, scale_update="fixed", scale_floor=2.0
    )

    _, _, context = trained(dataclasses.replace(config, scale_ceiling=3.0))

    head = context.model.get_layer("classes")
    dense = context.model.get_layer("network").get_layer("embedding_spectrum")
    assert dense.kernel_regularizer.l2 == pytest.approx(0.125)
    assert (head.scale_update, head.scale_floor, head.scale_ceiling) == ("fixed", 2.0, 3.0)
    assert head.centers.trainable


def test_frames_of_the_spectrogram_are_of_the_recipe(config):
    config = dataclasses.replace(config, window_length=512, hop_length=128)
    network = system.create(config).represent(trained(config)[0])["embedding"]
    assert network.get_layer("spectrogram").output.shape == (None, 21, 257)


def test_without_normalization_both_losses_of_compactness_read_raw_embeddings(config):
    config = dataclasses.replace(config, variant="ic_compactness_cce", normalize_compactness=False)
    model = trained(config)[2].model
    waveforms = np.random.default_rng(0).normal(size=(2, CLIP_LENGTH)).astype("float32")
    labels = np.eye(NUM_CLASSES, dtype="float32")[:2]
    inputs = {"waveform": waveforms, "weight": np.ones((2, 1), "float32")}

    logits = model(inputs | {"classes_label": labels, "compactness_label": labels})

    embeddings = np.float64(model.get_layer("network")(waveforms, training=False))
    kernel = np.float64(model.get_layer("classes").kernel)
    np.testing.assert_allclose(logits["classes"], embeddings @ kernel, rtol=1e-4, atol=1e-6)
    centers = np.float64(model.get_layer("compactness").centers).T
    distances = [[np.sum((each - center) ** 2) for center in centers] for each in embeddings]
    np.testing.assert_allclose(logits["compactness"], -np.array(distances), rtol=1e-4)


@pytest.mark.parametrize(
    ("variant", "losses"),
    [
        ("adaproj", {"classes": MixedCrossEntropy}),
        ("subcluster_adacos", {"classes": MixedCrossEntropy}),
        ("ic_compactness", {"classes": CompactnessLoss}),
        ("ic_compactness_cce", {"compactness": CompactnessLoss, "classes": MixedCrossEntropy}),
    ],
)
def test_a_variant_is_trained_by_its_loss(config, variant, losses):
    model = trained(dataclasses.replace(config, variant=variant))[2].model
    assert {name: type(loss) for name, loss in model.loss.items()} == losses


def test_the_linear_layer_has_no_bias_and_decays_as_the_network_does(config):
    config = dataclasses.replace(config, variant="ic_compactness_cce", weight_decay=0.125)

    free = dataclasses.replace(config, trainable_centers=True)
    linear = trained(free)[2].model.get_layer("classes")

    assert not linear.use_bias
    assert linear.kernel_regularizer.l2 == pytest.approx(0.125)
    assert [each.name for each in linear.trainable_weights] == ["kernel"]


def test_the_linear_layer_is_drawn_and_kept_as_centers_are_section_3_2(config):
    config = dataclasses.replace(config, variant="ic_compactness_cce", weight_decay=0.125)

    model = trained(config)[2].model

    linear = model.get_layer("classes")
    assert not linear.use_bias
    assert linear.kernel.shape == (8, NUM_CLASSES)
    assert linear.losses == []
    learned = {id(each) for each in model.trainable_weights}
    assert learned == {id(each) for each in model.get_layer("network").trainable_weights}


@pytest.mark.parametrize("variant", ["adaproj", "ic_compactness_cce"])
def test_another_number_of_classes_is_reported_with_that_of_the_released_code(config, variant):
    class Development(Clips):
        """One more class stands in the name of a development test clip."""

        def __init__(self):
            super().__init__()
            more = self.table.iloc[:1].assign(attributes="test only", split="test")
            self.both = pd.concat([self.table, more], ignore_index=True)

    clips = Development()
    context = Context(clips.both)
    expected = {"classes": NUM_CLASSES + 1}
    changed = dataclasses.replace(config, variant=variant, expected_classes=expected)
    system.create(changed).train(clips, context)

    assert context.warnings == [
        "3 classes, where `config.expected_classes` has 4; by other values of "
        "`config.classes_from`: `train_and_dev_test` 4; `train_and_dev_test` gives "
        "the expected number"
    ]


@pytest.mark.parametrize(("variant", "per_class"), [("adaproj", 2), ("subcluster_adacos", 3)])
def test_subspaces_and_sub_clusters_have_numbers_of_their_own(config, variant, per_class):
    config = dataclasses.replace(config, variant=variant, num_subclusters=3)
    head = trained(config)[2].model.get_layer("classes")
    assert tuple(head.centers.shape) == (8, per_class * NUM_CLASSES)


def test_margin_and_scale_of_arcface_are_of_the_recipe(config):
    config = dataclasses.replace(config, variant="arcface", arcface_scale=7.0)

    _, _, context = trained(dataclasses.replace(config, arcface_margin_rad=0.25))

    assert context.model.get_layer("classes").scale == pytest.approx(7.0)
    assert context.model.loss["classes"].scale == pytest.approx(7.0)
    assert context.model.loss["classes"].margin_rad == pytest.approx(0.25)
    assert {*context.asked["log"].watch(context.model)} == set()
