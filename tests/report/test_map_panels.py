"""Panels show each clip once, where the map has it, in the color of what is known of it."""

import re

import numpy as np
import pandas as pd
import pytest

from asdkeras.report.clip_section import clip_keys
from asdkeras.report.embedding_map import CLIP_COLUMNS, EmbeddingMap
from asdkeras.report.map_panels import (
    caption,
    colorings,
    marks_in_use,
    panel,
    separation_frame,
    separation_parts,
)
from asdkeras.report.separation import Separation


def map_of(rows, **shared):
    """A map of clips given as dictionaries; they lie on a diagonal unless given `x` and `y`."""
    defaults = {"split": "train", "domain": "source", "section": "00", "is_anomalous": False}
    filled = [
        {**defaults, "name": f"clip_{number}.wav", "x": number, "y": number, **shared, **row}
        for number, row in enumerate(rows)
    ]
    clips = pd.DataFrame(filled, columns=list(CLIP_COLUMNS))
    clips = clips.astype({"is_anomalous": "boolean", "attributes": "string", "domain": "string"})
    return EmbeddingMap("fan", "embedding", "tsne", clips, len(clips), 0)


def coloring_of(each, title):
    (found,) = [coloring for coloring in colorings(each.clips) if coloring.title == title]
    return found


def drawn(each, title):
    """Name, class, shape, x and y of each mark, in the order they are drawn."""
    made = panel(each, coloring_of(each, title), "heading")
    pattern = (
        r'<use href="#mark(\d)" x="([\d.]+)" y="([\d.]+)"( class="test")? data-clip="[^"]+">'
        r"<title>([^<]*)</title>"
    )
    marks = [
        (name, f"{color}{' test' if is_test else ''}", shape, float(x), float(y))
        for color, group in re.findall(r'<g class="(\w+)" data-value="\d+">(.*?)</g>', made)
        for shape, x, y, is_test, name in re.findall(pattern, group)
    ]
    return pd.DataFrame(marks, columns=["title", "style", "shape", "x", "y"])


def titles(each):
    return [coloring.title for coloring in colorings(each.clips)]


def test_there_is_a_panel_for_all_that_is_known():
    sections, domains, speeds = ["00", "01", "00"], ["source", "source", "target"], [1, 2, 2]
    each = map_of(
        [
            {"section": section, "domain": domain, "attributes": f"vel_{speed}"}
            for section, domain, speed in zip(sections, domains, speeds, strict=True)
        ]
        + [{"split": "test", "is_anomalous": True, "attributes": "vel_1"}]
    )

    assert titles(each) == ["domain", "section", "attribute vel", "condition"]


def test_what_is_the_same_of_all_clips_has_no_panel_unless_there_is_no_other():
    unlabelled = {"split": "test", "is_anomalous": pd.NA}
    everything = {"attributes": "vel_1", "split": "test"}

    assert titles(map_of([{}, unlabelled, {"section": "01"}])) == ["section"]
    assert titles(map_of([everything, {**everything, "is_anomalous": True}])) == ["condition"]
    assert titles(map_of([everything, everything])) == ["domain"]
    assert titles(map_of([{}, unlabelled])) == ["domain"]


def test_properties_that_split_the_clips_alike_share_a_panel():
    kinds = [("source", "mic_1"), ("target", "mic_2"), ("source", "mic_1"), (None, None)]
    each = map_of([{"domain": domain, "attributes": mic} for domain, mic in kinds])

    (found,) = colorings(each.clips)

    assert found.title == "domain, attribute mic"
    assert found.order == ("source, mic 1", "target, mic 2")
    assert found.values == ("source, mic 1", "target, mic 2", "source, mic 1", "not known")


def test_properties_that_split_a_single_clip_otherwise_have_panels_of_their_own():
    kinds = [("source", "1"), ("target", "2"), ("source", "1"), ("source", "2")]
    each = map_of([{"domain": domain, "attributes": f"mic_{mic}"} for domain, mic in kinds])

    assert titles(each) == ["domain", "attribute mic"]
    assert coloring_of(each, "attribute mic").values == ("1", "2", "1", "2")


def test_values_are_in_natural_order_and_the_unknown_are_grey():
    each = map_of([{"attributes": text} for text in ("vel_10", "vel_9", "vel_10", None)])

    found = coloring_of(each, "attribute vel")

    assert found.order == ("9", "10")
    assert found.values == ("10", "9", "10", "without or not known")
    assert found.grey == ("without or not known",)


def test_attributes_have_a_panel_each():
    texts = ["car_A_spd_1_mic_1", "car_B_spd_1_mic_2", "spd_2_mic_1", "car_A_spd_2_mic_2"]
    each = map_of([{"attributes": text} for text in texts])

    assert titles(each) == ["attribute car", "attribute spd", "attribute mic"]
    assert coloring_of(each, "attribute car").values == ("A", "B", "without or not known", "A")


