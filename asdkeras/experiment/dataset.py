"""The dataset a command works on, and what is kept of it between commands."""

import os
from collections.abc import Sequence
from pathlib import Path

from asdkeras.acquire.verify import Verification, verify
from asdkeras.corpus.mini import FORMAT_VERSION, generate
from asdkeras.corpus.sizes import Size
from asdkeras.data.clip_table import find_clips
from asdkeras.data.layouts import Layout
from asdkeras.data.manifest import Manifest, read_manifest
from asdkeras.data.places import cache_folder, known_cards, truth_folder
from asdkeras.data.truth import Truth, read_correspondence, read_truth, released_attributes
from asdkeras.data.years import WITHHELD, years_of
from asdkeras.errors import DataError
from asdkeras.progress import say, stage


def find_data(given: Path | None) -> Path:
    """The folder, card or CSV file to work on: as given, else $ASDKERAS_DATA, else generated.

    The name of a dataset that was fetched or adopted stands for its card.
    """
    if given is not None:
        return given if given.exists() else known_cards().get(str(given), given)
    if os.environ.get("ASDKERAS_DATA"):
        say(f"data: $ASDKERAS_DATA, {os.environ['ASDKERAS_DATA']}")
        return find_data(Path(os.environ["ASDKERAS_DATA"]))
    # Corpora of other versions may lie there, and may be in use: each has a folder of its own.
    folder = cache_folder() / f"mini2021_v{FORMAT_VERSION}"
    say(f"data: the generated mini corpus in {folder} (choose another with --data DIR)")
    return generate_mini(folder, year=2021, size="mini", seed=0)


def known_truth(dataset: str, manifest: Manifest | None = None) -> Truth | None:
    """The ground truth of the evaluation set of an official dataset, once it was fetched."""
    if not years_of(dataset):
        return None
    entry = (manifest or read_manifest()).datasets.get(dataset)
    return None if entry is None else read_truth(entry, truth_folder(dataset))


def known_released(layout: Layout) -> dict[str, dict[str, str]]:
    """Attributes withheld by a challenge, from published files and from beside the clips.

    Raises:
        DataError: if the dataset withheld none, or the files are not there.
    """
    entry = read_manifest().datasets.get(layout.dataset)
    if entry is None or entry.year not in WITHHELD:
        raise DataError(
            f"clips.released_attributes: {layout.dataset} withholds no attributes. Set it to false."
        )
    released: dict[str, dict[str, str]] = {}
    for path in map(Path, layout.machine_folders):
        for table in sorted(path.glob("attributes_*_correspondence.csv")):
            released.setdefault(path.name, {}).update(read_correspondence(table))
    folder = truth_folder(entry.name)
    sources = [source for source in entry.truth if source.role == "released_attributes"]
    if all((folder / file.name).exists() for source in sources for file in source.files):
        for machine_type, names in released_attributes(entry, folder).items():
            released.setdefault(machine_type, {}).update(names)
    if not released:
        raise DataError(
            f"clips.released_attributes: those of {layout.dataset} are not here. Get what was "
            f"published with `asdkeras data fetch {entry.year} --parts truth`, or put the "
            "attributes_*_correspondence.csv files into the folders of their machine types."
        )
    return released


def verified(data: Path, manifest: Manifest, decode: bool, jobs: int | None) -> Verification:
    """Check every file of a dataset, with progress; see `acquire.verify.verify`."""
    data = find_data(data)
    truth = known_truth(find_clips(data).dataset, manifest)
    with stage("verify clips") as update:
        return verify(
            data, manifest=manifest, truth=truth, decode=decode, jobs=jobs, on_progress=update
        )


def generate_mini(
    out: Path, *, year: int, size: Size, seed: int, machines: Sequence[str] | None = None
) -> Path:
    """Generate a corpus, with progress; see `corpus.mini.generate`."""
    with stage("generate clips") as update:
        return generate(out, year=year, size=size, seed=seed, machines=machines, on_progress=update)
