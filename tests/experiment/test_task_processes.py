"""Tasks in processes of their own: how many at once, and what comes of those that fail."""

import errno
import os
import time
from types import SimpleNamespace

import pytest

from asdkeras.errors import DataError, TrainingError
from asdkeras.experiment import task_processes
from asdkeras.experiment.task_processes import run_side_by_side
from tests.experiment import process_work


def tasks(folder, *names):
    return [(f"train {name}", (folder, name)) for name in names]


def times(folder):
    """Name -> when it began and ended, process and threads."""
    return {
        path.name: [float(word) for word in path.read_text().split()] for path in folder.iterdir()
    }


def overlap(one, other):
    return one[0] < other[1] and other[0] < one[1]


def test_every_task_is_done_in_a_process_of_its_own_with_its_share_of_the_processors(tmp_path):
    run_side_by_side(
        tasks(tmp_path, "a", "b", "c"), process_work.note_times, jobs=2, needed_mib=1.0
    )

    done = times(tmp_path)
    assert set(done) == {"a", "b", "c"}
    processes = {int(each[2]) for each in done.values()} | {os.getpid()}
    assert len(processes) == 4
    assert {each[3] for each in done.values()} == {max(1, os.cpu_count() // 2)}


def test_the_first_task_runs_alone_as_long_as_nothing_is_known_of_its_memory(tmp_path):
    run_side_by_side(
        tasks(tmp_path, "a", "b", "c"), process_work.note_times, jobs=3, needed_mib=None
    )
    done = times(tmp_path)
    assert not overlap(done["a"], done["b"])
    assert not overlap(done["a"], done["c"])


def running(*resident):
    return [SimpleNamespace(pid=mib) for mib in resident]


@pytest.mark.parametrize(
    ("resident", "jobs", "needed", "free", "has_room"),
    [
        ((), 1, None, 0.0, True),  # One always runs: what else could free memory?
        ((50.0,), 1, 100.0, 1e6, False),
        ((50.0,), 2, None, 1e6, False),
        ((50.0,), 2, 100.0, 150.0, True),
        ((50.0,), 2, 100.0, 149.0, False),  # The first still grows by 50.
        ((50.0, 100.0), 3, 100.0, 150.0, True),
        ((50.0, 120.0), 3, 100.0, 150.0, True),
        ((50.0, 120.0), 3, 100.0, 140.0, False),  # Growing beyond the peak frees nothing.
        ((50.0,), 2, 100.0, None, True),
    ],
)
def test_a_task_starts_only_where_all_that_run_can_reach_the_known_peak(
    monkeypatch, resident, jobs, needed, free, has_room
):
    monkeypatch.setattr(task_processes, "free_mib", lambda: free)
    monkeypatch.setattr(task_processes, "resident_mib", lambda pid: pid)
    assert task_processes._has_room(running(*resident), jobs, needed) == has_room


def test_a_refused_task_stops_the_others_and_comes_out_as_it_was_raised(tmp_path):
    started = time.monotonic()
    with pytest.raises(DataError, match=r"^bad\.wav: is not audio\.$"):
        run_side_by_side(
            tasks(tmp_path, "long", "bad", "never"), process_work.refuse, jobs=2, needed_mib=1.0
        )
    assert time.monotonic() - started < 300.0  # Not after the one that takes ten minutes.
    assert not list(tmp_path.iterdir())


def test_every_kind_of_error_comes_out_as_itself(tmp_path):
    with pytest.raises(TrainingError, match=r"^diverged$"):
        run_side_by_side(tasks(tmp_path, "a"), process_work.diverge, jobs=2, needed_mib=None)


def test_what_the_system_refuses_a_task_comes_out_as_that(tmp_path):
    def run(work):
        run_side_by_side(tasks(tmp_path, "a"), work, jobs=2, needed_mib=None)

    with pytest.raises(OSError, match="No space left") as failure:
        run(process_work.fill_disk)
    assert (failure.value.errno, failure.value.filename) == (errno.ENOSPC, str(tmp_path / "a"))
    with pytest.raises(UnicodeError, match=r"^a: no UTF-8$"):
        run(process_work.misread)
    with pytest.raises(MemoryError, match=r"^no 8 PiB$"):
        run(process_work.outgrow)


def test_a_killed_process_is_told_of_with_what_to_do(tmp_path):
    with pytest.raises(TrainingError, match=r"^train a: .*SIGKILL.*memory.*--jobs 1"):
        run_side_by_side(tasks(tmp_path, "a"), process_work.vanish, jobs=2, needed_mib=None)


def test_a_mistake_of_ours_comes_out_as_one(tmp_path):
    with pytest.raises(RuntimeError, match="train a: KeyError: 'no such thing'"):
        run_side_by_side(tasks(tmp_path, "a"), process_work.fail, jobs=2, needed_mib=None)


def test_an_interrupt_of_a_task_interrupts_all(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_side_by_side(tasks(tmp_path, "a"), process_work.be_interrupted, jobs=2, needed_mib=None)
