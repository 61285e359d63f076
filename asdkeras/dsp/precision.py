"""In which precision fitted scorers compute when they are part of a graph.

Double, as the scorers themselves. Some formats of exported graphs have no arithmetic in
double precision; while a graph is traced for one of them, the layers are asked for single.
"""

import contextlib
import contextvars
from collections.abc import Iterator

_WORKING_DTYPE = contextvars.ContextVar("working_dtype", default="float64")


def working_dtype() -> str:
    """Name of the type in which scoring layers compute, now and in this thread.

    >>> working_dtype()
    'float64'
    """
    return _WORKING_DTYPE.get()


@contextlib.contextmanager
def single_precision() -> Iterator[None]:
    """Whatever is computed or traced inside computes its scores in float32.

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
