"""Fetching: from a record on a server to recordings on disk, whatever happens on the way."""

import hashlib
import io
import json
import shutil
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
import yaml

from asdkeras.acquire import download
from asdkeras.acquire.fetch import fetch, fetch_truth
from asdkeras.cli import main
from asdkeras.data.manifest import read_manifest
from asdkeras.data.places import known_cards, truth_folder
from asdkeras.errors import DataError, RecipeError
from tests.acquire.http_server import Answer, Content, Server

COMMIT = "0123456789abcdef" * 2 + "01234567"
LIST = b"fan\nsection_03_source_test_0000.wav,section_03_source_test_anomaly_0000.wav\n"
LABELS = b"section_03_source_test_0000.wav,1\n"
CLIP = b"RIFF" + bytes(2000)


def archive_of(*names, content=CLIP):
    """Bytes of a zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content + name.encode())
    return buffer.getvalue()


FILES = {
    "dev_data_fan.zip": archive_of(
        "fan/train/section_00_source_train_normal_0000_a.wav",
        "fan/source_test/section_00_source_test_normal_0000.wav",
    ),
    "dev_data_valve.zip": archive_of("valve/train/section_00_source_train_normal_0000_a.wav"),
    "eval_data_fan_train.zip": archive_of("fan/train/section_03_source_train_normal_0000_a.wav"),
    "eval_data_fan_test.zip": archive_of("fan/source_test/section_03_source_test_0000.wav"),
}
PARTS = {
    "dev_data_fan.zip": ("dev", 1, "fan"),
    "dev_data_valve.zip": ("dev", 1, "valve"),
    "eval_data_fan_train.zip": ("additional_training", 2, "fan"),
    "eval_data_fan_test.zip": ("eval_test", 3, "fan"),
}


R2 = {"file": "dev_data_fan_r2.zip", "replaces": "dev_data_fan.zip"}


def md5(content):
    return hashlib.md5(content).hexdigest()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(download, "_RETRIES", download._RETRIES.new(total=1, backoff_factor=0))
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with Server() as server:
        yield server


class Host:
    """A server with records, and a manifest of them."""

    def __init__(self, server, folder):
        self.server = server
        self.path = folder / "manifest.yaml"
        self.archives = {
            file: {
                "part": part,
                "record": record,
                "machine_type": machine,
                "file": file,
                "md5": None,
            }
            for file, (part, record, machine) in PARTS.items()
        }
        self.truth = [
            self.source("lists", "primary", "names", "list.csv", LIST),
            self.source("tables", "alternate", "labels", "labels.csv", LABELS, machine="fan"),
        ]
        for file, content in FILES.items():
            self.serve(file, content)

    def source(self, repository, role, kind, path, content, machine=None):
        self.server.contents[f"/truth/someone/{repository}/{path}"] = Content(content)
        file = {"kind": kind, "path": path, "sha256": sha256(content)}
        if machine:
            file["machine_type"] = machine
        return {
            "repository": f"someone/{repository}",
            "commit": COMMIT,
            "license": "mit",
            "role": role,
            "files": [file],
        }

    def serve(self, file, content, *answers, record=None, name=None):
        """Put a file into a record, and what the record says of it."""
        number = record or PARTS[file][1]
        self.server.contents[f"/{number}/{name or file}"] = Content(content, answers)
        page = f"/api/{number}"
        told = json.loads(self.server.contents[page].body) if page in self.server.contents else {}
        told.setdefault("metadata", {"license": {"id": "cc-by-nc-sa-4.0"}})
        files = {entry["key"]: entry for entry in told.get("files", [])}
        entry = {"key": name or file, "size": len(content), "checksum": f"md5:{md5(content)}"}
        told["files"] = list((files | {entry["key"]: entry}).values())
        self.server.contents[page] = Content(json.dumps(told).encode())

    def manifest(self):
        content = {
            "schema_version": 1,
            "urls": {
                "page": self.server.url("/page/{record}"),
                "api": self.server.url("/api/{record}"),
                "file": self.server.url("/{record}/{file}"),
                "truth": self.server.url("/truth/{repository}/{path}?{commit}"),
            },
            "licenses": {"careful": "Read the page.", "mit": "MIT"},
            "datasets": {
                "dcase2021": {
                    "title": "A small year",
                    "sample_rate_hz": 16000,
                    "num_channels": 1,
                    "hours": 1,
                    "longest_clip_s": 10,
                    "records": [
                        {"number": 1, "part": "dev", "license": "careful"},
                        {"number": 2, "part": "additional_training", "license": "careful"},
                        {"number": 3, "part": "eval_test", "license": "careful"},
                    ],
                    "archives": list(self.archives.values()),
                    "clip_counts": {
                        "dev": {
                            "fan": {"00": {"train": {"source": 1}, "test": {"source": [1, 0]}}},
                            "valve": {"00": {"train": {"source": 1}}},
                        },
                        "eval": {
                            "fan": {"03": {"train": {"source": 1}, "test": {"source": [0, 1]}}}
                        },
                    },
                    "truth": self.truth,
                }
            },
        }
        self.path.write_text(yaml.safe_dump(content, sort_keys=False))
        return read_manifest(self.path)

    def fetch(self, to, *, parts=("dev",), machines=None, confirm=lambda offer: True, **more):
        more = {"jobs": 2, "keep_archives": False} | more
        dataset = self.manifest().dataset("2021")
        return fetch(dataset, to, parts=parts, machines=machines, confirm=confirm, **more)

    def asked(self, file):
        """Requests for an archive."""
        return self.server.ranges(f"/{PARTS[file][1]}/{file}")


@pytest.fixture
def host(server, tmp_path):
    # The path of a truth file is asked for with its commit as a query.
    server.contents = _WithoutQueries()
    return Host(server, tmp_path)


class _WithoutQueries(dict):
    def get(self, path, default=None):
        return super().get(path.partition("?")[0], default)


def names_below(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in Path(folder).rglob("*")
        if path.is_file() and path.name != ".lock"
    )


UNPACKED = [
    "dev_data/fan/source_test/section_00_source_test_normal_0000.wav",
    "dev_data/fan/train/section_00_source_train_normal_0000_a.wav",
    "dev_data/valve/train/section_00_source_train_normal_0000_a.wav",
    "download_lock.json",
]


def test_archives_become_recordings_and_are_gone(host, tmp_path):
    folder = host.fetch(tmp_path / "data")

    assert folder == tmp_path / "data" / "dcase2021"
    assert names_below(folder) == UNPACKED
    clip = folder / UNPACKED[2]
    assert clip.read_bytes() == CLIP + b"valve/train/section_00_source_train_normal_0000_a.wav"


def test_training_and_test_archives_of_a_machine_merge(host, tmp_path):
    folder = host.fetch(tmp_path, parts=["additional_training", "eval_test"])

    assert names_below(folder) == [
        "download_lock.json",
        "eval_data/fan/source_test/section_03_source_test_0000.wav",
        "eval_data/fan/train/section_03_source_train_normal_0000_a.wav",
    ]


def test_a_second_fetch_asks_nobody(host, tmp_path, capsys):
    host.fetch(tmp_path)
    num_requests = len(host.server.requests)

    host.fetch(tmp_path, confirm=lambda offer: pytest.fail("asked again"))

    assert len(host.server.requests) == num_requests
    assert "all 2 archives are there and unpacked" in capsys.readouterr().err


def test_only_what_was_asked_for_is_fetched(host, tmp_path):
    folder = host.fetch(tmp_path, machines=["valve"])

    assert names_below(folder) == UNPACKED[2:]
    assert host.asked("dev_data_fan.zip") == []


def test_archives_may_be_kept(host, tmp_path):
    folder = host.fetch(tmp_path, machines=["valve"], keep_archives=True)

    assert (folder / "archives/dev_data_valve.zip").read_bytes() == FILES["dev_data_valve.zip"]


def test_a_clip_that_went_missing_is_fetched_again(host, tmp_path):
    folder = host.fetch(tmp_path)
    (folder / UNPACKED[1]).unlink()

    host.fetch(tmp_path)

    assert names_below(folder) == UNPACKED
    assert len(host.asked("dev_data_fan.zip")) == 2
    assert len(host.asked("dev_data_valve.zip")) == 1


def test_the_offer_tells_sizes_license_and_place(host, tmp_path):
    offers = []

    host.fetch(tmp_path, confirm=lambda offer: offers.append(offer) or True)

    (text,) = offers
    total = len(FILES["dev_data_fan.zip"]) + len(FILES["dev_data_valve.zip"])
    assert f"2 archives, {total} bytes, to {tmp_path / 'dcase2021'}" in text
    assert "License: Read the page. The record says: cc-by-nc-sa-4.0." in text
    assert "/page/1" in text
    assert f"dev_data_fan.zip  {len(FILES['dev_data_fan.zip'])} bytes" in text


def test_nothing_is_downloaded_unless_the_offer_is_taken(host, tmp_path):
    with pytest.raises(RecipeError, match="the offer was declined"):
        host.fetch(tmp_path, confirm=lambda offer: False)

    assert host.asked("dev_data_fan.zip") == []


def test_checksums_are_learnt_from_the_record_and_pinned(host, tmp_path):
    folder = host.fetch(tmp_path)

    entry = json.loads((folder / "download_lock.json").read_text())["archives"]["dev_data_fan.zip"]
    assert entry["md5"] == md5(FILES["dev_data_fan.zip"])
    assert entry["size"] == len(FILES["dev_data_fan.zip"])
    assert entry["unpacked"] == {"dev_data/fan/source_test": 1, "dev_data/fan/train": 1}


def test_a_file_that_changed_in_its_record_is_noticed(host, tmp_path):
    folder = host.fetch(tmp_path)
    shutil.rmtree(folder / "dev_data/fan")
    host.serve("dev_data_fan.zip", archive_of("fan/train/other.wav"))

    with pytest.raises(DataError, match=r"dev_data_fan.zip: its record says md5 .*earlier it said"):
        host.fetch(tmp_path)


def test_the_record_is_believed_against_the_manifest(host, tmp_path, capsys):
    host.archives["dev_data_fan.zip"]["md5"] = "0" * 32

    folder = host.fetch(tmp_path)

    assert names_below(folder) == UNPACKED
    assert "the manifest knows md5 00000000000000000000000000000000" in capsys.readouterr().err


def test_wrong_bytes_are_never_unpacked_and_the_rest_is(host, tmp_path):
    host.serve("dev_data_fan.zip", FILES["dev_data_fan.zip"])
    host.server.contents["/1/dev_data_fan.zip"] = Content(
        FILES["dev_data_fan.zip"], then=Answer(wrong=True)
    )

    with pytest.raises(DataError, match=r"1 of 2 archives are not in place.*\n.*dev_data_fan.zip"):
        host.fetch(tmp_path)

    assert names_below(tmp_path / "dcase2021") == UNPACKED[2:]


def test_a_silent_record_is_no_hindrance_where_checksums_are_known(host, tmp_path, capsys):
    host.archives["dev_data_valve.zip"]["md5"] = md5(FILES["dev_data_valve.zip"])
    del host.server.contents["/api/1"]

    folder = host.fetch(tmp_path, machines=["valve"])

    assert names_below(folder) == UNPACKED[2:]
    assert "record 1 does not say what it holds" in capsys.readouterr().err


def test_nothing_is_downloaded_without_a_checksum(host, tmp_path):
    del host.server.contents["/api/1"]

    with pytest.raises(DataError, match=r"dev_data_fan.zip: no checksum is known, and record 1"):
        host.fetch(tmp_path)

    assert host.asked("dev_data_fan.zip") == []


def test_a_broken_download_goes_on_where_it_stood(host, tmp_path):
    content = FILES["dev_data_valve.zip"]
    host.server.contents["/1/dev_data_valve.zip"] = Content(
        content, [Answer(cut_after=100), *[Answer(status=503)] * 2]
    )
    with pytest.raises(DataError, match=r"the same command goes on with"):
        host.fetch(tmp_path, machines=["valve"])

    folder = host.fetch(tmp_path, machines=["valve"])

    assert names_below(folder) == UNPACKED[2:]
    assert host.asked("dev_data_valve.zip")[-1] == "bytes=100-"


def test_an_archive_that_reaches_out_of_the_folder_is_refused(host, tmp_path):
    host.serve("dev_data_fan.zip", archive_of("../../stolen.wav"))

    with pytest.raises(DataError, match=r"1 of 2 archives.*\n.*dev_data_fan\.zip"):
        host.fetch(tmp_path / "data")

    assert not list(tmp_path.rglob("stolen.wav"))
    assert (tmp_path / "data/dcase2021" / UNPACKED[2]).exists()


def test_a_file_of_the_user_is_not_overwritten(host, tmp_path):
    own = tmp_path / "dcase2021" / UNPACKED[2]
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")

    with pytest.raises(DataError, match=r"(?s)1 of 2 archives.*files there differ"):
        host.fetch(tmp_path)

    assert own.read_bytes() == b"mine"


def test_too_little_room_is_told_before_anything_is_downloaded(host, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 10**6, 10**6))

    with pytest.raises(DataError, match=r"not enough room. Needed: about .* MB.*free: 1.0 MB"):
        host.fetch(tmp_path)

    assert host.asked("dev_data_fan.zip") == []


def test_a_replacement_is_mentioned(host, tmp_path, capsys):
    host.archives["dev_data_fan.zip"] |= R2
    host.serve("dev_data_fan.zip", FILES["dev_data_fan.zip"], name="dev_data_fan_r2.zip")

    folder = host.fetch(tmp_path)

    assert names_below(folder) == UNPACKED
    said = capsys.readouterr().err
    assert "dev_data_fan_r2.zip replaces dev_data_fan.zip, which had errors" in said
    assert host.asked("dev_data_fan.zip") == []


def test_recordings_of_a_replaced_archive_are_not_mixed_with_its_replacement(host, tmp_path):
    folder = host.fetch(tmp_path)
    host.archives["dev_data_fan.zip"] |= R2
    newer = archive_of("fan/train/section_00_source_train_normal_0000_a.wav", content=CLIP + b"new")
    host.serve("dev_data_fan.zip", newer, name="dev_data_fan_r2.zip")

    with pytest.raises(DataError, match=r"hold the recordings of dev_data_fan\.zip"):
        host.fetch(tmp_path)
    assert names_below(folder) == UNPACKED

    shutil.rmtree(folder / "dev_data/fan")
    host.fetch(tmp_path)
    assert b"new" in (folder / UNPACKED[1]).read_bytes()


def test_an_archive_its_record_lacks_is_named(host, tmp_path):
    host.server.contents["/api/1"] = Content(b'{"metadata": {}, "files": []}')

    with pytest.raises(DataError, match=r"record 1 holds no dev_data_fan\.zip any more.*/page/1"):
        host.fetch(tmp_path)


def test_a_damaged_lock_file_is_refused(host, tmp_path):
    folder = host.fetch(tmp_path)
    (folder / "download_lock.json").write_text("[]")

    with pytest.raises(DataError, match="not a readable lock file"):
        host.fetch(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"machines": ["van"]}, "no machine type `van`. Did you mean `fan`"),
        ({"parts": ["evil"]}, "no part `evil`. Did you mean `eval`"),
        ({"machines": ["valve"], "parts": ["eval_test"]}, "valve of dcase2021 have no recordings"),
    ],
)
def test_what_does_not_exist_cannot_be_asked_for(host, tmp_path, options, message):
    with pytest.raises(RecipeError, match=message):
        host.fetch(tmp_path, **options)


def test_truth_is_kept_with_the_cache_and_fetched_once(host, tmp_path):
    assert host.fetch(None, parts=["truth"]) is None
    num_requests = len(host.server.requests)

    host.fetch(None, parts=["truth"])

    assert len(host.server.requests) == num_requests == 1
    kept = list(truth_folder("dcase2021").rglob("*.csv"))
    assert [path.read_bytes() for path in kept] == [LIST]


def test_the_alternate_truth_stands_in(host, capsys):
    del host.server.contents["/truth/someone/lists/list.csv"]

    fetch_truth(host.manifest().datasets["dcase2021"], jobs=1)

    kept = list(truth_folder("dcase2021").rglob("*.csv"))
    assert [path.read_bytes() for path in kept] == [LABELS]
    assert "Trying someone/tables instead" in capsys.readouterr().err


def test_changed_truth_is_refused(host):
    host.truth = host.truth[:1]
    host.server.contents["/truth/someone/lists/list.csv"] = Content(LIST.replace(b"anom", b"norm"))

    with pytest.raises(DataError, match="1 files of the ground truth are not in place"):
        fetch_truth(host.manifest().datasets["dcase2021"], jobs=1)

    assert not [path for path in truth_folder("dcase2021").rglob("*.csv")]


def command(host, tmp_path, *more):
    host.manifest()
    to = ["--to", str(tmp_path / "data"), "--manifest", str(host.path)]
    return main(["data", "fetch", "2021", *to, *more])


def test_the_command_fetches_registers_and_says_what_is_there(host, tmp_path, capsys):
    assert command(host, tmp_path, "--machines", "fan,valve", "--yes") == 0

    out = capsys.readouterr().out
    assert "dcase2021: dev_data and eval_data" in out
    assert "development: fan 2, valve 1" in out
    assert "evaluation, test: fan 1" in out
    assert "use it with --data dcase2021" in out
    assert list(known_cards()) == ["dcase2021"]
    assert main(["data", "list", "2021", "--manifest", str(host.path)]) == 0
    listed = capsys.readouterr().out
    assert str(tmp_path / "data/dcase2021/dev_data") in listed
    assert "yes" in listed  # The ground truth.


def test_the_command_verifies_what_it_fetched(host, tmp_path, capsys):
    assert command(host, tmp_path, "--yes") == 0

    assert main(["data", "verify", "dcase2021", "--manifest", str(host.path)]) == 3

    shown = capsys.readouterr()
    assert "0 + 1" in shown.out  # The label came from the ground truth.
    assert "no WAV or FLAC audio" in shown.out  # The clips of this server are none.


def test_nobody_there_to_be_asked_is_an_error(host, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())

    assert command(host, tmp_path, "--parts", "dev") == 2

    said = capsys.readouterr().err
    assert "nobody is there to be asked. Add --yes" in said
    assert "2 archives" in said


def test_a_folder_is_asked_for(host, capsys):
    host.manifest()

    assert main(["data", "fetch", "2021", "--manifest", str(host.path), "--yes"]) == 2

    assert "--to DIR must say where" in capsys.readouterr().err


def test_an_unknown_year_is_answered_with_those_there_are(capsys):
    assert main(["data", "fetch", "2031", "--yes"]) == 2

    assert "has no dataset of that year. Known: 2020, 2021, 2022, " in capsys.readouterr().err
