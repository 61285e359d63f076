"""Which normal clips are held out, in what order, and thresholds from their scores."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from asdkeras.experiment.held_out import (
    correlation_length,
    held_out_thresholds,
    is_far_out,
    recording_order,
    recording_order_of,
    with_clips_held_out,
)
from asdkeras.experiment.open_run import open_run
from asdkeras.experiment.recipe import ThresholdOptions
from asdkeras.experiment.unit_scores import score_unit
from asdkeras.experiment.units import Unit
from asdkeras.scorers.nearest_neighbor import NearestNeighborScorer
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import representation, scored
from asdkeras.systems.model_files import Models
from asdkeras.systems.system import System
from tests.clip_table import clip_table

MODELS = Models(64, 16000, "start")
HELD_OUT = ThresholdOptions("held_out", 0.1)


def press(count, **columns):
    """Training clips of one machine and a test clip, in no order."""
    rows = [{"path": f"press/clip_{i}.wav", "split": "train", **columns} for i in range(count)]
    rows.append({"path": "press/other.wav", **columns})
    table = clip_table(rows, dataset="folder", machine_type="press", section="00")
    return table.sample(frac=1.0, random_state=1)


class Store:
    """Clips of noise; or of a tone each, which drifts, one octave in `memory` clips."""

    def __init__(self, table, memory=None):
        self.lengths = dict.fromkeys(table.index, 4096)
        self.places = dict(zip(table.index, table["path"].str.extract(r"(\d+)")[0], strict=True))
        self.memory = memory

    def read(self, indices, clip_length, keep):
        (row,) = indices
        noise = np.random.default_rng(row).normal(size=(1, clip_length))
        if self.memory is None:
            return noise
        pitch = 200.0 * 2.0 ** (int(self.places[row]) / self.memory)
        return 0.01 * noise + np.sin(2.0 * np.pi * pitch / 16000 * np.arange(clip_length))


def names_held_out(table):
    return sorted(table["path"][table["split"] == "held_out"], key=lambda path: (len(path), path))


@pytest.mark.parametrize(
    ("count", "rate", "expected"),
    [
        *((3, 0.1, 0), (4, 0.1, 1), (24, 0.1, 8), (27, 0.1, 9), (40, 0.1, 9), (100, 0.1, 20)),
        *((60, 0.05, 19), (60, 0.01, 20), (300, 0.01, 99), (1000, 0.01, 200)),
    ],
)
def test_the_last_clips_are_held_out_as_many_as_the_rate_asks_for(count, rate, expected):
    table = press(count)

    found = with_clips_held_out(table, Store(table), rate)

    wanted = [f"press/clip_{i}.wav" for i in range(count - expected, count)]
    assert names_held_out(found) == wanted
    assert (found["split"] == "test").sum() == 1
    pd.testing.assert_frame_equal(found.drop(columns="split"), table.drop(columns="split"))


def test_of_every_condition_the_last_clips_are_held_out_and_rare_ones_lose_none():
    rows = [
        {"path": f"{i:03d}.wav", "domain": "source", "attributes": f"spd_{i // 30}"}
        for i in range(90)
    ]
    rows += [
        {"path": f"t{i}.wav", "domain": "target", "attributes": f"spd_{9 + i}"} for i in range(4)
    ]
    table = clip_table(rows, split="train", machine_type="car", section="00")

    found = with_clips_held_out(table, Store(table), 0.1)

    held = [int(path[:3]) for path in names_held_out(found)]
    # 18 of 94 are wanted: 30 x 18 / 94, rounded.
    assert held == [*range(24, 30), *range(54, 60), *range(84, 90)]


def test_where_all_conditions_are_rare_they_do_not_count():
    rows = [{"path": f"{i:03d}.wav", "attributes": f"no_{i}"} for i in range(50)]
    table = clip_table(rows, split="train", machine_type="car", section="00")

    assert len(names_held_out(with_clips_held_out(table, Store(table), 0.1))) == 10


@pytest.mark.parametrize(("memory", "fewest", "most"), [(20.0, 20, 40), (4.0, 16, 24)])
def test_where_neighbors_sound_alike_more_are_held_out(memory, fewest, most):
    table = press(80)

    found = with_clips_held_out(table, Store(table, memory), 0.1)

    assert fewest <= len(names_held_out(found)) <= most


def test_numbers_in_names_order_by_value():
    paths = ["b10.wav", "b9.wav", "a/2.wav", "b9_11.wav", "b9_2.wav", "a/10.wav"]

    assert [paths[i] for i in recording_order(paths)] == [
        *("a/2.wav", "a/10.wav", "b9.wav", "b9_2.wav", "b9_11.wav", "b10.wav")
    ]


def length_of(vectors):
    return correlation_length(vectors, np.zeros(len(vectors), int))


def drifting(count, memory, seed=0):
    """Vectors of which each resembles the one before: correlation falls to 1/e in `memory`."""
    rng, keep = np.random.default_rng(seed), np.exp(-1.0 / memory)
    vectors = [rng.normal(size=8)]
    for _ in range(count - 1):
        vectors.append(keep * vectors[-1] + np.sqrt(1 - keep**2) * rng.normal(size=8))
    return np.array(vectors)


def test_exchangeable_clips_have_no_correlation_length_and_drifting_ones_do():
    free = [length_of(np.random.default_rng(i).normal(size=(200, 8))) for i in range(20)]
    short = [length_of(drifting(400, 5.0, seed)) for seed in range(20)]
    long = [length_of(drifting(400, 20.0, seed)) for seed in range(20)]

    assert np.median(free) == 1
    assert max(free) <= 3
    assert 5 <= np.median(short) <= 15
    assert np.median(long) > 2 * np.median(short)


def test_a_clip_far_off_hides_no_likeness():
    vectors = drifting(200, 20.0)
    vectors[77] = 1e4

    assert length_of(vectors) >= length_of(drifting(200, 20.0)) / 2 > 5


def test_equal_clips_have_some_length():
    assert length_of(np.ones((50, 3))) == 1


@pytest.mark.parametrize(("memory", "fewest", "most"), [(None, 10, 10), (5.0, 5, 10), (60.0, 2, 4)])
def test_blocks_are_contiguous_and_fewer_the_longer_clips_are_alike(memory, fewest, most):
    vectors = (
        np.random.default_rng(0).normal(size=(300, 8)) if not memory else drifting(300, memory)
    )
    table = press(300)
    numbers = table["path"].str.extract(r"(\d+)")[0].fillna("-1").astype(int).to_numpy()

    order = recording_order_of(table, np.arange(301), vectors[numbers])

    np.testing.assert_array_equal(numbers[order.rows], np.arange(300))
    np.testing.assert_array_equal(np.concatenate(order.blocks), order.rows)
    assert fewest <= len(order.blocks) <= most


def test_scores_are_alike_within_a_condition_alone_and_so_are_blocks():
    # Twenty conditions that differ more than clips of one do; these follow one another.
    vectors = np.concatenate([drifting(40, 3.0, seed) + 50.0 * seed for seed in range(20)])
    conditions = np.repeat(np.arange(20), 40)
    table = press(800).sort_values("path", key=lambda each: each.str.len() * 1000 + 0)
    numbers = table["path"].str.extract(r"(\d+)")[0].fillna("-1").astype(int).to_numpy()
    table = table.assign(attributes=[f"spd_{number // 40}" for number in numbers])

    assert correlation_length(vectors, conditions) < 10 < length_of(vectors)
    order = recording_order_of(table, np.arange(801), vectors[numbers])
    assert len(order.blocks) == 2
    for first, block in enumerate(order.blocks):
        assert set(numbers[block] % 40) == set(range(20 * first, 20 * first + 20))


@pytest.mark.parametrize(
    ("scores", "far"),
    [
        ([*range(10), 37.0], [10]),
        ([*range(10), 36.0], []),  # 27 beyond, and the others lie within 9.
        ([-30.0, *range(10)], [0]),
        ([*range(6), 100.0, 101.0, 99.0], [6, 7, 8]),
        ([*range(6), np.nan, 100.0], [7]),
        ([1.0, 1.0, 1.0, 1.0, 2.0], [4]),
        ([1.0, 2.0, 3.0, 90.0], []),
        ([1.0, 1.0], []),
        ([1.0], []),
        ([], []),
        ([np.nan, np.nan], []),
    ],
)
def test_scores_apart_from_the_others_are_far_out(scores, far):
    found = is_far_out(np.array(scores, float))

    assert found.nonzero()[0].tolist() == far


def test_scores_of_common_distributions_are_rarely_far_out():
    rng = np.random.default_rng(0)
    for draw in (rng.normal, rng.gumbel, rng.exponential):
        shares = [is_far_out(draw(size=count)).any() for count in (8, 30) for _ in range(500)]
        assert np.mean(shares) < 0.04


class Neighbors(System):
    """The distance to the nearest training clip; learns nothing but that."""

    models_class, main_score = Models, "distance"
    train = represent = None

    def section_scorer(self, normal):
        drawn = representation("drawn")
        scorer = NearestNeighborScorer("euclidean").fit(normal.values(drawn))
        return SectionScorer({"distance": scored(scorer, drawn)}, drawn)


def nearest(clips, others):
    return np.array([np.linalg.norm(others - clip, axis=1).min() for clip in clips])


@pytest.fixture
def unit():
    table = press(40)
    numbers = table["path"].str.extract(r"(\d+)")[0].fillna("40").astype(int).to_numpy()
    drawn = np.random.default_rng(3).normal(size=(41, 6))[numbers]
    return Unit(table.assign(path=table["path"]), MODELS, {"drawn": drawn}), drawn, numbers


def test_where_scorers_alone_learn_each_block_is_scored_by_the_others(unit):
    unit, drawn, numbers = unit

    scores = score_unit(Neighbors(None), unit, 0, options=HELD_OUT)

    is_training = numbers < 40
    expected = np.full(41, np.nan)
    for block in np.array_split(np.arange(40), 10):
        rows, rest = np.isin(numbers, block), is_training & ~np.isin(numbers, block)
        expected[rows] = nearest(drawn[rows], drawn[rest])
    expected[~is_training] = nearest(drawn[~is_training], drawn[is_training])
    np.testing.assert_allclose(scores.columns["distance"], expected, rtol=1e-12)
    np.testing.assert_array_equal(scores.held_out, is_training)
    # ceil(41 x 0.9) = 37.
    assert set(scores.thresholds) == {np.sort(expected[is_training])[36]}
    assert scores.notes[0].startswith(
        "press_00: the threshold comes from the scores of 40 normal clips, each block of 10 by the "
        "others. Of normal clips like these, about 10 percent will be called anomalous; "
    )


def test_clips_held_out_for_good_set_the_threshold_alone(unit):
    unit, drawn, numbers = unit
    unit = unit._replace(table=with_clips_held_out(unit.table, Store(unit.table), 0.1))

    scores = score_unit(Neighbors(None), unit, 0, options=HELD_OUT)

    is_held = (numbers >= 31) & (numbers < 40)
    np.testing.assert_array_equal(scores.held_out, is_held)
    held = nearest(drawn[is_held], drawn[numbers < 31])
    np.testing.assert_allclose(scores.columns["distance"][is_held], held, rtol=1e-12)
    assert set(scores.thresholds) == {held.max()}  # ceil(10 x 0.9) = 9 of 9.


def test_a_clip_far_out_is_named_and_sets_no_threshold(unit):
    unit, drawn, numbers = unit
    off = unit._replace(arrays={"drawn": np.where((numbers == 39)[:, None], 1e3, drawn)})
    off = off._replace(table=with_clips_held_out(off.table, Store(off.table), 0.1))

    scores = score_unit(Neighbors(None), off, 0, options=HELD_OUT)

    assert scores.thresholds.iloc[0] < 10.0
    assert not scores.held_out[numbers == 39].any()
    assert scores.held_out.sum() == 8
    assert "1 of 40 normal clips lie far from the others, such as clip_39.wav" in scores.notes[1]


def test_drift_is_said(unit):
    unit, drawn, numbers = unit
    moved = unit._replace(arrays={"drawn": drawn + 0.5 * np.maximum(numbers - 20, 0)[:, None]})

    notes = score_unit(Neighbors(None), moved, 0, options=HELD_OUT).notes

    assert any("of the last third scores higher than one of the first" in note for note in notes)
    assert not any("last third" in n for n in score_unit(Neighbors(None), unit, 0).notes)


def test_too_few_clips_are_said_to_promise_nothing():
    table = press(3)
    drawn = np.random.default_rng(0).normal(size=(4, 2))

    scores = score_unit(Neighbors(None), Unit(table, MODELS, {"drawn": drawn}), 0, options=HELD_OUT)

    assert not scores.held_out.any()
    assert "press_00: 3 normal clips are too few to hold some out" in scores.notes[0]


def test_thresholds_are_of_a_section_whatever_the_domain():
    rows = [
        {"section": section, "domain": domain, "split": split}
        for section in ("00", "01")
        for split in ("train", "held_out", "test")
        for domain in ("source", "target")
        for _ in range(10)
    ]
    table = clip_table(rows, machine_type="fan")
    scores = pd.Series(np.random.default_rng(0).permutation(120).astype(float))
    # Some that a system holds out for purposes of its own do not count.
    flags = (table["split"] == "held_out") | (table.index == 0)

    thresholds = held_out_thresholds(scores, table, flags, 0.2).values

    for section in ("00", "01"):
        here = table["section"] == section
        of_held = np.sort(scores[here & (table["split"] == "held_out")])
        assert set(thresholds[here]) == {of_held[16]}  # ceil(21 x 0.8) = 17 of 20.


@pytest.mark.parametrize(("system", "is_apart"), [("baseline2023", True), ("controls2026", False)])
def test_own_recordings_hold_clips_out_and_a_paper_s_rule_does_not(tmp_path, system, is_apart):
    machine = tmp_path / "data" / "press"
    for name in [f"train/{i:02d}" for i in range(12)] + ["test/normal_1", "test/anomaly_1"]:
        (machine / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(len(name)).normal(size=16000)
        soundfile.write(machine / f"{name}.wav", 0.1 * noise, 16000)

    own = open_run(system, tmp_path / "data", runs=tmp_path)
    papers = open_run(system, tmp_path / "data", runs=tmp_path, overrides=["thresholds.rule=paper"])

    assert (own.table["split"] == "held_out").sum() == (4 if is_apart else 0)
    assert not (papers.table["split"] == "held_out").any()
    assert own.recipe.as_mapping()["thresholds"] == {"rule": "held_out", "false_alarm_rate": 0.1}
    assert "thresholds" not in papers.recipe.as_mapping()
