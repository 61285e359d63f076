"""Exported graphs in their own runtimes against the Keras graph."""

import functools
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from asdkeras.detector import export_formats, exports
from asdkeras.detector.decision import decided
from asdkeras.detector.exports import FORMATS, export_model, load_exported
from asdkeras.detector.fitted_machine import Machine
from asdkeras.errors import AsdkerasError, DataError, ExportError
from asdkeras.layers.gaussian_scores import GaussianScores
from asdkeras.layers.heard_part import HeardPart
from asdkeras.layers.log_mel_spectrogram import LogMelSpectrogram
from asdkeras.layers.magnitude_spectrum import MagnitudeSpectrum

_RATE_HZ = 2000
_CLIP_LENGTH = 3000
_OUTPUTS = ["anomaly_score", "embedding", "is_anomalous"]
_NAMES = {"keras": "a.keras", "saved_model": "a", "onnx": "a.onnx", "litert": "a.tflite"}
_MACHINE = Machine("fan", "fan", "section_00", _RATE_HZ, _CLIP_LENGTH, "end", 6.0)


def detector(seed=0, threshold=_MACHINE.threshold):
    """A graph with what formats differ in: lengths, transforms, double precision, constants."""
    keras.utils.set_random_seed(seed)
    waveform = keras.Input((None,), name="waveform")
    heard = HeardPart(_CLIP_LENGTH, "end")(waveform)
    frames = LogMelSpectrogram(_RATE_HZ, 256, 128, 8)(heard)
    standardize = layers.Normalization(axis=-1, mean=np.full(8, -50.0), variance=np.full(8, 400.0))
    bins = _CLIP_LENGTH // 2
    scale = layers.Normalization(axis=-1, mean=np.zeros(bins), variance=np.full(bins, 1e4))
    spectrum = layers.Dense(8)(scale(MagnitudeSpectrum()(heard)))
    embedding = ops.concatenate([ops.mean(standardize(frames), axis=1), spectrum], axis=-1)
    embedding = layers.Dropout(0.5)(embedding)
    pooled = GaussianScores(1)(ops.expand_dims(embedding, 1))
    score = ops.cast(pooled[:, 0, 2], "float32") - 10.0
    score, is_anomalous = decided(waveform, score, threshold)
    outputs = {"anomaly_score": score, "is_anomalous": is_anomalous, "embedding": embedding}
    return keras.Model(waveform, outputs)


def replace(monkeypatch, format, write=None, read=None):
    """Write or read a format in another way."""
    old = exports.FORMATS[format]
    monkeypatch.setitem(exports.FORMATS, format, (write or old[0], read or old[1]))


@pytest.fixture(scope="module")
def model():
    return detector()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    """From a format to what `export_model` said of it, exported once."""
    folder = tmp_path_factory.mktemp("exported")
    return functools.cache(
        lambda format: export_model(model, folder / _NAMES[format], format, _MACHINE)
    )


@pytest.mark.parametrize("format", FORMATS)
def test_exported_graph_computes_what_the_keras_graph_computes(format, model, exported):
    compute = load_exported(exported(format).path, format)

    for batch, samples in ((1, 1), (3, 900), (2, _CLIP_LENGTH), (1, 7777)):
        waveforms = 0.1 * np.random.default_rng(samples).normal(size=(batch, samples))
        expected = model.predict_on_batch(waveforms.astype("float32"))
        received = compute(waveforms)

        assert sorted(received) == _OUTPUTS
        for name, dtype in zip(_OUTPUTS, ("float32", "float32", "bool"), strict=True):
            assert received[name].dtype == dtype
            # As the check at export, which is relative to the largest value.
            scale = np.abs(expected[name]).max()
            np.testing.assert_allclose(received[name], expected[name], rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("format", FORMATS)
def test_size_and_difference_are_those_of_the_file(format, exported):
    path = exported(format).path
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]

    assert exported(format).num_bytes == sum(len(each.read_bytes()) for each in files)
    assert 0.0 <= exported(format).largest_difference < 1e-5
    assert (exported(format).largest_difference > 0.0) == (format in ("onnx", "litert"))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1500, -1])
def test_a_sample_that_is_not_finite_makes_its_clip_alone_anomalous(format, value, place, exported):
    """Also in the part of a longer clip that is not used, here its start."""
    compute = load_exported(exported(format).path, format)
    waveforms = 0.001 * np.random.default_rng(0).normal(size=(4, 5000))
    clean = compute(waveforms)
    assert not clean["is_anomalous"].any()
    waveforms[2, place] = value

    received = compute(waveforms)

    assert received["is_anomalous"].tolist() == [False, False, True, False]
    assert np.isnan(received["anomaly_score"]).tolist() == [False, False, True, False]
    others = [0, 1, 3]
    for name in ("anomaly_score", "embedding"):
        np.testing.assert_allclose(received[name][others], clean[name][others], rtol=1e-5)


def test_nothing_is_left_beside_what_was_exported(exported):
    (folder,) = {exported(format).path.parent for format in FORMATS}
    assert sorted(each.name for each in folder.iterdir()) == sorted(_NAMES.values())


def test_onnx_graph_has_one_input_with_both_sizes_free(exported):
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(exported("onnx").path).graph

    (waveform,) = graph.input
    assert waveform.name == "waveform"
    assert not any(size.dim_value for size in waveform.type.tensor_type.shape.dim)
    assert sorted(output.name for output in graph.output) == _OUTPUTS


def test_saved_model_has_one_named_signature(exported):
    tf = pytest.importorskip("tensorflow")
    signature = tf.saved_model.load(exported("saved_model").path).signatures["serving_default"]

    (waveform,) = signature.structured_input_signature[1].values()
    assert (waveform.name, tuple(waveform.shape)) == ("waveform", (None, None))
    assert sorted(signature.structured_outputs) == _OUTPUTS


