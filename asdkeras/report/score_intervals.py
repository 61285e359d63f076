"""How sure an official score is: what the evaluators print, and what may be believed."""

import pandas as pd
from rich.console import Console

from asdkeras.metrics.bootstrap import bootstrap_official_score
from asdkeras.metrics.intervals import pooled_intervals
from asdkeras.metrics.official import RuleSet
from asdkeras.report.terminal import print_line

_YEARS_OF_CI95 = ("dcase2022", "dcase2023", "dcase2024")
_SEED = 0


def interval_rows(clips: pd.DataFrame, rules: RuleSet) -> pd.DataFrame:
    """Intervals of 95 % as further rows of a summary.

    Args:
        clips: of `asdkeras.report.submitted_clips`.
        rules: of the year.

    Returns:
        part, machine_type, domain, metric, value, n_seeds and n_sections. The metrics are
        `official_score_lower` and `official_score_upper`, from a bootstrap; and for 2022 to
        2024 `official_score_ci95`, the half-width the evaluators print under that name, and
        `pooled_auc_pauc_ci95`, what it should have been. No rows if the rules have no
        official score.
    """
    rows = []
    for part, of_part in clips.groupby("part") if rules.has_joint_mean("all", "all") else ():
        scores = of_part["score"].to_numpy()
        is_anomalous = of_part["is_anomalous"].to_numpy(dtype=bool)
        domains = of_part["domain"].to_numpy(dtype=str)
        sections = (of_part["machine_type"] + "/" + of_part["section"]).to_numpy(dtype=str)
        interval = bootstrap_official_score(
            scores, is_anomalous, domains, sections, rules, seed=_SEED
        )
        values = {
            "official_score_lower": interval.lower,
            "official_score_upper": interval.upper,
        }
        if rules.name in _YEARS_OF_CI95:
            half_widths = pooled_intervals(scores, is_anomalous)
            values["official_score_ci95"] = half_widths.official
            values["pooled_auc_pauc_ci95"] = half_widths.corrected
        counts = {"n_seeds": 1, "n_sections": len(set(sections))}
        for metric, value in values.items():
            place = {"part": part, "machine_type": "all", "domain": "all", "metric": metric}
            rows.append({**place, "value": value, **counts})
    return pd.DataFrame(rows)


def print_intervals(rows: pd.DataFrame, *, console: Console | None = None) -> None:
    """Print the intervals of each part, of `interval_rows`, and what the evaluators' is worth."""
    console = console or Console()
    for _, group in rows.groupby("part") if len(rows) else ():
        value = dict(zip(group["metric"], group["value"], strict=True))
        lower, upper = (100.0 * value[f"official_score_{end}"] for end in ("lower", "upper"))
        text = f"official score, 95 % by bootstrap over test clips: {lower:.2f} to {upper:.2f}"
        print_line(console, text, "dim")
        if "official_score_ci95" in value:
            printed, corrected = value["official_score_ci95"], value["pooled_auc_pauc_ci95"]
            text = (
                f"the evaluator's `official score ci95`: {100 * printed:.2g}, N - 1 times too "
                f"small, and of pooled AUC and pAUC; corrected {100 * corrected:.2f}"
            )
            print_line(console, text, "dim")
