"""Ground truth of evaluation sets: small typed files of each year, and the published ones."""

from collections import Counter
from pathlib import Path

import pytest

from asdkeras.data import truth as module
from asdkeras.data.layouts import Layout, read_layout
from asdkeras.data.manifest import Dataset
from asdkeras.data.truth import Truth, TruthRow
from asdkeras.errors import DataError
from tests.truth_files import clip, dataset, pinned, publish, read_pinned_truth, read_truth, write

LIST = ("names", None, "list.csv")

TEXT_2020 = """fan
id_01_00000000.wav,normal_id_01_00000098.wav,0
id_01_00000001.wav,anomaly_id_01_00000064.wav,1
ToyConveyor
id_05_00000000.wav,anomaly_id_05_00000012.wav,1
"""
TEXT_2021 = """fan\r
section_03_source_test_0000.wav,section_03_source_test_anomaly_0000.wav\r
section_03_target_test_0000.wav,section_03_target_test_normal_0000.wav\r
"""
TEXT_2024 = """AirCompressor
section_00_0001.wav,section_00_source_test_normal_0001_noAttribute.wav
3DPrinter
section_00_0001.wav,section_00_target_test_anomaly_0001_mdl_B_spd_2.wav
RoboticArm
section_00_0000.wav,section_00_source_normal_0035_weight15_BckgF.wav
BrushlessMotor
section_00_0000.wav,section_00_source_test_normal_0003_spd1000_BckgC.wav
"""
TEXT_2025 = """AutoTrash
section_00_0000.wav,section_00_target_test_anomaly_0012_id_C1_spd_2_mic_2.wav
CoffeeGrinder
section_00_0000.wav,section_00_source_test_normal_2012_vol_12000_.wav
"""
LISTS = {2020: TEXT_2020, 2021: TEXT_2021, 2024: TEXT_2024, 2025: TEXT_2025}

# ToyCar: the list exchanges the clips of 2022. Its index 1 is raw index 0, and so on; its
# third name is what ASDKit's mended list calls the clip 0000.
TEXT_2022 = """bearing
section_03_0000.wav,section_03_source_test_normal_0000_vel_21.wav
section_03_0001.wav,section_03_target_test_anomaly_0001_vel_25.wav
ToyCar
section_03_0000.wav,section_03_source_test_normal_0001_car_A1.wav
section_03_0001.wav,section_03_source_test_anomaly_0007_car_B1.wav
section_03_0002.wav,section_03_source_test_anomaly_0000_car_A1.wav
section_03_0003.wav,section_03_target_test_normal_0003_car_C1.wav
"""
TABLES_2022 = {
    "labels_bearing": "section_03_0000.wav,0\nsection_03_0001.wav,1\n",
    "domains_bearing": "section_03_0000.wav,0\nsection_03_0001.wav,1.0\n",
    "labels_ToyCar": (
        "section_03_0000.wav,1\nsection_03_0001.wav,1\n"
        "section_03_0002.wav,0\nsection_03_0003.wav,0.0\n"
    ),
    "domains_ToyCar": (
        "section_03_0000.wav,1\nsection_03_0001.wav,0\n"
        "section_03_0002.wav,0\nsection_03_0003.wav,1\n"
    ),
}
FILES_2022 = [(*name.split("_"), f"{name}.csv") for name in TABLES_2022]


def join(clips, truth):
    return module.join(Layout(truth.dataset, list(clips), [], ()), truth)


def truth_of(folder, year):
    return read_truth(dataset(year, ("primary", LIST)), write(folder, list=LISTS[year]))


@pytest.fixture
def truth_2022(tmp_path):
    write(tmp_path, list=TEXT_2022, **TABLES_2022)
    return read_truth(dataset(2022, ("primary", *FILES_2022), ("primary", LIST)), tmp_path)


def find(truth, machine_type, name):
    (row,) = truth.find_all(machine_type, [name])
    return row


def known(clips):
    return [(clip.domain, clip.is_anomalous, clip.attributes) for clip in clips]


def test_list_of_2020_says_label_and_no_domain(tmp_path):
    truth = truth_of(tmp_path, 2020)

    assert truth.dataset == "dcase2020"
    assert truth.machine_types == ("ToyConveyor", "fan")
    assert truth.rows("fan") == (
        TruthRow("id_01_00000000.wav", "normal_id_01_00000098.wav", "01", None, False, None),
        TruthRow("id_01_00000001.wav", "anomaly_id_01_00000064.wav", "01", None, True, None),
    )


