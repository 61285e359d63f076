"""What is trained, scored and exported leaves nothing in the temporary folder."""

import os
import subprocess
import sys

import numpy as np
import soundfile

PROGRAM = """
import sys
from asdkeras.cli import main

runs = [
    ["fit", "clips", "--out", "a.asd", "--jobs", "2", "--set", "config.ae.epochs=1"],
    ["detect", "a.asd", "clips"],
    ["export", "a.asd", "--format", "saved_model", "--out", "a"],
    ["export", "a.asd", "--format", "onnx", "--out", "a.onnx"],
]
if __name__ == "__main__":
    sys.exit(max(map(main, runs)))
"""


def test_nothing_stays_in_the_temporary_folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("clips", "tmp"):
        (tmp_path / name).mkdir()
    for number in range(3):
        path = tmp_path / "clips" / f"{number}.wav"
        soundfile.write(path, 0.1 * rng.normal(size=16000), 16000)
    (tmp_path / "program.py").write_text(PROGRAM)
    quiet = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    own = {"TMPDIR": str(tmp_path / "tmp"), "ASDKERAS_CACHE": str(tmp_path / "cache")}
    answer = subprocess.run(
        [sys.executable, tmp_path / "program.py"],
        cwd=tmp_path,
        env={**quiet, **own, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode in (0, 3), answer.stderr
    assert (tmp_path / "a.onnx").exists(), answer.stderr
    assert list((tmp_path / "tmp").rglob("*")) == []
