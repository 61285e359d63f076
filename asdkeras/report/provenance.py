"""How a run was made: the command, the environment, the recipe, and how long it took."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from asdkeras.config import RECIPE_DEFAULTS, read_recipe
from asdkeras.files import reading
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.markup import Markup, element, table
from asdkeras.report.scored_runs import read_environment

_READ_FROM = re.compile(r"# As run\. Read from (.+), with the changes of the command line\.")


def provenance_parts(run: FinishedRun) -> list[Markup]:
    """What a reader needs to make the run again."""
    recipe = (run.folder / "recipe.yaml").read_text(encoding="utf-8")
    environment = read_environment(run.folder)
    command = run_command(run.folder, environment)
    parts = [element("p", "This command makes the same run:"), command_parts(command)]
    if "DIR" in command:
        parts.append(element("p", "DIR: where the data lie is not recorded.", class_="faint"))
    if environment:
        rows = [[name, _text(value)] for name, value in environment.items() if value is not None]
        caption = "environment of the run"
        headings = ["what", "value"]
        parts.append(table(headings, rows, num_names=2, caption=caption, is_sortable=False))
    summary = element("summary", "The recipe, as it was run")
    content = element("pre", element("code", recipe))
    return [*parts, *_stages(run.folder), element("details", summary, content)]


def run_command(folder: Path, environment: Mapping[str, Any]) -> list[str]:
    """The words of the command that makes a run, from its folder and its `environment.json`.

    A recipe that came with the system is named, and what was changed in it follows as `--set`. If
    that recipe is gone, or has other keys now, the recipe of the run itself is named. The data are
    called `DIR` if they are not known.
    """
    recipe = _complete(folder / "recipe.yaml")
    if "ensemble" in recipe:
        return _ensemble_command(folder, recipe["ensemble"])
    system, config = str(recipe["system"]), recipe.get("config") or {}
    words = ["asdkeras", "eval", "--system", system]
    if "variant" in config:
        words += ["--variant", str(config["variant"])]
    if is_untrained := recipe["untrained"]:
        words.append("--untrained")
    words += ["--data", str(environment.get("data", "DIR"))]
    source = _source_of(folder / "recipe.yaml", system)
    before = {} if source is None else {**_complete(source), "untrained": is_untrained}
    changes = _changes(before, recipe) if before.keys() == recipe.keys() else None
    if source is None or changes is None:
        words += ["--recipe", str(folder / "recipe.yaml")]
    else:
        is_shipped = source.parent == _shipped(system)
        words += ["--recipe", source.stem if is_shipped else str(source)]
        words += [word for change in changes for word in ("--set", change)]
    name = f"{config.get('variant')}{'_untrained' if is_untrained else ''}"
    if folder.resolve().parts[-3:-1] == (system, name):
        place = folder if len(folder.parts) > 3 else folder.resolve()
        words += ["--runs", str(place.parents[2])]
    jobs = environment.get("jobs", 1)
    return words if jobs == 1 else [*words, "--jobs", str(jobs)]


def recipe_and_changes(folder: Path) -> tuple[str, list[str]]:
    """Name of the recipe of a run, and `KEY=VALUE` of what is not as the system's has it.

    A recipe of one's own, `own`, is compared with the one that came for its dataset. Where there is
    none, as for an ensemble, every value is a change.
    """
    recipe = _complete(folder / "recipe.yaml")
    system = str(recipe["system"])
    name, reference = "own", _shipped(system) / f"{recipe.get('dataset')}.yaml"
    source = _source_of(folder / "recipe.yaml", system)
    if source is not None and source.parent == _shipped(system):
        name, reference = source.stem, source
    came = _complete(reference) if reference.is_file() else RECIPE_DEFAULTS
    now, before = _flat(recipe), _flat(came)
    named_apart = ("system", "dataset", "untrained", "config.variant")
    changes = [
        f"{key}={_flow(now.get(key))}"
        for key in dict.fromkeys((*now, *before))
        if key not in named_apart and now.get(key) != before.get(key)
    ]
    return name, changes


def report_command(places: Sequence[Path], options: Mapping[str, object]) -> list[str]:
    """The command that makes the page of these runs, or folders of runs; None is no option."""
    words = ["asdkeras", "report", *map(str, places)]
    for name, value in options.items():
        words += [] if value is None else [f"--{name}", str(value)]
    return words


def command_parts(words: Sequence[str]) -> Markup:
    """A command as it is typed: one option per line, quoted for a shell."""
    lines: list[str] = []
    for word in words:
        quoted = shlex.quote(word)
        if not lines or word.startswith("--"):
            lines.append(quoted)
        else:
            lines[-1] += f" {quoted}"
    return element("pre", element("code", " \\\n  ".join(lines)))


def _ensemble_command(folder: Path, made: Mapping[str, Any]) -> list[str]:
    words = ["asdkeras", "ensemble", *map(str, made["runs"]), "--out", str(folder)]
    words += ["--combine", str(made["combine"]), "--normalize", str(made["normalize"])]
    if made.get("weights"):
        words += ["--weights", *(f"{weight:g}" for weight in made["weights"])]
    if made.get("best_from_labels"):
        words += ["--oracle-best", *map(str, made["best_from_labels"])]
    return [*words, "--pool-trials"] if made.get("pools_trials") else words


def _source_of(recipe: Path, system: str) -> Path | None:
    """The recipe file that a run was started with: that of this installation, if it has it."""
    first = recipe.read_text(encoding="utf-8").split("\n", 1)[0]
    match = _READ_FROM.fullmatch(first)
    if match is None:
        return None
    read_from = Path(match[1])
    shipped = _shipped(system) / read_from.name
    if read_from.parent.name == system and shipped.is_file():
        return shipped
    return read_from if read_from.is_file() else None


def _shipped(system: str) -> Path:
    """The folder of the recipes that come with a system."""
    # In a checkout the recipes stand beside the package, in an installed one within.
    package = Path(__file__).parents[1]
    inside = package / "recipes"
    return (inside if inside.is_dir() else package.parent / "recipes") / system


def _complete(recipe: Path) -> dict[str, Any]:
    return {**RECIPE_DEFAULTS, **read_recipe(recipe)}


def _changes(
    before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = ""
) -> list[str] | None:
    """What `--set` must change; None if that cannot be said, because the keys are others."""
    changes: list[str] = []
    for key, new in now.items():
        old, name = before[key], f"{prefix}{key}"
        if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
            below = _changes(old, new, f"{name}.")
            if below is None:
                return None
            changes += below
        elif old != new:
            if isinstance(old, dict) != isinstance(new, dict):
                return None
            if name != "config.variant":
                changes.append(f"{name}={_flow(new)}")
    return changes


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def _flow(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
    return text.removesuffix("...\n").strip()


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def read_stages(folder: Path) -> pd.DataFrame | None:
    """Name, seconds and peak memory in MiB of each step of a run; None of an ensemble."""
    path = folder / "stages.csv"
    if not path.is_file():
        return None
    with reading(path):
        numbers = {"seconds": "float64", "peak_memory_mib": "float64"}
        return pd.read_csv(path, dtype={"stage": "string", **numbers})[["stage", *numbers]]


def _stages(folder: Path) -> list[Markup]:
    """How long each step took."""
    stages = read_stages(folder)
    if stages is None:
        return []
    rows = [
        [name, f"{seconds:.1f}", f"{memory:.0f}"]
        for name, seconds, memory in stages.itertuples(index=False)
    ]
    total = f"Time and memory of each step: {stages['seconds'].sum():.0f} s in all"
    headings = ["step", "seconds", "peak memory in MiB"]
    return [element("details", element("summary", total), table(headings, rows))]
