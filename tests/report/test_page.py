"""The report is one file that any browser shows, and that tells what the run's files say."""

import html.parser
import re

import numpy as np
import pandas as pd
import pytest

from asdkeras.errors import RecipeError
from asdkeras.report.page import write_report
from tests.report.mapped_runs import (
    clip_rows,
    finished_mapped_run,
    represented,
    scored_clips,
    vectors_of,
    with_results,
)

HOSTILE = '"><script>alert(1)</script>&'
NAME_OF_SVG = "http://www.w3.org/2000/svg"  # Nobody asks for it.
FEW = clip_rows("fan", num_clips=2, attributes="vel_1")


class Reader(html.parser.HTMLParser):
    """Notes what a page holds, and whether every element is closed in its place."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.addresses, self.text = [], [], [], []
        self.ids, self.unnamed = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        is_told = {"aria-label", "aria-hidden"} & {name for name, _ in attrs}
        if tag == "svg" and not is_told:
            self.unnamed.append(attrs)
        if tag != "meta":
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("href", "src", "action")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    return reader


def finished(folder, rows=FEW, **options):
    return finished_mapped_run(folder, rows, **options)


def headings(path, levels="12"):
    content = path.read_text(encoding="utf-8")
    return re.findall(f"<h[{levels}][^>]*>(.*?)</h[{levels}]>", content)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The page of a small run."""
    return write_report([finished(tmp_path_factory.mktemp("runs") / "adacos" / "mini2021")])


def test_the_page_of_one_run_lies_in_its_folder(path):
    assert path.parts[-3:] == ("adacos", "mini2021", "report.html")


def test_a_page_needs_no_other_file(path):
    page = read(path)

    assert {"link", "img", "iframe", "object"}.isdisjoint(page.tags)
    assert {address[1:] for address in page.addresses} <= set(page.ids)
    content = path.read_text(encoding="utf-8").replace(NAME_OF_SVG, "")
    assert not re.search(r"https?:|\"//|url\(|@import|\beval\(|\bfetch\(|XMLHttp", content)


def test_every_drawing_is_told_in_words_and_every_name_is_there_once(path):
    page = read(path)

    assert page.tags.count("svg") > 5
    assert page.unnamed == []
    assert len(page.ids) == len(set(page.ids))


def test_a_page_begins_with_the_run_and_its_score(path):
    assert headings(path) == [
        "wilkinghoff2024 adacos, mini2021",
        *("Results", "ROC curves", "Scores", "Decisions", "Embedding maps"),
        *("Most anomalous clips", "Most wrongly judged clips", "How this was made"),
    ]
    official = (path.parent / "official.csv").read_text(encoding="utf-8")
    value = float(re.search("all,all,official_score,([^,]+)", official)[1])
    texts = [text for text in read(path).text if text.strip()]
    assert texts.index(f"{100 * value:.2f}") < texts.index("machine type")


def test_each_clip_is_named_once_in_each_panel(path):
    content = path.read_text(encoding="utf-8")
    drawings = re.findall(r'<svg viewBox="[^"]+" class="map".*?</svg>', content)
    assert len(drawings) == 3
    for row in FEW:
        name = row["path"].rsplit("/", 1)[-1]
        assert [drawing.count(f"<title>{name}: ") for drawing in drawings] == [1, 1, 1]


def test_the_same_run_gives_the_same_page(tmp_path):
    run = finished(tmp_path / "adacos" / "mini2021")
    first = write_report([run]).read_bytes()
    (run / "embedding_map.csv").unlink()

    assert write_report([run]).read_bytes() == first


def test_hostile_names_change_nothing_but_the_text(tmp_path, path):
    rows = clip_rows("fan", num_clips=2, attributes=f"vel_{HOSTILE}")
    for row in rows:
        row["machine_type"] = HOSTILE
        row["path"] = row["path"] + HOSTILE.replace("/", "")
    run = finished(tmp_path / "adacos" / "mini2021", rows, notes=[HOSTILE], oracle=[HOSTILE])
    training = run / "all" / "seed0" / "train.csv"
    training.write_text(f'epoch,"{HOSTILE.replace(chr(34), chr(34) * 2)}"\n1,2\n', encoding="utf-8")

    page = read(write_report([run], array="embedding"))

    assert page.tags.count("script") == read(path).tags.count("script")
    assert HOSTILE in page.text
    assert f"Note: {HOSTILE}" in page.text


