"""The command line: what a user gets wrong, and the one line that says so."""

import errno
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdkeras import files
from asdkeras.cli import main
from asdkeras.detector.detector import Detector
from asdkeras.detector.file import save_file
from asdkeras.detector.fitted_machine import Machine
from asdkeras.errors import DataError
from tests.report.explained_runs import explained_trial, write_explained_run
from tests.report.mapped_runs import clip_rows, finished_mapped_run
from tests.report.run_folders import finished_run

RATE_HZ = 16000


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ASDKERAS_DATA", raising=False)


@pytest.fixture
def factory(tmp_path):
    """Two machines with four training and two test clips each."""
    rng = np.random.default_rng(0)
    for machine in ("press", "saw"):
        for name in ("train/a", "train/b", "train/c", "train/d", "test/normal_1", "test/anomaly_1"):
            path = tmp_path / "factory" / machine / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.1 * rng.normal(size=RATE_HZ), RATE_HZ)
    return tmp_path / "factory"


def failure(capsys, *command):
    """Exit code and the one line of the error."""
    code = main([str(word) for word in command])
    lines = capsys.readouterr().err.splitlines()
    errors = [line for line in lines if line.startswith("asdkeras: error: ")]
    assert len(errors) == 1
    assert "Traceback" not in "".join(lines)
    return code, "\n".join(lines[lines.index(errors[0]) :])


def evaluate(data, runs, *more):
    return ("eval", "--system", "wilkinghoff2021", "--data", data, "--runs", runs, *more)


def test_an_unknown_system_is_answered_with_the_nearest(tmp_path, capsys):
    code, error = failure(capsys, "eval", "--system", "wilkinghof2021", "--data", tmp_path)

    assert code == 2
    assert "no system `wilkinghof2021`. Did you mean `wilkinghoff2021`?" in error


def test_a_missing_folder_is_named(tmp_path, capsys):
    (tmp_path / "machines").mkdir()

    code, error = failure(capsys, *evaluate(tmp_path / "machine", tmp_path))

    assert code == 3
    assert str(tmp_path / "machine") in error
    assert "machines" in error


def test_an_empty_folder_is_named(tmp_path, capsys):
    (tmp_path / "empty").mkdir()

    code, error = failure(capsys, *evaluate(tmp_path / "empty", tmp_path))

    assert code == 3
    assert str(tmp_path / "empty") in error


def test_a_machine_without_training_clips_is_named(factory, tmp_path, capsys):
    shutil.rmtree(factory / "saw" / "train")

    code, error = failure(capsys, *evaluate(factory, tmp_path))

    assert code == 3
    assert "saw" in error
    assert "--machines press" in error


def test_a_single_class_is_refused_with_the_way_out(factory, tmp_path, capsys):
    code, error = failure(capsys, *evaluate(factory, tmp_path, "--machines", "press"))

    assert code == 3
    assert "press_00" in error


def test_every_bad_recording_is_named(factory, tmp_path, capsys):
    silent, constant, torn, text = (
        factory / "saw" / "train" / f"{name}.wav" for name in ("a", "b", "c", "d")
    )
    soundfile.write(silent, np.zeros(RATE_HZ), RATE_HZ)
    soundfile.write(constant, np.full(RATE_HZ, 0.9), RATE_HZ)
    torn.write_bytes(torn.read_bytes()[:5000])
    text.write_text("not a sound")
    soundfile.write(factory / "press/train/a.wav", np.zeros(0), RATE_HZ)
    not_a_number = np.full(RATE_HZ, np.nan, "float32")
    soundfile.write(factory / "press/train/b.wav", not_a_number, RATE_HZ, subtype="FLOAT")

    code, error = failure(capsys, *evaluate(factory, tmp_path))

    assert code == 3
    for path in (silent, constant, torn, text, "press/train/a.wav", "press/train/b.wav"):
        assert str(path) in error
    assert not (tmp_path / "wilkinghoff2021").exists()


