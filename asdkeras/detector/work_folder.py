"""The folder beside a detector's file that an interrupted fit goes on in."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

_MARK = ".asdkeras_fit"  # Only a folder that was made here is ever removed.


@contextlib.contextmanager
def kept_until_done(folder: Path) -> Iterator[Path]:
    """A folder that is made, and removed once the block ends well.

    If the block raises, the folder stays for the next try, unless nothing was written into it.
    A folder that was there before, and was not made by an earlier try, is never removed.
    """
    mark = folder / _MARK
    if not folder.exists():
        folder.mkdir(parents=True)
        mark.touch()
    try:
        yield folder
    except BaseException:
        if list(folder.iterdir()) == [mark]:
            shutil.rmtree(folder)
        raise
    if mark.exists():
        shutil.rmtree(folder)
