"""False alarms on normal clips beside F1, and warnings of decisions that tell nothing."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd
from rich.console import Console
from rich.text import Text

from asdkeras.config import RECIPE_DEFAULTS
from asdkeras.evaluation import (
    ALL_ANOMALOUS,
    KINDS,
    SUMMARY_COLUMNS,
    all_anomalous_means,
    evaluate,
    false_alarms,
    summarize,
    with_parts,
)
from asdkeras.metrics.official import RuleSet, rules_for
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.markup import Markup, element, table
from asdkeras.report.scored_runs import SETS, ScoredRun, read_results, recipe_of
from asdkeras.report.terminal import new_grid, print_line

USUAL_RATE = 0.1
HOW_TO_READ = (
    "False alarms: normal clips that were called anomalous, of all normal clips. Held out are "
    "clips that neither network nor scorer has learned from, though a threshold may rest on them; "
    "in-sample are those learned from, which tell little of other clips. Found: anomalous test "
    "clips that were called so. F1: the mean that stands in the results. F1 of all anomalous: what "
    "calling every clip anomalous would give."
)
_OTHER_RULE = (
    "thresholds follow the paper's rule. --false-alarm-rate 0.1 trains anew and takes them from "
    "normal clips that are held out; it needs a folder of its own, --runs DIR"
)
_HEADINGS = {"training": "training,\nin-sample", "f1": "F1", ALL_ANOMALOUS: "F1 of all\nanomalous"}


class FalseAlarms(NamedTuple):
    """How often decisions give false alarms, and what calling every clip anomalous would give.

    Attributes:
        frame: of `asdkeras.evaluation.false_alarms`, trials one below the other.
        means: `SUMMARY_COLUMNS`, the metrics `f1` and `ALL_ANOMALOUS` among others.
        asked: the share of normal clips that may be called anomalous; None if nobody said.
        is_by_paper: whether thresholds follow the rule of the paper.
    """

    frame: pd.DataFrame
    means: pd.DataFrame
    rules: RuleSet
    asked: float | None
    is_by_paper: bool = False

    def tables(self, *, finds: bool) -> Iterator[tuple[str, list[str], list[list[str]]]]:
        """Title, headings and rows of each part of the dataset: machine types, and all of several.

        Counts are means over the trials, F1 the mean of the rules, in percent. `finds` says whether
        the anomalous clips found have a column.
        """
        asked = "" if self.asked is None else f", {_percent(self.asked)} asked"
        for part, frame in with_parts(self.frame, self.rules).groupby("part"):
            place = "" if self.rules.name == "plain" else f", {SETS[str(part)]}"
            means = self.means[(self.means["part"] == part) & (self.means["domain"] == "all")]
            f1 = means.set_index(["machine_type", "metric"])["value"].dropna()
            metrics = [name for name in ("f1", ALL_ANOMALOUS) if name in set(means["metric"])]
            kinds = [kind for kind in KINDS if frame.loc[frame["kind"] == kind, "n_normal"].any()]
            machines = {str(name): rows for name, rows in frame.groupby("machine_type")}
            rows = []
            for name, own in (machines | ({"all": frame} if len(machines) > 1 else {})).items():
                shares = [_share(own[own["kind"] == kind]) for kind in kinds]
                shares += [_share(own, "n_detected", "n_anomalous")] if finds and metrics else []
                values = [f1.get((name, metric)) for metric in metrics]
                rows.append(
                    [name, *shares, *("" if v is None else f"{100.0 * v:.2f}" for v in values)]
                )
            columns = [*kinds, *(["found"] if finds and metrics else []), *metrics]
            headings = [_HEADINGS.get(column, column.replace(" ", "\n")) for column in columns]
            if columns:
                yield f"false alarms on normal clips{asked}{place}", headings, rows

    @property
    def warnings(self) -> list[str]:
        """Why decisions tell little, a line each, with the machine types that it is true of."""
        asked = USUAL_RATE if self.asked is None else self.asked
        alarms = []
        for machine_type, own in self.frame.groupby("machine_type"):
            by_kind = {kind: own[own["kind"] == kind] for kind in KINDS}
            shares = [
                f"{kind.replace('training', 'in-sample').removeprefix('test ')} {_share(rows)}"
                for kind, rows in by_kind.items()
                if rows["n_false_alarms"].sum() > 2.0 * asked * rows["n_normal"].sum() + 1e-9
            ]
            alarms += [f"{machine_type} {', '.join(shares)}"] if shares else []
        lines = {
            f"more than twice {_percent(asked)} of normal clips are called anomalous": alarms,
            "every test clip is called anomalous": [*self._all_or_none(1)],
            "no test clip is called anomalous": [*self._all_or_none(0)],
        }
        return [f"{text}: {'; '.join(names)}" for text, names in lines.items() if names]

    @property
    def advice(self) -> str:
        """What can be done about the warnings; empty if there are none, or nothing is known."""
        return _OTHER_RULE if self.is_by_paper and self.warnings else ""

    def _all_or_none(self, share: int) -> Iterator[str]:
        """Machine types, or sections of them, of whose test clips that share was flagged."""
        test = self.frame[self.frame["kind"].isin(KINDS[2:])]
        clips = test.filter(["n_normal", "n_anomalous", "n_unlabelled"]).sum(axis=1)
        flagged = test.filter(["n_false_alarms", "n_detected", "n_unlabelled_flagged"]).sum(axis=1)
        places = [test["machine_type"], test["section"]]
        is_so = (flagged == share * clips).groupby(places).all()
        f1 = self.means[(self.means["metric"] == "f1") & (self.means["domain"] == "all")]
        for machine_type, sections in is_so.groupby(level=0):
            of_machine = test["machine_type"] == machine_type
            count = clips[of_machine].sum() / test["seed"].nunique()
            values = f1.loc[f1["machine_type"] == machine_type, "value"].dropna()
            if sections.all():
                words = [
                    f"{_number(count)} clips",
                    *(f"F1 {100.0 * value:.2f} by that alone" for value in values),
                ]
                yield f"{machine_type} ({', '.join(words)})"
            elif sections.any():
                names = sections[sections].index.get_level_values(1)
                yield f"{machine_type} section {', '.join(names)}"


def of_run(scores: ScoredRun, recipe: Mapping[str, Any]) -> FalseAlarms:
    """What the decisions of a run's trials say, on the clips that its main score is of."""
    rules = rules_for(scores.dataset)
    frames, metrics = [], []
    for seed, scored in scores.of(scores.main_score).items():
        clips, trial = scored.table, scores.trials[seed]
        decisions = trial.decisions[clips.index]
        held_out = None if trial.held_out is None else trial.held_out[clips.index]
        frames.append(false_alarms(clips, decisions, held_out, seed))
        metrics.append(evaluate(clips, scored.anomaly_scores, decisions, rules, seed).metrics)
    frame, measured = (pd.concat(parts, ignore_index=True) for parts in (frames, metrics))
    means = means_of(measured, rules)
    return FalseAlarms(frame, means, rules, asked_rate(recipe), is_by_paper(recipe))


