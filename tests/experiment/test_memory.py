"""How much memory is free: the less of what machine and container leave."""

import os

import numpy as np
import pytest

from asdkeras.experiment import memory

MIB = 2**20


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Files of a system with 1000 MiB available, in a control group without a limit."""
    (tmp_path / "meminfo").write_text(
        f"MemTotal: 9999999 kB\nMemAvailable: {1000 * 1024} kB\nHugePages_Total: 0\n"
    )
    files = {"memory.max": "max\n", "memory.current": "0\n", "memory.stat": "anon 5\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    return tmp_path


def test_a_container_without_a_limit_has_what_the_machine_has(system):
    assert memory.free_mib() == 1000.0


def test_a_container_may_have_less_but_its_file_cache_counts_as_free(system):
    (system / "memory.max").write_text(f"{800 * MIB}\n")
    (system / "memory.current").write_text(f"{700 * MIB}\n")
    stat = f"anon {1 * MIB}\ninactive_file {30 * MIB}\nactive_file {20 * MIB}\n"
    (system / "memory.stat").write_text(stat)
    assert memory.free_mib() == 150.0


def test_a_container_cannot_have_more_than_the_machine(system):
    (system / "memory.max").write_text(f"{5000 * MIB}\n")
    assert memory.free_mib() == 1000.0


def test_a_system_that_tells_nothing_leaves_it_open(system):
    (system / "meminfo").unlink()
    (system / "memory.max").unlink()
    assert memory.free_mib() is None


@pytest.mark.slow
def test_memory_that_is_taken_is_seen_now_and_in_the_peak():
    now = memory.resident_mib(os.getpid())
    before = memory.peak_mib()
    assert before >= now > 1.0
    taken = np.ones((int(before) + 64) * MIB // 8 + 8 * MIB)
    assert memory.resident_mib(os.getpid()) > before + 60.0
    size = taken.nbytes
    del taken
    assert memory.peak_mib() >= size / MIB


def test_a_process_that_is_gone_has_none():
    assert memory.resident_mib(2**22 + 1) == 0.0
