"""Score and decision files: names, contents, the way back, other people's, what is refused."""

import numpy as np
import pandas as pd
import pytest

from asdkeras.data.years import MACHINE_TYPES
from asdkeras.errors import DataError, RecipeError
from asdkeras.submission import Value, file_name, read_systems, shortened, write_submission
from tests.clip_table import clip_table


def sections(dataset, domains=("source", "target")):
    """Two sections of a machine, three clips per domain, names out of order."""
    return clip_table(
        [
            {"path": f"/d/fan/test/s_{section}_{domain}_{n}.wav", "section": section}
            | {"domain": domain}
            for section in ("00", "01")
            for domain in domains
            for n in (2, 0, 1)
        ],
        dataset=dataset,
        machine_type="fan",
    )


@pytest.mark.parametrize(
    ("dataset", "names"),
    [
        ("mini2020", ["fan_id_00.csv", "fan_id_01.csv"]),
        (
            "dcase2021",
            [f"fan_section_0{n}_{d}_test.csv" for n in (0, 1) for d in ("source", "target")],
        ),
        ("mini2023", ["fan_section_00_test.csv", "fan_section_01_test.csv"]),
        ("my_fans", ["fan_section_00_test.csv", "fan_section_01_test.csv"]),
    ],
)
def test_files_have_the_names_of_their_year(tmp_path, dataset, names):
    table = sections(dataset)

    files = write_submission(tmp_path, table, np.zeros(len(table)), np.zeros(len(table), bool))

    expected = [f"{kind}_{name}" for kind in ("anomaly_score", "decision_result") for name in names]
    assert [path.name for path in files] == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == expected


def test_lines_are_sorted_by_name_without_header_and_exact(tmp_path):
    table = sections("dcase2021", domains=("source",))[:3]

    write_submission(tmp_path, table, [2e-300, 0.1 + 0.2, -1.0], [True, False, True])

    name = "fan_section_00_source_test.csv"
    assert (tmp_path / f"anomaly_score_{name}").read_bytes() == (
        b"s_00_source_0.wav,0.30000000000000004\ns_00_source_1.wav,-1.0\ns_00_source_2.wav,2e-300\n"
    )
    assert (tmp_path / f"decision_result_{name}").read_bytes() == (
        b"s_00_source_0.wav,0\ns_00_source_1.wav,1\ns_00_source_2.wav,1\n"
    )


@pytest.mark.parametrize("year", [2020, 2021, 2022, 2023, 2024, 2025])
@pytest.mark.parametrize("part", ["dev", "eval"])
def test_what_is_written_is_read_again_exactly(tmp_path, year, part):
    table = sections(f"dcase{year}").sample(frac=1, random_state=0, ignore_index=True)
    table["section"] = table["section"].replace({"01": {"dev": "02", "eval": "05"}[part]})
    scores = np.random.default_rng(0).normal(size=len(table))
    decisions = scores > 0

    write_submission(tmp_path, table, scores, decisions)
    (system,) = read_systems(tmp_path, year, MACHINE_TYPES[year])

    assert system.faults == ()
    for values, expected in ((system.scores, scores), (system.decisions, decisions)):
        by_name = {value.clip: value for value in values}
        back = [by_name[path.split("/")[-1]] for path in table["path"]]
        assert len(by_name) == len(values) == len(table)
        assert [value.value for value in back] == expected.tolist()
        assert [value.section for value in back] == table["section"].tolist()
        assert {value.machine_type for value in back} == {"fan"}
        domains = table["domain"].tolist() if year == 2021 else [None] * len(table)
        assert [value.domain for value in back] == domains


def test_names_with_commas_and_quotes_survive(tmp_path):
    table = clip_table([{"path": '/d/a,"b".wav', "section": "00"}], dataset="x", machine_type="m")
    write_submission(tmp_path, table, [1.5], [1])
    (system,) = read_systems(tmp_path, 2022, {"m"})
    assert [value.clip for value in system.scores] == ['a,"b".wav']


