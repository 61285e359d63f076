"""A manifest is read as a whole or refused with the places of all that is wrong."""

import copy
import re

import pytest
import yaml

from asdkeras.data import manifest as module
from asdkeras.data.manifest import Archive, ClipCount, Record, TruthFile, read_manifest
from asdkeras.errors import DataError, RecipeError

COMMIT = "0123456789abcdef" * 2 + "01234567"
SHA256 = "0123456789abcdef" * 4
MD5 = "0123456789abcdef" * 2
SMALL = {
    "schema_version": 1,
    "urls": {
        "page": "https://host.test/records/{record}",
        "api": "https://host.test/api/{record}",
        "file": "https://host.test/{record}/{file}",
        "truth": "https://raw.test/{repository}/{commit}/{path}",
    },
    "licenses": {"careful": "Read the page.", "mit": "MIT"},
    "datasets": {
        "dcase2024": {
            "title": "A year",
            "sample_rate_hz": 16000,
            "num_channels": 1,
            "hours": 49.5,
            "longest_clip_s": None,
            "records": [
                {"number": 1, "part": "dev", "license": "careful"},
                {"number": 2, "part": "additional_training", "license": "careful"},
                {"number": 3, "part": "eval_test", "license": "careful"},
                {"number": 4, "part": "truth", "license": "mit"},
            ],
            "archives": [
                {"part": "dev", "record": 1, "machine_type": "fan", "file": "a.zip", "md5": None},
                {
                    "part": "additional_training",
                    "record": 2,
                    "machine_type": "3DPrinter",
                    "file": "b_r2.zip",
                    "md5": MD5,
                    "replaces": "b.zip",
                },
                {
                    "part": "eval_test",
                    "record": 3,
                    "machine_type": "3DPrinter",
                    "file": "c.zip",
                    "md5": None,
                },
            ],
            "clip_counts": {
                "dev": {"fan": {"00": {"train": None, "test": {"source": [5, 6], "target": None}}}},
                "eval": {
                    "3DPrinter": {
                        "03": {
                            "train": {"source": 990, "target": 10},
                            "test": [7, 0],
                            "supplemental": 100,
                        }
                    }
                },
            },
            "truth": [
                {
                    "repository": "owner/the.name",
                    "commit": COMMIT,
                    "license": "mit",
                    "role": "primary",
                    "files": [
                        {"kind": "names", "path": "lists/list.csv", "sha256": SHA256},
                        {
                            "kind": "labels",
                            "machine_type": "3DPrinter",
                            "path": "l.csv",
                            "sha256": SHA256,
                        },
                    ],
                },
                {
                    "repository": "owner/the.name",
                    "commit": COMMIT,
                    "license": "careful",
                    "role": "alternate",
                    "files": [{"kind": "names", "path": "lists/list.csv", "sha256": SHA256}],
                },
            ],
        },
    },
}
YEAR = ("datasets", "dcase2024")
ARCHIVES = (*YEAR, "archives")
COUNTS = (*YEAR, "clip_counts")
TRUTH = (*YEAR, "truth")
MISSING = object()


def write(folder, content):
    path = folder / "data_manifest.yaml"
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    path.write_text(text, encoding="utf-8")
    return path


def changed(*changes):
    """The small manifest with values at some keys set, or with the keys taken out."""
    content = copy.deepcopy(SMALL)
    for keys, value in changes:
        place = content
        for key in keys[:-1]:
            place = place[key]
        if value is MISSING:
            del place[keys[-1]]
        elif isinstance(place, list) and keys[-1] == len(place):
            place.append(copy.deepcopy(value))
        else:
            place[keys[-1]] = copy.deepcopy(value)
    return content


