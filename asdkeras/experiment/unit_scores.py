"""Scores and thresholds of the clips of a unit: the loop over sections that all systems share."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from asdkeras.data.known_domains import with_known_domains
from asdkeras.experiment.units import Unit
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import Floats, OfArrays, Term
from asdkeras.systems.system import AnySystem, NormalClips, domains_of, training_values

_SECTION = ["machine_type", "section"]


class Section(NamedTuple):
    machine_type: str
    section: str

    def is_of(self, table: pd.DataFrame) -> pd.Series:
        return (table["machine_type"] == self.machine_type) & (table["section"] == self.section)


class UnitScores(NamedTuple):
    """Scores of all clips of a unit.

    Attributes:
        columns: one row per clip of the table, one column per named score, NaN where a score
            does not apply; higher is more anomalous.
        groups: likewise, of groups of what was learned; no columns if a system has none.
        notes: what a reader of the results should know, a line each.
        oracle: choices that labels of test clips made, a line each.
        held_out: bool, see `System.held_out`.
    """

    columns: pd.DataFrame
    groups: pd.DataFrame
    thresholds: pd.Series
    notes: tuple[str, ...]
    oracle: tuple[str, ...]
    held_out: pd.Series


def sections_of(table: pd.DataFrame) -> list[Section]:
    """The sections of a table in ascending order."""
    keys = table[_SECTION].drop_duplicates().sort_values(_SECTION)
    return [Section(str(one), str(other)) for one, other in keys.itertuples(index=False)]


def section_scorer(system: AnySystem, unit: Unit, section: Section, seed: int) -> SectionScorer:
    """Fit the scorer of a section to its training clips."""
    training = np.flatnonzero(unit.table["split"] == "train")
    positions = np.flatnonzero(section.is_of(unit.table.iloc[training]))
    rows = training[positions]

    def values_of_unit(term: Term) -> Floats:
        arrays = {name: each[training] for name, each in unit.arrays.items()}
        return training_values(term, arrays, unit.table.iloc[training])

    normal = NormalClips(
        *section,
        unit.table.iloc[rows],
        {name: each[rows] for name, each in unit.arrays.items()},
        positions,
        values_of_unit,
        unit.models,
        seed,
    )
    return system.section_scorer(normal)


def score_unit(
    system: AnySystem,
    unit: Unit,
    seed: int,
    on_section: Callable[[str], None] = lambda name: None,
) -> UnitScores:
    """Fit the scorer of every section of a unit, score its clips and set thresholds.

    The domain of a test clip is used by scores and thresholds where the rules of its year give it;
    `System.choose`, which goes by labels, gets the table with all that is known.
    """
    columns: list[pd.DataFrame] = []
    groups: list[pd.DataFrame] = []
    scorers: list[SectionScorer] = []
    table = unit.table
    for section in sections_of(table):
        rows = np.flatnonzero(section.is_of(table))
        scorer = section_scorer(system, unit, section, seed)
        clips = OfArrays(
            {name: each[rows] for name, each in unit.arrays.items()},
            (table["split"].iloc[rows] == "train").to_numpy(bool),
            domains_of(table.iloc[rows]),
        )
        scores, by_group = scorer.arrays(clips)
        columns.append(scores.set_axis(table.index[rows]))
        groups.append(by_group.set_axis(table.index[rows]))
        scorers.append(scorer)
        on_section("_".join(section))
    choice = system.choose(pd.concat(columns).loc[table.index], table)
    thresholds = system.thresholds(choice.columns, with_known_domains(table), models=unit.models)
    return UnitScores(
        choice.columns,
        pd.concat(groups).loc[table.index],
        thresholds.values,
        (*_notes(scorers), *choice.notes, *thresholds.notes),
        choice.oracle,
        pd.Series(system.held_out(unit.models, table), table.index),
    )


def _notes(scorers: Sequence[SectionScorer]) -> list[str]:
    """Notes of all sections, each once, and sums of what is counted."""
    notes = dict.fromkeys(note for scorer in scorers for note in scorer.notes)
    counts: dict[str, int] = {}
    for scorer in scorers:
        for text, count in scorer.counts.items():
            counts[text] = counts.get(text, 0) + count
    return [*notes, *(f"{count} {text}" for text, count in counts.items() if count)]
