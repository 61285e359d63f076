"""The scorers of one section, fitted to its normal clips."""

import dataclasses
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import pandas as pd

from asdkeras.scorers.terms import OfArrays, OfTensors, Term


@dataclasses.dataclass(frozen=True)
class SectionScorer:
    """The named scores of one section, for arrays and for graphs.

    Attributes:
        scores: name -> term, higher is more anomalous; None where the section lacks what the
            score needs, such as target clips.
        embedding: of a clip, `(clips, dim)`; a detector gives it beside the score.
        groups: name of a group of classes that was learned -> the score it has, where a system
            can tell them apart.
        notes: lines for the reader of the results.
        counts: likewise, text -> number before it, which is summed over the sections of a model.
    """

    scores: Mapping[str, Term | None]
    embedding: Term
    groups: Mapping[str, Term] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def arrays(self, clips: OfArrays) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Scores and scores by group of clips, `(clips, names)`; NaN where there is no term."""
        return _frame(self.scores, clips), _frame(self.groups, clips)

    def layers(
        self, tensors: Mapping[str, keras.KerasTensor], names: Sequence[str]
    ) -> tuple[dict[str, keras.KerasTensor], keras.KerasTensor]:
        """Some scores `(batch,)` by name, and the embedding `(batch, dim)`, as Keras layers."""
        on = OfTensors(tensors)
        terms = {name: term for name, term in self.scores.items() if term is not None}
        return {name: on(terms[name]) for name in names}, on(self.embedding)


def _frame(terms: Mapping[str, Term | None], clips: OfArrays) -> pd.DataFrame:
    columns = {
        name: np.full(len(clips), np.nan) if term is None else clips(term)
        for name, term in terms.items()
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(len(clips)))