def test_mixed_sample_rates_are_refused_with_the_way_out(factory, tmp_path, capsys):
    noise = 0.1 * np.random.default_rng(0).normal(size=48000)
    soundfile.write(factory / "saw" / "train" / "a.wav", noise, 48000)

    code, error = failure(capsys, *evaluate(factory, tmp_path))

    assert code == 3
    assert "48000" in error
    assert "mixed_rates" in error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("config.epoch=3", "unknown key `config.epoch`. Did you mean `config.epochs`?"),
        ("config.epochs=three", "`epochs` must be of type int. Received: 'three'"),
        ("config.epochs=0", "`epochs` must be at least 1. Received: 0"),
        ("config.mixup_probability=2", "`mixup_probability` must lie in [0, 1]. Received: 2.0"),
        ("config.keep_epochs=[101]", "`keep_epochs` must name epochs between 1 and"),
        ("config.clip_length=100", "`clip_length` must exceed half a window of 1024 samples"),
        ("config.variant=two_heads_s3", "`variant` must be one of"),
        ("audio.channel=left", "`channel` must be one of"),
        ("seeds=[-1]", "`seeds` must be different numbers from 0 on"),
    ],
)
def test_a_wrong_recipe_is_answered_with_its_key(factory, tmp_path, capsys, change, message):
    code, error = failure(capsys, *evaluate(factory, tmp_path, "--set", change))

    assert code == 2
    assert message in error
    assert "folder.yaml" in error or "--set" in error


def test_an_unknown_recipe_is_answered_with_those_there_are(factory, tmp_path, capsys):
    code, error = failure(capsys, *evaluate(factory, tmp_path, "--recipe", "dcase21"))

    assert code == 2
    assert "no recipe `dcase21`. Did you mean `dcase2021`?" in error


def test_a_recipe_of_another_system_is_refused(factory, tmp_path, capsys):
    recipe = tmp_path / "mine.yaml"
    text = Path("recipes/wilkinghoff2021/mini.yaml").read_text(encoding="utf-8")
    recipe.write_text(text.replace("system: wilkinghoff2021", "system: another2020"))

    code, error = failure(capsys, *evaluate(factory, tmp_path, "--recipe", recipe))

    assert code == 2
    assert "a recipe of another2020, but --system says wilkinghoff2021" in error


