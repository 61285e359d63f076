"""Commands that make and use detectors."""

import dataclasses
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdkeras.cli import main
from asdkeras.detector.detector import Detector
from asdkeras.detector.file import save_file
from asdkeras.detector.fitted_machine import Machine
from asdkeras.errors import DataError
from tests.cli.failures import failure

RATE_HZ = 16000


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

    out, error = capsys.readouterr()
    heading, *lines = (line.split() for line in out.splitlines())
    assert code == 0
    assert error.splitlines()[-1] == "asdkeras: 1 of 2 clips anomalous"
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
        main(["list", "baseline2020", "everything"])


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
    assert "1 of 1 clips anomalous" in error
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
        "asdkeras.detector.stream.run_stream",
        lambda detector, file, out, options: received.update(dataclasses.asdict(options)),
    )

    detect(detector("fan", "pump"), "--stream")
    defaults = dict(received)
    more = ("--live", "--gap", "3", "--resample", "--machine", "pump")
    detect(detector("fan", "pump"), "--stream", *more)

    assert defaults == {
        **dict.fromkeys(("machine", "pcm", "rate", "channels", "channel", "hop_s", "window_s")),
        **{"resample_up": False, "live": False, "gap_s": 2.0, "as_json": False},
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
        **{"data": Path("mine"), "system": "baseline2023"},
        "overrides": ("thresholds.rule=held_out", "thresholds.false_alarm_rate=0.1"),
        "work": tmp_path / "a.asd.fit",
        "is_in_process": False,
    }
    assert list(tmp_path.iterdir()) == [out]
    assert capsys.readouterr().out == f"{out}\n"


def test_fit_hands_on_its_options_and_keeps_a_folder_one_names(fitted, tmp_path):
    (tmp_path / "work").mkdir()
    options = (
        "--system s2020 --variant v --recipe r --set a=1 --set b=2 --jobs 2 --machines fan "
        "--false-alarm-rate 0.02"
    )

    main(["fit", "mine", "--out", f"{tmp_path}/a.asd", *options.split(), f"--work={tmp_path}/work"])

    assert fitted == {
        **{"data": Path("mine"), "system": "s2020", "variant": "v", "recipe": "r", "jobs": 2},
        "overrides": ("thresholds.rule=held_out", "thresholds.false_alarm_rate=0.02", "a=1", "b=2"),
        **{"machines": ["fan"], "work": tmp_path / "work"},
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
