"""Every printed mean is recomputed, and those that do not follow are the ones listed."""

from collections import Counter
from decimal import Decimal

import pytest

from asdkeras.published.papers import contradictions, names
from tests.published.recomputation import Check, Figure, checks, figures, harmonic

PLACE = (
    *("table", "dataset", "part", "machine_type", "domain"),
    *("system_row", "metric", "average"),
)

# How many means were recomputed, by table, from what and from how many figures.
RECOMPUTED = {
    "baseline2020": {
        ("y-kawagu/dcase2020_task2_baseline@01f0f33", "sections", 4): 10,
        ("y-kawagu/dcase2020_task2_baseline@01f0f33", "sections", 3): 2,
        ("y-kawagu/dcase2020_task2_evaluator@3e5464f", "sections", 3): 12,
    },
    "baseline2021": {
        ("y-kawagu/dcase2021_task2_baseline_ae@02dfa99", "sections", 6): 20,
        ("y-kawagu/dcase2021_task2_baseline_mobile_net_v2@260931a", "sections", 6): 20,
        ("y-kawagu/dcase2021_task2_evaluator@1787468", "sections", 6): 20,
    },
    "baseline2022": {
        ("Kota-Dohi/dcase2022_task2_baseline_ae@098cb01", "sections", 3): 36,
        ("Kota-Dohi/dcase2022_task2_baseline_mobile_net_v2@0566ec9", "sections", 3): 36,
        ("Kota-Dohi/dcase2022_evaluator@de8719b", "sections", 6): 16,
        ("Kota-Dohi/dcase2022_evaluator@de8719b", "sections", 3): 24,
        ("Kota-Dohi/dcase2022_evaluator@de8719b", "domains", 2): 5,
        ("Kota-Dohi/dcase2022_evaluator@de8719b", "metrics", 3): 1,
    },
    "baseline2023": {
        ("nttcslab/dcase2023_task2_evaluator@3aa8a9f paper", "machine types", 7): 12,
        ("nttcslab/dcase2023_task2_evaluator@3aa8a9f paper", "machine types", 21): 4,
        ("nttcslab/dcase2023_task2_evaluator@3aa8a9f paper", "metrics", 3): 4,
        ("nttcslab/dcase2023_task2_evaluator@3aa8a9f", "sections", 2): 16,
        ("nttcslab/dcase2023_task2_evaluator@3aa8a9f", "sections", 1): 24,
        ("nttcslab/dcase2023_task2_evaluator@3aa8a9f", "domains", 2): 5,
        ("nttcslab/dcase2023_task2_evaluator@3aa8a9f", "paper table", 2): 2,
        ("nttcslab/dcase2023_task2_evaluator@3aa8a9f", "paper table", 1): 7,
        ("nttcslab/dcase2023_task2_evaluator@3aa8a9f", "metrics", 3): 1,
        ("nttcslab/dcase2024_task2_evaluator@b5d17f6 paper", "machine types", 9): 12,
        ("nttcslab/dcase2024_task2_evaluator@b5d17f6 paper", "machine types", 27): 4,
        ("nttcslab/dcase2024_task2_evaluator@b5d17f6 paper", "metrics", 3): 4,
        ("nttcslab/dcase2024_task2_evaluator@b5d17f6", "sections", 2): 16,
        ("nttcslab/dcase2024_task2_evaluator@b5d17f6", "sections", 1): 24,
        ("nttcslab/dcase2024_task2_evaluator@b5d17f6", "domains", 2): 5,
        ("nttcslab/dcase2024_task2_evaluator@b5d17f6", "paper table", 2): 2,
        ("nttcslab/dcase2024_task2_evaluator@b5d17f6", "paper table", 1): 7,
        ("nttcslab/dcase2024_task2_evaluator@b5d17f6", "metrics", 3): 1,
    },
    "kuroyanagi2021": {
        ("1", "wilkinghoff2021", 6): 28,
        ("1", "machine types", 14): 8,
        ("1", "rows", 2): 14,
        ("text", "Table 1", 1): 1,
        ("text", "domains", 2): 1,
        ("text", "Table 1", 7): 2,
    },
    "nejjar2022": {
        ("2", "metrics", 3): 16,
        ("2", "machine types", 7): 8,
        ("3", "metrics", 3): 16,
        ("3", "machine types", 7): 8,
    },
    "venkatesh2022": {
        ("2", "machine types", 7): 12,
        ("2", "metrics", 3): 12,
        ("3", "machine types", 21): 7,
        ("text", "Table 2", 1): 7,
        ("text", "Table 3", 1): 1,
    },
    "wilkinghoff2021": {
        ("2", "sections", 6): 42,
        ("2", "sections", 42): 6,
        ("2", "machine types", 7): 6,
        ("3", "Table 4", 1): 31,
        ("3", "machine types", 7): 10,
        ("4", "Table 2", 3): 28,
        ("4", "machine types", 7): 12,
        ("4", "Table 2", 21): 4,
        ("5", "machine types", 7): 12,
        ("5", "machine types", 28): 3,
        ("5", "domains", 4): 3,
    },
    "wilkinghoff2024": {
        ("1", "datasets", 4): 30,
    },
}

