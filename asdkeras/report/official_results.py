"""The result files of the official evaluators, byte for byte, quirks and all.

A file is read by scripts and compared by eye, so that it has to be the evaluator's own: its
order of machine types, its lines, its defects. What is wrong in it and printed all the same:

- 2022: `source harmonic mean` of a machine type is that of its first section alone, and
  `target harmonic mean` that of everything else. The lines over all machine types are right.
- Metrics that are 0 for some section have a harmonic mean of about 1e-15 instead of 0.
- 2022 to 2024: `official score ci95`; see `asdkeras.metrics.intervals`.

Read: y-kawagu/dcase2020_task2_evaluator @3e5464f, y-kawagu/dcase2021_task2_evaluator
@1787468, Kota-Dohi/dcase2022_evaluator @de8719b, nttcslab/dcase2023_task2_evaluator @3aa8a9f
and nttcslab/dcase2024_task2_evaluator @b5d17f6.
"""

import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from asdkeras.metrics.auc import auc, partial_auc
from asdkeras.metrics.decision_metrics import decision_metrics
from asdkeras.metrics.intervals import official_ci95

YEARS = (2020, 2021, 2022, 2023, 2024)

_METRICS = ("AUC", "pAUC", "precision", "recall", "F1 score")
_COLUMNS_FROM_2022 = (
    *("AUC (all)", "AUC (source)", "AUC (target)", "pAUC"),
    *(f"{metric} ({domain})" for metric in _METRICS[2:] for domain in ("source", "target")),
)
_OVER_ALL = " over all machine types, sections, and domains"

_Line = list[object]
_Values = NDArray[np.float64]


def file_name(year: int, team: str) -> str:
    """Name of the evaluator's result file; the team is the folder of the submission."""
    return f"result_{team}.csv" if year == 2020 else f"{team}_result.csv"


def official_result(year: int, clips: pd.DataFrame) -> str:
    """Contents of the evaluator's result file.

    Args:
        year: one of `YEARS`.
        clips: all test clips of one part of the dataset: columns machine_type, section,
            domain, is_anomalous, score and, but in 2020, decision. Sorted by machine type,
            section and name as it was distributed.
    """
    makers = {2020: _lines_of_2020, 2021: _lines_of_2021}
    lines = makers[year](clips) if year in makers else _lines_from_2022(year, clips)
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()


def _lines_of_2020(clips: pd.DataFrame) -> Iterator[_Line]:
    for machine_type in ("fan", "pump", "slider", "valve", "ToyCar", "ToyConveyor"):
        of_machine = clips[clips["machine_type"] == machine_type]
        yield [machine_type]
        yield ["id", "AUC", "pAUC"]
        rows = []
        for section, group in of_machine.groupby("section"):
            rows.append(_areas(group))
            yield [section, *rows[-1]]
        yield ["Average", *np.mean(np.array(rows), axis=0).tolist()]
        yield []


def _lines_of_2021(clips: pd.DataFrame) -> Iterator[_Line]:
    by_domain: dict[str, list[list[float]]] = {"source": [], "target": []}
    every: list[list[float]] = []
    for machine_type, of_machine in clips.groupby("machine_type"):
        yield [machine_type]
        yield ["section", "domain", *_METRICS]
        rows: dict[str, list[list[float]]] = {}
        for domain in by_domain:
            of_domain = of_machine[of_machine["domain"] == domain]
            rows[domain] = []
            for section, group in of_domain.groupby("section"):
                rows[domain].append([*_areas(group), *_decided(group)])
                yield [section, domain, *rows[domain][-1]]
            by_domain[domain].extend(rows[domain])
        of_both = rows["source"] + rows["target"]
        every.extend(of_both)
        yield from _mean_lines("", {"": of_both, **rows}, _harmonic_mean_of_2021)
    yield ["", "", *_METRICS]
    yield from _mean_lines(_OVER_ALL, {"": every, **by_domain}, _harmonic_mean_of_2021)
    # The sum runs over the table line by line, as theirs does.
    yield ["official score", "", float(_harmonic_mean_of_2021(np.array(every)[:, :2], None))]
    yield []


