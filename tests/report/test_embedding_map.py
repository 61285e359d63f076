"""Maps show what is in the vectors, of the clips they are of, and the same every time."""

import errno

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from asdkeras.report import embedding_map
from asdkeras.report.embedding_map import CLIP_COLUMNS, coordinates, drawn_rows, embedding_maps
from tests.clip_table import clip_table
from tests.report.mapped_runs import clip_rows, represented, scored_clips, vectors_of


def mapped_run(folder, rows, change=None):
    """A run with one model; the clip table."""
    table = scored_clips(folder, rows)
    vectors = vectors_of(table)
    represented(folder, "all", {"embedding": vectors if change is None else change(vectors)})
    return table


def groups(num_clips=8, dim=12):
    """Two groups of vectors, far apart."""
    vectors = np.random.default_rng(0).normal(size=(2 * num_clips, dim))
    vectors[num_clips:] += 50.0
    return vectors


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_groups_that_lie_apart_lie_apart_on_the_map(method):
    points = coordinates(groups(), method)

    first, second = points[:8], points[8:]
    across = np.linalg.norm(first[:, None] - second[None], axis=2)
    within = max(
        np.sort(np.linalg.norm(group[:, None] - group[None], axis=2), axis=1)[:, 1].max()
        for group in (first, second)
    )
    assert points.shape == (16, 2)
    assert across.min() > within


def test_pca_gives_the_directions_of_largest_variance():
    vectors = np.random.default_rng(1).normal(size=(9, 4)) * [1.0, 5.0, 0.5, 3.0]

    points = coordinates(vectors, "pca")

    centered = vectors - vectors.mean(axis=0)
    values, directions = np.linalg.eigh(centered.T @ centered)
    expected = centered @ directions[:, np.argsort(values)[::-1][:2]]
    expected *= np.abs(points).max() / np.abs(expected).max()
    np.testing.assert_allclose(np.abs(points), np.abs(expected), rtol=1e-9)


def test_the_same_vectors_give_the_same_map():
    np.testing.assert_array_equal(coordinates(groups()), coordinates(groups()))


@pytest.mark.parametrize(
    ("num_clips", "perplexity"), [(5, 4 / 3), (16, 5.0), (91, 30.0), (200, 30.0)]
)
def test_perplexity_is_30_or_a_third_of_the_other_clips(monkeypatch, num_clips, perplexity):
    told = {}

    class Recorder:
        def __init__(self, **options):
            told.update(options)

        def fit_transform(self, vectors):
            return vectors[:, :2]

    monkeypatch.setattr(embedding_map, "TSNE", Recorder)

    coordinates(np.random.default_rng(0).normal(size=(num_clips, 3)))

    assert told["perplexity"] == pytest.approx(perplexity)
    assert told["init"] == "pca"
    assert isinstance(told["random_state"], int)


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_scale_and_origin_of_vectors_are_irrelevant(method):
    vectors = groups()

    # A power of two, so that no digit is lost on the way.
    np.testing.assert_array_equal(
        coordinates(2.0**100 * vectors, method), coordinates(vectors, method)
    )
    assert np.isfinite(coordinates(vectors + 1e6, method)).all()


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_vectors_that_are_all_the_same_lie_in_one_point(method):
    np.testing.assert_array_equal(coordinates(np.full((6, 3), 0.1), method), np.zeros((6, 2)))


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_vectors_may_repeat(method):
    points = coordinates(np.repeat(groups(3), 4, axis=0), method)

    assert np.isfinite(points).all()
    assert np.ptp(points[:, 0]) > 0


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_vectors_may_have_one_element(method):
    points = coordinates(np.arange(8.0)[:, None], method)

    assert points.shape == (8, 2)
    assert len(np.unique(points[:, 0])) == 8


