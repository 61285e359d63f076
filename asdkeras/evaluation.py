"""Scores and decisions become metrics and their means."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from asdkeras.errors import DataError, shortened
from asdkeras.files import write_text
from asdkeras.metrics.auc import auc, partial_auc
from asdkeras.metrics.decision_metrics import decision_metrics
from asdkeras.metrics.development import require_domains
from asdkeras.metrics.official import MAX_FPR, RuleSet, compared_clips
from asdkeras.plain_text import csv_text

METRICS = ("auc", "pauc", "precision", "recall", "f1")
METRIC_COLUMNS = (
    *("seed", "machine_type", "section", "domain"),
    *METRICS,
    *("n_normal", "n_anomalous"),
)
SKIPPED_COLUMNS = ("machine_type", "section", "domain", "n_clips", "reason")
SUMMARY_COLUMNS = (
    *("part", "machine_type", "domain", "metric"),
    *("value", "standard_deviation", "n_seeds", "n_sections"),
)
_SECTION = ["machine_type", "section"]
_FEW = 5  # Clips, of which less may well share scores.
ALL_ANOMALOUS = "f1_all_anomalous"
KINDS = ("held out", "training", "test source", "test target", "test")
FALSE_ALARM_COLUMNS = (
    *("seed", "machine_type", "section", "kind"),
    *("n_normal", "n_false_alarms", "false_alarm_rate"),
    *("n_anomalous", "n_detected", "detection_rate", "f1", ALL_ANOMALOUS),
    *("n_unlabelled", "n_unlabelled_flagged"),
)


class Evaluation(NamedTuple):
    """Metrics of labelled test clips, and clips that have none."""

    metrics: pd.DataFrame  # `METRIC_COLUMNS`, in [0, 1]; NaN where the rules define none.
    skipped: pd.DataFrame  # `SKIPPED_COLUMNS`; `reason` says why.


def evaluate(
    table: pd.DataFrame,
    anomaly_scores: ArrayLike,
    decisions: ArrayLike | None,
    rules: RuleSet,
    seed: int = 0,
) -> Evaluation:
    """Measure scores and decisions on the labelled test clips of every section.

    Clips without labels, and sections or domains with clips of one kind only, are skipped.

    Args:
        table: clip table.
        anomaly_scores: `(clips,)` in the order of the table; higher means more anomalous.
        decisions: bool or 0/1, `(clips,)`, 1 for anomalous; None if there are none.

    Raises:
        DataError: if a labelled test clip has no finite score, or no domain and the rules need it.
        ValueError: if scores or decisions do not fit the table.
    """
    require_domains(table, rules)
    clips = _test_clips(table, anomaly_scores, decisions)
    metrics: list[dict[str, object]] = []
    skipped: list[dict[str, object]] = []
    for keys, section in clips.groupby(_SECTION):
        place = dict(zip(("machine_type", "section"), map(str, keys), strict=True))
        labelled = section[section["is_anomalous"].notna()]
        if len(labelled) < len(section):
            unlabelled = len(section) - len(labelled)
            skipped.append({**place, "domain": "all", "n_clips": unlabelled, "reason": "no labels"})
        if len(labelled):
            _refuse_unusable(labelled)
            for row in _section_rows(labelled, rules):
                kind = skipped if "reason" in row else metrics
                kind.append({"seed": seed, **place, **row})
    return Evaluation(
        pd.DataFrame(metrics, columns=list(METRIC_COLUMNS)),
        pd.DataFrame(skipped, columns=list(SKIPPED_COLUMNS)),
    )


def doubts(
    table: pd.DataFrame, anomaly_scores: ArrayLike, metrics: pd.DataFrame
) -> tuple[str, ...]:
    """What makes scores of test clips say nothing, a line each.

    Takes what `evaluate` takes, and the metrics it gave.
    """
    clips = _test_clips(table, anomaly_scores, None)
    clips = clips[np.isfinite(clips["score"])]
    found: dict[str, list[str]] = {}
    sections = list(clips.groupby(_SECTION))
    for section, of_section in sections:
        for doubt in _doubts_of_section(of_section):
            found.setdefault(doubt, []).append("_".join(map(str, section)))
    lines = [
        f"{doubt}: {shortened(names)} ({len(names)} of {len(sections)} sections)."
        for doubt, names in found.items()
    ]
    for names in _copies(clips, _SECTION) or _copies(clips, [*_SECTION, "domain"]):
        lines.append(f"the same scores were given to all of {shortened(names)}: a copied file?")
    of_machines = metrics.groupby("machine_type")["auc"].max()
    if len(turned := of_machines.index[of_machines < 0.5]):
        lines.append(
            "every AUC lies below 50, though higher scores must mean more anomalous: a wrong sign? "
            f"{shortened(turned)} ({len(turned)} of {len(of_machines)} machine types)."
        )
    return tuple(lines)


def _doubts_of_section(clips: pd.DataFrame) -> Iterator[str]:
    scores = clips["score"].to_numpy(dtype="float64")
    values, counts = np.unique(scores, return_counts=True)
    if _is_constant(scores):
        yield "all scores are equal, to six digits at least, and tell no clip from another"
    elif len(values) == 2 and len(scores) >= _FEW:
        yield "scores have two values alone, as decisions have"
    elif counts.max() > len(scores) / 2 and len(scores) >= _FEW:
        yield "more than half of all scores are one number, as after rounding to few digits"
    else:
        for domain, of_domain in clips.groupby("domain"):
            if _is_constant(of_domain["score"].to_numpy(dtype="float64")):
                yield f"all scores of the {domain} domain are equal, to six digits at least"


def _is_constant(scores: NDArray[np.float64]) -> bool:
    return len(scores) > 1 and bool(np.ptp(scores) <= 1e-6 * np.abs(scores).max())


def _copies(clips: pd.DataFrame, keys: list[str]) -> list[list[str]]:
    """Groups of clips that have the same scores as others, whatever their order."""
    found: dict[bytes, list[str]] = {}
    for names, group in clips.groupby(keys):
        scores = np.sort(group["score"].to_numpy(dtype="float64")) + 0.0  # Without -0.
        if len(np.unique(scores)) > 2:
            found.setdefault(scores.tobytes(), []).append("_".join(map(str, names)))
    return [names for names in found.values() if len(names) > 1]


def summarize(metrics: pd.DataFrame, rules: RuleSet) -> pd.DataFrame:
    """The means of the rules over sections, domains and machine types.

    A machine type is averaged over its sections, and for domain `all` over all rows the
    rules count. Harmonic rules average `all` machine types over every section at once;
    arithmetic ones average the machine types' means. The official score is the harmonic
    mean of every AUC and pAUC that counts. Metrics are of `evaluate`, those of several seeds
    one below the other.

    Returns:
        `SUMMARY_COLUMNS`, one row per part (`dev`, `eval`), machine type (or `all`), domain (or
        `all`) and metric (`METRICS`, `official_score`). `value` is the mean over seeds and
        `standard_deviation` their spread (N - 1, or what the rules say), NaN with one seed.
        Precision, recall and F1 that are 0 somewhere have the mean 0, where the evaluators print
        about 1e-15. `n_sections` counts the sections of all machine types in the mean.
    """
    rows: list[dict[str, object]] = []
    for (part, seed), group in with_parts(metrics, rules).groupby(["part", "seed"]):
        of_machines: list[dict[str, object]] = []
        for machine_type, own in group.groupby("machine_type"):
            of_machines += _domain_means(own, rules, str(machine_type))
        of_all = _domain_means(group, rules, "all", pd.DataFrame(of_machines))
        rows += ({"part": part, "seed": seed, **row} for row in (*of_machines, *of_all))
    by_seed = pd.DataFrame(rows, columns=["part", "seed", *SUMMARY_COLUMNS[1:5], "n_sections"])
    keys = list(SUMMARY_COLUMNS[:4])
    summary = by_seed.groupby(keys, sort=False, as_index=False).agg(
        mean=("value", lambda values: values.mean(skipna=False)),
        standard_deviation=("value", lambda values: _spread(values, rules)),
        n_seeds=("seed", "nunique"),
        n_sections=("n_sections", "min"),
    )
    return summary.rename(columns={"mean": "value"})[list(SUMMARY_COLUMNS)]


def false_alarms(
    table: pd.DataFrame,
    decisions: ArrayLike,
    held_out: ArrayLike | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Count the normal clips that were called anomalous, by section and kind of clips.

    Args:
        table: clip table. Beside `train` and `test`, a `split` may be `held_out`: normal clips that
            nothing was learned from. Others are left alone.
        decisions: bool or 0/1, `(clips,)` in the order of the table, 1 for anomalous.
        held_out: bool, `(clips,)`, training clips that are held out as well; None for none.

    Returns:
        `FALSE_ALARM_COLUMNS`, one row per section and kind of clips that it has: `held out`;
        `training` where nothing is held out, in-sample; `test source`, `test target`, and `test`
        for clips whose domain is not known. Rates and F1 are in [0, 1], NaN where there is no
        clip to take them from. `f1_all_anomalous` is the F1 of calling every clip anomalous.

    Raises:
        ValueError: if decisions or `held_out` do not fit the table.
    """
    is_held_out = (table["split"] == "held_out").to_numpy(dtype=bool)
    if held_out is not None:
        is_held_out |= _per_clip("held_out", held_out, table).astype(bool)
    is_test = (table["split"] == "test").to_numpy(dtype=bool)
    is_normal = table["split"].isin(["train", "held_out"]).to_numpy(dtype=bool)
    of_test = ("test " + table["domain"].fillna("").astype(str)).str.strip()
    kinds = np.select([is_test, is_normal & is_held_out, is_normal], [of_test, *KINDS[:2]], "")
    clips = table[["machine_type", "section"]].assign(
        kind=kinds,
        truth=np.where(is_normal, 0.0, table["is_anomalous"].to_numpy(float, na_value=np.nan)),
        decision=_per_clip("decisions", decisions, table),
    )
    rows = []
    for names, section in clips[kinds != ""].groupby(["machine_type", "section"]):
        present = set(section["kind"])
        for kind in KINDS:
            if kind in present and (kind != "training" or "held out" not in present):
                place = dict(zip(("machine_type", "section"), map(str, names), strict=True))
                counts = _flagged(section[section["kind"] == kind])
                rows.append({"seed": seed, **place, "kind": kind, **counts})
    return pd.DataFrame(rows, columns=list(FALSE_ALARM_COLUMNS))


