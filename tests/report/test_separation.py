"""Separation in numbers: silhouettes and purity, of which clips, by which properties."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from asdkeras.report.separation import (
    EVERYTHING,
    attribute_columns,
    clusters,
    purity,
    separations,
)


def clips_of(sections, domains="source", attributes=None):
    return pd.DataFrame(
        {"section": sections, "domain": domains, "attributes": attributes}, dtype="string"
    )


def naive_silhouette(vectors, labels):
    """Clip by clip, from the definition."""
    values = []
    for row, label in enumerate(labels):
        means = {}
        for group in sorted(set(labels)):
            others = [n for n, each in enumerate(labels) if each == group and n != row]
            if others:
                distances = [np.sqrt(((vectors[row] - vectors[n]) ** 2).sum()) for n in others]
                means[group] = sum(distances) / len(distances)
        if label not in means:
            values.append(0.0)
            continue
        own = means.pop(label)
        nearest = min(means.values())
        values.append((nearest - own) / max(own, nearest))
    return sum(values) / len(values)


def naive_purity(labels, found):
    counts = [
        max(
            sum(1 for label, each in zip(labels, found, strict=True) if (label, each) == (one, at))
            for one in set(labels)
        )
        for at in set(found)
    ]
    return sum(counts) / len(labels)


@pytest.fixture
def vectors():
    """Of 21 clips, three groups that overlap."""
    generator = np.random.default_rng(0)
    return generator.normal(size=(21, 4)) + 1.5 * (np.arange(21) % 3)[:, None]


LABELS = [f"0{number % 3}" for number in range(20)] + ["03"]  # The last one is alone.


def test_the_silhouette_is_that_of_the_definition_and_of_scikit_learn(vectors):
    (found,) = separations(vectors, clips_of(LABELS))

    assert found[:3] == ("section", 4, 21)
    assert found.silhouette == pytest.approx(naive_silhouette(vectors, LABELS), rel=1e-10)
    assert found.silhouette == pytest.approx(silhouette_score(vectors, LABELS), rel=1e-10)
    assert 0.05 < found.silhouette < 0.9


def test_purity_is_that_of_the_clusters_of_k_means(vectors):
    (found,) = separations(vectors, clips_of(LABELS))

    clustered = KMeans(4, n_init=3, random_state=0).fit_predict(vectors - vectors.mean(axis=0))
    assert found.purity == pytest.approx(naive_purity(LABELS, clustered.tolist()))
    assert found.most_frequent == pytest.approx(7 / 21)
    assert found.purity > found.most_frequent


def test_purity_counts_the_most_frequent_label_of_each_cluster():
    labels = np.array([0, 0, 1, 1, 2, 2, 2])

    assert purity(labels, np.array([5, 5, 5, 1, 1, 1, 1])) == pytest.approx(5 / 7)
    assert purity(labels, np.zeros(7, int)) == pytest.approx(3 / 7)
    assert purity(labels, np.array([2, 2, 0, 0, 1, 1, 1])) == 1.0


def test_groups_that_lie_apart_have_both_near_1_and_mixed_ones_have_not():
    generator = np.random.default_rng(1)
    sections = np.repeat(["00", "01"], 10)
    apart = generator.normal(size=(20, 3)) + 100.0 * (sections == "01")[:, None]

    (clear,) = separations(apart, clips_of(sections))
    (mixed,) = separations(generator.normal(size=(20, 3)), clips_of(sections))

    assert clear.silhouette > 0.95
    assert clear.purity == 1.0
    assert abs(mixed.silhouette) < 0.1
    assert mixed.purity < 0.9


def test_scale_and_origin_are_irrelevant(vectors):
    (expected,) = separations(vectors, clips_of(LABELS))
    (found,) = separations(1e6 * vectors - 1e5, clips_of(LABELS))

    assert found[:3] == expected[:3]
    assert found[3:] == pytest.approx(expected[3:], rel=1e-6)


def test_every_property_is_measured_and_then_all_together(vectors):
    domains = ["source", "target", "target"] * 7
    attributes = [f"vel_{n % 4}_m_{n % 2}" for n in range(21)]

    found = separations(vectors, clips_of(LABELS, domains, attributes))

    kinds = [f"{a}_{b}_{c}" for a, b, c in zip(LABELS, domains, attributes, strict=True)]
    assert [(each.by, each.groups) for each in found] == [
        *(("section", 4), ("domain", 2), ("attribute vel", 4), ("attribute m", 2)),
        (EVERYTHING, len(set(kinds))),
    ]
    for each, labels in zip(found, (LABELS, domains), strict=False):
        assert each.silhouette == pytest.approx(naive_silhouette(vectors, labels), rel=1e-9)
    assert found[-1].silhouette == pytest.approx(naive_silhouette(vectors, kinds), rel=1e-9)


def test_clips_of_which_a_property_is_not_known_are_left_out_of_it(vectors):
    domains = [None, *["source", "target"] * 10]
    attributes = ["vel_1", *["vel_1", "vel_2"] * 5, *["", None] * 5]

    found = {each.by: each for each in separations(vectors, clips_of(LABELS, domains, attributes))}

    assert {by: each.clips for by, each in found.items()} == {
        **{"section": 21, "domain": 20, "attribute vel": 11},
        EVERYTHING: 15,
    }
    expected = naive_silhouette(vectors[1:], domains[1:])
    assert found["domain"].silhouette == pytest.approx(expected, rel=1e-9)


def test_what_has_one_value_or_as_many_as_clips_is_not_measured(vectors):
    attributes = [f"n_{number}" for number in range(21)]
    assert separations(vectors, clips_of(["00"] * 21, "source", attributes)) == ()


def test_vectors_that_are_all_the_same_separate_nothing():
    (found,) = separations(np.full((6, 2), 3.0), clips_of(["00", "01"] * 3))

    assert (found.silhouette, found.purity, found.most_frequent) == (0.0, 0.5, 0.5)


def test_as_many_clusters_as_vectors_that_differ():
    repeated = np.repeat(np.eye(2), 4, axis=0)
    assert len(set(clusters(repeated, 3))) == 2


def test_attributes_without_keys_are_one():
    texts = pd.Series(["weight15_BckgF", "vel_1", None], dtype="string")

    assert list(attribute_columns(texts)) == [""]
    assert attribute_columns(texts.iloc[2:]) == {}
