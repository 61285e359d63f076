"""The results of a run as tables of a page: what its CSV files hold, in percent."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from asdkeras.report.boards import Board, Key, boards_of
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.markup import Markup, element, joined, table

_METRICS = {"auc": "AUC", "pauc": "pAUC", "f1": "F1", "official_score": "official score"}
_SETS = {"dev": "development set", "eval": "evaluation set"}


def headline(run: FinishedRun) -> list[tuple[str, str, str]]:
    """The one figure of each part of the dataset.

    Returns:
        what it is, the figure, and what stands beside it: the spread over trials and what the
        paper prints, if that may be compared.
    """
    metric = "official_score" if run.rules.mean == "harmonic" else "auc"
    means = run.means
    means = means[(means["machine_type"] == "all") & (means["domain"] == "all")]
    figures = []
    for _, mean in means[means["metric"] == metric].iterrows():
        name = "official score" if metric == "official_score" else "mean AUC"
        place = "" if run.rules.name == "plain" else f", {_SETS[str(mean['part'])]}"
        beside = [_count(int(mean["n_seeds"]), "trial")]
        if not math.isnan(mean["standard_deviation"]):
            beside[0] = f"± {100.0 * mean['standard_deviation']:.2f} over {beside[0]}"
        if not math.isnan(mean["published"]):
            beside.append(f"published {100.0 * mean['published']:.2f}")
        figures.append((f"{name}{place}", _percent(mean["value"]), ", ".join(beside)))
    return figures


def result_tables(run: FinishedRun) -> list[Markup]:
    """Means by machine type and domain, one table for each part of the dataset."""
    return [
        _result_table(run, str(part), means)
        for part, means in run.means.groupby("part", sort=False)
    ]


def named_score_tables(run: FinishedRun, names: Sequence[str]) -> list[Markup]:
    """Means over all machine types of several named scores; nothing of a single one.

    Args:
        run: whose `named_scores.csv` it is.
        names: of the scores worth a row.
    """
    path = run.folder / "named_scores.csv"
    if len(names) < 2 or not path.is_file():
        return []
    means = _read(path)
    means = means[(means["machine_type"] == "all") & means["score"].isin(names)]
    means = means[means["metric"].isin(["auc", "pauc", "official_score"])]
    tables = []
    for part, rows in means.groupby("part", sort=False):
        keys = list(dict.fromkeys(zip(rows["domain"], rows["metric"], strict=True)))
        keys.sort(key=lambda key: key[1] == "official_score")
        figures = rows.set_index(["score", "domain", "metric"])["value"].to_dict()
        tables.append(
            table(
                ["score", *(_heading(domain, metric) for domain, metric in keys)],
                [
                    [name, *(_percent(figures.get((name, *key), math.nan)) for key in keys)]
                    for name in dict.fromkeys(rows["score"])
                ],
                caption=_caption("named scores", run, str(part)),
            )
        )
    return tables


def paper_table(run: FinishedRun) -> Markup | None:
    """What `compare.csv` says, figure by figure; None if there is none."""
    path = run.folder / "compare.csv"
    if not path.is_file():
        return None
    comparison = _read(path)
    places = ("score", "part", "machine_type", "section", "domain", "metric")
    rows = [
        [
            *(str(figure[name]) for name in places),
            *(_points(figure[name]) for name in ("published", "ours")),
            _points(figure["difference"], sign="+"),
            _points(figure["tolerance"]),
            f"{figure['verdict']}: {figure['note']}" if figure["note"] else figure["verdict"],
        ]
        for _, figure in comparison.iterrows()
    ]
    headings = ("score", "set", "machine type", "section", "domain", "metric")
    figures = ("published", "ours", "difference", "tolerance", "verdict")
    counts = comparison["verdict"].value_counts()
    story = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return element(
        "details",
        element("summary", f"Against the paper, figure by figure: {story}"),
        table([*headings, *figures], rows, num_names=len(headings)),
    )


def board_tables(runs: Sequence[FinishedRun]) -> Markup:
    """Runs side by side, the best first, as `asdkeras table` prints them."""
    parts = []
    for board in boards_of(runs):
        overall = board.overall_keys
        headings = [_heading(domain, metric) for _, domain, metric in overall]
        parts.append(_board_table(board, overall, headings, board.title))
        keys = board.machine_keys
        if keys:
            parts.append(_board_table(board, keys, [key[0] for key in keys], board.machine_title))
    return joined(parts)


def _board_table(
    board: Board, keys: Sequence[Key], headings: Sequence[str], caption: str
) -> Markup:
    rows = []
    for line in board.lines(keys, "±"):
        texts = [line.name.strip(), *(line.figures.get(key, "") for key in keys)]
        style = line.style or None
        rows.append([element("span", text, class_=style) for text in texts])
    return table(["run", *headings], rows, caption=caption)


def _result_table(run: FinishedRun, part: str, means: pd.DataFrame) -> Markup:
    figures = {
        (str(row["machine_type"]), str(row["domain"]), str(row["metric"])): row
        for _, row in means.iterrows()
    }
    has_value = means[means["value"].notna()]
    metrics = [name for name in _METRICS if name in set(has_value["metric"])]
    has_published = bool(means["published"].notna().any())
    rows = []
    for place in dict.fromkeys(key[:2] for key in figures):
        cells = []
        for metric in metrics:
            figure = figures.get((*place, metric))
            cells.append("" if figure is None else _with_spread(figure))
            if has_published and metric != "f1":
                cells.append("" if figure is None else _percent(figure["published"]))
        machine_type = f"{run.rules.mean} mean" if place[0] == "all" else place[0]
        rows.append((place[0] == "all", [machine_type, place[1], *cells]))
    rows.sort(key=lambda row: row[0])  # The mean over all machine types comes last.
    headings = ["machine type", "domain"]
    for metric in metrics:
        headings.append(_METRICS[metric])
        if has_published and metric != "f1":
            headings.append("published")
    caption = _caption("means over sections", run, part)
    return table(headings, [cells for _, cells in rows], num_names=2, caption=caption)


def _caption(what: str, run: FinishedRun, part: str) -> str:
    place = "" if run.rules.name == "plain" else f"{_SETS[part]}, "
    mark = ", oracle" if run.oracle else ""
    return f"{run.dataset}, {place}{what}, percent{mark}"


def _heading(domain: str, metric: str) -> str:
    return _METRICS[metric] if metric == "official_score" else f"{domain} {_METRICS[metric]}"


def _with_spread(figure: pd.Series) -> str:
    text = _percent(figure["value"])
    spread = figure["standard_deviation"]
    return text if math.isnan(spread) or not text else f"{text} ± {100.0 * spread:.2f}"


def _percent(value: float) -> str:
    return _points(100.0 * value)


def _points(value: float, sign: str = "") -> str:
    return "" if math.isnan(value) else f"{value:{sign}.2f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _read(path: Path) -> pd.DataFrame:
    """A CSV file of a run: names as text, figures as numbers."""
    content = pd.read_csv(path, dtype="string", keep_default_na=False)
    numbers = ("value", "published", "ours", "difference", "tolerance")
    figures = {
        name: [float(text or "nan") for text in content[name]]
        for name in numbers
        if name in content
    }
    return content.assign(**figures)
