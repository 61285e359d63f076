"""wilkinghoff2024: scores and thresholds stay within a section and follow the recipe."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asdkeras.config import build_config, read_recipe
from asdkeras.scorers.exemplars import ExemplarScorer
from asdkeras.systems import wilkinghoff2024 as system
from asdkeras.systems.system import Representations

RECIPE = Path(__file__).parents[2] / "recipes" / "wilkinghoff2024" / "dcase2023.yaml"
NUM_SOURCE, NUM_TARGET, NUM_TEST = 40, 3, 5


@pytest.fixture
def config():
    return build_config(system.Config, read_recipe(RECIPE)["config"], "here")


def two_sections():
    """Clip table of two sections of one machine type, and embeddings."""
    split = ["train"] * (NUM_SOURCE + NUM_TARGET) + ["test"] * NUM_TEST
    domain = ["source"] * NUM_SOURCE + ["target"] * NUM_TARGET + ["source"] * NUM_TEST
    part = pd.DataFrame({"machine_type": "fan", "split": split, "domain": domain}, dtype="string")
    table = pd.concat([part.assign(section=name) for name in ("00", "01")], ignore_index=True)
    table = table.sample(frac=1.0, random_state=0)  # Neither by section nor with index 0, 1, 2.
    embeddings = np.random.default_rng(0).normal(size=(len(table), 4))
    return table.astype("string"), embeddings.astype("float32")


@pytest.mark.parametrize("normalize_means", [False, True])
def test_exemplars_are_those_of_the_section_and_the_recipe(config, normalize_means):
    config = dataclasses.replace(config, kmeans_clusters=3, normalize_means=normalize_means)
    table, embeddings = two_sections()

    scores = system.score(config, Representations({"embedding": embeddings}, {}), table, seed=3)

    unit = embeddings.astype("float64")
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for section in ("00", "01"):
        here = (table["section"] == section).to_numpy(bool)
        training = here & (table["split"] == "train").to_numpy(bool)
        is_source = (table["domain"] == "source").to_numpy(bool)
        scorer = ExemplarScorer(3, normalize_means=normalize_means, random_state=0)
        scorer.fit(unit[training & is_source], unit[training & ~is_source])
        for name, expected in scorer.terms(unit[here]).items():
            np.testing.assert_allclose(scores.columns.loc[here, name], expected, atol=1e-9)
    assert scores.notes == ()


def test_means_do_not_depend_on_the_trial(config):
    config = dataclasses.replace(config, kmeans_clusters=8)
    table, embeddings = two_sections()
    representations = Representations({"embedding": embeddings}, {})

    first, second = (system.score(config, representations, table, seed) for seed in (0, 1))

    np.testing.assert_allclose(first.columns, second.columns, atol=1e-9)


def test_both_parts_of_the_score_have_results_of_their_own(config):
    table, embeddings = two_sections()
    scores = system.score(config, Representations({"embedding": embeddings}, {}), table, seed=0)
    assert set(scores.named_scores) == set(scores.columns) == {"combined", "source", "target"}


@pytest.mark.parametrize("percentile", [50.0, 90.0])
def test_sections_have_thresholds_of_their_own(config, percentile):
    config = dataclasses.replace(config, threshold_percentile=percentile)
    table, _ = two_sections()
    values = pd.Series(np.random.default_rng(1).normal(size=len(table)), table.index)
    values[table["section"] == "01"] += 5.0

    thresholds = system.decide(config, pd.DataFrame({"combined": values}), table, {})

    for section in ("00", "01"):
        here = table["section"] == section
        expected = np.percentile(values[here & (table["split"] == "train")], percentile)
        np.testing.assert_allclose(thresholds[here], expected)


def test_the_answer_is_what_is_compared_with_the_paper(config):
    built = system.build(config)
    assert built.published_rows == {"combined": "adaproj"}
    assert built.scope == "all"
    assert built.batch_size == config.batch_size
