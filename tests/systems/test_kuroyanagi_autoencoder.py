"""The autoencoder of Kuroyanagi 2021: what it learns from, what it hides, and who scores what."""

import contextlib
import functools
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
from asdkeras.layers.masked_copies import MaskedCopies
from asdkeras.layers.resumable_dropout import ResumableDropout
from asdkeras.layers.spec_augment import SpecAugment
from asdkeras.networks.conformer_autoencoder import with_section_id
from asdkeras.systems import kuroyanagi2021
from asdkeras.systems.kuroyanagi import conformer
from asdkeras.systems.kuroyanagi.config_sections import changed
from asdkeras.systems.kuroyanagi.conformer import Conformer, ConformerSystem
from asdkeras.systems.kuroyanagi.held_out_clips import held_out
from asdkeras.systems.model_files import TrainedNetwork, save_models
from asdkeras.systems.system import Fitted
from tests.systems.naive_log_mel import naive_log_mel
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

RECIPE = Path(__file__).parents[2] / "recipes" / "kuroyanagi2021" / "dcase2021.yaml"
CONFIG = build_config(kuroyanagi2021.Config, read_recipe(RECIPE)["config"], "here")
SAMPLES, FRAMES, BANDS = 1600, 13, 6
SMALL = {
    **{"window_length": 512, "hop_length": 128, "num_mel_bins": BANDS},
    **{"masks.num_time_masks": 2, "masks.time_width": 3},
    **{"masks.num_band_masks": 1, "masks.band_width": 2, "masks.input_dropout": 0.25},
    **{"num_copies": 3, "num_blocks": 1, "width": 8, "kernel_size": 3, "num_heads": 2},
    **{"latent_dim": 4, "steps": 8, "steps_per_save": 2, "batch_size": 4, "warmup_steps": 3},
    **{"held_out_fraction": 0.4, "reg_covar": 0.01, "target_reg_covar": 0.03},
}


def small(**changes):
    return changed(CONFIG.ae, {**SMALL, **changes}, "here")


system_of = functools.partial(ConformerSystem, CONFIG)


def mixed_table():
    """Sections with both domains, with one source clip, with target clips alone, with unknown ones.

    Training and test clips take turns, and the index does not count from 0.
    """
    training = [
        *(("00", "source"),) * 5,
        *(("00", "target"),) * 2,
        ("01", "source"),
        *(("02", "target"),) * 2,
        *(("03", ""),) * 3,
        ("03", "target"),
    ]
    rows = [("00", "source", "train", False)]  # Left out below.
    for number, (section, domain) in enumerate(training):
        rows.append((section, domain, "train", False))
        if number % 2:
            rows.append((section, ("source", "target", "")[number % 3], "test", bool(number % 4)))
    return clip_table(rows)[::-1][:-1]


TABLE = mixed_table()
SECTIONS = ("00", "01", "02", "03")


def recorded():
    """Clips that differ in loudness, so that their moments tell them apart."""
    rows = TABLE.sort_index()
    clips = noisy_clips(pd.concat([rows.iloc[:1], rows]), samples=SAMPLES)
    for number, waveform in enumerate(clips.store.waveforms):
        waveform *= 1.0 + number / 5
    return ClipSet(TABLE, clips.store)


CLIPS = recorded()
TRAINING = training_of(CLIPS)


# What the network is shown.


class Asked:
    """A context that notes what it is asked to fit and hands back a model that was not."""

    def __init__(self, context):
        self.context = context

    def __getattr__(self, name):
        return getattr(self.context, name)

    def fit(self, **asked):
        self.asked = asked
        self.model = asked["build"]()
        self.batches = [keras.tree.map_structure(np.array, batch) for batch in asked["batches"](0)]
        self.later = [keras.tree.map_structure(np.array, batch) for batch in asked["batches"](1)]
        return Fitted({asked["epochs"]: TrainedNetwork(self.folder, self.model)}, {})


