"""AUC and pAUC of many sections at once, without a loop over them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdkeras.metrics.auc import checked_clips, checked_max_fpr, standardized


class SectionMetrics(NamedTuple):
    """AUC and pAUC, each `(sections,)`; NaN for a section without clips of both kinds."""

    auc: NDArray[np.float64]
    pauc: NDArray[np.float64]


def section_metrics(
    anomaly_scores: ArrayLike,
    is_anomalous: ArrayLike,
    section_index: ArrayLike,
    max_fpr: float = 0.1,
) -> SectionMetrics:
    """AUC and pAUC of every section, from one sort over all clips.

    The values agree with those of `auc.py` to 1e-12, not to the last digit: what is printed
    beside official figures is taken from there.

    Args:
        anomaly_scores: float, `(clips,)`, finite. Higher means more anomalous.
        is_anomalous: bool or 0/1, `(clips,)`.
        section_index: int, `(clips,)`, from 0 on: the section of each clip, in any order.
            A section may have no clips at all, or clips of one kind only.
        max_fpr: float in (0, 1].

    Returns:
        one value per section up to the largest index.

    Raises:
        ValueError: if the arrays do not fit or hold something else.

    Examples:
        >>> scores, is_anomalous = [0.1, 0.4, 0.35, 0.8, 0.2], [0, 0, 1, 1, 1]
        >>> section_metrics(scores, is_anomalous, [0, 0, 0, 0, 2]).auc.tolist()
        [0.75, nan, nan]
    """
    scores, anomalous = checked_clips(anomaly_scores, is_anomalous)
    sections = _checked_index(section_index, len(scores))
    num_sections = int(sections.max()) + 1
    num_anomalous = np.bincount(sections[anomalous], minlength=num_sections)
    num_normal = np.bincount(sections[~anomalous], minlength=num_sections)

    order = np.lexsort((-scores, sections))
    scores, anomalous, sections = scores[order], anomalous[order], sections[order]
    is_last = np.append((np.diff(scores) != 0) | (np.diff(sections) != 0), True)
    last = np.flatnonzero(is_last)
    # Clips of equal score enter a curve together: one step. Counts run over all sections.
    step_section = sections[last]
    true_positives = np.cumsum(anomalous)[last]
    false_positives = last + 1 - true_positives
    rise = np.diff(true_positives, prepend=0)
    width = np.diff(false_positives, prepend=0)
    height = true_positives - rise - (np.cumsum(num_anomalous) - num_anomalous)[step_section]
    left = false_positives - width - (np.cumsum(num_normal) - num_normal)[step_section]

    def area_up_to(rate: float) -> NDArray[np.float64]:
        room = rate * num_normal[step_section] - left
        areas = np.bincount(step_section, step_areas(width, height, rise, room), num_sections)
        return areas / both

    # A product of zero makes the whole section NaN.
    both = np.where(num_normal * num_anomalous == 0, np.nan, num_normal * num_anomalous)
    pauc = standardized(area_up_to(checked_max_fpr(max_fpr)), max_fpr)
    return SectionMetrics(area_up_to(1.0), pauc)


def step_areas(
    width: NDArray[np.number],
    height: NDArray[np.number],
    rise: NDArray[np.number],
    room: NDArray[np.number],
) -> NDArray[np.float64]:
    """Area under each step of a curve, or under as much of it as there is room for.

    A step starts at a height and rises evenly over its width. All arrays have one shape.
    """
    kept = np.clip(room, 0.0, width)
    share = kept / np.maximum(width, 1)  # A step straight up has no area.
    areas: NDArray[np.float64] = kept * (height + 0.5 * rise * share)
    return areas


def _checked_index(section_index: ArrayLike, num_clips: int) -> NDArray[np.int64]:
    index = np.asarray(section_index)
    if index.shape != (num_clips,):
        raise ValueError(
            f"`section_index` must have one value per clip, {num_clips}. "
            f"Received: shape {index.shape}"
        )
    if index.dtype.kind not in "iu" or (index < 0).any():
        raise ValueError(
            "`section_index` must hold whole numbers from 0 on. "
            f"Received: dtype {index.dtype}, starting {index[:5]!s}"
        )
    return index.astype(np.int64)
