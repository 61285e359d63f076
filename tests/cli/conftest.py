"""Every test has a cache of its own."""

import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ASDKERAS_DATA", raising=False)
