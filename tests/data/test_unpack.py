"""Unpacking: all of an archive or a reason, and never a byte outside or over another file."""

import collections
import contextlib
import random
import shutil
import stat
import struct
import warnings
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkeras.data import unpack as module
from asdkeras.data.unpack import Unpacked, unpack
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

    unpacked = unpack(archive, target)

    assert files_in(target) == USUAL
    assert unpacked == Unpacked(4, 504, {"fan/train": 2, "fan/test": 1, ".": 1})


def test_folders_of_the_archive_are_made_even_if_empty(archive, target):
    pack(archive, [("fan/", b""), (member("fan/test/", stat.S_IFDIR | 0o755), b""), ("a", b"")])

    unpacked = unpack(archive, target)

    assert (target / "fan" / "test").is_dir()
    assert unpacked == Unpacked(1, 0, {".": 1})


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


def test_an_interrupted_unpacking_leaves_whole_files_and_goes_on(archive, target):
    pack(archive, USUAL)
    told = []

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, target, interrupt)
    assert files_in(target).items() <= USUAL.items()
    assert len(files_in(target)) == 1

    unpack(archive, target, lambda done, total: told.append((done, total)))
    assert files_in(target) == USUAL
    assert told == [(500, 504), (500, 504), (504, 504)]


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

    assert unpack(archive, target) == Unpacked(1, 300, {"fan": 1})
    assert files_in(target.parent) == {"dev_data/fan/a.wav": CLIP}


