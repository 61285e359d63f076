"""The challenge's files: names, contents, the way back, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from asdkeras.errors import DataError
from asdkeras.submission import read_submission, write_submission
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


@pytest.mark.parametrize("dataset", ["dcase2020", "mini2021", "dcase2022", "own"])
def test_what_is_written_is_read_again_exactly(tmp_path, dataset):
    table = sections(dataset).sample(frac=1, random_state=0, ignore_index=True)
    scores = np.random.default_rng(0).normal(size=len(table))
    decisions = scores > 0

    write_submission(tmp_path, table, scores, decisions)
    back = read_submission(tmp_path).set_index("name")

    names = [path.split("/")[-1] for path in table["path"]]
    assert back.loc[names, "anomaly_score"].tolist() == scores.tolist()
    assert back.loc[names, "decision"].tolist() == decisions.tolist()
    assert back.loc[names, "section"].tolist() == table["section"].tolist()
    has_domain = back.loc[names, "domain"].notna()
    assert has_domain.all() if "2021" in dataset else not has_domain.any()


def test_names_with_commas_and_quotes_survive(tmp_path):
    table = clip_table([{"path": '/d/a,"b".wav', "section": "00"}], dataset="x", machine_type="m")
    write_submission(tmp_path, table, [1.5], [1])
    assert read_submission(tmp_path)["name"].tolist() == ['a,"b".wav']


def test_training_clips_are_left_out(tmp_path):
    table = sections("own")
    table.loc[1:, "split"] = "train"
    scores = np.full(len(table), np.nan)
    scores[0] = 1.0

    write_submission(tmp_path, table, scores, np.zeros(len(table)))

    assert read_submission(tmp_path)["name"].tolist() == ["s_00_source_2.wav"]


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,score\na.wav,1.0\n", r"line 1 holds a header; these files have none"),
        ("a.wav,1.0\nb.wav,high\n", r"line 2 holds no number. Received: 'high'"),
        ("a.wav,1.0\nb.wav,nan\n", r"line 2 must be finite. Received: 'nan'"),
        ("a.wav,1.0\n\nb.wav,2.0\n", r"line 2 must be `name.wav,value`"),
        ("a.wav,1.0\na.wav,2.0\n", r"1 stand twice: a.wav"),
    ],
)
def test_damaged_score_files_are_refused_by_line(tmp_path, text, message):
    (tmp_path / "anomaly_score_fan_section_00_test.csv").write_text(text)
    with pytest.raises(DataError, match=r"anomaly_score_fan_section_00_test.csv.*" + message):
        read_submission(tmp_path)


def test_decisions_other_than_0_and_1_are_refused(tmp_path):
    (tmp_path / "anomaly_score_fan_section_00_test.csv").write_text("a.wav,1.0\n")
    (tmp_path / "decision_result_fan_section_00_test.csv").write_text("a.wav,0.5\n")
    with pytest.raises(DataError, match=r"line 1: a decision is 0 or 1. Received: '0.5'"):
        read_submission(tmp_path)


@pytest.mark.parametrize("names", [["b.wav,1"], ["a.wav,1", "b.wav,0"]])
def test_score_and_decision_files_must_name_the_same_clips(tmp_path, names):
    (tmp_path / "anomaly_score_fan_section_00_test.csv").write_text("a.wav,1.0\n")
    (tmp_path / "decision_result_fan_section_00_test.csv").write_text("\n".join(names) + "\n")
    with pytest.raises(DataError, match=r"the same clips.*Only one of them has: .*b.wav"):
        read_submission(tmp_path)


def test_decisions_without_scores_are_refused(tmp_path):
    (tmp_path / "anomaly_score_fan_section_00_test.csv").write_text("a.wav,1.0\n")
    (tmp_path / "decision_result_fan_section_01_test.csv").write_text("a.wav,1\n")
    with pytest.raises(DataError, match=r"section_01_test.csv: has no score file"):
        read_submission(tmp_path)


def test_two_files_of_one_section_are_refused(tmp_path):
    (tmp_path / "anomaly_score_fan_section_00_test.csv").write_text("a.wav,1.0\n")
    (tmp_path / "anomaly_score_fan_section_00.csv").write_text("a.wav,1.0\n")
    with pytest.raises(DataError, match="about the same section as"):
        read_submission(tmp_path)


def test_folder_without_scores_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no file named anomaly_score_"):
        read_submission(tmp_path)


def test_names_without_test_and_missing_decisions_are_fine(tmp_path):
    (tmp_path / "anomaly_score_3DPrinter_section_00.csv").write_text("a.wav,1.0\n")

    back = read_submission(tmp_path)

    assert back["machine_type"].tolist() == ["3DPrinter"]
    assert back["decision"].isna().all()
