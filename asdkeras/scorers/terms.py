"""Scores described once: computed by scikit-learn for arrays, and as Keras layers for tensors.

A term is a quantity of a clip, such as a distance to normal clips, put together from the
representations of the clip, fitted scorers and arithmetic. `OfArrays` computes the terms of the
clips of a section, `OfTensors` makes the same terms into layers of a graph. A scorer that can
stand in a term has `anomaly_score`, for arrays, and `layer()`, a Keras layer that computes the
same.
"""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from asdkeras.layers.unit_vectors import UnitVectors

Floats = NDArray[np.float64]
Value = Any  # An array, or a Keras tensor, which has no type.


class Scorer(Protocol):
    """Fitted to normal clips of one section; higher scores are more anomalous."""

    def anomaly_score(self, values: Floats) -> Floats:
        """Scores of arrays, `(clips,)`."""
        ...

    def layer(self) -> keras.layers.Layer:
        """A layer that computes the same of tensors."""
        ...


class Term:
    """A quantity of a clip, described once.

    Terms are added, subtracted, multiplied and divided like numbers, and indexed like arrays
    whose first axis is the clip. `compute` gives the values, `(clips, ...)`.
    """

    def __init__(self, compute: Callable[["OfArrays | OfTensors"], Value]) -> None:
        self.compute = compute

    def __add__(self, other: "Term | float") -> "Term":
        return _binary(operator.add, self, other)

    def __sub__(self, other: "Term | float") -> "Term":
        return _binary(operator.sub, self, other)

    def __rsub__(self, other: float) -> "Term":
        return computed(lambda xp, values: other - values, self)

    def __rmul__(self, other: float) -> "Term":
        return computed(lambda xp, values: other * values, self)

    def __truediv__(self, other: "Term | float") -> "Term":
        return _binary(operator.truediv, self, other)

    def __getitem__(self, index: Any) -> "Term":
        return computed(lambda xp, values: values[index], self)


def _binary(apply: Callable[[Value, Value], Value], one: Term, other: Term | float) -> Term:
    if isinstance(other, Term):
        return computed(lambda xp, left, right: apply(left, right), one, other)
    return computed(lambda xp, values: apply(values, other), one)


def representation(name: str) -> Term:
    """The output of a model for a clip; arrays are taken in float64."""
    return Term(lambda on: on.representation(name))


def computed(function: Callable[..., Value], *terms: Term) -> Term:
    """A function of the values of other terms.

    Its first argument is the module of array functions, `numpy` or `keras.ops`.
    """
    return Term(lambda on: function(on.xp, *(on(term) for term in terms)))


def unit_length(term: Term) -> Term:
    """Vectors `(clips, dim)` divided by their length; a vector of zeros stays as it is."""
    return Term(lambda on: on.unit_length(on(term)))


def scored(scorer: Scorer, term: Term, *, leave_self_out: bool = False) -> Term:
    """The anomaly score by a scorer that was fitted to values of `term`.

    Args:
        leave_self_out: whether a training clip is scored by the other training clips alone;
            the scorer was fitted to all of them, and has a method of that name.
    """
    return Term(lambda on: on.score(scorer, on(term), leave_self_out))


def total(terms: Sequence[Term]) -> Term:
    """The sum of one term or more."""
    return functools.reduce(operator.add, terms)


def smallest(*terms: Term | None) -> Term:
    """The smallest of those terms that there are."""
    present = [term for term in terms if term is not None]
    return computed(lambda xp, *values: functools.reduce(xp.minimum, values), *present)


def concatenated(terms: Sequence[Term]) -> Term:
    """Vectors side by side, `(clips, sum of their dimensions)`."""
    return computed(lambda xp, *values: xp.concatenate(values, axis=1), *terms)


