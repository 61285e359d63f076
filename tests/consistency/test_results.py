"""The figures in the documents are those of `results/`, and each result says how it was made."""

import csv
import re
from pathlib import Path

import pytest

from asdkeras.published.papers import contradictions, load
from asdkeras.systems import variants

ROOT = Path(__file__).parents[2]
RESULTS = sorted(path for path in (ROOT / "results").rglob("*") if path.suffix in (".csv", ".svg"))
MINI = ROOT / "results" / "wilkinghoff2021" / "mini2021.csv"


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table_after(document, mark):
    """Cells of the Markdown table behind a mark, without its head."""
    text = (ROOT / document).read_text(encoding="utf-8").partition(f"<!-- {mark} -->")[2]
    lines = [line for line in text.splitlines()[1:]]
    table = []
    for line in lines:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        elif table:
            break
    return table[2:]


@pytest.mark.parametrize("document", ["README.md", "recipes/wilkinghoff2021/README.md"])
def test_the_mini_table_shows_the_measured_figures(document):
    summary = {
        (row["machine_type"], row["domain"], row["metric"]): 100 * float(row["value"])
        for row in rows_of(MINI)
        if row["value"]
    }

    table = table_after(document, "mini2021")

    assert table
    for machine_type, *cells in table:
        key = "all" if machine_type == "harmonic mean" else machine_type
        expected = [
            summary[key, domain, metric]
            for domain in ("source", "target")
            for metric in ("auc", "pauc")
        ]
        assert cells == [f"{value:.2f}" for value in expected]
    text = (ROOT / document).read_text(encoding="utf-8")
    official = summary["all", "all", "official_score"]
    assert f"official score {official:.2f}" in re.sub(r"\s+", " ", text)


def test_the_table_of_the_real_machine_shows_the_measured_figures():
    measured = {row["run"]: row for row in rows_of(ROOT / "results" / "real" / "toycar.csv")}

    table = table_after("README.md", "toycar")

    assert table
    for run, *figures, _, source, target in table:
        row = measured[run.replace("`", "")]
        names = ("auc_source", "auc_target", "pauc", "official_score")
        assert [each.split()[0] for each in figures] == [row[f"dev_{name}"] for name in names]
        alarms = [row[f"dev_false_alarms_{name}"] for name in ("source", "target")]
        assert [source, target] == [f"{float(each):.0f}" for each in alarms]


def test_every_result_says_how_it_was_made():
    assert RESULTS
    for path in RESULTS:
        story = (path.parent / "README.md").read_text(encoding="utf-8")
        assert path.name in story
        for word in ("Command:", "Commit:", "Machine:"):
            assert word in story


PARTS = {"development": "dev", "evaluation": "eval"}


@pytest.mark.parametrize("document", ["README.md", "recipes/wilkinghoff2021/README.md"])
def test_published_figures_in_the_documents_are_those_of_the_tables(document):
    """Rows such as `development | source, ensemble | 85.00 / 68.38`, all of the proposed system."""
    published = load("wilkinghoff2021")
    ensembles = published[
        published["system_row"].isin(["all_40", "selected_20"])
        & (published["machine_type"] == "all")
        & (published["section"] == "all")
    ]

    table = table_after(document, "published")

    assert table
    for *place, figures, _ in table:
        words = " ".join(place)
        part = next(PARTS[word] for word in PARTS if word in words)
        domain = next((name for name in ("source", "target") if name in words), "all")
        of_place = ensembles[(ensembles["part"] == part) & (ensembles["domain"] == domain)]
        printed = {f"{value:.2f}" for value in of_place["percent"]}
        assert set(re.findall(r"\d+\.\d\d", figures)) <= printed


def test_published_figures_of_adaproj_are_those_of_its_table():
    """Rows such as `DCASE 2023 | evaluation | all | 69.8 / 60.0 | not measured`."""
    published = load("wilkinghoff2024")
    adaproj = published[published["system_row"] == "adaproj"].set_index(
        ["dataset", "part", "domain", "metric"]
    )["percent"]

    table = table_after("recipes/wilkinghoff2024/README.md", "published")

    assert len(table) == 12
    for dataset, part, domain, figures, _ in table:
        place = (dataset.replace(" ", "").lower(), PARTS[part], domain)
        printed = [f"{adaproj[(*place, metric)]:.1f}" for metric in ("auc", "pauc")]
        assert figures == " / ".join(printed)