class Echo:
    """Instead of the conformer: what it is given, and a vector of the section on top of it.

    With the section ID as a feature, that is the last column, which is given back as well.
    """

    def __init__(self):
        self.sizes = {}

    def __call__(self, frames, sections, block, **sizes):
        sizes = self.sizes = {**sizes, **block.keywords}
        if sizes["section_id"] == "regression":
            frames = with_section_id(frames, sections, sizes["num_sections"])
        vectors = keras.layers.Embedding(
            sizes["num_sections"],
            frames.shape[-1],
            embeddings_initializer="random_normal",
            name="vectors",
        )
        shifted = frames + 20.0 * keras.ops.expand_dims(vectors(sections), 1)
        return ResumableDropout(sizes["dropout"])(shifted)


@pytest.fixture(scope="module")
def echo():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conformer, "conformer_autoencoder", Echo())
        yield conformer.conformer_autoencoder


@pytest.fixture(scope="module")
def asked(tmp_path_factory, echo):
    """What was asked for and what came back; asked once for the same settings."""
    known = {}

    def ask(settings, clips=TRAINING, table=TABLE, seed=3):
        if settings not in known:
            keras.utils.set_random_seed(1)
            with task(tmp_path_factory.mktemp("task"), table, seed) as context:
                context = Asked(context)
                known[settings] = context, system_of(settings).train(clips, context)
        return known[settings]

    return ask


def naive_frames(settings, learned):
    """Standardized frames of all clips, by the bands of those that are learned from."""
    frames = np.array([naive_log_mel(each, settings, RATE_HZ) for each in CLIPS.store.waveforms])
    of_learned = frames[learned].reshape(-1, BANDS)
    return (frames - of_learned.mean(axis=0)) / of_learned.std(axis=0)


def learned_rows(settings):
    is_held_out = held_out(settings.held_out_fraction, TRAINING.table)
    return TRAINING.table.index[~is_held_out].to_numpy()


def ids_of(num_sections=4):
    """The section IDs as the network has them, of mean 0 and variance 1."""
    numbers = np.arange(num_sections, dtype="float64")
    return (numbers - numbers.mean()) / numbers.std()


def naive_features(settings, learned):
    """Frames of all clips and, where it is one, the section ID as their last column."""
    frames = naive_frames(settings, learned)
    if settings.section_id == "embedding":
        return frames
    features = np.full((*frames.shape[:2], frames.shape[2] + 1), np.nan)
    for row, clip in TABLE.iterrows():
        features[row, :, :-1] = frames[row]
        features[row, :, -1] = ids_of()[SECTIONS.index(clip["section"])]
    return features


@pytest.mark.parametrize("section_id", ["regression", "embedding"])
def test_it_learns_whole_standardized_clips_with_their_sections_but_none_held_out(
    asked, section_id
):
    settings = small(section_id=section_id)

    context, _ = asked(settings)

    learned = learned_rows(settings)
    frames = naive_frames(settings, learned)
    assert len(learned) == 14 - 3
    seen = set()
    for inputs, wanted in context.batches:
        assert inputs["frames"].shape == (4, FRAMES, BANDS)
        np.testing.assert_array_equal(inputs["frames"], wanted[..., :BANDS])
        assert wanted.shape[-1] == BANDS + (section_id == "regression")
        if section_id == "regression":
            ids = np.broadcast_to(ids_of()[inputs["section"]][:, None], (4, FRAMES))
            np.testing.assert_allclose(wanted[..., -1], ids, rtol=1e-6)
        for clip, section in zip(inputs["frames"], inputs["section"], strict=True):
            distances = np.abs(frames - clip).max(axis=(1, 2))
            row = int(distances.argmin())
            assert distances[row] < 1e-3  # Decibels in float32, over a deviation of about one.
            assert SECTIONS[section] == TABLE.loc[row, "section"]
            seen.add(row)
    assert seen == set(learned)