def test_a_full_disk_is_said_in_one_line(factory, tmp_path, capsys, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(files.os, "replace", full)

    code, error = failure(capsys, *evaluate(factory, tmp_path))

    assert code == 2
    assert str(tmp_path / "cache") in error
    assert "no space left on device" in error
    assert "the same command again" in error


def test_an_interruption_is_no_error(tmp_path, capsys, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("asdkeras.experiment.dataset.generate_mini", interrupted)

    assert main(["data", "mini", "--out", str(tmp_path)]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_list_names_systems_and_recipes(capsys):
    assert main(["list"]) == 0

    printed = capsys.readouterr().out
    assert "wilkinghoff2021: Sub-cluster AdaCos embeddings" in printed
    assert "recipes: dcase2021, folder, mini" in printed
    assert "one_head_s16, two_heads_20, one_head_20, all_40," in " ".join(printed.split())


@pytest.mark.parametrize("text", ["0", "-1", "many"])
def test_a_number_of_jobs_begins_at_one(text, capsys):
    with pytest.raises(SystemExit) as error:
        main(["data", "verify", "somewhere", "--jobs", text])

    assert error.value.code == 2
    assert f"must be a number from 1. Received: '{text}'" in capsys.readouterr().err


def test_names_are_separated_by_commas_or_blanks(tmp_path):
    where = ["--size", "tiny", "--out", str(tmp_path / "a")]

    assert main(["data", "mini", *where, "--machines", "fan,valve"]) == 0
    assert main(["data", "mini", *where, "--machines", "fan", "valve"]) == 0

    assert sorted(path.name for path in (tmp_path / "a/dev_data").iterdir()) == ["fan", "valve"]


def test_table_shows_the_runs_of_a_folder(tmp_path, capsys):
    finished_run(tmp_path / "mine", "alpha", "small")
    out = tmp_path / "table.csv"

    assert main(["table", str(tmp_path / "mine"), "--out", str(out)]) == 0

    assert "alpha small" in capsys.readouterr().out
    assert out.read_text(encoding="utf-8").startswith("system,variant,dataset,")


def test_table_looks_into_runs_unless_told_otherwise(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    code, error = failure(capsys, "table")

    assert (code, error.startswith("asdkeras: error: runs: no such folder.")) == (2, True)


def test_table_of_a_run_without_results_says_so(tmp_path, capsys):
    run = finished_run(tmp_path, "alpha", "small")
    (run / "official.csv").unlink()
    (run / "metrics.csv").unlink()

    code, error = failure(capsys, "table", run)

    assert code == 2
    assert f"{run}: has no results yet" in error


EXPLAINED = {("fan", "00"): {"answer": [4.5, 5.0], "section": [1.0, 9.0]}}


def test_report_writes_a_page_and_opens_it_if_told(tmp_path, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    run = finished_mapped_run(tmp_path / "adacos" / "mini2021", clip_rows(num_clips=2))

    assert main(["report", str(run)]) == 0
    assert opened == []
    assert main(["report", str(run), "--out", str(tmp_path / "a.html"), "--open"]) == 0

    assert capsys.readouterr().out.split() == [str(run / "report.html"), str(tmp_path / "a.html")]
    assert opened == [(tmp_path / "a.html").as_uri()]
    assert (tmp_path / "a.html").read_bytes() == (run / "report.html").read_bytes()


def test_report_maps_one_split_in_another_way_if_told(tmp_path):
    run = finished_mapped_run(tmp_path / "adacos" / "mini2021", clip_rows(num_clips=6))

    assert main(["report", str(run), "--split", "train", "--method", "pca"]) == 0

    text = (run / "report.html").read_text(encoding="utf-8")
    maps = "".join(re.findall(r'<svg[^>]*class="map.*?</svg>', text, re.DOTALL))
    assert "_train_" in maps
    assert "_test_" not in maps
    assert "principal components of embedding" in text


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--array", "embeding"], "no array `embeding`. Did you mean `embedding`?"),
        (["--seed", "7"], "has no trial 7. Choose one with --seed: 0."),
        (["--out", "page.txt"], "--out: the file must end in .html. Received: page.txt"),
    ],
)
def test_report_of_what_is_not_there_says_so(tmp_path, capsys, options, line):
    run = finished_mapped_run(tmp_path / "adacos" / "mini2021", clip_rows(num_clips=2))

    code, error = failure(capsys, "report", run, *options)

    assert code == 2
    assert line in error


def test_report_of_no_run_and_of_one_without_results_says_so(tmp_path, capsys):
    run = finished_mapped_run(tmp_path / "adacos" / "mini2021", clip_rows(num_clips=2))
    (run / "official.csv").unlink()
    (run / "metrics.csv").unlink()

    assert "no such folder" in failure(capsys, "report", tmp_path / "nowhere")[1]
    assert "has no results yet; `asdkeras eval` finishes it" in failure(capsys, "report", run)[1]


def test_explain_shows_the_clips_asked_for(tmp_path, capsys):
    run = str(write_explained_run(tmp_path, {3: explained_trial(EXPLAINED)}))

    for options in (["--top", "1"], ["--clips", "test_1.wav", "--seed", "3"]):
        assert main(["explain", run, *options]) == 0
        printed = capsys.readouterr().out
        assert "fan section 00, test_1.wav" in printed
        assert "test_0.wav" not in printed
        assert "fired: section (+4.2)" in printed


def test_explain_of_a_run_that_tells_nothing_says_so(tmp_path, capsys):
    run = write_explained_run(tmp_path, {0: (explained_trial(EXPLAINED)[0], None)})

    code, error = failure(capsys, "explain", run)

    assert code == 2
    assert "nothing tells what the scores of venkatesh2022 are due to" in error


def test_explain_takes_names_or_a_number_of_clips(capsys):
    with pytest.raises(SystemExit) as error:
        main(["explain", "run", "--top", "2", "--clips", "a.wav"])

    assert error.value.code == 2
    assert "not allowed with argument --top" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "runs"),
    [
        ([], "runs"),
        (["--runs", "my runs", "--data", "x"], "my runs"),
        (["--data", "x", "--runs=else where"], "else where"),
        (["--data", "--runs.csv"], "runs"),
    ],
)
def test_run_all_passes_its_options_to_each_recipe_and_ends_with_the_table(tmp_path, options, runs):
    """`python` is one that only tells what it was called with."""
    shutil.copy(Path(__file__).parents[1] / "run_all.sh", tmp_path)
    for name in ("first", "second"):
        recipe = tmp_path / "recipes" / name / "run.sh"
        recipe.parent.mkdir(parents=True)
        recipe.write_text(f'echo {name} "$#" "$@"\n')
    stub = tmp_path / "bin" / "python"
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\nfor word; do echo "word: $word"; done\n')
    stub.chmod(0o755)

    answer = subprocess.run(
        ["bash", tmp_path / "run_all.sh", *options],
        env={**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )

    heard = [" ".join([name, str(len(options)), *options]) for name in ("first", "second")]
    called = [f"word: {word}" for word in ("-m", "asdkeras", "table", runs)]
    assert answer.stdout.splitlines() == heard + called
    assert answer.stderr == ""


def run_all(folder, **codes):
    """`run_all.sh` on recipes that end with an exit code each; `python` prints `table`."""
    shutil.copy(Path(__file__).parents[1] / "run_all.sh", folder)
    for name, code in codes.items():
        recipe = folder / "recipes" / name / "run.sh"
        recipe.parent.mkdir(parents=True)
        recipe.write_text(f"echo {name}\nexit {code}\n")
    stub = folder / "bin" / "python"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\necho table\n")
    stub.chmod(0o755)
    return subprocess.run(
        ["bash", folder / "run_all.sh"],
        env={**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_run_all_goes_on_without_a_system_that_refuses_the_data(tmp_path):
    answer = run_all(tmp_path, a=0, b=2, c=0)
    assert (answer.returncode, answer.stdout.split()) == (0, ["a", "b", "c", "table"])
    assert answer.stderr.startswith("run_all.sh: recipes/b/run.sh does not go on")


def test_run_all_of_systems_that_all_refuse_is_a_mistake(tmp_path):
    answer = run_all(tmp_path, a=2, b=2)
    assert (answer.returncode, answer.stdout.split()) == (2, ["a", "b"])


@pytest.mark.parametrize("code", [1, 3, 4, 130])
def test_run_all_stops_where_something_broke(tmp_path, code):
    answer = run_all(tmp_path, a=0, b=code, c=0)
    assert (answer.returncode, answer.stdout.split()) == (code, ["a", "b"])


def test_run_all_makes_no_table_after_a_failure(tmp_path):
    shutil.copy(Path(__file__).parents[1] / "run_all.sh", tmp_path)
    recipe = tmp_path / "recipes" / "first" / "run.sh"
    recipe.parent.mkdir(parents=True)
    recipe.write_text("exit 4\n")

    answer = subprocess.run(
        ["bash", tmp_path / "run_all.sh"], capture_output=True, text=True, check=False
    )

    assert (answer.returncode, answer.stdout) == (4, "")


class NoModel:
    """Is saved in place of a graph."""

    def save(self, path):
        Path(path).touch()


def loud(waveforms):
    """Scores as of a graph: the peak of each waveform."""
    peaks = np.abs(waveforms).max(axis=1)
    return {"anomaly_score": peaks, "is_anomalous": peaks > 0.5, "embedding": peaks[:, None]}


@pytest.fixture
def detector(tmp_path, monkeypatch):
    """A detector that calls loud clips anomalous, saved, of as many machines as asked for."""

    def save(*names):
        machines = {
            name: Machine(name, name, "00", RATE_HZ, 2 * RATE_HZ, "start", 0.5) for name in names
        }
        story = {"system": "baseline2023", "recipe": {"audio": {"channel": "mean"}}}
        save_file(tmp_path / "a.asd", story, machines, {name: NoModel() for name in names})
        return str(tmp_path / "a.asd")

    monkeypatch.setattr(Detector, "scorer", lambda self, machine=None: loud)
    return save


@pytest.fixture
def today(tmp_path):
    """Three clips below `today`, `b.wav` loud; none says its machine but by its folder."""
    time_s = np.arange(RATE_HZ) / RATE_HZ
    for name, peak in {"fan/a": 0.25, "fan/b": 0.75, "pump/c": 0.125}.items():
        path = tmp_path / "today" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, peak * np.cos(800 * np.pi * time_s), RATE_HZ, subtype="FLOAT")
    return tmp_path / "today"


def detect(*words):
    return main(["detect", *map(str, words)])


def test_detect_prints_score_threshold_and_decision_of_each_clip(detector, today, capsys):
    code = detect(detector("fan"), today / "fan" / "b.wav", today / "pump")

    heading, *lines = (line.split() for line in capsys.readouterr().out.splitlines())
    assert code == 0
    assert heading == ["score", "threshold", "decision", "machine", "clip"]
    assert lines == [
        ["0.75", "0.5", "anomalous", "fan", str(today / "fan" / "b.wav")],
        ["0.125", "0.5", "normal", "fan", str(today / "pump" / "c.wav")],
    ]


def test_detect_takes_options_before_clips(detector, today, capsys):
    file, clip = detector("fan", "pump"), today / "fan" / "b.wav"

    assert detect(file, "--machine", "pump", clip, "--fail-on-anomaly") == 10
    assert detect("--csv", file, "--machine", "pump", clip) == 0
    with pytest.raises(SystemExit, match="2"):
        detect(file, "--machine", "pump", clip, "--lout")
    assert "unrecognized arguments" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["list", "everything"])


@pytest.mark.parametrize(("name", "code"), [("a", 0), ("b", 10)])
def test_detect_fails_on_an_anomaly_if_told(detector, today, name, code):
    assert detect(detector("fan"), today / "fan" / f"{name}.wav", "--fail-on-anomaly") == code


@pytest.mark.parametrize("name", ["a", "b"])
def test_detect_ends_well_whatever_it_hears_unless_told(detector, today, name):
    assert detect(detector("fan"), today / "fan" / f"{name}.wav") == 0


def test_detect_writes_json_and_csv(detector, today, capsys):
    file = detector("fan", "pump")
    detect(file, today, "--json")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    detect(file, today, "--csv")
    heading, *lines = capsys.readouterr().out.splitlines()

    assert [row["machine"] for row in rows] == ["fan", "fan", "pump"]
    assert heading == "clip,machine,anomaly_score,threshold,is_anomalous"
    assert lines[1] == f"{today}/fan/b.wav,fan,0.75,0.5,true"


def test_detect_names_clips_it_cannot_use_after_the_scores(detector, today, capsys):
    (today / "fan" / "aa.wav").write_text("not a sound")
    missing = today / "missing.wav"

    code = detect(detector("fan"), missing, today / "fan")
    and_fail = detect(detector("fan"), missing, today / "fan", "--fail-on-anomaly")

    out, error = capsys.readouterr()
    assert (code, and_fail) == (3, 10)
    assert len(out.splitlines()) == 2 * 3
    assert [line.split(": ")[:3] for line in error.splitlines()[:2]] == [
        ["asdkeras", "error", str(missing)],
        ["asdkeras", "error", str(today / "fan" / "aa.wav")],
    ]


def test_detect_asks_for_the_machine_where_it_is_not_said(detector, today, capsys):
    unclear = shutil.copy(today / "fan" / "a.wav", today / "a.wav")
    file = detector("fan", "pump")

    assert detect(file, unclear) == 3
    assert "the detector knows fan, pump. Say which" in capsys.readouterr().err
    assert detect(file, unclear, "--machine", "pump") == 0
    assert " pump " in capsys.readouterr().out
    assert detect(file, unclear, "--machine", "fun") == 2
    assert "must be one of fan, pump. Received: fun" in capsys.readouterr().err


def test_detect_takes_a_lower_rate_if_told(detector, today, capsys):
    path = today / "fan" / "a.wav"
    soundfile.write(path, np.cos(np.arange(8000)), 8000)

    assert detect(detector("fan"), path) == 3
    assert "sampled at 8000 Hz" in capsys.readouterr().err
    assert detect(detector("fan"), path, "--resample") == 0


def test_detect_keeps_what_it_printed_when_interrupted(detector, today, capsys, monkeypatch):
    def interrupted(self, clips, machine, **options):
        options["on_error"](DataError("x.wav: bad"))
        yield {**dict.fromkeys(("anomaly_score", "threshold"), 1.0), "is_anomalous": True} | {
            "clip": "a.wav",
            "machine": "fan",
        }
        raise KeyboardInterrupt

    monkeypatch.setattr(Detector, "decisions", interrupted)

    assert detect(detector("fan"), today, "--fail-on-anomaly") == 130
    out, error = capsys.readouterr()
    assert "a.wav" in out
    assert "x.wav: bad" in error
    assert "what is printed is complete" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Received: neither"),
        (["a.wav", "--stream"], "Received: both"),
        (["a.wav", "--hop", "1"], "--hop is for streams"),
        (["a.wav", "--channel", "0"], "--channel is for streams"),
        (["a.wav", "--hop", "0"], "--hop is for streams"),
        (["a.wav", "--gap", "2"], "--gap is for streams"),
        (["a.wav", "--live"], "--live is for streams"),
        (["--stream", "--csv"], "--csv is not for streams"),
    ],
)
def test_detect_refuses_what_does_not_go_together(capsys, words, message):
    code, error = failure(capsys, "detect", "a.asd", *words)

    assert code == 2
    assert message in error


