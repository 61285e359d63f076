"""Mean and spread of the training clips, each section by itself."""

import numpy as np
import pandas as pd

from asdkeras.scorers.section_standardization import section_moments


def table_and_scores():
    """Training clips of the fan: 1 and 3 in section 00, 10 and 16 in 01; of the valve: 5."""
    rows = [
        *[("fan", "00", "train", 1.0), ("fan", "01", "train", 10.0), ("fan", "00", "test", 9.0)],
        *[("fan", "00", "train", 3.0), ("fan", "01", "train", 16.0), ("fan", "01", "test", 0.0)],
        *[("valve", "00", "train", 5.0), ("valve", "00", "test", 8.0)],
    ]
    names = ["machine_type", "section", "split", "score"]
    table = pd.DataFrame(rows, columns=names, index=range(20, 28))
    return table, table["score"]


def test_mean_and_population_spread_are_those_of_the_training_clips_of_the_section():
    table, scores = table_and_scores()

    moments = section_moments(scores, table)

    np.testing.assert_allclose(moments.mean, [2, 13, 2, 2, 13, 13, 5, 5])
    np.testing.assert_allclose(moments.spread, [1, 3, 1, 1, 3, 3, 1, 1])
    assert moments.mean.index.equals(table.index)


def test_training_clips_of_one_score_are_named_and_have_a_spread_of_one():
    """Three times 0.1 has a mean above 0.1, and so a spread of 1e-17."""
    table = pd.DataFrame({"machine_type": "fan", "section": "02", "split": ["train"] * 3})

    moments = section_moments(pd.Series([0.1, 0.1, 0.1]), table)

    assert moments.spread.tolist() == [1.0, 1.0, 1.0]
    assert moments.constant == ("fan 02",)


def test_clips_without_a_score_do_not_count():
    table, scores = table_and_scores()
    scores = scores.copy()
    scores.loc[[20, 26]] = np.nan

    moments = section_moments(scores, table)

    np.testing.assert_allclose(moments.mean, [3, 13, 3, 3, 13, 13, np.nan, np.nan])
    assert moments.spread[26:].isna().all()
    assert moments.constant == ("fan 00",)
