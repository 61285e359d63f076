"""What is taken for agreement of two graphs, with functions in their place."""

import dataclasses

import numpy as np
import pytest

from asdkeras.detector.export_check import check_agreement, generated_clip
from asdkeras.detector.fitted_machine import Machine
from asdkeras.errors import ExportError

_MACHINE = Machine("fan", "fan", "section_00", 1000, 2000, "start", 2.0)


def outputs(score=8.0, *, threshold=2.0, embedding=(4.0, -40.0), is_anomalous=None):
    """A graph that says the same of every clip."""

    def compute(waveforms):
        count = len(waveforms)
        decision = score > threshold if is_anomalous is None else is_anomalous
        return {
            "anomaly_score": np.full(count, score),
            "is_anomalous": np.full(count, decision),
            "embedding": np.tile(embedding, (count, 1)),
        }

    return compute


def test_largest_difference_is_relative_to_the_score():
    difference = check_agreement(outputs(8.0), outputs(8.0004), _MACHINE)
    assert difference == pytest.approx(0.5e-4, rel=1e-6)


def test_largest_difference_is_that_of_all_clips():
    def received(waveforms):
        return outputs(8.0004 if waveforms.shape[1] == 1000 else 8.0)(waveforms)

    difference = check_agreement(outputs(8.0), received, _MACHINE)

    assert difference == pytest.approx(0.5e-4, rel=1e-6)


def test_score_is_relative_to_the_threshold_where_that_is_larger():
    machine = dataclasses.replace(_MACHINE, threshold=-8.0)
    difference = check_agreement(outputs(0.0), outputs(0.0004), machine)
    assert difference == pytest.approx(0.5e-4, rel=1e-6)


def test_embedding_is_relative_to_its_largest_value():
    difference = check_agreement(outputs(), outputs(embedding=(4.002, -40.0)), _MACHINE)
    assert difference == pytest.approx(0.5e-4, rel=1e-6)


def test_every_clip_of_a_batch_has_an_embedding_of_its_own_size():
    def graph(error):
        def compute(waveforms):
            embeddings = np.array([[1000.0], [1.0 + error]])
            return {**outputs()(waveforms), "embedding": embeddings[: len(waveforms)]}

        return compute

    with pytest.raises(ExportError, match=r"clip of 2 s is off by 0\.002"):
        check_agreement(graph(0.0), graph(2e-3), _MACHINE)


@pytest.mark.parametrize(
    ("received", "message"),
    [
        (outputs(8.0016), "its anomaly_score of a generated clip of 1 s is off by 0.0002 of"),
        (outputs(7.9984), "its anomaly_score of a generated clip of 1 s is off by 0.0002 of"),
        (outputs(float("nan")), "its anomaly_score .* is off by nan"),
        (outputs(embedding=(4.008, -40.0)), "its embedding .* is off by 0.0002"),
        (outputs(embedding=(4.0, -40.0, 0.0)), r"shape \(1, 3\) in place of \(1, 2\)"),
        (outputs(is_anomalous=False), "its is_anomalous of a generated clip of 1 s is another"),
        (lambda waveforms: {}, r"its outputs are \[\] in place of \['anomaly_score'"),
    ],
)
def test_disagreement_is_told_with_output_and_clip(received, message):
    with pytest.raises(ExportError, match=message):
        check_agreement(outputs(8.0), received, _MACHINE)


def test_decision_may_differ_where_the_score_is_at_the_threshold():
    at_threshold, beside = outputs(2.0001), outputs(2.0003)

    check_agreement(at_threshold, outputs(2.0001, is_anomalous=False), _MACHINE)
    with pytest.raises(ExportError, match="its is_anomalous"):
        check_agreement(beside, outputs(2.0003, is_anomalous=False), _MACHINE)


def test_difference_from_a_score_and_threshold_of_zero_is_infinite():
    machine = dataclasses.replace(_MACHINE, threshold=0.0)

    assert check_agreement(outputs(0.0), outputs(0.0), machine) == 0.0
    with pytest.raises(ExportError, match="off by inf"):
        check_agreement(outputs(0.0), outputs(1e-9), machine)


def test_clips_are_shorter_as_long_and_longer_than_what_is_heard_and_not_all_alone():
    heard = []

    def listen(waveforms):
        heard.append(waveforms)
        return outputs()(waveforms)

    check_agreement(listen, outputs(), _MACHINE)

    assert [each.shape for each in heard] == [(1, 1000), (2, 2000), (1, 3000)]
    assert all(each.dtype == np.float32 for each in heard)
    assert not np.array_equal(heard[1][0], heard[1][1])


def test_last_clip_is_compared_too():
    def received(waveforms):
        return outputs(8.0 + (waveforms.shape[1] == 3000))(waveforms)

    with pytest.raises(ExportError, match=r"clip of 3 s is off by 0\.12"):
        check_agreement(outputs(8.0), received, _MACHINE)


def test_generated_clip_hums_in_noise_and_is_the_same_every_time():
    clip = generated_clip(16000, 32000, seed=3)

    np.testing.assert_array_equal(clip, generated_clip(16000, 32000, seed=3))
    power = np.abs(np.fft.rfft(clip)) ** 2
    loudest = np.sort(power)[::-1]
    assert loudest[:40].sum() > 0.9 * power.sum()  # Lines of a hum,
    assert np.median(power) > 1e-6 * loudest[0]  # and noise between them.
    assert 0.1 < np.abs(clip).max() <= 1.0
