"""Unpacking: all of an archive or a reason, and never a byte outside or over another file."""

import collections
import contextlib
import errno
import pathlib
import random
import shutil
import stat
import struct
import warnings
import zipfile
import zlib

import pytest

from asdkeras.acquire import unpack as unpack_module
from asdkeras.acquire.unpack import unpack
from asdkeras.errors import DataError

CLIP = random.Random(0).randbytes(300)
USUAL = {
    "fan/train/section_00_source_train_normal_0000_m-n_X.wav": CLIP,
    "fan/train/section_00_source_train_normal_0001_ac_0.03_.wav": CLIP[:200],
    "fan/test/section_00_0000.wav": b"",
    "readme.txt": b"fan\n",
}


def pack(path, members, method=zipfile.ZIP_DEFLATED):
    """Write an archive of (name or ZipInfo, content), however odd."""
    pairs = members.items() if isinstance(members, dict) else members
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as file:
        warnings.simplefilter("ignore")  # The same name twice.
        for name, content in pairs:
            file.writestr(name, content)
    return path


def member(name, mode=0, **values):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    for key, value in values.items():
        setattr(info, key, value)
    return info


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "dev_fan.zip"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "dev_data"


def files_in(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refusal(archive, target):
    """The error's text; checks that nothing was written."""
    before = sorted(target.parent.parent.rglob("*"))
    contents = {path: path.read_bytes() for path in before if path.is_file()}

    with pytest.raises(DataError) as failure:
        unpack(archive, target)

    assert sorted(target.parent.parent.rglob("*")) == before
    assert {path: path.read_bytes() for path in before if path.is_file()} == contents
    return str(failure.value)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_everything_in_the_archive_is_in_the_target_and_counted(archive, target, method):
    pack(archive, USUAL, method)

    folders = unpack(archive, target)

    assert files_in(target) == USUAL
    assert folders == {"fan/train": 2, "fan/test": 1, ".": 1}


def test_two_archives_merge_in_one_folder(archive, target):
    unpack(pack(archive, {"fan/train/a.wav": CLIP}), target)
    unpack(pack(archive, {"fan/test/b.wav": CLIP}), target)

    assert files_in(target) == {"fan/train/a.wav": CLIP, "fan/test/b.wav": CLIP}


def test_the_second_time_nothing_is_written(archive, target):
    pack(archive, USUAL)
    first = unpack(archive, target)
    stamps = {path: path.stat().st_ino for path in target.rglob("*")}

    assert unpack(archive, target) == first
    assert {path: path.stat().st_ino for path in target.rglob("*")} == stamps


def test_what_is_missing_is_added(archive, target):
    pack(archive, USUAL)
    unpack(archive, target)
    (target / "readme.txt").unlink()

    unpack(archive, target)

    assert files_in(target) == USUAL


def test_an_interrupted_unpacking_leaves_whole_files_and_goes_on(archive, target, monkeypatch):
    pack(archive, USUAL)
    really_read = zipfile.ZipExtFile.read
    read_names = []

    def read(packed, size):
        read_names.append(packed.name)
        if len(set(read_names)) == 2:
            raise KeyboardInterrupt
        return really_read(packed, size)

    monkeypatch.setattr(zipfile.ZipExtFile, "read", read)

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, target)
    assert files_in(target).items() <= USUAL.items()
    assert len(files_in(target)) == 1

    monkeypatch.setattr(zipfile.ZipExtFile, "read", really_read)
    unpack(archive, target)
    assert files_in(target) == USUAL


def test_files_may_be_read_by_whom_the_umask_lets(archive, target):
    pack(archive, [(member("a", stat.S_IFREG | 0o4777), CLIP)])

    unpack(archive, target)

    (target / "b").touch()
    assert (target / "a").stat().st_mode == (target / "b").stat().st_mode


@pytest.mark.parametrize(
    "name", ["__MACOSX/fan/._a.wav", "fan/.DS_Store", "fan/._a.wav", "__MACOSX/../../a"]
)
def test_clutter_of_desktop_systems_is_left_out(archive, target, name):
    pack(archive, [("fan/a.wav", CLIP), (name, b"x")])

    assert unpack(archive, target) == {"fan": 1}
    assert files_in(target.parent) == {"dev_data/fan/a.wav": CLIP}


