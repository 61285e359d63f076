"""The published tables are what was typed from the papers, and say what each figure is."""

import hashlib
from importlib import resources

import numpy as np
import pandas as pd
import pytest

from asdkeras.errors import RecipeError
from asdkeras.metrics.official import RULES
from asdkeras.published.papers import (
    COLUMNS,
    contradictions,
    convention,
    load,
    names,
    venkatesh2022_setups,
)
from tests.published.recomputation import BASELINES

# What was compared with the papers, digit by digit. After a correction, compare again, then
# take the digest of `sha256sum asdkeras/published/NAME.csv`, and rows and sum from `load`.
CHECKED = {
    "baseline2020": (
        "b52947543788666a4e562a5524e506d8201e966e06b66ad34ca415f42535d161",
        106,
        7240.079598674196,
    ),
    "baseline2021": (
        "2a837254625196f3ad6592c2d6314426db75e445549b33c9662a1565f0b45929",
        270,
        12662.030032246865,
    ),
    "baseline2022": (
        "97c76e61e30c17b57bbe6d865942e7dd1538ce1ddc68d1f4f7ad555be7ff923d",
        338,
        18529.81191477915,
    ),
    "baseline2023": (
        "81ad6ca089894901ebf8dc857628961cc5ded41c459fe77170d265b936ab54bb",
        292,
        17974.589041003386,
    ),
    "kuroyanagi2021": (
        "20de900ac348592fdc1fc223b69f61cad00e53191d86649dee0fc03d247a21b7",
        123,
        8485.47,
    ),
    "nejjar2022": (
        "7deed577fef5b98a2e2858df66de6cc2f42b953c0276f5ef64021790beefbd6a",
        128,
        8618.08,
    ),
    "venkatesh2022": (
        "69d95725a4363c7890f893153d58e4a3f900705b4c191528b320e8e3e51120d1",
        245,
        16626.06,
    ),
    "wilkinghoff2021": (
        "657f4d4d16f9d5a608ae6fa1ee16d77bde699654104562bbda228e2faa70e582",
        591,
        38368.0,
    ),
    "wilkinghoff2024": (
        "829e03b15823b4b25e95b6f31211de2868d831bc7c3984a9bae8a9b256b357b6",
        150,
        10061.6,
    ),
}

KEYS = ["table", "dataset", "part", "machine_type", "section", "domain", "system_row", "metric"]

# Sections of one machine type, then of all of them.
NUM_SECTIONS = {
    ("dcase2020", "dev"): (4, None),
    ("dcase2020", "eval"): (3, None),
    ("dcase2021", "dev"): (3, 21),
    ("dcase2021", "eval"): (3, 21),
    ("dcase2022", "dev"): (3, 21),
    ("dcase2022", "eval"): (3, 21),
    ("dcase2023", "dev"): (None, 7),
    ("dcase2023", "eval"): (1, 7),
    ("dcase2024", "eval"): (1, 9),
    ("all", "all"): (None, 56),
}

MACHINE_TYPES = {
    "dcase2020": {"ToyCar", "ToyConveyor", "fan", "pump", "slider", "valve"},
    "dcase2021": {"ToyCar", "ToyTrain", "fan", "gearbox", "pump", "slider", "valve"},
    "dcase2022": {"ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve"},
    "dcase2023": {*("bandsaw", "grinder", "shaker", "ToyDrone", "ToyNscale", "ToyTank", "Vacuum")},
    "dcase2024": {
        *("3DPrinter", "AirCompressor", "BrushlessMotor", "HairDryer", "HoveringDrone"),
        *("RoboticArm", "Scanner", "ToothBrush", "ToyCircuit"),
    },
    "all": set(),
}


@pytest.fixture(scope="module")
def tables():
    return {name: load(name) for name in names()}


@pytest.fixture(scope="module")
def wilkinghoff2021(tables):
    return tables["wilkinghoff2021"]


def figures(rows, **wanted):
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows["percent"].tolist()


def test_every_table_is_known():
    assert names() == sorted(CHECKED)


@pytest.mark.parametrize("name", sorted(CHECKED))
def test_no_digit_has_changed_since_it_was_compared_with_the_paper(tables, name):
    digest, num_rows, total = CHECKED[name]
    assert len(tables[name]) == num_rows
    assert tables[name]["percent"].sum() == pytest.approx(total, abs=1e-6)
    text = resources.files("asdkeras.published").joinpath(f"{name}.csv").read_text()
    assert hashlib.sha256(text.encode()).hexdigest() == digest


def test_columns_are_typed_and_texts_are_never_missing(tables):
    texts = [column for column, kind in COLUMNS.items() if kind == "string"]
    for table in tables.values():
        assert {column: str(kind) for column, kind in table.dtypes.items()} == COLUMNS
        assert table[texts].notna().all(axis=None)


def test_no_figure_is_given_twice(tables):
    for table in tables.values():
        assert not table.duplicated([*KEYS, "average"]).any()


