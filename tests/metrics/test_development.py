"""The score of the development set is the official one, of labelled development clips alone."""

import itertools

import numpy as np
import pytest

from asdkeras.errors import DataError
from asdkeras.evaluation import evaluate, summarize
from asdkeras.metrics.development import development_score
from asdkeras.metrics.official import RULES
from asdkeras.published.papers import convention, names
from tests.clip_table import clip_table

DEV, EVAL = ("00", "01", "02"), ("03", "04")
PAPERS = {f"{name}, by its paper": rules for name in names() if (rules := convention(name))}
ALL_RULES = RULES | PAPERS
WITH_OFFICIAL_SCORE = [name for name, rules in ALL_RULES.items() if rules.joint_mean != "none"]


def section_clips(machine_types=("valve",), sections=DEV + EVAL):
    """Eight test clips per section and domain, half of them anomalous, and two for training."""
    rows = [
        {
            **{"machine_type": machine_type, "section": section, "domain": domain},
            **{"is_anomalous": number % 2 == 1, "split": "test" if number < 8 else "train"},
            "path": f"/{machine_type}/section_{section}_{domain}_{number}.wav",
        }
        for machine_type, section, domain in itertools.product(
            machine_types, sections, ("source", "target")
        )
        for number in range(10)
    ]
    return clip_table(rows, dataset="dcase2022")


def random_scores(table):
    skill = table["is_anomalous"].fillna(False).to_numpy(dtype=float)
    return np.random.default_rng(5).normal(size=len(table)) + skill


@pytest.mark.parametrize("name", WITH_OFFICIAL_SCORE)
@pytest.mark.parametrize("machine_types", [("valve",), ("fan", "valve")])
def test_it_is_the_official_score_of_the_development_set(name, machine_types):
    table, rules = section_clips(machine_types), ALL_RULES[name]
    scores = random_scores(table)

    score = development_score(table, scores, rules)

    summary = summarize(evaluate(table, scores, None, rules).metrics, rules)
    official = summary[
        (summary["metric"] == "official_score")
        & (summary["part"] == "dev")
        & (summary["machine_type"] == "all")
        & (summary["domain"] == "all")
    ]
    assert score == pytest.approx(official["value"].item(), rel=1e-12)
    assert 0.3 < score < 0.95


def test_rules_of_2022_by_hand():
    """AUC of a domain's normal clips against all anomalies; pAUC of the section at once."""
    table = section_clips(sections=("00",))
    table = table[table["split"] == "test"]
    scores = np.array([2, 6, 3, 7, 5, 8, 4, 9, 1, 4.5, 6.5, 7.5, 2.5, 3.5, 8.5, 10])
    is_anomalous = table["is_anomalous"].to_numpy(dtype=bool)
    domain = table["domain"].to_numpy(dtype=str)

    def area(normal, anomalous):
        return np.mean([[float(high > low) for low in normal] for high in anomalous])

    anomalies = scores[is_anomalous]
    source = area(scores[~is_anomalous & (domain == "source")], anomalies)
    target = area(scores[~is_anomalous & (domain == "target")], anomalies)
    # 8 normal clips: 10 % of them is 0.8 of the step from the highest, which is 8.5.
    share = np.mean(anomalies > 8.5)
    partial = 0.5 * (1 + (0.1 * share - 0.005) / (0.1 - 0.005))
    expected = 3 / (1 / source + 1 / target + 1 / partial)

    score = development_score(table, scores, RULES["dcase2022"])

    assert source != target
    assert score == pytest.approx(expected, rel=1e-12)


def test_arithmetic_rules_average_aucs_and_paucs():
    table, rules = section_clips(("fan", "valve")), RULES["plain"]
    scores = random_scores(table)

    score = development_score(table, scores, rules)

    metrics = evaluate(table, scores, None, rules).metrics
    assert score == pytest.approx(metrics[["auc", "pauc"]].to_numpy().mean(), rel=1e-12)


def test_rows_that_stand_apart_leave_the_row_of_all_clips():
    table, rules = section_clips(sections=DEV), convention("wilkinghoff2024")
    scores = random_scores(table)

    score = development_score(table, scores, rules)

    metrics = evaluate(table, scores, None, rules).metrics
    values = metrics.loc[metrics["domain"] == "all", ["auc", "pauc"]].to_numpy()
    assert score == pytest.approx(values.size / np.sum(1 / values), rel=1e-12)


def test_other_clips_do_not_matter():
    """Training clips, the evaluation set, and clips without a label."""
    table = section_clips()
    scores = random_scores(table)
    table.loc[table.index[3], "is_anomalous"] = None
    is_dev = table["section"].isin(DEV) & (table["split"] == "test") & table["is_anomalous"].notna()

    score = development_score(table, np.where(is_dev, scores, np.nan), RULES["dcase2022"])

    kept = table[is_dev]
    assert score == development_score(kept, scores[is_dev.to_numpy()], RULES["dcase2022"])
    assert score is not None


def test_a_section_of_one_kind_does_not_count():
    table = section_clips(sections=("00", "01"))
    scores = random_scores(table)
    table.loc[table["section"] == "01", "is_anomalous"] = False

    score = development_score(table, scores, RULES["dcase2022"])

    first = (table["section"] == "00").to_numpy()
    assert score == development_score(table[first], scores[first], RULES["dcase2022"])


@pytest.mark.parametrize("case", ["evaluation set", "unlabelled", "one kind", "training"])
def test_without_anything_to_measure_there_is_none(case):
    table = section_clips(sections=EVAL if case == "evaluation set" else DEV)
    if case == "unlabelled":
        table["is_anomalous"] = table["is_anomalous"].where(table["split"] == "train")
    if case == "one kind":
        table["is_anomalous"] = table["is_anomalous"] | True
    if case == "training":
        table = table[table["split"] == "train"]

    assert development_score(table, random_scores(table), RULES["dcase2022"]) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(bad):
    table = section_clips()
    scores = random_scores(table)
    scores[0] = bad

    with pytest.raises(ValueError, match=r"must be finite .*Received: 1 of 48 not finite"):
        development_score(table, scores, RULES["dcase2022"])


def test_scores_of_other_clips_are_refused():
    with pytest.raises(ValueError, match=r"one value per clip of the table, 100. Received: .*3"):
        development_score(section_clips(), np.zeros(3), RULES["dcase2022"])


def test_a_clip_without_a_domain_is_named():
    table = section_clips()
    table.loc[table.index[2], "domain"] = None

    with pytest.raises(DataError, match=r"source_2.wav: the rules dcase2022 need the domain"):
        development_score(table, random_scores(table), RULES["dcase2022"])
    assert development_score(table, random_scores(table), RULES["plain"]) is not None
