"""Which anomalies a domain's normal clips meet: the three readings of a domain metric.

`within` sets them against the anomalies of their own domain, `mixed` against those of both,
and `all` forgets domains. Papers and years differ in it, and figures of two readings must
not be compared.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Reading = Literal["within", "mixed", "all"]


def clips_in_reading(
    reading: Reading,
    domain: str,
    is_anomalous: NDArray[np.bool_],
    domains: NDArray[np.str_],
) -> NDArray[np.bool_]:
    """The clips of one section that a metric of a domain is taken from.

    Args:
        reading: `within`, `mixed` or `all`.
        domain: `source` or `target`; not read for `all`.
        is_anomalous: bool, `(clips,)`.
        domains: text, `(clips,)`, `source` or `target`; not read for `all`.

    Returns:
        bool, `(clips,)`, for scores and decisions alike.

    Raises:
        ValueError: if there is no such reading or domain, or a clip has another domain.

    Examples:
        >>> is_anomalous = np.array([False, True, False, True])
        >>> domains = np.array(["source", "source", "target", "target"])
        >>> clips_in_reading("within", "source", is_anomalous, domains).tolist()
        [True, True, False, False]
        >>> clips_in_reading("mixed", "source", is_anomalous, domains).tolist()
        [True, True, False, True]
        >>> clips_in_reading("all", "source", is_anomalous, domains).tolist()
        [True, True, True, True]
    """
    if reading not in ("within", "mixed", "all"):
        raise ValueError(
            f"`reading` must be `within`, `mixed` or `all`. Received: reading={reading!r}"
        )
    if reading == "all":
        return np.ones(len(is_anomalous), dtype=bool)
    unknown = sorted({domain, *np.unique(domains).tolist()} - {"source", "target"})
    if unknown:
        raise ValueError(f"a domain must be `source` or `target`. Received: {unknown}")
    of_domain: NDArray[np.bool_] = np.asarray(domains == domain, dtype=bool)
    return of_domain | is_anomalous if reading == "mixed" else of_domain