@pytest.mark.parametrize("name", ["fan/DS_Store", "fan/__MACOSX/a", "fan/.a", "fan/a._b", "x..y"])
def test_names_that_look_like_clutter_are_kept(archive, target, name):
    pack(archive, {name: CLIP})

    unpack(archive, target)

    assert files_in(target) == {name: CLIP}


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("/etc/cron.d/a", "an absolute path"),
        ("//host/share/a", "an absolute path"),
        ("C:/a", "an absolute path"),
        ("c:a", "an absolute path"),
        ("../a", "leads out of the folder"),
        ("fan/../../a", "leads out of the folder"),
        ("fan/..", "leads out of the folder"),
        ("fan/../", "leads out of the folder"),
        ("..\\a", "a backslash in the name"),
        ("fan\\a", "a backslash in the name"),
        ("fan/a\nb", "a control character in the name"),
        ("fan/\x1b[2Ja", "a control character in the name"),
        ("fan/\x7f", "a control character in the name"),
        ("fan/\x9b", "a control character in the name"),
        ("fan//a", "an empty name"),
        ("fan//", "an empty name"),
        ("./a", "an empty name, or one of a single dot"),
        ("fan/.", "an empty name, or one of a single dot"),
        ("fan/" + "a" * 201, "a name of more than 200 bytes"),
        ("fan/" + "ä" * 101, "a name of more than 200 bytes"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(archive, target, name, fault):
    pack(archive, [("fan/first.wav", CLIP), (name, CLIP if name[-1:] != "/" else b"")])

    text = refusal(archive, target)

    assert f"refused, nothing is unpacked: 1 members\n  {name!r}: {fault}" in text
    assert str(archive) in text


def test_an_empty_name_is_refused(archive, target):
    class Nameless(zipfile.ZipInfo):
        def is_dir(self):
            return False

    info = Nameless("a")
    info.filename = ""
    pack(archive, [(info, CLIP)])

    assert "'': an empty name" in refusal(archive, target)


def test_a_name_of_200_bytes_is_fine(archive, target):
    pack(archive, {"a" * 200: CLIP})

    unpack(archive, target)

    assert files_in(target) == {"a" * 200: CLIP}


def test_a_nul_in_a_name_is_refused(archive, target):
    pack(archive, {"fan/a.wav+.exe": CLIP})
    archive.write_bytes(archive.read_bytes().replace(b"a.wav+.exe", b"a.wav\0.exe"))

    assert r"'fan/a.wav\x00.exe': a control character" in refusal(archive, target)


def test_a_second_name_that_leads_elsewhere_is_refused(archive, target, monkeypatch):
    def with_second_name(content):
        members = really_list(content)
        members[0].filename = "../a"  # As newer libraries take it from a field of its own.
        return members

    pack(archive, {"a": CLIP})
    really_list = zipfile.ZipFile.infolist
    monkeypatch.setattr(zipfile.ZipFile, "infolist", with_second_name)

    assert "'a': leads out of the folder" in refusal(archive, target)


@pytest.mark.parametrize(
    ("info", "fault"),
    [
        (member("fan/a", stat.S_IFLNK | 0o777), "a symbolic link"),
        (member("fan/a/", stat.S_IFLNK | 0o777), "a symbolic link"),
        (member("fan/a", stat.S_IFIFO), "a special file"),
        (member("fan/a", stat.S_IFCHR), "a special file"),
        (member("fan/a", stat.S_IFBLK), "a special file"),
        (member("fan/a", stat.S_IFSOCK), "a special file"),
        (member("fan/a", stat.S_IFDIR), "a special file"),
        (member("fan/a/", stat.S_IFREG), "a special file"),
    ],
)
def test_members_that_are_no_files_are_refused(archive, target, info, fault):
    pack(archive, [("fan/first.wav", CLIP), (info, b"")])

    assert f"{info.filename!r}: {fault}" in refusal(archive, target)


def patched(archive, name, field, form, value):
    """Change a field of the central directory's entry of a member."""
    content = bytearray(archive.read_bytes())
    start = content.rindex(b"PK\1\2", 0, content.rindex(name.encode()))
    struct.pack_into(form, content, start + field, value)
    archive.write_bytes(content)


NEEDED_VERSION, FLAGS, METHOD, PACKED_SIZE, SIZE = 6, 8, 10, 20, 24


@pytest.mark.parametrize(
    ("field", "form", "value", "fault"),
    [
        (FLAGS, "<H", 0x1, "encrypted"),
        (FLAGS, "<H", 0x41, "encrypted"),
        (FLAGS, "<H", 0x40, "encrypted"),
        (FLAGS, "<H", 0x2000, "encrypted"),
        (METHOD, "<H", 9, "packed by a method that is not known here: 9"),
        (METHOD, "<H", 99, "packed by a method that is not known here: 99"),
    ],
)
def test_members_that_cannot_be_read_are_refused(archive, target, field, form, value, fault):
    pack(archive, {"first": CLIP, "second": CLIP})
    patched(archive, "second", field, form, value)

    assert f"'second': {fault}" in refusal(archive, target)


def test_a_folder_with_content_is_refused(archive, target):
    pack(archive, {"first": CLIP, "folder_": CLIP})
    archive.write_bytes(archive.read_bytes().replace(b"folder_", b"folder/"))

    assert "'folder/': a folder with content of its own" in refusal(archive, target)


@pytest.mark.parametrize("names", [("fan/a", "fan/a"), ("fan/a", "Fan/A"), ("ß", "SS")])
def test_two_members_of_one_path_are_refused(archive, target, names):
    pack(archive, [(name, CLIP) for name in names])

    text = refusal(archive, target)

    assert "2 members" in text
    assert all(f"{name!r}: several members have this path" in text for name in names)


@pytest.mark.parametrize(
    "names", [("fan", "fan/a"), ("Fan", "fan/a"), ("fan", "fan/"), ("a/B", "A/b/c/d")]
)
def test_a_file_that_is_a_folder_too_is_refused(archive, target, names):
    pack(archive, [(name, b"") for name in names])

    assert f"{names[0]!r}: a file and a folder have this path" in refusal(archive, target)


def test_a_folder_may_be_named_twice(archive, target):
    pack(archive, [("fan/", b""), ("fan/", b""), ("fan/a", CLIP)])

    assert unpack(archive, target).num_files == 1


def test_of_many_faults_ten_are_listed(archive, target):
    pack(archive, {f"../{number:02}": CLIP for number in range(11)})

    text = refusal(archive, target)

    assert "11 members" in text
    assert "'../09'" in text
    assert "'../10'" not in text
    assert "  ..." in text


def test_of_ten_faults_all_are_listed(archive, target):
    pack(archive, {f"../{number:02}": CLIP for number in range(10)})

    text = refusal(archive, target)

    assert "'../09'" in text
    assert "..." not in text


def test_an_archive_that_grows_too_much_is_refused(archive, target):
    pack(archive, {"silence.wav": bytes(10**6)})

    assert "more than 100 times its size" in refusal(archive, target)


def test_an_archive_may_grow_a_hundred_times(archive, target, monkeypatch):
    pack(archive, {"silence.wav": bytes(1000)})
    monkeypatch.setattr(module, "_LARGEST_RATIO", 1000 / archive.stat().st_size)

    assert unpack(archive, target).num_bytes == 1000


def test_members_that_share_their_bytes_are_refused(archive, target):
    pack(archive, {f"{number}": CLIP for number in range(3)}, zipfile.ZIP_STORED)
    patched(archive, "2", PACKED_SIZE, "<I", 600)

    assert "its members overlap" in refusal(archive, target)


def test_too_large_a_member_is_refused(archive, target, monkeypatch):
    pack(archive, {"a": CLIP, "b": CLIP + b"x"})
    monkeypatch.setattr(module, "_LARGEST_MEMBER_BYTES", len(CLIP))

    assert "1 members\n  'b': larger than 300 bytes: 301" in refusal(archive, target)


def test_too_many_members_are_refused(archive, target, monkeypatch):
    pack(archive, {"a": CLIP, "b": CLIP, ".DS_Store": b""})
    monkeypatch.setattr(module, "_MOST_MEMBERS", 2)

    assert "may have 2 members. Received: 3" in refusal(archive, target)


def let_be_free(monkeypatch, num_bytes):
    usage = collections.namedtuple("usage", "total used free")
    asked = []

    def disk_usage(path):
        asked.append(path)
        assert path.exists()
        return usage(10**12, 0, num_bytes)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    return asked


def test_too_small_a_disk_is_told_before_anything_is_written(archive, target, monkeypatch):
    pack(archive, USUAL)  # Three files that are not empty: as many blocks.
    let_be_free(monkeypatch, 3 * 4096 - 1)

    assert "Needed: 12288 bytes; free: 12287. Make room" in refusal(archive, target)


def test_a_disk_just_large_enough_will_do(archive, target, monkeypatch):
    pack(archive, USUAL)
    asked = let_be_free(monkeypatch, 3 * 4096)

    unpack(archive, target)

    assert files_in(target) == USUAL
    assert asked == [archive.parent]


def test_what_is_there_already_needs_no_room(archive, target, monkeypatch):
    pack(archive, USUAL)
    unpack(archive, target)
    let_be_free(monkeypatch, 0)

    assert unpack(archive, target).num_files == 4


def test_files_are_compared_piece_by_piece(archive, target, monkeypatch):
    pack(archive, USUAL)
    unpack(archive, target)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 7)

    assert unpack(archive, target).num_files == 4


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