def by_domain(
    source: Term, target: Term, unknown: Term, *, training_is_source: bool = False
) -> Term:
    """The term for the domain of a clip.

    Args:
        unknown: of clips whose domain is not known, as in a graph.
        training_is_source: whether a training clip of unknown domain counts as source.
    """
    return Term(lambda on: on.by_domain(source, target, unknown, training_is_source))


def by_split(training: Term, others: Term) -> Term:
    """A term of training clips, and another one of all others, as of clips in a graph."""
    return Term(lambda on: on.by_split(training, others))


def with_training_scores(term: Term, scores: Floats) -> Term:
    """A term with known scores of training clips of the section; NaN where `term` counts."""
    return Term(lambda on: on.with_training_scores(term, scores))


class _Evaluation:
    """Computes a term that stands in several others once."""

    def __init__(self) -> None:
        self._values: dict[Term, Value] = {}

    def __call__(self, term: Term) -> Value:
        if term not in self._values:
            self._values[term] = term.compute(self)  # type: ignore[arg-type]
        return self._values[term]


class OfArrays(_Evaluation):
    """Computes terms of clips of one section.

    Args:
        arrays: name of a representation -> `(clips, ...)`.
        is_training: `(clips,)`, whether a clip is one of the training clips that scorers were
            fitted to, in that order.
        domains: `(clips,)`, `source`, `target`, or empty where it is not known.
    """

    xp = np

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        is_training: NDArray[np.bool_],
        domains: NDArray[np.str_],
    ) -> None:
        super().__init__()
        self._arrays, self._is_training, self._domains = arrays, is_training, domains

    def __len__(self) -> int:
        return len(self._is_training)

    def representation(self, name: str) -> Value:
        return np.asarray(self._arrays[name], np.float64)

    def unit_length(self, vectors: Value) -> Value:
        return normalize(vectors)

    def score(self, scorer: Scorer, values: Value, leave_self_out: bool) -> Value:
        if not leave_self_out or not self._is_training.any():
            return scorer.anomaly_score(values)
        scores = np.empty(len(values))
        scores[self._is_training] = scorer.leave_self_out()  # type: ignore[attr-defined]
        if not self._is_training.all():
            scores[~self._is_training] = scorer.anomaly_score(values[~self._is_training])
        return scores

    def by_domain(
        self, source: Term, target: Term, unknown: Term, training_is_source: bool
    ) -> Value:
        is_source, is_target = self._domains == "source", self._domains == "target"
        if training_is_source:
            is_source = is_source | (self._is_training & ~is_target)
        return np.select([is_source, is_target], [self(source), self(target)], self(unknown))

    def by_split(self, training: Term, others: Term) -> Value:
        values = np.empty(len(self))
        for rows, term in ((self._is_training, training), (~self._is_training, others)):
            arrays = {name: each[rows] for name, each in self._arrays.items()}
            if rows.any():
                values[rows] = OfArrays(arrays, self._is_training[rows], self._domains[rows])(term)
        return values

    def with_training_scores(self, term: Term, scores: Floats) -> Value:
        values = np.array(self(term))
        if self._is_training.any():
            training = values[self._is_training]
            values[self._is_training] = np.where(np.isnan(scores), training, scores)
        return values


class OfTensors(_Evaluation):
    """Makes terms into Keras layers, for clips that are no training clips, of unknown domain."""

    xp = ops

    def __init__(self, tensors: Mapping[str, keras.KerasTensor]) -> None:
        super().__init__()
        self._tensors = tensors

    def representation(self, name: str) -> Value:
        return self._tensors[name]

    def unit_length(self, vectors: Value) -> Value:
        return UnitVectors()(vectors)

    def score(self, scorer: Scorer, values: Value, leave_self_out: bool) -> Value:
        return scorer.layer()(values)

    def by_domain(
        self, source: Term, target: Term, unknown: Term, training_is_source: bool
    ) -> Value:
        return self(unknown)

    def by_split(self, training: Term, others: Term) -> Value:
        return self(others)

    def with_training_scores(self, term: Term, scores: Floats) -> Value:
        return self(term)
