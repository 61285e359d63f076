"""The scorer of the autoencoder: a Gaussian of reconstruction errors per section and domain."""

import dataclasses
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
import pandas as pd
from keras import ops
from numpy.typing import NDArray

from asdkeras.batches.waveform_batches import inference_batches
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.labels import source_and_target
from asdkeras.scorers.frame_gaussian import FrameGaussian, pool_frames
from asdkeras.scorers.terms import Floats
from asdkeras.systems.kuroyanagi.config_sections import ConformerAutoencoder
from asdkeras.systems.kuroyanagi.log_mel import SOURCE, TARGET
from asdkeras.systems.log_mel_front_end import KEEP
from asdkeras.systems.system import RunContext

POOLINGS: tuple[Literal["mean", "maximum", "median"], ...] = ("mean", "maximum", "median")
"""Over time, in the order of `GaussianScores`."""

_CLIPS_AT_ONCE = 8


class Gaussian(NamedTuple):
    """Mean `(features,)` and covariance `(features, features)` of the errors of frames."""

    mean: Floats
    covariance: Floats


def fit_gaussians(
    settings: ConformerAutoencoder,
    clips: ClipSet,
    is_held_out: NDArray[np.bool_],
    sections: NDArray[np.int32],
    errors: keras.Model,
    context: RunContext,
) -> dict[str, NDArray[Any]]:
    """Fit a Gaussian for each section and domain.

    That of the source domain is fitted to the clips held out; if there is none, because the
    section has one clip, to that. The target domain has too few clips to hold any out. A domain
    without clips has the Gaussian of the other one.

    Args:
        is_held_out: `(clips,)`.
        sections: `(clips,)`, from 0 on, none left out.
        errors: model of `waveform` and `section` to errors `(batch, frames, features)`.

    Returns:
        `gaussian_means` and `gaussian_covariances`, of the sections in turn, first of the source
        domain and then of the target domain; `own_positions`, `(fitted clips,)`, training clips
        they were fitted to; `own_scores`, `(fitted clips, 3)`, scores of these clips by the
        Gaussian of their section and domain, fitted to the others alone, pooled over time in the
        order of `POOLINGS`.
    """
    groups = _groups(settings, clips.table, is_held_out, sections)
    positions = np.concatenate([rows for of_section in groups for rows, _ in of_section.values()])
    values = _errors_of(errors, clips, positions, sections, context)
    gaussians, scores, first = [], [], 0
    for of_section in groups:
        fitted = {}
        for domain, (rows, reg_covar) in of_section.items():
            own = values[first : first + len(rows)]
            first += len(rows)
            fitted[domain] = FrameGaussian(reg_covar).partial_fit(own)
            scores.append(_scores_by_the_others(fitted[domain], own))
        any_domain = next(iter(fitted.values()))
        gaussians += [fitted.get(domain, any_domain) for domain in (SOURCE, TARGET)]
    return {
        "gaussian_means": np.stack([gaussian.mean for gaussian in gaussians]),
        "gaussian_covariances": np.stack([gaussian.covariance for gaussian in gaussians]),
        "own_positions": positions,
        "own_scores": np.concatenate(scores),
    }


def _groups(
    settings: ConformerAutoencoder,
    table: pd.DataFrame,
    is_held_out: NDArray[np.bool_],
    sections: NDArray[np.int32],
) -> list[dict[int, tuple[NDArray[np.intp], float]]]:
    """For each section domain -> positions of the clips its Gaussian is fitted to, `reg_covar`."""
    is_source, is_target = source_and_target(table)
    groups = []
    for section in range(sections.max() + 1):
        of_section = sections == section
        held = of_section & is_held_out
        chosen = {
            SOURCE: (held if held.any() else of_section & is_source, settings.reg_covar),
            TARGET: (of_section & is_target, settings.target_reg_covar),
        }
        groups.append({d: (np.flatnonzero(m), reg) for d, (m, reg) in chosen.items() if m.any()})
    return groups


def _errors_of(
    model: keras.Model,
    clips: ClipSet,
    positions: NDArray[np.intp],
    sections: NDArray[np.int32],
    context: RunContext,
) -> NDArray[np.float32]:
    """Errors of some clips, `(clips, frames, features)`."""
    # In one go: a model is traced anew for every size of a batch.
    part = dataclasses.replace(clips, table=clips.table.iloc[positions])
    clip_length = model.input["waveform"].shape[1]
    errors, first = [], 0
    with context.stage("errors of training clips") as update:
        for batch in inference_batches(part, clip_length, KEEP, _CLIPS_AT_ONCE):
            of_batch = ops.convert_to_tensor(sections[positions[first : first + len(batch)]])
            errors.append(model.predict_on_batch({"waveform": batch, "section": of_batch}))
            first += len(batch)
            update(first, len(positions))
    return np.concatenate(errors)


def _scores_by_the_others(gaussian: FrameGaussian, errors: NDArray[np.float32]) -> Floats:
    """Scores of the clips of a Gaussian, each left out of it, `(clips, 3)`."""
    scores = []
    for one in np.split(errors, len(errors)):
        others = gaussian.without(one) if len(errors) > 1 else gaussian
        of_frames = others.frame_scores(one)
        scores.append([pool_frames(of_frames, pooling)[0] for pooling in POOLINGS])
    return np.array(scores)