def test_a_file_in_the_place_of_a_folder_is_told(archive, target):
    pack(archive, {"fan/train/a": CLIP})
    target.mkdir(parents=True)
    (target / "fan").write_bytes(b"mine")

    assert "fan, which should be a folder" in refusal(archive, target)


def test_a_file_in_the_place_of_the_target_is_told(archive, target):
    pack(archive, {"a": CLIP})
    target.parent.mkdir()
    target.write_bytes(b"mine")

    assert "., which should be a folder" in refusal(archive, target)


@pytest.mark.parametrize("name", ["fan/train/a", "fan/train/", "fan/"])
def test_links_that_lead_out_of_the_target_are_not_followed(archive, target, tmp_path, name):
    pack(archive, {name: b""})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target.mkdir(parents=True)
    (target / "fan").symlink_to(elsewhere)

    assert f"fan, a link to {elsewhere}" in refusal(archive, target)


@pytest.mark.parametrize("to", ["nowhere", "fan"])
def test_links_that_lead_nowhere_are_told(archive, target, to):
    pack(archive, {"fan/a": CLIP})
    target.mkdir(parents=True)
    (target / "fan").symlink_to(to)

    assert "fan, which should be a folder" in refusal(archive, target)


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

    assert "no zip archive, or cut off" in text
    assert "Remove the archive and download it again." in text