def test_a_point_belongs_to_its_clip_wherever_that_stands(tmp_path):
    rows = [*clip_rows("fan", num_clips=3), *clip_rows("valve", num_clips=3)]
    mixed = [rows[number] for number in np.random.default_rng(0).permutation(len(rows))]
    mapped_run(tmp_path / "a", rows)
    mapped_run(tmp_path / "b", mixed)

    for first, second in zip(
        sorted(embedding_maps(tmp_path / "a", seed=0, method="pca"), key=lambda each: each.title),
        sorted(embedding_maps(tmp_path / "b", seed=0, method="pca"), key=lambda each: each.title),
        strict=True,
    ):
        other = second.clips.set_index("name").loc[first.clips["name"]]
        assert list(first.clips["name"]) != list(second.clips["name"])
        np.testing.assert_allclose(first.clips[["x", "y"]], other[["x", "y"]], atol=1e-9)
        assert list(first.clips["domain"]) == list(other["domain"])


def test_a_map_tells_of_every_clip_what_is_known(tmp_path):
    rows = clip_rows("fan", "01", num_clips=2, attributes="vel_10")
    rows += [{**rows[-1], "path": "/data/new.wav", "is_anomalous": None}]
    mapped_run(tmp_path, rows)

    (found,) = embedding_maps(tmp_path, seed=0, method="pca")

    assert tuple(found.clips) == CLIP_COLUMNS
    assert (found.title, found.array, found.num_clips) == ("fan", "embedding", 9)
    first, last = found.clips.iloc[0], found.clips.iloc[-1]
    assert first["name"] == "fan_01_source_train_0.wav"
    assert (first["split"], first["section"], first["attributes"]) == ("train", "01", "vel_10")
    assert first["is_anomalous"] is False or not first["is_anomalous"]
    assert last["name"] == "new.wav"
    assert last[["attributes", "is_anomalous"]].isna().all()


def test_too_few_clips_for_tsne_are_mapped_by_pca(tmp_path):
    mapped_run(tmp_path, [*clip_rows("fan", num_clips=1), *clip_rows("valve", num_clips=2)])

    maps = embedding_maps(tmp_path, seed=0)

    assert [(each.title, each.method) for each in maps] == [("fan", "pca"), ("valve", "tsne")]


def test_one_split_may_be_mapped_alone(tmp_path):
    mapped_run(tmp_path, clip_rows(num_clips=2))

    (found,) = embedding_maps(tmp_path, seed=0, split="train", method="pca")

    assert set(found.clips["split"]) == {"train"}
    assert found.num_clips == len(found.clips) == 4


@pytest.mark.parametrize(("split", "num_clips"), [(None, 8), ("train", 4), ("test", 4)])
def test_clips_that_were_held_out_are_training_clips_as_well(tmp_path, split, num_clips):
    rows = clip_rows(num_clips=2)
    rows[0]["split"] = "held_out"
    mapped_run(tmp_path, rows)

    (found,) = embedding_maps(tmp_path, seed=0, split=split, method="pca")

    assert len(found.clips) == num_clips
    assert ("held_out" in set(found.clips["split"])) == (split != "test")


def test_a_machine_type_without_clips_of_the_split_has_no_map(tmp_path):
    training = [row for row in clip_rows("valve") if row["split"] == "train"]
    mapped_run(tmp_path, [*clip_rows("fan"), *training])

    maps = embedding_maps(tmp_path, seed=0, split="test", method="pca")

    assert [each.title for each in maps] == ["fan"]


def test_too_many_clips_are_thinned_out_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_map, "MAX_CLIPS", 6)
    mapped_run(
        tmp_path, clip_rows(num_clips=5), lambda vectors: np.vstack([[np.nan] * 3, vectors[1:]])
    )

    (found,) = embedding_maps(tmp_path, seed=0, method="pca")

    assert (len(found.clips), found.num_clips, found.num_without) == (6, 19, 1)
    assert np.isfinite(found.clips[["x", "y"]]).all(axis=None)


@pytest.mark.parametrize("split", ["train", None])
def test_separation_is_that_of_the_vectors_of_the_clips_on_the_map(tmp_path, monkeypatch, split):
    monkeypatch.setattr(embedding_map, "MAX_CLIPS", 12)
    table = mapped_run(tmp_path, clip_rows(num_clips=5))

    (found,) = embedding_maps(tmp_path, seed=0, split=split, method="pca")

    names = [str(path).rsplit("/", 1)[-1] for path in table["path"]]
    rows = [names.index(name) for name in found.clips["name"]]
    vectors = vectors_of(table)[rows].astype("float64")
    (separation,) = found.separation
    assert (separation.by, separation.clips) == ("domain", len(rows))
    expected = silhouette_score(vectors, found.clips["domain"].to_numpy(str))
    assert separation.silhouette == pytest.approx(expected, rel=1e-9)
    assert separation.purity == 1.0