def test_training_clips_are_left_out(tmp_path):
    table = sections("own")
    table.loc[1:, "split"] = "train"
    scores = np.full(len(table), np.nan)
    scores[0] = 1.0

    write_submission(tmp_path, table, scores, np.zeros(len(table)))

    (system,) = read_systems(tmp_path, 2022, {"fan"})
    assert [value.clip for value in system.scores] == ["s_00_source_2.wav"]


def test_clips_of_2021_without_a_domain_are_refused(tmp_path):
    table = sections("mini2021")
    table.loc[3, "domain"] = pd.NA
    with pytest.raises(DataError, match=r"apart by domain.*1 have none: .*s_00_target_2.wav"):
        write_submission(tmp_path, table, np.zeros(len(table)), np.zeros(len(table)))
    assert list(tmp_path.iterdir()) == []


def test_two_clips_of_one_name_are_refused_by_name(tmp_path):
    table = sections("own")
    table.loc[1, "path"] = "/d/elsewhere/s_00_source_2.wav"
    with pytest.raises(DataError, match=r"once per file. 1 stand twice: s_00_source_2.wav"):
        write_submission(tmp_path, table, np.zeros(len(table)), np.zeros(len(table)))
    assert list(tmp_path.iterdir()) == []


def test_scores_that_are_not_finite_are_refused_by_name(tmp_path):
    table = sections("own")
    scores = np.zeros(len(table))
    scores[[0, 5]] = np.nan, np.inf
    with pytest.raises(DataError, match=r"finite. 2 are not: .*source_2.wav, .*target_1.wav"):
        write_submission(tmp_path, table, scores, np.zeros(len(table)))


def test_table_without_test_clips_is_refused(tmp_path):
    table = sections("own").assign(split="train")
    with pytest.raises(DataError, match="no test clips"):
        write_submission(tmp_path, table, np.zeros(len(table)), np.zeros(len(table)))


@pytest.mark.parametrize(
    ("scores", "decisions", "message"),
    [
        ([0.0], np.zeros(12), r"one value per clip of the table, 12. Received: shapes \(1,\)"),
        (np.zeros(12), np.full(12, 2), "decisions must be 0 or 1"),
    ],
)
def test_values_that_do_not_fit_are_refused(tmp_path, scores, decisions, message):
    with pytest.raises(ValueError, match=message):
        write_submission(tmp_path, sections("own"), scores, decisions)


def put(folder, name, text="a.wav,1.0\n"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read_one(folder, year=2022, backend=None):
    (system,) = read_systems(folder, year, MACHINE_TYPES[year], backend)
    return system


@pytest.mark.parametrize(
    ("name", "year", "place"),
    [
        ("anomaly_score_ToyCar_id_05.csv", 2020, ("ToyCar", "05", None)),
        ("anomaly_score_fan_section_03_source_test.csv", 2021, ("fan", "03", "source")),
        ("anomaly_score_fan_section_03_target.csv", 2021, ("fan", "03", "target")),
        ("anomaly_score_fan_section_03_test.csv", 2022, ("fan", "03", None)),
        ("anomaly_score_fan_section_03.csv", 2022, ("fan", "03", None)),
        ("anomaly_score_3DPrinter_section_00_test.csv", 2024, ("3DPrinter", "00", None)),
        (
            "anomaly_score_DCASE2023T2ToyTank_section_00_test_seed13711_id(0_)_Eval.csv",
            2023,
            ("ToyTank", "00", None),
        ),
        (
            "anomaly_score_DCASE2023T2fan_section_00_test_seed13711_id(0_).csv",
            2023,
            ("fan", "00", None),
        ),
        (
            "anomaly_score_DCASE2024T23DPrinter_section_00_test_seed1_mine_Eval.csv",
            2024,
            ("3DPrinter", "00", None),
        ),
    ],
)
def test_names_of_anybody_say_what_a_file_is_about(tmp_path, name, year, place):
    path = put(tmp_path, name)

    system = read_one(tmp_path, year)

    assert system.scores == (Value(str(path), *place, "a.wav", 1.0),)
    assert system.name == ""
    assert system.decisions == system.faults == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("anomaly_score_fan_section_3_test.csv", "misnamed. The name must be like anomaly_score_<"),
        ("Anomaly_Score_fan_section_03_test.csv", "misnamed. The name must be like"),
        ("anomaly_scores_fan_section_03_test.csv", "misnamed. The name must be like"),
        ("decision_result_fan.csv", "misnamed. The name must be like"),
        ("anomaly_score_Fan_section_03_test.csv", "2022 has no machine type Fan, but ToyCar,"),
        (
            "anomaly_score_DCASE2023T2fan_section_00_test_seed1_Eval.csv",
            "misnamed. Its name says 2023, not 2022",
        ),
    ],
)
def test_misnamed_files_are_faults(tmp_path, name, message):
    put(tmp_path, "anomaly_score_fan_section_04_test.csv")
    path = put(tmp_path, name)

    (fault,) = read_one(tmp_path).faults

    assert fault.startswith(f"{path}: ")
    assert message in fault


