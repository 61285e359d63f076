"""Runs of the official baselines can be set beside what their authors publish."""

import numpy as np
import pytest

from asdkeras.metrics.official import RULES
from asdkeras.published.papers import contradictions, load
from asdkeras.report.comparison import Scored, compare, convention_of
from tests.clip_table import clip_table
from tests.published.recomputation import BASELINES

IDS_2020 = {"ToyCar": "1234", "ToyConveyor": "123"}
MACHINES = {
    "dcase2020": ("ToyCar", "ToyConveyor", "fan", "pump", "slider", "valve"),
    "dcase2021": ("ToyCar", "ToyTrain", "fan", "gearbox", "pump", "slider", "valve"),
    "dcase2022": ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve"),
}

ROWS = [
    (name, dataset, row)
    for name in BASELINES
    for dataset, row in sorted(set(load(name)[["dataset", "system_row"]].itertuples(index=False)))
    if row != "evaluator_example"
]


def sections_of(dataset):
    """Every section of the development and evaluation set whose figures are published."""
    if dataset == "dcase2020":
        odd = [(name, f"0{n}") for name in MACHINES[dataset][2:] for n in (0, 2, 4, 6)]
        return odd + [(name, f"0{n}") for name, digits in IDS_2020.items() for n in digits]
    if dataset in MACHINES:
        return [(name, f"0{n}") for name in MACHINES[dataset] for n in range(6)]
    return sorted(RULES[dataset].evaluation)


def scored(dataset):
    """Clips of every section, four to a domain, half of them anomalous, scored at random."""
    rows = [
        {"machine_type": machine_type, "section": section.replace("*", "00"), "domain": domain}
        | {"is_anomalous": number > 1}
        for machine_type, section in sections_of(dataset)
        for domain in ("source", "target")
        for number in range(4)
    ]
    table = clip_table(rows, dataset=dataset)
    rng = np.random.default_rng(0)
    decisions = rng.integers(0, 2, len(table))
    return {0: Scored(table, rng.normal(size=len(table)), decisions)}


@pytest.mark.parametrize(("name", "dataset", "row"), ROWS)
def test_every_figure_is_compared_but_for_those_of_another_kind(name, dataset, row):
    """No measure of ours: means of the other kind, the evaluators' pAUC by domain and `ci95`."""
    known = contradictions()
    comparison = compare(
        scored(dataset),
        load(name),
        known[known["system"] == name],
        convention_of(name, dataset),
        row=row,
        tolerance=100.0,
    )

    verdicts = comparison.set_index(["domain", "metric", "average"])["verdict"]
    other_mean = {"harmonic": "arithmetic", "arithmetic": "harmonic"}[RULES[dataset].mean]
    has_domains = RULES[dataset].pauc_domains != ("all",)
    for (domain, metric, average), verdict in verdicts.items():
        if metric == "ci95" or (metric == "pauc" and domain != "all" and not has_domains):
            assert verdict == "not measured"
        elif average == other_mean:
            assert verdict == "not comparable"
        else:
            assert verdict in ("within", "contradicted")
    assert (verdicts == "within").sum() > 20
