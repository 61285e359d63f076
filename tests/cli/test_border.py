"""What the operating system refuses is one line and an exit code, in any encoding."""

import errno
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from asdkeras import cli
from asdkeras.cli import main
from asdkeras.data.audio import AudioConfig, read_audio
from asdkeras.data.clip_table import read_clip_table
from asdkeras.errors import AsdkerasError, DataError, as_own_error
from asdkeras.files import as_text, reading, write_text
from asdkeras.score_files import read_trial
from tests.cli.failures import failure
from tests.report.explained_runs import explained_trial, write_explained_run
from tests.report.run_folders import finished_run

LATIN = b"caf\xe9"


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (OSError(errno.EEXIST, "File exists", "f"), 2, "f: there is a file where a folder is need"),
        (OSError(errno.ENOTDIR, "Not a directory", "f/x"), 2, "f/x: there is a file where a fold"),
        (OSError(errno.EISDIR, "Is a directory", b"caf\xe9"), 2, "caf\udce9: is a directory. What"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x"), 2, "x: file name too long. What"),
        (OSError(errno.EMFILE, "Too many open files"), 2, "too many open files. What is finished"),
        (
            OSError(errno.ENOENT, "No such file or directory", "a"),
            3,
            "a: no such file or directory",
        ),
        (OSError(errno.EIO, "Input/output error", "a"), 3, "a: input/output error. Check that it"),
        (OSError("of a library,\nno number"), 3, "of a library, no number. Check that it"),
        (UnicodeError("\ud800"), 3, r"a text or name is not in the encoding it must be in: \ud800"),
        (MemoryError("no 8 PiB"), 2, "not enough memory: no 8 PiB. Take fewer clips"),
    ],
)
def test_every_refusal_is_one_line_and_says_where(monkeypatch, capsys, error, code, text):
    def refuse(arguments):
        raise error

    monkeypatch.setattr("asdkeras.cli.reports._list", refuse)

    found, line = failure(capsys, "list")

    assert found == code
    assert line.startswith(f"asdkeras: error: {as_text(text)}")
    assert "\n" not in line


def test_our_own_errors_stay_as_they_are():
    error = DataError("a.wav: damaged")
    assert as_own_error(error) is error
    assert as_own_error(AsdkerasError("b")).exit_code == 2


