"""A small world of files, commands drawn on it, and what an answer to a command must look like."""

import argparse
import contextlib
import functools
import io
import os
import re
import shutil
import sys
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import requests
import soundfile
from hypothesis import strategies as st
from keras import ops

from asdkeras.cli import _parser, main
from asdkeras.cli.options import path
from asdkeras.corpus import mini
from asdkeras.data import manifest
from asdkeras.detector.file import save_file
from asdkeras.detector.fitted_machine import Machine
from asdkeras.errors import RecipeError
from tests.report.explained_runs import explained_trial, write_explained_run
from tests.report.run_folders import finished_run

RATE_HZ = 16000
CODES = {0, 2, 3, 4, 5, 10, 130}
ENCODINGS = ("utf-8", "ascii", "latin-1")
RUN = "runs/baseline2023/mse/factory"
VALID = {  # Argument of any command: what may stand there.
    **{"detector": ["press.asd"], "clips": ["today", "today/b.wav"], "run": [RUN, "explained"]},
    **{"runs": [RUN], "places": [RUN, "runs", "figure"], "folder": [f"{RUN}/scores/seed0", "."]},
    **{"data": ["factory", "today", "clips.csv"], "recipe": ["mine.yaml", "mini"]},
    **{"manifest": ["manifest.yaml"], "system": ["baseline2023", "wilkinghoff2021"]},
    **{"out": ["new.asd", "new/page.html", "table.csv", "x.keras", "e"], "year": ["2022", "2021"]},
    **{"set": ["config.ae.epochs=1", "seeds=[0]"], "machine": ["press"], "variant": ["mse"]},
    **{"truth_folder": ["truth"], "machines": ["press"], "against": ["baseline2023"]},
    **{"pcm": ["s16le"], "rate": ["16000"], "years": ["2021"], "to": ["new"], "work": ["work"]},
    **{"parts": ["dev"], "array": ["embedding"], "row": ["mse"], "score": ["mse"]},
}
VALID_WORDS = {word: True for words in VALID.values() for word in words}
PATHS = [
    *("", ".", "missing", "missing/below", "file", "file/below", "folder", "loop", "unreadable"),
    *("unreadable/below", "full", "nul\0", "line\nbreak", "caf\udce9", "naïve", "\ud800", "-"),
    *(
        "x" * 300,
        "x/" * 3000,
        "x" * 250,
        "today/caf\udce9.wav",
        "~",
        "file.csv",
        "a.html",
        "a.keras",
    ),
]
TEXTS = [
    *(
        "",
        " ",
        "fan",
        "a=b",
        "=",
        "config.ae.epochs=",
        "config=[",
        "seeds=&a [*a]",
        "seeds=[1e400]",
    ),
    *("config.ae.epochs=" + "[" * 2000, "variant=\udce9", "caf\udce9", "\ud800", "\0", "ü", ","),
    *("audio.channel=9", "a.b.c=1", "NA", "nan", "-1", "../x", "x" * 300, "a\nb", "dcase2021", "+"),
    *(f"{RUN}:mse", f"{RUN}:", ":", "config.variant=1"),
]
NUMBERS = [
    *(
        "0",
        "1",
        "2",
        "-1",
        "007",
        "1_0",
        "\uff11",
        "²",
        "1e3",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "x",
        "",
    ),
    *("9" * 20, "-" + "9" * 20, "9" * 5000, "0.5", "1e-300", "2147483648", " 1", "0x10"),
]