def test_only_the_two_lost_cells_are_without_a_figure(tables):
    for name, table in tables.items():
        lost = table[table["percent"].isna()]
        assert len(lost) == (2 if name == "wilkinghoff2021" else 0)
        assert lost["note"].str.contains("lost").all()


def test_figures_lie_where_their_metric_can(tables):
    for table in tables.values():
        assert table["percent"].dropna().between(0.0, 100.0).all()
        # McClish's standardized pAUC cannot fall below 9/19.
        pauc = table.loc[table["metric"] == "pauc", "percent"].dropna()
        assert pauc.min() >= 47.36 if len(pauc) else True


def test_machine_types_are_those_of_the_dataset(tables):
    for table in tables.values():
        for dataset, rows in table.groupby("dataset"):
            assert set(rows["machine_type"]) <= MACHINE_TYPES[dataset] | {"all"}


def test_number_of_sections_follows_from_the_place(tables):
    for table in tables.values():
        for row in table.itertuples():
            of_machine, of_all = NUM_SECTIONS[row.dataset, row.part]
            if row.section != "all":
                expected = 1
            elif row.machine_type == "all":
                expected = of_all
            elif (row.machine_type, row.dataset) == ("ToyConveyor", "dcase2020"):
                expected = 3
            else:
                expected = of_machine
            assert row.n_sections == expected, row


def test_only_figures_of_a_single_section_are_no_means(tables):
    for table in tables.values():
        alone = (table["average"] == "") & (table["metric"] != "ci95")
        assert set(table.loc[alone, "n_sections"]) <= {1}
        assert not (table["average"] != "")[table["section"] != "all"].any()
        assert set(table["average"]) <= {"", "harmonic", "arithmetic"}


@pytest.mark.parametrize("name", BASELINES)
def test_the_mean_of_the_years_rules_comes_first(tables, name):
    """`compare` takes the first figure of a place."""
    baseline = tables[name]
    means = baseline[baseline["average"] != ""]
    first = means.drop_duplicates([key for key in KEYS if key != "table"])
    assert set(zip(first["dataset"], first["average"], strict=True)) == {
        (dataset, RULES[dataset].mean) for dataset in set(first["dataset"])
    }


def test_rules_are_those_of_the_year_but_for_adaproj(tables):
    """AdaProj keeps the anomalies of the other domain out, on data of 2022 and 2023."""
    for name, table in tables.items():
        if name == "wilkinghoff2024":
            assert set(table["rules"]) == {convention(name).name}
        else:
            assert (table["rules"] == table["dataset"]).all()
            assert set(table["rules"]) <= set(RULES)


def test_only_adaproj_prints_standard_deviations_and_for_all_but_the_mean(tables):
    for name, table in tables.items():
        has_one = table["percent_sd"].notna()
        if name == "wilkinghoff2024":
            assert (has_one == (table["dataset"] != "all")).all()
            assert table["percent_sd"].dropna().between(0.4, 3.4).all()
        else:
            assert not has_one.any()


def test_every_table_of_wilkinghoff2021_is_whole(wilkinghoff2021):
    assert wilkinghoff2021["table"].value_counts().to_dict() == {
        "2": 300,
        "3": 96,
        "4": 96,
        "5": 99,
    }


def test_suspicious_cells_are_marked(wilkinghoff2021):
    cells = wilkinghoff2021[(wilkinghoff2021["section"] != "all") & (wilkinghoff2021["note"] != "")]
    keys = ["machine_type", "section", "domain", "metric", "system_row"]
    assert cells[keys].to_numpy().tolist() == [
        ["ToyTrain", "01", "target", "auc", "all_40"],
        ["fan", "02", "source", "pauc", "all_40"],
        ["fan", "01", "target", "pauc", "all_40"],
    ]


