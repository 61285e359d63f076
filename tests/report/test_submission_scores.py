"""The whole of `asdkeras score`, on typed submissions and on real ones."""

import csv
import dataclasses
import functools
import io
import os

import pandas as pd
import pytest

from asdkeras.errors import DataError, RecipeError
from asdkeras.report import submission_scores
from asdkeras.report.submission_scores import score_submission
from asdkeras.report.submitted_clips import join_submission
from tests.real_data import real_data
from tests.report.submissions import (
    EVALUATION,
    MACHINES,
    small_year,
    truth_names,
    write_development,
    write_evaluation,
    write_truth,
    write_values,
)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """2022 with two machine types, its truth in the cache."""
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(submission_scores, "read_manifest", lambda: small_year(tmp_path))
    write_truth(tmp_path / "cache")
    return tmp_path / "team"


def test_metrics_and_means_are_written_and_printed(small, capsys):
    write_evaluation(small)

    files = score_submission(small, 2022)

    out = small / "asdkeras_score"
    assert list(files) == [out / f"{name}.csv" for name in ("metrics", "official", "false_alarms")]
    metrics = pd.read_csv(files[0], dtype={"section": "string"})
    places = metrics[["machine_type", "section", "domain"]].itertuples(index=False, name=None)
    assert list(places) == [
        (machine_type, section, domain)
        for machine_type in MACHINES
        for section in EVALUATION
        for domain in ("source", "target", "all")
    ]
    # Scores by place 0 3 1 4 2 0 3 1; normal are 0 1 4 5, even ones are source.
    fan = metrics[(metrics["machine_type"] == "fan") & (metrics["section"] == "03")]
    normal, anomalous = {"source": [0, 2], "target": [3, 0]}, [1, 4, 3, 1]
    for domain, auc in zip(fan["domain"][:2], fan["auc"], strict=False):
        wins = [(a > n) + (a == n) / 2 for n in normal[domain] for a in anomalous]
        assert auc == pytest.approx(sum(wins) / len(wins), abs=1e-15)
    # Decisions are 0 1 0 1 ..., so that all of the target domain are flagged.
    assert fan["recall"].tolist()[:2] == [0.0, 1.0]
    assert fan["precision"].tolist()[:2] == [0.0, 0.5]
    summary = pd.read_csv(files[1]).set_index("metric")["value"]
    assert summary["official_score_lower"] <= summary["official_score"]
    assert summary["official_score"] <= summary["official_score_upper"]
    assert summary["pooled_auc_pauc_ci95"] == pytest.approx(31 * summary["official_score_ci95"])
    printed = capsys.readouterr().out
    assert "team, dcase2022, evaluation set, percent" in printed
    assert f"official score   all      {100 * summary['official_score']:.2f}" in printed
    assert "by bootstrap" in printed
    assert f"files: {out}" in printed
    # Of either domain two clips per section are normal, and those of target are all flagged.
    alarms = pd.read_csv(files[2]).groupby("kind")[["n_normal", "n_false_alarms"]].sum()
    assert alarms.to_numpy().tolist() == [[8, 0], [8, 8]]
    assert "all            0% (0/8)   100% (8/8)   0.00       66.67" in printed
    assert (
        "twice 10% of normal clips are called anomalous: ToyCar target 100% (4/4); fan" in printed
    )


def test_without_decisions_there_are_no_false_alarms(small, capsys):
    write_evaluation(small, decisions=False)

    files = score_submission(small, 2022)

    assert [file.name for file in files] == ["metrics.csv", "official.csv"]
    assert "false alarms" not in capsys.readouterr().out


def test_the_official_file_is_that_of_the_evaluator(small):
    write_evaluation(small)

    files = score_submission(small, 2022, official_format=True)

    assert files[-1] == small / "asdkeras_score/team_result.csv"
    lines = lines_of(files[-1])
    assert [line[0] for line in lines if len(line) == 1] == list(MACHINES)
    assert lines[-3][0] == "official score"
    official = pd.read_csv(small / "asdkeras_score/official.csv").set_index("metric")["value"]
    assert float(lines[-3][2]) == pytest.approx(official["official_score"], abs=1e-12)
    assert float(lines[-2][2]) == official["official_score_ci95"]


