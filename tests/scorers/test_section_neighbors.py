"""Nearest training clips of the section, against every pair of clips written out."""

import numpy as np
import pytest

from asdkeras.scorers.section_neighbors import nearest_in_section

METRICS = ["cosine", "euclidean"]


def clips(num_clips=40, seed=0, dim=5):
    return np.random.default_rng(seed).normal(size=(num_clips, dim))


def arrangement(seed=1):
    """Sections in no order, two thirds of the clips for training."""
    random = np.random.default_rng(seed)
    return random.choice(["03", "00", "05"], 40), random.random(40) < 0.67


def naive(embeddings, sections, is_training, metric):
    """Smallest distance to another training clip of the section, clip by clip."""
    smallest = []
    for clip, own in enumerate(embeddings):
        distances = []
        for other, its in enumerate(embeddings):
            if other == clip or not is_training[other] or sections[other] != sections[clip]:
                continue
            if metric == "euclidean":
                distances.append(sum((a - b) ** 2 for a, b in zip(own, its, strict=True)) ** 0.5)
            else:
                dot = sum(a * b for a, b in zip(own, its, strict=True))
                lengths = sum(a * a for a in own) * sum(b * b for b in its)
                distances.append(1.0 - dot / lengths**0.5)
        smallest.append(min(distances))
    return smallest


@pytest.mark.parametrize("metric", METRICS)
def test_it_is_the_nearest_other_training_clip_of_the_section(metric):
    embeddings, (sections, is_training) = clips(), arrangement()

    distances = nearest_in_section(embeddings, sections, is_training, metric)

    assert distances.dtype == np.float64
    expected = naive(embeddings, sections, is_training, metric)
    np.testing.assert_allclose(distances, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_the_order_of_the_clips_is_irrelevant(metric):
    embeddings, (sections, is_training) = clips(), arrangement()
    order = np.random.default_rng(2).permutation(40)

    distances = nearest_in_section(embeddings, sections, is_training, metric)

    again = nearest_in_section(embeddings[order], sections[order], is_training[order], metric)
    np.testing.assert_allclose(again, distances[order], rtol=1e-12)


def test_other_clips_and_other_sections_have_no_say():
    embeddings, (sections, is_training) = clips(), arrangement()
    is_kept = is_training & (sections == "00")
    elsewhere = np.where(is_kept[:, None], embeddings, embeddings + 100.0)

    distances = nearest_in_section(elsewhere, sections, is_training, "euclidean")

    expected = nearest_in_section(embeddings, sections, is_training, "euclidean")
    np.testing.assert_array_equal(distances[is_kept], expected[is_kept])


def test_a_clip_heard_in_training_finds_its_double():
    embeddings = [[0.0, 1.0], [3.0, 5.0], [0.0, 1.0], [0.0, 1.0]]

    distances = nearest_in_section(embeddings, 4 * [2], [True, True, True, False], "euclidean")

    assert distances.tolist() == [0.0, 5.0, 0.0, 0.0]


def test_sections_may_have_training_clips_alone():
    distances = nearest_in_section([[0.0], [3.0], [4.0]], 3 * ["00"], 3 * [True], "euclidean")

    assert distances.tolist() == [3.0, 1.0, 1.0]


@pytest.mark.parametrize(("num_training", "is_training"), [(0, [0, 0, 0]), (1, [0, 1, 0])])
def test_a_section_without_two_training_clips_is_refused(num_training, is_training):
    sections, is_training = ["00", "00", "07", "07", "07"], np.array([1, 1, *is_training], bool)

    message = rf"at least 2 training clips.*section 07 with {num_training} among 3 clips\. Leave"
    with pytest.raises(ValueError, match=message):
        nearest_in_section(clips(5), sections, is_training, "euclidean")


@pytest.mark.parametrize("counts", [(4, 5, 5), (5, 4, 5), (5, 5, 4)])
def test_arguments_of_different_lengths_are_refused(counts):
    num_clips, num_sections, num_training = counts

    with pytest.raises(ValueError, match=rf"Received: {counts[0]}, {counts[1]} and {counts[2]}"):
        nearest_in_section(clips(num_clips), num_sections * ["00"], num_training * [True], "cosine")


def test_what_is_not_finite_is_refused():
    embeddings = clips(5)
    embeddings[4] = np.nan

    with pytest.raises(ValueError, match="NaN"):
        nearest_in_section(embeddings, 5 * ["00"], [True, True, True, True, False], "cosine")


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValueError, match="Received: metric='manhattan'"):
        nearest_in_section(clips(3), 3 * ["00"], 3 * [True], "manhattan")
