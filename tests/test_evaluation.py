"""Metrics of labelled clips, their means, and the paper beside them."""

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asdkeras.errors import DataError
from asdkeras.evaluation import (
    METRIC_COLUMNS,
    SKIPPED_COLUMNS,
    SUMMARY_COLUMNS,
    doubts,
    evaluate,
    summarize,
    write_csv,
)
from asdkeras.metrics.official import RULES
from asdkeras.published.papers import convention
from tests.clip_table import clip_table

GOLDEN = Path(__file__).parent / "golden/metrics"


@pytest.fixture(scope="module")
def golden_2021():
    """Clip table, scores and decisions that the official evaluator of 2021 was given."""
    rows, scores, decisions = [], [], []
    with np.load(GOLDEN / "evaluator_inputs.npz") as arrays:
        for key in sorted({name.rsplit("/", 1)[0] for name in arrays.files}):
            machine_type, section, domain = re.fullmatch(
                r"2021/(.+)_section_(\d\d)_(\w+)_test", key
            ).groups()
            place = {"machine_type": machine_type, "section": section, "domain": domain}
            for name, truth in zip(arrays[f"{key}/file"], arrays[f"{key}/y_true"], strict=True):
                rows.append({"path": f"/{name}", "is_anomalous": bool(truth)} | place)
            scores.append(arrays[f"{key}/score"])
            decisions.append(arrays[f"{key}/decision"])
    table = clip_table(rows, dataset="dcase2021")
    return table, np.concatenate(scores), np.concatenate(decisions)


@pytest.fixture(scope="module")
def official_2021():
    """What the evaluator wrote: {(machine type, section or kind of mean, domain): five figures}."""
    written, machine_type = {}, None
    with (GOLDEN / "evaluator_2021_result.csv").open() as file:
        for line in csv.reader(file):
            if len(line) == 1:
                machine_type = line[0]
            elif len(line) == 7 and line[2] != "AUC":
                written[machine_type, line[0], line[1]] = [float(text) for text in line[2:]]
            elif line and line[0] == "official score":
                written["official score"] = float(line[2])
    return written


def mean_of(summary, machine_type, domain, metric):
    rows = summary[
        (summary["machine_type"] == machine_type)
        & (summary["domain"] == domain)
        & (summary["metric"] == metric)
    ]
    assert len(rows) == 1
    return rows["value"].iloc[0]


def test_sections_equal_the_official_evaluator_of_2021(golden_2021, official_2021):
    evaluation = evaluate(*golden_2021, RULES["dcase2021"])

    assert len(evaluation.metrics) == 42
    assert evaluation.skipped.empty
    for _, row in evaluation.metrics.iterrows():
        expected = official_2021[row["machine_type"], row["section"], row["domain"]]
        figures = row[["auc", "pauc", "precision", "recall", "f1"]].tolist()
        assert figures == pytest.approx(expected, abs=1e-12)
    assert evaluation.metrics[["n_normal", "n_anomalous"]].to_numpy().sum() == 8635


def test_means_equal_the_official_evaluator_of_2021(golden_2021, official_2021):
    metrics = evaluate(*golden_2021, RULES["dcase2021"]).metrics

    summary = summarize(metrics, RULES["dcase2021"])

    assert list(summary.columns) == list(SUMMARY_COLUMNS)
    assert set(summary["part"]) == {"eval"}
    over_all = " over all machine types, sections, and domains"
    kinds = {"source": "source harmonic mean", "target": "target harmonic mean"}
    for machine_type in (*metrics["machine_type"].unique(), "all"):
        for domain in ("source", "target", "all"):
            kind = kinds.get(domain, "harmonic mean")
            # The block over all machine types follows the one of the last machine type.
            key = ("valve", kind + over_all, "") if machine_type == "all" else None
            expected = official_2021[key or (machine_type, kind, "")]
            ours = [
                mean_of(summary, machine_type, domain, metric)
                for metric in ("auc", "pauc", "precision", "recall", "f1")
            ]
            assert ours == pytest.approx(expected, abs=1e-12)


def test_official_score_of_2021_is_the_evaluators(golden_2021, official_2021):
    summary = summarize(evaluate(*golden_2021, RULES["dcase2021"]).metrics, RULES["dcase2021"])
    score = mean_of(summary, "all", "all", "official_score")
    assert official_2021["official score"] == 0.729888133582234
    assert score == pytest.approx(0.729888133582234, abs=1e-12)


