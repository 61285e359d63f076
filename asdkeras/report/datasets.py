"""Datasets on standard output: what exists, what is here, what is wrong with it."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from asdkeras.acquire.adopt import Adoption
from asdkeras.acquire.inventory import Holding, Stock
from asdkeras.acquire.verify import Verification
from asdkeras.data.places import Card
from asdkeras.report.terminal import new_grid, print_line

_PARTS = {
    "dev": "development",
    "additional_training": "evaluation, training",
    "eval_test": "evaluation, test",
}
_GB_PER_HOUR = 0.1152  # 16-bit mono at 16 kHz.


def print_datasets(
    holdings: Sequence[Holding], *, sources: bool, console: Console | None = None
) -> None:
    """Print datasets, part by part, what is here of them, and where they come from if wanted."""
    console = console or Console()
    for holding in holdings:
        dataset = holding.dataset
        console.print(Text(f"{dataset.name}: {dataset.title}", style="bold"))
        size = ""
        if dataset.hours is not None:
            gigabytes = dataset.hours * _GB_PER_HOUR * dataset.num_channels
            size = f"{dataset.hours:g} h, about {gigabytes:.0f} GB unpacked, "
        channels = "mono" if dataset.num_channels == 1 else f"{dataset.num_channels} channels"
        print_line(console, f"{size}{dataset.sample_rate_hz} Hz, {channels}")
        if holding.fault:
            print_line(console, f"here: {holding.fault}", "yellow")
        elif holding.card:
            print_line(console, f"here: {_places(holding.card)}")
        console.print(_parts_table(holding))
        if sources:
            for record in dataset.records:
                print_line(console, f"{_PARTS.get(record.part, 'ground truth')}: {record.page}")
            for source in dataset.truth:
                if source.role == "primary":
                    where = f"{source.repository} at {source.commit[:7]}"
                    print_line(console, f"ground truth: {where}, license {source.license}")
        for license_text in dict.fromkeys(record.license for record in dataset.records):
            print_line(console, f"license: {license_text}")
        console.print()


def print_adoption(adoption: Adoption, *, console: Console | None = None) -> None:
    """Print what was recognized, what is missing of it, and what is odd."""
    console = console or Console()
    for adopted in adoption.adopted:
        card = adopted.card
        console.print(Text(f"{card.dataset}: {card.layout}", style="bold"))
        print_line(console, f"in {_places(card)}")
        for part in _PARTS:
            _print_part(console, part, [s for s in adopted.stocks if s.archive.part == part])
        for remark in adopted.remarks:
            print_line(console, f"note: {remark}", "yellow")
        print_line(console, f"use it with --data {card.dataset}   ({adopted.path})")
        console.print()
    for dataset, count in adoption.num_truth_files.items():
        print_line(console, f"ground truth of {dataset}: {count} files")
    for line in adoption.odd:
        print_line(console, f"odd: {line}", "yellow")


def _print_part(console: Console, part: str, stocks: Sequence[Stock]) -> None:
    here = [stock for stock in stocks if stock.num_clips]
    missing = [stock.archive.machine_type for stock in stocks if not stock.num_clips]
    if here:
        counts = ", ".join(f"{s.archive.machine_type} {s.num_clips}" for s in here)
        print_line(console, f"{_PARTS[part]}: {counts}")
    for stock in here:
        if not stock.is_whole:
            expected = stock.num_expected or "an unknown number of"
            count = f"{stock.num_clips} of {expected} clips"
            print_line(console, f"  incomplete: {stock.archive.machine_type}, {count}", "yellow")
    if missing:
        print_line(console, f"{_PARTS[part]}, missing: {', '.join(missing)}", "yellow")


def print_verification(verification: Verification, *, console: Console | None = None) -> None:
    """Print the counts of a dataset and everything that is off."""
    console = console or Console()
    console.print(Text(f"{verification.dataset}: {verification.num_clips} clips", style="bold"))
    console.print(_counts_table(verification))
    for note in verification.notes:
        print_line(console, f"note: {note}", "yellow")
    by_kind: dict[str, list[str]] = {}
    for finding in verification.findings:
        by_kind.setdefault(finding.kind, []).append(finding.text)
    for kind, texts in by_kind.items():
        console.print(Text(f"{kind}: {len(texts)}", style="bold red"))
        for text in texts:
            print_line(console, f"  {text}")


def _places(card: Card) -> str:
    """The folders above the machine folders."""
    return ", ".join(dict.fromkeys(str(Path(path).parent) for path in card.machine_folders))


def _parts_table(holding: Holding) -> Table:
    grid = new_grid(names=["part"])
    grid.add_column("machine types", overflow="fold")
    for heading in ("files", "clips", "here"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for part, name in _PARTS.items():
        of_part = [stock for stock in holding.stocks if stock.archive.part == part]
        if not of_part:
            continue
        expected = [stock.num_expected for stock in of_part]
        known = [count for count in expected if count is not None]
        total = str(sum(known)) if len(known) == len(expected) else "?"
        num_here = sum(stock.is_whole for stock in of_part)
        names = " ".join(stock.archive.machine_type for stock in of_part)
        grid.add_row(name, names, str(len(of_part)), total, str(num_here) if num_here else "-")
    primary = [source for source in holding.dataset.truth if source.role == "primary"]
    if primary:
        num_files = sum(len(source.files) for source in primary)
        grid.add_row("ground truth", "", f"{num_files}", "", "yes" if holding.has_truth else "-")
    return grid


def _counts_table(verification: Verification) -> Table:
    grid = new_grid(["machine type"], ["section", "split", "domain"], ["found", "expected"])
    previous = None
    for row in verification.counts:
        # Normal and anomalous clips, or all where these are not distinguished.
        is_apart = row.split == "test" and not row.found_unlabeled
        found, expected = str(row.num_found), str(row.num_expected)
        if is_apart:
            found = f"{row.found_normal} + {row.found_anomalous}"
            expected = f"{row.expected_normal} + {row.expected_anomalous}"
        grid.add_row(
            *(row.machine_type if row.machine_type != previous else "", row.section, row.split),
            *(row.domain or "", found, "?" if row.num_expected is None else expected),
            style="red" if row.is_as_expected is False else "",
        )
        previous = row.machine_type
    return grid