def test_published_figures_of_adaproj_in_the_readme_are_those_of_its_table():
    published = load("wilkinghoff2024")
    adaproj = published[(published["system_row"] == "adaproj") & (published["domain"] == "all")]
    figures = adaproj.set_index(["dataset", "part", "metric"])["percent"]

    table = table_after("README.md", "published2024")

    assert len(table) == 4
    for _, place, printed, _ in table:
        dcase, part, *_ = place.split(",")[0].rsplit(" ", 1)
        key = (dcase.replace(" ", "").lower(), PARTS[part])
        assert printed == f"{figures[(*key, 'auc')]:.1f} / {figures[(*key, 'pauc')]:.1f}"


BASELINES = {"baseline2020": 6, "baseline2021": 2, "baseline2022": 3, "baseline2023": 4}


@pytest.mark.parametrize("system", BASELINES)
def test_published_figures_of_the_baselines_are_those_of_their_tables(system):
    """Rows such as `DCASE 2023 | mse | 74.23 | 52.54 | 55.17 | 59.25 | not measured`."""
    published = load(system)
    mean = "arithmetic" if system == "baseline2020" else "harmonic"
    means = published[(published["average"] == mean) & (published["section"] == "all")]

    table = table_after(f"recipes/{system}/README.md", "published")

    assert len(table) == BASELINES[system]
    for place, kind, *figures, ours in table:
        assert ours == "not measured"
        year = place.split()[-1] if place.startswith("DCASE") else system[-4:]
        is_year = means["dataset"] == f"dcase{year}"
        if system == "baseline2020":
            rows = means[is_year & (means["machine_type"] == kind)]
        else:
            of_all = means[is_year & (means["machine_type"] == "all")]
            rows = of_all[
                of_all["system_row"].isin([f"{kind}{year}", f"{kind}_{year}", f"ae2023_{kind}"])
            ]
        part = PARTS.get(place, "eval")
        rows = rows[rows["part"] == part].drop_duplicates(["domain", "metric"])
        percent = rows.set_index(["domain", "metric"])["percent"]
        places = [("all", "auc"), ("all", "pauc")]
        if len(figures) > 1:
            places = [
                ("source", "auc"),
                ("target", "auc"),
                ("all", "pauc"),
                ("all", "official_score"),
            ]
        expected = [f"{percent[each]:.2f}" if each in percent.index else "" for each in places]
        assert " / ".join(figures).split(" / ") == expected


def test_published_figures_of_venkatesh2022_are_those_of_its_tables():
    """Rows such as `development | disent_cat | 84.61 | 70.59 | 67.02 | 73.34 | not measured`."""
    published = load("venkatesh2022")
    means = published[(published["machine_type"] == "all") & published["table"].isin(["2", "3"])]

    table = table_after("recipes/venkatesh2022/README.md", "published")

    rows = [(PARTS[place], variant) for place, variant, *_ in table]
    ours = set(variants("venkatesh2022"))
    assert set(rows) == {
        row
        for row in means[["part", "system_row"]].itertuples(index=False, name=None)
        if row[1] in ours
    }
    for (part, variant), (*_, source, target, pauc, official, measured) in zip(
        rows, table, strict=True
    ):
        figures = means[(means["part"] == part) & (means["system_row"] == variant)]
        percent = figures.set_index(["domain", "metric"])["percent"]
        places = [
            *(("source", "auc"), ("target", "auc"), ("all", "pauc")),
            ("all", "official_score"),
        ]
        expected = [f"{percent[each]:.2f}" if each in percent.index else "" for each in places]
        assert [source, target, pauc, official] == expected
        assert measured == "not measured"


