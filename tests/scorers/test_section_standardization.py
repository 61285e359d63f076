"""Mean and spread of the training clips, each section by itself."""

import numpy as np
import pandas as pd

from asdkeras.scorers.section_standardization import domain_moments, section_moments


def table_and_scores():
    """Training clips of the fan: 1 and 3 in section 00, 10 and 16 in 01; of the valve: 5."""
    rows = [
        *[("fan", "00", "train", 1.0), ("fan", "01", "train", 10.0), ("fan", "00", "test", 9.0)],
        *[("fan", "00", "train", 3.0), ("fan", "01", "train", 16.0), ("fan", "01", "test", 0.0)],
        *[("valve", "00", "train", 5.0), ("valve", "00", "test", 8.0)],
    ]
    names = ["machine_type", "section", "split", "score"]
    table = pd.DataFrame(rows, columns=names, index=range(20, 28))
    return table, table["score"]


def test_mean_and_population_spread_are_those_of_the_training_clips_of_the_section():
    table, scores = table_and_scores()

    moments = section_moments(scores, table)

    np.testing.assert_allclose(moments.mean, [2, 13, 2, 2, 13, 13, 5, 5])
    np.testing.assert_allclose(moments.spread, [1, 3, 1, 1, 3, 3, 1, 1])
    assert moments.mean.index.equals(table.index)


def test_training_clips_of_one_score_are_named_and_have_a_spread_of_one():
    """Three times 0.1 has a mean above 0.1, and so a spread of 1e-17."""
    table = pd.DataFrame({"machine_type": "fan", "section": "02", "split": ["train"] * 3})

    moments = section_moments(pd.Series([0.1, 0.1, 0.1]), table)

    assert moments.spread.tolist() == [1.0, 1.0, 1.0]
    assert moments.constant == ("fan 02",)


def test_clips_without_a_score_do_not_count():
    table, scores = table_and_scores()
    scores = scores.copy()
    scores.loc[[20, 26]] = np.nan

    moments = section_moments(scores, table)

    np.testing.assert_allclose(moments.mean, [3, 13, 3, 3, 13, 13, np.nan, np.nan])
    assert moments.spread[26:].isna().all()
    assert moments.constant == ("fan 00",)


def domain_table():
    """Section 00 of the fan. Training: source 0, 2, 4, target 7, 7; test: 1, 5, and 9 unknown."""
    rows = [
        *[("source", "train", 0.0), ("source", "train", 2.0), ("source", "train", 4.0)],
        *[("target", "train", 7.0), ("target", "train", 7.0)],
        *[("source", "test", 1.0), ("target", "test", 5.0), (pd.NA, "test", 9.0)],
    ]
    table = pd.DataFrame(rows, columns=["domain", "split", "score"]).astype({"domain": "string"})
    return table.assign(machine_type="fan", section="00"), table["score"]


def test_a_domain_counts_by_itself_where_its_training_clips_differ():
    """All five have the mean 4; the target clips are alike, and the last has no domain."""
    table, scores = domain_table()

    moments = section_moments(scores, table, "section_and_domain")

    spread, of_source = np.std([0, 2, 4, 7, 7]), np.std([0, 2, 4])
    np.testing.assert_allclose(moments.mean, [2, 2, 2, 4, 4, 2, 4, 4])
    np.testing.assert_allclose(
        moments.spread, [*3 * [of_source], spread, spread, of_source, spread, spread], rtol=1e-14
    )
    assert moments.constant == ()


def test_both_domains_count_by_themselves_where_both_differ():
    table, scores = domain_table()
    scores = scores.copy()
    scores[4] = 9.0

    moments = section_moments(scores, table, "section_and_domain")

    np.testing.assert_allclose(moments.mean[[3, 4, 6]], 8.0)
    np.testing.assert_allclose(moments.spread[[3, 4, 6]], 1.0)


def test_test_clips_can_be_gone_by():
    table, scores = domain_table()

    moments = section_moments(scores, table, split="test")

    np.testing.assert_allclose(moments.mean, 5.0)
    np.testing.assert_allclose(moments.spread, np.std([1, 5, 9]))


def test_a_section_without_test_clips_goes_by_its_training_clips():
    table, scores = table_and_scores()

    moments = section_moments(scores.drop(27), table.drop(27), split="test")

    np.testing.assert_allclose(moments.mean, [9, 0, 9, 9, 0, 0, 5])


def test_a_domain_with_enough_clips_goes_by_these_and_others_by_all():
    """Ten of the source count, nine of the target, and one without a domain."""
    random = np.random.default_rng(0)
    domains = np.array(["source"] * 12 + ["target"] * 11 + [""] * 2)
    counts = np.array([True] * 10 + [False] * 2 + [True] * 9 + [False] * 2 + [True, False])
    values = random.normal(size=25) * np.where(domains == "source", 1.0, 4.0)

    moments = domain_moments(values, domains, counts)

    of_source = list(values[:10])
    everything = [value for value, is_counted in zip(values, counts, strict=True) if is_counted]
    for part, chosen in ((slice(0, 12), of_source), (slice(12, 25), everything)):
        mean = sum(chosen) / len(chosen)
        variance = sum((value - mean) ** 2 for value in chosen) / len(chosen)
        np.testing.assert_allclose(moments.mean[part], mean, rtol=1e-12)
        np.testing.assert_allclose(moments.spread[part], variance**0.5, rtol=1e-12)
    assert moments.constant == ()


def test_domains_of_one_score_have_a_spread_of_one_and_are_named():
    values = [0.1, 0.1, 0.1, 5.0, 7.0, 0.2]
    domains = ["source", "source", "source", "target", "target", ""]

    by_domain = domain_moments(values, domains, [True] * 6, least=3)
    pooled = domain_moments(values, domains, [True] * 3 + [False] * 3, least=4)

    np.testing.assert_allclose(by_domain.spread[:3], 1.0)
    assert by_domain.constant == ("source",)
    np.testing.assert_allclose(pooled.spread, 1.0)
    assert pooled.constant == ("",)


def test_values_that_are_none_count_for_nothing():
    values = [1.0, 3.0, np.nan, np.nan]

    moments = domain_moments(values, ["source"] * 4, [True] * 4, least=3)
    nothing = domain_moments(values, ["source"] * 4, [False] * 4)

    np.testing.assert_allclose(moments.mean, 2.0)
    np.testing.assert_allclose(moments.spread, 1.0)
    assert np.isnan([nothing.mean, nothing.spread]).all()
    assert nothing.constant == ()
