"""Single clips and what their scores are due to, on standard output."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from asdkeras.config import did_you_mean
from asdkeras.errors import RecipeError
from asdkeras.report.explanations import FIRING_PERCENTILE, explanations_of, group_names
from asdkeras.report.scored_runs import read_scored_run, recipe_of


def show_explanations(
    run: Path,
    *,
    clips: Sequence[str] | None = None,
    top: int = 10,
    seed: int | None = None,
    console: Console | None = None,
) -> None:
    """Print what the scores of single test clips are due to.

    Args:
        run: folder of the run.
        clips: file names, in the order wanted, each of every machine type that has it; None
            takes those whose score lies farthest above its threshold.
        top: how many of these.
        seed: of the trial; None takes the first.
        console: default standard output.

    Raises:
        RecipeError: if the folder is not that of a scored run, has no such trial or no such
            clip, or nothing tells what its scores are due to.
    """
    console = console or Console()
    recipe = recipe_of(run)
    scores = read_scored_run(run, recipe["seeds"])
    seed = next(iter(scores.trials)) if seed is None else seed
    if seed not in scores.trials:
        known = ", ".join(map(str, scores.trials))
        raise RecipeError(f"{run}: has no trial {seed}. Choose one with --seed: {known}.")
    explanations = explanations_of(scores, seed)
    if explanations is None:
        raise RecipeError(
            f"{run}: nothing tells what the scores of {recipe['system']} are due to. Systems that "
            "learn sections and attributes apart do, such as venkatesh2022; an ensemble does "
            "where one of its members alone scores a clip."
        )
    farthest_first = explanations.sort_values("margin", ascending=False, kind="stable")
    chosen = farthest_first[:top] if clips is None else _named(run, explanations, clips)
    console.print(
        Text(
            f"(+2.0): so many standard deviations above the training clips of its section; "
            f"fired: above {FIRING_PERCENTILE:.0f} % of them",
            style="dim",
        )
    )
    for _, clip in chosen.iterrows():
        _print_clip(clip, group_names(explanations), console)


def _named(run: Path, explanations: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    known = list(dict.fromkeys(map(str, explanations["name"])))
    for name in names:
        if name not in known:
            raise RecipeError(f"{run}: has no test clip `{name}`.{did_you_mean(name, known)}")
    return pd.concat([explanations[explanations["name"] == name] for name in names])


def _print_clip(clip: pd.Series, groups: Sequence[str], console: Console) -> None:
    place = f"{clip['machine_type']} section {clip['section']}"
    console.print(Text(f"{place}, {clip['name']}", style="bold"), soft_wrap=True)
    decision = "anomalous" if clip["is_decided_anomalous"] == 1 else "normal"
    label = ""
    if not pd.isna(clip["is_anomalous"]):
        label = f", labelled {'anomalous' if clip['is_anomalous'] else 'normal'}"
    score = clip.get("decision_score", clip["anomaly_score"])
    text = f"decided {decision}{label}; score {score:.4g}, threshold {clip['threshold']:.4g}"
    console.print(Padding(Text(text), (0, 0, 0, 2), expand=False))

    excesses = {name: float(clip[f"excess_{name}"]) for name in groups}
    present = [name for name in groups if not np.isnan(excesses[name])]
    fired = clip["fired"].split(";") if clip["fired"] else []
    others = sorted(set(present) - set(fired), key=lambda name: (-excesses[name], name))
    line = Text("fired: ")
    line.append(_listed(fired, excesses) or "nothing", style="bold" if fired else "")
    if others:
        line.append(f"; not fired: {_listed(others, excesses)}")
    console.print(Padding(line, (0, 0, 0, 2), expand=False))


def _listed(names: Sequence[str], excesses: dict[str, float]) -> str:
    return ", ".join(f"{name} ({excesses[name]:+.1f})" for name in names)
