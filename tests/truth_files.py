"""Files of ground truth as they are cached: typed by a test, or the published ones."""

import dataclasses
import hashlib
import shutil
from pathlib import Path

from asdkeras.data.layouts import Clip
from asdkeras.data.manifest import Dataset, TruthFile, TruthSource, read_manifest
from asdkeras.data.truth import read_truth as read_pinned_truth
from tests.real_data import real_data


def dataset(year, *sources):
    """A dataset of nothing but truth; a source is its role and its files."""
    return Dataset(
        name=f"dcase{year}",
        year=year,
        title=f"DCASE {year}",
        sample_rate_hz=16000,
        num_channels=1,
        hours=None,
        longest_clip_s=None,
        records=(),
        archives=(),
        clip_counts=(),
        truth=tuple(
            TruthSource(
                repository="somebody/something",
                commit="0" * 40,
                license="MIT",
                role=role,
                files=tuple(TruthFile(*file, "https://example.org", "0" * 64) for file in files),
            )
            for role, *files in sources
        ),
    )


def write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    return folder


def pinned(dataset, folder):
    """The dataset as if its files had been published as they lie in a folder."""

    def file_there(file):
        path = folder / file.name
        if not path.exists():
            return file
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return dataclasses.replace(file, sha256=digest)

    truth = tuple(
        dataclasses.replace(source, files=tuple(map(file_there, source.files)))
        for source in dataset.truth
    )
    return dataclasses.replace(dataset, truth=truth)


def read_truth(dataset, folder):
    """The truth in a folder, whatever its files say."""
    return read_pinned_truth(pinned(dataset, folder), folder)


def clip(path, machine_type, **fields):
    values = {"domain": None, "split": "test", "is_anomalous": None, "attributes": None} | fields
    section = fields.get("section", Path(path).name.split("section_")[-1][:2])
    return Clip(**{"path": path, "machine_type": machine_type, "section": section} | values)


def publish(folder):
    """The manifest, and the folder with the published files in it; skips without real data."""
    manifest = read_manifest()
    paths = {
        hashlib.sha256(path.read_bytes()).hexdigest(): path
        for path in real_data("1_ground_truth").rglob("*.csv")
    }
    for each in manifest.datasets.values():
        for file in (file for source in each.truth for file in source.files):
            (folder / each.name / file.name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(paths[file.sha256], folder / each.name / file.name)
    return manifest, folder