def test_development_clips_need_no_truth_and_get_a_file_of_their_own(small):
    (small.parent / "cache/truth/dcase2022/list.csv").unlink()
    write_development(small)

    files = score_submission(small, 2022, out=small.parent / "out", official_format=True)

    assert files[-1] == small.parent / "out/team_dev_result.csv"
    assert set(pd.read_csv(files[1])["part"]) == {"dev"}


def test_both_parts_are_averaged_and_written_apart(small):
    write_development(small)
    write_evaluation(small)

    files = score_submission(small, 2022, official_format=True)

    assert [file.name for file in files[3:]] == ["team_dev_result.csv", "team_result.csv"]
    assert set(pd.read_csv(files[1])["part"]) == {"dev", "eval"}
    sections = [line[:2] for line in files[3].read_text().splitlines() if line[:1] == "0"]
    assert sections == ["00", "01", "00", "01"]


def test_several_systems_are_each_scored(small, capsys):
    write_evaluation(small / "one")
    write_evaluation(small / "deep/two", labeled=True)

    files = score_submission(small, 2022, official_format=True)

    out = small / "asdkeras_score"
    names = ("metrics.csv", "official.csv", "false_alarms.csv")
    assert [file.relative_to(out).as_posix() for file in files] == [
        *(f"deep/two/{name}" for name in (*names, "two_result.csv")),
        *(f"one/{name}" for name in (*names, "one_result.csv")),
    ]
    assert files[3].read_bytes() == files[7].read_bytes()
    printed = capsys.readouterr().out
    assert "deep/two, dcase2022" in printed
    assert "one, dcase2022" in printed


def test_scoring_again_changes_nothing(small):
    write_evaluation(small)
    before = [path.read_bytes() for path in score_submission(small, 2022, official_format=True)]
    after = [path.read_bytes() for path in score_submission(small, 2022, official_format=True)]
    assert before == after


def test_all_faults_are_listed_and_nothing_is_written(small):
    write_evaluation(small / "bad", machines=["fan"])
    path = write_values(small / "bad", ["a.wav", *(raw for raw, _ in truth_names("03"))])
    write_evaluation(small / "good")

    with pytest.raises(DataError) as caught:
        score_submission(small, 2022)

    assert str(caught.value).splitlines() == [
        f"{small}: not a complete submission, 3 faults:",
        f"  bad: {path}: no test clips of dcase2022: a.wav (1 in all)",
        *(
            f"  bad: anomaly_score_ToyCar_section_{section}_test.csv: is missing."
            for section in EVALUATION
        ),
        f"  Score what is in {small / 'bad'} with --machines fan",
        f"  Complete, to be scored alone: {small / 'good'}",
    ]
    assert caught.value.exit_code == 3
    assert not (small / "asdkeras_score").exists()


def test_some_machine_types_may_be_scored_alone(small):
    write_evaluation(small, machines=["fan"])

    files = score_submission(small, 2022, machines=["fan"])

    assert set(pd.read_csv(files[0])["machine_type"]) == {"fan"}
    (small / "anomaly_score_fan_section_03_test.csv").unlink()
    (small / "decision_result_fan_section_03_test.csv").unlink()
    with pytest.raises(DataError, match=r"1 fault:\n  anomaly_score_fan_section_03.* missing.$"):
        score_submission(small, 2022, machines=["fan"])
    with pytest.raises(DataError, match=r"1 fault:\n  valve: there are no scores of it.$"):
        score_submission(small, 2022, machines=["valve"])