def test_detect_refuses_a_torn_detector(detector, today, capsys):
    path = Path(detector("fan"))
    path.write_bytes(path.read_bytes()[:-50])

    code, error = failure(capsys, "detect", path, today)

    assert code == 3
    assert f"{path}: cut off or damaged" in error


@pytest.mark.parametrize(("peak", "code"), [(0.25, 0), (0.75, 10)])
def test_detect_scores_a_stream(detector, capsys, monkeypatch, peak, code):
    sound = (32767 * peak * np.cos(np.arange(5 * RATE_HZ))).astype("<i2")
    stdin = io.TextIOWrapper(io.BytesIO(np.stack([0 * sound, sound], 1).tobytes()))
    monkeypatch.setattr("sys.stdin", stdin)

    pcm = ("--pcm", "s16le", "--rate", "16000", "--channels", "2", "--channel", "1")
    how = ("--window", "2", "--hop", "1", "--json", "--fail-on-anomaly")
    result = detect(detector("fan"), "--stream", *pcm, *how)

    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert result == code
    assert [(row["start_s"], row["end_s"]) for row in rows] == [(0, 2), (1, 3), (2, 4), (3, 5)]
    assert rows[0]["anomaly_score"] == pytest.approx(peak, abs=1e-3)  # int16


def test_detect_hands_on_how_a_stream_is_to_be_heard(detector, monkeypatch):
    received = {}
    monkeypatch.setattr(
        "asdkeras.detector.stream.run_stream", lambda *_, **options: received.update(options)
    )

    detect(detector("fan", "pump"), "--stream")
    defaults = dict(received)
    more = ("--live", "--gap", "3", "--resample", "--machine", "pump")
    detect(detector("fan", "pump"), "--stream", *more)

    assert defaults == {
        **dict.fromkeys(("machine", "pcm", "rate", "channels", "hop_s", "window_s")),
        **{"channel": "mean", "resample_up": False, "live": False, "gap_s": 2.0, "as_json": False},
    }
    assert received == {
        **defaults,
        **{"live": True, "gap_s": 3.0, "resample_up": True, "machine": "pump"},
    }


