"""The precision that scoring layers are asked for: double but inside the context."""

import threading

import pytest

from asdkeras.dsp.precision import single_precision, working_dtype


def test_precision_is_single_inside_and_double_before_and_after():
    assert working_dtype() == "float64"
    with single_precision():
        assert working_dtype() == "float32"
        with single_precision():
            assert working_dtype() == "float32"
        assert working_dtype() == "float32"
    assert working_dtype() == "float64"


def test_precision_is_double_again_after_an_error():
    with pytest.raises(KeyError), single_precision():
        raise KeyError
    assert working_dtype() == "float64"


def test_other_threads_stay_double():
    found = []
    with single_precision():
        thread = threading.Thread(target=lambda: found.append(working_dtype()))
        thread.start()
        thread.join()
    assert found == ["float64"]
