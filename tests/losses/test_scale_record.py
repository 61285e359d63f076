"""What is recorded of the heads that tune their scale."""

import keras
import pytest

from asdkeras.losses.ada_proj import AdaProj
from asdkeras.losses.class_compactness import ClassCompactness
from asdkeras.losses.scale_record import guard_notes, scale_values
from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos


@pytest.fixture
def model():
    embedding, label = keras.Input((8,)), keras.Input((3,))
    heads = [
        AdaProj(3, 2, name="first"),
        SubClusterAdaCos(3, 2, name="second"),
        ClassCompactness(3, name="third"),
    ]
    return keras.Model([embedding, label], [head(embedding, label) for head in heads])


def test_scale_and_guarded_updates_of_every_head_are_recorded(model):
    model.get_layer("first").scale.assign(7.5)
    model.get_layer("second").scale_clamped.assign(2.0)

    values = scale_values(model)

    assert set(values) == {
        "first_scale",
        "first_scale_clamped",
        "second_scale",
        "second_scale_clamped",
    }
    assert values["first_scale"] == 7.5
    assert values["second_scale_clamped"] == 2.0


def test_only_heads_whose_guard_acted_are_told_of(model):
    assert guard_notes(model) == []

    model.get_layer("second").scale_clamped.assign(2.0)

    (note,) = guard_notes(model)
    assert "`second` met its floor or ceiling in 2 updates" in note
