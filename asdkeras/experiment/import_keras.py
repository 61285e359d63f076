"""Importing Keras with TensorFlow behind it, without what TensorFlow says about itself."""

import importlib
import logging
import os
import sys
import tempfile

_FATAL = "3"


def import_keras(tensor_float_32: bool = False) -> None:
    """Import Keras before anything else does, and set what must precede the first operation.

    A process takes memory of a GPU as it needs it, and not all of it at once, so that several
    processes share one; TF_FORCE_GPU_ALLOW_GROWTH=false has it otherwise.

    TensorFlow's C++ side writes about builds and drivers to standard error, where our progress and
    errors go. What it writes while importing is dropped unless the import fails; later only fatal
    messages come through. Set TF_CPP_MIN_LOG_LEVEL to see all of it.

    Args:
        tensor_float_32: whether a GPU may compute products and convolutions of float32 with 10
            bits of mantissa, which is faster.
    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    _import_quietly()
    tensorflow = importlib.import_module("tensorflow")
    tensorflow.config.experimental.enable_tensor_float_32_execution(tensor_float_32)


def _import_quietly() -> None:
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # It warns of many models traced.
    is_wanted = os.environ.get("TF_CPP_MIN_LOG_LEVEL", _FATAL) != _FATAL
    if is_wanted or "keras" in sys.modules:
        importlib.import_module("keras")
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = _FATAL  # New processes of ours find it set, too.
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            importlib.import_module("keras")
        except BaseException:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
