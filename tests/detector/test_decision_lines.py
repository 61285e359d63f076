"""Decisions: what is printed of each clip, and when."""

import csv
import io
import json

import pytest

from asdkeras.detector.decision_lines import COLUMNS, print_decisions

SCORE = 0.1 + 0.2  # 0.30000000000000004
ROWS = [
    {
        "clip": 'plant, "2"/a b.wav',
        "machine": "fan_00",
        "anomaly_score": SCORE,
        "threshold": 12345.678,
        "is_anomalous": False,
        "embedding": object(),
    },
    {
        "clip": "Werk/ü.wav",
        "machine": "fan_00",
        "anomaly_score": 20000.0,
        "threshold": 12345.678,
        "is_anomalous": True,
        "embedding": object(),
    },
]


def printed(form, rows=ROWS):
    out = io.StringIO()
    print_decisions(rows, form, out)
    return out.getvalue()


def test_plain_lines_have_four_digits_and_aligned_columns():
    heading, normal, anomalous = printed("plain").splitlines()

    assert heading.split() == ["score", "threshold", "decision", "machine", "clip"]
    assert normal.split(maxsplit=4) == ["0.3", "1.235e+04", "normal", "fan_00", ROWS[0]["clip"]]
    assert anomalous.split() == ["2e+04", "1.235e+04", "anomalous", "fan_00", "Werk/ü.wav"]
    assert heading.index("clip") == normal.index("plant") == anomalous.index("Werk")


def test_json_lines_have_all_digits():
    objects = [json.loads(line) for line in printed("json").splitlines()]

    assert objects == [{name: row[name] for name in COLUMNS} for row in ROWS]
    assert objects[0]["anomaly_score"] == SCORE


@pytest.mark.parametrize("name", ["a\nb.wav", "a\rb.wav", "a\r\nb.wav", 'a,"b".wav'])
def test_no_name_ends_a_line_of_csv(name):
    heading, *lines = csv.reader(
        io.StringIO(printed("csv", [{**row, "clip": name} for row in ROWS]), "")
    )
    assert heading == list(COLUMNS)
    assert [line[0] for line in lines] == [name, name]


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_not_finite_is_null_in_json(score):
    line = printed("json", [{**ROWS[1], "anomaly_score": score}])
    values = json.loads(line, parse_constant=pytest.fail)
    assert (values["anomaly_score"], values["is_anomalous"]) == (None, True)


def test_csv_has_all_digits_and_takes_any_name():
    heading, *lines = csv.reader(printed("csv").splitlines())

    assert heading == list(COLUMNS)
    assert lines == [
        [ROWS[0]["clip"], "fan_00", "0.30000000000000004", "12345.678", "false"],
        ["Werk/ü.wav", "fan_00", "20000.0", "12345.678", "true"],
    ]


def test_of_no_clip_nothing_is_printed():
    assert printed("plain", []) == printed("csv", []) == printed("json", []) == ""


@pytest.mark.parametrize(("rows", "any_anomalous"), [(ROWS, True), (ROWS[:1], False), ([], False)])
@pytest.mark.parametrize("order", [1, -1])
def test_it_says_whether_any_clip_is_anomalous(rows, any_anomalous, order):
    assert print_decisions(rows[::order], "plain", io.StringIO()) is any_anomalous


def test_a_line_is_out_before_the_next_clip_is_asked_for():
    received = io.BytesIO()  # By a pipe, which gets nothing before it is flushed.

    def rows():
        yield ROWS[1]
        assert ROWS[1]["clip"] in received.getvalue().decode("utf-8")
        yield ROWS[1]

    out = io.TextIOWrapper(received, "utf-8")
    print_decisions(rows(), "plain", out)

    assert len(received.getvalue().splitlines()) == 3


def test_clips_named_twice_are_counted_however_they_are_spelled(tmp_path, capsys):
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
    names = [tmp_path / "a.wav", f"{tmp_path}/x/../a.wav", tmp_path / "b.wav", tmp_path / "c.wav"]

    printed("plain", [{**ROWS[0], "clip": str(name)} for name in names])

    assert capsys.readouterr().err == (
        f"asdkeras: note: 1 clips were named more than once, such as {tmp_path}/a.wav\n"
    )
