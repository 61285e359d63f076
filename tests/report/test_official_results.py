"""Result files of the official evaluators, to the byte."""

import csv
import io
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hmean, t
from sklearn.metrics import confusion_matrix, roc_auc_score

from asdkeras.report.official_results import file_name, official_result

GOLDEN = Path(__file__).parents[1] / "golden/metrics"
OF_2020 = ["fan", "pump", "slider", "valve", "ToyCar", "ToyConveyor"]


def test_result_of_2021_is_the_evaluators_own():
    rows = []
    with np.load(GOLDEN / "evaluator_inputs.npz") as arrays:
        for key in {name.rsplit("/", 1)[0] for name in arrays.files}:
            place = re.fullmatch(r"2021/(.+)_section_(\d\d)_(\w+)_test", key).groups()
            columns = [arrays[f"{key}/{name}"] for name in ("file", "y_true", "score", "decision")]
            rows.extend((*place, *row) for row in zip(*columns, strict=True))
    columns = ["machine_type", "section", "domain", "name", "is_anomalous", "score", "decision"]
    clips = pd.DataFrame(rows, columns=columns).sort_values(columns[:4], ignore_index=True)

    written = official_result(2021, clips)

    assert len(clips) == 8635
    assert written.encode() == (GOLDEN / "evaluator_2021_result.csv").read_bytes()


def clips_of(machine_types, sections, seed=0, num_clips=40):
    """Clips with ties, of both domains and labels, sorted as the evaluators sort them."""
    rng = np.random.default_rng(seed)
    rows = []
    for machine_type in sorted(machine_types):
        for section in sections:
            is_anomalous = rng.permutation(np.arange(num_clips) % 2 == 1)
            is_target = rng.permutation(np.arange(num_clips) % 4 > 1)
            scores = np.round(rng.normal(size=num_clips) + is_anomalous, 1)
            rows.extend(
                {"machine_type": machine_type, "section": section, "name": f"{n:04d}.wav"}
                | {"domain": "target" if is_target[n] else "source"}
                | {"is_anomalous": bool(is_anomalous[n]), "score": scores[n]}
                | {"decision": bool(scores[n] > 0.5)}
                for n in range(num_clips)
            )
    return pd.DataFrame(rows)


def as_the_evaluators_call_it(clips):
    """Labels, scores, target flags and decisions as arrays."""
    return (
        clips["is_anomalous"].to_numpy(dtype=float),
        clips["score"].to_numpy(),
        (clips["domain"] == "target").to_numpy(),
        clips["decision"].to_numpy(dtype=int),
    )


def floored_mean(values):
    return hmean(np.maximum(np.array(values, dtype=float), sys.float_info.epsilon))


def decided(truth, flags):
    _, fp, fn, tp = confusion_matrix(truth, flags, labels=[0, 1]).ravel()
    precision, recall = tp / max(tp + fp, 1e-16), tp / max(tp + fn, 1e-16)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-16)


def section_by_definition(clips):
    truth, scores, is_target, flags = as_the_evaluators_call_it(clips)
    domains = (~is_target, is_target)
    of_domains = [decided(truth[mask], flags[mask]) for mask in domains]
    return [
        roc_auc_score(truth, scores),
        *(
            roc_auc_score(truth[mask | (truth == 1)], scores[mask | (truth == 1)])
            for mask in domains
        ),
        roc_auc_score(truth, scores, max_fpr=0.1),
        *(of_domains[domain][metric] for metric in range(3) for domain in range(2)),
    ]


def read(text):
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("year", [2022, 2023, 2024])
def test_sections_from_2022_are_what_the_evaluators_call_for(year):
    machine_types = ["3DPrinter", "ToyTank", "bandsaw"]
    clips = clips_of(machine_types, ["03", "04", "05"])

    lines = read(official_result(year, clips))

    sections = [line for line in lines if line and re.fullmatch(r"\d\d", line[0])]
    groups = clips.groupby(["machine_type", "section"])
    for line, ((_, section), group) in zip(sections, groups, strict=True):
        assert line == [section, *(str(float(value)) for value in section_by_definition(group))]


@pytest.mark.parametrize("year", [2022, 2023])
def test_means_from_2022_are_sliced_as_the_evaluators_slice_them(year):
    clips = clips_of(["fan", "valve"], ["03", "04", "05"])
    fan = clips[clips["machine_type"] == "fan"]
    sections = np.array([section_by_definition(group) for _, group in fan.groupby("section")])

    lines = read(official_result(year, clips))

    aucs = [*sections[:, 1], *sections[:, 2]]
    paucs = [*sections[:, 3], *sections[:, 3]]
    cut = 1 if year == 2022 else 3
    means = {line[0]: [float(text) for text in line[2:4]] for line in lines[6:10]}
    assert means["arithmetic mean"] == [np.mean(aucs), np.mean(paucs)]
    for name, part in (("", slice(None)), ("source ", slice(cut)), ("target ", slice(cut, None))):
        expected = [floored_mean(aucs[part]), floored_mean(paucs[part])]
        assert means[f"{name}harmonic mean"] == expected


