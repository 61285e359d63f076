"""Training clips by domain."""

import pandas as pd

from asdkeras.data.splits import source_and_target


def test_training_clips_are_source_clips_unless_they_are_of_the_target_domain():
    rows = [("train", "source"), ("train", "target"), ("train", pd.NA)]
    rows += [("test", "source"), ("test", "target"), ("supplemental", pd.NA)]
    table = pd.DataFrame(rows, columns=["split", "domain"]).astype("string")

    is_source, is_target = source_and_target(table)

    assert is_source.tolist() == [True, False, True, False, False, False]
    assert is_target.tolist() == [False, True, False, False, False, False]
