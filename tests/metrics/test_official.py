"""The rules of each year: which clips meet, how values are averaged, which part is which."""

import json
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from asdkeras.corpus.sizes import Size
from asdkeras.errors import DataError
from asdkeras.metrics.auc import auc, partial_auc
from asdkeras.metrics.official import (
    RULES,
    compared_clips,
    generated_name,
    harmonic_mean,
    is_generated,
    official_name,
    rules_for,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/metrics/metrics_small.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["cases"].values(), ids=GOLDEN["cases"])
@pytest.mark.parametrize("year", [2021, 2022])
@pytest.mark.parametrize("domain", ["source", "target"])
def test_domains_meet_the_anomalies_of_their_year(case, year, domain):
    scores, labels = np.array(case["s"]), np.array(case["y"], dtype=bool)
    domains = np.where(np.array(case["dom"]) == 1, "target", "source")

    mask = compared_clips(RULES[f"dcase{year}"], domain, labels, domains)

    expected = case["expected"]
    assert auc(scores[mask], labels[mask]) == pytest.approx(
        expected[f"auc{year}_{domain}"], abs=1e-12
    )
    if year == 2021:
        assert partial_auc(scores[mask], labels[mask]) == pytest.approx(
            expected[f"pauc2021_{domain}"], abs=1e-12
        )


def test_row_all_holds_every_clip():
    mask = compared_clips(RULES["dcase2020"], "all", np.array([True, False]), np.array(["", ""]))
    assert mask.all()


def test_row_that_the_rules_do_not_know_is_refused():
    with pytest.raises(ValueError, match=r"one of \('all',\).*Received: domain='source'"):
        compared_clips(RULES["plain"], "source", np.array([True]), np.array(["source"]))


def test_harmonic_mean_is_the_inverse_of_the_mean_inverse():
    assert harmonic_mean([0.25, 0.5, 1.0]) == pytest.approx(3 / 7, abs=1e-15)


def test_zero_counts_as_the_machine_epsilon():
    expected = 2 / (1 / sys.float_info.epsilon + 1)
    assert harmonic_mean([0.0, 1.0]) == pytest.approx(expected, rel=1e-12)


def test_harmonic_mean_of_published_terms_is_the_published_score():
    """All terms of the 2024 MSE baseline, from the README of the 2024 evaluator."""
    auc_source = [0.7912, 0.65, 0.6916, 0.7658, 0.8602, 0.6224, 0.7504, 0.6596, 0.707]
    auc_target = [0.4796, 0.4824, 0.5374, 0.5266, 0.4388, 0.4598, 0.6948, 0.4152, 0.6352]
    pauc = [
        *(0.4942105263157895, 0.5547368421052632, 0.5010526315789474, 0.5, 0.5021052631578947),
        *(0.5163157894736842, 0.5273684210526316, 0.511578947368421, 0.5557894736842105),
    ]
    score = harmonic_mean(auc_source + auc_target + pauc)
    assert score == pytest.approx(0.5650830191796572, abs=1e-12)


@pytest.mark.parametrize("values", [[], [[0.5]], [0.5, -0.1]])
def test_mean_of_no_values_is_refused(values):
    with pytest.raises(ValueError, match=r"vector of values, none below 0. Received"):
        harmonic_mean(values)


def test_only_years_without_domains_average_arithmetically():
    arithmetic = {name for name, rules in RULES.items() if rules.mean == "arithmetic"}
    assert arithmetic == {"plain", "dcase2020"}
    assert RULES["dcase2020"].average([0.2, 0.4]) == pytest.approx(0.3)
    assert RULES["dcase2021"].average([0.2, 0.4]) == pytest.approx(0.16 / 0.6)


def test_partial_auc_is_taken_once_per_section_from_2022_on():
    taken = {name: rules.pauc_domains for name, rules in RULES.items()}
    assert taken["dcase2021"] == ("source", "target")
    assert all(taken[f"dcase{year}"] == ("all",) for year in (2020, 2022, 2023, 2024, 2025))


@pytest.mark.parametrize(
    ("name", "machine_type", "section", "part"),
    [
        ("dcase2020", "fan", "00", "dev"),
        ("dcase2020", "fan", "01", "eval"),
        ("dcase2020", "ToyCar", "01", "dev"),
        ("dcase2020", "ToyCar", "05", "eval"),
        ("dcase2020", "ToyConveyor", "04", "eval"),
        ("dcase2021", "valve", "02", "dev"),
        ("dcase2021", "valve", "03", "eval"),
        ("dcase2022", "bearing", "05", "eval"),
        ("dcase2023", "ToyCar", "00", "dev"),
        ("dcase2023", "ToyDrone", "00", "eval"),
        ("dcase2024", "3DPrinter", "00", "eval"),
        ("dcase2025", "AutoTrash", "00", "eval"),
        ("plain", "lathe", "03", "dev"),
    ],
)
def test_sections_belong_to_their_part(name, machine_type, section, part):
    assert RULES[name].part_of(machine_type, section) == part


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("dcase2021", "dcase2021"),
        ("mini2024", "dcase2024"),
        ("bench2021", "dcase2021"),
        ("bench2021-own", "plain"),
        ("slider_at_home", "plain"),
    ],
)
def test_dataset_names_lead_to_their_rules(dataset, name):
    assert rules_for(dataset) is RULES[name]


@pytest.mark.parametrize("dataset", ["dcase2026", "bench2026"])
def test_year_without_rules_is_refused_with_the_way_out(dataset):
    with pytest.raises(DataError, match=rf"2020 to 2025.*'{dataset}'.*Rename the folder"):
        rules_for(dataset)


@pytest.mark.parametrize("size", get_args(Size))
def test_names_of_generated_corpora_are_known_as_such(size):
    name = generated_name(size, 2022)

    assert name == ("bench2022" if size == "bench" else "mini2022")
    assert is_generated(name)
    assert official_name(name) == "dcase2022"


@pytest.mark.parametrize("dataset", ["dcase2021", "mini2021-own", "minimal2021", "bench", "own"])
def test_other_names_are_no_generated_corpora(dataset):
    assert not is_generated(dataset)
    assert official_name(dataset) == dataset
