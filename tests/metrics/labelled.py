"""Scores and labels as hypothesis draws them, and real submissions with their truth."""

import csv

import numpy as np
from hypothesis import strategies as st

from tests.real_data import real_data


@st.composite
def labelled_scores(draw, *, fewest_of_a_kind=1):
    """Scores with many ties, and labels of both kinds."""
    num_clips = draw(st.integers(2 * fewest_of_a_kind, 40))
    steps = draw(st.lists(st.integers(-6, 6), min_size=num_clips, max_size=num_clips))
    labels = draw(st.lists(st.booleans(), min_size=num_clips, max_size=num_clips))
    labels[: 2 * fewest_of_a_kind] = [False, True] * fewest_of_a_kind
    return np.array(steps) / 4.0, np.array(labels)


def read_submission(folder, year, ending):
    """Scores, labels, domains and sections of all clips, in the order of the evaluator."""
    truth = real_data(f"1_ground_truth/dcase{year}_evaluator")
    submission = real_data(f"2_scores/{folder}")
    columns = ([], [], [], [])
    for path in sorted((truth / "ground_truth_data").glob("ground_truth_*_test.csv")):
        section = path.name.removeprefix("ground_truth_").removesuffix("_test.csv")
        scores = _read(submission / f"anomaly_score_{section}{ending}")
        labels = _read(path)
        domains = _read(truth / "ground_truth_domain" / path.name)
        for name in sorted(labels):
            domain = "target" if domains[name] else "source"
            row = (scores[name], bool(labels[name]), domain, section)
            for column, value in zip(columns, row, strict=True):
                column.append(value)
    return tuple(np.array(column) for column in columns)


def _read(path):
    with path.open(newline="") as file:
        return {name: float(value) for name, value in csv.reader(file)}
