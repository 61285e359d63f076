"""Vectors come back from a run folder with the clips they belong to."""

import shutil

import numpy as np
import pytest

from asdkeras.errors import DataError, RecipeError
from asdkeras.report.embedding_map import natural_key, read_clip_vectors
from tests.report.mapped_runs import clip_rows, represented, scored_clips, vectors_of

# Sections 00 and 03 are of the development and of the evaluation set of 2021.
ROWS = [
    *clip_rows("valve", "00", num_clips=2),
    *clip_rows("fan", "03", num_clips=2),
    *clip_rows("fan", "00", num_clips=2),
]
MIXED = [ROWS[number] for number in np.random.default_rng(0).permutation(len(ROWS))]


def names_of(unit, table):
    """Which clips a model of this name covers, by its name alone."""
    machine_type, _, rest = unit.partition("_")
    part = {"00": "dev", "03": "eval"}
    return [
        unit == "all" or (machine_type == of_type and rest in ("", section, part[section]))
        for of_type, section in zip(table["machine_type"], table["section"], strict=True)
    ]


@pytest.mark.parametrize(
    ("units", "titles"),
    [
        (["all"], {"valve", "fan"}),
        (["fan", "valve"], {"valve", "fan"}),
        (
            ["fan_dev", "fan_eval", "valve_dev"],
            {"valve", "fan, development set", "fan, evaluation set"},
        ),
        (["fan_00", "fan_03", "valve_00"], {"valve", "fan, section 00", "fan, section 03"}),
    ],
)
def test_every_clip_gets_its_own_vector_whatever_a_model_covers(tmp_path, units, titles):
    table = scored_clips(tmp_path, MIXED)
    for unit in units:
        represented(tmp_path, unit, {"embedding": vectors_of(table[names_of(unit, table)])})

    found = read_clip_vectors(tmp_path, seed=0)

    assert {each.title for each in found} == titles
    assert sum(len(each.table) for each in found) == len(table)
    for each in found:
        np.testing.assert_array_equal(each.vectors, vectors_of(each.table))
        assert each.table["machine_type"].nunique() == 1


def test_clips_without_a_vector_are_left_out_and_counted(tmp_path):
    table = scored_clips(tmp_path, clip_rows(num_clips=2))
    array = vectors_of(table)
    array[2] = np.nan
    array[5, 1] = np.inf
    represented(tmp_path, "all", {"embedding": array})

    (found,) = read_clip_vectors(tmp_path, seed=0)

    assert found.num_without == 2
    assert list(found.table["path"]) == [
        str(path).rsplit("/", 1)[-1] for path in table["path"].drop([2, 5])
    ]
    np.testing.assert_array_equal(found.vectors, np.delete(array, [2, 5], axis=0))


def test_what_has_no_vector_at_all_gives_no_result(tmp_path):
    table = scored_clips(tmp_path, MIXED)
    array = vectors_of(table)
    array[(table["machine_type"] == "fan").to_numpy(bool)] = np.nan
    represented(tmp_path, "all", {"embedding": array})

    assert [each.title for each in read_clip_vectors(tmp_path, seed=0)] == ["valve"]


def test_three_axes_are_averaged_over_the_second(tmp_path):
    table = scored_clips(tmp_path, clip_rows(num_clips=1))
    array = np.arange(len(table) * 5 * 2, dtype="float32").reshape(len(table), 5, 2)
    represented(tmp_path, "all", {"windows": array})

    (found,) = read_clip_vectors(tmp_path, seed=0)

    for row in range(len(table)):
        expected = [sum(float(v) for v in array[row, :, column]) / 5 for column in range(2)]
        np.testing.assert_allclose(found.vectors[row], expected, rtol=1e-12)


def test_one_number_per_clip_is_a_vector_of_length_one(tmp_path):
    table = scored_clips(tmp_path, clip_rows(num_clips=1))
    represented(tmp_path, "all", {"loudness": np.arange(float(len(table)))})

    (found,) = read_clip_vectors(tmp_path, seed=0)

    np.testing.assert_array_equal(found.vectors[:, 0], np.arange(len(table)))
    assert found.vectors.shape == (len(table), 1)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["first", "embedding_epoch9", "embedding", "last"], "embedding"),
        (["first", "embedding_epoch9", "embedding_epoch10", "last"], "embedding_epoch10"),
        (["zeta", "alpha"], "zeta"),
    ],
)
def test_the_embedding_is_taken_unless_told_otherwise(tmp_path, names, chosen):
    table = scored_clips(tmp_path, clip_rows(num_clips=1))
    represented(tmp_path, "all", dict.fromkeys(names, vectors_of(table)))

    assert [each.array for each in read_clip_vectors(tmp_path, seed=0)] == [chosen]
    assert [each.array for each in read_clip_vectors(tmp_path, seed=0, array=names[0])] == names[:1]