def means_of(metrics: pd.DataFrame, rules: RuleSet) -> pd.DataFrame:
    """What `FalseAlarms.means` is, from the metrics of trials."""
    if metrics.empty:
        return pd.DataFrame(columns=list(SUMMARY_COLUMNS))
    return pd.concat([summarize(metrics, rules), all_anomalous_means(metrics, rules)])


def of_finished_run(run: FinishedRun) -> FalseAlarms | None:
    """The same as its folder holds it; None of a run that is older than `false_alarms.csv`."""
    path = run.folder / "false_alarms.csv"
    if not path.is_file():
        return None
    recipe = recipe_of(run.folder)
    rate, by_paper = asked_rate(recipe), is_by_paper(recipe)
    return FalseAlarms(read_results(path), run.means, run.rules, rate, by_paper)


def asked_rate(recipe: Mapping[str, Any]) -> float:
    """The share of normal clips that a recipe lets be called anomalous.

    Papers' rules say it as a percentile or not at all, so that it is the usual 10 % for them.
    """
    thresholds = recipe.get("thresholds")
    if isinstance(thresholds, dict) and thresholds.get("rule") == "held_out":
        return float(thresholds["false_alarm_rate"])
    return USUAL_RATE


def is_by_paper(recipe: Mapping[str, Any]) -> bool:
    """Whether thresholds follow a paper's rule, as where a recipe of a system says nothing."""
    complete = {**RECIPE_DEFAULTS, **recipe}
    return "config" in recipe and complete["thresholds"]["rule"] == "paper"


def print_false_alarms(found: FalseAlarms, console: Console) -> None:
    """Print false alarms beside F1, machine type by machine type, and what there is to warn of."""
    for title, headings, rows in found.tables(finds=False):
        console.print(Text(title, style="bold"))
        grid = new_grid(["machine type"], figures=headings, vertical="bottom")
        for row in rows:
            grid.add_row(*map(Text, row))
        console.print(grid)
    print_warnings(found, console)


def print_warnings(found: FalseAlarms, console: Console) -> None:
    for line in found.warnings:
        print_line(console, f"warning: {line}", "yellow")
    if found.advice:
        print_line(console, f"note: {found.advice}", "yellow")


def page_parts(found: FalseAlarms, caption: str) -> list[Markup]:
    """The same tables for a page, with the anomalous clips that were found."""
    tables = [
        table(
            ["machine type", *(heading.replace("\n", " ") for heading in headings)],
            rows[: max(1, len(rows) - 1)],
            caption=f"{caption}, {title}",
            footer=rows[1:][-1:],
        )
        for title, headings, rows in found.tables(finds=True)
    ]
    return [element("p", HOW_TO_READ, class_="faint"), *tables] if tables else []


def _share(rows: pd.DataFrame, flagged: str = "n_false_alarms", clips: str = "n_normal") -> str:
    """Such as `12% (6/50)`; of several trials the mean number of clips; empty if there is none."""
    num_trials = max(rows["seed"].nunique(), 1)
    count, total = (rows[name].sum() / num_trials for name in (flagged, clips))
    return f"{100.0 * count / total:.0f}% ({_number(count)}/{_number(total)})" if total else ""


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _percent(share: float) -> str:
    return f"{100.0 * share:.6g}%"
