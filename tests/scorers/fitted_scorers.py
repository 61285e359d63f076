"""Every scorer that has a layer: found by itself, fitted and given values by its interface."""

import importlib
import inspect
import itertools
import pkgutil
import typing
from collections.abc import Sequence

import numpy as np

import asdkeras.scorers

CLIPS, FRAMES, DIM, SECTIONS = 8, 5, 4, 4


def scorer_classes():
    """Public classes of all modules that have both `anomaly_score` and `layer`."""
    found = []
    for module in pkgutil.iter_modules(asdkeras.scorers.__path__, "asdkeras.scorers."):
        for each in vars(importlib.import_module(module.name)).values():
            is_own = isinstance(each, type) and each.__module__ == module.name
            if is_own and hasattr(each, "anomaly_score") and hasattr(each, "layer"):
                is_scorer = not getattr(each, "_is_protocol", False)
                found += [each] if is_scorer and not each.__name__.startswith("_") else []
    return found


def variants(scorer_class):
    """Arguments to try: all choices of texts and truth values, and a small and a larger number.

    Raises:
        TypeError: if an argument has no default and is of a type that is not known here.
    """
    hints = typing.get_type_hints(scorer_class.__init__)
    choices = {}
    for name, parameter in inspect.signature(scorer_class).parameters.items():
        hint = hints.get(name)
        if typing.get_origin(hint) is typing.Literal:
            choices[name] = typing.get_args(hint)
        elif hint in (bool, int):
            choices[name] = {bool: (True, False), int: (1, 3)}[hint]
        elif typing.get_origin(hint) is Sequence:
            choices[name] = [[fitted(each, variants(each)[0]) for each in _fitted_kinds(hint)]]
        elif parameter.default is parameter.empty:
            raise TypeError(f"{scorer_class.__name__} has an argument unknown to tests: {name}")
    return [dict(zip(choices, each, strict=True)) for each in itertools.product(*choices.values())]


def _fitted_kinds(hint):
    (kind,) = typing.get_args(hint)
    return [each for each in scorer_classes() if issubclass(each, kind) and hasattr(each, "fit")]


def fitted(scorer_class, arguments):
    """A scorer, by `partial_fit` of residuals, `fit` of embeddings, or its arguments alone."""
    scorer = scorer_class(**arguments)
    if hasattr(scorer, "partial_fit"):
        return scorer.partial_fit(*training_values(scorer))
    return scorer.fit(*training_values(scorer)) if hasattr(scorer, "fit") else scorer


def training_values(scorer):
    """What a scorer is fitted to."""
    if hasattr(scorer, "partial_fit"):
        return drawn_residuals(0), np.arange(CLIPS) % 2 == 0
    return (drawn_embeddings(0),)


def scored_values(scorer):
    """What a scorer scores, one row per clip."""
    has_vectors = scorer.layer().input_spec.ndim == 2
    if hasattr(scorer, "partial_fit"):
        rows = drawn_residuals(1)
        moments = np.einsum("cti,ctj->cij", rows, rows) / FRAMES
        return rows.mean(axis=1) if has_vectors else moments
    if has_vectors:
        return drawn_embeddings(1)
    return np.random.default_rng(2).dirichlet(np.ones(SECTIONS), (CLIPS, FRAMES))


def drawn_residuals(seed):
    """Float64 `(vectors, frames, bands)`."""
    return np.random.default_rng(seed).normal(size=(CLIPS, FRAMES, DIM)) * [1.0, 2.0, 0.5, 1.5]


def drawn_embeddings(seed):
    """Float64 `(clips, dim)`, of unit length, around one direction."""
    vectors = 1.0 + 0.4 * np.random.default_rng(seed).normal(size=(CLIPS, DIM))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _name(scorer_class, arguments):
    plain = [str(each) for each in arguments.values() if not isinstance(each, list)]
    return "-".join([scorer_class.__name__, *plain])


CASES = {
    _name(each, arguments): (each, arguments)
    for each in scorer_classes()
    for arguments in variants(each)
}
