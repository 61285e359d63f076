"""Curves are those of the metrics: what the drawings show is what `metrics.csv` says."""

import re

import numpy as np
import pandas as pd
import pytest

from asdkeras.evaluation import evaluate
from asdkeras.metrics.official import rules_for
from asdkeras.report.comparison import Scored
from asdkeras.report.roc_panels import (
    MAX_POINTS,
    RocCurve,
    SectionRoc,
    by_part,
    machine_panels,
    run_panels,
    section_curves,
    section_panels,
    thinned,
)
from tests.clip_table import clip_table
from tests.report.mapped_runs import clip_rows

NAN = float("nan")
DIAGONAL = np.array([[0.0, 0.0], [1.0, 1.0]])
PERFECT = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def trials_of(dataset, *seeds, num_clips=12):
    rows = clip_rows("fan", "00", num_clips=num_clips)
    rows += clip_rows("fan", "01", num_clips=num_clips)
    table = clip_table(rows, dataset=dataset)
    trials = {}
    for seed in seeds:
        scores = pd.Series(np.random.default_rng(seed).normal(size=len(table)))
        trials[seed] = Scored(table, scores + table["is_anomalous"].astype(float), None)
    return trials


def roc(machine_type="fan", section="00", *, points=DIAGONAL, auc=0.5, pauc=0.5, domain="source"):
    return SectionRoc(machine_type, section, (RocCurve(domain, (points,), auc, pauc),))


def drawn(panel):
    """Points of the first line as rates, read back from the drawing."""
    (text,) = re.findall('points="([^"]+)"', panel)[:1]
    places = np.array([[float(value) for value in pair.split(",")] for pair in text.split()])
    return (places - places[0]) / (places[-1] - places[0])


@pytest.mark.parametrize("dataset", ["mini2021", "mini2022", "pumps"])
def test_areas_are_those_of_the_metrics(dataset):
    rules = rules_for(dataset)
    trials = trials_of(dataset, 0, 1)

    curves = section_curves(trials, rules)

    metrics = pd.concat(
        evaluate(trial.table, trial.anomaly_scores, None, rules, seed).metrics
        for seed, trial in trials.items()
    )
    means = metrics.groupby(["machine_type", "section", "domain"])[["auc", "pauc"]].mean()
    places = [(each.machine_type, each.section, c.domain) for each in curves for c in each.curves]
    found = [(c.auc, c.pauc) for each in curves for c in each.curves]
    assert sorted(places) == sorted(means.index)
    np.testing.assert_allclose(found, means.loc[places].to_numpy(), rtol=1e-12)


def test_a_section_has_a_line_for_each_trial_and_domain():
    (panel, _) = section_panels(section_curves(trials_of("mini2021", 0, 1), rules_for("mini2021")))

    assert panel.count("<polyline") == 4
    assert panel.count("<g ") == 2
    assert "<figcaption>fan 00</figcaption>" in panel
    assert re.search(r'role="img" aria-label="ROC curves of fan 00\. source: AUC ', panel)


def test_clips_without_labels_and_training_clips_are_left_out():
    trials = trials_of("mini2021", 0)
    table = trials[0].table.copy()
    table.loc[table["section"] == "01", "is_anomalous"] = pd.NA
    scores = trials[0].anomaly_scores.where(table["split"] == "test", 99.0)

    (only,) = section_curves({0: Scored(table, scores, None)}, rules_for("mini2021"))

    assert only.section == "00"
    before = section_curves(trials, rules_for("mini2021"))[0]
    assert [c.auc for c in only.curves] == [c.auc for c in before.curves]


def test_a_drawing_has_the_corners_of_the_curve():
    points = np.array([[0.0, 0.0], [0.0, 0.5], [0.25, 0.5], [0.25, 1.0], [1.0, 1.0]])

    (panel,) = section_panels([roc(points=points)])

    np.testing.assert_allclose(drawn(panel), points, atol=1e-3)  # Drawn with one digit.


