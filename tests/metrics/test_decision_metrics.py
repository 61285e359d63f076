"""Precision, recall and F1 with the official floor."""

import json
from pathlib import Path

import numpy as np
import pytest

from asdkeras.metrics.decision_metrics import decision_metrics

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/metrics/metrics_small.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["cases"].values(), ids=GOLDEN["cases"])
@pytest.mark.parametrize(("domain", "code"), [("source", 0), ("target", 1)])
def test_values_are_those_of_the_official_scripts(case, domain, code):
    in_domain = np.array(case["dom"]) == code
    flagged = np.array(case["s"])[in_domain] > case["thr"]

    metrics = decision_metrics(flagged, np.array(case["y"])[in_domain])

    assert metrics == pytest.approx(case["expected"][f"prf_{domain}"], abs=1e-12)


def test_each_figure_has_its_own_denominator():
    metrics = decision_metrics([1, 1, 1, 1, 0], [1, 0, 0, 0, 1])
    assert metrics == pytest.approx((0.25, 0.5, 1 / 3), abs=1e-12)


@pytest.mark.parametrize(("flagged", "anomalous"), [([0, 0], [1, 0]), ([1, 1], [0, 0])])
def test_nothing_found_is_zero_not_an_error(flagged, anomalous):
    assert decision_metrics(flagged, anomalous) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("flagged", "anomalous", "message"),
    [
        ([], [], r"vector with clips. Received: shape \(0,\)"),
        ([1, 0], [1], r"same length. Received: shapes \(2,\) and \(1,\)"),
        ([1, 2], [1, 0], r"`is_flagged` must hold bool, or 0 and 1"),
        ([1, 0], [1, None], r"`is_anomalous` must hold bool.*Received: dtype object"),
    ],
)
def test_other_arguments_are_refused_with_the_reason(flagged, anomalous, message):
    with pytest.raises(ValueError, match=message):
        decision_metrics(flagged, anomalous)