def test_other_files_are_left_alone(tmp_path):
    put(tmp_path, "anomaly_score_fan_section_04_test.csv")
    for name in ("result.csv", "train_score.csv", "._anomaly_score_fan_section_03_test.csv"):
        put(tmp_path, name, "x")

    system = read_one(tmp_path)

    assert len(system.scores) == 1
    assert system.faults == ()


def test_every_folder_is_a_system_but_folders_of_machine_types_are_not(tmp_path):
    put(tmp_path, "task2/one/anomaly_score_fan_section_03_test.csv")
    put(tmp_path, "task2/two/fan/anomaly_score_fan_section_03_test.csv")
    put(tmp_path, "task2/two/valve/anomaly_score_valve_section_03_test.csv")

    systems = read_systems(tmp_path, 2022, MACHINE_TYPES[2022])

    found = [(each.name, each.folder, [v.machine_type for v in each.scores]) for each in systems]
    assert found == [
        ("task2/one", tmp_path / "task2/one", ["fan"]),
        ("task2/two", tmp_path / "task2/two", ["fan", "valve"]),
    ]


def test_seeds_and_tags_in_one_folder_are_systems_but_dev_and_eval_are_not(tmp_path):
    for tag in ("seed1_id(0_)", "seed1_id(0_)_Eval", "seed2_id(0_)"):
        machine_type = "ToyTank" if "Eval" in tag else "fan"
        put(tmp_path, f"a/anomaly_score_DCASE2023T2{machine_type}_section_00_test_{tag}.csv")

    systems = read_systems(tmp_path, 2023, MACHINE_TYPES[2023])

    assert [(each.name, len(each.scores)) for each in systems] == [
        ("a/seed1_id(0_)", 2),
        ("a/seed2_id(0_)", 1),
    ]


ASDKIT = """path,section,is_normal,is_target,AS-Knn-1,AS-Knn-2
/data/raw/fan/test/section_00_source_test_normal_0000_x.wav,0,1,0,0.25,1e-3
/data/raw/fan/test/section_00_target_test_anomaly_0001_x.wav,0,0,1,0.5,2e-3
"""


def test_score_files_of_asdkit_are_read_by_backend(tmp_path):
    path = put(tmp_path, "run/output/1/fan/test_score.csv", ASDKIT)
    put(tmp_path, "run/output/1/fan/train_score.csv", ASDKIT)

    system = read_one(tmp_path, 2023, backend="Knn-2")

    assert system.name == "run/output/1"
    assert system.scores == (
        Value(str(path), "fan", None, None, "section_00_source_test_normal_0000_x.wav", 0.001),
        Value(str(path), "fan", None, None, "section_00_target_test_anomaly_0001_x.wav", 0.002),
    )
    assert system.faults == ()
    assert read_one(tmp_path, 2023, backend="AS-Knn-1").scores[1].value == 0.5