def test_rates_up_to_a_tenth_are_shaded():
    (panel,) = section_panels([roc(points=PERFECT)])

    x, width = (float(re.search(rf'<rect[^>]* {n}="([^"]+)"', panel)[1]) for n in ("x", "width"))
    places = [pair.split(",") for pair in re.search('points="([^"]+)"', panel)[1].split()]
    assert x == float(places[0][0])
    full = float(places[-1][0]) - float(places[0][0])
    assert width == pytest.approx(0.1 * full, abs=0.06)  # Drawn with one digit.


def test_a_pauc_that_the_rules_do_not_define_is_not_told():
    (panel,) = section_panels([roc(pauc=NAN)])

    assert "AUC 50.00</b>" in panel
    assert "pAUC" not in panel


def test_a_machine_type_has_the_mean_curve_of_its_sections():
    rocs = [roc(section="00"), roc(section="01", points=PERFECT, auc=1.0, pauc=1.0)]

    (panel,) = machine_panels([*rocs])

    points = drawn(panel)
    np.testing.assert_allclose(points[:, 1][1:], 0.5 + points[:, 0][1:] / 2, atol=2e-3)
    assert "AUC 75.00, pAUC 75.00" in panel
    area = float(np.sum(np.diff(points[:, 0]) * (points[1:, 1] + points[:-1, 1]) / 2))
    assert area == pytest.approx(0.75, abs=2e-3)  # Drawn with one digit.


def test_each_machine_type_has_a_panel_of_its_own():
    panels = machine_panels([roc("fan"), roc("valve", points=PERFECT, auc=1.0)])

    assert ["valve" in panel for panel in panels] == [False, True]
    assert ">AUC 50.00, pAUC 50.00<" in panels[0]


def test_runs_stand_in_one_panel_per_machine_type():
    curves = (
        RocCurve("source", (DIAGONAL,), 0.4, NAN),
        RocCurve("target", (DIAGONAL,), 0.6, NAN),
        RocCurve("all", (DIAGONAL,), 0.9, 0.7),
    )
    one, other = [SectionRoc("fan", "00", curves)], [roc("fan"), roc("valve")]

    panels = run_panels([("one", one), ("other", other)], rules_for("mini2022"))

    assert len(panels) == 2
    assert "one: AUC 50.00, pAUC 70.00" in panels[0]
    assert "other: AUC 50.00" in panels[0]
    assert [panel.count("<polyline") for panel in panels] == [2, 1]


def test_lines_differ_in_color_and_dashes():
    names = [(str(number), [roc()]) for number in range(8)]

    (panel,) = run_panels(names, rules_for("mini2021"))

    styles = re.findall('<g class="line roc ([^"]+)"', panel)
    assert len(set(styles)) == 8
    assert styles[0].split()[1] != styles[7].split()[1]


def test_development_and_evaluation_set_are_kept_apart():
    rocs = [roc(section="03"), roc(section="00"), roc(section="01")]

    parts = by_part(rocs, rules_for("dcase2021"))

    assert {part: [each.section for each in members] for part, members in parts.items()} == {
        "dev": ["00", "01"],
        "eval": ["03"],
    }
    assert list(parts) == ["dev", "eval"]


def test_corners_on_a_straight_line_are_dropped():
    points = np.array([[0.0, 0.0], [0.0, 0.3], [0.0, 0.6], [0.5, 0.6], [1.0, 1.0]])

    np.testing.assert_array_equal(thinned(points), points[[0, 2, 3, 4]])


def test_a_long_line_is_thinned_and_keeps_its_ends():
    rates = np.linspace(0.0, 1.0, 1001)
    points = np.column_stack([rates, np.sqrt(rates)])

    few = thinned(points)

    assert len(few) == MAX_POINTS
    np.testing.assert_array_equal(few[[0, -1]], points[[0, -1]])
