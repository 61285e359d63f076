"""How improbable a section classifier finds the section that a machine is of."""

import keras
import numpy as np
from keras import ops

from asdkeras.dsp.precision import working_dtype

_FORMS = ("log_odds", "released_2021")
_FLOOR = float(np.finfo(np.float64).eps)


@keras.saving.register_keras_serializable(package="asdkeras")
class SectionPosteriorScore(keras.layers.Layer):
    """Mean over windows of the log odds against a section.

    What `section_posterior_score` computes, as part of a model. With p the probability of
    the section and e = 2.220446e-16, a window scores by the form

        log_odds:      log(max(1 - p, e)) - log(max(p, e))
        released_2021: log(max(1 - p, e) - log(max(p, e)))

    of which the second is that of the released code, a bracket in another place.

    Computed in float64, in float32 within `asdkeras.dsp.precision.single_precision`.

    Args:
        section: int, the place of the machine's section on the last axis.
        form: `log_odds` or `released_2021`, see above.

    Call arguments:
        posteriors: float, `(batch, windows, sections)`, in [0, 1], sections fixed. Those of
            a clip are its windows.

    Output shape: `(batch,)`, float64, nats, higher is more anomalous.

    Raises:
        ValueError: if `section` is negative or `form` unknown; when built, if there is no
            such section.

    References:
        github.com/Kota-Dohi/dcase2022_task2_baseline_mobile_net_v2, commit aaf3932;
        `released_2021`: github.com/y-kawagu/dcase2021_task2_baseline_mobile_net_v2,
        commit e2bb4f7.
    """

    def __init__(self, section, form="log_odds", **kwargs):
        super().__init__(autocast=False, **kwargs)
        if section < 0:
            raise ValueError(f"`section` must be at least 0. Received: section={section}")
        if form not in _FORMS:
            raise ValueError(f"`form` must be one of {_FORMS}. Received: form={form!r}")
        self.section = section
        self.form = form
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape):
        sections = input_shape[-1]
        if sections is None or sections <= self.section:
            raise ValueError(
                f"SectionPosteriorScore needs posteriors of more than {self.section} sections. "
                f"Received: posteriors of shape {tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sections})

    def compute_output_spec(self, posteriors):
        return keras.KerasTensor(posteriors.shape[:1], working_dtype())

    def call(self, posteriors):
        own = ops.cast(posteriors[..., self.section], working_dtype())
        others = ops.maximum(1.0 - own, _FLOOR)
        log_own = ops.log(ops.maximum(own, _FLOOR))
        if self.form == "log_odds":
            return ops.mean(ops.log(others) - log_own, axis=1)
        return ops.mean(ops.log(others - log_own), axis=1)
