"""Distance of each clip to the nearest training clip of its section."""

import numpy as np

from asdkeras.errors import DataError
from asdkeras.scorers.nearest_neighbor import NearestNeighborScorer


def nearest_in_section(embeddings, sections, is_training, metric):
    """Anomaly scores by the nearest other training clip of the same section.

    Training clips are scored like clips that were never heard, for thresholds: none is
    compared with itself. Other clips are compared with training clips only. Source and
    target domain are not told apart.

    Args:
        embeddings: float, `(clips, dim)`, of one machine type.
        sections: `(clips,)`, name or number of the section of each clip.
        is_training: bool, `(clips,)`.
        metric: `cosine` or `euclidean`, see `NearestNeighborScorer`.

    Returns:
        float64 `(clips,)`, at least 0; higher is more anomalous.

    Raises:
        ValueError: if a section has fewer than two training clips, the arguments are not of
            one length, there is no such metric, or an embedding is not finite.

    References:
        Venkatesh et al., "Improved Domain Generalization via Disentangled Multi-Task
        Learning in Unsupervised Anomalous Sound Detection", DCASE Workshop 2022, Eq. 4.
        Nejjar et al., "DG-Mix: Domain Generalization for Anomalous Sound Detection Based on
        Self-Supervised Learning", DCASE Workshop 2022.
    """
    embeddings = np.asarray(embeddings)
    sections, is_training = np.asarray(sections), np.asarray(is_training, bool)
    if not len(embeddings) == len(sections) == len(is_training):
        raise ValueError(
            "there must be one embedding, one section and one `is_training` per clip. Received: "
            f"{len(embeddings)}, {len(sections)} and {len(is_training)}"
        )
    distances = np.empty(len(embeddings))
    for section in np.unique(sections):
        is_here = sections == section
        training, others = (
            np.flatnonzero(is_here & is_kind) for is_kind in (is_training, ~is_training)
        )
        if len(training) < 2:
            raise ValueError(
                "a section needs at least 2 training clips, for none is compared with itself. "
                f"Received: section {section} with {len(training)} among "
                f"{is_here.sum()} clips. Leave the section out, or add normal clips of it."
            )
        scorer = NearestNeighborScorer(metric).fit(embeddings[training])
        distances[training] = scorer.leave_self_out()
        if len(others):
            distances[others] = scorer.anomaly_score(embeddings[others])
    return distances


def require_neighbors(table):
    """Refuse sections in which a training clip would have no other to be compared with."""
    counts = table.groupby("section").size()
    lonely = sorted(counts.index[counts < 2])
    if lonely:
        raise DataError(
            f"{table['machine_type'].iloc[0]}: section {', '.join(lonely)} has one training clip. "
            "A section needs two or more: the score is the distance to the nearest one."
        )