def test_list_of_2021_says_label_and_domain(tmp_path):
    rows = truth_of(tmp_path, 2021).rows("fan")

    assert [row[2:] for row in rows] == [
        ("03", "source", True, None),
        ("03", "target", False, None),
    ]


def test_rows_are_sorted_by_raw_name_whatever_the_order_of_the_list(tmp_path):
    heading, first, second = TEXT_2021.splitlines()
    folder = write(tmp_path, list="\n".join([heading, second, first]))

    truth = read_truth(dataset(2021, ("primary", LIST)), folder)

    assert [row.domain for row in truth.rows("fan")] == ["source", "target"]


def test_withheld_attributes_stay_withheld_though_the_list_tells_them(tmp_path):
    printed = truth_of(tmp_path, 2024)
    later = truth_of(tmp_path, 2025)

    assert [printed.rows(name)[0].attributes for name in printed.machine_types] == [
        "mdl_B_spd_2",
        None,
        None,
        "weight15_BckgF",
    ]
    assert later.rows("AutoTrash")[0].attributes is None
    assert later.rows("CoffeeGrinder")[0].attributes == "vol_12000_"


@pytest.mark.parametrize(
    ("year", "machine_type", "name", "row"),
    [
        (2020, "fan", "id_01_00000001.wav", 1),
        (2020, "fan", "anomaly_id_01_00000064.wav", 1),
        (2020, "fan", "section_01_source_test_anomaly_00000064.wav", 1),
        (2020, "fan", "id_01_00000001.flac", 1),
        (2020, "ToyConveyor", "anomaly_id_01_00000064.wav", None),
        (2020, "fan", "normal_id_01_00000064.wav", None),
        (2021, "fan", "section_03_target_test_0000.wav", 1),
        (2021, "fan", "section_03_target_0000.wav", 1),
        (2021, "fan", "section_03_target_test_normal_0000.wav", 1),
        (2021, "fan", "section_03_0000.wav", None),
        (2021, "fan", "section_03_target_train_normal_0000.wav", None),
        (2021, "pump", "section_03_target_test_0000.wav", None),
        (2024, "3DPrinter", "section_00_test_0001.wav", 0),
        (2024, "RoboticArm", "section_00_source_test_normal_0035_weight15_BckgF.wav", 0),
        (2024, "RoboticArm", "section_00_source_normal_0035_weight15_BckgF.wav", 0),
        (2024, "RoboticArm", "section_00_source_anomaly_0035_weight15_BckgF.wav", None),
        (2024, "AirCompressor", "section_00_source_test_normal_0001_noAttribute.wav", 0),
        (2025, "AutoTrash", "section_00_0000.wav", 0),
        (2025, "AutoTrash", "section_00_target_test_anomaly_0012_id_C1_spd_2_mic_2.wav", 0),
        (2025, "CoffeeGrinder", "section_00_source_test_normal_2012_vol_12000.wav", None),
        (2025, "CoffeeGrinder", "recording 7.wav", None),
    ],
)
def test_clip_is_found_by_any_of_its_names_and_no_other(tmp_path, year, machine_type, name, row):
    truth = truth_of(tmp_path, year)

    found = find(truth, machine_type, name)

    assert found == (None if row is None else truth.rows(machine_type)[row])


def test_there_are_no_rows_of_a_machine_type_that_is_not_known(truth_2022):
    assert truth_2022.rows("pump") == ()


def test_names_that_fit_one_form_each_are_both_found(truth_2022):
    names = [LISTED_2022[0], MENDED_2022[2]]

    found = truth_2022.find_all("ToyCar", names)

    assert [row.name for row in found] == ["section_03_0000.wav", "section_03_0002.wav"]


@pytest.mark.parametrize("kind", ["labels", "domains"])
def test_one_contradicted_label_or_domain_disputes_the_machine_type(tmp_path, kind):
    table = "section_03_0000.wav,1\nsection_03_0001.wav,1\n"
    write(tmp_path, list=TEXT_2022, **(TABLES_2022 | {f"{kind}_bearing": table}))

    truth = read_truth(dataset(2022, ("primary", *FILES_2022), ("primary", LIST)), tmp_path)

    assert truth.disputed == ("ToyCar", "bearing")
    assert {row.attributes for row in truth.rows("bearing")} == {None}


def test_tables_win_over_the_list(truth_2022):
    assert truth_2022.disputed == ("ToyCar",)
    assert [row[2:] for row in truth_2022.rows("ToyCar")] == [
        ("03", "target", True, None),
        ("03", "source", True, None),
        ("03", "source", False, None),
        ("03", "target", False, None),
    ]


