"""The decision of a detector's graph: normal is what is known to be, all else is anomalous."""

import keras
import numpy as np
from keras import ops

from asdkeras.detector.fitted_machine import Machine

NAME = "detector_of_finite_sound"
"""Of a model with this decision; earlier ones called what is not finite normal."""

_LARGEST = float(np.finfo(np.float32).max)


def decided(
    waveform: keras.KerasTensor, score: keras.KerasTensor, threshold: float
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The score of clips, NaN where a clip is no finite sound, and whether they are anomalous.

    A clip with a sample that is NaN or infinite, be it in a part that is not used, was not
    recorded well, whatever layers that clip, take maxima or limit have made of it. Such a clip is
    anomalous, and so is one whose score is not finite.

    Args:
        waveform: `(batch, samples)`.
        score: `(batch,)`, float32.
        threshold: normal clips score at most this.
    """
    # No layer that asks for NaN itself: LiteRT has none. NaN is less than nothing.
    is_sound = ops.all(ops.less_equal(ops.abs(waveform), _LARGEST), axis=1)
    is_score = ops.less_equal(ops.abs(score), _LARGEST)
    is_normal = ops.logical_and(ops.less_equal(score, threshold), is_score)
    is_normal = ops.logical_and(is_normal, is_sound)
    return ops.where(is_sound, score, np.float32(np.nan)), ops.logical_not(is_normal)


def with_decision(model: keras.Model, machine: Machine) -> keras.Model:
    """A detector's graph as it is, or one of an earlier version with this decision."""
    return model if model.name == NAME else decided_anew(model, machine)


def decided_anew(model: keras.Model, machine: Machine) -> keras.Model:
    """A detector's graph with the threshold of `machine`."""
    waveform = keras.Input((None,), name="waveform")
    outputs = model(waveform)
    score, is_anomalous = decided(waveform, outputs["anomaly_score"], machine.threshold)
    outputs = {**outputs, "anomaly_score": score, "is_anomalous": is_anomalous}
    return keras.Model(waveform, outputs, name=NAME)
