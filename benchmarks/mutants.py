"""Break a copy of the package in known ways and see whether a test notices each one."""

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One wrong version of one file.

    Attributes:
        name: str, the mistake.
        file: str, below `asdkeras`.
        tests: str, folder or file below `tests` that should notice.
        old: str, text of the file; only the first occurrence is replaced.
        new: str, what it becomes.
    """

    name: str
    file: str
    tests: str
    old: str
    new: str


def try_changes(changes):
    """Try all mutants of a table `{(file, tests): {mistake: (old, new)}}`; see `try_mutants`."""
    return try_mutants(
        [
            Mutant(name, file, tests, old, new)
            for (file, tests), mistakes in changes.items()
            for name, (old, new) in mistakes.items()
        ]
    )


def try_mutants(mutants):
    """Try every mutant, report, and return the exit code: 1 if one survives.

    Works on a copy, so the working tree stays as it is.

    Raises:
        SystemExit: if a mutant does not apply any more, or the tests fail without any.
    """
    for mutant in mutants:
        if mutant.old not in (_ROOT / "asdkeras" / mutant.file).read_text(encoding="utf-8"):
            raise SystemExit(f"{mutant.file}: mutant `{mutant.name}` does not apply any more.")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("asdkeras", "tests", "recipes"):
            shutil.copytree(_ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(_ROOT / "setup.cfg", copy)
        for tests in sorted({mutant.tests for mutant in mutants}):
            if _status(copy, tests) != "passed":
                raise SystemExit(f"tests/{tests} fail without a mutant; mend them first.")
        survivors = [mutant.name for mutant in mutants if not _is_caught(copy, mutant)]
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} caught")
    return 1 if survivors else 0


def _is_caught(copy, mutant):
    target = copy / "asdkeras" / mutant.file
    source = target.read_text(encoding="utf-8")
    target.write_text(source.replace(mutant.old, mutant.new, 1), encoding="utf-8")
    status = _status(copy, mutant.tests)
    target.write_text(source, encoding="utf-8")
    verdict = {"failed": "caught", "passed": "SURVIVED", "broken": "BROKEN"}[status]
    print(f"{verdict:9} {mutant.file}: {mutant.name}", flush=True)
    return status == "failed"


def _status(copy, tests):
    """`passed`, `failed` (the tests ran, one failed) or `broken` (they did not run)."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [*command, f"tests/{tests}"],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode == 0:
        return "passed"
    return "failed" if result.returncode == 1 and " failed" in result.stdout else "broken"
