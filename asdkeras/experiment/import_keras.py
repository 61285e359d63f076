"""Importing Keras with TensorFlow behind it, without what TensorFlow says about itself."""

import importlib
import logging
import os
import sys
import tempfile

_FATAL = "3"


def import_keras() -> None:
    """Import Keras before anything else does.

    TensorFlow's C++ side writes about builds and drivers to standard error, where our progress and
    errors go. What it writes while importing is dropped unless the import fails; later only fatal
    messages come through. Set TF_CPP_MIN_LOG_LEVEL to see all of it.
    """
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