def test_attributes_of_undisputed_machine_types_come_from_the_list(truth_2022):
    rows = truth_2022.rows("bearing")

    assert [row.attributes for row in rows] == ["vel_21", "vel_25"]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("section_03_source_test_normal_0001_car_A1.wav", 0),
        ("section_03_source_test_anomaly_0001_car_B1.wav", 1),
        ("section_03_source_test_anomaly_0000_car_A1.wav", None),
        ("section_03_target_test_normal_0003_car_C1.wav", 3),
        ("section_03_source_test_normal_0000_car_A1.wav", None),
    ],
    ids=["listed", "mended", "listed or mended", "the same in both", "in neither"],
)
def test_one_name_of_a_disputed_machine_type_is_found_if_it_can_mean_one_clip(
    truth_2022, name, index
):
    found = find(truth_2022, "ToyCar", name)

    assert found == (None if index is None else truth_2022.rows("ToyCar")[index])


LISTED_2022 = [line.split(",")[1] for line in TEXT_2022.splitlines()[4:]]
MENDED_2022 = [
    "section_03_source_test_anomaly_0000_car_A1.wav",
    "section_03_source_test_anomaly_0001_car_B1.wav",
    "section_03_source_test_normal_0002_car_A1.wav",
    "section_03_target_test_normal_0003_car_C1.wav",
]


@pytest.mark.parametrize("names", [LISTED_2022, MENDED_2022], ids=["NTT", "ASDKit"])
def test_tree_of_labeled_names_is_read_in_the_form_most_of_them_have(truth_2022, names):
    assert truth_2022.find_all("ToyCar", names) == list(truth_2022.rows("ToyCar"))


@pytest.mark.parametrize(
    ("names", "num_labels", "num_domains"), [(LISTED_2022, 2, 1), (MENDED_2022, 0, 1)]
)
def test_tree_renamed_by_the_wrong_list_gets_the_truth_and_a_note(
    truth_2022, names, num_labels, num_domains
):
    clips = [clip(f"d/ToyCar/test/{name}", "ToyCar", attributes="car_A1") for name in names]

    joined = join(clips, truth_2022)

    assert known(joined.clips) == [
        ("target", True, None),
        ("source", True, None),
        ("source", False, None),
        ("target", False, None),
    ]
    (note,) = joined.notes
    assert "4 test clips of ToyCar were renamed by a published list that contradicts" in note
    assert f"{num_labels} labels and {num_domains} domains in the names are wrong" in note


def test_raw_names_of_a_disputed_machine_type_need_no_note(truth_2022):
    joined = join([clip("d/ToyCar/test/section_03_0000.wav", "ToyCar")], truth_2022)

    assert known(joined.clips) == [("target", True, None)]
    assert (joined.problems, joined.notes) == ([], ())


def test_labeled_names_of_other_machine_types_need_no_note(truth_2022):
    path = "d/bearing/test/section_03_target_test_anomaly_0001_vel_25.wav"

    joined = join([clip(path, "bearing")], truth_2022)

    assert known(joined.clips) == [("target", True, "vel_25")]
    assert (joined.problems, joined.notes) == ([], ())


def test_truth_wins_over_what_was_known_of_a_clip(truth_2022):
    wrong = {"domain": "source", "is_anomalous": False, "attributes": "vel_1"}

    joined = join([clip("d/bearing/test/section_03_0001.wav", "bearing", **wrong)], truth_2022)

    assert known(joined.clips) == [("target", True, "vel_25")]


def test_clips_of_2020_have_no_domain_though_asdkit_names_one(tmp_path):
    path = "d/fan/test/section_01_source_test_anomaly_00000064.wav"

    joined = join([clip(path, "fan", domain="source")], truth_of(tmp_path, 2020))

    assert known(joined.clips) == [(None, True, None)]


def test_only_test_clips_of_evaluation_sections_are_touched(truth_2022):
    clips = [
        clip("d/bearing/train/section_03_source_train_normal_0000_vel_1.wav", "bearing")._replace(
            split="train"
        ),
        clip("d/bearing/test/section_00_0000.wav", "bearing"),
        clip("d/bearing/test/section_03_0000.wav", "bearing"),
        clip("d/bearing/supplemental/section_03_0001.wav", "bearing", split="supplemental"),
        clip("d/fan/test/section_03_0000.wav", "fan"),
    ]

    joined = join(clips, truth_2022)

    assert [i for i, one in enumerate(joined.clips) if one != clips[i]] == [2]
    assert joined.problems == []


