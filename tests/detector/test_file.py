"""The file of a detector: what is written is read, and why another file is not."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from asdkeras import __version__
from asdkeras.detector.file import read_file, read_model, save_file
from asdkeras.detector.fitted_machine import Machine
from asdkeras.errors import DataError

FAN = Machine("fan", "fan", "00", 16000, 160000, "start", 0.1 + 0.2)
PUMP = Machine("pump_01", "pump", "01", 8000, 8000, "end", -3.0)
STORY = {"system": "baseline2023", "note": "für alle", "recipe": {"audio": {"channel": 0}}}


class Bytes:
    """Stands for a model: what it saves is known."""

    def __init__(self, content):
        self.content = content

    def save(self, path):
        Path(path).write_bytes(self.content)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "machine.asd"
    models = {"fan": Bytes(b"a" * 999), "pump_01": Bytes(b"b" * 999)}
    save_file(path, STORY, {"fan": FAN, "pump_01": PUMP}, models)
    return path


def refusal(path):
    with pytest.raises(DataError) as caught:
        read_file(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def rewritten(path, change):
    """The file with another description, or with none if that is None."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            if name == "detector.json":
                content = change(json.loads(content))
                content = content if isinstance(content, str) else json.dumps(content)
            archive.writestr(name, content)
    return path


def test_story_and_machines_are_read_as_they_were_written(saved):
    story, machines = read_file(saved)

    assert story == STORY
    assert machines == {"fan": FAN, "pump_01": PUMP}
    assert list(machines) == ["fan", "pump_01"]


def test_anybody_can_read_what_is_in_it(saved):
    with zipfile.ZipFile(saved) as archive:
        contents = json.loads(archive.read("detector.json"))
        parts = {name: archive.read(name) for name in archive.namelist()[1:]}
        kinds = {each.compress_type for each in archive.infolist()[1:]}

    assert contents["format"] == "asdkeras detector"
    assert (contents["version"], contents["asdkeras"]) == (1, __version__)
    assert parts == {"machines/fan.keras": b"a" * 999, "machines/pump_01.keras": b"b" * 999}
    assert kinds == {zipfile.ZIP_STORED}  # The models are zip files already.


def test_a_failed_save_leaves_the_file_as_it_was(saved):
    before = saved.read_bytes()

    with pytest.raises(TypeError):
        save_file(saved, {"not": object()}, {"fan": FAN}, {"fan": Bytes(b"")})
    with pytest.raises(AttributeError):
        save_file(saved, STORY, {"fan": FAN}, {"fan": None})

    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_machine_is_named_like_a_file():
    with pytest.raises(
        ValueError, match=r"`name` must be a text that does as a file name.*'\.\./f"
    ):
        Machine("../fan", *[None] * 6)


def test_a_threshold_that_is_no_number_is_not_saved(tmp_path):
    fan = Machine("fan", "fan", "00", 1, 1, "end", np.nan)

    with pytest.raises(ValueError, match="Out of range"):
        save_file(tmp_path / "a.asd", STORY, {"fan": fan}, {"fan": None})
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_or_a_foreign_one_is_named(tmp_path):
    (tmp_path / "clip.asd").write_bytes(b"RIFF" + bytes(100))
    (tmp_path / "nothing.asd").touch()

    assert "no such file. `asdkeras fit" in refusal(tmp_path / "missing.asd")
    assert "is a folder" in refusal(tmp_path)
    assert "not the file of a detector" in refusal(tmp_path / "clip.asd")
    assert "not the file of a detector" in refusal(tmp_path / "nothing.asd")


def test_foreign_zip_files_are_told_from_models(tmp_path):
    for name, member in (("model.keras", "model.weights.h5"), ("any.zip", "any.txt")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, "")

    assert "a Keras model, such as `asdkeras export` writes" in refusal(tmp_path / "model.keras")
    assert "a zip file, but not of a detector" in refusal(tmp_path / "any.zip")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_cut_off(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])

    assert "cut off or damaged" in refusal(saved)


def test_changed_bytes_are_noticed(saved):
    saved.write_bytes(saved.read_bytes().replace(b"bbbb", b"bbxb", 1))

    read_file(saved)

    with pytest.raises(DataError, match=r"machines/pump_01\.keras cannot be read: Bad CRC"):
        read_model(saved, "pump_01")