@pytest.fixture
def fitted(monkeypatch):
    """What `fit` and `of_run` are called with; nothing is trained."""
    received = {}

    def fit(self, data, **options):
        received.update(options, data=data, system=self.system, variant=self.variant)
        received.update(recipe=self.recipe, overrides=self.overrides)
        (options["work"] / "weights").touch()

    def of_run(folder, **options):
        received.update(options, run=folder)
        return Detector()

    monkeypatch.setattr(Detector, "fit", fit)
    monkeypatch.setattr(Detector, "of_run", of_run)
    monkeypatch.setattr(Detector, "save", lambda self, path: path.touch())
    return received


def test_fit_writes_a_detector_and_leaves_nothing_else(fitted, tmp_path, capsys):
    out = tmp_path / "a.asd"

    assert main(["fit", "mine", "--out", str(out)]) == 0

    assert fitted == {
        **dict.fromkeys(("machines", "jobs", "variant", "recipe")),
        **{"data": Path("mine"), "system": "baseline2023", "overrides": ()},
        "work": tmp_path / "a.asd.fit",
        "is_in_process": False,
    }
    assert list(tmp_path.iterdir()) == [out]
    assert capsys.readouterr().out == f"{out}\n"


def test_fit_hands_on_its_options_and_keeps_a_folder_one_names(fitted, tmp_path):
    (tmp_path / "work").mkdir()
    options = "--system s2020 --variant v --recipe r --set a=1 --set b=2 --jobs 2 --machines fan"

    main(["fit", "mine", "--out", f"{tmp_path}/a.asd", *options.split(), f"--work={tmp_path}/work"])

    assert fitted == {
        **{"data": Path("mine"), "system": "s2020", "variant": "v", "recipe": "r", "jobs": 2},
        **{"overrides": ("a=1", "b=2"), "machines": ["fan"], "work": tmp_path / "work"},
        "is_in_process": False,
    }
    assert (tmp_path / "work" / "weights").exists()


