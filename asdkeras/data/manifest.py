"""What is known of the public datasets beforehand: archives, checksums, counts, truth."""

import dataclasses
from pathlib import Path
from typing import Literal, NamedTuple

from asdkeras.errors import RecipeError

Part = Literal["dev", "additional_training", "eval_test"]


class Record(NamedTuple):
    """One record of the archive that hosts the datasets; `page` and `api` are URLs."""

    number: int
    part: Part | Literal["truth"]
    license: str
    page: str
    api: str


class Archive(NamedTuple):
    """One zip file, which holds clips of one machine type.

    Attributes:
        dataset: such as `dcase2021`.
        part: of the dataset.
        machine_type: also the folder it unpacks to.
        record: number of the record.
        file: its name.
        md5: hex digits; None if not known beforehand.
        replaces: name of a damaged file that this one supersedes, or None.
        url: where it is.
    """

    dataset: str
    part: Part
    machine_type: str
    record: int
    file: str
    md5: str | None
    replaces: str | None
    url: str


def archive_part(part: Literal["dev", "eval"], split: str) -> Part:
    """The kind of archive that clips of a set and a split come in."""
    if part == "dev":
        return "dev"
    return "eval_test" if split == "test" else "additional_training"


class ClipCount(NamedTuple):
    """How many clips there are of one machine type, section, split and domain.

    Attributes:
        part: which set; the additional training clips belong to the evaluation set.
        machine_type: folder name.
        section: two digits.
        split: `train`, `test` or `supplemental`.
        domain: `source` or `target`; None where the split has none.
        normal: number of normal clips, of all clips if supplemental; None if not known.
        anomalous: number of anomalous clips; None if not known or supplemental.
    """

    part: Literal["dev", "eval"]
    machine_type: str
    section: str
    split: str
    domain: str | None
    normal: int | None
    anomalous: int | None


class TruthFile(NamedTuple):
    """One file with facts about test clips.

    Attributes:
        kind: `names` (lists of raw and labeled names), `labels`, `domains` or `attributes`.
        machine_type: None if the file is about several.
        name: where it is kept, relative to the dataset's folder; unique in the dataset.
        url: where it comes from.
        sha256: hex digits.
    """

    kind: Literal["names", "labels", "domains", "attributes"]
    machine_type: str | None
    name: str
    url: str
    sha256: str


class TruthSource(NamedTuple):
    """Files of one repository at one commit.

    Attributes:
        repository: owner and name.
        commit: 40 hex digits.
        license: text.
        role: all `primary` sources of a dataset together are its truth, all `alternate`
            ones the same truth again; `released_attributes` were withheld from the
            challenge.
        files: what is taken from there.
    """

    repository: str
    commit: str
    license: str
    role: Literal["primary", "alternate", "released_attributes"]
    files: tuple[TruthFile, ...]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The dataset of one year.

    Attributes:
        name: such as `dcase2021`.
        year: of the challenge.
        title: in words.
        sample_rate_hz: of every clip.
        num_channels: of every clip.
        hours: length of all clips together; None if not known.
        longest_clip_s: length of the longest clip; None if not known.
        records: where the archives are.
        archives: the zip files, in the order of the manifest.
        clip_counts: what the zip files hold.
        truth: where the facts about the evaluation clips are.
    """

    name: str
    year: int
    title: str
    sample_rate_hz: int
    num_channels: int
    hours: float | None
    longest_clip_s: float | None
    records: tuple[Record, ...]
    archives: tuple[Archive, ...]
    clip_counts: tuple[ClipCount, ...]
    truth: tuple[TruthSource, ...]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """All datasets by name, and the file that says so."""

    path: Path
    datasets: dict[str, Dataset]

    def dataset(self, year: str | int) -> Dataset:
        """The dataset of a year.

        Args:
            year: such as `2021` or `dcase2021`.

        Raises:
            RecipeError: if there is none.
        """
        name = f"dcase{year}" if str(year).isdigit() else str(year)
        if name not in self.datasets:
            known = ", ".join(name.removeprefix("dcase") for name in self.datasets)
            raise RecipeError(
                f"{self.path} has no dataset of that year. Known: {known}. Received: {year!r}"
            )
        return self.datasets[name]
