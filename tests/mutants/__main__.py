"""Break a copy of the package in known ways; some test must notice each mistake.

python -m tests.mutants [ROOM ...] [--only TEXT] [--jobs N]
"""

import argparse
import os
import queue
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.mutants import ROOT, load, rooms

_FOLDERS = ("asdkeras", "tests", "recipes")
_FILES = ("setup.cfg", "data_manifest.yaml", "README.md", "run_all.sh")  # Tests read these.


def main(argv=None):
    """Try the mutants asked for; the exit code is 1 if one survives or is broken."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if unknown := sorted({*arguments.rooms} - {*rooms()}):
        parser.error(f"there are the rooms {', '.join(rooms())}. Received: {', '.join(unknown)}")
    groups = {}
    for room in arguments.rooms or rooms():
        for mutant in load(room):
            if arguments.only in f"{mutant.file}: {mutant.mistake}":
                groups.setdefault(mutant.tests, []).append(mutant)
    if not groups:
        parser.error("no mutant fits")
    with tempfile.TemporaryDirectory() as folder:
        copies = queue.SimpleQueue()
        for number in range(arguments.jobs):
            copies.put(_copied_to(Path(folder) / str(number)))
        with ThreadPoolExecutor(arguments.jobs) as executor:
            verdicts = executor.map(lambda group: _try_group(copies, *group), groups.items())
            counts = sum(verdicts, Counter())
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return 0 if counts.keys() == {"caught"} else 1


def _parser():
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help="such as losses")
    parser.add_argument("--only", default="", metavar="TEXT", help="part of `file: mistake`")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="copies side by side")
    return parser


def _copied_to(folder):
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copy(ROOT / name, folder)
    return folder


def _try_group(copies, tests, mutants):
    """How often each verdict came on mutants of the same tests, tried one after the other."""
    copy = copies.get()
    try:
        is_sound = _status(copy, tests) == "passed"
        verdicts = [_verdict(copy, mutant) if is_sound else "BROKEN" for mutant in mutants]
    finally:
        copies.put(copy)
    if not is_sound:
        print(f"BROKEN    tests/{tests} do not pass without a mutant; mend them first", flush=True)
    return Counter(verdicts)


def _verdict(copy, mutant):
    target = copy / "asdkeras" / mutant.file
    source = target.read_text(encoding="utf-8")
    try:
        target.write_text(mutant.wrong_version(source), encoding="utf-8")
        status = _status(copy, mutant.tests)
    except ValueError:  # `test_mutants.py` says more.
        status = "broken"
    target.write_text(source, encoding="utf-8")
    verdict = {"failed": "caught", "passed": "SURVIVED", "broken": "BROKEN"}[status]
    print(f"{verdict:9} {mutant.file}: {mutant.mistake}", flush=True)
    return verdict


def _status(copy, tests):
    """`passed`, `failed` (the tests ran, one failed) or `broken` (they did not run)."""
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"tests/{tests}"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode == 0 and " passed" in result.stdout:
        return "passed"
    return "failed" if result.returncode == 1 and " failed" in result.stdout else "broken"


if __name__ == "__main__":
    sys.exit(main())