def test_clip_the_truth_does_not_know_is_a_problem(truth_2022):
    path = "d/bearing/test/section_03_0007.wav"

    joined = join([clip(path, "bearing"), clip("x/section_03_0001.wav", "bearing")], truth_2022)

    assert [one.path for one in joined.clips] == ["x/section_03_0001.wav"]
    assert joined.problems == [
        ("bearing", f"{path}: the ground truth of dcase2022 knows no clip of this name")
    ]


def test_name_that_two_lists_give_to_two_clips_is_a_problem_that_says_so(truth_2022):
    joined = join([clip(f"d/ToyCar/test/{MENDED_2022[0]}", "ToyCar")], truth_2022)

    assert joined.clips == []
    assert "or two published lists give it to different clips" in joined.problems[0].text


def test_raw_and_renamed_copy_of_a_clip_are_a_problem_that_names_both(truth_2022):
    raw = "d/bearing/test/section_03_0001.wav"
    renamed = "e/bearing/test/section_03_target_test_anomaly_0001_vel_25.wav"

    joined = join([clip(raw, "bearing"), clip(renamed, "bearing")], truth_2022)

    assert [one.path for one in joined.clips] == [raw]
    assert joined.problems == [
        ("bearing", f"{renamed}: the same clip as {raw}, which is section_03_0001.wav")
    ]


def test_same_raw_name_of_two_machine_types_is_two_clips(truth_2022):
    clips = [clip(f"{name}/test/section_03_0000.wav", name) for name in ("bearing", "ToyCar")]

    assert known(join(clips, truth_2022).clips) == [
        ("source", False, "vel_21"),
        ("target", True, None),
    ]


LABELS_2021 = {
    "fan_source": "section_03_source_test_0000.wav,1\n",
    "fan_target": "section_03_target_test_0000.wav,0\n",
}
ALTERNATE_2021 = ("alternate", *(("labels", "fan", f"{name}.csv") for name in LABELS_2021))


def test_alternate_source_is_read_if_the_primary_one_is_not_complete(tmp_path):
    both = dataset(2021, ("primary", LIST), ALTERNATE_2021)
    primary = truth_of(tmp_path, 2021)
    (tmp_path / "list.csv").unlink()
    alternate = read_truth(both, write(tmp_path, **LABELS_2021))

    assert alternate.rows("fan") == primary.rows("fan")
    assert find(alternate, "fan", "section_03_source_test_anomaly_0000.wav").is_anomalous


def test_evaluator_names_the_clips_of_one_machine_type_per_file(tmp_path):
    write(
        tmp_path,
        names="section_00_0000.wav,section_00_target_test_normal_0032_car_C2_spd_H_mic_2\n",
        labels="section_00_0000.wav,0\n",
        domains="section_00_0000.wav,1\n",
    )
    files = [(kind, "Vacuum", f"{kind}.csv") for kind in ("names", "labels", "domains")]

    truth = read_truth(dataset(2023, ("alternate", *files)), tmp_path)

    labeled_name = "section_00_target_test_normal_0032_car_C2_spd_H_mic_2.wav"
    assert truth.rows("Vacuum") == (
        ("section_00_0000.wav", labeled_name, "00", "target", False, "car_C2_spd_H_mic_2"),
    )


def test_primary_source_is_preferred(tmp_path):
    write(tmp_path, list=TEXT_2021, fan_source="broken", fan_target="broken")

    assert read_truth(dataset(2021, ALTERNATE_2021, ("primary", LIST)), tmp_path) is not None


@pytest.mark.parametrize("missing", ["list", "labels_ToyCar"])
def test_truth_is_unknown_while_a_primary_source_is_incomplete(tmp_path, missing):
    write(tmp_path, list=TEXT_2022, **TABLES_2022)
    (tmp_path / f"{missing}.csv").unlink()

    assert read_truth(dataset(2022, ("primary", *FILES_2022), ("primary", LIST)), tmp_path) is None


def test_truth_of_a_dataset_without_sources_is_unknown(tmp_path):
    assert read_truth(dataset(2026), tmp_path) is None


def test_file_that_is_not_as_published_is_refused(tmp_path):
    content = pinned(dataset(2021, ("primary", LIST)), write(tmp_path, list=TEXT_2021))

    assert read_pinned_truth(content, tmp_path).machine_types == ("fan",)
    write(tmp_path, list=TEXT_2021.replace("anomaly", "normal"))
    with pytest.raises(DataError, match=r"list.csv: not as published\. Delete it and fetch it"):
        read_pinned_truth(content, tmp_path)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("truth"))