def test_a_single_backend_of_asdkit_need_not_be_named(tmp_path):
    put(tmp_path, "fan/test_score.csv", "path,AS-Gmm-4\n/x/a.wav,3.5\n")
    assert [value.value for value in read_one(tmp_path).scores] == [3.5]


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        (None, r"several backends. Choose one with --backend: Knn-1, Knn-2"),
        ("Gmm", r"no such backend, but Knn-1, Knn-2. Received: --backend Gmm"),
    ],
)
def test_the_backend_of_asdkit_must_be_clear(tmp_path, backend, message):
    put(tmp_path, "fan/test_score.csv", ASDKIT)
    with pytest.raises(RecipeError, match=message):
        read_one(tmp_path, 2023, backend)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip,score\na.wav,1\n", "not a score file of ASDKit.*Received: clip, score"),
        ("path,AS-k\na.wav,1,2\n", "line 2 must have 2 values. Received: 3"),
        ("path,AS-k\na.wav,nan\n", r"values must be finite. Received: a.wav \('nan'\)"),
        ("path,AS-k\n", "holds no lines"),
        ("", "not a score file of ASDKit"),
    ],
)
def test_damaged_files_of_asdkit_are_faults(tmp_path, text, message):
    path = put(tmp_path, "fan/test_score.csv", text)

    (fault,) = read_one(tmp_path).faults

    assert fault.startswith(f"{path}: ")
    assert pd.Series([fault]).str.contains(message).all(), fault


def test_a_folder_of_asdkit_is_named_like_its_machine_type(tmp_path):
    put(tmp_path, "lathe/test_score.csv", ASDKIT)
    (fault,) = read_one(tmp_path).faults
    assert "2022 has no machine type lathe" in fault


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,score\na.wav,1.0\n",
            "line 1 is a header, and these files have none. Received: line 1 ('score')",
        ),
        ("a.wav,1.0\nb.wav,high\n", "values must be numbers. Received: b.wav ('high')"),
        (
            "a.wav,nan\nb.wav,1\nc.wav,-inf\nd.wav,Infinity\n",
            "values must be finite. Received: a.wav ('nan'), c.wav ('-inf'), d.wav ('Infinity')",
        ),
        ("a.wav,1\n\nb.wav,2\n", "every line must be `name.wav,value`. Received: line 2 ('')"),
        ("a.wav\n", "every line must be `name.wav,value`. Received: line 1 ('a.wav')"),
        (
            "a.wav,1_0\nb.wav,\uff11\uff12\nc.wav,٣\nd.wav,0x1\ne.wav,1\xa0\nf.wav,1\n",
            "values must be numbers. Received: a.wav ('1_0'), b.wav ('\uff11\uff12'), c.wav ('٣'), "
            "d.wav ('0x1'), e.wav ('1\\xa0')",
        ),
        (
            'a.wav,0,5\nb.wav,"0,25"\n',
            "every line must be `name.wav,value`, and a number has a decimal point, no comma. "
            "Received: line 1 ('a.wav,0,5'), b.wav ('0,25')",
        ),
        *(
            (
                text,
                "every line must be `name.wav,value`, with a comma between them, no semicolon and "
                f"no tab. Received: {received}",
            )
            for text, received in (
                ("a.wav;0.5\n", "line 1 ('a.wav;0.5')"),
                ("a.wav;0,5\n", "a.wav;0 ('5')"),
                ("file;score\n", "line 1 ('file;score')"),
                ("a.wav\t0.5\n", r"line 1 ('a.wav\t0.5')"),
            )
        ),
        (
            'a.wav,1\n"b\n.wav",2\n',
            "not a readable CSV file: line 2: a field that begins in line 2 holds a line break.",
        ),
        (
            'a.wav,1\nb.wav,"2\n"\n',
            "not a readable CSV file: line 2: a field that begins in line 2 holds a line break.",
        ),
        ('"a.wav,1\nb.wav,2\n', "not a readable CSV file: line 1: unexpected end of data."),
        ("", "holds no lines"),
    ],
)
def test_damaged_score_files_are_faults(tmp_path, text, message):
    path = put(tmp_path, "anomaly_score_fan_section_03_test.csv", text)
    assert read_one(tmp_path).faults == (f"{path}: {message}",)