def make_world(folder):
    """Small files of every kind that commands read, good ones; the run is a real one."""
    rng = np.random.default_rng(0)
    names = [f"factory/{m}/train/{n}.wav" for m in ("press", "saw") for n in "abcdef"]
    names += [
        f"factory/{m}/test/{n}.wav" for m in ("press", "saw") for n in ("normal_1", "anomaly_1")
    ]
    for name in (*names, "today/a.wav", "today/b.wav"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.normal(size=RATE_HZ), RATE_HZ)
    os.rename(folder / "today/a.wav", os.fsencode(folder / "today") + b"/caf\xe9.wav")
    (folder / "clips.csv").write_text(
        "path,machine_type,split\n" + "".join(f"{n},press,train\n" for n in names[:6])
    )
    recipes = Path(__file__).parents[2] / "recipes"
    shutil.copyfile(recipes / "baseline2023" / "folder.yaml", folder / "mine.yaml")
    shutil.copyfile(recipes.parent / "data_manifest.yaml", folder / "manifest.yaml")
    _save_detector(folder / "press.asd")
    write_explained_run(
        folder / "explained",
        {0: explained_trial({("fan", "00"): {"answer": [4.5, 5.0], "section": [1.0, 9.0]}})},
    )
    sections = [("fan", "00"), ("valve", "00")]
    finished_run(
        folder / "figure", "wilkinghoff2024", "adaproj", dataset="dcase2023", sections=sections
    )
    (folder / "work").mkdir()
    (folder / "truth").mkdir()
    (folder / "file").write_text("text\n")
    (folder / "folder").mkdir()
    (folder / "unreadable").mkdir()
    os.symlink("loop", folder / "loop")
    os.symlink("/dev/full", folder / "full")
    from asdkeras.experiment import run

    with contextlib.chdir(folder), mock.patch.object(run, "_num_jobs", return_value=None):
        short = ("--set", "config.ae.epochs=1", "--machines", "press")
        code = main(["eval", "--system", "baseline2023", "--data", "factory", *short])
    assert code == 0
    os.chmod(folder / "unreadable", 0)


def _save_detector(path):
    waveform = keras.Input((None,), name="waveform")
    score = ops.max(ops.abs(waveform), axis=1)
    outputs = {"anomaly_score": score, "is_anomalous": score > 0.2, "embedding": score[:, None]}
    machine = Machine("press", "press", "00", RATE_HZ, RATE_HZ, "start", 0.2)
    story = {"system": "baseline2023", "recipe": {"audio": {"channel": "mean"}}}
    save_file(path, story, {"press": machine}, {"press": keras.Model(waveform, outputs)})


def commands():
    """(words, parser) of every command there is, those of a group one by one."""

    def below(words, parser):
        groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        for group in groups:
            for name, command in group.choices.items():
                yield from below((*words, name), command)
        if not groups:
            yield words, parser

    return list(below((), _parser()))


def values_of(action):
    """What may stand for an argument: mostly what is right, else what is hostile to its kind."""
    right = list(action.choices or VALID.get(action.dest, ()))
    if action.type is path:
        wrong = PATHS
    elif action.type is None:
        wrong = [*TEXTS, *PATHS]
    else:
        wrong = NUMBERS
    wrong = st.sampled_from(wrong)
    return st.one_of(*[st.sampled_from(right)] * 3, wrong) if right else wrong


@st.composite
def command_lines(draw, words, parser):
    """A command with arguments, each right or hostile."""
    line = list(words)
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        is_wanted = action.required or not action.option_strings
        if not (draw(st.integers(0, 2 if action.dest in VALID else 5)) == 0 or is_wanted):
            continue
        line += action.option_strings[-1:]
        if action.nargs != 0:
            most = 2 if action.nargs in ("+", "*") else 1
            least = 0 if action.nargs in ("?", "*") else 1
            line += draw(st.lists(values_of(action), min_size=least, max_size=most))
    return line


@st.composite
def right_lines(draw, words, parser):
    """A command with nothing but what is right, as far as that is known."""
    line = list(words)
    for action in parser._actions:
        known = list(action.choices or VALID.get(action.dest, ()))
        if action.required or (not action.option_strings and known):
            values = [draw(st.sampled_from(known or ["1"]))]
            line += [*action.option_strings[-1:], *(values if action.nargs != 0 else [])]
    return line


_OTHER_CONTENTS = [
    *(b"", b"\0", b"\xff\xfe", b"[" * 5000, b"{}", b"[1]", b"null", b'""', b"a,b\n1\n"),
    *(b"a: &a [*a]", b"system: baseline2023\nseeds: []\n", b'{"anomaly_score": 1}'),
]


