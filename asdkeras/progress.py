"""Progress of long stages on standard error: bars on a terminal, plain lines otherwise."""

import contextlib
import re
import sys
import time
from collections.abc import Iterator
from typing import Protocol

_SECONDS_BETWEEN_LINES = 10.0
_CONTROL = re.compile(r"\n(?!  )|[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_is_plain = False


class Update(Protocol):
    """Tells how many steps are done, of how many, and what to show beside them."""

    def __call__(self, done: int, total: int, detail: str = "") -> None: ...


def say(message: str) -> None:
    print(f"asdkeras: {visible(message)}", file=sys.stderr, flush=True)


def visible(text: str) -> str:
    r"""A text whose control characters are escaped, as a name may hold them.

    Lines that go on, which begin with two blanks, stay.

    >>> visible("a\nb: cannot be read:\n  why")
    'a\\nb: cannot be read:\n  why'
    """
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def show_plain_lines() -> None:
    """Show no bars from now on: several processes cannot share the place of one."""
    global _is_plain
    _is_plain = True


@contextlib.contextmanager
def stage(name: str) -> Iterator[Update]:
    """Show how far a stage, such as `train seed 0`, has come; yields the function that says so."""
    if sys.stderr.isatty() and not _is_plain:
        with _bar(name) as update:
            yield update
    else:
        yield _lines(name)


@contextlib.contextmanager
def _bar(name: str) -> Iterator[Update]:
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[detail]}"),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(name, total=None, detail="")

        def update(done: int, total: int, detail: str = "") -> None:
            bars.update(task, completed=done, total=total, detail=detail)

        yield update


def _lines(name: str) -> Update:
    said_at = time.monotonic()
    said = -1

    def update(done: int, total: int, detail: str = "") -> None:
        nonlocal said_at, said
        now = time.monotonic()
        if done != said and (done >= total or now - said_at >= _SECONDS_BETWEEN_LINES):
            said_at, said = now, done
            say(f"{name}: {done}/{total} {detail}".rstrip())

    return update
