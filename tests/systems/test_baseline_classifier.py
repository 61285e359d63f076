"""The MobileNetV2 of 2021 and 2022: what it learns, how it scores and decides."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from asdkeras.config import build_config, read_recipe
from asdkeras.errors import DataError, RecipeError
from asdkeras.systems import baseline2021, baseline2022
from asdkeras.systems.baselines import section_classifier
from asdkeras.systems.baselines.section_classifier import SectionClassifier, SectionClassifierModels
from asdkeras.systems.model_files import save_models
from tests.systems.recorded_clips import (
    clip_table,
    noisy_clips,
    represented,
    scores_of,
    task,
    training_of,
)

RECIPES = Path(__file__).parents[2] / "recipes"
SYSTEMS = {"baseline2021": baseline2021, "baseline2022": baseline2022}


def config_of(name, **changes):
    recipe = RECIPES / name / f"{name.replace('baseline', 'dcase')}.yaml"
    config = build_config(SYSTEMS[name].Config, read_recipe(recipe)["config"], "here")
    settings = dataclasses.replace(config.mobilenetv2, **changes)
    return dataclasses.replace(config, variant="mobilenetv2", mobilenetv2=settings)


def small(name, **changes):
    """Windows of 32 frames of 32 bands and one epoch: quick, and otherwise the same."""
    config = config_of(name, num_frames=32, epochs=1, batch_size=4, **changes)
    front_end = dataclasses.replace(config.front_end, hop_length=128, num_mel_bins=32)
    return dataclasses.replace(config, front_end=front_end)


TABLE = clip_table(
    [
        *[("00", "source", "train", False)] * 12,
        *[("01", "target", "train", False)] * 12,
        *[("00", "source", "test", True), ("01", "target", "test", False)],
    ]
)
MODELS = SectionClassifierModels(6400, 16_000, "start", None, sections=("00", "01"))


def posteriors(windows):
    """Softmax outputs of some windows of each clip for both sections."""
    odds = np.random.default_rng(windows).normal(size=(len(TABLE), windows, 2))
    return np.exp(odds) / np.exp(odds).sum(axis=-1, keepdims=True)


def arrays():
    """Three windows of every training clip, 17 of every test clip."""
    train, test = posteriors(3), posteriors(17)
    train[TABLE["split"] == "test"] = np.nan
    test[TABLE["split"] == "train"] = np.nan
    return {"train": train, "test": test}


def naive_score(probabilities, form):
    """Mean over windows, from the text of the formula."""
    odds = [(1 - p) - np.log(p) if form == "released_2021" else (1 - p) / p for p in probabilities]
    return np.mean(np.log(odds))


@pytest.mark.parametrize("form", ["log_odds", "released_2021"])
def test_a_clip_is_scored_by_its_own_section_in_the_windows_of_its_split(form):
    system = baseline2021.create(config_of("baseline2021", score=form))

    columns = scores_of(system, arrays(), TABLE, MODELS).columns

    assert system.main_score == system.decision_score == form
    assert system.named_scores(list(columns)) == ("log_odds", "released_2021")
    for row, clip in TABLE.iterrows():
        own = arrays()[clip["split"]][row, :, int(clip["section"])]
        for name in columns:
            assert columns.at[row, name] == pytest.approx(naive_score(own, name), rel=1e-9)


@pytest.mark.parametrize(
    ("scored", "threshold_score", "fitted"),
    [
        ("log_odds", "scored", "log_odds"),
        ("released_2021", "scored", "released_2021"),
        ("log_odds", "released_2021", "released_2021"),
        ("released_2021", "log_odds", "log_odds"),
    ],
)
def test_the_threshold_is_fitted_to_the_form_that_the_recipe_names(scored, threshold_score, fitted):
    config = config_of("baseline2022", score=scored, threshold_score=threshold_score)

    scores = scores_of(baseline2022.create(config), arrays(), TABLE, MODELS)

    training = scores.columns.loc[TABLE["split"] == "train", fitted]
    expected = stats.gamma.ppf(0.9, *stats.gamma.fit(training))
    np.testing.assert_allclose(scores.thresholds, np.full(len(TABLE), expected), rtol=1e-9)


@pytest.mark.slow
def test_it_learns_sections_from_the_windows_that_the_graph_cuts_out_of_a_clip(tmp_path):
    """Training reads windows from disk, the graph cuts the same ones, and closer ones in test."""
    system = baseline2021.create(small("baseline2021"))
    clips = noisy_clips(TABLE, samples=6400)
    context = task(tmp_path, TABLE)
    stored = []
    store_frames = context.store_frames
    context.store_frames = lambda *given: stored.append(store_frames(*given)) or stored[-1]

    save_models(system.train(training_of(clips), context), tmp_path)
    models = system.load(tmp_path)
    given = represented(system, models, clips)

    assert models.sections == ("00", "01")
    assert given["train"].shape == (len(TABLE), 3, 2)
    assert given["test"].shape == (len(TABLE), 1 + 51 - 32, 2)
    np.testing.assert_allclose(given["test"][24:].sum(axis=-1), 1.0, rtol=1e-5)
    assert np.isnan(given["test"][:24]).all()
    assert np.isnan(given["train"][24:]).all()
    assert {"loss", "val_loss"} <= set(pd.read_csv(tmp_path / "train.csv").columns)
    windows = stored[0].windows(32, 8)
    expected = models.network.model.predict_on_batch(windows.read(np.arange(24 * 3)))
    np.testing.assert_allclose(given["train"][:24].reshape(-1, 2), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("classes", "total", "trainable"), [(3, 710_067, 691_523), (6, 713_910, 695_366)]
)
def test_the_network_is_that_of_the_fact_sheet(classes, total, trainable):
    settings = config_of("baseline2022").mobilenetv2
    model = section_classifier.compiled(settings, (64, 128), classes)
    assert model.count_params() == total
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == trainable
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-5)


def test_one_section_cannot_be_told_apart():
    table = clip_table([("00", "source", "train", False)] * 4)
    system = baseline2021.create(small("baseline2021"))
    with pytest.raises(DataError, match=r"fan .* one section, 00.*--variant ae"):
        system.check(clips := noisy_clips(table, 6400), clips)


def test_clips_shorter_than_a_window_are_refused_in_one_line():
    system = baseline2021.create(config_of("baseline2021"))
    clips = training_of(noisy_clips(TABLE, samples=16_000))
    with pytest.raises(RecipeError, match=r"`mobilenetv2\.num_frames`: .* 64 frames .* has 32"):
        system.check(clips, clips)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0.0}, "`width` must be above 0"),
        ({"test_hop": 0}, "`test_hop` must be at least 1"),
        ({"validation_fraction": -0.1}, r"`validation_fraction` must lie in \[0, 1\)"),
    ],
)
def test_values_that_make_no_sense_are_refused(change, message):
    settings = config_of("baseline2021").mobilenetv2
    assert isinstance(settings, SectionClassifier)
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(settings, **change)
