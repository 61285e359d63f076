"""Files are whole or not there."""

import errno
import stat

import pytest

from asdkeras.files import replacing, write_text


def write_half(path):
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "full")


def test_a_failing_block_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "a.csv"
    write_text(path, "old\n")

    with pytest.raises(OSError, match="full") as failure:
        write_half(path)

    assert failure.value.filename == str(path)
    assert path.read_text() == "old\n"
    assert [each.name for each in path.parent.iterdir()] == ["a.csv"]


def test_the_temporary_file_ends_like_the_file_and_lies_beside_it(tmp_path):
    with replacing(tmp_path / "model.keras") as temporary:
        assert temporary.suffix == ".keras"
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"x")

    assert (tmp_path / "model.keras").read_bytes() == b"x"


def test_newlines_are_written_as_given(tmp_path):
    write_text(tmp_path / "a", "x\r\ny\n")

    assert (tmp_path / "a").read_bytes() == b"x\r\ny\n"


def test_others_may_read_what_the_umask_lets_them(tmp_path):
    write_text(tmp_path / "a", "")
    (tmp_path / "b").touch()

    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert modes[0] == modes[1]
