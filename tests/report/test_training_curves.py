"""Curves show what training logged, phase by phase."""

import re

import pandas as pd
import pytest

from asdkeras.report.training_curves import Curve, curve_legend, curve_panels, read_curves


def write_log(folder, text="epoch,loss,seconds\n1,2.0,0.5\n2,1.0,0.5\n"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.csv").write_text(text, encoding="utf-8")


def curve(unit="fan", seed="0", **columns):
    log = pd.DataFrame({"epoch": range(1, 1 + len(next(iter(columns.values())))), **columns})
    return Curve(unit, seed, "", log)


def points(panel):
    """Each polyline as pairs of numbers."""
    return [
        [tuple(map(float, pair.split(","))) for pair in text.split()]
        for text in re.findall(r'<polyline points="([^"]+)"', panel)
    ]


def test_earlier_phases_come_first_and_units_and_trials_in_natural_order(tmp_path):
    for place in ("fan_10/seed0", "fan_2/seed10", "fan_2/seed9", "fan_2/seed9/pretraining"):
        write_log(tmp_path / place)

    found = [(each.phase, each.unit, each.seed) for each in read_curves(tmp_path)]

    assert found == [
        ("pretraining", "fan_2", "9"),
        ("", "fan_2", "9"),
        ("", "fan_2", "10"),
        ("", "fan_10", "0"),
    ]


@pytest.mark.parametrize("text", ["", "loss\n1\n", "epoch,loss\n", "epoch\na,b,c\n1\n"])
def test_what_is_no_log_is_passed_over(tmp_path, text):
    write_log(tmp_path / "fan" / "seed0", text)

    assert read_curves(tmp_path) == []


def test_there_is_a_panel_for_every_value_but_time(tmp_path):
    write_log(tmp_path / "fan" / "seed0", "epoch,loss,learning_rate,empty,seconds\n1,2,0.1,,9\n")

    panels = curve_panels(read_curves(tmp_path))

    assert [re.search("<figcaption>(.*)</figcaption>", panel)[1] for panel in panels] == [
        "loss",
        "learning_rate",
    ]


def test_a_line_goes_from_the_first_epoch_to_the_last_and_high_values_lie_high():
    (panel,) = curve_panels([curve(loss=[4.0, 1.0, 2.0])])

    ((first, second, third),) = points(panel)
    assert first[0] < second[0] < third[0]
    assert first[1] < third[1] < second[1]
    assert (second[1] - third[1]) / (second[1] - first[1]) == pytest.approx(1 / 3, abs=1e-3)
    for label in (">4</text>", ">1</text>", ">3</text>"):
        assert label in panel


def test_lines_of_several_trainings_share_their_axes():
    (panel,) = curve_panels([curve(loss=[4.0, 2.0]), curve("valve", loss=[2.0, 1.0, 1.0])])

    first, second = points(panel)
    assert first[1] == pytest.approx((second[1][0], second[0][1]))
    assert "<title>fan, seed 0</title>" in panel
    assert "<title>valve, seed 0</title>" in panel


def test_a_value_that_few_trainings_log_is_drawn_of_those():
    curves = [curve(loss=[1.0, 2.0]), curve("valve", loss=[1.0, 2.0], scale=[3.0, 4.0])]

    loss, scale = curve_panels(curves)

    assert len(points(loss)) == 2
    assert len(points(scale)) == 1
    assert 'class="line c1 dash0"' in scale


def test_a_line_breaks_where_a_value_is_not_finite():
    (panel,) = curve_panels([curve(loss=[3.0, 2.0, float("nan"), 1.0, float("inf"), 2.0, 1.5])])

    assert [len(line) for line in points(panel)] == [2, 2]
    assert panel.count("<circle") == 1


def test_values_of_very_different_size_have_a_logarithmic_axis():
    (panel,) = curve_panels([curve(loss=[100.0, 1.0, 10.0, 1.0, 1.0])])

    ((high, low, middle, *_),) = points(panel)
    assert "loss, logarithmic" in panel
    assert middle[1] == pytest.approx((high[1] + low[1]) / 2, abs=0.1)


@pytest.mark.parametrize("values", [[100.0, 0.0, 1.0, 1.0, 1.0], [4.0, 3.0, 0.001]])
def test_other_values_have_a_linear_axis(values):
    (panel,) = curve_panels([curve(loss=values)])

    assert "logarithmic" not in panel


def test_a_value_that_stays_the_same_is_a_line_in_the_middle():
    (panel,) = curve_panels([curve(rate=[0.5, 0.5])])

    ((first, second),) = points(panel)
    assert first[1] == second[1]
    assert panel.count(">0.5</text>") == 1


def test_units_are_told_apart_by_color_and_dashes():
    made = curve_legend([curve(f"machine{number}", loss=[1.0]) for number in range(15)])

    styles = re.findall(r'class="line (c\d dash\d)"', made)
    assert len(set(styles)) == 15


def test_trials_of_one_unit_share_an_entry_of_the_legend():
    made = curve_legend([curve(loss=[1.0]), curve(seed="1", loss=[1.0])])

    assert made.count("<li>") == 1
