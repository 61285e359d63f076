"""The scorer of the autoencoder: a Gaussian of reconstruction errors per section and domain."""

import dataclasses

import numpy as np

from asdkeras.data.pipeline import inference_batches
from asdkeras.data.splits import source_and_target
from asdkeras.scorers.frame_gaussian import FrameGaussian, pool_frames
from asdkeras.systems.kuroyanagi.front_end import SOURCE, TARGET

POOLINGS = ("mean", "maximum", "median")
"""Over time, in the order of `GaussianScores`."""

_CLIPS_AT_ONCE = 8


@dataclasses.dataclass(frozen=True)
class GaussianFits:
    """What is known of the errors of training clips.

    Attributes:
        gaussians: `FrameGaussian` of each section, first the source domain and then the target.
        positions: int `(fitted clips,)`, which training clips they were fitted to.
        scores: float64 `(fitted clips, 3)`, what the Gaussian of the section and domain says of
            them, fitted to the others alone, pooled over time in the order of `POOLINGS`.
    """

    gaussians: tuple[FrameGaussian, ...]
    positions: np.ndarray
    scores: np.ndarray


def held_out(fraction, table, seed):
    """Which training clips the network does not learn from: some of each section.

    Args:
        fraction: of the source clips of a section, rounded, at least one clip; none where a
            section has one clip.
        table: clip table of the training clips.
        seed: int.

    Returns:
        bool `(clips,)`.
    """
    is_source, _ = source_and_target(table)
    chosen = np.full(len(table), False)
    random = np.random.default_rng(seed)
    for section in sorted(set(table["section"])):
        positions = np.flatnonzero(is_source & (table["section"] == section).to_numpy(bool))
        if len(positions) > 1:
            count = min(max(1, round(fraction * len(positions))), len(positions) - 1)
            chosen[random.choice(positions, count, replace=False)] = True
    return chosen


def fit_gaussians(settings, clips, is_held_out, sections, errors, clip_length, keep):
    """Fit a Gaussian for each section and domain.

    That of the source domain is fitted to the clips held out; if there is none, because the
    section has one clip, to that. The target domain has too few clips to hold any out. A domain
    without clips has the Gaussian of the other one.

    Args:
        settings: `Autoencoder`.
        clips: `ClipSet`, the training clips.
        is_held_out: bool `(clips,)`.
        sections: int `(clips,)`, from 0 on, none left out.
        errors: model of `waveform` and `section` to errors `(batch, frames, bands)`.
        clip_length: int, samples.
        keep: which part of a longer clip is heard.

    Returns:
        `GaussianFits`.
    """
    groups = _groups(settings, clips.table, is_held_out, sections)
    positions = np.concatenate([rows for of_section in groups for rows, _ in of_section.values()])
    values = _errors_of(errors, clips, positions, sections, clip_length, keep)
    gaussians, scores, first = [], [], 0
    for of_section in groups:
        fitted = {}
        for domain, (rows, reg_covar) in of_section.items():
            own = values[first : first + len(rows)]
            first += len(rows)
            fitted[domain] = FrameGaussian(reg_covar).partial_fit(own)
            scores.append(_scores_by_the_others(fitted[domain], own))
        gaussians += [
            fitted.get(SOURCE, fitted.get(TARGET)),
            fitted.get(TARGET, fitted.get(SOURCE)),
        ]
    return GaussianFits(tuple(gaussians), positions, np.concatenate(scores))


def _groups(settings, table, is_held_out, sections):
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


def _errors_of(model, clips, positions, sections, clip_length, keep):
    """Errors of some clips, float32 `(clips, frames, bands)`."""
    # In one go: a model is traced anew for every size of a batch.
    part = dataclasses.replace(clips, table=clips.table.iloc[positions])
    errors = []
    for batch in inference_batches(part, clip_length, keep, _CLIPS_AT_ONCE):
        first = len(errors) * _CLIPS_AT_ONCE
        of_batch = sections[positions[first : first + len(batch)]]
        errors.append(model.predict_on_batch({"waveform": batch, "section": of_batch}))
    return np.concatenate(errors)


def _scores_by_the_others(gaussian, errors):
    """What a Gaussian says of its own clips, each left out of it; float64 `(clips, 3)`."""
    scores = []
    for one in np.split(errors, len(errors)):
        others = gaussian.without(one) if len(errors) > 1 else gaussian
        of_frames = others.frame_scores(one)
        scores.append([pool_frames(of_frames, pooling)[0] for pooling in POOLINGS])
    return np.array(scores)