def test_notes_and_what_test_clips_had_a_say_in_are_told(tmp_path):
    marks = {"oracle": ["the epoch"], "transductive": ["ranks"]}
    run = finished(tmp_path / "adacos" / "mini2021", notes=["mind this"], **marks)

    content = write_report([run]).read_text(encoding="utf-8")

    assert '<p class="warn">Note: mind this</p>' in content
    assert "Oracle, labels of test clips had a say: the epoch" in content
    assert "Transductive, other test clips had a say: ranks" in content
    assert (
        headings(run / "report.html")[0]
        == "wilkinghoff2024 adacos (oracle, transductive), mini2021"
    )


def test_phases_of_training_stand_in_order(tmp_path):
    run = finished(tmp_path / "adacos" / "mini2021")
    (run / "all" / "seed0" / "pretraining").mkdir()
    for place, name in (("", "loss"), ("pretraining", "invariance")):
        log = run / "all" / "seed0" / place / "train.csv"
        log.write_text(f"epoch,{name}\n1,2.0\n2,1.0\n", encoding="utf-8")

    content = write_report([run]).read_text(encoding="utf-8")

    assert "Training" in headings(run / "report.html")
    assert headings(run / "report.html", "3")[:2] == ["pretraining", "last phase"]
    assert content.index(">invariance<") < content.index(">loss<")


def test_an_ensemble_says_why_it_has_no_maps(tmp_path):
    run = tmp_path / "adacos" / "mini2021"
    with_results(run, scored_clips(run, FEW))

    content = write_report([run]).read_text(encoding="utf-8")

    assert "an ensemble has no embeddings of its own" in content
    assert 'class="map"' not in content


def test_maps_of_several_runs_stand_side_by_side(tmp_path):
    for variant in ("adacos", "adaproj"):
        finished(tmp_path / variant / "mini2021")

    path = write_report([tmp_path], tmp_path / "both.html")

    names = [f"wilkinghoff2024 {variant}, mini2021" for variant in ("adacos", "adaproj")]
    assert headings(path) == [
        *("2 runs side by side", "Side by side", "ROC curves"),
        *(*names, "Embedding maps"),
    ]
    assert headings(path, "3").count("Clips") == 2
    content = path.read_text(encoding="utf-8")
    maps = content[content.index(">Embedding maps</h2>") :]
    assert re.findall("<h4>(by .*?)</h4>", maps) == [
        *("by domain", "by attribute vel", "by condition")
    ]
    by_domain = content[content.index("<h4>by domain") : content.index("<h4>by attribute")]
    assert re.findall("<figcaption>(.*?)</figcaption>", by_domain) == names
    assert read(path).tags.count("table") >= 3
    assert content.index(">run</th>") < content.index(f">{names[0]}</h2>")
    assert content.count("<polyline") == 2


def test_separation_stands_by_the_maps_and_in_a_file_beside_the_page(tmp_path):
    for variant in ("adacos", "adaproj"):
        finished(tmp_path / variant / "mini2021")

    path = write_report([tmp_path], tmp_path / "both.html", split="train")

    content = path.read_text(encoding="utf-8")
    maps = content[content.index(">Embedding maps</h2>") :]
    assert maps.count("fan: separation of embedding, train clips</caption>") == 2
    numbers = pd.read_csv(tmp_path / "both_separation.csv")
    names = [f"wilkinghoff2024 {variant}, mini2021" for variant in ("adacos", "adaproj")]
    assert numbers["run"].tolist() == names
    assert numbers[["map", "array", "split", "by"]].drop_duplicates().values.tolist() == [
        ["fan", "embedding", "train", "domain"]
    ]
    assert (numbers["silhouette"] > 0.9).all()


def test_maps_of_other_datasets_are_kept_apart(tmp_path):
    for dataset in ("mini2021", "mini2022"):
        finished(tmp_path / "adacos" / dataset, dataset=dataset)

    path = write_report([tmp_path], tmp_path / "both.html")

    assert {"fan, mini2021", "fan, mini2022"} <= set(headings(path, "3"))


def test_runs_that_share_their_name_are_told_apart(tmp_path):
    for place in ("one", "two"):
        finished(tmp_path / place / "adacos" / "mini2021")

    path = write_report([tmp_path], tmp_path / "both.html")

    assert headings(path)[3].endswith(f"({tmp_path / 'one' / 'adacos' / 'mini2021'})")


