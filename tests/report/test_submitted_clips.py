"""Lines of score files are joined with what is known of the clips, and nothing is let pass."""

import pytest

from asdkeras.data.years import MACHINE_TYPES
from asdkeras.metrics.official import RULES
from asdkeras.report.submitted_clips import join_submission, parts_of
from asdkeras.submission import read_systems
from tests.report.submissions import (
    development_names,
    small_year,
    truth_names,
    write_development,
    write_evaluation,
    write_truth,
    write_values,
)
from tests.truth_files import dataset, read_truth, write


@pytest.fixture
def year(tmp_path):
    """Dataset and truth of the small year."""
    write_truth(tmp_path / "cache")
    content = small_year(tmp_path).dataset(2022)
    return content, read_truth(content, tmp_path / "cache/truth/dcase2022")


def joined(folder, year, machines=None, has_truth=True):
    content, truth = year
    (system,) = read_systems(folder, content.year, MACHINE_TYPES[content.year])
    rules = RULES[content.name]
    return join_submission(system, content, truth if has_truth else None, rules, machines)


@pytest.mark.parametrize("labeled", [False, True])
def test_evaluation_clips_get_what_the_truth_says_under_either_name(tmp_path, year, labeled):
    write_evaluation(tmp_path / "mine", labeled=labeled)

    clips = joined(tmp_path / "mine", year)

    assert clips.faults == clips.absent_machine_types == clips.notes == ()
    table = clips.table
    assert len(table) == 32
    for _, row in table.iterrows():
        n = int(row["name"][-8:-4])
        assert row["name"] == f"section_{row['section']}_{n:04d}.wav"
        assert row["domain"] == ("source", "target")[n % 2]
        assert row["is_anomalous"] == (n // 2 % 2 == 1)
        assert row["score"] == n * 3 % 5
        assert row["decision"] == (n % 2 == 1)
        assert row["part"] == "eval"
    columns = ["machine_type", "section", "name"]
    assert table[columns].equals(table[columns].sort_values(columns))
    assert set(table["machine_type"]) == {"ToyCar", "fan"}


def test_development_clips_say_it_themselves(tmp_path, year):
    write_development(tmp_path / "mine")

    clips = joined(tmp_path / "mine", year, has_truth=False)

    assert clips.faults == ()
    assert len(clips.table) == 32
    for _, row in clips.table.iterrows():
        assert row["is_anomalous"] == ("_anomaly_" in row["name"])
        assert row["domain"] == row["name"].split("_")[2]
        assert row["part"] == "dev"


def test_the_parts_a_system_is_about_are_told_from_its_clips(tmp_path):
    folder = tmp_path / "mine"
    write_development(folder, machines=["fan"])
    write_evaluation(folder, machines=["ToyCar"])
    (system,) = read_systems(folder, 2022, MACHINE_TYPES[2022])

    assert parts_of(system, RULES["dcase2022"]) == {"dev", "eval"}
    assert parts_of(system, RULES["dcase2022"], ["fan"]) == {"dev"}
    assert parts_of(system, RULES["dcase2022"], ["valve"]) == set()


def test_files_that_are_missing_are_named(tmp_path, year):
    folder = tmp_path / "mine"
    write_evaluation(folder)
    (folder / "anomaly_score_fan_section_04_test.csv").unlink()
    (folder / "decision_result_fan_section_04_test.csv").unlink()

    clips = joined(folder, year)

    assert clips.faults == ("anomaly_score_fan_section_04_test.csv: is missing.",)
    assert clips.absent_machine_types == ()


def test_a_machine_type_that_is_missing_is_named(tmp_path, year):
    write_evaluation(tmp_path / "mine", machines=["fan"])

    clips = joined(tmp_path / "mine", year)

    assert clips.absent_machine_types == ("ToyCar",)
    assert clips.faults == tuple(
        f"anomaly_score_ToyCar_section_{section}_test.csv: is missing." for section in ("03", "04")
    )


def test_only_the_wanted_machine_types_are_looked_at(tmp_path, year):
    write_evaluation(tmp_path / "mine", machines=["fan"])

    clips = joined(tmp_path / "mine", year, machines=["fan"])

    assert clips.faults == ()
    assert set(clips.table["machine_type"]) == {"fan"}
    (system,) = read_systems(tmp_path / "mine", 2022, MACHINE_TYPES[2022])
    other = join_submission(system, year[0], None, RULES["dcase2022"], ["valve"])
    assert other.faults == ("valve: there are no scores of it.",)


def test_lines_that_are_missing_are_named(tmp_path, year):
    folder = tmp_path / "mine"
    write_evaluation(folder, decisions=False)
    write_values(folder, [raw for raw, _ in truth_names("03")][:6])

    clips = joined(folder, year)

    assert clips.faults == (
        "anomaly_score_fan_section_03_test.csv: clips are missing: section_03_0006.wav, "
        "section_03_0007.wav (2 in all)",
    )


def test_lines_too_many_are_named(tmp_path, year):
    folder = tmp_path / "mine"
    write_evaluation(folder, decisions=False)
    names = [raw for raw, _ in truth_names("03")]
    odd = [
        "section_03_0008.wav",
        "my clip.wav",
        "section_03_source_train_normal_0000_x.wav",
        "section_00_0001.wav",  # Development clips have labels in their names.
    ]
    path = write_values(folder, names + odd)

    clips = joined(folder, year)

    assert clips.faults == (f"{path}: no test clips of dcase2022: {', '.join(odd)} (4 in all)",)


def test_development_clips_need_a_test_name_with_label_and_domain(tmp_path, year):
    folder = tmp_path / "mine"
    write_development(folder)
    (folder / "decision_result_fan_section_00_test.csv").unlink()
    odd = [
        "section_00_source_train_normal_0000_x.wav",
        "section_00_source_test_0000.wav",
        "section_00_test_normal_0000.wav",
    ]
    path = write_values(folder, [*development_names("00"), *odd], section="00")

    faults = joined(folder, year, has_truth=False).faults

    assert faults == (
        f"{path}: no test clips of dcase2022: {', '.join(odd)} (3 in all)",
        "decision_result_fan_section_00_test.csv: is missing.",
    )


def test_faults_of_files_and_of_decisions_are_kept(tmp_path, year):
    folder = tmp_path / "mine"
    write_evaluation(folder)
    odd = folder / "anomaly_score.csv"
    odd.write_text("")
    names = [*(raw for raw, _ in truth_names("03")), "a.wav"]
    path = write_values(folder, names, kind="decision_result")

    faults = joined(folder, year).faults

    assert len(faults) == 2
    assert faults[0].startswith(f"{odd}: misnamed")
    assert faults[1] == f"{path}: no test clips of dcase2022: a.wav (1 in all)"


def test_clips_in_the_file_of_another_section_are_named(tmp_path, year):
    folder = tmp_path / "mine"
    write_evaluation(folder, decisions=False)
    names = [raw for raw, _ in truth_names("03")]
    path = write_values(folder, [*names, "section_04_0000.wav"])

    faults = joined(folder, year).faults

    name = "section_04_0000.wav (1 in all)"
    assert faults == (f"{path}: clips of another section or domain: {name}",)


def test_clips_that_stand_twice_are_named_also_under_another_name(tmp_path, year):
    folder = tmp_path / "mine"
    write_evaluation(folder, decisions=False)
    names = [raw for raw, _ in truth_names("03")]
    labeled = next(truth_names("03"))[1]
    path = write_values(folder, [*names, names[2], labeled])

    (fault,) = joined(folder, year).faults

    assert fault == (
        f"{path}: clips that are already here: section_03_0002.wav, "
        f"{labeled} = section_03_0000.wav (2 in all)"
    )


def test_clips_that_stand_in_two_files_are_named(tmp_path):
    folder = tmp_path / "mine"
    names = [f"section_00_source_test_normal_000{n}.wav" for n in range(2)]
    first = write_values(folder, names, section="00")
    first = first.rename(folder / "anomaly_score_fan_section_00_source_test.csv")
    write_values(folder, names[:1], section="00")
    (system,) = read_systems(folder, 2021, MACHINE_TYPES[2021])

    faults = join_submission(system, dataset(2021), None, RULES["dcase2021"]).faults

    assert f"clips that are already in {first}: {names[0]} (1 in all)" in faults[0]


def test_development_clips_are_counted_by_section_domain_and_label(tmp_path, year):
    folder = tmp_path / "mine"
    write_development(folder)
    names = list(development_names("00"))
    wrong = [*names[:-1], names[0].replace("_0000_", "_0007_")]
    for kind in ("anomaly_score", "decision_result"):
        write_values(folder, wrong, kind=kind, section="00")

    clips = joined(folder, year, has_truth=False)

    text = "normal and {} anomalous clips have scores, but there are 2 and 2."
    assert clips.faults == (
        f"fan 00 source: 3 {text.format(2)}",
        f"fan 00 target: 2 {text.format(1)}",
    )


@pytest.mark.parametrize("decisions", [False, True])
def test_one_development_clip_twice_and_another_missing_is_found(tmp_path, year, decisions):
    folder = tmp_path / "mine"
    write_development(folder)
    names = list(development_names("00"))
    assert names[1].endswith("normal_0001_x.wav")
    names[1] = names[0].replace("_x.wav", "_y.wav")
    for kind in ("anomaly_score", "decision_result"):
        write_values(folder, names, kind=kind, section="00")
    if not decisions:
        for path in folder.glob("decision_result*"):
            path.unlink()

    clips = joined(folder, year, has_truth=False)

    assert clips.faults == (
        f"anomaly_score_fan_section_00_test.csv: one clip under several names: {names[0]}, "
        f"{names[1]} (2 in all)",
    )


def test_sections_that_do_not_exist_are_named(tmp_path, year):
    folder = tmp_path / "mine"
    write_development(folder)
    for kind in ("anomaly_score", "decision_result"):
        write_values(folder, list(development_names("07")), kind=kind, section="07")

    faults = joined(folder, year, has_truth=False).faults

    assert faults == ("fan: dcase2022 has no section 07.",)


def test_half_a_development_set_is_not_whole(tmp_path, year):
    write_development(tmp_path / "mine", machines=["fan"])

    clips = joined(tmp_path / "mine", year, has_truth=False)

    assert clips.faults == tuple(
        f"anomaly_score_ToyCar_section_{section}_test.csv: is missing." for section in ("00", "01")
    )
    assert clips.absent_machine_types == ("ToyCar",)


def test_decisions_must_be_about_the_clips_that_have_scores(tmp_path, year):
    folder = tmp_path / "mine"
    write_evaluation(folder)
    names = [raw for raw, _ in truth_names("03")]
    write_values(folder, names[1:], kind="decision_result")
    (folder / "decision_result_ToyCar_section_03_test.csv").unlink()

    lost = "clips are missing: section_03_0000.wav (1 in all)"
    assert joined(folder, year).faults == (
        "decision_result_ToyCar_section_03_test.csv: is missing.",
        f"decision_result_fan_section_03_test.csv: {lost}",
    )


def test_decisions_without_a_score_are_named(tmp_path, year):
    folder = tmp_path / "mine"
    write_evaluation(folder)
    names = [raw for raw, _ in truth_names("03")]
    write_values(folder, names[1:])

    faults = joined(folder, year).faults

    decided = folder / "decision_result_fan_section_03_test.csv"
    assert len(faults) == 2
    assert faults[1] == f"{decided}: decisions without a score: section_03_0000.wav (1 in all)"


def test_no_decisions_are_fine_and_none(tmp_path, year):
    write_evaluation(tmp_path / "mine", decisions=False)

    clips = joined(tmp_path / "mine", year)

    assert clips.faults == ()
    assert clips.table["decision"].isna().all()


def test_files_of_2021_are_missed_by_domain(tmp_path):
    folder = tmp_path / "mine"
    lines = "".join(
        f"section_03_{domain}_test_{n:04d}.wav,"
        f"section_03_{domain}_test_{('normal', 'anomaly')[n]}_000{n}.wav\n"
        for domain in ("source", "target")
        for n in range(2)
    )
    content = dataset(2021, ("primary", ("names", None, "list.csv")))
    (tmp_path / "truth").mkdir()
    truth = read_truth(content, write(tmp_path / "truth", list=f"fan\n{lines}"))
    names = [f"section_03_source_test_000{n}.wav" for n in range(2)]
    write_values(folder, names, section="03_source")
    (system,) = read_systems(folder, 2021, MACHINE_TYPES[2021])

    clips = join_submission(system, content, truth, RULES["dcase2021"])
    path = write_values(folder, ["section_03_target_test_0000.wav"], section="03_target")
    path = write_values(folder, [*names, "section_03_target_test_0001.wav"], section="03_source")
    (system,) = read_systems(folder, 2021, MACHINE_TYPES[2021])
    mixed = join_submission(system, content, truth, RULES["dcase2021"])

    target = "anomaly_score_fan_section_03_target_test.csv"
    odd = "section_03_target_test_0001.wav (1 in all)"
    assert clips.faults == (f"{target}: is missing.",)
    assert mixed.faults == (
        f"{path}: clips of another section or domain: {odd}",
        f"{target}: clips are missing: {odd}",
    )
    assert clips.table["domain"].tolist() == ["source", "source"]
    assert clips.table["is_anomalous"].tolist() == [False, True]


def test_clips_of_2020_have_no_domain_also_in_the_form_of_asdkit(tmp_path):
    folder = tmp_path / "run/fan"
    folder.mkdir(parents=True)
    names = ["section_00_source_test_normal_00000000.wav", "normal_id_00_00000000.wav"]
    text = "path,AS-k\n" + "".join(f"/x/{name},1\n" for name in names)
    (folder / "test_score.csv").write_text(text)
    (system,) = read_systems(tmp_path, 2020, MACHINE_TYPES[2020])

    clips = join_submission(system, dataset(2020), None, RULES["dcase2020"])

    assert clips.table["domain"].isna().all()
    assert clips.table["section"].tolist() == ["00"]
    assert f"already here: {names[1]} = {names[0]}" in clips.faults[0]


def test_labeled_names_that_contradict_the_tables_are_noted(tmp_path):
    content = dataset(
        2022,
        ("primary", ("names", None, "list.csv")),
        ("primary", ("labels", "ToyCar", "l.csv"), ("domains", "ToyCar", "d.csv")),
    )
    raw = [f"section_03_000{n}.wav" for n in range(2)]
    labeled = [f"section_03_source_test_normal_000{n}_x.wav" for n in range(2)]
    (tmp_path / "truth").mkdir()
    write(
        tmp_path / "truth",
        list="ToyCar\n" + "".join(f"{a},{b}\n" for a, b in zip(raw, labeled, strict=True)),
        l=f"{raw[0]},1\n{raw[1]},0\n",
        d=f"{raw[0]},0\n{raw[1]},1\n",
    )
    truth = read_truth(content, tmp_path / "truth")
    write_values(tmp_path / "raw", raw, machine_type="ToyCar")
    write_values(tmp_path / "labeled", labeled, machine_type="ToyCar")

    by_raw = joined(tmp_path / "raw", (content, truth))
    by_label = joined(tmp_path / "labeled", (content, truth))

    assert by_raw.notes == ()
    assert by_label.notes[0].startswith("2 clips of ToyCar have names of a published list")
    for clips in (by_raw, by_label):
        assert clips.faults == ()
        assert clips.table["is_anomalous"].tolist() == [True, False]
        assert clips.table["domain"].tolist() == ["source", "target"]