@pytest.mark.parametrize("name", ["fan/DS_Store", "fan/__MACOSX/a", "fan/.a", "fan/a._b", "x..y"])
def test_names_that_look_like_clutter_are_kept(archive, target, name):
    pack(archive, {name: CLIP})

    unpack(archive, target)

    assert files_in(target) == {name: CLIP}


@pytest.mark.parametrize("name", ["/etc/cron.d/a", "../a", "fan/../../a", "../dev_data_2/a"])
def test_names_that_lead_elsewhere_are_refused(archive, target, name):
    pack(archive, [("fan/first.wav", CLIP), (name, CLIP)])

    text = refusal(archive, target)

    assert f"nothing is unpacked: 1 files\n  {name}, which leads out of the folder" in text
    assert str(archive) in text


def patched(archive, name, field, form, value):
    """Change a field of the central directory's entry of a member."""
    content = bytearray(archive.read_bytes())
    start = content.rindex(b"PK\1\2", 0, content.rindex(name.encode()))
    struct.pack_into(form, content, start + field, value)
    archive.write_bytes(content)


FLAGS, METHOD = 8, 10


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [(FLAGS, 0x1, "encrypted"), (METHOD, 99, "compression method is not supported")],
)
def test_members_that_cannot_be_read_are_named(archive, target, field, value, fault):
    pack(archive, {"first": CLIP})
    patched(archive, "first", field, "<H", value)

    with pytest.raises(DataError, match=f"damaged, or no zip archive: .*{fault}"):
        unpack(archive, target)


def let_be_free(monkeypatch, num_bytes):
    usage = collections.namedtuple("usage", "total used free")

    def disk_usage(path):
        assert path.exists()
        return usage(10**12, 0, num_bytes)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)


def test_too_small_a_disk_is_told_before_anything_is_written(archive, target, monkeypatch):
    pack(archive, USUAL)
    target.mkdir(parents=True)
    let_be_free(monkeypatch, 503)

    assert "Needed: 504 bytes; free: 503. Make room" in refusal(archive, target)


def test_a_disk_just_large_enough_will_do(archive, target, monkeypatch):
    pack(archive, USUAL)
    let_be_free(monkeypatch, 504)

    unpack(archive, target)

    assert files_in(target) == USUAL


def test_what_is_there_already_needs_no_room(archive, target, monkeypatch):
    pack(archive, USUAL)
    unpack(archive, target)
    let_be_free(monkeypatch, 0)

    assert unpack(archive, target) == {"fan/train": 2, "fan/test": 1, ".": 1}


def test_a_file_of_another_size_differs_whatever_its_checksum(archive, target):
    same_checksum = b"\x9d\x0a\xd9\x6d"
    assert zlib.crc32(same_checksum) == zlib.crc32(b"")
    pack(archive, {"a": b""})
    target.mkdir(parents=True)
    (target / "a").write_bytes(same_checksum)

    assert "1 files\n  a\n" in refusal(archive, target)


@pytest.mark.parametrize("content", [b"", CLIP[::-1], CLIP + b"x"])
def test_a_different_file_is_never_overwritten(archive, target, content):
    pack(archive, {"a": CLIP, "fan/b": CLIP})
    (target / "fan").mkdir(parents=True)
    (target / "fan" / "b").write_bytes(content)

    text = refusal(archive, target)

    assert "differ from those" in text
    assert "nothing is unpacked: 1 files\n  fan/b\nMove them away" in text


def test_all_different_files_are_counted_and_ten_are_named(archive, target):
    pack(archive, {f"{number:02}": CLIP for number in range(12)})
    target.mkdir(parents=True)
    for number in range(1, 12):
        (target / f"{number:02}").write_bytes(b"mine")

    text = refusal(archive, target)

    assert "11 files\n  01\n" in text
    assert "  10\n  ..." in text
    assert "  11\n" not in text


def test_a_folder_in_the_place_of_a_file_is_no_equal(archive, target):
    pack(archive, {"a": CLIP})
    (target / "a").mkdir(parents=True)

    assert "1 files\n  a\n" in refusal(archive, target)


