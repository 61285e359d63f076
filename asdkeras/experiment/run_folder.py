"""The folder of a run: what stands where, whose it is, and what is done."""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import pandas as pd
import yaml

from asdkeras import __version__
from asdkeras.config import RECIPE_DEFAULTS, read_recipe
from asdkeras.errors import RecipeError
from asdkeras.experiment.recipe import Recipe
from asdkeras.files import digest_of_file, exclusive, write_text
from asdkeras.progress import say
from asdkeras.score_files import (
    GROUP_SCORES,
    SCORES,
    TrialMetadata,
    TrialScores,
    changed_files,
    write_group_scores,
    write_trial,
)
from asdkeras.submission import write_submission
from asdkeras.systems.model_files import has_models

Stage = Literal["TRAINED", "DONE"]
_FILES = {
    "TRAINED": ("models.npz", "**/*.keras"),
    "DONE": ("representations.npz", SCORES, GROUP_SCORES),
}  # Whose contents a stage vouches for.
_RESULTS = (
    *("metrics.csv", "official.csv", "named_scores.csv"),
    *("compare.csv", "compare.md", "row.csv"),
)
_PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "pandas", "soundfile", "soxr")


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The folder `<runs>/<system>/<run name>/<dataset>` of one recipe on one dataset.

    `recipe_digest` covers all in the recipe that a model depends on, `data_fingerprint` audio and
    labels, of all machine types even where `machine_types` are the only ones to score: those of a
    member of an ensemble. Their score files lie apart, and are never taken for those of the run.
    """

    path: Path
    recipe_digest: str
    data_fingerprint: str
    machine_types: tuple[str, ...] | None = None

    @property
    def digest(self) -> str:
        """Of recipe and data; what was done under another digest does not count."""
        both = f"{self.recipe_digest} {self.data_fingerprint}"
        return hashlib.sha256(both.encode()).hexdigest()

    def task(self, unit: str, seed: int) -> Path:
        """Folder of one trial of one scope unit."""
        return self.path / unit / f"seed{seed}"

    def scores(self, seed: int) -> Path:
        scores = self.path / "scores"
        if self.machine_types is not None:
            scores /= "+".join(self.machine_types)
        return scores / f"seed{seed}"

    def is_done(self, part: Path) -> bool:
        """Whether `part` holds what this stage of this recipe and data left, and nobody changed."""
        return _read(part / "DONE").get("digest") == self.digest and not changed_files(part)

    def is_trained(self, part: Path) -> bool:
        """Whether `part` holds the models of a training of this recipe and data.

        Raises:
            RecipeError: if they were changed since.
        """
        is_own = has_models(part) and _read(part / "TRAINED").get("digest") == self.digest
        if is_own and (changed := [*filter(Path.exists, changed_files(part, "TRAINED"))]):
            raise RecipeError(
                f"{changed[0]}: changed since the training was finished. Delete {part} to train "
                "anew."
            )
        return is_own

    def refuse_foreign(self, part: Path) -> None:
        """Raise a RecipeError if `part` holds a training of another recipe or of other data."""
        if _read(part / "TRAINED").get("digest", self.digest) != self.digest:
            raise RecipeError(
                f"{part}: holds a training of another recipe or of other data. Move it away, or "
                "give this run a folder of its own with --runs DIR."
            )

    def warnings(self, part: Path) -> list[str]:
        """Warnings of the training in `part`; empty if it is not finished."""
        lines = _read(part / "TRAINED").get("warnings", [])
        return [str(line) for line in lines] if isinstance(lines, list) else []

    def mark(self, part: Path, stage: Stage, **content: object) -> None:
        """Write that a stage of `part` is done; do it last."""
        paths = sorted(path for pattern in _FILES[stage] for path in part.glob(pattern))
        files = {path.relative_to(part).as_posix(): digest_of_file(path) for path in paths}
        text = json.dumps({"digest": self.digest, **content, "files": files}, indent=2) + "\n"
        write_text(part / stage, text)


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def finish_trial(
    folder: RunFolder,
    seed: int,
    trial: TrialScores,
    group_scores: pd.DataFrame | None,
    metadata: TrialMetadata,
) -> None:
    """Write all score files of a trial, and its metadata as their DONE."""
    where = folder.scores(seed)
    if folder.machine_types is None:  # Results do not outlive the scores they are of.
        for name in _RESULTS:
            (folder.path / name).unlink(missing_ok=True)
    write_trial(where, trial)
    write_group_scores(where, trial.table, group_scores)
    if (trial.table["split"] == "test").any():  # A detector may be fitted to training clips alone.
        write_submission(where, trial.table, trial.columns[metadata.main_score], trial.decisions)
    folder.mark(where, "DONE", **metadata.as_json())


def locked(folder: RunFolder) -> AbstractContextManager[None]:
    """Keep other processes out of a run folder, and clear what a killed one left half.

    Raises:
        RecipeError: if another process is at work in it.
    """
    return exclusive(
        folder.path,
        f"{folder.path}: another process is at work in this run. Wait for it, or give this run a "
        "folder of its own with --runs DIR.",
    )


def claim(folder: RunFolder, recipe: Recipe, source: Path, data: Path, jobs: int) -> None:
    """Make the folder of a run, or see that it is this run's.

    Args:
        source: the file the recipe was read from.
        jobs: tasks at once, which share the processors; their number moves last digits.

    Raises:
        RecipeError: if the folder holds a run of another recipe or on other data.
    """
    content = recipe.as_mapping()
    before = _read(folder.path / "environment.json")
    if (folder.path / "recipe.yaml").exists() or any(folder.path.glob("*/seed*")):
        _check_same(folder, content, before)
    environment = {
        "asdkeras": __version__,
        "begun_with": _begun_with(before),
        "commit": _commit(),
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in _PACKAGES},
        "machine": f"{platform.platform()}, {os.cpu_count()} processors",
        "data": str(data),
        "data_fingerprint": folder.data_fingerprint,
        "seeds": list(recipe.seeds),
        "jobs": jobs,
        "tensor_float_32": recipe.tensor_float_32,
    }
    write_text(folder.path / "environment.json", json.dumps(environment, indent=2) + "\n")
    write_text(  # Last: where it is, it can be told whose the folder is.
        folder.path / "recipe.yaml",
        f"# As run. Read from {source}, with the changes of the command line.\n"
        + yaml.safe_dump(content, sort_keys=False),
    )


def say_version(folder: RunFolder) -> None:
    """Tell the user if the run was begun with another version, which may compute otherwise."""
    begun_with = _begun_with(_read(folder.path / "environment.json"))
    if begun_with != __version__:
        say(
            f"note: {folder.path}: begun with asdkeras {begun_with}, and this is {__version__}. "
            "What is there is not computed again; a folder of its own, --runs DIR, begins anew."
        )


def _begun_with(environment: dict[str, object]) -> str:
    return str(environment.get("begun_with") or environment.get("asdkeras") or __version__)


def _check_same(
    folder: RunFolder, content: dict[str, object], environment: dict[str, object]
) -> None:
    for name in ("recipe.yaml", "environment.json"):
        if not (folder.path / name).is_file():
            raise RecipeError(
                f"{folder.path}: {name} is gone, so nobody can say of which recipe and data this "
                "run is. Bring it back, or give this run a folder of its own with --runs DIR."
            )
    left = read_recipe(folder.path / "recipe.yaml")
    before, now = (_flat({**RECIPE_DEFAULTS, **each}) for each in (left, content))
    differing = [
        f"`{key}` was {before.get(key)!r}, now {now.get(key)!r}"
        for key in [*now, *(key for key in before if key not in now)]
        if before.get(key) != now.get(key) and key not in ("seeds", "dataset")
    ]
    if environment.get("data_fingerprint") != folder.data_fingerprint:
        differing.append(f"the data are not those it had from {environment.get('data')}")
    if differing:
        raise RecipeError(
            f"{folder.path} holds another run: {'; '.join(differing)}. It is left as it is. "
            "Give this run a folder of its own with --runs DIR."
        )


def _flat(content: dict[str, object]) -> dict[str, object]:
    return {
        (f"{key}.{name}" if name else key): each
        for key, value in content.items()
        for name, each in (value.items() if isinstance(value, dict) else [("", value)])
    }


def _commit() -> str | None:
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():  # Installed, perhaps inside a checkout of something else.
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(checkout), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return answer.stdout.strip() or None