def test_the_files_of_another_year_are_answered_with_one_line(small):
    small.mkdir(exist_ok=True)
    for machine_type in ("bandsaw", "Vacuum"):
        name = f"anomaly_score_{machine_type}_section_00_test.csv"
        (small / name).write_text("section_00_0000.wav,1.5\n")

    with pytest.raises(DataError, match="nothing in it fits that year") as told:
        score_submission(small, 2022)

    assert "\n" not in str(told.value)
    assert "Check --year. The first of" in str(told.value)


@pytest.mark.parametrize(
    ("year", "options", "message"),
    [
        (2019, {}, "no rules of that year, but of 2020, 2021, 2022, 2023, 2024, 2025. Received"),
        (2022, {"machines": ["Fan"]}, "2022 has the machine types .*Received: Fan"),
        (2022, {"machines": ["fan"], "official_format": True}, "Leave out --machines or"),
        (2025, {"official_format": True}, "evaluator of 2025 is not known here"),
    ],
)
def test_options_that_do_not_fit_are_refused(small, year, options, message):
    write_evaluation(small)
    with pytest.raises(RecipeError, match=message):
        score_submission(small, year, **options)


def test_the_evaluators_want_decisions_from_2021_on(small):
    write_evaluation(small, decisions=False)

    with pytest.raises(DataError, match=r"team: no decision_result files, which the evaluator"):
        score_submission(small, 2022, official_format=True)

    assert not (small / "asdkeras_score").exists()
    assert pd.read_csv(score_submission(small, 2022)[0])["f1"].isna().all()


def test_without_the_truth_the_user_is_told_how_to_get_it(small):
    write_evaluation(small)
    (small.parent / "cache/truth/dcase2022/list.csv").unlink()
    with pytest.raises(DataError, match=r"`asdkeras data fetch 2022 --parts truth`.*--truth"):
        score_submission(small, 2022)


def test_machine_types_that_need_no_truth_are_scored_without(small):
    write_evaluation(small, machines=["ToyCar"])
    write_development(small)
    (small.parent / "cache/truth/dcase2022/list.csv").unlink()
    assert set(pd.read_csv(score_submission(small, 2022, machines=["fan"])[1])["part"]) == {"dev"}


def test_what_is_odd_about_names_is_printed(small, monkeypatch, capsys):
    write_evaluation(small)

    def with_note(*arguments):
        return dataclasses.replace(join_submission(*arguments), notes=("odd names",))

    monkeypatch.setattr(submission_scores, "join_submission", with_note)
    score_submission(small, 2022)

    assert "note: odd names" in capsys.readouterr().out


def test_scores_that_say_nothing_are_named(small, capsys):
    write_evaluation(small)
    for path in small.glob("anomaly_score*"):
        names = [line.split(",")[0] for line in path.read_text().splitlines()]
        path.write_text("".join(f"{name},0.000000\n" for name in names))
    for path in small.glob("decision_result*"):
        path.write_text(path.read_text().replace(",0", ",1"))

    score_submission(small, 2022)

    printed = " ".join(capsys.readouterr().out.split())
    assert "note: all scores are equal, to six digits at least" in printed
    assert "warning: every test clip is called anomalous: ToyCar" in printed


def test_a_folder_without_published_truth_is_refused(small):
    write_evaluation(small)
    with pytest.raises(DataError, match=r"team: none of the published files.*of dcase2022"):
        score_submission(small, 2022, truth_folder=small)
    with pytest.raises(DataError, match=r"nowhere: no such folder. Check the path of --truth"):
        score_submission(small, 2022, truth_folder=small / "nowhere")


def test_files_that_only_look_like_truth_are_named(small, capsys):
    write_evaluation(small)
    (small / "list.csv").write_text("fan\n")
    with pytest.raises(DataError, match="none of the published files"):
        score_submission(small, 2022, truth_folder=small)
    assert (
        "list.csv: named like published ground truth, but not the same" in capsys.readouterr().out
    )


