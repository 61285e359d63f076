"""Mean and spread of the training clips, each section by itself."""

import numpy as np
import pandas as pd
import pytest

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


def large_table(num_target=10):
    """Section 00: 30 source clips, `num_target` target clips, all of training, and 4 test clips."""
    domains = [*["source"] * 30, *["target"] * num_target, "source", "target", "target", pd.NA]
    table = pd.DataFrame({"domain": pd.array(domains, dtype="string")})
    table["split"] = ["train"] * (30 + num_target) + ["test"] * 4
    scores = pd.Series(np.random.default_rng(0).normal(size=len(table)))
    scores[table["domain"].eq("target").fillna(False).to_numpy(bool)] *= 5.0
    return table.assign(machine_type="fan", section="00"), scores


def test_a_domain_with_ten_clips_counts_by_itself():
    table, scores = large_table()

    moments = section_moments(scores, table, "section_and_domain")

    for rows, counted in (
        ([0, 40], scores[:30]),
        ([30, 41, 42], scores[30:40]),
        ([43], scores[:40]),
    ):
        np.testing.assert_allclose(moments.mean[rows], np.mean(counted), rtol=1e-12)
        np.testing.assert_allclose(moments.spread[rows], np.std(counted), rtol=1e-12)


def test_a_domain_with_nine_clips_counts_with_the_section():
    table, scores = large_table(num_target=9)

    moments = section_moments(scores, table, "section_and_domain")

    np.testing.assert_allclose(moments.mean[[30, 40, 41]], np.mean(scores[:39]), rtol=1e-12)
    np.testing.assert_allclose(moments.mean[[0, 39]], np.mean(scores[:30]), rtol=1e-12)


@pytest.mark.parametrize("scope", ["section", "section_and_domain"])
def test_clips_that_were_not_learned_from_can_be_gone_by(scope):
    """Twelve source clips, and four of the target, which are too few by themselves."""
    table, scores = large_table()
    held_out = pd.Series(False, table.index)
    held_out[[*range(3, 15), *range(30, 34)]] = True

    moments = section_moments(scores, table, scope, "held_out", held_out)

    alone, together = scores[3:15], pd.concat([scores[3:15], scores[30:34]])
    counted = together if scope == "section" else alone
    np.testing.assert_allclose(moments.mean[[0, 40]], np.mean(counted), rtol=1e-12)
    np.testing.assert_allclose(moments.spread[[0, 40]], np.std(counted), rtol=1e-12)
    np.testing.assert_allclose(moments.mean[[30, 41, 43]], np.mean(together), rtol=1e-12)
    assert moments.learned == ()


@pytest.mark.parametrize("held_out", [None, pd.Series([True] * 9 + [False] * 35)])
def test_with_fewer_than_ten_of_them_a_section_goes_by_its_training_clips(held_out):
    table, scores = large_table()

    moments = section_moments(scores, table, "section_and_domain", "held_out", held_out)
    expected = section_moments(scores, table, "section_and_domain", "train")

    pd.testing.assert_series_equal(moments.mean, expected.mean)
    pd.testing.assert_series_equal(moments.spread, expected.spread)
    assert (moments.learned, expected.learned) == (("fan 00",), ())


def test_a_domain_of_one_score_is_named():
    table, scores = large_table()
    scores[30:40] = 0.1

    moments = section_moments(scores, table, "section_and_domain")

    np.testing.assert_allclose(moments.spread[30:40], 1.0)
    assert moments.constant == ("fan 00 target",)


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