def fault_of(folder, content):
    """The error of a manifest, without the path."""
    path = write(folder, content)
    with pytest.raises(DataError) as caught:
        read_manifest(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


def test_everything_that_stands_in_a_manifest_arrives(tmp_path):
    path = write(tmp_path, SMALL)

    manifest = read_manifest(path)

    assert manifest.path == path
    (dataset,) = manifest.datasets.values()
    assert (dataset.name, dataset.year, dataset.title) == ("dcase2024", 2024, "A year")
    assert (dataset.sample_rate_hz, dataset.num_channels) == (16000, 1)
    assert (dataset.hours, dataset.longest_clip_s) == (49.5, None)
    assert dataset.records[0] == Record(
        1, "dev", "Read the page.", "https://host.test/records/1", "https://host.test/api/1"
    )
    assert [(record.part, record.license) for record in dataset.records[1:]] == [
        ("additional_training", "Read the page."),
        ("eval_test", "Read the page."),
        ("truth", "MIT"),
    ]
    assert dataset.archives == (
        Archive("dcase2024", "dev", "fan", 1, "a.zip", None, None, "https://host.test/1/a.zip"),
        Archive(
            dataset="dcase2024",
            part="additional_training",
            machine_type="3DPrinter",
            record=2,
            file="b_r2.zip",
            md5=MD5,
            replaces="b.zip",
            url="https://host.test/2/b_r2.zip",
        ),
        Archive(
            "dcase2024",
            "eval_test",
            "3DPrinter",
            3,
            "c.zip",
            None,
            None,
            "https://host.test/3/c.zip",
        ),
    )
    assert dataset.clip_counts == (
        ClipCount("dev", "fan", "00", "train", None, None, 0),
        ClipCount("dev", "fan", "00", "test", "source", 5, 6),
        ClipCount("dev", "fan", "00", "test", "target", None, None),
        ClipCount("eval", "3DPrinter", "03", "train", "source", 990, 0),
        ClipCount("eval", "3DPrinter", "03", "train", "target", 10, 0),
        ClipCount("eval", "3DPrinter", "03", "test", None, 7, 0),
        ClipCount("eval", "3DPrinter", "03", "supplemental", None, 100, None),
    )
    primary, alternate = dataset.truth
    assert (primary.repository, primary.commit) == ("owner/the.name", COMMIT)
    assert (primary.license, primary.role) == ("MIT", "primary")
    assert (alternate.license, alternate.role) == ("Read the page.", "alternate")
    raw = f"https://raw.test/owner/the.name/{COMMIT}"
    assert primary.files == (
        TruthFile("names", None, "primary/lists/list.csv", f"{raw}/lists/list.csv", SHA256),
        TruthFile("labels", "3DPrinter", "primary/l.csv", f"{raw}/l.csv", SHA256),
    )


def test_a_file_in_two_roles_has_two_names(tmp_path):
    truth = read_manifest(write(tmp_path, SMALL)).datasets["dcase2024"].truth

    names = [file.name for source in truth for file in source.files]

    assert len(set(names)) == len(names) == 3


def test_a_mirror_needs_one_edit(tmp_path):
    content = changed((("urls", "file"), "http://127.0.0.1:8080/mirror/{record}/x/{file}?a=%7B"))

    archives = read_manifest(write(tmp_path, content)).datasets["dcase2024"].archives

    assert archives[0].url == "http://127.0.0.1:8080/mirror/1/x/a.zip?a=%7B"
    assert archives[1].url == "http://127.0.0.1:8080/mirror/2/x/b_r2.zip?a=%7B"


def test_a_dataset_is_found_by_its_year(tmp_path):
    manifest = read_manifest(write(tmp_path, SMALL))

    found = [manifest.dataset(year) for year in ("2024", 2024, "dcase2024")]

    assert found == [manifest.datasets["dcase2024"]] * 3


@pytest.mark.parametrize("year", ["2025", "mini2024", ""])
def test_a_year_that_is_not_there_is_refused_with_those_that_are(tmp_path, year):
    manifest = read_manifest(write(tmp_path, SMALL))

    with pytest.raises(RecipeError, match=rf"Known: 2024\. Received: '{year}'"):
        manifest.dataset(year)


PATTERN = "`file` must be a URL with {record}, {file} and no other placeholders."


@pytest.mark.parametrize(
    ("keys", "value", "fault"),
    [
        (("schema_version",), 2, "the manifest: `schema_version` must be 1, the one this version"),
        (("schema_version",), True, "the manifest: `schema_version` must be of type int. Received"),
        (("url",), {}, "the manifest: unknown key `url`. Did you mean `urls`?"),
        (
            ("xyz",),
            {},
            "the manifest: unknown key `xyz`. Known: schema_version, urls, licenses, da",
        ),
        ((7,), {}, "the manifest: unknown key `7`. Known: "),
        (("licenses",), MISSING, "the manifest: missing `licenses`."),
        (("datasets",), [], "the manifest: `datasets` must be a mapping. Received: []"),
        (("urls",), "x", "the manifest: `urls` must be a mapping. Received: 'x'"),
        (("urls", "fil"), "x", "the manifest: `urls`: unknown key `fil`. Did you mean `file`?"),
        (("urls", "api"), MISSING, "the manifest: `urls`: missing `api`."),
        (("urls", "api"), 5, "the manifest: `urls`: `api` must be of type str. Received: 5"),
        (
            ("urls", "file"),
            "https://h/{record}/{name}",
            f"the manifest: `urls`: {PATTERN} Received: 'https:",
        ),
        (("urls", "file"), "https://h/{file}", f"the manifest: `urls`: {PATTERN}"),
        (("urls", "file"), "https://h/{record}/{file}/{}", f"the manifest: `urls`: {PATTERN}"),
        (("urls", "file"), "https://h/{record!r}/{file}", f"the manifest: `urls`: {PATTERN}"),
        (("urls", "file"), "https://h/{record:9}/{file}", f"the manifest: `urls`: {PATTERN}"),
        (("urls", "file"), "https://h/{record.x}/{file}", f"the manifest: `urls`: {PATTERN}"),
        (("urls", "file"), "https://h/{record}/{file", f"the manifest: `urls`: {PATTERN}"),
        (("urls", "file"), "ftp://h/{record}/{file}", f"the manifest: `urls`: {PATTERN}"),
        (("datasets", "dcase1999"), {}, "datasets: a key must be a dataset, such as dcase2021. Re"),
        (YEAR, None, "datasets.dcase2024: must be a mapping. Received: None"),
        ((*YEAR, "titel"), "x", "datasets.dcase2024: unknown key `titel`. Did you mean `title`?"),
        ((*YEAR, "title"), 5, "datasets.dcase2024: `title` must be of type str. Received: 5"),
        ((*YEAR, "title"), MISSING, "datasets.dcase2024: missing `title`."),
        ((*YEAR, "num_channels"), 0, "datasets.dcase2024: `num_channels` must be at least 1. Rece"),
        ((*YEAR, "sample_rate_hz"), 16e3, "datasets.dcase2024: `sample_rate_hz` must be of type i"),
        ((*YEAR, "longest_clip_s"), "10", "datasets.dcase2024: `longest_clip_s` must be a number"),
        ((*YEAR, "records"), {}, "datasets.dcase2024: `records` must be a list. Received: {}"),
        ((*YEAR, "records", 0), 5, "datasets.dcase2024.records[0]: must be a mapping. Received: 5"),
        (
            (*YEAR, "records", 3, "part"),
            "truht",
            "datasets.dcase2024.records[3]: `part` must be one of 'dev', 'additional_training', "
            "'eval_test', 'truth'. Received: 'truht'. Did you mean `truth`?",
        ),
        (
            (*YEAR, "records", 3, "license"),
            "mitt",
            "datasets.dcase2024: `license` must be one of careful, mit. Received: 'mitt'. "
            "Did you mean `mit`?",
        ),
        (
            (*ARCHIVES, 1, "md"),
            None,
            "datasets.dcase2024.archives[1]: unknown key `md`. Did you mean `md5`?",
        ),
        ((*ARCHIVES, 1, "md5"), MISSING, "datasets.dcase2024.archives[1]: missing `md5`."),
        ((*ARCHIVES, 1, "part"), "truth", "datasets.dcase2024.archives[1]: `part` must be one of "),
        ((*ARCHIVES, 1, "machine_type"), "a/b", "datasets.dcase2024.archives[1]: `machine_type` m"),
        ((*ARCHIVES, 1, "machine_type"), "ä", "datasets.dcase2024.archives[1]: `machine_type` mus"),
        ((*ARCHIVES, 1, "replaces"), "../b.zip", "datasets.dcase2024.archives[1]: `replaces` must"),
        (
            (*COUNTS, "devel"),
            {"fan": {"00": {"train": 1}}},
            "datasets.dcase2024.clip_counts.devel.fan.00.train: `part` must be one of 'dev', "
            "'eval'. Received: 'devel'. Did you mean `dev`?",
        ),
        (
            (*COUNTS, "dev", "fan"),
            {0: {"train": 1}},
            "datasets.dcase2024.clip_counts.dev.fan.0.train: `section` must be of type str. "
            "Received: 0",
        ),
        (
            (*COUNTS, "dev", "fan", "00"),
            None,
            "datasets.dcase2024.clip_counts.dev.fan.00: missing `split`.",
        ),
        (
            (*COUNTS, "dev", "fan", "00"),
            {"tset": [1, 1]},
            "datasets.dcase2024.clip_counts.dev.fan.00.tset: `split` must be train, test or "
            "supplemental. Received: 'tset'",
        ),
        (
            (*COUNTS, "dev", "fan", "00", "train"),
            {"sauce": 1},
            "datasets.dcase2024.clip_counts.dev.fan.00.train.sauce: `domain` must be source or "
            "target. Received: 'sauce'",
        ),
        (
            (*COUNTS, "dev", "fan", "00", "train"),
            {"source": -1},
            "datasets.dcase2024.clip_counts.dev.fan.00.train.source: `normal` must be at "
            "least 0. Received: -1",
        ),
        *(
            (
                (*COUNTS, "dev", "fan", "00", split),
                value,
                f"datasets.dcase2024.clip_counts.dev.fan.00.{split}: must be one count, or two "
                "of test clips, [normal, anomalous]. Received: ",
            )
            for split, value in (("train", [1, 1]), ("supplemental", [1, 1]), ("test", 5))
        ),
        *(
            (
                (*COUNTS, "dev", "fan", "00", "test"),
                value,
                f"datasets.dcase2024.clip_counts.dev.fan.00.test: `{name}` must",
            )
            for name, value in (("normal", [5]), ("anomalous", [5, -1]), ("normal", [True, 1]))
        ),
        (TRUTH, {}, "datasets.dcase2024: `truth` must be a list. Received: {}"),
        ((*TRUTH, 0, "repository"), "name", "datasets.dcase2024.truth[0]: `repository` must be o"),
        ((*TRUTH, 0, "commit"), "abc", "datasets.dcase2024.truth[0]: `commit` must be 40 lower-ca"),
        ((*TRUTH, 0, "license"), "MIT", "datasets.dcase2024: `license` must be one of careful, mi"),
        ((*TRUTH, 1, "role"), "second", "datasets.dcase2024.truth[1]: `role` must be one of 'prim"),
        (
            (*TRUTH, 0, "files", 1, "kind"),
            "label",
            "datasets.dcase2024.truth[0].files[1]: `kind` m",
        ),
        (
            (*TRUTH, 0, "files", 1, "sha256"),
            "abc",
            "datasets.dcase2024.truth[0].files[1]: `sha256` must be 64 lower-case hex digits",
        ),
    ],
)
def test_a_fault_is_named_with_its_key(tmp_path, keys, value, fault):
    assert fault_of(tmp_path, changed((keys, value))).startswith(fault)


@pytest.mark.parametrize("value", [MD5[:-1], MD5 + "0", MD5.upper(), "g" * 32, MD5 + "\n", 1234])
def test_a_checksum_is_32_hex_digits(tmp_path, value):
    fault = fault_of(tmp_path, changed(((*ARCHIVES, 1, "md5"), value)))

    assert fault.startswith("datasets.dcase2024.archives[1]: `md5` must be ")


@pytest.mark.parametrize(
    "value", ["a/b.zip", "a\\b.zip", "..", "../b.zip", "/b.zip", ".b.zip", "b.tar", "b.zip\n", ""]
)
def test_an_archive_is_a_plain_name(tmp_path, value):
    fault = fault_of(tmp_path, changed(((*ARCHIVES, 1, "file"), value)))

    assert fault.startswith("datasets.dcase2024.archives[1]: `file` must be the name of a zip file")


@pytest.mark.parametrize(
    "value", ["../l.csv", "a/../l.csv", "/l.csv", "a//l.csv", "a\\l.csv", "a/.git/l", "l.csv\n", ""]
)
def test_a_truth_file_stays_inside_its_folder(tmp_path, value):
    fault = fault_of(tmp_path, changed(((*TRUTH, 0, "files", 0, "path"), value)))

    assert fault.startswith("datasets.dcase2024.truth[0].files[0]: `name` must be a path inside")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "schema_version: 1\nurls: {}\nschema_version: 1\n",
            r", line 3: key `schema_version` stan",
        ),
        ("schema_version: [1\n", r", line 2: "),
        ("schema_version: 2020-99-99\n", r": not YAML: month must be in 1\.\.12"),
        ("? [1]\n: 2\n", r", line 1: found unhashable key"),
        ("- 1\n", r": the manifest: must be a mapping\. Received: \[1\]"),
        ("", r": the manifest: must be a mapping\. Received: None"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, text, message):
    path = write(tmp_path, text)

    with pytest.raises(DataError, match=re.escape(str(path)) + message):
        read_manifest(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"title: \xe4\n")

    for name in ("none.yaml", "latin.yaml"):
        with pytest.raises(DataError, match=rf"{name}: the manifest cannot be read: "):
            read_manifest(tmp_path / name)


def test_an_installed_package_has_its_manifest_within(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "__file__", str(tmp_path / "asdkeras/data/manifest.py"))
    inside = tmp_path / "asdkeras" / "manifest"
    inside.mkdir(parents=True)
    beside = write(tmp_path, SMALL)

    assert read_manifest().path == beside
    assert read_manifest(write(inside, SMALL)) == read_manifest()
    assert read_manifest().path == inside / "data_manifest.yaml"
