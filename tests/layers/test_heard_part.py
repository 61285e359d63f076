"""HeardPart: sample by sample, `fit_clip_length`, and lengths that are not known before."""

import keras
import numpy as np
import pytest

from asdkeras.dsp.clip_length import fit_clip_length
from asdkeras.layers.heard_part import HeardPart
from tests.contracts import check_layer

CLIP_LENGTH = 10


def drawn_waveforms(samples, clips=3):
    return np.random.default_rng(0).normal(size=(clips, samples)).astype("float32")


@pytest.fixture(scope="module", params=["start", "end"])
def model(request):
    waveforms = keras.Input((None,))
    return keras.Model(waveforms, HeardPart(CLIP_LENGTH, request.param)(waveforms))


@pytest.mark.parametrize(
    ("clip", "keep", "part"),
    [
        ([1, 2, 3], "start", [1, 2]),
        ([1, 2, 3], "end", [2, 3]),
        ([1, 2], "start", [1, 2]),
        ([1, 2], "end", [1, 2]),
        ([1], "end", [1, 1]),
    ],
)
def test_start_or_end_is_heard_or_the_clip_again(clip, keep, part):
    found = HeardPart(2, keep)(np.array([clip], "float32"))
    np.testing.assert_array_equal(found, [part])


@pytest.mark.parametrize("samples", [1, 4, 9, 10, 11, 25])
def test_one_graph_hears_of_every_clip_what_the_scorer_hears(model, samples):
    waveforms = drawn_waveforms(samples)
    assert model.output_shape == (None, CLIP_LENGTH)

    parts = model.predict_on_batch(waveforms)

    keep = model.layers[-1].keep
    expected = [fit_clip_length(clip, CLIP_LENGTH, keep) for clip in waveforms]
    np.testing.assert_array_equal(parts, expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_waveforms_keep_their_type(dtype):
    waveforms = drawn_waveforms(4).astype(dtype)
    part = HeardPart(CLIP_LENGTH)(waveforms)
    assert keras.backend.standardize_dtype(part.dtype) == dtype
    symbol = HeardPart(CLIP_LENGTH)(keras.Input((None,), dtype=dtype))
    assert symbol.dtype == dtype
    np.testing.assert_array_equal(part[:, :4], waveforms)


def test_layer_contract():
    check_layer(HeardPart(CLIP_LENGTH, keep="end"), drawn_waveforms(13), output_shape=(3, 10))


def test_no_samples_to_hear_are_refused():
    with pytest.raises(ValueError, match=r"`clip_length` must be at least 1\..*clip_length=0"):
        HeardPart(0)


def test_random_parts_are_refused():
    with pytest.raises(ValueError, match=r"`keep` must be one of \('start', 'end'\)\. .*'random'"):
        HeardPart(4, keep="random")


def test_empty_clips_are_refused():
    with pytest.raises(ValueError, match=r"at least one sample.* Received: .*\(3, 0\)"):
        HeardPart(4)(drawn_waveforms(0))
    with pytest.raises(ValueError, match=r"at least one sample.* Received: .*\(None, 0\)"):
        HeardPart(4)(keras.Input((0,)))