def test_published_figures_of_2022_in_the_readme_are_those_of_their_tables():
    table = table_after("README.md", "published2022")

    assert [system for system, *_ in table] == ["venkatesh2022", "venkatesh2022", "nejjar2022"]
    for system, place, printed, _ in table:
        published = load(system)
        dataset, row = place.split(", ")[:2]
        figure = published[
            (published["machine_type"] == "all")
            & (published["metric"] == "official_score")
            & (published["system_row"] == row.split(" ")[0])
            & (published["part"] == next(PARTS[word] for word in PARTS if word in dataset))
            & published["table"].isin(["2", "3"])
        ]["percent"]
        assert [printed] == [f"{value:.2f}" for value in figure]


def test_published_figures_of_nejjar2022_are_those_of_its_tables():
    """Rows such as `ToyCar | dgmix | 93.28 | 81.73 | 68.32 | 79.80 | not measured`."""
    published = load("nejjar2022")
    published = published[published["system_row"].isin(variants("nejjar2022"))]

    table = table_after("recipes/nejjar2022/README.md", "published")

    places = [("source", "auc"), ("target", "auc"), ("all", "pauc"), ("all", "official_score")]
    rows = [(name.replace("mean", "all"), row.split(" ")[0]) for name, row, *_ in table]
    assert set(rows) == set(published[["machine_type", "system_row"]].itertuples(False, None))
    for (machine_type, row), (_, named, *figures, ours) in zip(rows, table, strict=True):
        of_row = published[
            (published["machine_type"] == machine_type) & (published["system_row"] == row)
        ]
        percent = of_row.set_index(["domain", "metric"])["percent"]
        assert figures == [f"{percent[place]:.2f}" for place in places]
        assert ours == "not measured"
        assert named.endswith(" (1)") == (of_row["note"] != "").all()
        assert named.endswith(" (2)") == ((machine_type, row) == ("all", "no_pretraining"))


KUROYANAGI = ("ae", "bc", "ae_ensemble", "bc_ensemble", "mix", "max_of_rows")


def test_published_figures_of_kuroyanagi2021_are_those_of_its_table():
    """Rows such as `fan | source | 71.82 | ... | not measured`, and two of the last column."""
    published = load("kuroyanagi2021").query("table == '1' and system_row in @KUROYANAGI")
    percent = published.set_index(["machine_type", "domain", "system_row"])["percent"]
    recomputed = of_the_cells()

    table = table_after("recipes/kuroyanagi2021/README.md", "published")

    cells = {(machine_type, domain) for machine_type, domain, _ in percent.index}
    assert len(table) == len(cells) + 1
    for machine_type, domain, *figures, ours in table:
        assert ours == "not measured"
        if domain == "from the cells":
            expected = [recomputed[row] for row in KUROYANAGI]
        else:
            place = (machine_type, domain.replace("as printed (1)", "all"))
            assert place in cells
            expected = [percent[(*place, row)] for row in KUROYANAGI]
        assert figures == [f"{value:.2f}" for value in expected]


def of_the_cells():
    """Row -> the mean that follows from the cells of Table 1, where another is printed."""
    found = contradictions()
    found = found[(found["system"] == "kuroyanagi2021") & (found["table"] == "1")]
    of_all = found[found["machine_type"] == "all"]
    return of_all.set_index("system_row")["recomputed"].astype(float)


def test_published_figures_of_2021_in_the_readme_are_those_of_their_table():
    """Rows such as `kuroyanagi2021 | DCASE 2021 development, mix | 76.59, 75.06 | ...`."""
    published = load("kuroyanagi2021").query("machine_type == 'all' and table == '1'")
    printed, recomputed = published.set_index("system_row")["percent"], of_the_cells()

    table = table_after("README.md", "published2021")

    assert len(table) == 3
    for _, place, figures, _ in table:
        row = place.split(", ")[1]
        assert figures == f"{printed[row]:.2f}, {recomputed[row]:.2f}"


def measured(path):
    """Rows of a result; none before it has been measured, when its table must be empty."""
    path = ROOT / "results" / path
    return rows_of(path) if path.is_file() else []


def percents(row, *names):
    """Figures in percent, each with its spread over trials if there is one."""
    cells = []
    for name in names:
        texts = [row.get(name, ""), row.get(f"{name}_sd", "")]
        cells.append(" ± ".join(f"{100 * float(text):.1f}" for text in texts if text))
    return cells