def test_models_without_the_array_asked_for_are_left_out(tmp_path):
    table = scored_clips(tmp_path, MIXED)
    for unit, name in (("fan", "embedding"), ("valve", "other")):
        rows = table[(table["machine_type"] == unit).to_numpy(bool)]
        represented(tmp_path, unit, {name: vectors_of(rows)})

    assert [each.title for each in read_clip_vectors(tmp_path, seed=0, array="other")] == ["valve"]


def test_an_unknown_array_is_answered_with_those_there_are(tmp_path):
    table = scored_clips(tmp_path, clip_rows())
    represented(tmp_path, "all", {"embedding": vectors_of(table), "moments": vectors_of(table)})

    with pytest.raises(
        RecipeError, match=r"no array `embeding`. Did you mean `embedding`\?.*: embedding, moments"
    ):
        read_clip_vectors(tmp_path, seed=0, array="embeding")


def test_an_ensemble_has_no_vectors(tmp_path):
    scored_clips(tmp_path, clip_rows())

    assert read_clip_vectors(tmp_path, seed=0) == []
    with pytest.raises(RecipeError, match=r"no array `embedding`\. It has no arrays of its own"):
        read_clip_vectors(tmp_path, seed=0, array="embedding")


def test_the_trial_asked_for_is_read(tmp_path):
    table = scored_clips(tmp_path, clip_rows(), seeds=(3, 4))
    for seed in (3, 4):
        represented(tmp_path, "all", {"embedding": vectors_of(table) + seed}, seed=seed)

    (found,) = read_clip_vectors(tmp_path, seed=4)

    np.testing.assert_array_equal(found.vectors, vectors_of(table) + 4)


def test_trials_that_were_pooled_have_one_clip_table(tmp_path):
    table = scored_clips(tmp_path, clip_rows(), seeds=(3, 4), pooled_seeds=[3, 4])
    shutil.rmtree(tmp_path / "scores" / "seed4")
    represented(tmp_path, "all", {"embedding": vectors_of(table)}, seed=4)

    assert len(read_clip_vectors(tmp_path, seed=4)) == 1


def test_an_unknown_trial_is_answered_with_those_there_are(tmp_path):
    scored_clips(tmp_path, clip_rows(), seeds=(3, 4))

    with pytest.raises(RecipeError, match=r"has no trial 5\. Choose one with --seed: 3, 4"):
        read_clip_vectors(tmp_path, seed=5)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="not the folder of a run"):
        read_clip_vectors(tmp_path, seed=0)


def test_a_run_that_is_not_scored_is_refused(tmp_path):
    scored_clips(tmp_path, clip_rows())
    shutil.rmtree(tmp_path / "scores")

    with pytest.raises(RecipeError, match=r"is missing\. Finish the run"):
        read_clip_vectors(tmp_path, seed=0)


@pytest.mark.parametrize("num_bytes", [0, 100, 1000])
def test_a_damaged_file_is_named(tmp_path, num_bytes):
    table = scored_clips(tmp_path, clip_rows(num_clips=20))
    represented(tmp_path, "all", {"embedding": vectors_of(table)})
    path = tmp_path / "all" / "seed0" / "representations.npz"
    path.write_bytes(path.read_bytes()[:num_bytes])

    with pytest.raises(DataError, match=r"representations\.npz: is damaged\. Delete the folder"):
        read_clip_vectors(tmp_path, seed=0)


def test_an_array_whose_data_are_damaged_is_named(tmp_path):
    table = scored_clips(tmp_path, clip_rows(num_clips=20))
    represented(tmp_path, "all", {"embedding": vectors_of(table)})
    path = tmp_path / "all" / "seed0" / "representations.npz"
    content = bytearray(path.read_bytes())
    content[300] ^= 0xFF
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"representations\.npz: is damaged"):
        read_clip_vectors(tmp_path, seed=0)


def test_an_array_of_other_clips_is_refused(tmp_path):
    table = scored_clips(tmp_path, clip_rows())
    represented(tmp_path, "all", {"embedding": vectors_of(table)[1:]})

    with pytest.raises(DataError, match=r"the shape \(15, 3\), the clip table 16 rows"):
        read_clip_vectors(tmp_path, seed=0)


def test_numbers_in_names_are_ordered_by_their_size():
    names = ["b", "epoch10", "10", "epoch9", "9", "a"]

    assert sorted(names, key=natural_key) == ["9", "10", "a", "b", "epoch9", "epoch10"]