def test_scores_of_asdkit_are_scored(small):
    for machine_type in MACHINES:
        lines = ["path,section,is_normal,is_target,AS-a,AS-b"]
        for section in EVALUATION:
            for n, (_, labeled) in enumerate(truth_names(section)):
                lines.append(f"/x/{machine_type}/test/{labeled},{int(section)},0,0,7,{n * 3 % 5}")
        (small / machine_type).mkdir(parents=True)
        (small / machine_type / "test_score.csv").write_text("\n".join(lines) + "\n")
    write_evaluation(small.parent / "other", decisions=False)

    files = score_submission(small, 2022, backend="b")
    others = score_submission(small.parent / "other", 2022)

    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in others]


# Real submissions.

slow = functools.partial(pytest.param, marks=pytest.mark.slow)
OUTPUT = "official_evaluator_output.csv"


def lines_of(path):
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Scores a real folder once; gives the files by their names below the output folder."""
    cache, done = tmp_path_factory.mktemp("cache"), {}

    def score(name, year, **options):
        if (name, year) not in done:
            out = tmp_path_factory.mktemp(name)
            truth = real_data("1_ground_truth") if name.startswith("eval") else None
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("ASDKERAS_CACHE", str(cache))
                folder = real_data(f"2_scores/{name}")
                files = score_submission(folder, year, truth, out, **options)
            done[name, year] = {os.fspath(file.relative_to(out)): file for file in files}
        return done[name, year]

    return score


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "year", "result"),
    [
        ("eval2020_Haunschmid_CPJKU_task2_1", 2020, "result_{}.csv"),
        slow("eval2020_Haunschmid_CPJKU_task2_2", 2020, "result_{}.csv"),
        ("eval2022_Xiao_HEU-HIT_task2_1", 2022, "{}_result.csv"),
        slow("eval2022_Xiao_HEU-HIT_task2_2", 2022, "{}_result.csv"),
        ("eval2023_maged_MSE", 2023, "{}_result.csv"),
    ],
)
def test_real_submissions_get_the_result_file_of_the_evaluator(scored, name, year, result):
    files = scored(name, year, official_format=True)

    expected = (real_data(f"2_scores/{name}") / OUTPUT).read_bytes()
    assert files[result.format(name)].read_bytes() == expected
    if name == "eval2023_maged_MSE":  # The same scores under labeled and under raw names.
        assert files["as_submitted/as_submitted_result.csv"].read_bytes() == expected


def test_real_metrics_and_official_scores_are_the_evaluators(scored):
    files = scored("eval2022_Xiao_HEU-HIT_task2_1", 2022, official_format=True)

    metrics = pd.read_csv(files["metrics.csv"], dtype={"section": str})
    metrics = metrics.set_index(["machine_type", "section", "domain"])
    path = real_data("2_scores/eval2022_Xiao_HEU-HIT_task2_1") / OUTPUT
    machine_type, num_compared = "", 0
    for line in lines_of(path):
        machine_type = line[0] if len(line) == 1 else machine_type
        if len(line) != 11 or line[0] == "section":
            continue
        values = [float(text) for text in line[1:]]
        place = (machine_type, line[0])
        ours = [
            *(metrics.loc[(*place, domain), "auc"] for domain in ("all", "source", "target")),
            metrics.loc[(*place, "all"), "pauc"],
            *(
                metrics.loc[(*place, domain), metric]
                for metric in ("precision", "recall", "f1")
                for domain in ("source", "target")
            ),
        ]
        assert ours == values
        num_compared += len(values)
    assert num_compared == 210
    summary = pd.read_csv(files["official.csv"])
    summary = summary.set_index(["machine_type", "domain", "metric"]).sort_index()
    whole = summary.loc[("all", "all"), "value"]
    assert whole["official_score"] == pytest.approx(0.6639461929735759, abs=1e-15)
    assert whole["official_score_ci95"] == 3.7458353346688573e-06
    assert whole["pooled_auc_pauc_ci95"] == pytest.approx(0.015729, abs=1e-6)
    # Corrected: the evaluator's file says 0.9516 and 8.478066733501188e-16.
    source = summary.loc[("ToyCar", "source", "auc"), "value"]
    assert source == pytest.approx(3 / (1 / 0.9516 + 1 / 0.938 + 1 / 0.9912), abs=1e-12)
    assert whole["f1"] == 0.0


def read_result(path):
    """(machine type or `all`, section or mean, domain or empty, heading, value) of all figures."""
    machine_type, header = "", []
    for line in lines_of(path):
        if len(line) == 1:
            machine_type = line[0]
        elif "pAUC" in line:
            header = line
            machine_type = machine_type if line[0] else "all"
        elif line and "Total" not in line[0]:
            domain = line[1] if header[1] == "domain" else ""
            for heading, text in zip(header[1:], line[1:], strict=True):
                if heading not in ("", "domain"):
                    yield machine_type, line[0].split(" over ")[0], domain, heading, float(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "year", "machines", "num_figures"),
    [
        ("dev2020_izorin_ae", 2020, ["fan", "pump", "slider"], 10),
        ("dev2021_jeff_ae", 2021, None, 290),
        ("dev2022_returncode13_ae", 2022, None, 333),
        slow("dev2022_heu_classifier", 2022, None, 105),
    ],
)
def test_result_files_of_the_baselines_follow_from_their_scores(
    scored, name, year, machines, num_figures
):
    files = scored(name, year, machines=machines)

    metrics = pd.read_csv(files["metrics.csv"], dtype={"section": str})
    num_compared = 0
    for machine_type, row, domain, heading, expected in read_result(
        real_data(f"2_scores/{name}") / "result.csv"
    ):
        of_machine = metrics[(metrics["machine_type"] == machine_type) | (machine_type == "all")]
        ours = figures_of(of_machine, heading, domain, year)
        if row in set(metrics["section"]):
            (value,) = ours[of_machine["section"] == row]
        elif row == "harmonic mean":
            value = len(ours) / (1.0 / ours.clip(lower=2.220446049250313e-16)).sum()
        else:
            assert row in ("arithmetic mean", "Average")
            value = ours.mean()
        assert value == pytest.approx(expected, abs=1e-12)
        num_compared += 1
    assert num_compared == num_figures


def figures_of(metrics, heading, domain, year):
    """What a column of a result file is about, of our metrics."""
    name, _, suffix = heading.lower().rstrip(")").partition("(")
    column = {"f1 score": "f1"}.get(name.strip(), name.strip())
    rows = [suffix or domain or "all"]
    if year == 2021 and not domain:
        rows = ["source", "target"]
    return metrics[column].where(metrics["domain"].isin(rows)).dropna()


@pytest.mark.parametrize("name", ["dev2023_anas_MSE", "eval2023_maged_MSE"])
def test_results_of_the_first_shot_baseline_follow_from_their_scores(scored, name):
    files = scored(name, 2023, official_format=True)

    metrics = pd.read_csv(files["metrics.csv"]).set_index(["machine_type", "domain"])
    num_compared = 0
    for path in real_data(f"2_scores/{name}").glob("result_*_roc.csv"):
        machine_type = path.name.split("T2")[1].split("_")[0]
        row = dict(zip(*lines_of(path)[:2], strict=True))
        for figure, text in row.items():
            metric, _, domain = figure.rstrip(")").partition(" (")
            # The pAUC of a domain against its own anomalies enters no official score.
            if figure == "section" or (metric == "pAUC" and domain):
                continue
            column = {"F1 score": "f1"}.get(metric, metric.lower())
            value = metrics.loc[(machine_type, domain or "all"), column]
            assert value == float(text)
            num_compared += 1
    assert num_compared == 63


def test_real_scores_under_wrong_rules_are_refused(scored):
    with pytest.raises(DataError, match=r"has no machine type bearing"):
        scored("dev2022_heu_classifier", 2021)