@pytest.mark.parametrize("name", ["fan/train/a", "fan/a"])
def test_links_that_lead_out_of_the_target_are_not_followed(archive, target, tmp_path, name):
    pack(archive, {name: b""})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target.mkdir(parents=True)
    (target / "fan").symlink_to(elsewhere)

    assert f"{name}, which leads out of the folder" in refusal(archive, target)


def test_links_inside_the_target_are_fine(archive, target):
    pack(archive, {"fan/a": CLIP})
    (target / "machines" / "fan").mkdir(parents=True)
    (target / "fan").symlink_to("machines/fan")

    unpack(archive, target)

    assert (target / "machines" / "fan" / "a").read_bytes() == CLIP


def test_the_target_itself_may_be_a_link(archive, target, tmp_path):
    pack(archive, {"fan/a": CLIP})
    (tmp_path / "large_disk").mkdir()
    target.parent.mkdir()
    target.symlink_to(tmp_path / "large_disk")

    unpack(archive, target)

    assert (tmp_path / "large_disk" / "fan" / "a").read_bytes() == CLIP


@pytest.mark.parametrize("content", [None, b"mine", CLIP[::-1]])
def test_a_link_to_another_file_is_neither_followed_nor_replaced(
    archive, target, tmp_path, content
):
    pack(archive, {"a": CLIP})
    target.mkdir(parents=True)
    if content is not None:
        (tmp_path / "mine").write_bytes(content)
    (target / "a").symlink_to(tmp_path / "mine")

    assert "1 files\n  a\n" in refusal(archive, target)


def test_a_link_to_an_equal_file_is_left_alone(archive, target, tmp_path):
    pack(archive, {"a": CLIP})
    target.mkdir(parents=True)
    (tmp_path / "same").write_bytes(CLIP)
    (target / "a").symlink_to(tmp_path / "same")

    unpack(archive, target)

    assert (target / "a").is_symlink()


@pytest.mark.parametrize("length", [0, 1, 21, 100, -23, -1])
def test_a_cut_off_archive_is_told(archive, target, length):
    pack(archive, USUAL)
    archive.write_bytes(archive.read_bytes()[:length])

    text = refusal(archive, target)

    assert "damaged, or no zip archive" in text
    assert "Remove the archive and download it again." in text


def damaged_body(archive):
    content = bytearray(archive.read_bytes())
    at = content.index(CLIP[100:120])
    content[at] ^= 1
    archive.write_bytes(content)


def test_damaged_bytes_are_told_and_the_file_is_not_there(archive, target):
    pack(archive, {"first": b"x", "second": CLIP}, zipfile.ZIP_STORED)
    damaged_body(archive)

    with pytest.raises(DataError, match=r"Bad CRC-32.*second.*download it again"):
        unpack(archive, target)

    assert files_in(target) == {"first": b"x"}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EIO, "Input/output error"), "cannot be read: Input/output error. Check"),
        (EOFError(), "damaged, or no zip archive: it is cut off. Remove the archive"),
        (zlib.error("Error -3"), "damaged, or no zip archive: Error -3. Remove the archive"),
        (zipfile.BadZipFile("Bad CRC-32"), "damaged, or no zip archive: Bad CRC-32. Remove"),
    ],
)
def test_a_read_that_fails_half_way_is_one_line_about_the_archive(
    archive, target, monkeypatch, error, told
):
    def read(packed, size):
        raise error

    pack(archive, USUAL)
    monkeypatch.setattr(zipfile.ZipExtFile, "read", read)

    with pytest.raises(DataError) as failure:
        unpack(archive, target)

    assert str(failure.value).startswith(f"{archive}: {told}")
    assert "download it again." in str(failure.value)
    assert "\n" not in str(failure.value)
    assert files_in(target) == {}


def test_an_archive_that_cannot_be_opened_is_told(archive, target):
    archive.mkdir()

    with pytest.raises(DataError, match=r"dev_fan.zip: cannot be read: Is a directory. Check"):
        unpack(archive, target)


def test_a_full_disk_is_no_fault_of_the_archive(archive, target, monkeypatch):
    full = contextlib.nullcontext(pathlib.Path("/dev/full"))
    pack(archive, {"a": CLIP})
    monkeypatch.setattr(unpack_module, "replacing", lambda path: full)

    with pytest.raises(OSError, match="No space left"):
        unpack(archive, target)
