"""Domains of test clips are known where the rules of the year give them."""

import pandas as pd
import pytest

from asdkeras.data.known_domains import with_known_domains
from tests.clip_table import clips_of_every_domain as clips


@pytest.mark.parametrize("dataset", ["dcase2020", "mini2020", "dcase2021", "mini2021", "own"])
def test_a_domain_that_may_be_used_stays(dataset):
    pd.testing.assert_frame_equal(with_known_domains(clips(dataset)), clips(dataset))


@pytest.mark.parametrize(
    "dataset",
    [f"{kind}{year}" for kind in ("dcase", "mini", "bench") for year in range(2022, 2026)],
)
def test_rules_from_2022_on_withhold_the_domain_of_test_clips_alone(dataset):
    table = clips(dataset)

    known = with_known_domains(table)

    is_test = table["split"] == "test"
    assert known.loc[is_test, "domain"].isna().all()
    pd.testing.assert_frame_equal(known[~is_test], table[~is_test])
    pd.testing.assert_frame_equal(known.drop(columns="domain"), table.drop(columns="domain"))
    pd.testing.assert_frame_equal(table, clips(dataset))