def test_fit_takes_a_finished_run(fitted, tmp_path):
    main(["fit", "--run", "runs/x", "--out", f"{tmp_path}/a.asd", "--machines", "fan"])

    assert fitted == {"run": Path("runs/x"), "machines": ["fan"]}
    assert [path.name for path in tmp_path.iterdir()] == ["a.asd"]


def test_fit_of_a_run_has_nothing_to_choose(capsys):
    code, error = failure(capsys, "fit", "--run", "x", "--out", "a.asd", "--system", "y")

    assert code == 2
    assert "--system: a finished run is taken as it is" in error


@pytest.mark.parametrize("source", [[], ["mine", "--run", "x"]])
def test_fit_takes_a_folder_or_a_run(capsys, source):
    with pytest.raises(SystemExit) as error:
        main(["fit", *source, "--out", "a.asd"])

    assert error.value.code == 2
    assert "--run" in capsys.readouterr().err


def test_fit_does_not_train_before_it_knows_where_to_write(tmp_path, capsys):
    code, error = failure(capsys, "fit", "mine", "--out", tmp_path)

    assert code == 2
    assert "is a folder. Name a file" in error


def test_fit_of_what_is_not_there_says_so_and_leaves_nothing(tmp_path, capsys):
    code, error = failure(capsys, "fit", tmp_path / "mine", "--out", tmp_path / "a.asd")

    assert code == 3
    assert "mine: no such folder" in error
    assert list(tmp_path.iterdir()) == []


def test_export_writes_every_format_and_says_how_well_it_agrees(detector, capsys, monkeypatch):
    from asdkeras.detector.exports import FORMATS, Exported

    received = []

    def export(self, path, *options):
        received.append((path, *options))
        return Exported(path, options[0], 123, 4.56e-7)

    monkeypatch.setattr(Detector, "export", export)

    file = detector("fan")
    for name in FORMATS:
        assert main(["export", file, "--format", name, "--out", "x", "--machine", "fan"]) == 0

    out, error = capsys.readouterr()
    assert received == [(Path("x"), name, "fan") for name in FORMATS]
    assert out == "x\n" * len(FORMATS)
    assert "123 bytes, agrees with the detector to 4.6e-07" in error
