"""Runs side by side: who is best on which clips, on a page, on standard output or in a file."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asdkeras import controls
from asdkeras.errors import RecipeError
from asdkeras.evaluation import ALL_ANOMALOUS, SUMMARY_COLUMNS, write_csv
from asdkeras.files import write_text
from asdkeras.metrics.official import RuleSet
from asdkeras.report.false_alarms import of_finished_run
from asdkeras.report.finished_runs import FinishedRun, Measured, find_runs
from asdkeras.report.markup import Cell, Markup, element, joined, table
from asdkeras.report.paired_runs import difference, resampled_runs
from asdkeras.report.scored_runs import SETS
from asdkeras.report.terminal import EDGES, GAP, new_grid, plus_minus, print_line

CSV_COLUMNS = (
    *("system", "variant", "dataset", *SUMMARY_COLUMNS, "published"),
    *("is_control", "not_better_than", "run"),
)
CONTROL_MARK = "≤ control"
ON_BOARDS = "The best figure of each column stands in bold and is marked with a star."
_FIGURE = 6  # Characters of a figure such as 100.00.

METRIC_NAMES = {
    **{"auc": "AUC", "pauc": "pAUC", "precision": "precision", "recall": "recall", "f1": "F1"},
    **{"official_score": "official score", ALL_ANOMALOUS: "F1 of all anomalous"},
}

Key = tuple[str, str, str]  # Machine type, domain and metric of a mean.


class Line(NamedTuple):
    """A line of a table, in percent: a run, or indented its spread, or what else is said of it."""

    name: str
    figures: dict[Key, str]
    style: str  # `bold` for the best run, `dim` for controls and for the lines below a run.


class Board(NamedTuple):
    """Runs that were measured on the same clips, the best first."""

    dataset: str
    part: str  # `dev` or `eval`.
    measured: Measured
    runs: tuple[FinishedRun, ...]

    @property
    def rules(self) -> RuleSet:
        return self.runs[0].rules

    @property
    def title(self) -> str:
        """Dataset and part, and numbers of sections, clips and trials, which all runs share."""
        sections = {place[:2] for place in self.measured}
        domains = {"all"} if "all" in self.rules.rows else set(self.rules.rows)
        num_clips = sum(place[3] + place[4] for place in self.measured if place[2] in domains)
        place = "" if self.rules.name == "plain" else f", {SETS[self.part]}"
        trials = "" if self._has_spread else ", 1 trial each"
        return (
            f"{self.dataset}{place}, percent: {count_of(len(sections), 'section')}, "
            f"{count_of(num_clips, 'clip')}{trials}"
        )

    @property
    def machine_title(self) -> str:
        """The title above `machine_keys`."""
        is_joint = self.rules.mean == "harmonic"
        return f"{'mean of all AUCs and pAUCs' if is_joint else 'mean AUC'}, by machine type"

    @property
    def overall_keys(self) -> list[Key]:
        """The means over all machine types that the rules print."""
        keys = [
            ("all", domain, metric)
            for domain in dict.fromkeys((*self.rules.rows, "all"))
            for metric in ("auc", "pauc")
            if self.rules.averaged_rows(metric, domain)
        ]
        is_joint = self.rules.mean == "harmonic"
        return [*keys, ("all", "all", "official_score")] if is_joint else keys

    @property
    def machine_keys(self) -> list[Key]:
        """The headline figure of each machine type; none if there is but one of them."""
        machine_types = sorted({place[0] for place in self.measured})
        metric = headline_metric(self.rules)
        return [(name, "all", metric) for name in machine_types] if len(machine_types) > 1 else []

    @property
    def tables(self) -> list[tuple[str, list[Key], list[str]]]:
        """Title, means and headings: over all machine types, and for each if there are several."""
        keys, of_machines = self.overall_keys, self.machine_keys
        overall = (self.title, keys, [heading(domain, metric) for _, domain, metric in keys])
        names = [machine_type for machine_type, _, _ in of_machines]
        return [overall, (self.machine_title, of_machines, names)] if names else [overall]

    @property
    def names(self) -> list[str]:
        """System and variant of each run, and whether it is a control.

        If runs share them, where they lie as well.
        """
        names = [_name(run) for run in self.runs]
        shown = []
        for name, run in zip(names, self.runs, strict=True):
            variant = f"{run.variant}_untrained" if run.is_untrained else run.variant
            is_usual = run.folder.parts[-3:] == (run.system, variant, run.dataset)
            place = run.folder.parents[2] if is_usual else run.folder
            shown.append(f"{name} ({place})" if names.count(name) > 1 else name)
        return shown

    @property
    def controls(self) -> list[FinishedRun]:
        """The best first."""
        return [run for run in self.runs if run.is_control]

    def not_beaten(self, run: FinishedRun) -> list[str]:
        """Titles of the controls that a run is no better than, as the figure that ranks is printed.

        Untrained networks are controls of their own system alone. A control need not beat another.
        """
        if run.is_control:
            return []
        own = run.system.split("+")
        figure = round(100.0 * _headline(run, self.part), 2)
        better = [
            each.title
            for each in self.controls
            if (not each.is_untrained or each.system in own)
            and figure <= round(100.0 * _headline(each, self.part), 2)
        ]
        return list(dict.fromkeys(better))

    def legend(self, mark: str = CONTROL_MARK) -> str:
        """What the mark of runs that do not beat a control means, or how to make controls."""
        if self.controls:
            metric = METRIC_NAMES[headline_metric(self.rules)]
            return (
                f"{mark}: {metric} no higher than that of these controls. Controls have learned "
                "nothing: spectra, and a system's own networks as they start."
            )
        system = self.runs[0].system.partition("+")[0]
        return (
            f"No controls on these clips: `asdkeras eval --system {controls.SPECTRA}` makes one, "
            f"`asdkeras eval --system {system} --untrained` another."
        )

    def means_of(self, run: FinishedRun) -> pd.DataFrame:
        """The means of a run on these clips, by `Key`."""
        means = run.means[run.means["part"] == self.part]
        return means.set_index(["machine_type", "domain", "metric"])

    def lines(self, keys: Sequence[Key], plus_minus: str, mark: str = "") -> Iterator[Line]:
        """The lines of a table: each run, its spread, and published figures if there are any.

        Where there is a mark, also the controls that a run does not beat.
        """
        for rank, (name, run) in enumerate(zip(self.names, self.runs, strict=True)):
            means = self.means_of(run)
            rows = means.loc[[key for key in keys if key in means.index]]
            is_best = rank == 0 and len(self.runs) > 1
            style = "bold" if is_best else "dim" if run.is_control else ""
            yield Line(name, _percents(rows["value"]), style)
            if mark and (better := self.not_beaten(run)):
                yield Line(f"  {mark}: {', '.join(better)}", {}, "yellow")
            if self._has_spread:
                trials = count_of(int(means["n_seeds"].max()), "trial")
                spread = _percents(rows["standard_deviation"])
                text = f"  {plus_minus} over {trials}" if spread else f"  {trials}"
                yield Line(text, spread, "dim")
            printed = _percents(rows["published"])
            if printed:
                yield Line("  published", printed, "dim")

    @property
    def _has_spread(self) -> bool:
        return any(run.means["n_seeds"].max() > 1 for run in self.runs)


def boards_of(runs: Sequence[FinishedRun]) -> list[Board]:
    """Runs grouped by the clips they were measured on, those of one dataset together."""
    groups: dict[tuple[str, str, Measured], list[FinishedRun]] = {}
    for run in runs:
        for part, measured in run.measured.items():
            groups.setdefault((run.dataset, part, measured), []).append(run)
    boards = []
    for (dataset, part, measured), members in groups.items():
        best_first = sorted(members, key=lambda run: (-_headline(run, part), _name(run)))
        boards.append(Board(dataset, part, measured, tuple(best_first)))
    return sorted(boards, key=lambda board: (board.dataset, board.part, -len(board.measured)))


def heading(domain: str, metric: str) -> str:
    """The heading of a column that holds a mean over all machine types."""
    name = METRIC_NAMES[metric]
    return name if metric == "official_score" else f"{domain} {name}"


def headline_metric(rules: RuleSet) -> str:
    """The metric that ranks runs."""
    return "official_score" if rules.mean == "harmonic" else "auc"


def count_of(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _headline(run: FinishedRun, part: str) -> float:
    means = run.means.set_index(["part", "machine_type", "domain", "metric"])["value"]
    return float(means[part, "all", "all", headline_metric(run.rules)])


def _name(run: FinishedRun) -> str:
    """System and variant; names of several systems may be broken between them."""
    name = f"{run.system.replace('+', ' + ')} {run.title}"
    return f"{name} (control)" if run.is_control and not run.is_untrained else name


def _percents(values: "pd.Series[float]") -> dict[Key, str]:
    known = values.dropna()
    return {key: f"{100.0 * value:.2f}" for key, value in zip(known.index, known, strict=True)}


def board_tables(runs: Sequence[FinishedRun]) -> list[Markup]:
    """Runs that were measured on the same clips, the best first, and the best of each column."""
    parts = []
    for board in boards_of(runs):
        means = [board.means_of(run) for run in board.runs]
        for title, keys, headings in board.tables:
            is_overall = title == board.title
            rows: list[list[str | Cell]] = [
                [_name_cell(name, run, board.not_beaten(run) if is_overall else [])]
                for name, run in zip(board.names, board.runs, strict=True)
            ]
            for key in keys:
                # The highest value as it is printed, if there are two to compare.
                values = [round(100.0 * _figure(each, key), 2) for each in means]
                known = [value for value in values if not math.isnan(value)]
                best = max(known) if len(known) > 1 else math.nan
                for row, each in zip(rows, means, strict=True):
                    row.append(_cell(each, key, best))
            for row, run in zip(rows, board.runs, strict=True):
                row.append(str(int(run.means["n_seeds"].max())))
            caption = title if is_overall else f"{board.title}; {title}"
            made = table(["run", *headings, "trials"], rows, caption=caption)
            below = element("p", board.legend(), class_="faint") if is_overall else ""
            parts.append(joined([made, below]))
    return parts


def _name_cell(name: str, run: FinishedRun, not_beaten: Sequence[str]) -> Cell:
    """The name of a run, and below it the controls that it does not beat."""
    style = "dim" if run.is_control else None
    if not not_beaten:
        return Cell(name, style)
    text = f"{CONTROL_MARK}: {', '.join(not_beaten)}"
    return Cell(joined([name, element("span", text, class_="unbeaten below")]), style)


def _figure(means: pd.DataFrame, key: Key, column: str = "value") -> float:
    return float(means[column].get(key, math.nan))


def _cell(means: pd.DataFrame, key: Key, best: float) -> Cell:
    """A figure, its spread, and below it what the paper prints."""
    value, spread, published = (
        100.0 * _figure(means, key, column)
        for column in ("value", "standard_deviation", "published")
    )
    if math.isnan(value):
        return Cell("")
    is_best = round(value, 2) == best
    parts: list[str] = [f"{value:.2f}"]
    if is_best:
        parts.append(element("span", " ★", title="the best of this column"))
    if not math.isnan(spread):
        parts.append(element("span", f" ±\u00a0{spread:.2f}", class_="dim"))
    if not math.isnan(published):
        text = f"published {published:.2f} ({value - published:+.2f})"
        parts.append(element("span", text, class_="dim below"))
    return Cell(joined(parts), "bold" if is_best else None)


def show_side_by_side(
    places: Sequence[Path],
    out: Path | None = None,
    *,
    differences: bool = False,
    console: Console | None = None,
) -> None:
    """Print the results of runs side by side, and write them into a file.

    Runs stand in one table if they were measured on the same clips: of one dataset, one part
    of it, and the same sections. The best one comes first, by official score, or by AUC where
    the rules have none. A second table has that figure for each machine type. Controls stand among
    them, and who does not beat them is marked.

    Args:
        places: folders of runs, or folders below which runs lie.
        out: also write there: Markdown, or with the ending `.csv` all means of all machine
            types, `CSV_COLUMNS`, figures in [0, 1].
        differences: also print how far the others are below the best run, and 95 % intervals of
            that by a bootstrap over the test clips.

    Raises:
        RecipeError: if there is nothing to show, `out` has another ending, or differences are
            wanted of runs on other clips.
    """
    if out is not None and out.suffix not in (".csv", ".md"):
        raise RecipeError(f"--out: the file must end in .csv or .md. Received: {out}")
    console = console or Console()
    runs, others = find_runs(places)
    boards = boards_of(runs)
    for board in boards:
        _print_board(board, console)
        if differences:
            _print_differences(board, console)
    for run in runs:
        for mark, lines in run.marks._asdict().items():
            for line in lines:
                print_line(console, f"{mark}: {run.system} {run.variant}: {line}", "yellow")
        alarms = of_finished_run(run)
        for line in alarms.warnings if alarms else ():
            print_line(console, f"warning: {run.system} {run.variant}: {line}", "yellow")
    for folder, reason in others.items():
        print_line(console, f"note: {folder}: {reason}", "yellow")
    if out is not None:
        if out.suffix == ".csv":
            write_csv(out, _as_frame(boards))
        else:
            write_text(out, "\n".join(_as_markdown(board) for board in boards))
        print_line(console, f"file: {out}")


def _print_board(board: Board, console: Console) -> None:
    sign = plus_minus(console)
    keys = board.overall_keys
    by_domain = itertools.groupby(keys, key=lambda key: (key[1], key[2] == "official_score"))
    columns = [list(column) for _, column in by_domain]
    console.print(Text(board.title, style="bold"))
    mark = CONTROL_MARK if sign == "±" else CONTROL_MARK.replace("≤", "<=")
    console.print(_grid(board.lines(keys, sign, mark), columns, map(_heading, columns)))
    console.print(Text(board.legend(mark), style="" if board.controls else "yellow"))
    console.print()
    for chunk in _chunks(board, console.width):
        names = [machine_type for machine_type, _, _ in chunk]
        console.print(Text(board.machine_title, style="bold"))
        console.print(_grid(board.lines(chunk, sign), [[key] for key in chunk], names))


def _print_differences(board: Board, console: Console) -> None:
    if board.rules.mean != "harmonic" or len(board.runs) < 2:
        return
    resampled = resampled_runs(board.runs, board.part)
    title = f"official score minus that of {board.names[0]}, percent: 95 % by bootstrap over clips"
    console.print(Text(title, style="bold"))
    for name, run, own in zip(board.names[1:], board.runs[1:], resampled[1:], strict=True):
        pair = difference(run, board.runs[0], board.part, (own, resampled[0]))
        value, lower, upper = (f"{100.0 * each:+.2f}" for each in pair)
        console.print(Text(f"{name}: {value}, {lower} to {upper}"))
    console.print()


def _heading(column: Sequence[Key]) -> str:
    _, domain, metric = column[0]
    if metric == "official_score":
        return "official\nscore"
    return f"{domain}\n" + " ".join(METRIC_NAMES[key[2]].rjust(_FIGURE) for key in column)


def _chunks(board: Board, width: int) -> list[list[Key]]:
    """Machine types in as few tables as stand beside the names, those about equally wide.

    Names of runs may be broken between words, not within.
    """
    keys = board.machine_keys
    for_figures = width - EDGES - max(len(w) for name in board.names for w in name.split(" "))
    fewest = len(_filled(keys, for_figures))
    narrower = (w for w in range(for_figures) if len(_filled(keys, w)) == fewest)
    return _filled(keys, next(narrower, for_figures))


def _filled(keys: Sequence[Key], width: int) -> list[list[Key]]:
    """As many machine types in each table as its width allows, but one at least."""
    chunks: list[list[Key]] = []
    left = 0
    for key in keys:
        needed = GAP + max(_FIGURE, len(key[0]))
        if not chunks or needed > left:
            chunks.append([])
            left = width
        chunks[-1].append(key)
        left -= needed
    return chunks


def _grid(
    lines: Iterable[Line], columns: Sequence[Sequence[Key]], headings: Iterable[str]
) -> Table:
    """Lines as a table; the figures of one column of it stand side by side."""
    grid = new_grid(["run"], figures=headings, vertical="bottom")
    for line in lines:
        texts = [[line.figures.get(key, "").rjust(_FIGURE) for key in keys] for keys in columns]
        cells = [Text(" ".join(column)) for column in texts]
        grid.add_row(Text(line.name), *cells, style=line.style)
    return grid


def _as_markdown(board: Board) -> str:
    parts = []
    for title, keys, headings in board.tables:
        rows = [["run", *headings], ["---"] * (1 + len(headings))]
        is_overall = title == board.title
        for line in board.lines(keys, "±", CONTROL_MARK if is_overall else ""):
            mark = "**" if line.style == "bold" else ""
            cells = [line.name.strip(), *(line.figures.get(key, "") for key in keys)]
            rows.append([f"{mark}{cell}{mark}" if cell else "" for cell in cells])
        lines = (" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows)
        below = f"\n{board.legend()}\n" if is_overall else ""
        parts.append(f"{title}\n\n" + "".join(f"| {line} |\n" for line in lines) + below)
    return "## " + "\n".join(parts)


def _as_frame(boards: Sequence[Board]) -> pd.DataFrame:
    parts = [
        run.means[run.means["part"] == board.part].assign(
            system=run.system,
            variant=run.title,
            dataset=run.dataset,
            is_control=run.is_control,
            not_better_than="; ".join(board.not_beaten(run)),
            run=str(run.folder),
        )
        for board in boards
        for run in board.runs
    ]
    return pd.concat(parts, ignore_index=True)[list(CSV_COLUMNS)]