def test_a_run_below_that_is_not_finished_is_told(tmp_path):
    finished(tmp_path / "adacos" / "mini2021")
    scored_clips(tmp_path / "adaproj" / "mini2021", FEW)

    content = write_report([tmp_path], tmp_path / "one.html").read_text(encoding="utf-8")

    assert f"{tmp_path / 'adaproj' / 'mini2021'}: has no results yet" in content


def test_the_trial_and_the_array_asked_for_are_mapped(tmp_path):
    run = tmp_path / "adacos" / "mini2021"
    table = scored_clips(run, FEW, seeds=(3, 4))
    with_results(run, table)
    for seed in (3, 4):
        arrays = {"embedding": vectors_of(table), f"only_{seed}": np.flip(vectors_of(table))}
        represented(run, "all", arrays, seed=seed)

    first = write_report([run]).read_text(encoding="utf-8")
    asked = write_report([run], seed=4, array="only_4").read_text(encoding="utf-8")

    assert "Drawn is the trial of seed 3, one of 2." in first
    assert "Drawn is the trial of seed 4, one of 2." in asked
    assert "--seed 4" in asked
    assert "--seed" not in first
    assert "t-SNE of embedding, 8 clips" in first
    assert "t-SNE of only_4, 8 clips" in asked
    with pytest.raises(RecipeError, match="no array `only_4`"):
        write_report([run], array="only_4")


def test_several_runs_need_a_file_to_be_written(tmp_path):
    for variant in ("adacos", "adaproj"):
        finished(tmp_path / variant / "mini2021")

    with pytest.raises(RecipeError, match=r"2 runs make one page: say where with --out FILE"):
        write_report([tmp_path])


def test_curves_and_scores_are_those_of_the_files(tmp_path):
    run = finished(tmp_path / "adacos" / "mini2021", clip_rows("fan", num_clips=4))
    path = run / "scores" / "seed0" / "scores.csv"
    scores = pd.read_csv(path)
    scores["score_answer"] = 1.0 * scores["is_anomalous"]
    scores["is_decided_anomalous"] = scores["is_anomalous"].astype(int)
    scores.to_csv(path, index=False)

    content = write_report([run]).read_text(encoding="utf-8")

    assert content.count("AUC 100.00, pAUC 100.00</b>") == 2
    assert "source: 2 normal, median 0, 2 anomalous, median 1, 4 training, median 0" in content
    assert content.count("<td>2</td><td>0</td><td>0</td><td>2</td><td>100.00</td>") == 2


def test_scores_with_thresholds_of_another_score_are_told_so(tmp_path):
    run = finished(tmp_path / "adacos" / "mini2021", decision_score="other")
    path = run / "scores" / "seed0" / "scores.csv"
    scores = pd.read_csv(path)
    scores.assign(score_other=scores["score_answer"]).to_csv(path, index=False)

    content = write_report([run]).read_text(encoding="utf-8")

    assert "decisions are made by another score, other." in content
    assert 'class="threshold"' not in content


def test_machine_types_with_several_sections_have_mean_curves_and_fold_the_others(tmp_path):
    rows = [*FEW, *clip_rows("fan", "01", num_clips=2)]

    content = write_report([finished(tmp_path / "adacos" / "mini2021", rows)]).read_text()

    assert "<summary>ROC curves of 2 sections</summary>" in content
    curves = content[content.index(">ROC curves</h2>") : content.index(">Scores</h2>")]
    assert re.findall("<figcaption>(.*?)</figcaption>", curves) == ["fan", "fan 00", "fan 01"]


def test_a_run_without_labels_has_what_can_be_said_of_it(tmp_path):
    run = finished(tmp_path / "adacos" / "mini2021")
    (run / "official.csv").unlink()
    path = run / "scores" / "seed0" / "scores.csv"
    scores = pd.read_csv(path)
    scores.assign(is_anomalous="").to_csv(path, index=False)
    metrics = (run / "metrics.csv").read_text(encoding="utf-8").split("\n", 1)[0]
    (run / "metrics.csv").write_text(f"{metrics}\n", encoding="utf-8")

    path = write_report([run])

    assert headings(path) == [
        "wilkinghoff2024 adacos, mini2021",
        *("Scores", "Decisions", "Embedding maps", "Most anomalous clips", "How this was made"),
    ]
    assert "The test clips have no labels" in path.read_text(encoding="utf-8")


def test_a_page_must_be_named_like_one(tmp_path):
    run = finished(tmp_path / "adacos" / "mini2021")

    with pytest.raises(RecipeError, match=r"must end in \.html\. Received: .*report\.pdf"):
        write_report([run], tmp_path / "report.pdf")
