"""File names: the corner cases of the official datasets, and every published name."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdkeras.data.naming import (
    ClipName,
    clip_key,
    is_audio_name,
    parse_name,
    parse_supplemental_name,
)
from tests.real_data import real_data

ATTRIBUTES = [
    "vel_21",
    "vel_8_loc_H",
    "vel_10_f-n_A",
    "m-n_X",
    "f-n_B",
    "n-lv_L1",
    "volt_3.0",
    "volt_1.5_wt_200",
    "wt_200",
    "id_07",
    "ac_0.03",
    "vel_660_ac_0.09",
    "pat_06",
    "pat_06_panel_open",
    "pat_04_panel_bs-c",
    "v1pat_04",
    "v1pat_05_v2pat_05",
    "v1pat_04_v2pat_05",
    "car_A1_spd_28V_mic_1_noise_1",
    "car_G2_spd_34V_mic_1_noise_6",
    "car_C2_spd_H_mic_2",
    "car_B2_spd_Mb_mic_1",
    "grindstone_3_plate_3",
    "speed_1000",
    "vel_12",
    "mdl_B_spd_2",
    "fl_2_nos_3",
    "res_2_len_1",
    "id_C1_spd_6_mic_2",
    "weight15_BckgF",
    "spd1000_BckgC",
    "pro_A_wt_200",
    "pro_B_vel_8_loc_B",
    "spd_6_n_D",
    "mic_imp34dt05_mic_pos_A_grind_100_bkg_A",
    "pow_4_n_A",
    "vol_12000",
    "ac_0.03_",
    "pro_A_wt_200_damage1",
    "strength_1_ambient",
]


def named(name, **parts):
    """The parts of a name, with the fields that most names leave alone filled in."""
    expected = {"domain": None, "split": None, "is_anomalous": None, "attributes": None} | parts
    return (name, ClipName(**expected))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        named(
            "normal_id_01_00000098.wav",
            grammar=2020,
            section="01",
            is_anomalous=False,
            counter="00000098",
        ),
        named(
            "anomaly_id_06_00000064.wav",
            grammar=2020,
            section="06",
            is_anomalous=True,
            counter="00000064",
        ),
        named("id_05_00000000.wav", grammar=2020, section="05", counter="00000000"),
        named(
            "section_00_source_train_normal_0000_strength_1_ambient.wav",
            grammar=2021,
            section="00",
            domain="source",
            split="train",
            is_anomalous=False,
            counter="0000",
            attributes="strength_1_ambient",
        ),
        named(
            "section_02_target_test_anomaly_0285.wav",
            grammar=2021,
            section="02",
            domain="target",
            split="test",
            is_anomalous=True,
            counter="0285",
        ),
        named(
            "section_03_source_test_0000.wav",
            grammar=2021,
            section="03",
            domain="source",
            split="test",
            counter="0000",
        ),
        named("section_03_0000.wav", grammar=2021, section="03", counter="0000"),
        named("section_03_test_0199.wav", grammar=2021, section="03", split="test", counter="0199"),
        # RoboticArm of 2024: no `_test_`, no separator between key and value.
        named(
            "section_00_source_normal_0035_weight15_BckgF.wav",
            grammar=2021,
            section="00",
            domain="source",
            is_anomalous=False,
            counter="0035",
            attributes="weight15_BckgF",
        ),
        # CoffeeGrinder of 2025: indices to 2012.
        named(
            "section_00_target_test_anomaly_2012_vol_12000.wav",
            grammar=2021,
            section="00",
            domain="target",
            split="test",
            is_anomalous=True,
            counter="2012",
            attributes="vol_12000",
        ),
        named(
            "section_00_source_train_normal_0001_noAttribute.wav",
            grammar=2021,
            section="00",
            domain="source",
            split="train",
            is_anomalous=False,
            counter="0001",
            is_withheld=True,
        ),
        named(
            "section_00_source_train_normal_0000_.wav",
            grammar=2021,
            section="00",
            domain="source",
            split="train",
            is_anomalous=False,
            counter="0000",
        ),
        # Fan of 2020 as ASDKit formats it: the machine id is a section, eight digits stay.
        named(
            "section_01_source_test_normal_00000098.wav",
            grammar=2021,
            section="01",
            domain="source",
            split="test",
            is_anomalous=False,
            counter="00000098",
        ),
        # 3DPrinter of 2024.
        named(
            "section_00_target_test_anomaly_0001_mdl_B_spd_2.wav",
            grammar=2021,
            section="00",
            domain="target",
            split="test",
            is_anomalous=True,
            counter="0001",
            attributes="mdl_B_spd_2",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_official_name_has_these_parts(name, expected):
    assert parse_name(name) == expected


@pytest.mark.parametrize("attributes", ATTRIBUTES)
@pytest.mark.parametrize("suffix", [".wav", ".WAV", ".flac"])
def test_attribute_text_is_kept_whole(attributes, suffix):
    name = parse_name(f"section_00_source_test_anomaly_0001_{attributes}{suffix}")

    assert name.attributes == attributes
    assert name.counter == "0001"


@pytest.mark.parametrize(
    ("name", "is_noise", "is_anomalous", "domain"),
    [
        ("section_00_machine_0001_.wav", False, False, None),
        ("section_00_noise_0100_.wav", True, None, None),
        ("section_00_source_supplemental_machine_0000.wav", False, False, "source"),
        ("section_00_noise_supplemental_normal_0000.wav", True, None, None),
    ],
)
def test_supplemental_name_says_whether_there_is_a_machine(name, is_noise, is_anomalous, domain):
    parsed = parse_supplemental_name(name)

    assert parse_name(name) is None
    assert (parsed.is_noise, parsed.is_anomalous, parsed.domain) == (is_noise, is_anomalous, domain)
    assert (parsed.split, parsed.attributes) == ("supplemental", None)


@pytest.mark.parametrize(
    "name",
    [
        "recording 7.wav",
        "normal_1170.wav",
        "section_0_source_train_normal_0000_a_1.wav",
        "section_00_source_train_normal_000.wav",
        "section_00_source_train_normal_00000.wav",
        "section_00_source_train_normal_000000000.wav",
        "section_00_source_train_normal_0000_a_1.mp3",
        "section_00_source_train_normal_0000_a_1.wav.part",
        "id_01_0000.wav",
        "xsection_00_0000.wav",
        "Section_00_0000.wav",
        "section_\u0660\u0660_0000.wav",
    ],
)
def test_other_names_are_not_official(name):
    assert parse_name(name) is None
    assert parse_supplemental_name(name) is None


@pytest.mark.parametrize("name", ["._section_00_0000.wav", ".hidden.wav", "a.mp3", "wav"])
def test_hidden_files_and_other_formats_are_no_audio(name):
    assert not is_audio_name(name)


CONDITIONS = {None: None, "normal": False, "anomaly": True}
SUFFIXES = st.sampled_from([".wav", ".WAV", ".flac"])
ATTRIBUTE_TEXTS = st.one_of(
    st.sampled_from(ATTRIBUTES),
    st.text("abcXYZ0189_-.", min_size=1, max_size=30),
    st.text(st.characters(exclude_characters="\n"), min_size=1, max_size=30),
).filter(lambda text: text != "noAttribute")


@given(
    section=st.integers(0, 99),
    domain=st.sampled_from([None, "source", "target"]),
    split=st.sampled_from([None, "train", "test"]),
    condition=st.sampled_from(list(CONDITIONS)),
    num_digits=st.sampled_from([4, 8]),
    counter=st.integers(0, 9999),
    attributes=st.one_of(st.none(), ATTRIBUTE_TEXTS),
    suffix=SUFFIXES,
)
def test_parts_of_any_name_come_back(
    section, domain, split, condition, num_digits, counter, attributes, suffix
):
    counter = f"{counter:0{num_digits}d}"
    parts = [f"section_{section:02d}", domain, split, condition, counter, attributes]
    name = "_".join(part for part in parts if part is not None) + suffix

    assert parse_name(name) == ClipName(
        grammar=2021,
        section=f"{section:02d}",
        domain=domain,
        split=split,
        is_anomalous=CONDITIONS[condition],
        counter=counter,
        attributes=attributes,
    )


@given(
    section=st.integers(0, 99),
    condition=st.sampled_from(list(CONDITIONS)),
    counter=st.integers(0, 99999999),
    suffix=SUFFIXES,
)
def test_parts_of_any_name_of_2020_come_back(section, condition, counter, suffix):
    prefix = f"{condition}_" if condition else ""

    assert parse_name(f"{prefix}id_{section:02d}_{counter:08d}{suffix}") == ClipName(
        grammar=2020,
        section=f"{section:02d}",
        domain=None,
        split=None,
        is_anomalous=CONDITIONS[condition],
        counter=f"{counter:08d}",
        attributes=None,
    )


@given(
    section=st.integers(0, 99),
    origin=st.sampled_from([None, "source", "noise"]),
    content=st.sampled_from(["machine", "noise", "normal"]),
    counter=st.integers(0, 9999),
    attributes=st.one_of(st.none(), ATTRIBUTE_TEXTS),
)
def test_parts_of_any_supplemental_name_come_back(section, origin, content, counter, attributes):
    parts = [f"section_{section:02d}", origin and f"{origin}_supplemental", content]
    parts += [f"{counter:04d}", attributes]
    name = "_".join(part for part in parts if part is not None) + ".wav"
    is_noise = "noise" in (origin, content)

    assert parse_supplemental_name(name) == ClipName(
        grammar="supplemental",
        section=f"{section:02d}",
        domain="source" if origin == "source" else None,
        split="supplemental",
        is_anomalous=None if is_noise else False,
        counter=f"{counter:04d}",
        attributes=attributes,
        is_noise=is_noise,
    )


PIECES = (
    "section id _ 00 0000 source train test normal noise machine supplemental noAttribute . .wav"
)
NEARLY = st.lists(
    st.sampled_from([*PIECES.split(), " ", "\n", "\0", "\ud800", "\u0663"]), max_size=14
).map("".join)


@given(name=st.one_of(st.text(), st.text().map("{}.wav".format), NEARLY))
def test_any_text_is_a_name_or_is_not(name):
    assert isinstance(parse_name(name), ClipName | None)
    assert isinstance(parse_supplemental_name(name), ClipName | None)
    assert (clip_key(name) is None) == (parse_name(name) is None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("section_03_0000.wav", "section_03_test_0000.WAV"),
        ("section_03_source_test_0000.wav", "section_03_source_0000.flac"),
        ("section_00_0000.wav", "section_00_0000_.wav"),
        ("normal_id_01_00000098.wav", "section_01_source_test_normal_00000098.wav"),
    ],
)
def test_names_of_one_clip_have_one_key(one, other):
    assert clip_key(one) == clip_key(other)


@pytest.mark.parametrize(
    "other",
    [
        "section_01_source_test_normal_0000_a_1.wav",
        "section_00_target_test_normal_0000_a_1.wav",
        "section_00_source_train_normal_0000_a_1.wav",
        "section_00_source_test_anomaly_0000_a_1.wav",
        "section_00_source_test_normal_0001_a_1.wav",
        "section_00_source_test_normal_0000_a_1_.wav",
        "section_00_source_test_normal_0000.wav",
        "section_00_source_test_normal_0000_noAttribute.wav",
        "section_00_test_normal_0000_a_1.wav",
    ],
)
def test_names_of_two_clips_have_two_keys(other):
    assert clip_key(other) != clip_key("section_00_source_test_normal_0000_a_1.wav")


def test_2020_has_no_target_domain():
    converted = "section_01_target_test_normal_00000098.wav"

    assert clip_key(converted) != clip_key("normal_id_01_00000098.wav")


def test_marker_of_withheld_attributes_tells_keys_apart():
    withheld = "section_00_source_test_normal_0000_noAttribute.wav"

    assert clip_key(withheld) != clip_key("section_00_source_test_normal_0000.wav")


def rows_of(path):
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize(
    ("year", "total"),
    [(2020, 7103), (2021, 8635), (2022, 4200), (2023, 1400), (2024, 1800), (2025, 1600)],
)
def test_every_published_name_parses(year, total):
    path = real_data("1_ground_truth/eval_data_list") / f"eval_data_list_{year}.csv"
    rows = [row for row in rows_of(path) if len(row) > 1]

    raw = [parse_name(row[0]) for row in rows]
    labeled = [parse_name(row[1]) for row in rows]

    assert len(rows) == total
    assert {name.is_anomalous for name in raw} == {None}
    assert {name.is_anomalous for name in labeled} == {False, True}
    assert all(a.section == b.section for a, b in zip(raw, labeled, strict=True))
    if year == 2020:
        assert [str(int(name.is_anomalous)) for name in labeled] == [row[2] for row in rows]
    else:
        assert {name.domain for name in labeled} == {"source", "target"}


def test_released_attribute_names_parse():
    folder = real_data("1_ground_truth/attributes_2025")
    rows = [row for path in sorted(folder.glob("*/*/*.csv")) for row in rows_of(path)[1:]]

    assert len(rows) == 1400
    assert all(parse_name(source).attributes for source, _ in rows)
    assert all(parse_name(target).attributes is None for _, target in rows)