def test_changed_bytes_of_the_description_are_noticed(saved):
    saved.write_bytes(saved.read_bytes().replace(b"baseline2023", b"baseline2024", 1))
    assert "damaged, detector.json cannot be read: Bad CRC" in refusal(saved)


def test_a_missing_model_is_named(saved):
    with zipfile.ZipFile(saved) as archive:
        text = archive.read("detector.json")
    with zipfile.ZipFile(saved, "w") as archive:
        archive.writestr("detector.json", text)
        archive.writestr("machines/fan.keras", "")

    assert "the model of pump_01 is missing" in refusal(saved)


def test_a_newer_file_says_who_wrote_it(saved):
    rewritten(saved, lambda contents: {"format": contents["format"], "version": 2, "asdkeras": "9"})

    assert (
        f"written by asdkeras 9, format 2; this is asdkeras {__version__} and reads format 1. "
        "Update asdkeras." in refusal(saved)
    )


def with_machine(**changes):
    return lambda contents: {**contents, "machines": [{**contents["machines"][0], **changes}]}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda contents: "{", "is no JSON text"),
        (lambda contents: 100_000 * "[", "is no JSON text"),
        (lambda contents: [contents], "must be a mapping"),
        (lambda contents: {**contents, "format": "zoo"}, "`format` must be one of 'asdkeras det"),
        (lambda contents: {**contents, "version": "1"}, "`version` must be of type int"),
        (lambda contents: {**contents, "version": 0}, "`version` must be at least 1"),
        (lambda contents: {**contents, "story": None}, "`story` must be a mapping"),
        (lambda contents: {**contents, "machines": {}}, "`machines` must be a list"),
        (lambda contents: {**contents, "machines": [7]}, r"machines\[0\]: must be a mapping"),
        (with_machine(name="../fan"), "`name` must be a text that does as a file name"),
        (with_machine(name="a/../../fan"), "`name` must be a text that does as a file name"),
        (with_machine(section=0), "`section` must be of type str"),
        (with_machine(sample_rate_hz=0), "`sample_rate_hz` must be at least 1"),
        (with_machine(clip_length=1.5), "`clip_length` must be of type int"),
        (with_machine(keep="middle"), "`keep` must be one of 'start', 'end'"),
        (with_machine(threshold=True), "`threshold` must be a number"),
        (with_machine(color="red"), "unknown key `color`"),
    ],
)
def test_a_description_of_another_shape_is_damaged(saved, change, fault):
    with pytest.raises(DataError, match=fault) as caught:
        read_file(rewritten(saved, change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("member", ["../fan.keras", "/etc/fan", "machines/..\\fan", "a/../../b"])
def test_parts_that_lead_out_of_the_file_are_refused(saved, member):
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr(member, "")

    assert "a part leads out of the file" in refusal(saved)


def test_graphs_are_loaded_in_safe_mode_or_refused_in_one_line(tmp_path):
    import keras
    from keras import layers

    @keras.saving.register_keras_serializable("elsewhere")
    class Foreign(layers.Layer):
        def call(self, inputs):
            return inputs

    inputs = keras.Input([4])
    middle = layers.Dense(3, activation="tanh")(inputs)
    outputs = {"anomaly_score": layers.Dense(1)(middle)}
    models = {
        "fan": keras.Model(inputs, outputs),
        "lambda": keras.Sequential([inputs, layers.Lambda(lambda x: x + 1)]),
        "foreign": keras.Sequential([inputs, Foreign()]),
        "torn": Bytes(b"no model"),
    }
    machines = {name: Machine(name, name, "00", 16000, 16000, "start", 1.0) for name in models}
    clips = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")

    save_file(tmp_path / "a.asd", STORY, machines, models)
    keras.saving.get_custom_objects().pop("elsewhere>Foreign")
    path = tmp_path / "a.asd"
    loaded = read_model(path, "fan")

    np.testing.assert_array_equal(
        loaded(clips)["anomaly_score"], models["fan"](clips)["anomaly_score"]
    )
    for name, reason in {
        "lambda": "holds code of its own",
        "foreign": "holds what neither Keras nor asdkeras .* has",
        "torn": "cannot be loaded",
    }.items():
        with pytest.raises(DataError, match=f"{tmp_path}.*model of {name} .*{reason}") as caught:
            read_model(path, name)
        assert "\n" not in str(caught.value)
