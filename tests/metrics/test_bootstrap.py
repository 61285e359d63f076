"""Bootstrap of the official score: what is drawn, what is measured, how wide it gets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkeras.metrics.auc import auc, partial_auc
from asdkeras.metrics.bootstrap import (
    bootstrap_official_score,
    percentile_interval,
    resample_counts,
    resampled_metric,
    resampled_official_scores,
)
from asdkeras.metrics.official import RULES
from asdkeras.published.papers import convention
from tests.metrics.labelled import labelled_scores, read_submission

YEARS = pytest.mark.parametrize("year", [2021, 2022])


def clips(*, num_sections=2, per_stratum=25, rounded=1):
    """Scores, labels, domains and sections of seeded clips, with ties."""
    rng = np.random.default_rng(5)
    keys = [
        (section, domain, label)
        for section in range(num_sections)
        for domain in ("source", "target")
        for label in (False, True)
    ]
    sections, domains, labels = (
        np.repeat(np.array(column), per_stratum) for column in zip(*keys, strict=True)
    )
    # Domains and sections differ, so that a stratum left out of account would show.
    shift = 1.5 * labels + 2.0 * (domains == "target") + 3.0 * sections
    return np.round(rng.normal(size=len(labels)) + shift, rounded), labels, domains, sections


def official_score(year, scores, labels, domains, sections):
    """By the words of the task descriptions."""
    terms = []
    for section in np.unique(sections):
        here = sections == section
        for domain in ("source", "target"):
            normal = here & ~labels & (domains == domain)
            anomalous = here & labels & ((domains == domain) if year == 2021 else True)
            both = normal | anomalous
            terms.append(auc(scores[both], labels[both]))
            if year == 2021:
                terms.append(partial_auc(scores[both], labels[both]))
        if year == 2022:
            terms.append(partial_auc(scores[here], labels[here]))
    return len(terms) / sum(1.0 / term for term in terms)


@YEARS
def test_score_is_the_official_one(year):
    case = clips(num_sections=3)

    interval = bootstrap_official_score(*case, RULES[f"dcase{year}"], seed=0, num_resamples=50)

    assert interval.score == pytest.approx(official_score(year, *case), abs=1e-12)
    assert interval.lower < interval.score < interval.upper


@YEARS
def test_interval_is_that_of_clips_drawn_one_by_one(year):
    case = clips()
    _, labels, domains, sections = case
    strata = np.unique(
        np.stack([labels, domains == "target", sections]), axis=1, return_inverse=True
    )
    groups = [np.flatnonzero(strata[1].ravel() == group) for group in range(8)]
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(1000):
        chosen = np.concatenate([rng.choice(group, len(group)) for group in groups])
        drawn.append(official_score(year, *(column[chosen] for column in case)))

    interval = bootstrap_official_score(*case, RULES[f"dcase{year}"], seed=2, num_resamples=4000)

    # 1000 draws tell a standard deviation to 2 %, and a quantile to 0.08 of one.
    spread = np.std(drawn, ddof=1)
    assert interval.standard_error == pytest.approx(spread, rel=0.08)
    assert interval.lower == pytest.approx(np.quantile(drawn, 0.025), abs=0.3 * spread)
    assert interval.upper == pytest.approx(np.quantile(drawn, 0.975), abs=0.3 * spread)


@YEARS
def test_every_resample_repeats_its_clips_in_all_terms_of_the_score(year):
    case = clips(num_sections=1)
    case = tuple(column[np.argsort(-case[0], kind="stable")] for column in case)
    _, labels, domains, _ = case
    strata = np.stack([domains == "target", labels])
    counts = resample_counts(strata, 20, np.random.default_rng(6))
    repeated = [
        official_score(year, *(np.repeat(column, row) for column in case)) for row in counts
    ]

    interval = bootstrap_official_score(*case, RULES[f"dcase{year}"], seed=6, num_resamples=20)

    assert interval.lower == pytest.approx(np.quantile(repeated, 0.025), abs=1e-12)
    assert interval.upper == pytest.approx(np.quantile(repeated, 0.975), abs=1e-12)
    assert interval.standard_error == pytest.approx(np.std(repeated, ddof=1), abs=1e-12)


def test_less_confidence_takes_a_part_of_the_same_resamples():
    rules = RULES["dcase2022"]
    wide = bootstrap_official_score(*clips(), rules, seed=0, num_resamples=300)
    half = bootstrap_official_score(*clips(), rules, seed=0, num_resamples=300, confidence=0.5)

    assert half.standard_error == wide.standard_error
    # The middle half of a normal distribution reaches 0.674 standard deviations.
    ratio = (half.upper - half.lower) / (2 * half.standard_error)
    assert ratio == pytest.approx(0.674, abs=0.1)


@settings(deadline=None, max_examples=50)  # A busy machine is no failure.
@given(labelled_scores(), st.randoms(use_true_random=False))
def test_resampled_metrics_equal_those_of_repeated_clips(case, random):
    scores, labels = case
    order = np.argsort(-scores, kind="stable")
    scores, labels = scores[order], labels[order]
    counts = np.array([[random.randint(0, 3) for _ in scores] for _ in range(4)])
    counts[:, [labels.argmax(), labels.argmin()]] = 1  # Both kinds stay.

    repeated = [(np.repeat(scores, row), np.repeat(labels, row)) for row in counts]
    whole, start = (resampled_metric(scores, labels, counts, name) for name in ("auc", "pauc"))

    assert whole == pytest.approx([auc(*pair) for pair in repeated], abs=1e-12)
    assert start == pytest.approx([partial_auc(*pair) for pair in repeated], abs=1e-12)


def test_every_stratum_keeps_its_clips_and_draws_them_evenly():
    strata = np.array([[0, 0, 0, 1, 1, 1, 1, 1], [0, 1, 1, 0, 0, 0, 1, 1]], dtype=bool)

    counts = resample_counts(strata, 4000, np.random.default_rng(0))

    for members in ([0], [1, 2], [3, 4, 5], [6, 7]):
        assert (counts[:, members].sum(axis=1) == len(members)).all()
        # Each clip once on average; the mean of 4000 draws is within 0.05 of it.
        assert counts[:, members].mean(axis=0) == pytest.approx(1.0, abs=0.05)
    assert counts[:, 3:6].max() == 3


def test_same_seed_gives_the_same_interval_in_any_order_of_the_clips():
    case = clips(rounded=8)
    order = np.random.default_rng(3).permutation(len(case[0]))
    rules = RULES["dcase2022"]

    straight = bootstrap_official_score(*case, rules, seed=7, num_resamples=50)
    shuffled = bootstrap_official_score(
        *(column[order] for column in case), rules, seed=7, num_resamples=50
    )
    other = bootstrap_official_score(*case, rules, seed=8, num_resamples=50)

    assert shuffled == straight
    assert other.score == straight.score
    assert other.standard_error != straight.standard_error


def test_perfect_scores_leave_no_doubt():
    _, labels, domains, sections = clips()
    interval = bootstrap_official_score(
        labels.astype(float), labels, domains, sections, RULES["dcase2021"], seed=0, num_resamples=9
    )
    assert interval == (1.0, 1.0, 1.0, 0.0)


def test_score_of_a_real_submission_is_the_printed_one():
    case = read_submission("eval2022_Xiao_HEU-HIT_task2_1", 2022, ".csv")

    interval = bootstrap_official_score(*case, RULES["dcase2022"], seed=0, num_resamples=20)

    assert interval.score == pytest.approx(0.6639461929735759, abs=1e-12)
    assert interval.lower < interval.score < interval.upper


@pytest.mark.parametrize("rules", [RULES["plain"], convention("wilkinghoff2024")])
def test_rules_without_an_official_score_are_refused(rules):
    with pytest.raises(ValueError, match=f"{rules.name} have no official score"):
        bootstrap_official_score(*clips(), rules, seed=0)


def test_section_without_anomalies_in_a_domain_is_refused_by_name():
    scores, labels, domains, sections = clips()
    labels = labels & ~((sections == 1) & (domains == "target"))
    message = r"section 1, domain target: .*Received: 50 normal and 0 anomalous"
    with pytest.raises(ValueError, match=message):
        bootstrap_official_score(scores, labels, domains, sections, RULES["dcase2021"], seed=0)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({0: np.full(200, np.nan)}, {}, "must be finite. Received: 200 of 200"),
        ({2: np.array(["source"])}, {}, r"one value per clip, 200. Received: shapes \(1,\)"),
        ({3: np.array([0, 1])}, {}, r"one value per clip, 200. Received: .*\(2,\)"),
        ({2: np.full(200, "")}, {}, "`source` or `target`"),
        ({}, {"num_resamples": 1}, "at least 2 resamples.*num_resamples=1"),
        ({}, {"confidence": 1.0}, r"confidence in \(0, 1\).*confidence=1.0"),
    ],
)
def test_other_arguments_are_refused_with_the_reason(changes, options, message):
    case = [changes.get(place, column) for place, column in enumerate(clips())]
    with pytest.raises(ValueError, match=message):
        bootstrap_official_score(*case, RULES["dcase2022"], seed=0, **options)


def resampled(trials, case, **options):
    """The resamples of trials on the clips of a case, by the rules of 2021."""
    return resampled_official_scores(
        trials, *case[1:], RULES["dcase2021"], seed=3, num_resamples=300, **options
    )


@YEARS
def test_shared_resamples_are_those_of_clips_repeated_as_they_were_drawn(year):
    scores, *clips_of = clips()
    other = np.round(scores + np.random.default_rng(1).normal(size=len(scores)), 1)
    trials = np.stack([other, scores])

    found = resampled_official_scores(
        trials, *clips_of, RULES[f"dcase{year}"], seed=9, num_resamples=20
    )

    labels, domains, sections = clips_of
    rng = np.random.default_rng(9)
    strata = np.stack([domains == "target", labels])
    counts = [resample_counts(strata[:, sections == s], 20, rng) for s in np.unique(sections)]
    drawn = np.concatenate(counts, axis=1)  # Sections of `clips` lie one behind the other.
    for row, value in zip(drawn, found, strict=True):
        repeated = [np.repeat(column, row) for column in clips_of]
        of_trials = [official_score(year, np.repeat(one, row), *repeated) for one in trials]
        assert value == pytest.approx(np.mean(of_trials), abs=1e-12)


def test_scores_in_another_scale_have_the_same_resamples():
    case = clips(rounded=8)

    same = resampled([np.exp(case[0] / 4.0)], case)

    assert same == pytest.approx(resampled([case[0]], case), abs=1e-12)


def test_better_system_has_an_interval_of_differences_above_zero():
    case = clips(rounded=8)
    better = case[0] + 0.6 * case[1]

    difference = resampled([better], case) - resampled([case[0]], case)

    lower, upper = percentile_interval(difference)
    assert 0.0 < lower < upper
    # Nearly the same clips are hard for both, so the difference is surer than either score.
    assert upper - lower < np.subtract(*percentile_interval(resampled([better], case))[::-1])


def test_twin_with_other_scores_for_the_same_kind_of_clips_has_an_interval_around_zero():
    case = clips(rounded=8)
    strata = np.unique(
        np.stack([case[1], case[2] == "target", case[3]]), axis=1, return_inverse=True
    )
    twin, rng = case[0].copy(), np.random.default_rng(4)
    for stratum in range(8):
        members = np.flatnonzero(strata[1].ravel() == stratum)
        twin[members] = rng.permutation(twin[members])

    lower, upper = percentile_interval(resampled([twin], case) - resampled([case[0]], case))

    assert lower < 0.0 < upper
    assert upper - lower > 0.02


@pytest.mark.parametrize(
    ("trials", "options", "message"),
    [
        (np.zeros((0, 200)), {}, "at least one trial"),
        (np.zeros((1, 3)), {}, "same length.*shapes"),
        (np.full((1, 200), np.inf), {}, "must be finite"),
    ],
)
def test_trials_that_are_none_are_refused_with_the_reason(trials, options, message):
    with pytest.raises(ValueError, match=message):
        resampled(trials, clips(), **options)
