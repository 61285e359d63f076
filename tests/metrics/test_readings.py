"""The three readings of a domain metric, for scores and for decisions."""

import json
from pathlib import Path

import numpy as np
import pytest

from asdkeras.metrics.auc import auc, partial_auc
from asdkeras.metrics.decision_metrics import decision_metrics
from asdkeras.metrics.official import clips_in_reading

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/metrics/metrics_small.json").read_text())
CASES = pytest.mark.parametrize("case", GOLDEN["cases"].values(), ids=GOLDEN["cases"])
DOMAINS = pytest.mark.parametrize("domain", ["source", "target"])


def clips(case):
    domains = np.where(np.array(case["dom"]) == 1, "target", "source")
    return np.array(case["s"]), np.array(case["y"], dtype=bool), domains


@CASES
@DOMAINS
def test_scores_of_a_domain_are_those_of_the_official_scripts(case, domain):
    scores, labels, domains = clips(case)
    expected = case["expected"]

    within = clips_in_reading("within", domain, labels, domains)
    mixed = clips_in_reading("mixed", domain, labels, domains)
    everything = clips_in_reading("all", domain, labels, domains)

    assert auc(scores[within], labels[within]) == expected[f"auc2021_{domain}"]
    assert partial_auc(scores[within], labels[within]) == expected[f"pauc2021_{domain}"]
    assert auc(scores[mixed], labels[mixed]) == expected[f"auc2022_{domain}"]
    assert auc(scores[everything], labels[everything]) == expected["auc_all"]
    assert partial_auc(scores[everything], labels[everything]) == expected["pauc_all"]


@pytest.mark.parametrize(
    ("reading", "normal", "anomalous"),
    [("within", "source", "source"), ("mixed", "source", "any"), ("all", "any", "any")],
)
@CASES
def test_decisions_are_counted_in_each_reading(case, reading, normal, anomalous):
    scores, labels, domains = clips(case)
    flagged = scores > case["thr"]
    hits = false_alarms = misses = 0
    for flag, label, domain in zip(flagged, labels, domains, strict=True):
        if (anomalous if label else normal) in (domain, "any"):
            hits += flag and label
            false_alarms += flag and not label
            misses += label and not flag

    mask = clips_in_reading(reading, "source", labels, domains)
    metrics = decision_metrics(flagged[mask], labels[mask])

    num_flagged = hits + false_alarms
    assert metrics.precision == pytest.approx(hits / num_flagged if num_flagged else 0.0)
    assert metrics.recall == pytest.approx(hits / (hits + misses))
    f1 = 2 * hits / (2 * hits + false_alarms + misses)
    assert metrics.f1 == pytest.approx(f1)


@pytest.mark.parametrize(
    ("reading", "domain", "domains", "message"),
    [
        ("own", "source", ["source"], "must be `within`, `mixed` or `all`. Received: .*'own'"),
        ("within", "both", ["source"], r"`source` or `target`. Received: \['both'\]"),
        ("mixed", "source", [""], r"`source` or `target`. Received: \[''\]"),
        ("within", "target", ["Target"], r"Received: \['Target'\]"),
    ],
)
def test_unknown_readings_and_domains_are_refused(reading, domain, domains, message):
    with pytest.raises(ValueError, match=message):
        clips_in_reading(reading, domain, np.array([True]), np.array(domains))


def test_domains_are_not_needed_where_all_clips_meet():
    assert clips_in_reading("all", "", np.array([True, False]), np.array(["", ""])).all()
