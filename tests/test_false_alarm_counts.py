"""Normal clips called anomalous are counted by section and kind; F1 of calling all of them so."""

import math

import numpy as np
import pandas as pd
import pytest

from asdkeras.evaluation import (
    ALL_ANOMALOUS,
    FALSE_ALARM_COLUMNS,
    all_anomalous_means,
    evaluate,
    false_alarms,
    summarize,
    with_all_anomalous,
)
from asdkeras.metrics.official import RULES
from tests.clip_table import clip_table

PLACE = {"machine_type": "fan", "section": "00"}


def naive(table, flags, held_out, seed):
    """The rows as dictionaries, counted clip by clip."""
    counts = {}
    clips = table.to_dict("records")
    for clip, flag, is_held_out in zip(clips, flags, held_out, strict=True):
        split, domain, label = clip["split"], clip["domain"], clip["is_anomalous"]
        if split == "supplemental":
            continue
        if split == "test":
            kind = "test" if pd.isna(domain) else f"test {domain}"
        else:
            kind = "held out" if split == "held_out" or is_held_out else "training"
            label = False
        row = counts.setdefault((clip["machine_type"], clip["section"], kind), [0] * 6)
        at = 4 if pd.isna(label) else 2 if label else 0
        row[at] += 1
        row[at + 1] += int(flag)
    for (machine_type, section, kind), row in sorted(counts.items()):
        if kind == "training" and (machine_type, section, "held out") in counts:
            continue
        normal, alarms, anomalous, found, unlabelled, others = row
        has_both = normal > 0 and anomalous > 0
        f1 = 2 * found / (2 * found + alarms + anomalous - found) if has_both else math.nan
        yield {
            **{"seed": seed, "machine_type": machine_type, "section": section, "kind": kind},
            **{"n_normal": normal, "n_false_alarms": alarms},
            "false_alarm_rate": alarms / normal if normal else math.nan,
            **{"n_anomalous": anomalous, "n_detected": found},
            "detection_rate": found / anomalous if anomalous else math.nan,
            "f1": f1,
            # Precision is the share of anomalous clips, recall is 1.
            ALL_ANOMALOUS: 2 * anomalous / (2 * anomalous + normal) if has_both else math.nan,
            **{"n_unlabelled": unlabelled, "n_unlabelled_flagged": others},
        }


@pytest.mark.parametrize("seed", range(5))
def test_every_clip_is_counted_once_by_section_kind_and_label(seed):
    rng = np.random.default_rng(seed)
    rows = [
        {
            "machine_type": rng.choice(["fan", "valve"]),
            "section": rng.choice(["00", "01"]),
            "split": rng.choice(["train", "held_out", "test", "test", "supplemental"]),
            "domain": rng.choice(["source", "target", ""]) or None,
            "is_anomalous": [True, False, None][rng.integers(3)],
        }
        for _ in range(60 if seed else 12)
    ]
    table = clip_table(rows)
    flags = rng.integers(0, 2, len(table))
    held_out = (table["split"] == "train").to_numpy() & (rng.random(len(table)) < 0.2)

    found = false_alarms(table, flags, held_out, seed)

    keys = ["machine_type", "section", "kind"]
    expected = pd.DataFrame(naive(table, flags, held_out, seed))[list(FALSE_ALARM_COLUMNS)]
    pd.testing.assert_frame_equal(
        found.sort_values(keys, ignore_index=True), expected, check_dtype=False, rtol=1e-12
    )


def test_training_clips_are_in_sample_unless_some_are_held_out():
    rows = [{"split": "train", "section": section} for section in ("00", "00", "01")]
    table = clip_table(rows, machine_type="fan", is_anomalous=False)

    kinds = false_alarms(table, [1, 0, 1], [False, True, False])[["section", "kind", "n_normal"]]

    assert kinds.to_numpy().tolist() == [["00", "held out", 1], ["01", "training", 1]]


def test_a_held_out_row_of_the_table_is_no_training_clip():
    table = clip_table([{"split": "train"}, {"split": "held_out"}], **PLACE)

    row = false_alarms(table, [0, 1])

    assert row[["kind", "n_normal", "n_false_alarms"]].to_numpy().tolist() == [["held out", 1, 1]]


def test_without_labels_nothing_is_a_false_alarm():
    table = clip_table([{"domain": "source"}, {"domain": "source"}], **PLACE)

    (row,) = false_alarms(table, [1, 0]).to_dict("records")

    assert (row["n_normal"], row["n_unlabelled"], row["n_unlabelled_flagged"]) == (0, 2, 1)
    assert np.isnan([row[name] for name in ("false_alarm_rate", "detection_rate", "f1")]).all()


def test_of_no_clip_there_is_no_row():
    found = false_alarms(clip_table([]), [])

    assert found.empty
    assert tuple(found) == FALSE_ALARM_COLUMNS


def test_what_does_not_fit_the_table_is_refused():
    table = clip_table([{}, {}], **PLACE)

    with pytest.raises(ValueError, match=r"`decisions` must have one value per clip.*\(3,\)"):
        false_alarms(table, [0, 1, 0])
    with pytest.raises(ValueError, match=r"`held_out` must have one value per clip.*\(1,\)"):
        false_alarms(table, [0, 1], [True])


@pytest.mark.parametrize("year", ["plain", "dcase2020", "dcase2021", "dcase2022"])
def test_means_are_those_of_decisions_that_are_all_anomalous(year):
    rng = np.random.default_rng(3)
    rows = [
        {**place, "domain": domain, "is_anomalous": n < count}
        for place in (PLACE, {**PLACE, "section": "01"}, {**PLACE, "machine_type": "valve"})
        for domain, count in (("source", 2), ("target", 5))
        for n in range(8)
    ]
    table, rules = clip_table(rows), RULES[year]
    scores, decisions = rng.normal(size=len(table)), rng.integers(0, 2, len(table))

    def metrics(flags):
        return pd.concat([evaluate(table, scores, flags, rules, seed).metrics for seed in (0, 1)])

    found = all_anomalous_means(metrics(decisions), rules)

    expected = summarize(metrics(np.ones(len(table), int)), rules).query("metric == 'f1'")
    assert set(found["metric"]) == {ALL_ANOMALOUS}
    others = ["part", "machine_type", "domain", "value", "n_seeds", "n_sections"]
    pd.testing.assert_frame_equal(
        found[others].reset_index(drop=True),
        expected[expected["value"].notna()][others].reset_index(drop=True),
    )


def test_where_there_is_no_f1_there_is_none_of_all_anomalous():
    table = clip_table([{"is_anomalous": True}, {"is_anomalous": False}], **PLACE)
    metrics = evaluate(table, [1.0, 0.0], None, RULES["plain"]).metrics

    assert with_all_anomalous(metrics)[ALL_ANOMALOUS].isna().all()
    assert all_anomalous_means(metrics, RULES["plain"]).empty