def writes(other):
    return lambda model, path: other.save(path)


def test_graph_that_disagrees_is_not_written(model, tmp_path, monkeypatch):
    replace(monkeypatch, "keras", write=writes(detector(seed=1)))

    with pytest.raises(ExportError, match=r"fan\.keras: not written as keras.*off by \d.*0.0001"):
        export_model(model, tmp_path / "fan.keras", "keras", _MACHINE)

    assert list(tmp_path.iterdir()) == []


def test_graph_that_calls_nan_normal_is_not_written(tmp_path):
    model = detector()
    score = model.output["anomaly_score"]
    outputs = {**model.output, "is_anomalous": score > _MACHINE.threshold}
    with pytest.raises(ExportError, match="with one sample of nan is false"):
        export_model(keras.Model(model.input, outputs), tmp_path / "fan.keras", "keras", _MACHINE)


def test_folder_that_disagrees_leaves_the_one_that_was_there(model, tmp_path, monkeypatch):
    (tmp_path / "fan").mkdir()
    (tmp_path / "fan" / "saved_model.pb").write_text("earlier")
    replace(monkeypatch, "saved_model", read=lambda path: lambda waveforms: {"other": waveforms})

    with pytest.raises(ExportError, match=r"its outputs are \['other'\] in place of"):
        export_model(model, tmp_path / "fan", "saved_model", _MACHINE)

    assert [each.name for each in tmp_path.rglob("*")] == ["fan", "saved_model.pb"]
    assert (tmp_path / "fan" / "saved_model.pb").read_text() == "earlier"


def test_saved_model_takes_the_place_of_an_earlier_one(model, tmp_path, monkeypatch):
    (tmp_path / "fan").mkdir()
    (tmp_path / "fan" / "saved_model.pb").write_text("earlier")

    def write(model, path):
        path.mkdir()
        (path / "saved_model.pb").write_text("later")

    replace(monkeypatch, "saved_model", write=write)
    replace(monkeypatch, "saved_model", read=lambda path: model.predict_on_batch)

    export_model(model, tmp_path / "fan", "saved_model", _MACHINE)

    assert [each.name for each in tmp_path.rglob("*")] == ["fan", "saved_model.pb"]
    assert (tmp_path / "fan" / "saved_model.pb").read_text() == "later"


def test_what_a_converter_cannot_express_is_told_in_one_line(model, tmp_path, monkeypatch):
    def write(model, path):
        raise RuntimeError("operation Spin is unknown\nand a page of graph")

    replace(monkeypatch, "onnx", write=write)

    with pytest.raises(ExportError) as caught:
        export_model(model, tmp_path / "fan.onnx", "onnx", _MACHINE)

    assert str(caught.value) == (
        f"{tmp_path}/fan.onnx: not written as onnx, because the format cannot express it "
        "(operation Spin is unknown)"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_graph_that_is_too_large_for_a_file_is_refused(format, model, tmp_path, monkeypatch):
    monkeypatch.setattr(export_formats, "_LARGEST_BYTES", 1000)
    with pytest.raises(ExportError, match=r"its weights take .* GB.*saved_model holds more"):
        export_model(model, tmp_path / "fan", format, _MACHINE)


def test_weights_in_double_precision_count_half_where_they_become_single(model, monkeypatch):
    num_bytes = {
        "float64": sum(8 * np.size(each) for each in model.weights if each.dtype == "float64"),
        "others": sum(4 * np.size(each) for each in model.weights if each.dtype != "float64"),
    }
    monkeypatch.setattr(export_formats, "_LARGEST_BYTES", sum(num_bytes.values()))

    export_formats._require_room(model, single_precision=True)
    with pytest.raises(ExportError, match="its weights take"):
        export_formats._require_room(model, single_precision=False)


@pytest.mark.parametrize("package", ["tf2onnx", "onnxruntime"])
def test_missing_package_is_told_with_the_command_that_installs_it(
    package, model, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    if package == "onnxruntime":
        replace(monkeypatch, "onnx", write=lambda model, path: None)

    with pytest.raises(AsdkerasError, match=rf"needs the package {package}: pip.*asdkeras\[onnx\]"):
        export_model(model, tmp_path / "fan.onnx", "onnx", _MACHINE)


def test_unknown_format_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"`format` must be one of .*Received: format='tflite'"):
        export_model(model, tmp_path / "fan", "tflite", _MACHINE)
    with pytest.raises(ValueError, match=r"`format` must be one of .*Received: format='tflite'"):
        load_exported(tmp_path / "fan", "tflite")


def test_folder_of_something_else_is_not_replaced(model, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(AsdkerasError, match="there is something else"):
        export_model(model, tmp_path, "saved_model", _MACHINE)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [("fan.h5", "keras", "must end in .keras"), ("", "onnx", "there is a folder")],
)
def test_unfit_path_is_refused_before_anything_is_written(name, format, message, model, tmp_path):
    with pytest.raises(AsdkerasError, match=message):
        export_model(model, tmp_path / name, format, _MACHINE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", FORMATS)
def test_file_that_is_not_there_is_told(format, tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        load_exported(tmp_path / "fan", format)


@pytest.mark.parametrize("format", FORMATS)
def test_foreign_file_is_told_in_one_line(format, tmp_path):
    path = tmp_path / "fan.keras"
    path.write_text("no graph of any kind")
    with pytest.raises(DataError, match=rf"fan\.keras: cannot be read as {format} \([^\n]*\)$"):
        load_exported(path, format)