def test_a_band_that_never_changes_keeps_its_scale(tmp_path, echo):
    silent = ClipSet(TRAINING.table, Store([np.zeros(SAMPLES, "float32")] * 99))
    with task(tmp_path, TABLE) as context:
        context = Asked(context)
        models = system_of(small()).train(silent, context)

    np.testing.assert_array_equal(models.variance, np.ones(BANDS))
    for _, wanted in context.batches:
        np.testing.assert_allclose(wanted[..., :BANDS], np.zeros((4, FRAMES, BANDS)), atol=1e-5)


def test_training_takes_its_steps_in_rounds_and_goes_on_where_it_stood(asked):
    context, _ = asked(small())

    assert (context.asked["epochs"], context.asked["steps_per_epoch"]) == (4, 2)
    assert context.asked.get("keep_epochs", ()) == ()
    assert len(context.batches) == 8
    for ours, theirs in zip(context.later, context.batches[2:], strict=True):
        np.testing.assert_array_equal(ours[1], theirs[1])


def noise(count=40, seed=0):
    generator = np.random.default_rng(seed)
    frames = generator.normal(size=(count, FRAMES, BANDS)).astype("float32")
    return {"frames": frames, "section": np.arange(count, dtype="int32") % 4}


def vectors_of(model):
    """What the echo adds for each section."""
    return 20.0 * np.array(model.get_layer("autoencoder").get_layer("vectors").embeddings)


def test_only_training_hides_parts_of_the_input(asked):
    context, _ = asked(small(dropout=0.0))
    inputs = noise()
    vectors = vectors_of(context.model)[inputs["section"]][:, None]

    clean, hidden = (
        np.array(context.model(inputs, training=is_training)) - vectors
        for is_training in (False, True)
    )
    ids = np.broadcast_to(ids_of()[inputs["section"]][:, None], clean.shape[:2])
    for features in (clean, hidden):  # The section ID is never hidden.
        np.testing.assert_allclose(features[..., -1], ids, atol=1e-5)
    clean, hidden = clean[..., :-1], hidden[..., :-1]

    np.testing.assert_allclose(clean, inputs["frames"], atol=1e-5)
    is_lost = np.abs(hidden) < 1e-5
    np.testing.assert_allclose(
        hidden[~is_lost], inputs["frames"][~is_lost] / 0.75, rtol=1e-4, atol=1e-4
    )
    # Two masks of 1 to 3 of 13 frames, which may overlap; one of 0 to 2 of 6 bands.
    assert set(is_lost.all(axis=2).sum(axis=1)) <= set(range(1, 8))
    assert is_lost.all(axis=2).any(axis=1).all()
    assert is_lost.all(axis=1).sum(axis=1).max() == 2
    is_masked = is_lost.all(axis=2)[:, :, None] | is_lost.all(axis=1)[:, None]
    assert is_lost[~is_masked].mean() == pytest.approx(0.25, abs=0.05)  # Of 1900 draws.


def copies_of(settings, models):
    layers = system_of(settings).represent(models)["conformer"].layers
    return next(layer for layer in layers if isinstance(layer, MaskedCopies))


def test_network_and_masks_are_those_of_the_recipe_in_training_and_at_inference(asked, echo):
    settings = changed(CONFIG.ae, {"steps": 500, "batch_size": 1}, "here")
    context, models = asked(settings, **LONG)

    hiding = {type(layer): layer for layer in context.model.layers}
    copies = copies_of(settings, models)

    for layer in (hiding[SpecAugment], copies):
        assert (layer.num_time_masks, layer.time_width) == (50, (1, 5))
        assert (layer.num_band_masks, layer.band_width) == (5, (0, 10))
    assert hiding[SpecAugment].fill == "zero"
    assert hiding[ResumableDropout].rate == copies.dropout == 0.2
    assert copies.num_copies == 10
    assert copies.seed == 3
    assert echo.sizes == {
        **{"num_sections": 1, "num_blocks": 4, "width": 144, "kernel_size": 31},
        **{"num_heads": 4, "latent_dim": 64, "dropout": 0.1, "section_id": "regression"},
    }