@pytest.mark.parametrize("folder", ["bench", "corpus"])
def test_folders_of_the_corpus_say_how_they_are_made(folder):
    text = (ROOT / "results" / folder / "README.md").read_text(encoding="utf-8")

    commands = re.findall(r"python -m benchmarks\.(\w+)", text)
    for word in ("Command:", "Commit:", "Machine:"):
        assert word in text
    assert commands
    for name in commands:
        assert (ROOT / "benchmarks" / f"{name}.py").is_file()


def test_the_table_of_the_calibration_shows_the_measured_figures():
    """Rows such as `0 | baseline2021 ae | 58.1 ± 0.2 | 65.0 ± 0.3 | 53.2 ± 0.4 | yes`."""
    expected = []
    for row in measured("corpus/calibration.csv"):
        run = f"{row['system']} {row['variant']}" + " (untrained)" * (row["untrained"] == "True")
        first = "auc" if row["system"] == "signal" else "official_score"
        figures = percents(row, first, "auc_source", "auc_target")
        expected.append([row["corpus_seed"], run, *figures, row["meets"]])

    assert table_after("results/corpus/README.md", "calibration") == expected


def test_the_leaderboard_shows_the_measured_figures():
    """Rows such as `wilkinghoff2024 adaproj | 66.0 ± 1.0 | ... | +8.1 (+5.0 to +11.2) | ...`."""
    rows = measured("bench/leaderboard.csv")
    expected = []
    for row in rows:
        cells = percents(row, "official_score", "auc_source", "auc_target", "pauc")
        for name in ("minus_ae", "minus_spectrum"):
            ends = [row[f"{name}{end}"] for end in ("", "_lower", "_upper")]
            signed = [f"{100 * float(end):+.1f}" for end in ends if end]
            cells.append("{} ({} to {})".format(*signed) if signed else "")
        printed = f"{percents(row, 'published')[0]} ({row['published_of']})"
        cells.append(printed if row["published"] else "")
        expected.append([f"{row['system']} {row['run']}", *cells])

    assert table_after("results/bench/README.md", "leaderboard") == expected
    scores = [float(row["official_score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_the_table_of_learning_curves_shows_the_measured_figures():
    """Rows such as `classes clips steps | wilkinghoff2024 | 4 | 24 | kept | 112 | 100 | ...`."""
    names = ("curves", "system", "machine_types", "sections", "attributes", "classes")
    expected = [
        [
            *(row[name] for name in (*names, "clips_per_section", "steps")),
            *percents(row, "official_score", "mean_spectrum"),
        ]
        for row in measured("bench/classes.csv")
    ]

    assert table_after("results/bench/README.md", "classes") == expected


def detector_rows():
    """(system, variant) -> cells of a row: the graph's difference, then each format's figures."""
    rows = {}
    for row in rows_of(ROOT / "results" / "detectors" / "parity.csv"):
        cells = rows.setdefault((row["system"], row["variant"]), [])
        if row["format"] == "graph":
            cells.append(row["difference"])
        elif row["format"] != "loaded":
            megabytes, ms = float(row["bytes"]) / 1e6, float(row["ms_per_clip"])
            cells.append(f"{row['difference']}, {megabytes:.1f} MB, {ms:.0f} ms")
    return rows


@pytest.mark.parametrize("document", ["README.md", "results/detectors/README.md"])
def test_the_tables_of_detectors_show_the_measured_figures(document):
    measured = detector_rows()

    table = table_after(document, "detectors")

    assert table
    for system, variant, *cells in table:
        assert cells == measured[system.strip("`"), variant.strip("`")]
    if document.startswith("results"):
        assert len(table) == len(measured)


def test_detectors_agree_with_scikit_learn_and_load_as_they_were():
    rows = rows_of(ROOT / "results" / "detectors" / "parity.csv")
    largest = max(float(row["difference"]) for row in rows if row["format"] == "graph")

    assert {float(row["difference"]) for row in rows if row["format"] == "loaded"} == {0.0}
    assert max(float(row["difference"]) for row in rows) <= 1e-4
    assert f"largest difference was {largest:.1e}" in (ROOT / "README.md").read_text("utf-8")
