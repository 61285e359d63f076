"""The MobileNetV2 of the official baselines, which tells the sections of a machine type apart."""

import dataclasses
from typing import Annotated, Any, Literal

import keras
import numpy as np
import pandas as pd
from keras import ops
from numpy.typing import NDArray

from asdkeras.batches.window_batches import Holdout
from asdkeras.config import Checked, Count, Fraction, Positive
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.labels import section_labels
from asdkeras.errors import DataError
from asdkeras.layers.frame_windows import FrameWindows
from asdkeras.networks.baseline_mobilenet_v2 import baseline_mobilenet_v2
from asdkeras.optimizers.fused_adam import FusedAdam
from asdkeras.readings import Reading
from asdkeras.scorers.section_posterior import Form, SectionPosterior
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import Term, by_split, computed, representation, scored
from asdkeras.scorers.thresholds import ThresholdRule, Thresholds
from asdkeras.systems.log_mel_front_end import KEEP, require_frames, stored_frames
from asdkeras.systems.system import NormalClips, RunContext, System
from asdkeras.systems.window_training import (
    WindowModels,
    front_end_of,
    require_training,
    train_on_windows,
)

FORMS: tuple[Form, ...] = ("log_odds", "released_2021")


@dataclasses.dataclass(frozen=True)
class SectionClassifier(Checked):
    """Network, training and score.

    Attributes:
        width: of the network (Keras: alpha).
        num_frames: of a window.
        training_hop: frames from window to window in training, and of the training clips
            that a threshold is fitted to.
        test_hop: the same of test clips.
        validation_fraction: of the windows, the last in the order of the clips, so those of
            the last section. They are measured and select nothing.
        score: `log_odds` is log((1 - p) / p) of the clip's own section; `released_2021` has
            the bracket where the code of 2021 has it, log((1 - p) - log p).
        threshold_score: the score that a threshold is fitted to; `scored` is the one that is
            compared with it.
    """

    width: Positive
    num_frames: Count
    training_hop: Count
    test_hop: Count
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    validation_fraction: Fraction
    score: Annotated[
        Literal["log_odds", "released_2021"],
        Reading(
            "log((1 - p) / p)",
            "`log_odds` is the text of both years and the code of 2022, `released_2021` the code "
            "of 2021, whose bracket stands elsewhere",
        ),
    ]
    threshold_score: Annotated[
        Literal["scored", "log_odds", "released_2021"],
        Reading(
            "the scores of training clips",
            "`scored` is the score that is compared with the threshold; the code of 2022 takes "
            "the other form for its threshold",
        ),
    ]


@dataclasses.dataclass(frozen=True)
class SectionClassifierModels(WindowModels):
    """The network, and names of the sections in the order of its posteriors."""

    sections: tuple[str, ...]


class SectionClassifierSystem(System[Any, SectionClassifierModels]):
    """The MobileNetV2 of 2021 and 2022, a network per machine type.

    Its scores are both forms of the score by the posterior of the clip's own section. The config
    has `front_end`, `mobilenetv2` and `threshold_percentile`.
    """

    models_class = SectionClassifierModels
    scope = "machine_type_and_part"
    batch_size = 2  # It reads 250 windows of each clip.

    def __init__(self, config: Any, row: str) -> None:
        super().__init__(config)
        self._row = row

    @property
    def main_score(self) -> str:
        return self.config.mobilenetv2.score

    @property
    def published_rows(self) -> dict[str, str]:
        return dict.fromkeys(FORMS, self._row)

    def check(self, clips: ClipSet, everything: ClipSet) -> None:
        """There are two sections or more, and a window is not longer than clips."""
        settings, front_end = self.config.mobilenetv2, self.config.front_end
        _require_sections(clips.table)
        frames = require_frames(settings.num_frames, front_end, clips, "mobilenetv2.num_frames")
        require_training(settings, len(clips), frames, settings.training_hop, "mobilenetv2")

    def train(self, clips: ClipSet, context: RunContext) -> SectionClassifierModels:
        settings, front_end = self.config.mobilenetv2, self.config.front_end
        labels = section_labels(clips.table)
        clip_length, frames = stored_frames(front_end, clips, context)
        windows = frames.windows(settings.num_frames, settings.training_hop)
        network = train_on_windows(
            settings,
            windows,
            Holdout(settings.validation_fraction, "last"),
            labels,
            context,
            build=lambda: compiled(settings, windows.shape, len(labels.classes)),
        ).networks[settings.epochs]
        sections = tuple(sorted(set(map(str, clips.table["section"]))))
        return SectionClassifierModels(
            clip_length, clips.store.sample_rate_hz, KEEP, network, sections
        )

    def represent(self, models: SectionClassifierModels) -> dict[str, keras.Model]:
        """Posteriors `(clips, windows, sections)`; windows of test clips are closer together."""
        settings = self.config.mobilenetv2
        front_end = front_end_of(self.config.front_end, models)
        hops = {"train": settings.training_hop, "test": settings.test_hop}
        return {
            split: _posteriors(models.network.model, front_end, settings.num_frames, hop)
            for split, hop in hops.items()
        }

    def rows(
        self, models: SectionClassifierModels, table: pd.DataFrame
    ) -> dict[str, NDArray[np.bool_]]:
        is_training = (table["split"] == "train").to_numpy(bool)
        return {"train": is_training, "test": ~is_training}

    def section_scorer(self, normal: NormalClips[SectionClassifierModels]) -> SectionScorer:
        section = normal.models.sections.index(normal.section)
        training, test = representation("train"), representation("test")
        scores: dict[str, Term | None] = {}
        for form in FORMS:
            scorer = SectionPosterior(section, form)
            scores[form] = by_split(scored(scorer, training), scored(scorer, test))
        mean = computed(lambda xp, posteriors: xp.mean(posteriors, axis=1), test)
        return SectionScorer(scores, embedding=mean)

    @property
    def threshold_rule(self) -> ThresholdRule:
        return ThresholdRule("model", "gamma", self.config.threshold_percentile)

    def thresholds(
        self,
        columns: pd.DataFrame,
        table: pd.DataFrame,
        score: str | None = None,
        models: SectionClassifierModels | None = None,
    ) -> Thresholds:
        settings = self.config.mobilenetv2
        is_same = settings.threshold_score == "scored"
        fitted_to = settings.score if is_same else settings.threshold_score
        return super().thresholds(columns, table, fitted_to)


def _require_sections(table: pd.DataFrame) -> None:
    names = sorted(set(table["section"]))
    if len(names) < 2:
        raise DataError(
            f"{table['machine_type'].iloc[0]} has one section, {names[0]}, and MobileNetV2 learns "
            "by telling the sections of a machine type apart. Name several in a CSV file, or "
            "take --variant ae."
        )


def compiled(config: SectionClassifier, shape: tuple[int, ...], num_sections: int) -> keras.Model:
    """The network from windows, of a shape `(frames, bands)`, to posteriors, ready for training."""
    windows = keras.Input(shape, name="windows")
    model = keras.Model(windows, baseline_mobilenet_v2(windows, num_sections, config.width))
    model.compile(FusedAdam(config.learning_rate), "categorical_crossentropy")
    return model


def _posteriors(
    classifier: keras.Model, front_end: keras.Model, num_frames: int, hop: int
) -> keras.Model:
    windows = FrameWindows(num_frames, hop)(front_end.output)
    posteriors = classifier(ops.reshape(windows, (-1, *windows.shape[2:])))
    num_sections = posteriors.shape[-1]
    return keras.Model(
        front_end.input, ops.reshape(posteriors, (-1, windows.shape[1], num_sections))
    )