def test_a_draw_keeps_small_groups_whole():
    many = [{**row, "domain": "source"} for row in clip_rows(num_clips=20)]
    few = clip_rows(num_clips=2)
    table = clip_table([*many, *few], dataset="mini2021")

    rows = drawn_rows(table, 14)

    drawn = table.iloc[rows].groupby(["split", "domain"]).size()
    assert drawn.to_dict() == {
        ("test", "source"): 5,
        ("test", "target"): 2,
        ("train", "source"): 5,
        ("train", "target"): 2,
    }
    assert list(rows) == sorted(set(rows))
    np.testing.assert_array_equal(rows, drawn_rows(table, 14))


def test_a_draw_is_not_the_first_clips_of_a_group():
    table = clip_table(clip_rows(num_clips=50), dataset="mini2021")

    rows = drawn_rows(table, 40)

    assert len(rows) == 40
    assert max(int(str(path)[:-4].rsplit("_", 1)[-1]) for path in table["path"].iloc[rows]) > 30


def test_few_clips_are_all_drawn():
    table = clip_table([{**row, "domain": None} for row in clip_rows()], dataset="mini2021")

    np.testing.assert_array_equal(drawn_rows(table, 16), np.arange(16))


def test_a_map_is_computed_once(tmp_path, monkeypatch):
    mapped_run(tmp_path, clip_rows())
    (before,) = embedding_maps(tmp_path, seed=0)
    monkeypatch.setattr(embedding_map, "coordinates", None)

    (after,) = embedding_maps(tmp_path, seed=0)

    assert after.clips.equals(before.clips)


def test_maps_of_other_methods_and_arrays_are_kept_beside(tmp_path, monkeypatch):
    mapped_run(tmp_path, clip_rows())
    before = [embedding_maps(tmp_path, seed=0, method=name)[0] for name in ("tsne", "pca")]
    monkeypatch.setattr(embedding_map, "coordinates", None)

    after = [embedding_maps(tmp_path, seed=0, method=name)[0] for name in ("tsne", "pca")]

    assert not before[0].clips.equals(before[1].clips)
    assert all(x.clips.equals(y.clips) for x, y in zip(before, after, strict=True))


def test_a_map_of_other_vectors_is_computed_again(tmp_path):
    table = mapped_run(tmp_path, clip_rows())
    (before,) = embedding_maps(tmp_path, seed=0, method="pca")
    represented(tmp_path, "all", {"embedding": vectors_of(table)[::-1]})

    (after,) = embedding_maps(tmp_path, seed=0, method="pca")

    assert not np.allclose(before.clips["x"], after.clips["x"])


@pytest.mark.parametrize("content", ["", "digest,x\na,1\n", "a,b\n1\n2,3,4\n"])
def test_a_file_of_points_that_is_not_ours_is_replaced(tmp_path, content):
    mapped_run(tmp_path, clip_rows())
    cache = tmp_path / "embedding_map.csv"
    cache.write_text(content, encoding="utf-8")

    embedding_maps(tmp_path, seed=0, method="pca")

    assert cache.read_text(encoding="utf-8").startswith("digest,x,y\n")


@pytest.mark.parametrize(
    ("number", "is_told"), [(errno.EACCES, False), (errno.EROFS, False), (errno.ENOSPC, True)]
)
def test_a_run_that_may_be_read_only_is_mapped_all_the_same(tmp_path, monkeypatch, number, is_told):
    def refuse(path, frame):
        raise OSError(number, "no", str(path))

    mapped_run(tmp_path, clip_rows())
    monkeypatch.setattr(embedding_map, "write_csv", refuse)

    if is_told:
        with pytest.raises(OSError, match="no"):
            embedding_maps(tmp_path, seed=0, method="pca")
    else:
        assert len(embedding_maps(tmp_path, seed=0, method="pca")) == 1