@st.composite
def damages(draw, folder, line):
    """A file of the world, mostly one that the command reads, and what stands there instead."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    named = [folder / word for word in line if VALID_WORDS.get(word)]
    read = [p for p in files if any(p.is_relative_to(each) for each in named)]
    path = draw(st.sampled_from(read if read and draw(st.integers(0, 4)) else files))
    content = path.read_bytes()
    kind = draw(
        st.sampled_from(["cut", "flip", "insert", "text", "field", "other", "folder", "gone"])
    )
    where = draw(st.integers(0, len(content)))
    if kind == "cut":
        content = content[:where]
    elif kind == "flip":
        flipped = bytes(b ^ draw(st.integers(1, 255)) for b in content[where : where + 1])
        content = content[:where] + flipped + content[where + 1 :]
    elif kind == "insert":
        content = content[:where] + draw(st.binary(min_size=1, max_size=20)) + content[where:]
    elif kind == "text":
        content = draw(st.sampled_from(_OTHER_CONTENTS))
    elif kind == "field":  # One word or number of a text for another.
        words = list(re.finditer(rb"[\w.+-]+", content))
        if words:
            word = draw(st.sampled_from(words))
            new = draw(st.sampled_from([*TEXTS, *NUMBERS])).encode("utf-8", "backslashreplace")
            content = content[: word.start()] + new + content[word.end() :]
    elif kind == "other":
        content = draw(st.sampled_from(files)).read_bytes()
    else:
        content = None if kind == "gone" else kind
    return path.relative_to(folder), content


def do_damage(folder, damage):
    path, content = damage
    (folder / path).unlink()
    if content == "folder":
        (folder / path).mkdir()
    elif content is not None:
        (folder / path).write_bytes(content)


_read_any = manifest.read_manifest
_read_shipped = functools.cache(_read_any)


def _read_manifest(path=None):
    return _read_shipped() if path is None else _read_any(path)


@contextlib.contextmanager
def nothing_slow():
    """Training, the network, the browser and foreign converters are left out."""

    def stop(*args):
        raise RecipeError("this is where training would begin.")

    def no_network(*args, **options):
        raise requests.ConnectionError("no network")

    def foreign(model, path):
        Path(path).write_bytes(b"a graph")

    from asdkeras.detector import export_formats
    from asdkeras.experiment import run

    planned = mini.plan
    silence = np.zeros(RATE_HZ, np.int16)
    formats = {name: (foreign, export_formats.read_keras) for name in ("onnx", "litert")}
    with (
        mock.patch.multiple(run, _train_missing=stop, _score_missing=stop),
        mock.patch.object(requests.Session, "send", no_network),
        mock.patch("webbrowser.open"),
        mock.patch("asdkeras.data.manifest.read_manifest", _read_manifest),
        mock.patch("asdkeras.corpus.mini.record", return_value=silence),
        mock.patch("asdkeras.corpus.mini.plan", lambda *args: planned(*args)[:3]),
        mock.patch.dict(export_formats.FORMATS, formats),
    ):
        yield


class _Output(io.TextIOWrapper):
    """A stream of an encoding, strict as a pipe is."""

    def __init__(self, encoding):
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", newline="\n")

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


def answer(world, line, *, encoding="utf-8", stdin=b""):
    """Exit code, output and what was said of a command in a folder."""
    out, said = _Output(encoding), _Output(encoding)
    sound = io.TextIOWrapper(io.BytesIO(stdin))
    with (
        contextlib.chdir(world),
        nothing_slow(),
        mock.patch.multiple(sys, stdout=out, stderr=said, stdin=sound),
    ):
        try:
            code = main(line)
        except SystemExit as error:  # Of argparse.
            code = error.code
    return code, out.text(), said.text()


def check(line, code, said):
    """One of the announced exit codes, and of a failure one error that says what is wrong."""
    assert code in CODES, (line, code, said)
    assert "Traceback" not in said, (line, said)
    errors = [
        each for each in said.splitlines() if "error: " in each and each.startswith("asdkeras")
    ]
    if code in (2, 3, 4, 5):
        assert errors, (line, said)
        assert all(len(each.split("error: ", 1)[1]) > 10 for each in errors), (line, said)
        assert len(errors) == 1 or line[0] == "detect", (line, said)