@pytest.mark.parametrize(
    "command",
    [
        ("report", "RUN", "--out", "f/r.html"),
        ("table", "RUN", "--out", "f/t.csv"),
        ("ensemble", "RUN", "--out", "f"),
        ("ensemble", "RUN", "--out", "f/e"),
        ("score", "RUN", "--year", "2021", "--out", "f"),
        ("data", "mini", "--size", "tiny", "--out", "f/m"),
        ("data", "fetch", "2021", "--to", "f", "--yes"),
        ("report", "RUN", "--out", "x" * 300 + ".html"),
        ("report", "x" * 300),
        ("detect", "x" * 300, "a.wav"),
        ("export", "f/x.asd", "--format", "keras", "--out", "f/x.keras"),
    ],
)
def test_a_path_that_cannot_be_is_a_mistake_and_no_bug(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    run = finished_run(tmp_path / "runs", "alpha", "small")
    (tmp_path / "f").write_text("a file")

    code, error = failure(capsys, *(str(run) if word == "RUN" else word for word in command))

    assert code in (2, 3)
    assert len(error.splitlines()) == 1
    assert (tmp_path / "f").read_text() == "a file"


def test_a_folder_that_is_gone_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setattr("asdkeras.cli.reports._list", lambda arguments: os.getcwd())

    code, error = failure(capsys, "list")

    assert (code, error.startswith("asdkeras: error: the working directory: no such")) == (3, True)


def process(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "asdkeras", *words], capture_output=True, check=False, **options
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_name_is_printed_in_any_encoding(tmp_path, encoding):
    finished_run(tmp_path / os.fsdecode(LATIN), "日本", "small")
    words = ("table", tmp_path, "--out", tmp_path / os.fsdecode(LATIN + b".csv"))

    answer = process(*words, env={**os.environ, "PYTHONIOENCODING": encoding})

    assert (answer.returncode, b"Traceback" in answer.stderr) == (0, False)
    shown = "日本" if encoding == "utf-8" else "\\u65e5\\u672c"
    assert shown.encode(encoding) in answer.stdout
    assert b"caf\\udce9.csv" in answer.stdout


def test_output_that_nobody_reads_ends_quietly():
    reading_end, writing_end = os.pipe()
    os.close(reading_end)
    answer = subprocess.run(
        [sys.executable, "-m", "asdkeras", "list"],
        stdout=writing_end,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing_end)

    assert (answer.returncode, answer.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device is always full here")
@pytest.mark.parametrize("words", [["list"], ["--help"]])
def test_output_that_is_full_is_no_traceback(words):
    with open("/dev/full", "w") as full:
        answer = subprocess.run(
            [sys.executable, "-m", "asdkeras", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"},
        )

    if words == ["list"]:
        assert answer.returncode == 2
        assert answer.stderr.startswith("asdkeras: error: standard output: no space left on device")
    assert "Traceback" not in answer.stderr
    assert "Exception ignored" not in answer.stderr


def test_closed_streams_are_no_reason_to_fail():
    def close():
        for number in (0, 1, 2):
            os.close(number)

    assert (
        subprocess.run(
            [sys.executable, "-m", "asdkeras", "list"], preexec_fn=close, check=False
        ).returncode
        == 0
    )


def test_streams_keep_their_encoding_and_refuse_no_name(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", out)

    cli._open_streams()
    print("caf\udce9 ü", file=out, flush=True)

    assert out.buffer.getvalue() == b"caf\\udce9 \\xfc\n"


def write_sound(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(seed).normal(size=16000)
    soundfile.write(os.fsencode(path), samples, 16000)
    return samples


def test_a_clip_whose_name_is_not_utf8_is_read(tmp_path):
    path = tmp_path / f"{os.fsdecode(LATIN)}.wav"
    samples = write_sound(path)

    waveform = read_audio(path, AudioConfig(16000, 0, "refuse"))

    np.testing.assert_allclose(waveform, samples, atol=1e-4)


def test_names_that_are_not_utf8_are_the_same_in_the_clip_table_and_in_score_files(tmp_path):
    machine = tmp_path / "data" / os.fsdecode(LATIN)
    write_sound(machine / "train" / f"{os.fsdecode(LATIN)}.wav")

    table = read_clip_table(tmp_path / "data")

    assert table["machine_type"].tolist() == ["caf\\udce9"]
    assert os.path.exists(table["path"][0])
    trial, groups = explained_trial({("fan", "00"): {"answer": [4.5, 5.0]}})
    table = trial.table.assign(path=[f"/{n}/{os.fsdecode(LATIN)}" for n in range(len(trial.table))])
    run = write_explained_run(tmp_path / "run", {0: (trial._replace(table=table), groups)})
    assert set(read_trial(run / "scores" / "seed0").table["path"]) == {"caf\\udce9"}


def test_what_is_written_is_utf8_whatever_the_name(tmp_path):
    write_text(tmp_path / "a.csv", "caf\udce9,\ud800,ü\n")

    assert (tmp_path / "a.csv").read_bytes().decode("utf-8") == "caf\\udce9,\\ud800,ü\n"


@pytest.mark.parametrize("length", [200, 255])
def test_a_name_that_is_not_too_long_can_be_written(tmp_path, length):
    write_text(tmp_path / ("x" * length), "a")

    assert [path.name for path in tmp_path.iterdir()] == ["x" * length]


@pytest.mark.parametrize(
    ("content", "read"),
    [
        ("{", json.loads),
        ("[]", lambda text: json.loads(text)["a"]),
        ("[" * 100000, json.loads),
        ("a", float),
    ],
)
def test_whatever_a_damaged_file_raises_names_the_file(tmp_path, content, read):
    damaged = pytest.raises(DataError, match=r"^a\.json: damaged, or not written by asdkeras \(.*")
    with damaged, reading("a.json"):
        read(content)


def test_a_file_that_is_missing_is_not_called_damaged(tmp_path):
    with pytest.raises(FileNotFoundError), reading(tmp_path / "a"):
        (tmp_path / "a").read_text()
    with pytest.raises(AsdkerasError, match=r"^mine$"), reading(tmp_path / "a"):
        raise AsdkerasError("mine")


@pytest.mark.parametrize("name", ["scores/seed0/scores.csv", "scores/seed0/DONE", "official.csv"])
@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b"a\n1\n"])
def test_a_damaged_run_is_named(tmp_path, capsys, name, content):
    run = finished_run(tmp_path, "alpha", "small")
    (run / name).write_bytes(content)

    code, error = failure(capsys, "table", run)

    assert code == 3
    assert str(run) in error


def test_a_list_within_itself_is_a_mistake(capsys, tmp_path):
    nested = "seeds=" + "[" * 3000
    code, error = failure(capsys, "eval", "--system", "baseline2023", "--set", nested)

    assert (code, "--set seeds: not YAML" in error) == (2, True)


def test_control_characters_of_a_name_do_not_reach_the_terminal(capsys):
    code, error = failure(capsys, "table", "a\nb\x1b[2J")

    assert (code, r"a\nb\x1b[2J: no such folder" in error) == (2, True)


def test_an_interrupt_of_any_command_is_said_and_no_error(monkeypatch, capsys):
    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("asdkeras.cli.reports._list", interrupt)

    assert main(["list"]) == 130
    assert capsys.readouterr().err.startswith("asdkeras: interrupted")


@pytest.mark.parametrize("option", ["--out", "--work"])
def test_a_device_is_no_file(option, capsys):
    with pytest.raises(SystemExit) as error:
        main(["fit", "mine", "--out", "a.asd", option, "/dev/zero"])

    assert error.value.code == 2
    said = capsys.readouterr().err
    assert f"{option}: must be a file or a folder, not a device. Received: '/dev/zero'" in said