@pytest.mark.parametrize("seed", range(5))
def test_harmonic_means_from_2022_are_rounded_as_scipy_does_since_1_9(seed):
    clips = clips_of(["fan"], ["03", "04", "05"], seed)
    sections = np.array([section_by_definition(group) for _, group in clips.groupby("section")])
    domains = [sections[:, [1, 3, 4, 6, 8]], sections[:, [2, 3, 5, 7, 9]]]

    lines = read(official_result(2022, clips))

    expected = [floored_mean(values) for values in np.concatenate(domains).T]
    assert lines[7] == ["harmonic mean", "", *(str(float(value)) for value in expected)]


def test_last_lines_from_2022_are_over_everything():
    clips = clips_of(["fan", "valve"], ["03", "04", "05"])
    groups = clips.groupby(["machine_type", "section"])
    sections = np.array([section_by_definition(group) for _, group in groups])

    lines = read(official_result(2022, clips))

    over = " over all machine types, sections, and domains"
    tail = {line[0]: line[2:] for line in lines[-9:] if line}
    for name, columns in (("", (1, 2)), ("source ", (1,)), ("target ", (2,))):
        expected = floored_mean(sections[:, columns].ravel())
        value = float(tail[f"{name}harmonic mean{over}"][0])
        assert value == pytest.approx(expected, abs=1e-15)
    official = floored_mean(sections[:, 1:4].ravel())
    assert float(tail["official score"][0]) == pytest.approx(official, abs=1e-15)
    assert lines[-1] == []


def test_ci95_is_the_defective_jackknife_over_all_clips():
    clips = clips_of(["fan", "valve"], ["00"])
    truth, scores, _, _ = as_the_evaluators_call_it(clips)
    count = len(clips)
    half_widths = []
    for max_fpr in (None, 0.1):
        values = np.array(
            [
                roc_auc_score(np.delete(truth, n), np.delete(scores, n), max_fpr=max_fpr)
                for n in range(count)
            ]
        )
        variance = np.sum((values - values.mean()) ** 2) / (count * (count - 1))
        half_widths.append(abs(t.ppf(0.025, count - 1)) * np.sqrt(variance))

    lines = read(official_result(2023, clips))

    assert lines[-2][:2] == ["official score ci95", ""]
    assert float(lines[-2][2]) == pytest.approx(np.mean(half_widths), rel=1e-9)


def test_layout_from_2022():
    lines = official_result(2023, clips_of(["fan"], ["00"])).split("\n")

    columns = (
        "section,AUC (all),AUC (source),AUC (target),pAUC,precision (source),precision (target),"
        "recall (source),recall (target),F1 score (source),F1 score (target)"
    )
    over = " over all machine types, sections, and domains"
    means = ["arithmetic mean", "harmonic mean", "source harmonic mean", "target harmonic mean"]
    starts = [line.rsplit(",,", 1)[0] if ",," in line[3:] else line for line in lines]
    assert starts[:2] == ["fan", columns]
    assert starts[2].startswith("00,")
    assert starts[3:9] == [",,AUC,pAUC,precision,recall,F1 score", *means, ""]
    assert starts[9:15] == [starts[3], *(f'"{mean}{over}"' for mean in means), ""]
    assert starts[15:] == ["official score", "official score ci95", "", ""]


def test_metrics_that_are_0_have_the_evaluators_floor_for_a_mean():
    clips = clips_of(["fan"], ["00"]).assign(decision=False)

    means = read(official_result(2023, clips))[5]

    assert means[0] == "harmonic mean"
    assert means[4:] == [repr(sys.float_info.epsilon)] * 3


def test_result_of_2020_has_the_machine_types_in_the_order_of_the_list():
    clips = clips_of(OF_2020, ["01", "03"])

    lines = read(official_result(2020, clips.drop(columns="decision")))

    assert [line[0] for line in lines if len(line) == 1] == OF_2020
    fan = clips[clips["machine_type"] == "fan"]
    areas = []
    for line, (section, group) in zip(lines[2:4], fan.groupby("section"), strict=True):
        truth, scores, _, _ = as_the_evaluators_call_it(group)
        areas.append([roc_auc_score(truth, scores), roc_auc_score(truth, scores, max_fpr=0.1)])
        assert line == [section, *(str(float(value)) for value in areas[-1])]
    assert lines[:2] == [["fan"], ["id", "AUC", "pAUC"]]
    assert lines[4] == ["Average", *(str(float(value)) for value in np.mean(areas, axis=0))]
    assert lines[5] == []


@pytest.mark.parametrize(
    ("year", "expected"), [(2020, "result_team.csv"), (2021, "team_result.csv")]
)
def test_files_have_the_evaluators_names(year, expected):
    assert file_name(year, "team") == expected
