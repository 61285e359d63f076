"""Numbers and CSV lines of anybody's files."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdkeras.errors import DataError, Faults
from asdkeras.plain_text import csv_lines, number, number_or_nan


@given(st.floats())
def test_every_float_comes_back_as_it_was_written(value):
    for text in (repr(value), f" {value}\t", f"{value:+}", f"{value:.17E}"):
        assert number(text) == value or (math.isnan(value) and math.isnan(number(text)))


@given(st.text(max_size=6) | st.from_regex(r"[+-]?\d[\d_]*\.?[\d_]*(e\d+)?", fullmatch=True))
def test_whatever_is_read_is_plain_ascii_and_what_python_reads(text):
    try:
        value = number(text)
    except ValueError:
        return
    assert text.isascii()
    assert "_" not in text
    assert value == float(text) or math.isnan(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1_0",
        "\uff11\uff12",
        "٣",
        "0x10",
        "1,5",
        "1.5f",
        "1e",
        "--1",
        "1\n",
        "1\xa0",
        "nano",
    ],
)
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="not a number"):
        number(text)


def test_an_empty_field_of_our_own_files_is_nan():
    assert math.isnan(number_or_nan(""))
    assert number_or_nan("0.30000000000000004") == 0.1 + 0.2
    with pytest.raises(ValueError, match="not a number"):
        number_or_nan("1_0")


def test_lines_have_their_numbers_and_fields_no_blanks_around(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffa , b\r\n\r\n"c,""d",\u2028e\x85f\r\n \t\r\n,\r\n'.encode())

    assert csv_lines(path) == [(1, ["a", "b"]), (2, []), (3, ['c,"d', "\u2028e\x85f"])]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b'a,b\n"c\nd",e\n', "line 2: a field that begins in line 2 holds a line break"),
        (b'a,"b\r"\n', "line 1: a field that begins in line 1 holds a line break"),
        (b'a,b\n\nc,"d\n', "line 3: unexpected end of data"),
        ("a,ä\n".encode("latin-1"), "in UTF-8: .*0xe4"),
        ("a,b\n".encode("utf-16"), "in UTF-8: .*0xff"),
    ],
)
def test_what_is_no_plain_csv_is_refused(tmp_path, content, fault):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path}: not a readable CSV file.*{fault}"):
        csv_lines(path)


def test_a_fault_of_many_places_is_one_line():
    faults = Faults()
    for place in "abcde":
        faults.add(place, "is gone", f": {place}{place}")
    for place in "abc":
        faults.add(place, "is late")

    assert list(faults.lines()) == [
        "is gone, in 5 places (a, b, c and 2 more): aa",
        *(f"{place}: is late." for place in "abc"),
    ]
    assert len(faults) == 8
    assert str(faults).count("\n  ") == 4
