"""Where the real machine is looked for."""

import pytest

from tests.real_data import real_machine


@pytest.mark.parametrize("named", [None, ""])
def test_without_a_folder_one_sentence_says_what_to_set(named, monkeypatch):
    monkeypatch.delenv("ASDKERAS_REAL", raising=False)
    if named is not None:
        monkeypatch.setenv("ASDKERAS_REAL", named)
    with pytest.raises(pytest.skip.Exception, match="no complete real machine: set ASDKERAS_REAL"):
        real_machine()


def test_a_folder_without_the_machine_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("ASDKERAS_REAL", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match=f"{tmp_path} holds no folder dev_data/ToyCar"):
        real_machine()


def test_the_folder_that_is_named_is_taken(tmp_path, monkeypatch):
    (tmp_path / "dev_data" / "ToyCar").mkdir(parents=True)
    monkeypatch.setenv("ASDKERAS_REAL", str(tmp_path))
    assert real_machine() == tmp_path