def long_clips():
    table = clip_table([("00", "source", "train", False)] * 3)
    return noisy_clips(table, samples=4096)


LONG = {"clips": long_clips(), "table": long_clips().table}


def test_the_loss_is_the_mean_absolute_error_to_the_clean_features(asked):
    """Of all bands and the section ID alike."""
    context, _ = asked(small())
    inputs = noise()
    wanted = np.random.default_rng(1).normal(size=(40, FRAMES, BANDS + 1)).astype("float32")

    loss = context.model.test_on_batch(inputs, wanted)

    ids = np.broadcast_to(ids_of()[inputs["section"]][:, None, None], (40, FRAMES, 1))
    rebuilt = np.concatenate([inputs["frames"], ids], axis=2)
    rebuilt = rebuilt + vectors_of(context.model)[inputs["section"]][:, None]
    assert float(loss) == pytest.approx(np.abs(rebuilt - wanted).mean(), rel=1e-5)


def test_the_optimizer_is_adam_with_a_warm_up(asked):
    context, _ = asked(small(width=16, warmup_steps=8, rate_factor=0.5))
    optimizer = context.model.optimizer

    assert isinstance(optimizer, keras.optimizers.Adam)
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, 0.999, 1e-8)
    for step in (1, 4, 8, 32):
        optimizer.iterations.assign(step - 1)
        expected = 0.5 * 16**-0.5 * min(step**-0.5, step * 8**-1.5)
        watched = context.asked["log"].watch(context.model)
        assert watched == {"learning_rate": pytest.approx(expected, rel=1e-5)}


# Errors and Gaussians.

_POOL = {"mean": np.mean, "maximum": np.max, "median": np.median}


def naive_errors(settings, context, models):
    """Errors of every clip of the store against its clean features, float64."""
    factors = np.array(copies_of(settings, models).factors, "float64")
    assert len(np.unique(factors, axis=0)) == settings.num_copies
    frames = naive_features(settings, learned_rows(settings))
    if settings.section_id == "regression":  # The section ID is never hidden.
        factors = np.concatenate([factors, np.ones((*factors.shape[:2], 1))], axis=2)
    vectors = vectors_of(context.model)
    errors = np.full(frames.shape, np.nan)
    for row, clip in TABLE.iterrows():
        vector = vectors[SECTIONS.index(clip["section"])]
        of_copies = [np.abs(factor * frames[row] + vector - frames[row]) for factor in factors]
        errors[row] = _POOL[settings.copy_pooling](of_copies, axis=0)
    return errors


def rows_of_gaussians(settings):
    """Section -> rows of the training clips of its source and of its target Gaussian."""
    table = TRAINING.table
    is_target = table["domain"] == "target"
    found = {}
    for section in SECTIONS:
        is_here = table["section"] == section
        held, source, target = (
            list(table.index[(is_here & mask).to_numpy(bool)])
            for mask in (held_out(0.4, table), ~is_target, is_target)
        )
        found[section] = held or source, target
    return found


def naive_scores(errors, rows, reg_covar, clip):
    """Mean, maximum and median over time of how unlikely the frames of a clip are."""
    frames = np.concatenate([errors[row] for row in rows])
    mean = frames.mean(axis=0)
    covariance = (frames - mean).T @ (frames - mean) / len(frames)
    covariance += reg_covar * np.eye(len(mean))
    unlikely = -stats.multivariate_normal(mean, covariance).logpdf(errors[clip])
    return [unlikely.mean(), unlikely.max(), np.median(unlikely)]


