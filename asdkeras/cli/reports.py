"""Commands that show what is there, from `score` and `compare` to `figure` and `list`."""

import argparse
import textwrap
from pathlib import Path

from asdkeras.cli.options import (
    Commands,
    add_flag,
    add_names,
    add_path,
    count,
    index,
    keywords,
    real,
)


def add_score(commands: Commands) -> None:
    scoring = commands.add_parser(
        "score", help="official metrics of anybody's score files; needs no model"
    )
    add_path(scoring, "folder", "DIR", "holds score files, and decision files if any")
    scoring.add_argument("--year", type=count, required=True, help="of the challenge")
    truth = "the published ground truth lies somewhere below (default: as fetched or adopted)"
    add_path(scoring, "--truth", "DIR", truth, dest="truth_folder")
    add_flag(scoring, "--official-format", "write the result file of that year's evaluator as well")
    add_path(scoring, "--out", "DIR", "for the results (default: DIR/asdkeras_score)")
    add_names(scoring, "--machines", "only these machine types (default: all must be there)")
    scoring.add_argument("--backend", help="which of several score columns of ASDKit to read")
    scoring.set_defaults(handler=_score)


def _score(arguments: argparse.Namespace) -> None:
    from asdkeras.report.submission_scores import score_submission

    score_submission(**keywords(arguments))


def add_compare(commands: Commands) -> None:
    text = "runs against the published tables; exit code 5 outside tolerance; leaves row.csv"
    compare = commands.add_parser("compare", help=text)
    text = "its folder; of several, what the paper prints as means over datasets is compared too"
    add_path(compare, "runs", "RUN", text, nargs="+")
    compare.add_argument("--against", metavar="SYSTEM", help="whose paper (default: the run's)")
    compare.add_argument(
        "--score", metavar="NAME", help="one of its named scores (default: all that have a row)"
    )
    row = "of the paper's tables, several joined by + (default: that of the variant)"
    compare.add_argument("--row", help=row)
    tolerance = "where the paper prints no standard deviation (default 3)"
    compare.add_argument("--tolerance", type=real, metavar="POINTS", help=tolerance)
    add_path(compare, "--out", "FILE", "write the means over datasets too: .md or .csv")
    compare.set_defaults(handler=_compare)


def _compare(arguments: argparse.Namespace) -> None:
    from asdkeras.report.compared_runs import compare_runs

    compare_runs(**keywords(arguments))


def add_table(commands: Commands) -> None:
    table = commands.add_parser(
        "table", help="the results of several runs side by side, the best first"
    )
    places = "folder of a run, or one below which runs lie (default: runs)"
    add_path(table, "places", "RUN_OR_FOLDER", places, nargs="*", default=[Path("runs")])
    add_path(table, "--out", "FILE", "write it too: .md, or .csv with every mean")
    add_flag(
        table, "--differences", "to the best run, with 95 %% intervals by bootstrap over clips"
    )
    table.set_defaults(handler=_table)


def _table(arguments: argparse.Namespace) -> None:
    from asdkeras.report.side_by_side import show_side_by_side

    show_side_by_side(**keywords(arguments))


def add_explain(commands: Commands) -> None:
    text = "what the scores of single clips are due to, for systems that tell"
    explain = commands.add_parser("explain", help=text)
    add_path(explain, "run", "RUN", "its folder")
    which = explain.add_mutually_exclusive_group()
    which.add_argument("--clips", nargs="+", metavar="NAME", help="file names of test clips")
    top = "the clips farthest above their threshold (default 10)"
    which.add_argument("--top", type=count, default=10, metavar="N", help=top)
    explain.add_argument(
        "--seed", type=index, metavar="K", help="of the trial (default: the first)"
    )
    explain.set_defaults(handler=_explain)


def _explain(arguments: argparse.Namespace) -> None:
    from asdkeras.report.explanations import show_explanations

    show_explanations(**keywords(arguments))


def add_report(commands: Commands) -> None:
    report = commands.add_parser(
        "report", help="one HTML file: results, training curves and embedding maps of runs"
    )
    add_path(report, "places", "RUN", "its folder, or one below which runs lie", nargs="+")
    out = "default: report.html in the folder of the run; needed for several runs"
    add_path(report, "--out", "FILE", out)
    array = "of the representations to map (default: the embedding, the last one of several)"
    report.add_argument("--array", metavar="NAME", help=array)
    report.add_argument(
        "--seed", type=index, metavar="K", help="of the trial to map (default: the first)"
    )
    report.add_argument(
        "--split", choices=("train", "test"), help="map the clips of one split alone"
    )
    report.add_argument(
        "--method", choices=("tsne", "pca"), default="tsne", help="of the maps (default: tsne)"
    )
    sounds = "MB of sounds in the page at most, 0 for none (default 12)"
    report.add_argument("--sounds", type=index, default=12, metavar="MB", help=sounds)
    add_flag(report, "--open", "in the browser")
    report.set_defaults(handler=_report)


def _report(arguments: argparse.Namespace) -> None:
    import webbrowser

    from asdkeras.report.page import write_report

    options = keywords(arguments)
    is_to_open = options.pop("open")
    path = write_report(**options)
    print(path)
    if is_to_open:
        webbrowser.open(path.resolve().as_uri())


def add_figure(commands: Commands) -> None:
    text = "figures of papers that print no values, drawn from runs of their variants"
    figure = commands.add_parser("figure", help=text)
    add_path(figure, "places", "RUN", "its folder, or one below which runs lie", nargs="+")
    add_path(figure, "--out", "FILE", "page to write, .html", required=True)
    figure.set_defaults(handler=_figure)


def _figure(arguments: argparse.Namespace) -> None:
    from asdkeras.report.drawn_figures import write_figures

    print(write_figures(**keywords(arguments)))


def add_list(commands: Commands) -> None:
    listing = commands.add_parser("list", help="the systems and their recipes")
    listing.add_argument(
        "system", nargs="?", help="whose readings of its paper to list: what is silent, or rebuilt"
    )
    listing.set_defaults(handler=_list)


def _list(arguments: argparse.Namespace) -> None:
    from asdkeras import systems
    from asdkeras.experiment.import_keras import import_keras
    from asdkeras.experiment.recipe import papers_recipe, recipes_of
    from asdkeras.readings import as_markdown

    if arguments.system:
        import_keras()
        config_class = systems.load(arguments.system).Config
        print(as_markdown(config_class, papers_recipe(arguments.system)["config"]), end="")
        return
    for name in systems.names():
        print(f"{name}: {systems.title(name)}")
        print(f"    recipes: {', '.join(recipes_of(name))}")
        variants = f"    variants: {', '.join(systems.variants(name))}"
        print(textwrap.fill(variants, 100, subsequent_indent=8 * " ", break_long_words=False))