def test_of_many_attributes_the_first_four_of_few_values_are_shown():
    keys = {"many": 11, "a": 2, "b": 3, "c": 4, "d": 5, "e": 6}
    texts = ["_".join(f"{key}_{n % count}" for key, count in keys.items()) for n in range(11)]

    each = map_of([{"attributes": text} for text in texts])

    assert titles(each) == [f"attribute {key}" for key in "abcd"]


def test_attributes_that_cannot_be_taken_apart_are_one():
    each = map_of([{"attributes": "vel_1"}, {"attributes": "weight15_BckgF"}])

    assert titles(each) == ["attributes"]
    assert coloring_of(each, "attributes").order == ("vel_1", "weight15_BckgF")


def test_the_rarest_of_too_many_values_are_others():
    sections = [f"{number:02d}" for number in range(12)]
    each = map_of([{"section": name} for name in (*sections, *sections[2:])])

    found = coloring_of(each, "section")

    assert found.order == tuple(sections[2:])
    assert found.grey == ("2 others",)
    assert found.values[:3] == ("2 others", "2 others", "02")


def test_condition_is_that_of_test_clips_alone():
    kinds = [("train", False), ("test", False), ("test", True), ("test", pd.NA)]
    kinds += [("held_out", False)]
    each = map_of([{"split": split, "is_anomalous": kind} for split, kind in kinds])

    found = coloring_of(each, "condition")

    assert found.values == ("training", "normal", "anomalous", "not known", "training")
    assert (found.order, found.grey) == (("normal", "anomalous"), ("training", "not known"))


def test_every_clip_is_drawn_once_with_its_name_and_value():
    each = map_of([{"domain": name} for name in ("source", "target", None, "source")])

    marks = drawn(each, "domain")

    assert sorted(marks["title"]) == [
        "clip_0.wav: source",
        "clip_1.wav: target",
        "clip_2.wav: not known",
        "clip_3.wav: source",
    ]


def test_x_goes_right_and_y_goes_up_and_both_are_to_one_scale():
    each = map_of([{"x": -2.0, "y": 0.0}, {"x": 2.0, "y": 0.0}, {"x": 0.0, "y": 1.0}])

    marks = drawn(each, "domain").sort_values("title")

    x, y = marks["x"].to_numpy(), marks["y"].to_numpy()
    assert x[0] < x[2] < x[1]
    assert y[2] < y[0] == y[1]
    np.testing.assert_allclose((x[1] - x[0]) / (y[0] - y[2]), 4.0)
    assert min(*x, *y) > 0
    assert max(x) < 320
    assert max(y) < 160


def size_of(each):
    made = panel(each, colorings(each.clips)[0], "")
    return tuple(map(int, re.search(r'viewBox="0 0 (\d+) (\d+)" class="map"', made).groups()))


@pytest.mark.parametrize(("highest", "height"), [(1.0, 160), (3.0, 246), (4.0, 320)])
def test_a_panel_is_as_high_as_its_points_and_half_as_high_as_wide_at_least(highest, height):
    assert size_of(map_of([{"x": 0.0, "y": 0.0}, {"x": 4.0, "y": highest}])) == (320, height)


def test_clips_in_one_point_lie_in_the_middle():
    marks = drawn(map_of([{"x": 3.0, "y": 3.0}] * 2), "domain")

    assert (set(marks["x"]), set(marks["y"])) == ({160.0}, {80.0})


@pytest.mark.parametrize(("num_clips", "width"), [(300, 320), (432, 384), (1200, 560)])
def test_the_more_clips_the_smaller_are_the_marks_within_limits(num_clips, width):
    assert size_of(map_of([{}] * num_clips)) == (width, width)


def test_test_clips_are_outlines():
    both = [("train", "source"), ("test", "source"), ("held_out", "target")]
    marks = drawn(map_of([{"split": split, "domain": name} for split, name in both]), "domain")

    assert marks.set_index("title")["style"].to_dict() == {
        "clip_0.wav: source": "c0",
        "clip_1.wav: source": "c0 test",
        "clip_2.wav: target": "c1",
    }


def test_what_is_rare_lies_on_top_and_grey_below_all():
    values = ["source", "target", "target", None, None, None, "source", "source"]
    each = map_of([{"domain": value} for value in values])

    order = [title.split(": ")[1] for title in drawn(each, "domain")["title"]]

    assert order == ["not known"] * 3 + ["source"] * 3 + ["target"] * 2


def test_ten_values_are_told_apart_by_color_and_shape():
    marks = drawn(map_of([{"section": f"{number:02d}"} for number in range(10)]), "section")

    assert len(set(zip(marks["style"], marks["shape"], strict=True))) == 10
    assert set(marks["shape"]) == {"0", "1", "2", "3"}


