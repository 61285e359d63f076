"""Scores and thresholds of the clips of a unit: the loop over sections that all systems share."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.data.known_domains import with_known_domains
from asdkeras.experiment.held_out import (
    RecordingOrder,
    held_out_thresholds,
    notes_on,
    recording_order_of,
)
from asdkeras.experiment.recipe import PAPERS_THRESHOLDS, ThresholdOptions
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
        held_out: bool, clips whose score is by a network and a scorer that have not seen them.
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
    options: ThresholdOptions = PAPERS_THRESHOLDS,
) -> UnitScores:
    """Fit the scorer of every section of a unit, score its clips and set thresholds.

    The domain of a test clip is used by scores and thresholds where the rules of its year give it;
    `System.choose`, which goes by labels, gets the table with all that is known. If thresholds are
    to come from held-out clips and the table has none of a section, as where nothing but scorers
    learns, its training clips get the scores of refitted scorers.
    """
    columns: list[pd.DataFrame] = []
    groups: list[pd.DataFrame] = []
    scorers: list[SectionScorer] = []
    orders: list[RecordingOrder] = []
    table = unit.table
    held_out = pd.Series(system.held_out(unit.models, table), table.index)
    for section in sections_of(table):
        rows = np.flatnonzero(section.is_of(table))
        scorer = section_scorer(system, unit, section, seed)
        clips = _clips(unit, rows)
        scores, by_group = scorer.arrays(clips)
        scores = scores.set_axis(table.index[rows])
        if options.rule == "held_out":
            orders.append(recording_order_of(table, rows, clips(scorer.embedding)))
            for block in orders[-1].blocks:
                refitted = _refitted_scores(system, unit, section, seed, block)
                scores.loc[refitted.index] = refitted.reindex(columns=scores.columns)
        columns.append(scores)
        groups.append(by_group.set_axis(table.index[rows]))
        scorers.append(scorer)
        on_section("_".join(section))
    choice = system.choose(pd.concat(columns).loc[table.index], table)
    if options.rule == "held_out":
        decisive = choice.columns[system.decision_score]
        of_sections = [order.normal_scores(table, decisive) for order in orders]
        for each in of_sections:
            held_out[each.clips.index[each.is_held_out]] = True
        rate = options.false_alarm_rate
        thresholds = held_out_thresholds(decisive, table, held_out, rate)
        notes = [*thresholds.notes, *notes_on(of_sections, rate)]
    else:
        thresholds = system.thresholds(
            choice.columns, with_known_domains(table), models=unit.models
        )
        notes = [*thresholds.notes]
    return UnitScores(
        choice.columns,
        pd.concat(groups).loc[table.index],
        thresholds.values,
        (*_notes(scorers), *choice.notes, *notes),
        choice.oracle,
        held_out,
    )


def _clips(unit: Unit, rows: NDArray[np.int64]) -> OfArrays:
    table = unit.table.iloc[rows]
    arrays = {name: each[rows] for name, each in unit.arrays.items()}
    return OfArrays(arrays, (table["split"] == "train").to_numpy(bool), domains_of(table))


def _refitted_scores(
    system: AnySystem, unit: Unit, section: Section, seed: int, rows: NDArray[np.int64]
) -> pd.DataFrame:
    """Scores of training clips by a scorer that has not seen them."""
    split = unit.table["split"].copy()
    split.iloc[rows] = "held_out"
    apart = unit._replace(table=unit.table.assign(split=split))
    scores, _ = section_scorer(system, apart, section, seed).arrays(_clips(apart, rows))
    return scores.set_axis(unit.table.index[rows])


def _notes(scorers: Sequence[SectionScorer]) -> list[str]:
    """Notes of all sections, each once, and sums of what is counted."""
    notes = dict.fromkeys(note for scorer in scorers for note in scorer.notes)
    counts: dict[str, int] = {}
    for scorer in scorers:
        for text, count in scorer.counts.items():
            counts[text] = counts.get(text, 0) + count
    return [*notes, *(f"{count} {text}" for text, count in counts.items() if count)]