@pytest.mark.parametrize(
    "text",
    [
        "a.wav,1\nb.wav,-2.5e-3",
        "a.wav,1\r\nb.wav,-2.5E-3\r\n\r\n",
        "a.wav,1\rb.wav,-2.5e-3\r",
        "\ufeffa.wav , +1.\nb.wav,\t-0.0025  \n  \n\n",
        '"a.wav","1"\n"b.wav",-.0025\n,\n',
    ],
)
def test_line_ends_blanks_and_blank_last_lines_are_no_fault(tmp_path, text):
    path = tmp_path / "anomaly_score_fan_section_03_test.csv"
    path.write_bytes(text.encode())

    system = read_one(tmp_path)

    assert system.faults == ()
    assert [(each.clip, each.value) for each in system.scores] == [
        ("a.wav", 1.0),
        ("b.wav", -0.0025),
    ]


def test_a_fault_of_all_files_is_one_line_with_their_number(tmp_path):
    for section in range(9):
        put(tmp_path, f"anomaly_score_fan_section_0{section}_test.csv", "a.wav,1_0\nb.wav,x\n")
    put(tmp_path, "anomaly_score_fan_section_09_test.csv", "a.wav,nan\n")

    many, one = read_one(tmp_path).faults

    first = tmp_path / "anomaly_score_fan_section_00_test.csv"
    assert many.startswith(f"values must be numbers, in 9 places ({first}, ")
    assert many.endswith(" and 6 more). Received: a.wav ('1_0'), b.wav ('x')")
    assert one.endswith("09_test.csv: values must be finite. Received: a.wav ('nan')")


def test_all_faults_of_a_file_are_told_and_its_good_lines_are_kept(tmp_path):
    put(tmp_path, "anomaly_score_fan_section_03_test.csv", "a.wav,nan\nb.wav,1.0\nc.wav,x\n")

    system = read_one(tmp_path)

    assert len(system.faults) == 2
    assert [value.clip for value in system.scores] == ["b.wav"]


def test_files_that_are_no_text_are_faults(tmp_path):
    path = tmp_path / "anomaly_score_fan_section_03_test.csv"
    path.write_bytes(b"\xff\xfe\x00a")
    assert "not a readable CSV file in UTF-8" in read_one(tmp_path).faults[0]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    put(tmp_path, "anomaly_score_fan_section_03_test.csv", "\ufeffa.wav,1.0\n")
    assert read_one(tmp_path).scores[0].clip == "a.wav"


@pytest.mark.parametrize("value", ["0.5", "2", "-1"])
def test_decisions_other_than_0_and_1_are_faults(tmp_path, value):
    put(tmp_path, "anomaly_score_fan_section_00_test.csv")
    path = put(tmp_path, "decision_result_fan_section_00_test.csv", f"a.wav,{value}\n")
    expected = f"{path}: a decision is 0 or 1. Received: a.wav ('{value}')"
    assert read_one(tmp_path).faults == (expected,)


def test_decisions_may_be_written_as_floats(tmp_path):
    put(tmp_path, "anomaly_score_fan_section_00_test.csv")
    put(tmp_path, "decision_result_fan_section_00_test.csv", "a.wav,1.0\nb.wav,0.0\n")
    assert [value.value for value in read_one(tmp_path).decisions] == [1.0, 0.0]


def test_decisions_without_scores_are_a_fault(tmp_path):
    put(tmp_path, "decision_result_fan_section_01_test.csv", "a.wav,1\n")
    assert read_one(tmp_path).faults == (f"{tmp_path}: decision files, but no score files.",)


def test_two_files_of_one_section_are_a_fault(tmp_path):
    first = put(tmp_path, "anomaly_score_fan_section_00.csv")
    second = put(tmp_path, "anomaly_score_fan_section_00_test.csv")

    system = read_one(tmp_path)

    assert system.faults == (f"{second}: is about the same section as {first}.",)
    assert len(system.scores) == 1


def test_folder_without_scores_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no score files. Looked for anomaly_score_"):
        read_one(tmp_path)
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        read_one(tmp_path / "nowhere")


def test_names_of_2020_and_2021_differ():
    assert file_name("anomaly_score", "dcase2020", "fan", "00", None).endswith("fan_id_00.csv")
    name = file_name("decision_result", "dcase2021", "fan", "03", "target")
    assert name == "decision_result_fan_section_03_target_test.csv"


def test_many_names_are_shortened_and_counted():
    assert shortened(["a", "b"], 2) == "a, b"
    assert shortened("abcde", 2) == "a, b and 3 more"
