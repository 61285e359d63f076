"""What a system represents and reads of a test clip whose domain its year withholds."""

import types

import numpy as np
import pytest

from asdkeras.systems.kuroyanagi.classifier import OutlierClassifierSystem
from asdkeras.systems.system import domains_of
from tests.clip_table import clips_of_every_domain as clips


@pytest.mark.parametrize(
    ("dataset", "of_tests"),
    [
        ("mini2021", ["source", "target", ""]),
        ("mini2022", ["", "", ""]),
        ("own", ["source", "target", ""]),
    ],
)
def test_a_withheld_domain_is_that_of_a_clip_of_unknown_domain(dataset, of_tests):
    assert domains_of(clips(dataset)).tolist() == ["source", "target", "", *of_tests]


@pytest.mark.parametrize(("dataset", "is_given"), [("mini2021", True), ("mini2022", False)])
def test_both_classifiers_of_kuroyanagi2021_represent_a_clip_whose_domain_is_withheld(
    dataset, is_given
):
    models = types.SimpleNamespace(networks={"source": None, "target": None})

    rows = OutlierClassifierSystem(None, None).rows(models, clips(dataset))

    training = [True, True, True]
    np.testing.assert_array_equal(rows["source"], [*training, True, not is_given, True])
    np.testing.assert_array_equal(rows["target"], [*training, not is_given, True, True])