@pytest.mark.parametrize(
    ("pooling", "section_id"),
    [*((each, "regression") for each in ("mean", "maximum", "median")), ("mean", "embedding")],
)
def test_errors_of_masked_copies_are_scored_by_the_gaussians_of_held_out_and_target_clips(
    asked, pooling, section_id
):
    settings = small(copy_pooling=pooling, section_id=section_id)
    context, models = asked(settings)
    errors = naive_errors(settings, context, models)

    arrays = represented(system_of(settings), models, CLIPS)

    assert set(arrays) == {f"{name}_conformer" for name in ("scores", "error", "embedding")}
    expected = {row: [] for row in TABLE.index}
    for source, target in rows_of_gaussians(settings).values():
        for rows, reg_covar in ((source, 0.01), (target, 0.03)):
            if not rows:  # The other domain stands in.
                rows, reg_covar = (target, 0.03) if target else (source, 0.01)
            for row in TABLE.index:
                expected[row].append(naive_scores(errors, rows, reg_covar, row))
    np.testing.assert_allclose(
        arrays["scores_conformer"], list(expected.values()), rtol=5e-4, atol=5e-4
    )  # The frames are decibels in float32, and errors weigh by up to 1 / 0.01.
    np.testing.assert_allclose(
        arrays["error_conformer"],
        [errors[row].mean() for row in TABLE.index],
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        arrays["embedding_conformer"],
        [errors[row].mean(axis=0) for row in TABLE.index],
        rtol=1e-4,
    )


def test_clips_of_a_gaussian_are_scored_by_its_other_clips(asked):
    settings = small()
    context, models = asked(settings)

    own_rows = TRAINING.table.index[models.own_positions]

    errors = naive_errors(settings, context, models)
    expected = {}
    for source, target in rows_of_gaussians(settings).values():
        for rows, reg_covar in ((source, 0.01), (target, 0.03)):
            for row in rows:
                others = [other for other in rows if other != row] or [row]
                expected[row] = naive_scores(errors, others, reg_covar, row)
    assert sorted(own_rows) == sorted(expected)
    np.testing.assert_allclose(
        models.own_scores, [expected[row] for row in own_rows], rtol=2e-3, atol=2e-3
    )  # As above; a Gaussian of 13 frames weighs errors more.


def test_the_held_out_clips_of_the_source_domain_count_as_not_learned_from(asked):
    settings = small()
    _, models = asked(settings)

    found = system_of(settings).held_out(models, TABLE)

    not_learned = set(TRAINING.table.index) - set(learned_rows(settings))
    assert len(not_learned) == 3
    assert set(TABLE.index[found]) == not_learned


# Scores.


def representations(num_sections=2):
    """Scores that tell which clip, section, domain and pooling they are of."""
    clips, gaussians = np.arange(len(SCORED)), np.arange(2 * num_sections)
    of_all = 1000.0 * clips[:, None, None] + 10.0 * gaussians[:, None] + np.arange(3.0)
    return {"scores_conformer": of_all.astype("float32"), "error_conformer": 0.5 + clips}


# Of the training clips, the third and the first, rows 4 and 1, have scores of their own.
OWN = {"own_positions": np.array([2, 0]), "own_scores": np.array([[-1, -2, -3], [-4, -5, -6]])}
LEFT = {**OWN, "held_out_positions": np.array([0])}
MODELS = Conformer(SAMPLES, RATE_HZ, "start", None, ("00", "01"), *4 * (None,), **LEFT, seed=0)


SCORED = clip_table(
    [
        ("01", "target", "test", False),
        ("00", "source", "train", False),
        ("01", "source", "test", True),
        ("01", "source", "train", False),
        ("01", "target", "train", False),
        ("00", "", "train", False),
        ("00", "", "test", False),
        ("01", "", "test", False),
        ("00", "target", "test", True),
        ("01", "", "train", False),
    ]
).set_axis(np.arange(10)[::-1] + 30)