def test_no_archive_is_told(archive, target):
    assert "is missing. Download it again." in refusal(archive, target)


def damaged_body(archive):
    content = bytearray(archive.read_bytes())
    at = content.index(CLIP[100:120])
    content[at] ^= 1
    archive.write_bytes(content)


def test_damaged_bytes_are_told_and_the_file_is_not_there(archive, target):
    pack(archive, {"first": b"x", "second": CLIP}, zipfile.ZIP_STORED)
    damaged_body(archive)

    with pytest.raises(DataError, match=r"second is damaged: Bad CRC-32.*download it again"):
        unpack(archive, target)

    assert files_in(target) == {"first": b"x"}


def test_damaged_packing_is_told(archive, target):
    pack(archive, {"a": CLIP})
    content = bytearray(archive.read_bytes())
    content[31] = 0xFF  # Of the header of the packed bytes.
    archive.write_bytes(content)

    with pytest.raises(DataError, match=r"a is damaged: .*invalid"):
        unpack(archive, target)


def test_a_member_that_reaches_beyond_the_archive_is_told(archive, target):
    pack(archive, {"a": CLIP}, zipfile.ZIP_STORED)
    for field in (PACKED_SIZE, SIZE):
        patched(archive, "a", field, "<I", archive.stat().st_size)

    with pytest.raises(DataError, match="a is damaged"):
        unpack(archive, target)

    assert files_in(target) == {}


def test_an_archive_of_a_later_format_is_told(archive, target):
    pack(archive, {"a": CLIP})
    patched(archive, "a", NEEDED_VERSION, "<H", 100)

    assert "no zip archive, or cut off: zip file version 10.0" in refusal(archive, target)


def test_a_name_in_no_known_letters_is_told(archive, target):
    pack(archive, {"fän": CLIP})
    archive.write_bytes(archive.read_bytes().replace("ä".encode(), b"\xff\xff"))

    assert "no zip archive, or cut off: 'utf-8' codec can't decode" in refusal(archive, target)


@pytest.mark.parametrize(
    ("sizes", "fault"),
    [((300, 301), "a should have 301 bytes. Received: 300"), ((300, 299), "a is damaged: Bad CRC")],
)
def test_a_member_of_another_size_than_announced_is_not_written(archive, target, sizes, fault):
    pack(archive, {"a": CLIP})
    patched(archive, "a", SIZE, "<I", sizes[1])

    with pytest.raises(DataError, match=fault):
        unpack(archive, target)

    assert files_in(target) == {}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
@given(
    at=st.integers(0, 2000), byte=st.integers(0, 255), cut=st.one_of(st.none(), st.integers(0, 900))
)
@settings(max_examples=60, deadline=None)
def test_whatever_the_bytes_are_there_is_no_other_error(tmp_path_factory, method, at, byte, cut):
    root = tmp_path_factory.mktemp("any")
    archive, target = root / "dev_fan.zip", root / "data" / "dev_data"
    pack(archive, USUAL, method)
    content = bytearray(archive.read_bytes())
    content[at % len(content)] = byte
    archive.write_bytes(content[:cut])

    with contextlib.suppress(DataError):
        unpack(archive, target)

    for path in root.rglob("*"):
        assert path == archive or path == target.parent or path.is_relative_to(target)
        assert not path.name.startswith(".part-")
