"""Thresholds from normal scores: percentiles, gamma distributions, and their scopes."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

from asdkeras.scorers.thresholds import (
    ThresholdRule,
    gamma_quantile,
    gamma_threshold,
    percentile_threshold,
    scope_thresholds,
)
from tests.clip_table import clip_table
from tests.golden import load_golden
from tests.real_data import real_data

GAMMA = load_golden("metrics/gamma_threshold.json")


def test_threshold_is_that_of_the_reference():
    golden = load_golden("wilkinghoff_backend/backend")
    references = np.concatenate([golden["adaproj_centers_ninit10"], golden["tgt"]])
    scores = (1 - golden["src"] @ references.T).min(axis=1)
    assert percentile_threshold(scores) == pytest.approx(float(golden["thr90"]), rel=1e-12)


def test_threshold_of_three_clips_lies_between_the_two_largest():
    assert percentile_threshold([1.0, 5.0, 2.0]) == pytest.approx(2.0 + 0.8 * 3.0)


def test_half_the_scores_lie_below_the_fiftieth_percentile():
    assert percentile_threshold([4.0, 1.0, 3.0, 2.0], percentile=50) == 2.5


@pytest.mark.parametrize("threshold", [percentile_threshold, gamma_threshold])
@pytest.mark.parametrize(
    ("scores", "percentile", "message"),
    [
        ([], 90, "at least one clip.*Received"),
        ([[1.0]], 90, r"one score per training clip.*\(1, 1\)"),
        ([1.0, np.nan], 90, "finite.*Received: 1 of 2"),
        ([1.0, -np.inf, np.inf], 90, "finite.*Received: 2 of 3"),
        ([1.0], 101, r"`percentile` must lie.*100.*Received: percentile=101"),
        ([1.0], -1, r"`percentile` must lie.*Received: percentile=-1"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(threshold, scores, percentile, message):
    with pytest.raises(ValueError, match=message):
        threshold(scores, percentile)


@pytest.mark.parametrize("percentile", [0, 100])
def test_ends_of_a_gamma_distribution_are_no_thresholds(percentile):
    with pytest.raises(ValueError, match="between 0 and 100"):
        gamma_threshold([1.0, 2.0, 3.0, 4.0], percentile)


@pytest.mark.parametrize("percentile", [60, 90, 95])
@pytest.mark.parametrize("case", GAMMA["scores"])
def test_gamma_threshold_is_that_of_the_baselines(case, percentile):
    for recorded in GAMMA["by_scipy"].values():
        threshold = gamma_threshold(GAMMA["scores"][case], percentile)

        assert threshold.value == pytest.approx(recorded[case][f"thr_{percentile}"], rel=1e-6)
        assert threshold.shape == pytest.approx(recorded[case]["shape"], rel=1e-6)
        assert threshold.loc == pytest.approx(recorded[case]["loc"], rel=1e-6)
        assert threshold.scale == pytest.approx(recorded[case]["scale"], rel=1e-6)
        assert threshold.reason == ""


def test_gamma_quantile_leaves_its_share_of_the_density_below():
    shape, loc, scale = 2.5, -1.0, 0.7

    threshold = gamma_quantile(shape, loc, scale, 80)

    below, _ = integrate.quad(
        lambda x: ((x - loc) / scale) ** (shape - 1) * np.exp(-(x - loc) / scale), loc, threshold
    )
    assert below / (special.gamma(shape) * scale) == pytest.approx(0.8, abs=1e-9)


# Distances of 52 training clips, such as SciPy's search alone gets lost on.
LOST = np.random.default_rng(11).gamma(60.0, 0.0005, 52) + 0.013


def likelihood(parameters, scores):
    """Sum of the logarithms of the density, from its formula."""
    shape, loc, scale = parameters
    z = (scores - loc) / scale
    log_density = (shape - 1) * np.log(z) - z - special.gammaln(shape) - np.log(scale)
    return log_density.sum()


@pytest.mark.parametrize("seed", range(20))
def test_a_restarted_fit_is_never_less_likely(seed):
    generator = np.random.default_rng(seed)
    scores = generator.gamma(generator.uniform(0.5, 80.0), 0.001, 40) + generator.normal()

    plain, again = (gamma_threshold(scores, restart=restart) for restart in (False, True))

    assert likelihood(again[1:4], scores) >= likelihood(plain[1:4], scores) - 1e-9


def test_a_restart_finds_back_from_a_search_that_got_lost(monkeypatch):
    fit = stats.gamma.fit
    lost = (0.2, LOST.min() - 1e-9, 3.0)
    monkeypatch.setattr(
        stats.gamma, "fit", lambda x, *start, **more: fit(x, *start, **more) if start else lost
    )

    assert gamma_threshold(LOST).value > 0.2
    found = gamma_threshold(LOST, restart=True)

    assert LOST.min() < found.value < LOST.max()
    share = stats.gamma(found.shape, found.loc, found.scale).cdf(found.value)
    assert share == pytest.approx(0.9)


@pytest.mark.parametrize("scores", [[1.0, 2.0, 3.0, 3.1], [0.0, 0.0, 0.0, 1.0, 2.0, 9.0]])
def test_scores_skewed_to_either_side_can_be_restarted(scores):
    assert np.isfinite(gamma_threshold(scores, restart=True).value)


@pytest.mark.parametrize(
    ("scores", "value"),
    [
        ([7.0], 7.0),
        ([1.0, 2.0], 1.9),
        ([1.0, 2.0, 5.0], 4.4),
        ([2.0] * 50, 2.0),
        ([0.0] * 50 + [1.0], 0.0),
    ],
)
def test_too_few_different_scores_give_the_percentile_and_the_reason(scores, value):
    threshold = gamma_threshold(scores)

    assert threshold.value == pytest.approx(value)
    assert [threshold.shape, threshold.loc, threshold.scale] == [None] * 3
    assert threshold.reason == f"{len(set(scores))} different scores of {len(scores)} clips"


def test_four_different_scores_are_fitted():
    threshold = gamma_threshold([1.0, 2.0, 3.0, 5.0])
    assert threshold.reason == ""
    assert threshold.value == gamma_quantile(*threshold[1:4])


def test_none_of_equal_scores_is_above_the_threshold():
    scores = np.full(20, 0.1)
    assert not (scores > gamma_threshold(scores).value).any()


def test_fit_that_fails_gives_the_percentile_and_the_reason():
    scores = [1e300, 2e300, 3e300, 1e299]

    threshold = gamma_threshold(scores)

    assert threshold.value == percentile_threshold(scores)
    assert "the fit failed: " in threshold.reason


def test_fit_without_a_finite_threshold_gives_the_percentile_and_the_reason(monkeypatch):
    monkeypatch.setattr(stats.gamma, "fit", lambda scores: (1.0, 0.0, np.nan))

    threshold = gamma_threshold([1.0, 2.0, 3.0, 4.0])

    assert threshold.value == percentile_threshold([1.0, 2.0, 3.0, 4.0])
    assert threshold.reason == "the fit gave (1.0, 0.0, nan)"


def frame(rows):
    columns = ["machine_type", "section", "domain", "anomaly_score"]
    return pd.DataFrame(rows, columns=columns)


TRAINING = frame(
    [
        ("fan", "00", "source", 1.0),
        ("fan", "00", "source", 3.0),
        ("fan", "00", "target", 7.0),
        ("fan", "01", "source", 20.0),
        ("pump", "00", "source", 100.0),
    ]
)


@pytest.mark.parametrize(
    ("scope", "thresholds"),
    [
        ("machine_type", [20.0, 20.0, 20.0, 20.0, 20.0, 100.0]),
        ("section", [7.0, 7.0, 7.0, 20.0, 20.0, 100.0]),
        ("section_and_domain", [3.0, 7.0, 7.0, 20.0, 20.0, 100.0]),
    ],
)
def test_clips_take_the_threshold_of_their_scope(scope, thresholds):
    clips = frame(
        [
            ("fan", "00", "source", 0.0),
            ("fan", "00", "target", 0.0),
            ("fan", "00", None, 0.0),
            ("fan", "01", "source", 0.0),
            ("fan", "01", "target", 0.0),
            ("pump", "00", "source", 0.0),
        ]
    ).sample(frac=1.0, random_state=0)

    answer = scope_thresholds(TRAINING, clips, scope, np.max)

    assert answer.index.equals(clips.index)
    assert answer.sort_index().tolist() == thresholds


def test_training_clips_without_domains_serve_their_section():
    training = frame([("fan", "00", None, 4.0), ("fan", "00", "source", 1.0)])
    clips = frame([("fan", "00", "source", 0.0), ("fan", "00", "target", 0.0)])

    answer = scope_thresholds(training, clips, "section_and_domain", np.max)

    assert answer.tolist() == [1.0, 4.0]


@pytest.mark.parametrize(
    ("scope", "place"),
    [("machine_type", "valve"), ("section", "valve/00"), ("section_and_domain", "valve/00")],
)
def test_scope_without_training_clips_is_refused_by_name(scope, place):
    clips = frame([("fan", "00", "source", 0.0), ("valve", "00", "source", 0.0)])
    with pytest.raises(ValueError, match=f"normal training clips. Received: none of {place}$"):
        scope_thresholds(TRAINING, clips, scope, np.max)


def test_other_scope_is_refused_with_the_possible_ones():
    with pytest.raises(ValueError, match=r"'section_and_domain'\]. Received: scope='domain'"):
        scope_thresholds(TRAINING, TRAINING, "domain", np.max)


def scored_clips():
    """A clip table in no order and its scores; test clips have none."""
    random = np.random.default_rng(0)
    rows = [
        (machine_type, section, domain, split)
        for machine_type in ("fan", "pump")
        for section in ("00", "01")
        for domain, split, count in (
            *[("source", "train", 9), ("target", "train", 2), ("source", "test", 2)],
            *[("target", "test", 2), (None, "test", 1)],
        )
        for _ in range(count)
        if (machine_type, domain, split) != ("pump", "target", "train")
    ]
    table = pd.DataFrame(rows, columns=["machine_type", "section", "domain", "split"])
    table = table.astype("string").sample(frac=1.0, random_state=0)
    scores = pd.Series(random.gamma(3.0, 2.0, len(table)), table.index)
    return table, scores.where(table["split"] == "train")


METHODS = {
    "percentile": percentile_threshold,
    "gamma": lambda scores, percentile: gamma_threshold(scores, percentile).value,
    "gamma_restarted": lambda scores, percentile: (
        gamma_threshold(scores, percentile, restart=True).value
    ),
}
SCOPES = {
    "model": [],
    "machine_type": ["machine_type"],
    "section": ["machine_type", "section"],
    "section_and_domain": ["machine_type", "section", "domain"],
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scope", SCOPES)
def test_rule_sets_thresholds_by_its_scope_and_method(scope, method):
    table, scores = scored_clips()

    thresholds = ThresholdRule(scope, method, 70.0).thresholds(scores, table)

    expected = []
    for _, clip in table.iterrows():
        counted = scores[(table["split"] == "train")]
        for key in SCOPES[scope]:
            same = counted[(table.loc[counted.index, key] == clip[key]).fillna(False)]
            # A domain without training clips, or none: the section counts.
            counted = same if len(same) else counted
        expected.append(METHODS[method](counted.to_numpy(), 70.0))
    assert thresholds.values.index.equals(table.index)
    np.testing.assert_allclose(thresholds.values, expected, rtol=1e-12)
    assert len(set(expected)) == {"model": 1, "machine_type": 2, "section": 4}.get(scope, 8)
    is_short = method != "percentile" and scope == "section_and_domain"
    notes = [
        f"{name}: the threshold is a percentile of the scores, 2 different scores of 2 clips "
        "(and 1 like it)"
        for name in (["fan"] if is_short else [])
    ]
    assert list(thresholds.notes) == notes


@pytest.mark.parametrize("scope", ["machine_type", "section", "section_and_domain"])
def test_machine_type_may_have_a_percentile_of_its_own(scope):
    table, scores = scored_clips()

    mixed = ThresholdRule(scope, "percentile", 70.0, {"pump": 20.0}).thresholds(scores, table)

    for machine_type, percentile in (("fan", 70.0), ("pump", 20.0)):
        alike = ThresholdRule(scope, "percentile", percentile).thresholds(scores, table)
        is_here = table["machine_type"] == machine_type
        pd.testing.assert_series_equal(mixed.values[is_here], alike.values[is_here])


@pytest.mark.parametrize(
    ("method", "reason"), [("percentile", ""), ("gamma", "2 different scores of 3 clips")]
)
def test_rule_says_where_a_percentile_stands_in_for_a_distribution(method, reason):
    table, _ = scored_clips()

    thresholds = ThresholdRule("model", method, 70.0).same_for_all(np.array([1.0, 3.0, 3.0]), table)

    assert thresholds.values.index.equals(table.index)
    np.testing.assert_allclose(thresholds.values, np.percentile([1.0, 3.0, 3.0], 70.0))
    start = "fan, pump: the threshold is a percentile of the scores, "
    assert thresholds.notes == ((start + reason,) if reason else ())


def test_published_decisions_follow_from_the_published_distributions():
    path = real_data("3_thresholds/dev2021_jeff_ae") / "gamma_params.json"
    scores_folder = real_data("2_scores/dev2021_jeff_ae")
    printed = {
        **{"ToyCar": 10.782271, "ToyTrain": 9.028608, "fan": 9.479158, "gearbox": 9.053774},
        **{"pump": 10.031756, "slider": 10.684154, "valve": 10.417400},
    }
    num_compared = 0

    for machine_type, parameters in json.loads(path.read_text()).items():
        threshold = gamma_quantile(**parameters)

        assert threshold == pytest.approx(printed[machine_type], abs=1e-6)
        for file in scores_folder.glob(f"anomaly_score_{machine_type}_*.csv"):
            scores = read(file)
            decisions = read(file.with_name(file.name.replace("anomaly_score", "decision_result")))
            assert decisions == {name: float(score > threshold) for name, score in scores.items()}
            num_compared += len(scores)
    assert num_compared == 8621


def read(path):
    with path.open(newline="") as file:
        return {name: float(value) for name, value in csv.reader(file)}


TWENTY = [
    *(13.67, 13.17, 12.86, 13.78, 12.8, 14.69, 13.87, 13.61, 11.65, 11.15, 11.74, 13.98, 13.57),
    *(11.45, 13.95, 12.33, 12.33, 15.63, 13.46, 30.0),
]


def test_a_fit_that_its_scores_contradict_is_kept_with_a_note_or_begun_again():
    kept = gamma_threshold(TWENTY)
    restarted = gamma_threshold(TWENTY, restart=True)

    assert kept.value == pytest.approx(12.088, abs=1e-3)
    assert "16 of 20 lie above its 90th percentile, 12.09" in kept.misfit
    assert (restarted.misfit, restarted.reason) == ("", "")
    assert np.count_nonzero(np.array(TWENTY) > restarted.value) == 1


def test_a_threshold_far_above_all_scores_but_one_becomes_the_percentile():
    # One clip of a machine that was off; the fit ends between it and the others.
    scores = np.append(np.random.default_rng(0).normal(20.0, 1.5, 30), 1855.0)

    threshold = gamma_threshold(scores, restart=True)

    assert threshold.value == np.percentile(scores, 90.0) < 24.0
    assert threshold.reason.startswith(
        "a fitted gamma distribution does not describe them: 1 of 31"
    )


@pytest.mark.parametrize("num_scores", [50, 200, 1000])
def test_scores_of_a_gamma_distribution_pass(num_scores):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        scores = rng.gamma(rng.uniform(1.0, 9.0), 1.0, num_scores) + 3.0

        threshold = gamma_threshold(scores, restart=True)

        assert (threshold.reason, threshold.misfit) == ("", "")


def test_rules_say_which_fits_were_replaced_and_which_were_kept():
    table = clip_table([{"split": "train"}] * 20, machine_type="fan", section="00", domain="source")
    scores = pd.Series(TWENTY)

    kept = ThresholdRule("model", "gamma", 90.0).thresholds(scores, table)
    off = pd.Series([*np.random.default_rng(0).normal(20.0, 1.5, 19), 1855.0])
    replaced = ThresholdRule("section", "gamma_restarted", 90.0).thresholds(off, table)

    assert kept.notes[0].startswith("fan: the threshold is kept as SciPy found it, a fitted gamma")
    assert replaced.notes[0].startswith(
        "fan: the threshold is a percentile of the scores, a fitted"
    )