def test_a_clip_is_scored_by_the_gaussian_of_its_section_and_domain():
    """In order: target of 01 is Gaussian 3, and so on; rows 4 and 1 have their own."""
    arrays = representations()
    arrays["scores_conformer"][7, 3] = 5.0  # Of both domains the smaller score counts,
    arrays["scores_conformer"][9, 3] = 5.0  # but training clips are of the source.

    columns = scores_of(system_of(CONFIG.ae), arrays, SCORED, MODELS).columns

    assert columns.index.equals(SCORED.index)
    expected = [30, -4, 2020, 3020, -1, 5000, 6000, 5, 8010, 9020]
    assert columns["gaussian_mean"].tolist() == expected
    assert columns["gaussian_maximum"].tolist() == [
        *(31, -5, 2021, 3021, -2, 5001, 6001, 5, 8011, 9021)
    ]
    assert columns["gaussian_median"].iloc[[0, 1, 4]].tolist() == [32, -6, -3]
    assert columns["absolute_error"].tolist() == [0.5 + number for number in range(10)]


@pytest.mark.parametrize("pooling", ["mean", "maximum", "median"])
def test_the_main_score_is_pooled_over_time_as_the_recipe_says(pooling):
    system = system_of(changed(CONFIG.ae, {"time_pooling": pooling}, "here"))

    scores = scores_of(system, representations(), SCORED, MODELS)

    assert system.main_score == system.decision_score == f"gaussian_{pooling}"
    named = system.named_scores(list(scores.columns))
    assert named[0] == f"gaussian_{pooling}"
    assert set(named) == set(scores.columns)
    assert scores.oracle == ()


# The whole of it.


@pytest.fixture(scope="module")
def trained(echo, tmp_path_factory):
    """A system, the models it left, their folder and representations."""
    folder = tmp_path_factory.mktemp("task")
    make_repeatable(0)
    system = system_of(small(steps=4))
    with task(folder, TABLE) as context:
        models = system.train(TRAINING, context)
    return system, models, folder, represented(system, models, CLIPS)


def test_training_ends_in_one_score_per_clip(trained):
    system, models, folder, arrays = trained

    scores = scores_of(system, arrays, TABLE, models)

    assert arrays["scores_conformer"].shape == (len(TABLE), 8, 3)
    assert np.isfinite(scores.columns).all(axis=None)
    assert scores.thresholds.notna().all()
    log = pd.read_csv(folder / "train.csv")
    assert log["epoch"].tolist() == [1, 2]
    assert log["loss"].notna().all()


def test_loaded_models_represent_and_score_as_those_just_trained(trained):
    system, models, folder, arrays = trained
    save_models(models, folder)

    loaded = system.load(folder)

    again = represented(system, loaded, CLIPS)
    np.testing.assert_equal(again, arrays)
    pd.testing.assert_frame_equal(
        scores_of(system, again, TABLE, loaded).columns,
        scores_of(system, arrays, TABLE, models).columns,
        check_exact=True,
    )


@pytest.mark.usefixtures("echo")
def test_the_pass_over_training_clips_shows_progress_and_is_not_repeated(tmp_path, capsys):
    system = system_of(small(steps=4))

    with contextlib.suppress(KeyboardInterrupt), task(tmp_path, TABLE) as context:
        before = system.train(TRAINING, context)
        raise KeyboardInterrupt
    shown, count = capsys.readouterr().err, len(before.own_positions)
    assert "11 training clips and 3 held out, 13 frames, 4 sections" in shown
    assert f"test errors of training clips: {count}/{count}" in shown
    with task(tmp_path, TABLE) as context:
        after = system.train(TRAINING, context)

    assert "errors of training clips" not in capsys.readouterr().err
    names = ("gaussian_means", "gaussian_covariances", "own_positions", "own_scores")
    for name in (*names, "held_out_positions"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


# What is refused.


def test_a_clip_of_an_unknown_section_is_refused_by_name(asked):
    _, models = asked(small())
    table = TABLE.assign(section=TABLE["section"].replace("01", "07"))

    with pytest.raises(DataError, match=r"clip_\d+\.wav: section 07 of fan has no training clips"):
        system_of(small()).inputs(models, table)


def test_clips_shorter_than_a_mask_are_refused():
    settings = small(**{"masks.time_width": 14})

    with pytest.raises(RecipeError, match=r"`ae`: 14 frames are needed, and a clip has 13"):
        system_of(settings).check(TRAINING, TRAINING)