def _mean_lines(
    over: str, rows: Mapping[str, ArrayLike], harmonic_mean: Callable[[_Values, int], _Values]
) -> Iterator[_Line]:
    """Means of five metrics over all rows, which stand under no name, and over each domain."""
    yield ["arithmetic mean" + over, "", *np.mean(np.asarray(rows[""]), axis=0).tolist()]
    for domain, of_domain in rows.items():
        name = f"{domain} harmonic mean{over}".lstrip()
        yield [name, "", *harmonic_mean(np.asarray(of_domain), 0).tolist()]
    yield []


def _lines_from_2022(year: int, clips: pd.DataFrame) -> Iterator[_Line]:
    every: list[list[float]] = []
    for machine_type, of_machine in clips.groupby("machine_type"):
        yield [machine_type]
        yield ["section", *_COLUMNS_FROM_2022]
        rows = []
        for section, group in of_machine.groupby("section"):
            rows.append(_row_from_2022(group))
            yield [section, *rows[-1]]
        every.extend(rows)
        yield ["", "", *_METRICS]
        # Meant as the number of sections; 2022 halves it once too often.
        num_source = len(rows) // 2 if year == 2022 else len(rows)
        yield from _mean_lines("", _performance(rows, num_source), _harmonic_mean)
    yield ["", "", *_METRICS]
    yield from _mean_lines(_OVER_ALL, _performance(every, len(every)), _harmonic_mean)
    terms = np.array(every)[:, 1:4].T.ravel()
    yield ["official score", "", float(_harmonic_mean(terms, None))]
    ci95 = official_ci95(clips["score"].to_numpy(), clips["is_anomalous"].to_numpy(dtype=bool))
    yield ["official score ci95", "", ci95]
    yield []


def _row_from_2022(clips: pd.DataFrame) -> list[float]:
    """One section, `_COLUMNS_FROM_2022`: normal clips of a domain against all anomalous ones."""
    area, partial_area = _areas(clips)
    areas, decided = [], []
    for domain in ("source", "target"):
        is_of_domain = clips["domain"] == domain
        areas.append(_areas(clips[is_of_domain | clips["is_anomalous"]])[0])
        decided.append(_decided(clips[is_of_domain]))
    by_metric = (value for values in zip(*decided, strict=True) for value in values)
    return [area, *areas, partial_area, *by_metric]


def _performance(rows: Sequence[Sequence[float]], num_source: int) -> dict[str, _Values]:
    """Five metrics of all source domains, then of all target domains; pAUC has none."""
    columns = dict(zip(_COLUMNS_FROM_2022, np.array(rows).T, strict=True))
    both = [
        [columns.get(f"{metric} ({domain})", columns["pAUC"]) for domain in ("source", "target")]
        for metric in _METRICS
    ]
    # Transposed, not copied: the order of the sums, and so their last digits, is theirs.
    every = np.array([np.concatenate(of_metric) for of_metric in both]).T
    return {"": every, "source": every[:num_source], "target": every[num_source:]}


def _areas(clips: pd.DataFrame) -> list[float]:
    scores, labels = clips["score"].to_numpy(), clips["is_anomalous"].to_numpy(dtype=bool)
    return [auc(scores, labels), partial_auc(scores, labels)]


def _decided(clips: pd.DataFrame) -> list[float]:
    flags, labels = (clips[name].to_numpy(dtype=bool) for name in ("decision", "is_anomalous"))
    return list(decision_metrics(flags, labels))


# SciPy rounds harmonic means in another way since 1.9, and the evaluators with it. The
# output we have of 2021 was made in the old way, that of 2022 and 2023 in the new one.


def _harmonic_mean_of_2021(values: _Values, axis: int | None) -> _Values:
    inverse = 1.0 / np.maximum(values, sys.float_info.epsilon)
    count = inverse.size if axis is None else inverse.shape[axis]
    return np.asarray(count / np.sum(inverse, axis=axis))


def _harmonic_mean(values: _Values, axis: int | None) -> _Values:
    inverse = 1.0 / np.maximum(values, sys.float_info.epsilon)
    return np.asarray(1.0 / np.mean(inverse, axis=axis))
