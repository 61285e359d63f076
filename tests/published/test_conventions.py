"""What each paper averages, beside the rules of its year."""

import dataclasses

import pytest

from asdkeras.metrics.official import RULES
from asdkeras.published.papers import convention, names

SAME_CLIPS = {
    "wilkinghoff2021": "dcase2021",
    "kuroyanagi2021": "dcase2021",
    "venkatesh2022": "dcase2022",
    "nejjar2022": "dcase2022",
}
CONVENTIONS = {name: convention(name) for name in (*SAME_CLIPS, "wilkinghoff2024")}
OFFICIAL = ("all", "all")
OF_MACHINE = ("fan", "all")
OF_DOMAIN = ("all", "target")
OF_BOTH = ("fan", "target")


def test_every_convention_goes_by_the_name_of_its_paper():
    stated = {name: convention(name) for name in names() if convention(name) is not None}

    assert {name: rules.name for name, rules in stated.items()} == {n: n for n in CONVENTIONS}


@pytest.mark.parametrize("name", ["baseline2023", "some2020"])
def test_without_a_line_or_a_table_there_is_no_convention(name):
    assert convention(name) is None


@pytest.mark.parametrize(("paper", "year"), SAME_CLIPS.items())
def test_papers_of_a_year_differ_from_its_rules_in_the_joint_means_alone(paper, year):
    rules = CONVENTIONS[paper]
    same = dataclasses.replace(rules, name=year, joint_mean=RULES[year].joint_mean)
    assert same == RULES[year]


@pytest.mark.parametrize(
    ("rules", "places"),
    [
        (RULES["plain"], set()),
        (RULES["dcase2020"], set()),
        *((RULES[f"dcase{year}"], {OFFICIAL}) for year in range(2021, 2026)),
        (CONVENTIONS["wilkinghoff2021"], {OFFICIAL}),
        (CONVENTIONS["kuroyanagi2021"], {OFFICIAL, OF_MACHINE, OF_DOMAIN, OF_BOTH}),
        (CONVENTIONS["venkatesh2022"], {OFFICIAL, OF_MACHINE}),
        (CONVENTIONS["nejjar2022"], {OFFICIAL, OF_MACHINE}),
        (CONVENTIONS["wilkinghoff2024"], set()),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_auc_and_pauc_are_joined_where_the_paper_joins_them(rules, places):
    every = (OFFICIAL, OF_MACHINE, OF_DOMAIN, OF_BOTH)
    assert {place for place in every if rules.has_joint_mean(*place)} == places


@pytest.mark.parametrize(
    ("name", "metric", "domain", "rows"),
    [
        ("dcase2020", "auc", "all", ("all",)),
        ("dcase2020", "auc", "source", ()),
        ("dcase2021", "pauc", "all", ("source", "target")),
        ("dcase2021", "pauc", "target", ("target",)),
        ("dcase2022", "auc", "all", ("source", "target")),
        ("dcase2022", "auc", "source", ("source",)),
        ("dcase2022", "pauc", "all", ("all",)),
        ("dcase2022", "pauc", "source", ()),
        ("dcase2022", "f1", "all", ("source", "target")),
        ("wilkinghoff2024", "auc", "all", ("all",)),
        ("wilkinghoff2024", "auc", "source", ("source",)),
        ("wilkinghoff2024", "pauc", "target", ("target",)),
        ("wilkinghoff2024", "pauc", "all", ("all",)),
        ("wilkinghoff2024", "recall", "all", ()),
    ],
)
def test_means_run_over_the_rows_of_their_domain(name, metric, domain, rows):
    assert {**RULES, **CONVENTIONS}[name].averaged_rows(metric, domain) == rows


def test_adaproj_reads_domains_within_themselves_on_data_of_two_years():
    rules = CONVENTIONS["wilkinghoff2024"]

    assert (rules.anomalies, rules.mean, rules.trial_ddof) == ("own", "harmonic", 0)
    assert rules.rows == ("source", "target", "all")
    assert rules.part_of("fan", "02") == "dev"
    assert rules.part_of("fan", "03") == "eval"
    assert rules.part_of("valve", "00") == "dev"
    assert rules.part_of("bandsaw", "00") == "eval"


def test_spread_over_seeds_is_that_of_a_sample_elsewhere():
    others = {**RULES, **CONVENTIONS}
    others.pop("wilkinghoff2024")
    assert {rules.trial_ddof for rules in others.values()} == {1}
    assert not any(rules.rows_apart for rules in others.values())
