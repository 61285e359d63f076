"""Intervals beside an official score."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from asdkeras.metrics.bootstrap import bootstrap_official_score
from asdkeras.metrics.intervals import pooled_intervals
from asdkeras.metrics.official import RULES
from asdkeras.report.submission_scores import interval_rows, print_intervals


def clips_of(parts=("eval",)):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {"part": part, "machine_type": machine_type, "section": "00", "domain": domain}
            | {"is_anomalous": anomalous, "score": rng.normal() + anomalous}
            for part in parts
            for machine_type in ("fan", "valve")
            for domain in ("source", "target")
            for anomalous in (False, True)
            for _ in range(10)
        ]
    )


def printed(rows):
    console = Console(file=io.StringIO(), width=200)
    print_intervals(rows, console)
    return console.file.getvalue().splitlines()


def test_each_part_has_its_own_intervals():
    clips = clips_of(("dev", "eval"))

    rows = interval_rows(clips, RULES["dcase2023"])

    assert rows["part"].tolist() == ["dev"] * 4 + ["eval"] * 4
    assert set(rows["n_sections"]) == {2}
    for part, group in rows.groupby("part"):
        value = group.set_index("metric")["value"]
        of_part = clips[clips["part"] == part]
        pooled = pooled_intervals(of_part["score"], of_part["is_anomalous"])
        assert value["official_score_ci95"] == pooled.official
        assert value["pooled_auc_pauc_ci95"] == pooled.corrected
        places = of_part["machine_type"] + of_part["section"]
        rules = RULES["dcase2023"]
        columns = of_part["score"], of_part["is_anomalous"], of_part["domain"], places
        interval = bootstrap_official_score(*columns, rules, seed=0)
        assert value["official_score_lower"] == interval.lower
        assert value["official_score_upper"] == interval.upper


@pytest.mark.parametrize(
    ("year", "metrics"),
    [
        (2020, []),
        (2021, ["lower", "upper"]),
        (2022, ["lower", "upper", "ci95"]),
        (2024, ["lower", "upper", "ci95"]),
        (2025, ["lower", "upper"]),
    ],
)
def test_the_defective_interval_is_that_of_2022_to_2024_alone(year, metrics):
    rows = interval_rows(clips_of(), RULES[f"dcase{year}"])
    official = [name for name in rows.get("metric", []) if name.startswith("official_score")]
    assert official == [f"official_score_{name}" for name in metrics]


def test_intervals_are_printed_in_percent_with_what_they_are_worth():
    metrics = ["official_score_lower", "official_score_upper"]
    rows = pd.DataFrame({"part": "eval", "metric": metrics, "value": [0.612, 0.6543]})
    pooled = ["official_score_ci95", "pooled_auc_pauc_ci95"]
    more = pd.DataFrame({"part": "eval", "metric": pooled, "value": [3.7458e-6, 0.015729]})

    lines = printed(pd.concat([rows, more]))

    assert lines == [
        "official score, 95 % by bootstrap over test clips: 61.20 to 65.43",
        "the evaluator's `official score ci95`: 0.00037, N - 1 times too small, and of pooled "
        "AUC and pAUC; corrected 1.57",
    ]
    assert printed(rows) == lines[:1]


def test_rules_without_an_official_score_print_nothing():
    assert printed(interval_rows(clips_of(), RULES["dcase2020"])) == []
