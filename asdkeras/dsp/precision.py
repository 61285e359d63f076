"""Precision in which fitted scorers compute when they are part of a graph.

It is double, as in the scorers themselves. Some formats of exported graphs have no arithmetic in
double precision; a graph for one of them is traced in single precision.
"""

import contextlib
import contextvars
from collections.abc import Iterator

_WORKING_DTYPE = contextvars.ContextVar("working_dtype", default="float64")


def working_dtype() -> str:
    """Type in which scoring layers compute, now and in this thread.

    >>> working_dtype()
    'float64'
    """
    return _WORKING_DTYPE.get()


@contextlib.contextmanager
def single_precision() -> Iterator[None]:
    """Compute scores in float32 in whatever runs or is traced inside.

    A graph keeps the precision it was traced in, wherever it runs.

    >>> with single_precision():
    ...     working_dtype()
    'float32'
    """
    token = _WORKING_DTYPE.set("float32")
    try:
        yield
    finally:
        _WORKING_DTYPE.reset(token)