def published_truth(published, year, *roles):
    manifest, folder = published
    each = manifest.dataset(year)
    sources = tuple(s for s in each.truth if s.role in (roles or ("primary", "alternate")))
    return read_truth(dataset_with(each, sources), folder / each.name)


def dataset_with(each, sources):
    return Dataset(**{**vars(each), "truth": sources})


@pytest.mark.parametrize(
    ("year", "total"),
    [(2020, 7103), (2021, 8635), (2022, 4200), (2023, 1400), (2024, 1800), (2025, 1600)],
)
def test_every_published_name_is_found(published, year, total):
    truth = published_truth(published, year)

    for machine_type in truth.machine_types:
        rows = truth.rows(machine_type)
        total -= len(rows)
        for names in ([row.name for row in rows], [row.labeled_name for row in rows]):
            assert truth.find_all(machine_type, names) == list(rows)
    assert total == 0


@pytest.mark.parametrize("year", [2021, 2023, 2024])
def test_published_list_and_evaluator_agree(published, year):
    primary = published_truth(published, year, "primary")
    alternate = published_truth(published, year, "alternate")

    assert alternate.machine_types == primary.machine_types
    assert alternate.disputed == primary.disputed == ()
    for machine_type in primary.machine_types:
        assert alternate.rows(machine_type) == primary.rows(machine_type)


@pytest.mark.parametrize("year", [2022, 2024, 2025])
def test_published_truth_is_balanced(published, year):
    truth = published_truth(published, year)

    counts = Counter(
        (name, row.section, row.domain, row.is_anomalous)
        for name in truth.machine_types
        for row in truth.rows(name)
    )

    sections = 3 if year == 2022 else 1
    assert len(counts) == len(truth.machine_types) * sections * 4
    assert set(counts.values()) == {50}


def tree_2022(folder, truth, name_of):
    """A tree of all evaluation test clips of 2022, each beside a training clip."""
    for machine_type in truth.machine_types:
        paths = {f"test/{name_of(row)}" for row in truth.rows(machine_type)}
        paths |= {f"train/section_0{i}_source_train_normal_0000_a_1.wav" for i in (3, 4, 5)}
        for path in paths:
            (folder / machine_type / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / machine_type / path).touch()
    return read_layout(folder)


def mended_name(row):
    """How ASDKit's script rewrites a listed name: true label, raw index."""
    parts = row.labeled_name.split("_")
    parts[4] = "anomaly" if row.is_anomalous else "normal"
    parts[5] = row.name[len("section_03_") : -len(".wav")]
    return "_".join(parts[:6] + parts[6:])


@pytest.mark.parametrize(
    ("name_of", "labels", "domains"),
    [(lambda row: row.labeled_name, 608, 592), (mended_name, 0, 592)],
    ids=["NTT", "ASDKit"],
)
def test_renamed_tree_of_2022_gets_the_scored_labels(published, tmp_path, name_of, labels, domains):
    truth = published_truth(published, 2022)
    layout = tree_2022(tmp_path / "dcase2022", truth, name_of)

    joined = join(layout.clips, truth)

    assert (len(joined.clips), joined.problems) == (4200 + 21, [])
    found = {
        (clip.machine_type, Path(clip.path).name): (clip.domain, clip.is_anomalous, clip.attributes)
        for clip in joined.clips
        if clip.split == "test"
    }
    assert found == {
        (name, name_of(row)): row[3:] for name in truth.machine_types for row in truth.rows(name)
    }
    (note,) = joined.notes
    assert "1200 test clips of ToyCar, ToyTrain were renamed" in note
    assert f"{labels} labels and {domains} domains in the names are wrong" in note


@pytest.mark.parametrize(
    ("machine_type", "labels", "domains"), [("ToyCar", 296, 292), ("ToyTrain", 312, 300)]
)
def test_published_list_of_2022_is_wrong_in_half_of_the_names(
    published, machine_type, labels, domains
):
    truth = published_truth(published, 2022)
    names = [row.labeled_name for row in truth.rows(machine_type)]

    (note,) = join([clip(name, machine_type) for name in names], truth).notes

    assert truth.disputed == ("ToyCar", "ToyTrain")
    assert f"{labels} labels and {domains} domains" in note
    assert {row.attributes for row in truth.rows(machine_type)} == {None}


def test_truth_of_an_unknown_name_is_not_any_row():
    row = TruthRow("a.wav", "section_00_source_test_normal_0000.wav", "00", "source", False, None)

    assert find(Truth("own", {"fan": [row]}), "fan", "b.wav") is None
