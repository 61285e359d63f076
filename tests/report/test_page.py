"""The report is one file that any browser shows, and that tells what the run's files say."""

import html.parser
import re

import numpy as np
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
FEW = clip_rows("fan", num_clips=2, attributes="vel_1")


class Reader(html.parser.HTMLParser):
    """Notes what a page holds, and whether every element is closed in its place."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.addresses, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
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


def headings(path):
    return re.findall("<h[1-4]>(.*?)</h[1-4]>", path.read_text(encoding="utf-8"))


def test_a_page_needs_no_other_file_and_no_script(tmp_path):
    path = write_report([finished(tmp_path / "adacos" / "mini2021")])

    page = read(path)
    assert path == tmp_path / "adacos" / "mini2021" / "report.html"
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(page.tags)
    assert all(re.fullmatch("#[a-z0-9]+", address) for address in page.addresses)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", path.read_text(encoding="utf-8"))


def test_a_page_begins_with_the_run_and_its_score(tmp_path):
    path = write_report([finished(tmp_path / "adacos" / "mini2021")])

    assert headings(path) == ["wilkinghoff2024 adacos, mini2021", "Embedding maps", "fan"]
    official = (tmp_path / "adacos" / "mini2021" / "official.csv").read_text(encoding="utf-8")
    value = float(re.search("all,all,official_score,([^,]+)", official)[1])
    texts = [text for text in read(path).text if text.strip()]
    assert texts.index(f"{100 * value:.2f}") < texts.index("machine type")


def test_each_clip_is_named_once_in_each_panel(tmp_path):
    path = write_report([finished(tmp_path / "adacos" / "mini2021")])

    content = path.read_text(encoding="utf-8")
    drawings = re.findall(r'<svg viewBox="[^"]+" class="map".*?</svg>', content)
    assert len(drawings) == 4
    for row in FEW:
        name = row["path"].rsplit("/", 1)[-1]
        assert [drawing.count(f"<title>{name}: ") for drawing in drawings] == [1, 1, 1, 1]


def test_the_same_run_gives_the_same_page(tmp_path):
    run = finished(tmp_path / "adacos" / "mini2021")
    first = write_report([run]).read_bytes()
    (run / "embedding_map.csv").unlink()

    assert write_report([run]).read_bytes() == first


def test_hostile_names_change_nothing_but_the_text(tmp_path):
    rows = clip_rows("fan", num_clips=2, attributes=f"vel_{HOSTILE}")
    for row in rows:
        row["machine_type"] = HOSTILE
        row["path"] = row["path"] + HOSTILE.replace("/", "")
    run = finished(tmp_path / "adacos" / "mini2021", rows, notes=[HOSTILE], oracle=[HOSTILE])
    training = run / "all" / "seed0" / "train.csv"
    training.write_text(f'epoch,"{HOSTILE.replace(chr(34), chr(34) * 2)}"\n1,2\n', encoding="utf-8")

    page = read(write_report([run], array="embedding"))

    assert "script" not in page.tags
    assert HOSTILE in page.text
    assert f"Note: {HOSTILE}" in page.text


def test_notes_and_choices_by_labels_are_told(tmp_path):
    run = finished(tmp_path / "adacos" / "mini2021", notes=["mind this"], oracle=["the epoch"])

    content = write_report([run]).read_text(encoding="utf-8")

    assert '<p class="warn">Note: mind this</p>' in content
    assert "Oracle, labels of test clips had a say: the epoch" in content
    assert headings(run / "report.html")[0] == "wilkinghoff2024 adacos (oracle), mini2021"


def test_phases_of_training_stand_in_order(tmp_path):
    run = finished(tmp_path / "adacos" / "mini2021")
    (run / "all" / "seed0" / "pretraining").mkdir()
    for place, name in (("", "loss"), ("pretraining", "invariance")):
        log = run / "all" / "seed0" / place / "train.csv"
        log.write_text(f"epoch,{name}\n1,2.0\n2,1.0\n", encoding="utf-8")

    content = write_report([run]).read_text(encoding="utf-8")

    assert headings(run / "report.html")[1:3] == ["Training: pretraining", "Training"]
    assert content.index(">invariance<") < content.index(">loss<")


def test_an_ensemble_says_why_it_has_no_maps(tmp_path):
    run = tmp_path / "adacos" / "mini2021"
    with_results(run, scored_clips(run, FEW))

    content = write_report([run]).read_text(encoding="utf-8")

    assert "an ensemble has no embeddings of its own" in content
    assert "<svg viewBox" not in content


def test_maps_of_several_runs_stand_side_by_side(tmp_path):
    for variant in ("adacos", "adaproj"):
        finished(tmp_path / variant / "mini2021")

    path = write_report([tmp_path], tmp_path / "both.html")

    names = [f"wilkinghoff2024 {variant}, mini2021" for variant in ("adacos", "adaproj")]
    assert headings(path) == [
        "2 runs side by side",
        *names,
        *("Embedding maps", "fan", "by domain", "by section", "by attribute vel", "by condition"),
    ]
    content = path.read_text(encoding="utf-8")
    by_domain = content[content.index("<h4>by domain") : content.index("<h4>by section")]
    assert re.findall("<figcaption>(.*?)</figcaption>", by_domain) == names
    assert read(path).tags.count("table") >= 3
    assert content.index("run</th>") < content.index("<h2>")


def test_maps_of_other_datasets_are_kept_apart(tmp_path):
    for dataset in ("mini2021", "mini2022"):
        finished(tmp_path / "adacos" / dataset, dataset=dataset)

    path = write_report([tmp_path], tmp_path / "both.html")

    assert {"fan, mini2021", "fan, mini2022"} <= set(headings(path))


def test_runs_that_share_their_name_are_told_apart(tmp_path):
    for place in ("one", "two"):
        finished(tmp_path / place / "adacos" / "mini2021")

    path = write_report([tmp_path], tmp_path / "both.html")

    assert headings(path)[1].endswith(f"({tmp_path / 'one' / 'adacos' / 'mini2021'})")


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

    assert "t-SNE of embedding, 8 clips" in first
    assert "t-SNE of only_4, 8 clips" in asked
    with pytest.raises(RecipeError, match="no array `only_4`"):
        write_report([run], array="only_4")


def test_several_runs_need_a_file_to_be_written(tmp_path):
    for variant in ("adacos", "adaproj"):
        finished(tmp_path / variant / "mini2021")

    with pytest.raises(RecipeError, match=r"2 runs make one page: say where with --out FILE"):
        write_report([tmp_path])


def test_a_page_must_be_named_like_one(tmp_path):
    run = finished(tmp_path / "adacos" / "mini2021")

    with pytest.raises(RecipeError, match=r"must end in \.html\. Received: .*report\.pdf"):
        write_report([run], tmp_path / "report.pdf")
