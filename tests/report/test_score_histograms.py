"""Histograms hold every clip once, on its own side, in bins that all domains share."""

import re

import numpy as np
import pandas as pd
import pytest

from asdkeras.report.score_histograms import counts_in, edges_of, score_legend, score_panels
from asdkeras.score_files import TrialScores
from tests.clip_table import clip_table
from tests.report.mapped_runs import clip_rows


def trial_of(rows, scores=None, thresholds=5.0):
    table = clip_table(rows)
    scores = np.arange(len(table), dtype=float) if scores is None else scores
    columns = pd.DataFrame({"answer": scores})
    limits = pd.Series(np.broadcast_to(thresholds, len(table)).astype(float))
    return TrialScores(table, columns, limits, columns["answer"] > limits)


def panel_of(rows, **options):
    (panel,) = score_panels(trial_of(rows, **options), "answer", has_threshold=True)
    return panel


def told(panel):
    """What a screen reader says of each domain of a drawing."""
    text = re.search('role="img" aria-label="Scores of fan 00. ([^"]+)"', panel)[1]
    return text.split("; ")


def test_clips_stand_with_their_kind_and_domain():
    panel = panel_of(clip_rows("fan", num_clips=4))

    # Training clips come first, and the second half of the test clips is anomalous.
    assert told(panel) == [
        "source: 2 normal, median 8.5, 2 anomalous, median 10.5, 4 training, median 1.5, "
        "threshold 5",
        "target: 2 normal, median 12.5, 2 anomalous, median 14.5, 4 training, median 5.5, "
        "threshold 5",
    ]
    for place, score in (("start", "8"), ("end", "15")):
        assert re.search(rf'class="{place}">{score}</text>', panel)


def test_clips_without_labels_are_a_kind_of_their_own():
    trial = trial_of(clip_rows("fan", num_clips=2))
    is_test = trial.table["split"] == "test"
    table = trial.table.assign(is_anomalous=trial.table["is_anomalous"].mask(is_test))

    (panel,) = score_panels(trial._replace(table=table), "answer", has_threshold=True)

    assert [text.split(",")[0] for text in told(panel)] == [
        "source: 2 unlabelled",
        "target: 2 unlabelled",
    ]
    assert "normal" not in " ".join(told(panel))


def legend_of(trial, *, has_threshold=True):
    return re.findall("</svg>([^<]+)<", score_legend(trial, has_threshold=has_threshold))


def test_a_legend_has_what_is_drawn():
    trial = trial_of(clip_rows("fan", num_clips=2))
    is_test = trial.table["split"] == "test"
    unlabelled = trial.table.assign(is_anomalous=trial.table["is_anomalous"].mask(is_test))
    tested = trial.table[is_test]

    assert legend_of(trial) == ["normal", "anomalous", "training", "threshold"]
    assert legend_of(trial, has_threshold=False) == ["normal", "anomalous", "training"]
    assert legend_of(trial._replace(table=unlabelled)) == ["unlabelled", "training", "threshold"]
    assert legend_of(trial._replace(table=tested)) == ["normal", "anomalous", "threshold"]


def test_thresholds_of_another_score_are_not_drawn():
    (panel,) = score_panels(trial_of(clip_rows("fan")), "answer", has_threshold=False)

    assert "threshold" not in panel


def test_a_clip_without_a_domain_is_not_lost():
    trial = trial_of(clip_rows("fan"))
    table = trial.table.assign(domain=pd.array([pd.NA] * len(trial.table), dtype="string"))

    (panel,) = score_panels(trial._replace(table=table), "answer", has_threshold=True)

    (text,) = told(panel)
    assert text.startswith("domain not known: ")


def test_training_clips_do_not_widen_the_bins():
    scores = np.arange(16.0)
    rows = clip_rows("fan", num_clips=4)

    narrow, wide = (
        panel_of(rows, scores=np.concatenate([training, scores[8:]]))
        for training in (scores[:8], np.linspace(-50.0, 50.0, 8))
    )

    ends = [
        re.findall(r'class="(?:start|end)">([\d.-]+)</text>', panel) for panel in (narrow, wide)
    ]
    assert ends[0] == ends[1]


def test_one_far_score_does_not_flatten_the_others():
    scores = np.array([*np.linspace(0.0, 1.0, 101), 1000.0])

    edges = edges_of(scores)

    quartiles = np.quantile(scores, [0.25, 0.75])
    assert edges[0] == 0.0
    assert edges[-1] == pytest.approx(quartiles[1] + 3.0 * (quartiles[1] - quartiles[0]))


def test_far_scores_are_counted_in_the_outer_bins():
    counts = counts_in(np.array([-9.0, 0.5, 9.0, 9.0]), np.array([0.0, 1.0, 2.0, 3.0]))

    assert counts.tolist() == [2, 0, 2]


def test_equal_scores_have_bins_as_well():
    edges = edges_of(np.array([2.0, 2.0]))

    assert edges[0] < 2.0 < edges[-1]


def test_more_clips_have_more_bins_within_limits():
    def num_bins(num_clips):
        return len(edges_of(np.linspace(0.0, 1.0, num_clips))) - 1

    assert [num_bins(number) for number in (4, 100, 10000)] == [10, 20, 30]


def test_normal_clips_stand_upright_and_anomalous_ones_hang():
    panel = panel_of(clip_rows("fan"))

    heights = {
        kind: [float(value) for value in re.findall(r"v(-?[\d.]+)h", path)]
        for path, kind in re.findall(r'<path d="([^"]+)" class="(c\d) bar"', panel)
    }
    assert heights["c0"]
    assert max(heights["c0"]) < 0 < min(heights["c1"])


def test_the_threshold_stands_at_its_score():
    scores = np.tile([0.0, 10.0, 4.0, 6.0], 4)
    panel = panel_of(clip_rows("fan"), scores=scores, thresholds=2.5)

    base = re.search(r'<path d="M([\d.]+) [\d.]+H([\d.]+)" class="axis"', panel)
    left, right = float(base[1]), float(base[2])
    place = float(re.search(r'<path d="M([\d.]+) [^>]*class="threshold"', panel)[1])
    assert place == pytest.approx(left + 0.25 * (right - left), abs=0.06)  # One digit.
    assert "<title>threshold 2.5</title>" in panel


def test_a_threshold_beyond_all_scores_is_told():
    assert "threshold 99, beyond the scores" in panel_of(clip_rows("fan"), thresholds=99.0)


def test_several_thresholds_are_told_from_where_to_where():
    rows = clip_rows("fan", num_clips=2)

    assert "2 thresholds, 3 to 4" in panel_of(rows, thresholds=np.tile([3.0, 4.0], 4))
