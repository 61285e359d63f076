"""What is known of the public datasets beforehand: archives, checksums, counts, truth."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from asdkeras.config import Checked, Constraint, Count, form
from asdkeras.errors import RecipeError

Part = Literal["dev", "additional_training", "eval_test"]

_NAME = form(r"\w+", "a plain name of letters, digits and `_`")
_ZIP = form(r"\w[\w.-]*\.zip", "the name of a zip file, without folders")
_NUMBER = Constraint("must not be negative", lambda value: value >= 0)
_PATH = form(r"\w[\w.-]*(?:/\w[\w.-]*)*", "a path inside the repository, without `..`")


@dataclasses.dataclass(frozen=True)
class Record(Checked):
    """One record of the archive that hosts the datasets; `page` and `api` are URLs."""

    number: Count
    part: Literal["dev", "additional_training", "eval_test", "truth"]
    license: str
    page: str
    api: str


@dataclasses.dataclass(frozen=True)
class Archive(Checked):
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
    machine_type: Annotated[str, _NAME]
    record: Count
    file: Annotated[str, _ZIP]
    md5: Annotated[str | None, form("[0-9a-f]{32}", "32 lower-case hex digits")]
    replaces: Annotated[str | None, _ZIP]
    url: str


def archive_part(part: Literal["dev", "eval"], split: str) -> Part:
    """The kind of archive that clips of a set and a split come in."""
    if part == "dev":
        return "dev"
    return "eval_test" if split == "test" else "additional_training"


@dataclasses.dataclass(frozen=True)
class ClipCount(Checked):
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
    machine_type: Annotated[str, _NAME]
    section: Annotated[str, form(r"\d\d", "two digits in quotes")]
    split: Annotated[str, form("train|test|supplemental", "train, test or supplemental")]
    domain: Annotated[str | None, form("source|target", "source or target")]
    normal: Annotated[int | None, _NUMBER]
    anomalous: Annotated[int | None, _NUMBER]


@dataclasses.dataclass(frozen=True)
class TruthFile(Checked):
    """One file with facts about test clips.

    Attributes:
        kind: `names` (lists of raw and labeled names), `labels`, `domains` or `attributes`.
        machine_type: None if the file is about several.
        name: where it is kept, relative to the dataset's folder; unique in the dataset.
        url: where it comes from.
        sha256: hex digits.
    """

    kind: Literal["names", "labels", "domains", "attributes"]
    machine_type: Annotated[str | None, _NAME]
    name: Annotated[str, _PATH]
    url: str
    sha256: Annotated[str, form("[0-9a-f]{64}", "64 lower-case hex digits")]


@dataclasses.dataclass(frozen=True)
class TruthSource(Checked):
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

    repository: Annotated[str, form(r"[\w.-]+/[\w.-]+", "owner and name of a repository")]
    commit: Annotated[str, form("[0-9a-f]{40}", "40 lower-case hex digits")]
    license: str
    role: Literal["primary", "alternate", "released_attributes"]
    files: tuple[TruthFile, ...]


@dataclasses.dataclass(frozen=True)
class Dataset(Checked):
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
    sample_rate_hz: Count
    num_channels: Count
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
