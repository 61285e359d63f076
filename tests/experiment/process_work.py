"""What tests let processes do: it stands in a module of its own, light to import."""

import errno
import os
import signal
import time
from pathlib import Path

from asdkeras.errors import DataError, TrainingError

PEAK_MIB = 10.0


def note_times(folder, name):
    """Work for a moment; leave when it began and ended, in which process and environment."""
    began = time.monotonic()
    time.sleep(0.3)
    threads = os.environ["TF_NUM_INTRAOP_THREADS"]
    text = f"{began} {time.monotonic()} {os.getpid()} {threads}"
    Path(folder, name).write_text(text, encoding="utf-8")
    return PEAK_MIB


def refuse(folder, name):
    """One task is refused at once, others never end by themselves."""
    if name == "bad":
        raise DataError("bad.wav: is not audio.")
    time.sleep(600.0)
    Path(folder, name).touch()


def diverge(folder, name):
    """A training that leaves the finite numbers."""
    raise TrainingError("diverged")


def vanish(folder, name):
    """Killed from outside, as by a system that has no more memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(folder, name):
    """A mistake of ours."""
    raise KeyError("no such thing")


def fill_disk(folder, name):
    """What the operating system refuses."""
    raise OSError(errno.ENOSPC, "No space left on device", os.path.join(folder, name))


class CodecError(UnicodeError):
    """Cannot be made again from its arguments, so that it would not come through."""

    def __init__(self, name, reason):
        super().__init__(f"{name}: {reason}")


def misread(folder, name):
    """A name that is not UTF-8."""
    raise CodecError(name, "no UTF-8")


def outgrow(folder, name):
    """More than there is."""
    raise MemoryError("no 8 PiB")


def be_interrupted(folder, name):
    """Ctrl-C reaches every process of the terminal."""
    raise KeyboardInterrupt