@pytest.mark.parametrize(
    ("name", "wanted", "percent"),
    [
        ("wilkinghoff2021", {"table": "2", "machine_type": "all", "metric": "auc"}, 77.69),
        ("wilkinghoff2021", {"machine_type": "slider", "section": "01"}, 62.92),
        ("wilkinghoff2021", {"table": "3", "machine_type": "gearbox"}, 81.02),
        ("wilkinghoff2021", {"system_row": "two_heads_20", "domain": "source"}, 88.58),
        ("wilkinghoff2021", {"part": "eval", "machine_type": "fan", "metric": "pauc"}, 70.55),
        ("kuroyanagi2021", {"system_row": "mix", "machine_type": "gearbox"}, 76.25),
        ("kuroyanagi2021", {"system_row": "bc", "machine_type": "all"}, 69.08),
        ("venkatesh2022", {"part": "dev", "system_row": "disent_wt", "domain": "target"}, 71.65),
        ("venkatesh2022", {"part": "eval", "machine_type": "bearing", "metric": "pauc"}, 64.26),
        ("venkatesh2022", {"part": "eval", "metric": "official_score"}, 70.97),
        ("nejjar2022", {"system_row": "dgmix", "metric": "official_score"}, 72.34),
        ("nejjar2022", {"system_row": "vicreg", "machine_type": "bearing"}, 73.22),
        ("wilkinghoff2024", {"system_row": "adaproj", "part": "eval", "metric": "auc"}, 69.8),
        ("wilkinghoff2024", {"system_row": "subcluster_adacos", "dataset": "all"}, 69.9),
        ("baseline2020", {"system_row": "ae2020", "machine_type": "ToyConveyor"}, 72.6835),
        ("baseline2021", {"system_row": "ae2021", "machine_type": "all"}, 62.0051253),
        ("baseline2021", {"system_row": "mobilenetv2_2021", "average": "harmonic"}, 55.9521566),
        ("baseline2022", {"system_row": "ae2022", "part": "dev", "domain": "target"}, 43.71),
        ("baseline2022", {"system_row": "mobilenetv2_2022", "domain": "source"}, 64.1),
        (
            "baseline2023",
            {"dataset": "dcase2023", "system_row": "ae2023_mahalanobis", "metric": "auc"},
            90.06,
        ),
        (
            "baseline2023",
            {"dataset": "dcase2024", "system_row": "ae2023_mse", "metric": "official_score"},
            56.50830191796572,
        ),
    ],
)
def test_figures_are_those_of_the_paper(tables, name, wanted, percent):
    assert percent in figures(tables[name], **wanted)


def test_standard_deviation_stands_beside_its_mean(tables):
    adaproj = tables["wilkinghoff2024"]
    row = adaproj[
        (adaproj["dataset"] == "dcase2023")
        & (adaproj["part"] == "eval")
        & (adaproj["system_row"] == "adacos")
        & (adaproj["domain"] == "target")
        & (adaproj["metric"] == "auc")
    ]
    assert row[["percent", "percent_sd"]].to_numpy().tolist() == [[61.6, 3.4]]


def test_eval_row_of_the_baseline_in_venkatesh_is_the_evaluators_example(tables):
    """Two sources of the same run: the paper rounds what the evaluator's README prints."""
    place = {"part": "eval", "section": "all", "domain": "all"}
    readme = tables["baseline2022"]
    readme = readme[readme["average"] == "harmonic"]
    shown = [("ToyCar", "auc"), ("ToyCar", "pauc"), ("bearing", "auc"), ("bearing", "pauc")]
    for machine_type, metric in [*shown, ("all", "official_score")]:
        wanted = {**place, "machine_type": machine_type, "metric": metric}
        (printed,) = figures(tables["venkatesh2022"], system_row="ae_baseline", **wanted)
        (exact,) = figures(readme, system_row="ae2022", **wanted)
        assert np.round(exact, 2) == printed


def test_setups_of_venkatesh_are_those_of_table_4():
    setups = venkatesh2022_setups()

    assert setups.to_numpy().tolist() == [
        ["disent_cat", 0.60, 0.40, 0.90, 0.10],
        ["mtl", 0.70, 0.30, 0.00, 1.00],
        ["sec_softmax", 1.00, 0.00, 1.00, 0.00],
        ["sec_arcface", 0.95, 0.05, 0.15, 0.85],
        ["adversarial", 0.65, 0.35, 0.80, 0.20],
        ["disent_cat", 0.70, 0.30, 0.90, 0.10],
        ["disent_split", 0.80, 0.20, 0.90, 0.10],
    ]
    assert setups.index.tolist() == [
        *("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve")
    ]
    assert setups.columns.tolist() == [
        *("msl", "msl_weight", "anp_weight", "section_weight", "attribute_weight")
    ]


def test_scores_of_toycar_in_s2_are_those_of_s1_and_say_so(tables):
    """Table 4 gives ANP a weight of 0.40 there, which such scores cannot have."""
    rows = tables["venkatesh2022"]
    both = rows[rows["machine_type"] == "ToyCar"].pivot_table(
        "percent", ["part", "metric"], "system_row"
    )
    ours = (rows["machine_type"] == "ToyCar") & (rows["system_row"] == "msl_anp")

    assert both["msl_anp"].tolist() == both["msl"].tolist()
    assert len(both) == 3
    assert rows.loc[ours, "note"].str.contains("Table 4 weighs ANP 0.40 here").all()


def test_contradictions_are_no_system():
    assert not {"contradictions", "venkatesh2022_setups"} & set(names())
    with pytest.raises(RecipeError, match="no published tables of a system `contradictions`"):
        load("contradictions")


def test_contradictions_are_typed():
    table = contradictions()
    assert len(table) > 0
    assert table[["printed", "recomputed"]].notna().all(axis=None)
    assert isinstance(table["reason"].dtype, pd.StringDtype)


def test_unknown_system_is_refused_with_a_guess():
    with pytest.raises(RecipeError, match=r"`wilkinghof2021`. Did you mean `wilkinghoff2021`\?"):
        load("wilkinghof2021")
