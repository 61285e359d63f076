"""`asdkeras data`: public datasets, and generated ones."""

import argparse
import sys
from typing import get_args

from asdkeras.cli.options import Commands, add_flag, add_names, add_path, count, index, keywords
from asdkeras.corpus.sizes import CONTENTS, Size
from asdkeras.errors import DataError, RecipeError


def add_data(commands: Commands) -> None:
    data = commands.add_parser("data", help="datasets")
    own = data.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_list, _add_fetch, _add_adopt, _add_verify, _add_mini):
        add(own)


def _add_manifest(command: argparse.ArgumentParser) -> None:
    text = "another data_manifest.yaml, such as one with the addresses of a mirror"
    add_path(command, "--manifest", "FILE", text)


def _add_list(commands: Commands) -> None:
    listing = commands.add_parser("list", help="the public datasets, and what is here of them")
    listing.add_argument("years", nargs="*", metavar="YEAR", help="such as 2021 (default: all)")
    _add_manifest(listing)
    listing.set_defaults(handler=_list)


def _list(arguments: argparse.Namespace) -> None:
    from asdkeras.acquire.inventory import holding
    from asdkeras.data.manifest import read_manifest
    from asdkeras.report.datasets import print_datasets

    manifest = read_manifest(arguments.manifest)
    wanted = [manifest.dataset(year) for year in arguments.years]
    holdings = [holding(dataset) for dataset in wanted or manifest.datasets.values()]
    print_datasets(holdings, sources=bool(wanted))


def _add_fetch(commands: Commands) -> None:
    fetch = commands.add_parser("fetch", help="download a dataset, checked, and unpack it")
    fetch.add_argument("year", metavar="YEAR", help="such as 2021")
    add_path(fetch, "--to", "DIR", "its folder dcase<year> is made here")
    add_names(fetch, "--machines", "only these machine types")
    parts = "dev, eval; of eval also additional_training, eval_test, truth (default: all)"
    add_names(fetch, "--parts", parts)
    add_flag(fetch, "--yes", "do not ask")
    fetch.add_argument("--jobs", type=count, default=3, help="downloads at a time (default 3)")
    add_flag(fetch, "--keep-archives", "do not delete unpacked archives")
    _add_manifest(fetch)
    fetch.set_defaults(handler=_fetch)


def _fetch(arguments: argparse.Namespace) -> None:
    from asdkeras.acquire.adopt import adopt
    from asdkeras.acquire.fetch import fetch
    from asdkeras.data.manifest import read_manifest
    from asdkeras.report.datasets import print_adoption

    manifest = read_manifest(arguments.manifest)
    folder = fetch(
        manifest.dataset(arguments.year),
        arguments.to,
        machines=arguments.machines,
        parts=arguments.parts or ["dev", "eval"],
        confirm=lambda offer: arguments.yes or _confirmed(offer),
        jobs=arguments.jobs,
        keep_archives=arguments.keep_archives,
    )
    if folder is not None:
        print_adoption(adopt(folder, manifest))


def _confirmed(text: str) -> bool:
    print(text, file=sys.stderr)
    if not sys.stdin.isatty():
        raise RecipeError("nobody is there to be asked. Add --yes to download this.")
    return input("Download? [y/N] ").strip().lower() in ("y", "yes")


def _add_adopt(commands: Commands) -> None:
    adopt = commands.add_parser("adopt", help="use datasets in place that lie somewhere already")
    add_path(adopt, "folder", "DIR")
    adopt.add_argument("--year", type=count, help="of what does not tell its year")
    _add_manifest(adopt)
    adopt.set_defaults(handler=_adopt)


def _adopt(arguments: argparse.Namespace) -> None:
    from asdkeras.acquire.adopt import adopt
    from asdkeras.data.manifest import read_manifest
    from asdkeras.report.datasets import print_adoption

    manifest = read_manifest(arguments.manifest)
    print_adoption(adopt(arguments.folder, manifest, arguments.year))


def _add_verify(commands: Commands) -> None:
    verify = commands.add_parser("verify", help="count and check every file of a dataset")
    add_path(verify, "data", "DIR", "a dataset, or the name of one that is here")
    add_flag(verify, "--decode", "read all audio, not headers alone")
    verify.add_argument("--jobs", type=count, help="threads (default: one per processor)")
    _add_manifest(verify)
    verify.set_defaults(handler=_verify)


def _verify(arguments: argparse.Namespace) -> None:
    from asdkeras.data.manifest import read_manifest
    from asdkeras.experiment.dataset import verified
    from asdkeras.report.datasets import print_verification

    manifest = read_manifest(arguments.manifest)
    verification = verified(arguments.data, manifest, arguments.decode, arguments.jobs)
    print_verification(verification)
    if not verification.is_ok:
        raise DataError(f"{arguments.data}: {len(verification.findings)} findings, listed above.")


def _add_mini(commands: Commands) -> None:
    mini = commands.add_parser(
        "mini", help="generate a corpus: simulated machines in a year's official layout"
    )
    mini.add_argument("--year", type=count, default=2021, help="2020 to 2025 (default 2021)")
    contents = "; ".join(f"{size}: {text}" for size, text in CONTENTS.items())
    sizes = f"{contents}; up to twice as much from 2023 on (default mini)"
    mini.add_argument("--size", choices=get_args(Size), default="mini", help=sizes)
    mini.add_argument("--seed", type=index, default=0, help="default 0")
    add_names(mini, "--machines", "machine types")
    add_path(mini, "--out", "DIR", "folder to write", required=True)
    mini.set_defaults(handler=_mini)


def _mini(arguments: argparse.Namespace) -> None:
    from asdkeras.experiment.dataset import generate_mini

    print(generate_mini(**keywords(arguments)))