def test_a_legend_counts_clips_and_is_spoken():
    each = map_of([{"domain": name} for name in ("source", "target", None, "source")])

    made = panel(each, coloring_of(each, "domain"), "by domain")

    assert 'aria-label="fan by domain: source 2, target 1, not known 1"' in made
    assert re.findall(r"</svg>(\w[\w ]*?) <b>(\d)</b>", made) == [
        ("source", "2"),
        ("target", "1"),
        ("not known", "1"),
    ]
    assert "<figcaption>by domain</figcaption>" in made


def test_marks_have_the_number_of_their_entry_in_the_legend():
    each = map_of([{"domain": name} for name in ("target", "target", "source", None)])

    made = panel(each, coloring_of(each, "domain"), "")

    entries = re.findall(r"</svg>(\w[\w ]*?) <b>", made)
    groups = re.findall(r'<g class="\w+" data-value="(\d)">.*?<title>[^:]+: ([^<]+)<', made)
    assert {name: entries[int(number)] for number, name in groups} == {
        name: name for name in ("source", "target", "not known")
    }


def test_anomalous_clips_lie_on_normal_ones_even_if_there_are_as_many():
    kinds = [True, False, True, False]
    each = map_of([{"split": "test", "is_anomalous": kind} for kind in kinds])

    order = [title.split(": ")[1] for title in drawn(each, "condition")["title"]]

    assert order == ["normal", "normal", "anomalous", "anomalous"]


def test_marks_refer_to_shapes_that_are_there():
    each = map_of([{"section": f"{number:02d}"} for number in range(10)])

    made = panel(each, coloring_of(each, "section"), "")

    assert set(re.findall(r'href="#(\w+)"', made)) == set(re.findall(r'id="(\w+)"', marks_in_use()))


def test_marks_bear_the_key_of_their_clip_in_every_panel():
    kinds = [("train", False), ("test", False), ("test", True)]
    each = map_of([{"split": split, "is_anomalous": kind} for split, kind in kinds])
    expected = set(zip(clip_keys(each.clips), each.clips["name"], strict=True))

    for coloring in colorings(each.clips):
        made = panel(each, coloring, "heading")
        assert set(re.findall('data-clip="([^"]+)"><title>([^:]+):', made)) == expected


def test_hostile_names_are_harmless():
    hostile = "</title><script>alert(1)</script>"
    each = map_of([{"name": hostile, "attributes": f"vel_{hostile}", "section": hostile}])

    for coloring in colorings(each.clips):
        assert "<script" not in panel(each, coloring, hostile)


def separated(kinds):
    """A map of clips of these splits, whose separation by two properties is known."""
    numbers = (
        Separation("section", 3, 20, 0.51234, 0.75, 0.4),
        Separation("domain", 2, 19, -0.04, 0.9, 0.9),
    )
    return map_of([{"split": split} for split in kinds])._replace(separation=numbers)


@pytest.mark.parametrize(
    ("kinds", "splits"),
    [(("test", "train", "test"), "train and test"), (("held_out", "train"), "train")],
)
def test_a_table_tells_the_separation_and_of_which_clips(kinds, splits):
    (made,) = separation_parts(separated(kinds))

    assert f"<caption>fan: separation of embedding, {splits} clips</caption>" in made
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", made)
    assert cells == [
        *("by", "groups", "clips", "silhouette", "purity", "most frequent"),
        *("section", "3", "20", "0.512", "0.750", "0.400"),
        *("domain", "2", "19", "-0.040", "0.900", "0.900"),
    ]


def test_a_map_whose_clips_are_all_of_a_kind_has_no_table():
    assert separation_parts(map_of([{}])) == []


def test_separations_of_all_maps_stand_in_one_frame():
    one, other = separated(("train",)), separated(("test",))._replace(title="valve")

    frame = separation_frame([("first", [one, other]), ("second", [one]), ("third", [])])

    assert list(frame) == [
        *("run", "map", "array", "split", "by", "groups", "clips"),
        *("silhouette", "purity", "most_frequent"),
    ]
    assert frame["run"].tolist() == ["first"] * 4 + ["second"] * 2
    assert frame["map"].tolist() == ["fan", "fan", "valve", "valve", "fan", "fan"]
    assert frame["split"].tolist() == ["train", "train", "test", "test", "train", "train"]
    assert frame["silhouette"].tolist() == [0.51234, -0.04] * 3


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "t-SNE of embedding, 1 clips"),
        ({"method": "pca"}, "the two largest principal components of embedding, 1 clips"),
        (
            {"num_clips": 9},
            "t-SNE of embedding, 1 of 9 clips, drawn evenly from splits, sections and domains",
        ),
        ({"num_without": 4}, "t-SNE of embedding, 1 clips; 4 further clips have none"),
    ],
)
def test_a_caption_tells_what_must_be_known(changes, text):
    each = map_of([{}])
    fields = {"title": "fan", "array": "embedding", "method": "tsne", "num_clips": 1}
    changed = EmbeddingMap(**{**fields, "num_without": 0, "clips": each.clips, **changes})

    assert caption(changed) == text