def balanced(machine_types=("fan", "pump"), sections=("00", "01"), **shared):
    """Ten clips per domain and class."""
    return clip_table(
        [
            {"path": f"/{machine_type}/{section}_{domain}_{anomalous}_{n}.wav"}
            | {"machine_type": machine_type, "section": section, "domain": domain}
            | {"is_anomalous": anomalous}
            for machine_type in machine_types
            for section in sections
            for domain in ("source", "target")
            for anomalous in (False, True)
            for n in range(10)
        ],
        **shared,
    )


def scores_for(table, seed=0):
    return np.random.default_rng(seed).normal(size=len(table)) + np.arange(len(table)) % 20 / 20


@pytest.mark.parametrize("name", RULES)
def test_every_rule_set_makes_the_same_columns(name):
    table = balanced()
    scores = scores_for(table)

    evaluation = evaluate(table, scores, scores > 0.5, RULES[name], seed=3)

    assert list(evaluation.metrics.columns) == list(METRIC_COLUMNS)
    assert list(evaluation.skipped.columns) == list(SKIPPED_COLUMNS)
    assert set(evaluation.metrics["seed"]) == {3}
    assert len(evaluation.metrics) == 4 * len(RULES[name].rows)
    assert evaluation.metrics["auc"].between(0, 1).all()


def test_decisions_are_measured_within_the_domain_also_from_2022_on():
    table = balanced(machine_types=("fan",), sections=("00",))
    is_flagged = (table["domain"] == "source").to_numpy()

    metrics = evaluate(table, scores_for(table), is_flagged, RULES["dcase2022"]).metrics

    rows = metrics.set_index("domain")[["precision", "recall", "n_normal", "n_anomalous"]]
    assert rows.loc["source"].tolist() == [0.5, 1.0, 10, 10]
    assert rows.loc["target"].tolist() == [0.0, 0.0, 10, 10]
    assert rows.loc["all"].tolist() == [0.5, 0.5, 20, 20]


def test_order_of_the_table_is_irrelevant():
    table = balanced()
    scores = scores_for(table)
    order = np.random.default_rng(1).permutation(len(table))

    straight = evaluate(table, scores, scores > 0.5, RULES["dcase2022"])
    shuffled = evaluate(table.iloc[order], scores[order], (scores > 0.5)[order], RULES["dcase2022"])

    pd.testing.assert_frame_equal(straight.metrics, shuffled.metrics)


def test_training_clips_and_clips_without_labels_do_not_count():
    table = balanced(machine_types=("fan",), sections=("00",))
    scores = scores_for(table)
    alone = evaluate(table, scores, scores > 0.5, RULES["dcase2021"])

    extra = balanced(machine_types=("fan",), sections=("00",))
    extra.loc[:19, "split"] = "train"
    extra.loc[20:, "is_anomalous"] = pd.NA
    both = pd.concat([table, extra], ignore_index=True)
    padded = np.append(scores, np.full(len(extra), np.nan))
    mixed = evaluate(both, padded, padded > 0.5, RULES["dcase2021"])

    pd.testing.assert_frame_equal(alone.metrics, mixed.metrics)
    assert mixed.skipped.to_dict("records") == [
        {"machine_type": "fan", "section": "00", "domain": "all"}
        | {"n_clips": 20, "reason": "no labels"}
    ]


def test_data_without_any_label_gives_no_metrics_and_says_so():
    table = balanced().assign(is_anomalous=pd.array([pd.NA] * 160, dtype="boolean"))

    evaluation = evaluate(table, np.zeros(160), None, RULES["dcase2021"])

    assert evaluation.metrics.empty
    assert evaluation.skipped["reason"].tolist() == ["no labels"] * 4
    assert summarize(evaluation.metrics, RULES["dcase2021"]).empty


@pytest.mark.parametrize(("kept", "reason"), [(True, "normal"), (False, "anomalous")])
def test_domain_with_one_kind_of_clip_is_skipped_with_the_reason(kept, reason):
    table = balanced(machine_types=("fan",), sections=("00",))
    table = table[(table["domain"] == "source") | (table["is_anomalous"] == kept)]
    scores = scores_for(table)

    evaluation = evaluate(table, scores, scores > 0.5, RULES["dcase2021"])

    assert evaluation.metrics["domain"].tolist() == ["source"]
    assert evaluation.skipped[["domain", "n_clips", "reason"]].to_numpy().tolist() == [
        ["target", 10, f"no {reason} clips"]
    ]


