"""What a score is due to: in which of the things a network learned a clip stands out.

Scores per group, such as the section or one attribute, have scales of their own. What counts
is how far a clip lies above the training clips of its section (its excess, in their standard
deviations), and whether it lies above nine in ten of them (the group has fired).
"""

import functools
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from asdkeras.config import did_you_mean
from asdkeras.errors import RecipeError
from asdkeras.files import reading
from asdkeras.report.scored_runs import ScoredRun, read_scored_run, recipe_of, refuse_unknown_trial
from asdkeras.report.terminal import EDGES, GAP, new_grid, print_line
from asdkeras.score_files import TrialScores, clip_columns, read_group_scores
from asdkeras.scorers.section_standardization import section_moments
from asdkeras.scorers.thresholds import percentile_threshold, scope_thresholds

FIRING_PERCENTILE = 90.0
_NARROWEST = 8  # A column of words.


def explanations_of(scores: ScoredRun, seed: int | None = None) -> pd.DataFrame | None:
    """What the scores of all test clips of a run, or of one trial, are due to.

    `explain` of each trial behind a column `seed`; None if no trial has group scores.
    """
    parts = []
    for each in scores.trials if seed is None else [seed]:
        groups = read_group_scores(scores.folders[each])
        if groups is not None:
            with reading(scores.folders[each]):
                part = explain(
                    scores.trials[each], groups, scores.main_score, scores.decision_score
                )
            part.insert(0, "seed", each)
            parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else None


def explain(
    trial: TrialScores, group_scores: pd.DataFrame, answer: str, decision_score: str
) -> pd.DataFrame:
    """What the scores of the test clips of one trial are due to.

    Args:
        group_scores: of `asdkeras.score_files.read_group_scores`.
        answer: name of the score that is the answer.
        decision_score: name of the score that thresholds are compared with.

    Returns:
        one row per test clip: the columns of the clip table, `anomaly_score`, and
        `decision_score` if that is another one; `threshold`, `is_decided_anomalous`, and

        - `margin`: how far the score lies above the threshold, in standard deviations of the
          training clips of the section;
        - for each group `group_<name>`, its score; `excess_<name>`, how many standard
          deviations that lies above the mean of the training clips of the section;
          `fired_<name>`, 1 if it lies above their 90th percentile, else 0; all empty where a
          machine type has no such group;
        - `fired`: names of the fired groups, the largest excess first, between semicolons.
    """
    table = trial.table
    decided_by = trial.columns[decision_score]
    clips = clip_columns(table).assign(anomaly_score=trial.columns[answer])
    if decision_score != answer:
        clips = clips.assign(decision_score=decided_by)
    spread = section_moments(decided_by, table).spread
    clips = clips.assign(
        threshold=trial.thresholds,
        is_decided_anomalous=trial.decisions,
        margin=(decided_by - trial.thresholds) / spread,
    )
    excesses, firings = {}, {}
    for name in map(str, group_scores.columns):
        excesses[name], firings[name] = _excess_and_fired(group_scores[name], table)
        clips[f"group_{name}"] = group_scores[name]
        clips[f"excess_{name}"] = excesses[name]
        clips[f"fired_{name}"] = firings[name]
    excess = pd.DataFrame(excesses).where(pd.DataFrame(firings).fillna(0) == 1)
    ranked = (
        row.dropna().astype("float64").sort_values(ascending=False, kind="stable")
        for _, row in excess.iterrows()
    )
    clips["fired"] = [";".join(map(str, fired.index)) for fired in ranked]
    return clips[(table["split"] == "test").to_numpy(dtype=bool)].reset_index(drop=True)