def with_all_anomalous(metrics: pd.DataFrame) -> pd.DataFrame:
    """Metrics with a column `ALL_ANOMALOUS`: F1 if every clip were called so, where F1 is known."""
    f1 = _all_anomalous(metrics["n_anomalous"], metrics["n_normal"])
    return metrics.assign(**{ALL_ANOMALOUS: f1.where(metrics["f1"].notna())})


def all_anomalous_means(metrics: pd.DataFrame, rules: RuleSet) -> pd.DataFrame:
    """The means of `with_all_anomalous`, as `summarize` has those of F1."""
    means = summarize(metrics.assign(f1=with_all_anomalous(metrics)[ALL_ANOMALOUS]), rules)
    is_f1 = (means["metric"] == "f1") & means["value"].notna()
    return means[is_f1].assign(metric=ALL_ANOMALOUS)


def with_parts(table: pd.DataFrame, rules: RuleSet) -> pd.DataFrame:
    """A table with a column `part`: whether a section is of the `dev` or the `eval` set."""
    places = zip(table["machine_type"], table["section"], strict=True)
    return table.assign(part=[rules.part_of(str(name), str(section)) for name, section in places])


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write metrics, a summary or a comparison: whole or not at all, floats exact."""
    write_text(path, csv_text(frame))


def _test_clips(
    table: pd.DataFrame, anomaly_scores: ArrayLike, decisions: ArrayLike | None
) -> pd.DataFrame:
    clips = table[["path", "machine_type", "section", "domain", "is_anomalous"]]
    scores = np.asarray(anomaly_scores, dtype="float64")
    clips = clips.assign(score=_per_clip("anomaly_scores", scores, table))
    if decisions is not None:
        clips = clips.assign(decision=_per_clip("decisions", decisions, table))
    return clips[(table["split"] == "test").to_numpy(dtype=bool)]


def _per_clip(name: str, values: ArrayLike, table: pd.DataFrame) -> NDArray[np.generic]:
    array: NDArray[np.generic] = np.asarray(values)
    if array.shape != (len(table),):
        raise ValueError(
            f"`{name}` must have one value per clip of the table, {len(table)}. "
            f"Received: shape {array.shape}"
        )
    return array


def _flagged(clips: pd.DataFrame) -> dict[str, object]:
    """Counts and rates of the decisions on clips with a column `truth`: 0, 1 or NaN."""
    truth, flags = clips["truth"].to_numpy(), clips["decision"].to_numpy().astype(bool)
    masks = (truth == 0.0, truth == 1.0, np.isnan(truth))
    normal, anomalous, unlabelled = ((int(mask.sum()), int(flags[mask].sum())) for mask in masks)
    is_measured = bool(normal[0] and anomalous[0])
    return {
        "n_normal": normal[0],
        "n_false_alarms": normal[1],
        "false_alarm_rate": normal[1] / normal[0] if normal[0] else math.nan,
        "n_anomalous": anomalous[0],
        "n_detected": anomalous[1],
        "detection_rate": anomalous[1] / anomalous[0] if anomalous[0] else math.nan,
        "f1": decision_metrics(flags[~masks[2]], masks[1][~masks[2]]).f1
        if is_measured
        else math.nan,
        ALL_ANOMALOUS: _all_anomalous(anomalous[0], normal[0]) if is_measured else math.nan,
        "n_unlabelled": unlabelled[0],
        "n_unlabelled_flagged": unlabelled[1],
    }


def _all_anomalous(n_anomalous: Any, n_normal: Any) -> Any:
    """F1 of calling every clip anomalous: all are found, precision is their share."""
    return 2.0 * n_anomalous / (2.0 * n_anomalous + n_normal)


def _refuse_unusable(clips: pd.DataFrame) -> None:
    bad = clips["path"][~np.isfinite(clips["score"])]
    if len(bad):
        raise DataError(
            f"{bad.iloc[0]}: the anomaly score must be finite. "
            f"{len(bad)} of {len(clips)} labelled test clips of this section are not."
        )


def _section_rows(clips: pd.DataFrame, rules: RuleSet) -> Iterator[dict[str, object]]:
    """Metrics of one section, or why there are none, one row per domain."""
    scores = clips["score"].to_numpy(dtype="float64")
    is_anomalous = clips["is_anomalous"].to_numpy(dtype=bool)
    domains = clips["domain"].fillna("").to_numpy(dtype=str)
    for domain in rules.rows:
        mask = compared_clips(rules, domain, is_anomalous, domains)
        in_row = mask if domain == "all" else domains == domain
        labels = is_anomalous[mask]
        if len(labels) == 0 or labels.all() or not labels.any():
            kind = "" if len(labels) == 0 else "normal " if labels.any() else "anomalous "
            yield {"domain": domain, "n_clips": int(in_row.sum()), "reason": f"no {kind}clips"}
            continue
        row: dict[str, object] = {"domain": domain, "auc": auc(scores[mask], labels)}
        if domain in rules.pauc_domains:
            row["pauc"] = partial_auc(scores[mask], labels, MAX_FPR)
        if "decision" in clips:
            flags: NDArray[np.generic] = clips["decision"].to_numpy()[in_row]
            row.update(decision_metrics(flags, is_anomalous[in_row])._asdict())
        yield {
            **row,
            "n_normal": int(np.sum(~is_anomalous[in_row])),
            "n_anomalous": int(np.sum(is_anomalous[in_row])),
        }


def _domain_means(
    metrics: pd.DataFrame,
    rules: RuleSet,
    machine_type: str,
    of_machines: pd.DataFrame | None = None,
) -> Iterator[dict[str, object]]:
    domains = tuple(dict.fromkeys((*rules.rows, "all")))
    for domain in domains:
        for metric in METRICS:
            wanted = rules.averaged_rows(metric, domain)
            rows = metrics[metrics["domain"].isin(wanted)]
            if rows.empty:
                continue
            values = rows[metric]
            if of_machines is not None and rules.mean == "arithmetic":
                same = (of_machines["domain"] == domain) & (of_machines["metric"] == metric)
                values = of_machines.loc[same, "value"]
            # The evaluators raise zeros to the machine epsilon, and print 1e-15 for the mean.
            is_zero = metric in METRICS[2:] and rules.mean == "harmonic" and (values == 0.0).any()
            yield {
                **{"machine_type": machine_type, "domain": domain, "metric": metric},
                "value": 0.0 if is_zero else rules.average(values),
                "n_sections": _num_sections(rows, wanted),
            }
    for domain in domains:
        if rules.has_joint_mean(machine_type, domain):
            wanted_by = {name: rules.averaged_rows(name, domain) for name in ("auc", "pauc")}
            counted = [
                metrics.loc[metrics["domain"].isin(wanted), name]
                for name, wanted in wanted_by.items()
            ]
            yield {
                **{"machine_type": machine_type, "domain": domain, "metric": "official_score"},
                "value": rules.average(pd.concat(counted)),
                "n_sections": _num_sections(metrics, sum(wanted_by.values(), ())),
            }


def _spread(values: "pd.Series[float]", rules: RuleSet) -> float:
    # Of one seed, there is none, whatever the divisor.
    return float(values.std(ddof=rules.trial_ddof, skipna=False)) if len(values) > 1 else math.nan


def _num_sections(metrics: pd.DataFrame, domains: tuple[str, ...]) -> int:
    """Sections of all machine types that have a row for each of the domains."""
    rows = metrics[metrics["domain"].isin(domains)].groupby(["machine_type", "section"])
    return int((rows["domain"].nunique() == len(set(domains))).sum())
