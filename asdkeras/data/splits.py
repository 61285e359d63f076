"""Which clips of a table are trained on, by domain."""

import numpy as np
import numpy.typing as npt
import pandas as pd


def source_and_target(
    table: pd.DataFrame,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Masks of the training clips of the source and of the target domain.

    A training clip whose domain is not known counts as source.

    Args:
        table: clip table.

    Returns:
        two bool arrays, `(clips,)`.
    """
    is_target = (table["domain"] == "target").fillna(False).to_numpy(bool)
    is_training = (table["split"] == "train").to_numpy(bool)
    return is_training & ~is_target, is_training & is_target


def has_lone_section(table: pd.DataFrame) -> bool:
    """Whether a machine type has one section alone, and no others to be told from it."""
    return bool((table.groupby("machine_type")["section"].nunique() < 2).any())