# Means whose parts are not printed, by table.
ALONE = {
    "baseline2020": {},
    "baseline2021": {
        "y-kawagu/dcase2021_task2_baseline_ae@02dfa99": 10,
        "y-kawagu/dcase2021_task2_baseline_mobile_net_v2@260931a": 10,
        "y-kawagu/dcase2021_task2_evaluator@1787468": 10,
    },
    "baseline2022": {
        "Kota-Dohi/dcase2022_task2_baseline_ae@098cb01": 18,
        "Kota-Dohi/dcase2022_task2_baseline_mobile_net_v2@0566ec9": 18,
        "Kota-Dohi/dcase2022_evaluator@de8719b": 15,
    },
    "baseline2023": {
        "nttcslab/dcase2023_task2_evaluator@3aa8a9f": 9,
        "nttcslab/dcase2024_task2_evaluator@b5d17f6": 9,
    },
    "kuroyanagi2021": {
        "1": 70,
    },
    "nejjar2022": {
        "2": 42,
        "3": 42,
    },
    "venkatesh2022": {
        "2": 120,
        "3": 98,
    },
    "wilkinghoff2021": {
        "3": 56,
        "4": 56,
        "5": 84,
    },
    "wilkinghoff2024": {
        "1": 120,
    },
}


@pytest.fixture(scope="module")
def all_checks():
    return {system: list(checks(system)) for system in names()}


def place(row):
    return tuple(getattr(row, name) for name in PLACE)


def figure(percent, half=0.005, **fields):
    place = dict.fromkeys(Figure._fields, "")
    return Figure(**{**place, "text": percent, "half": half, **fields})


@pytest.mark.parametrize("system", names())
def test_contradictions_are_exactly_the_means_that_do_not_follow(all_checks, system):
    found = {
        (*place(check.figure), check.parts_name): check
        for check in all_checks[system]
        if not check.follows
    }
    rows = contradictions()
    listed = {(*place(row), row.parts): row for row in rows[rows["system"] == system].itertuples()}
    assert set(listed) == set(found)
    for key, row in listed.items():
        assert row.printed == found[key].figure.percent
        assert row.recomputed == pytest.approx(found[key].recomputed, abs=1e-6)
        assert row.reason


def test_every_contradiction_is_of_a_system_and_listed_once():
    rows = contradictions()
    assert set(rows["system"]) <= set(names())
    assert not rows.duplicated(["system", *PLACE, "parts"]).any()


@pytest.mark.parametrize("system", names())
def test_every_mean_is_recomputed_from_all_its_parts(all_checks, system):
    counted = Counter(
        (check.figure.table, check.parts_name, len(check.parts)) for check in all_checks[system]
    )
    assert dict(counted) == RECOMPUTED[system]


@pytest.mark.parametrize("system", names())
def test_means_that_are_not_recomputed_are_known(all_checks, system):
    done = {check.figure for check in all_checks[system]}
    alone = [row for row in figures(system) if row.average and row not in done]
    assert dict(Counter(row.table for row in alone)) == ALONE[system]


@pytest.mark.parametrize(
    ("printed", "follows"), [("50.02", True), ("49.98", True), ("50.03", False), ("49.97", False)]
)
def test_a_mean_follows_if_half_a_unit_of_its_own_and_of_its_parts_allow_it(printed, follows):
    parts = (figure("50.00", half=0.01), figure("50.00", half=0.01))
    assert Check(figure(printed, half=0.01), "sections", parts, harmonic).follows == follows


