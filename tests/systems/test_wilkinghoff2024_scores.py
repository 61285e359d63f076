"""wilkinghoff2024: scores and thresholds stay within a section and follow the recipe."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asdkeras.config import build_config, read_recipe
from asdkeras.scorers.cluster_means import cluster_means
from asdkeras.systems import wilkinghoff2024 as system
from tests.systems.recorded_clips import scores_of

RECIPE = Path(__file__).parents[2] / "recipes" / "wilkinghoff2024" / "dcase2023.yaml"
TEST_DOMAINS = ["source", "source", "target", pd.NA, pd.NA]


@pytest.fixture
def config():
    return build_config(system.Config, read_recipe(RECIPE)["config"], "here")


def two_sections(num_source=40, num_target=3):
    """Clip table of two sections of one machine type, and embeddings."""
    split = ["train"] * (num_source + num_target) + ["test"] * len(TEST_DOMAINS)
    domain = ["source"] * num_source + ["target"] * num_target + TEST_DOMAINS
    part = pd.DataFrame(
        {"dataset": "mini2021", "machine_type": "fan", "split": split, "domain": domain},
        dtype="string",
    )
    table = pd.concat([part.assign(section=name) for name in ("00", "01")], ignore_index=True)
    table = table.sample(frac=1.0, random_state=0)  # Neither by section nor with index 0, 1, 2.
    embeddings = np.random.default_rng(0).normal(size=(len(table), 4))
    return table.astype("string"), embeddings.astype("float32")


def scored(config, table, embeddings, seed=0):
    return scores_of(system.create(config), {"embedding": embeddings}, table, None, seed)


@pytest.mark.parametrize("normalize_means", [False, True])
def test_means_and_clips_are_those_of_the_section_and_the_recipe(config, normalize_means):
    config = dataclasses.replace(config, kmeans_clusters=3, normalize_means=normalize_means)
    table, embeddings = two_sections()

    scores = scored(config, table, embeddings)

    unit = embeddings.astype("float64")
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for section in ("00", "01"):
        here = (table["section"] == section).to_numpy(bool)
        training = here & (table["split"] == "train").to_numpy(bool)
        is_source = (table["domain"] == "source").fillna(False).to_numpy(bool)
        means = cluster_means(unit[training & is_source], 3, normalize_means=normalize_means)
        nearest = {"source": means, "target": unit[training & ~is_source]}
        for name, normal in nearest.items():
            expected = 1.0 - (unit[here] @ normal.T).max(axis=1)
            np.testing.assert_allclose(scores.columns.loc[here, name], expected, atol=1e-9)
    smaller = scores.columns[["source", "target"]].min(axis=1)
    np.testing.assert_array_equal(scores.columns["combined"], smaller)
    assert scores.notes == ()


def test_the_length_of_the_embeddings_is_irrelevant(config):
    table, embeddings = two_sections()
    lengths = np.linspace(0.1, 10.0, len(embeddings), dtype="float32")[:, None]

    long, short = (scored(config, table, each) for each in (lengths * embeddings, embeddings))

    np.testing.assert_allclose(long.columns, short.columns, atol=1e-6)


def test_means_do_not_depend_on_the_trial(config):
    config = dataclasses.replace(config, kmeans_clusters=8)
    table, embeddings = two_sections()

    first, second = (scored(config, table, embeddings, seed) for seed in (0, 1))

    np.testing.assert_allclose(first.columns, second.columns, atol=1e-9)


@pytest.mark.parametrize(
    ("counts", "present", "absent"),
    [
        ({"num_target": 0}, "source", "target"),
        ({"num_source": 0}, "target", "source"),
    ],
)
def test_without_clips_of_a_domain_those_of_the_other_are_all(config, counts, present, absent):
    columns = scored(config, *two_sections(**counts)).columns

    assert columns[absent].isna().all()
    assert columns[present].notna().all()
    np.testing.assert_array_equal(columns["combined"], columns[present])


def test_a_training_clip_of_unknown_domain_counts_as_a_source_clip(config):
    table, embeddings = two_sections(num_target=0)
    unknown = table.assign(domain=pd.array([pd.NA] * len(table), dtype="string"))

    one, other = (scored(config, each, embeddings).columns for each in (table, unknown))

    pd.testing.assert_frame_equal(one, other)


def test_fewer_clips_than_means_are_noted(config):
    assert scored(config, *two_sections(num_source=12)).notes == (
        "fan_00: 12 source clips for 32 means; fitted 12",
        "fan_01: 12 source clips for 32 means; fitted 12",
    )


def test_both_parts_of_the_score_have_results_of_their_own(config):
    columns = scored(config, *two_sections()).columns
    named = system.create(config).named_scores(list(columns))
    assert set(named) == set(columns) == {"combined", "source", "target"}


@pytest.mark.parametrize("percentile", [50.0, 90.0])
def test_sections_have_thresholds_of_their_own(config, percentile):
    config = dataclasses.replace(config, threshold_percentile=percentile)
    table, _ = two_sections()
    values = pd.Series(np.random.default_rng(1).normal(size=len(table)), table.index)
    values[table["section"] == "01"] += 5.0

    columns = pd.DataFrame({"combined": values})
    thresholds = system.create(config).thresholds(columns, table).values

    for section in ("00", "01"):
        here = table["section"] == section
        expected = np.percentile(values[here & (table["split"] == "train")], percentile)
        np.testing.assert_allclose(thresholds[here], expected)


def test_the_main_score_is_what_is_compared_with_the_paper_and_with_the_threshold(config):
    built = system.create(config)
    assert built.main_score == built.decision_score == "combined"
    assert built.published_rows == {"combined": "adaproj"}
    assert built.scope == "all"
    assert built.batch_size == config.batch_size