def test_domain_without_clips_is_skipped_with_the_reason():
    table = balanced(machine_types=("fan",), sections=("00",))
    table = table[table["domain"] == "source"]
    evaluation = evaluate(table, scores_for(table), None, RULES["dcase2021"])
    assert evaluation.skipped["reason"].tolist() == ["no clips"]


def test_without_decisions_their_metrics_are_undefined():
    table = balanced()
    metrics = evaluate(table, scores_for(table), None, RULES["dcase2021"]).metrics
    assert metrics[["precision", "recall", "f1"]].isna().all(axis=None)
    assert metrics[["auc", "pauc"]].notna().all(axis=None)


def test_labelled_clip_without_a_finite_score_is_refused_by_name():
    table = balanced()
    scores = scores_for(table)
    scores[7] = np.nan
    with pytest.raises(DataError, match=r"/fan/00_source_False_7.wav: .*finite. 1 of 40"):
        evaluate(table, scores, None, RULES["dcase2021"])


def test_labelled_clip_without_a_domain_is_refused_where_the_rules_need_it():
    table = balanced()
    table.loc[7, "domain"] = pd.NA
    with pytest.raises(
        DataError, match=r"source_False_7.wav: the rules dcase2021 need .* 1 of 160"
    ):
        evaluate(table, scores_for(table), None, RULES["dcase2021"])
    assert len(evaluate(table, scores_for(table), None, RULES["plain"]).metrics) == 4


@pytest.mark.parametrize(
    ("scores", "decisions", "message"),
    [
        (np.zeros(3), None, r"`anomaly_scores` must have one value per clip of the table, 160"),
        (np.zeros(160), np.zeros(3), r"`decisions` must have one value per clip of the table, 160"),
    ],
)
def test_values_that_do_not_fit_are_refused(scores, decisions, message):
    with pytest.raises(ValueError, match=message):
        evaluate(balanced(), scores, decisions, RULES["dcase2021"])


