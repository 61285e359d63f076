"""The folder of an unfinished fit: when it stays, and when it goes."""

import pytest

from asdkeras.detector.work_folder import kept_until_done


def try_in(folder, *names):
    """A try that is interrupted after it has written files."""
    with kept_until_done(folder) as place:
        for name in names:
            (place / name).touch()
        raise KeyboardInterrupt


def fail_in(folder, *names):
    with pytest.raises(KeyboardInterrupt):
        try_in(folder, *names)


def test_it_is_gone_when_all_is_done(tmp_path):
    with kept_until_done(tmp_path / "there" / "a.asd.fit") as folder:
        (folder / "weights").touch()

    assert list((tmp_path / "there").iterdir()) == []


def test_what_an_interrupted_try_wrote_is_found_by_the_next(tmp_path):
    fail_in(tmp_path / "a.asd.fit", "weights")

    with kept_until_done(tmp_path / "a.asd.fit") as folder:
        assert (folder / "weights").exists()

    assert list(tmp_path.iterdir()) == []


def test_a_try_that_wrote_nothing_leaves_nothing(tmp_path):
    fail_in(tmp_path / "a.asd.fit")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("names", [(), ("weights",)])
def test_a_folder_of_another_is_never_removed(tmp_path, names):
    (tmp_path / "a.asd.fit").mkdir()

    fail_in(tmp_path / "a.asd.fit", *names)
    with kept_until_done(tmp_path / "a.asd.fit"):
        pass

    assert (tmp_path / "a.asd.fit").is_dir()
