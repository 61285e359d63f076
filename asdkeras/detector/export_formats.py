"""A detector's graph in each format: how it is written, and how what was written runs."""

import contextlib
import errno
import importlib
import logging
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import asdkeras.keras_objects  # noqa: F401  Registers our layers for `load_model`.
from asdkeras.detector.export_check import Graph, Outputs
from asdkeras.dsp.fourier import matrix_products
from asdkeras.dsp.precision import single_precision
from asdkeras.errors import AsdkerasError, ExportError

_INPUT = "waveform"
_SIGNATURE = "serving_default"
_OPSET = 17  # Of ONNX; runtimes since 2022 read it.
_LARGEST_BYTES = 2**31  # What protocol buffers and flat buffers hold.


def read_keras(path: Path) -> Graph:
    return as_numpy_function(keras.saving.load_model(path, compile=False))


def as_numpy_function(model: keras.Model) -> Graph:
    """The graph of a model, traced once for clips of any length.

    `predict_on_batch` would trace, and warn, for every new length.
    """
    function = _waveform_function(model).get_concrete_function()
    return lambda waveforms: _as_numpy(function(tf.constant(waveforms)))


def _as_numpy(outputs: dict[str, tf.Tensor]) -> Outputs:
    return {name: value.numpy() for name, value in outputs.items()}


def write_saved_model(model: keras.Model, path: Path | str) -> None:
    """A TensorFlow SavedModel: a folder with one signature, `serving_default`."""
    # Not by Keras' own export, which writes every weight twice.
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    module.serve = _waveform_function(model)
    signature = module.serve.get_concrete_function()
    # TensorFlow has a function of its own translated, and removes the source at exit, no bytecode.
    wrote_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        tf.saved_model.save(module, path, signatures={_SIGNATURE: signature})
    except tf.errors.ResourceExhaustedError as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
    finally:
        sys.dont_write_bytecode = wrote_bytecode


def read_saved_model(path: Path) -> Graph:
    loaded = tf.saved_model.load(path)
    # The signature alone would not keep the variables.
    return lambda waveforms: _as_numpy(
        loaded.signatures[_SIGNATURE](**{_INPUT: tf.constant(waveforms)})
    )


def write_onnx(model: keras.Model, path: Path) -> None:
    """An ONNX graph with the Fourier transforms as matrix products."""
    tf2onnx = _package("tf2onnx")
    _require_room(model, single_precision=False)
    graph, outputs = _frozen(model)
    inputs = {f"{_INPUT}:0": _INPUT}
    with _quiet_about_onnx():
        onnx_model, _ = tf2onnx.convert.from_graph_def(
            graph,
            name="asdkeras",
            input_names=list(inputs),
            output_names=list(outputs),
            tensors_to_rename={**inputs, **outputs},
            opset=_OPSET,
        )
    Path(path).write_bytes(onnx_model.SerializeToString())


def read_onnx(path: Path) -> Graph:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # It leaves a file in the temporary folder.
    onnxruntime = _package("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return lambda waveforms: dict(zip(names, session.run(None, {_INPUT: waveforms}), strict=True))


def write_litert(model: keras.Model, path: Path) -> None:
    """A LiteRT graph, in float32 throughout and of built-in operations alone."""
    _require_room(model, single_precision=True)
    with tempfile.TemporaryDirectory() as folder:
        with single_precision(), matrix_products():
            write_saved_model(model, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[_SIGNATURE])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        content = converter.convert()
    Path(path).write_bytes(content)


def read_litert(path: Path) -> Graph:
    """Read by LiteRT's own package, or without it by the deprecated one of TensorFlow."""
    try:
        interpreter = importlib.import_module("ai_edge_litert.interpreter")
    except ImportError:
        interpreter = tf.lite
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is deprecated")
        runner = interpreter.Interpreter(model_path=str(path)).get_signature_runner(_SIGNATURE)
    return lambda waveforms: runner(**{_INPUT: waveforms})


def _waveform_function(model: keras.Model) -> tf.types.experimental.PolymorphicFunction:
    signature = tf.TensorSpec((None, None), "float32", name=_INPUT)

    @tf.function(input_signature=[signature], autograph=False)  # type: ignore[untyped-decorator]
    def serve(waveform: tf.Tensor) -> dict[str, tf.Tensor]:
        return model(waveform, training=False)

    return serve


def _frozen(model: keras.Model) -> tuple[tf.compat.v1.GraphDef, dict[str, str]]:
    """The graph with all weights and other tensors as constants, and {tensor: name} of outputs."""
    with matrix_products():
        function = _waveform_function(model).get_concrete_function()
    frozen = convert_variables_to_constants_v2(
        function, lower_control_flow=False, aggressive_inlining=True
    )
    outputs = dict(zip(sorted(function.structured_outputs), frozen.outputs, strict=True))
    return frozen.graph.as_graph_def(), {tensor.name: name for name, tensor in outputs.items()}


def _require_room(model: keras.Model, *, single_precision: bool) -> None:
    """Refuse what is too large before the converter fails at it."""
    widest = 4 if single_precision else math.inf
    num_bytes = sum(
        min(np.dtype(each.dtype).itemsize, widest) * math.prod(each.shape) for each in model.weights
    )
    if num_bytes >= _LARGEST_BYTES:
        raise ExportError(
            f"its weights take {num_bytes / 1e9:.3g} GB, and a file of this format holds "
            f"{_LARGEST_BYTES / 1e9:.3g} GB; the format saved_model holds more"
        )


def _package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise AsdkerasError(
            f"the format onnx needs the package {name}: pip install 'asdkeras[onnx]'"
        ) from error


@contextlib.contextmanager
def _quiet_about_onnx() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("tf2onnx", "tensorflow")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)  # What it cannot convert, the runtime refuses.
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


FORMATS: dict[str, tuple[Callable[[keras.Model, Path], None], Callable[[Path], Graph]]] = {
    "keras": (keras.Model.save, read_keras),
    "saved_model": (write_saved_model, read_saved_model),
    "onnx": (write_onnx, read_onnx),
    "litert": (write_litert, read_litert),
}
"""How a model is written, and how a path is read as a function of NumPy arrays."""

IN_FLOAT32 = ("onnx", "litert")
"""Formats whose runtimes do not compute in half precision."""