def metrics_frame(rows):
    """Metrics from (seed, machine type, section, domain, AUC, pAUC)."""
    columns = ["seed", "machine_type", "section", "domain", "auc", "pauc"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.reindex(columns=list(METRIC_COLUMNS))


def test_parts_of_a_dataset_are_averaged_apart():
    metrics = metrics_frame(
        [(0, "fan", "00", "source", 0.8, 0.6), (0, "fan", "03", "source", 0.5, 0.5)]
    )
    summary = summarize(metrics, RULES["dcase2021"]).set_index(
        ["part", "machine_type", "domain", "metric"]
    )["value"]
    assert summary["dev", "fan", "source", "auc"] == pytest.approx(0.8)
    assert summary["eval", "all", "source", "auc"] == pytest.approx(0.5)


def test_arithmetic_rules_average_machine_types_not_sections():
    metrics = metrics_frame(
        [
            (0, "fan", "00", "all", 0.5, 0.5),
            (0, "fan", "02", "all", 0.7, 0.5),
            (0, "ToyCar", "01", "all", 0.9, 0.7),
        ]
    )
    summary = summarize(metrics, RULES["dcase2020"])
    assert mean_of(summary, "fan", "all", "auc") == pytest.approx(0.6)
    assert mean_of(summary, "all", "all", "auc") == pytest.approx(0.75)
    assert mean_of(summary, "all", "all", "pauc") == pytest.approx(0.6)
    assert "official_score" not in set(summary["metric"])


def test_several_seeds_give_mean_and_standard_deviation():
    metrics = metrics_frame([(s, "fan", "00", "all", a, 0.5) for s, a in [(0, 0.5), (1, 0.7)]])
    row = (
        summarize(metrics, RULES["plain"]).set_index(["machine_type", "metric"]).loc[("fan", "auc")]
    )
    assert row["value"] == pytest.approx(0.6)
    assert row["standard_deviation"] == pytest.approx(np.sqrt(0.02))
    assert row["n_seeds"] == 2


def test_zero_somewhere_makes_the_mean_of_decision_metrics_zero():
    table = balanced(("fan",))
    decisions = (table["section"] == "01").to_numpy()

    for name in ("dcase2021", "dcase2022"):
        rules = RULES[name]
        metrics = evaluate(table, scores_for(table), decisions, rules).metrics
        summary = summarize(metrics, rules)
        for metric in ("precision", "recall", "f1"):
            assert set(metrics.loc[metrics["section"] == "01", metric].dropna()) != {0.0}
            assert mean_of(summary, "fan", "source", metric) == 0.0
            assert mean_of(summary, "all", "all", metric) == 0.0


def test_an_auc_of_zero_keeps_the_official_floor():
    table = balanced(("fan",))
    scores = np.where(table["is_anomalous"].to_numpy(dtype=bool), 0.0, 1.0)

    summary = summarize(
        evaluate(table, scores, None, RULES["dcase2021"]).metrics, RULES["dcase2021"]
    )

    assert mean_of(summary, "all", "all", "auc") == pytest.approx(2.2e-16, rel=0.01, abs=0)
    assert 0.0 < mean_of(summary, "all", "all", "official_score") < 1e-15


def test_zero_somewhere_is_one_value_of_many_in_an_arithmetic_mean():
    table = balanced(("fan",), ("00", "02"))
    decisions = (table["section"] == "02").to_numpy()
    metrics = evaluate(table, scores_for(table), decisions, RULES["dcase2020"]).metrics

    summary = summarize(metrics, RULES["dcase2020"])

    assert metrics["recall"].tolist() == [0.0, 1.0]
    assert mean_of(summary, "fan", "all", "recall") == 0.5


def test_conventions_of_papers_say_where_auc_and_pauc_are_averaged_together():
    table = balanced()
    rules = convention("kuroyanagi2021")
    metrics = evaluate(table, scores_for(table), None, rules).metrics

    summary = summarize(metrics, rules)

    joint = summary[summary["metric"] == "official_score"]
    assert list(zip(joint["machine_type"], joint["domain"], strict=True)) == [
        (machine_type, domain)
        for machine_type in ("fan", "pump", "all")
        for domain in ("source", "target", "all")
    ]
    fan = metrics[(metrics["machine_type"] == "fan") & (metrics["domain"] == "target")]
    values = [*fan["auc"], *fan["pauc"]]
    expected = len(values) / sum(1 / value for value in values)
    assert mean_of(summary, "fan", "target", "official_score") == pytest.approx(expected)
    assert set(joint["n_sections"]) == {2, 4}


def test_conventions_of_papers_may_keep_all_clips_apart_from_the_domains():
    table = balanced(("fan",))
    rules = convention("wilkinghoff2024")
    metrics = evaluate(table, scores_for(table), None, rules).metrics

    summary = summarize(metrics, rules)

    for domain in ("source", "target", "all"):
        values = metrics.loc[metrics["domain"] == domain, "auc"]
        expected = len(values) / (1 / values).sum()
        assert mean_of(summary, "fan", domain, "auc") == pytest.approx(expected)
    assert "official_score" not in set(summary["metric"])


@pytest.mark.parametrize(("name", "ddof"), [("wilkinghoff2021", 1), ("wilkinghoff2024", 0)])
def test_spread_over_seeds_is_that_of_the_convention(name, ddof):
    table = balanced(("fan",))
    rules = convention(name)
    trials = [evaluate(table, scores_for(table, seed), None, rules, seed) for seed in (1, 2, 3)]
    metrics = pd.concat([trial.metrics for trial in trials])

    summary = summarize(metrics, rules)

    means = [summarize(trial.metrics, rules) for trial in trials]
    values = [mean_of(mean, "fan", "source", "auc") for mean in means]
    row = summary[(summary["domain"] == "source") & (summary["metric"] == "auc")].iloc[0]
    assert row["standard_deviation"] == pytest.approx(np.std(values, ddof=ddof))
    assert means[0]["standard_deviation"].isna().all()


def test_one_seed_has_no_standard_deviation():
    summary = summarize(metrics_frame([(0, "fan", "00", "all", 0.5, 0.5)]), RULES["plain"])
    assert summary["standard_deviation"].isna().all()


@pytest.fixture
def fan_summary():
    rows = [(0, "fan", "00", domain, 0.8, 0.6) for domain in ("source", "target")]
    return summarize(metrics_frame(rows), RULES["dcase2021"])


def test_section_with_a_skipped_domain_is_not_comparable_over_both_domains():
    rows = [(0, "fan", "00", "source", 0.8, 0.6), (0, "fan", "01", "target", 0.8, 0.6)]
    summary = summarize(metrics_frame(rows), RULES["dcase2021"])
    counts = summary.set_index(["machine_type", "domain", "metric"])["n_sections"]
    assert counts["fan", "source", "auc"] == 1
    assert counts["fan", "all", "auc"] == 0


def test_files_hold_every_digit(tmp_path, fan_summary):
    summary = fan_summary.assign(value=(0.1 + 0.2) * fan_summary["value"])

    write_csv(tmp_path / "official.csv", summary)

    text = (tmp_path / "official.csv").read_bytes().decode()
    assert f",{0.8 * (0.1 + 0.2)!r}," in text
    assert "\r" not in text
    values = [row["value"] for row in csv.DictReader(text.splitlines())]
    assert [float(value) for value in values if value] == summary["value"].dropna().tolist()


def two_sections():
    """Sections fan_00 and fan_01 of 2023, 6 normal and 6 anomalous clips of each domain."""
    rows = [
        {"path": f"/{section}_{domain}_{n}.wav", "section": section, "domain": domain}
        | {"is_anomalous": n % 2 == 1}
        for section in ("00", "01")
        for domain in ("source", "target")
        for n in range(12)
    ]
    return clip_table(rows, dataset="dcase2023", machine_type="fan")


def doubts_about(scores, decisions=None, table=None):
    table = two_sections() if table is None else table
    metrics = evaluate(table, scores, decisions, RULES["dcase2023"]).metrics
    return doubts(table, scores, metrics)


def telling(table, seed=0):
    return np.random.default_rng(seed).normal(size=len(table)) + 2.0 * table["is_anomalous"]


ALL = "fan_00, fan_01 (2 of 2 sections)"


def test_scores_that_tell_clips_apart_are_not_doubted():
    table = two_sections()
    scores = telling(table)
    for factor in (1.0, 1e-9, 1e9):
        assert doubts_about(factor * scores, scores > 1.0) == ()


@pytest.mark.parametrize("spread", [0.0, 1e-9])
@pytest.mark.parametrize("level", [0.0, 7.5, -3e4])
def test_equal_scores_of_a_section_are_doubted(level, spread):
    table = two_sections()
    scores = telling(table)
    is_first = (table["section"] == "00").to_numpy()
    scores[is_first] = level * (1.0 + spread * scores[is_first])

    (line,) = doubts_about(scores)

    assert line.startswith("all scores are equal, to six digits at least")
    assert line.endswith(": fan_00 (1 of 2 sections).")


def test_scores_printed_with_too_few_digits_are_doubted():
    table = two_sections()
    zeros = [float(f"{1e-8 * score:.6f}") for score in telling(table)]
    assert {*map(str, zeros)} == {"0.0", "-0.0"}
    assert doubts_about(zeros)[0].startswith("all scores are equal")
    coarse = np.array(zeros)
    coarse[::7] = 1e-6
    coarse[1::7] = 2e-6
    assert doubts_about(coarse)[0] == (
        f"more than half of all scores are one number, as after rounding to few digits: {ALL}."
    )


def test_equal_scores_of_one_domain_are_doubted():
    table = two_sections()
    scores = telling(table).mask(table["domain"] == "target", 0.5)
    scores[table["section"] == "01"] = telling(table, seed=1)
    assert doubts_about(scores) == (
        "all scores of the target domain are equal, to six digits at least: fan_00 (1 of 2 "
        "sections).",
    )


def test_decisions_in_place_of_scores_are_doubted():
    scores = telling(two_sections()) > 0.5
    assert f"scores have two values alone, as decisions have: {ALL}." in doubts_about(scores)


@pytest.mark.parametrize(
    ("order", "copied"),
    [(1, "fan_00_source, fan_01_source"), (-1, "fan_00_target, fan_01_source")],
)
def test_scores_of_another_section_are_doubted(order, copied):
    table = two_sections()
    first = telling(table)[table["section"] == "00"].tolist()
    both = first + first[::order]
    text = "the same scores were given to all of {}: a copied file?"
    assert text.format("fan_00, fan_01") in doubts_about(both)
    other = (table["section"] == "01") & (table["domain"] == "source")
    part = np.where(other, both, telling(table))
    assert doubts_about(part) == (text.format(copied),)


def test_scores_of_the_wrong_sign_are_doubted():
    table = two_sections()
    assert doubts_about(-telling(table)) == (
        "every AUC lies below 50, though higher scores must mean more anomalous: a wrong sign? "
        "fan (1 of 1 machine types).",
    )
    both = pd.concat([table, table.assign(machine_type="valve")], ignore_index=True)
    scores = telling(both) * np.where(both["machine_type"] == "fan", 1.0, -1.0)
    assert doubts_about(scores, table=both)[0].endswith("valve (1 of 2 machine types).")


def test_clips_without_labels_are_doubted_as_well():
    table = two_sections().assign(is_anomalous=pd.array([None] * 48, dtype="boolean"))
    assert doubts_about(np.ones(48), table=table) == (
        f"all scores are equal, to six digits at least, and tell no clip from another: {ALL}.",
    )