def test_cells_of_a_table_share_its_number_of_digits():
    """74,9 among figures of two digits is 74.90."""
    short = [row for row in figures("nejjar2022") if row.text == "74.9"]
    assert [row.half for row in short] == [0.005]
    assert {row.half for row in figures("wilkinghoff2024")} == {0.05}


@pytest.mark.parametrize("system", names())
def test_no_figure_has_more_digits_than_half_a_unit_allows(system):
    for row in figures(system):
        decimals = -Decimal(row.text).as_tuple().exponent
        assert row.half <= 0.5 * 10.0**-decimals


def test_printed_zeros_are_exact():
    assert figure("0", half=0.5).bounds == (0.0, 0.0)


def cells_of(system, **wanted):
    return [
        row
        for row in figures(system)
        if row.section != "all" and all(getattr(row, k) == v for k, v in wanted.items())
    ]


def broken(all_checks, system, **wanted):
    (check,) = [
        check
        for check in all_checks[system]
        if not check.follows and all(getattr(check.figure, k) == v for k, v in wanted.items())
    ]
    return check


@pytest.mark.parametrize(
    ("machine_type", "metric", "section", "domain", "needed"),
    [
        ("ToyTrain", "auc", "01", "target", "49.76"),
        ("fan", "pauc", "02", "source", "75.72"),
        ("fan", "pauc", "01", "target", "75.72"),
    ],
)
def test_one_other_cell_would_mend_the_mean(
    all_checks, machine_type, metric, section, domain, needed
):
    place = {"table": "2", "machine_type": machine_type, "metric": metric, "system_row": "all_40"}
    check = broken(all_checks, "wilkinghoff2021", **place)
    mended = [
        part._replace(text=needed) if (part.section, part.domain) == (section, domain) else part
        for part in check.parts
    ]
    assert tuple(mended) != check.parts
    assert check._replace(parts=tuple(mended)).follows


@pytest.mark.parametrize("machine_type", ["ToyCar", "bearing"])
@pytest.mark.parametrize("metric", ["auc", "precision", "recall", "f1", "pauc"])
def test_evaluator_of_2022_takes_the_first_value_for_the_source_and_the_rest_for_the_target(
    all_checks, machine_type, metric
):
    domains = ["all", "all"] if metric == "pauc" else ["source", "target"]
    cells = [
        cell.percent
        for domain in domains
        for cell in cells_of(
            "baseline2022",
            table="Kota-Dohi/dcase2022_evaluator@de8719b",
            machine_type=machine_type,
            metric=metric,
            domain=domain,
        )
    ]
    assert len(cells) == 6
    place = {
        "table": "Kota-Dohi/dcase2022_evaluator@de8719b",
        "machine_type": machine_type,
        "metric": metric,
    }
    source = broken(all_checks, "baseline2022", domain="source", **place)
    target = broken(all_checks, "baseline2022", domain="target", **place)
    assert source.figure.percent == pytest.approx(harmonic(cells[:1]), rel=1e-14)
    assert target.figure.percent == pytest.approx(harmonic(cells[1:]), rel=1e-14)


def test_f1_of_mobilenetv2_follows_from_precision_and_recall():
    """Its README cuts digits off: F1 of 15/24 and 0.15 is 0.24194, printed 0.241."""
    place = {"system_row": "mobilenetv2_2022", "machine_type": "fan", "domain": "target"}
    cells = [row.percent for row in cells_of("baseline2022", metric="f1", **place)]
    exact = [
        100.0 * 2 * p * r / (p + r) for p, r in [(15 / 24, 0.15), (31 / 50, 0.31), (57 / 83, 0.57)]
    ]
    assert [int(10 * percent) / 10 for percent in exact] == cells
    assert harmonic(exact) == pytest.approx(36.77, abs=0.005)


def test_table_of_venkatesh_needs_the_figure_of_the_table_not_of_the_text(all_checks):
    slip = broken(all_checks, "venkatesh2022", system_row="sec_arcface")
    (overall,) = [
        check
        for check in all_checks["venkatesh2022"]
        if check.figure.system_row == "sec_arcface" and check.parts_name == "metrics"
    ]
    with_slip = [
        part._replace(text=slip.figure.text) if part.domain == "target" else part
        for part in overall.parts
    ]
    assert overall.follows
    assert not overall._replace(parts=tuple(with_slip)).follows
