"""Tasks side by side, each in a process of its own, as many as fit into memory.

TensorFlow keeps part of every model it has trained for as long as the process lives. A process
per task gives all of it back, and small models leave processors idle that others can use.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing import connection
from multiprocessing.context import SpawnProcess

from asdkeras import progress
from asdkeras.errors import AsdkerasError, TrainingError
from asdkeras.experiment.memory import free_mib, resident_mib

_SECONDS_BETWEEN_LOOKS = 1.0

Task = tuple[str, tuple[object, ...]]  # What messages call it; arguments that can be pickled.


def run_side_by_side(
    tasks: Sequence[Task],
    work: Callable[..., float],
    *,
    jobs: int,
    needed_mib: float | None,
) -> None:
    """Do all tasks, several at once.

    A further task starts only while there is room for what the largest one so far has
    needed at its peak; as long as nothing is known of it, the first one runs alone. Where the
    system does not tell its free memory, `jobs` alone decides.

    Args:
        work: function of a module that does a task and returns the peak of its memory in MiB.
        needed_mib: peak of an earlier task of this kind; None if there was none.

    Raises:
        AsdkerasError: the first that a task raised; tasks under way are stopped then, and go
            on where they stood when they are run again. OSError, UnicodeError and MemoryError
            come out likewise.
        TrainingError: if a process ends without an answer.
    """
    waiting, running = list(tasks), dict[connection.Connection, SpawnProcess]()
    try:
        while waiting or running:
            while waiting and _has_room(list(running.values()), jobs, needed_mib):
                answers, process = _start(waiting.pop(0), work, jobs)
                running[answers] = process
            ready = connection.wait(list(running), _SECONDS_BETWEEN_LOOKS)
            for answers in [each for each in running if each in ready]:
                needed_mib = max(_answer(running.pop(answers), answers), needed_mib or 0.0)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.join()


def _has_room(running: Sequence[SpawnProcess], jobs: int, needed_mib: float | None) -> bool:
    if not running:
        return True
    if needed_mib is None or len(running) >= jobs:
        return False
    free = free_mib()
    if free is None:
        return True
    still_to_grow = sum(max(0.0, needed_mib - resident_mib(each.pid or 0)) for each in running)
    return free - still_to_grow >= needed_mib


def _start(
    task: Task, work: Callable[..., float], jobs: int
) -> tuple[connection.Connection, SpawnProcess]:
    context = multiprocessing.get_context("spawn")  # A fork would inherit TensorFlow's threads.
    answers, ours = context.Pipe(duplex=False)
    process = context.Process(
        target=_in_own_process, args=(work, task, ours, jobs), name=task[0], daemon=True
    )
    process.start()
    ours.close()  # So that the end of the process is the end of the answers.
    return answers, process


def _answer(process: SpawnProcess, answers: connection.Connection) -> float:
    try:
        answer = answers.recv()
    except EOFError:
        answer = None
    process.join()
    if isinstance(answer, BaseException):
        raise answer
    if answer is not None:
        return float(answer)
    code = process.exitcode
    if code is None or code >= 0:
        raise RuntimeError(f"{process.name}: ended with exit code {code}")
    raise TrainingError(
        f"{process.name}: its process was killed ({signal.Signals(-code).name}), perhaps for want "
        "of memory. What is finished is kept: run it again with --jobs 1, or with smaller batches."
    )


def _in_own_process(
    work: Callable[..., float], task: Task, answers: connection.Connection, jobs: int
) -> None:
    # Before TensorFlow is imported, which reads them.
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, threads)
    progress.show_plain_lines()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        answers.send(work(*task[1]))
    except (AsdkerasError, KeyboardInterrupt) as error:
        answers.send(error)
    except (OSError, UnicodeError, MemoryError) as error:
        answers.send(_plain(error))
    except BaseException as error:
        answers.send(RuntimeError(f"{task[0]}: {type(error).__name__}: {error}"))
        raise


def _plain(error: Exception) -> Exception:
    """The same kind of error from texts and numbers alone, whatever library made it."""
    if isinstance(error, OSError) and error.errno is not None:
        name = None if error.filename is None else str(error.filename)
        return OSError(error.errno, error.strerror, name)
    kinds = (OSError, UnicodeError, MemoryError)
    return next(kind for kind in kinds if isinstance(error, kind))(str(error))


def _end_with_parent() -> None:
    """A parent that was killed cannot stop us, and its next run must not meet us."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