def _excess_and_fired(scores: pd.Series, table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Of one group, for every clip; missing where there is no score to compare it with."""
    moments = section_moments(scores, table)
    excess = (scores - moments.mean) / moments.spread
    clips = table.assign(anomaly_score=scores)[excess.notna()]
    training = clips[clips["split"] == "train"]
    percentile = functools.partial(percentile_threshold, percentile=FIRING_PERCENTILE)
    thresholds = scope_thresholds(training, clips, "section", percentile)
    fired = (clips["anomaly_score"] > thresholds).astype("Int64")
    return excess, fired.reindex(table.index)


def group_names(explanations: pd.DataFrame) -> list[str]:
    columns = [str(name) for name in explanations.columns]
    return [name.removeprefix("group_") for name in columns if name.startswith("group_")]


def print_fired(explanations: pd.DataFrame, console: Console) -> None:
    """Print by section what fired in test clips decided anomalous, all trials together."""
    num_trials = explanations["seed"].nunique()
    trials = f", {num_trials} trials together" if num_trials > 1 else ""
    title = f"what fired in clips decided anomalous: first (at all){trials}"
    rows, words = [], []
    for keys, clips in explanations.groupby(["machine_type", "section"], sort=False):
        flagged = clips[clips["is_decided_anomalous"] == 1]
        rows.append((str(keys[0]), str(keys[1]), f"{len(flagged)} of {len(clips)}"))
        words.append(_counted(flagged["fired"]))
    headings = ("machine type", "section", "anomalous")
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    left = max(console.width - EDGES - sum(GAP + width for width in widths), _NARROWEST)
    grid = new_grid(names=headings[:2], figures=headings[2:])
    grid.add_column("fired", overflow="fold")
    previous = ""
    for (machine_type, *others), of_place in zip(rows, words, strict=True):
        shown = machine_type if machine_type != previous else ""
        grid.add_row(*map(Text, (shown, *others, _wrapped(of_place, left))))
        previous = machine_type
    console.print(Text(title, style="bold"))
    console.print(grid)


def _wrapped(words: Sequence[str], width: int) -> str:
    """Words with commas, broken between them and not within."""
    glued = ", ".join(word.replace(" ", "\0") for word in words)
    lines = textwrap.wrap(glued, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


def _counted(fired: "pd.Series[str]") -> list[str]:
    """`attribute_vel 5 (7)`, `section 2 (6)`, `nothing 1`: most often the first one first."""
    lists = [text.split(";") if text else [] for text in fired]
    first = Counter(names[0] for names in lists if names)
    at_all = Counter(name for names in lists for name in names)
    ranked = sorted(at_all, key=lambda name: (-first[name], -at_all[name], name))
    words = [f"{name} {first[name]} ({at_all[name]})" for name in ranked]
    num_silent = sum(not names for names in lists)
    return [*words, f"nothing {num_silent}"] if num_silent else words


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
        clips: file names, in the order wanted, each of every machine type that has it; None
            takes the `top` clips whose score lies farthest above its threshold.
        seed: of the trial; None takes the first.

    Raises:
        RecipeError: if the folder is not that of a scored run, has no such trial or no such
            clip, or the scores of its groups are not recorded.
    """
    console = console or Console()
    recipe = recipe_of(run)
    scores = read_scored_run(run, recipe["seeds"])
    seed = next(iter(scores.trials)) if seed is None else seed
    refuse_unknown_trial(run, seed, scores.trials)
    explanations = explanations_of(scores, seed)
    if explanations is None:
        raise RecipeError(
            f"{run}: no scores per section or attribute are recorded that would explain those of "
            f"{recipe['system']}. Systems that learn sections and attributes apart record them, "
            "such as venkatesh2022; an ensemble does where one of its members alone scores a clip."
        )
    if clips is None:
        chosen = explanations.sort_values("margin", ascending=False, kind="stable")[:top]
    else:
        known = list(dict.fromkeys(map(str, explanations["name"])))
        for name in clips:
            if name not in known:
                raise RecipeError(f"{run}: has no test clip `{name}`.{did_you_mean(name, known)}")
        chosen = pd.concat([explanations[explanations["name"] == name] for name in clips])
    text = (
        f"(+2.0): so many standard deviations above the training clips of its section; "
        f"fired: above {FIRING_PERCENTILE:.0f} % of them"
    )
    console.print(Text(text, style="dim"))
    for _, clip in chosen.iterrows():
        _print_clip(clip, group_names(explanations), console)


def _print_clip(clip: pd.Series, groups: Sequence[str], console: Console) -> None:
    place = f"{clip['machine_type']} section {clip['section']}"
    print_line(console, f"{place}, {clip['name']}", "bold")
    decision = "anomalous" if clip["is_decided_anomalous"] == 1 else "normal"
    label = ""
    if not pd.isna(clip["is_anomalous"]):
        label = f", labelled {'anomalous' if clip['is_anomalous'] else 'normal'}"
    score = clip.get("decision_score", clip["anomaly_score"])
    text = f"decided {decision}{label}; score {score:.4g}, threshold {clip['threshold']:.4g}"
    excesses = {name: float(clip[f"excess_{name}"]) for name in groups}
    present = [name for name in groups if not pd.isna(excesses[name])]
    fired = clip["fired"].split(";") if clip["fired"] else []
    others = sorted(set(present) - set(fired), key=lambda name: (-excesses[name], name))
    line = Text("fired: ")
    line.append(_listed(fired, excesses) or "nothing", style="bold" if fired else "")
    if others:
        line.append(f"; not fired: {_listed(others, excesses)}")
    for each in (Text(text), line):
        console.print(Padding(each, (0, 0, 0, 2), expand=False))


def _listed(names: Sequence[str], excesses: dict[str, float]) -> str:
    return ", ".join(f"{name} ({excesses[name]:+.1f})" for name in names)
