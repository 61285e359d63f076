"""Cards tell what was decided of a clip and play it; the script gets what marks are about."""

import html
import json
import re

import pandas as pd
import pytest

from asdkeras.report.clip_section import clip_keys, clip_parts
from asdkeras.report.clip_sounds import PageSounds
from asdkeras.report.embedding_map import embedding_maps
from asdkeras.report.finished_runs import find_runs
from asdkeras.report.markup import element
from asdkeras.score_files import read_trial, write_trial
from tests.report.heard_runs import heard_run
from tests.report.mapped_runs import clip_rows

HOSTILE = "</script><b>"


def parts_of(folder, *, num_clips=3, maps=(), **options):
    """The text of each section."""
    (run,), _ = find_runs([folder])
    sections, data = clip_parts(run, maps, seed=0, num_clips=num_clips, **options)
    heading = f"h{options.get('level', 2)}"
    texts = ["".join([element(heading, title), *content]) for title, content in sections]
    return [*texts[:-1], texts[-1] + data]


def cards(section):
    """Text of the heading and paragraphs of each card, and whether it plays."""
    found = re.findall(r'<article class="clip">(.*?)</article>', section)
    texts = [[html.unescape(text) for text in re.findall(r">([^<>]+)<", card)] for card in found]
    return [(*card_texts, "<audio" in card) for card_texts, card in zip(texts, found, strict=True)]


def data_of(sections):
    text = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', sections[-1])[1]
    return json.loads(text)


def rescored(folder, **changes):
    """Change scores of clips of a run; the threshold is 5."""
    where = folder / "scores" / "seed0"
    trial = read_trial(where)
    scores = pd.Series(2.0, index=trial.table.index)
    scores[::2] = 3.0  # Standard deviation of training clips: 0.5.
    for name, score in changes.items():
        scores[trial.table["path"] == f"{name}.wav"] = score
    columns = trial.columns.assign(answer=scores)
    write_trial(where, trial._replace(columns=columns, decisions=(scores > 5.0).astype(int)))


def rewritten(folder, column, value, **of_clips):
    """Put a value into a column of the score file, for clips whose other column holds so."""
    path = folder / "scores" / "seed0" / "scores.csv"
    scores = pd.read_csv(path, dtype=str)
    ((other, content),) = of_clips.items()
    scores.loc[scores[other] == content, column] = value
    scores.to_csv(path, index=False)


def test_cards_say_what_was_decided_and_by_how_much(tmp_path):
    run = heard_run(tmp_path / "adacos" / "mini2021")
    rescored(run, fan_00_source_test_0=7.25, fan_00_target_test_1=1.0, fan_00_source_test_1=6.0)

    anomalous, wrong = parts_of(run, num_clips=1)

    assert cards(anomalous) == [
        (
            "fan_00_source_test_0.wav",
            "normal, but called anomalous: score 7.25, 2.25 above its threshold 5",
            "fan, section 00, source domain",
            True,
        )
    ]
    assert [card[:2] for card in cards(wrong)] == [
        (
            "fan_00_target_test_1.wav",
            "anomalous, but called normal: score 1, 4 below its threshold 5",
        ),
        cards(anomalous)[0][:2],
    ]
    assert "<h3>fan</h3>" in anomalous


def test_what_is_judged_rightly_is_told_as_well(tmp_path):
    run = heard_run(tmp_path / "adacos" / "mini2021")
    rescored(run, fan_00_target_test_1=7.0)

    (card,) = cards(parts_of(run, num_clips=1)[0])

    assert card[1] == "anomalous, and called anomalous: score 7, 2 above its threshold 5"


def test_a_run_without_wrong_decisions_says_so(tmp_path):
    run = heard_run(tmp_path / "adacos" / "mini2021")
    rescored(run, fan_00_source_test_1=7.0, fan_00_target_test_1=7.0)

    wrong = parts_of(run)[1]

    assert "No labelled test clip was judged wrongly." in wrong
    assert cards(wrong) == []


def test_without_labels_nothing_is_called_wrong(tmp_path):
    run = heard_run(tmp_path / "adacos" / "mini2021")
    rewritten(run, "is_anomalous", "", split="test")

    (section,) = parts_of(run)

    assert "Most anomalous clips" in section
    assert all(re.match("called (normal|anomalous): score", card[1]) for card in cards(section))


def test_a_clip_in_two_lists_has_its_sound_once(tmp_path):
    run = heard_run(tmp_path / "adacos" / "mini2021")
    rescored(run, fan_00_source_test_0=7.0)

    parts = parts_of(run, num_clips=1)

    made = "".join(parts)
    players = re.findall(r"<audio ([^>]*)>", made)
    keys = [re.search('data-clip="(.*?)"', player)[1] for player in players]
    assert keys[0] == keys[2]  # A false alarm, and the most anomalous one.
    assert ["src=" in player for player in players] == [True, True, False]
    assert len(set(re.findall('"(data:audio[^"]*)"', made))) == made.count("data:audio")


def test_the_script_learns_of_every_clip_of_the_maps(tmp_path):
    run = heard_run(tmp_path / "adacos" / "mini2021")
    maps = embedding_maps(run, seed=0, method="pca")

    parts = parts_of(run, maps=maps)

    data = data_of(parts)
    keys = clip_keys(maps[0].clips)
    assert set(data["clips"]) == set(keys)
    assert data["run"] == "wilkinghoff2024 adacos"
    named = dict(zip(keys, maps[0].clips["name"], strict=True))
    assert {key: clip[0] for key, clip in data["clips"].items()} == named
    on_cards = set(re.findall('<audio [^>]*data-clip="(.*?)"', "".join(parts)))
    assert {*data["sounds"], *on_cards} == set(keys)
    assert on_cards.isdisjoint(data["sounds"])
    training = data["clips"][keys[0]]
    assert training[1] == "fan, section 00, source domain"
    assert re.match("training clip, normal, (and|but) called", training[2])


def test_a_clip_that_was_held_out_says_so_and_plays(tmp_path):
    run = heard_run(tmp_path / "adacos" / "mini2021")
    rewritten(run, "split", "held_out", name="fan_00_source_train_0.wav")
    (each,) = maps = embedding_maps(run, seed=0, method="pca")

    data = data_of(parts_of(run, num_clips=1, maps=maps))

    (key,) = (key for key, clip in data["clips"].items() if "_source_train_0" in clip[0])
    assert data["clips"][key][2].startswith("training clip, held out, normal, ")
    assert key in data["sounds"]
    assert len(each.clips) == 8


def test_figures_of_many_digits_are_written_out(tmp_path):
    run = heard_run(tmp_path / "adacos" / "mini2021")
    rescored(run, fan_00_target_test_1=12345.6)

    (card,) = cards(parts_of(run, num_clips=1)[0])

    assert card[1].endswith("score 12346, 12341 above its threshold 5")


def test_attributes_are_told(tmp_path):
    rows = clip_rows("fan", num_clips=1, attributes="vel_1")
    run = heard_run(tmp_path / "adacos" / "mini2021", rows)
    maps = embedding_maps(run, seed=0, method="pca")

    facts = {clip[1] for clip in data_of(parts_of(run, maps=maps))["clips"].values()}

    assert "fan, section 00, source domain, vel_1" in facts


def test_data_that_are_gone_are_told_on_every_card(tmp_path):
    run = heard_run(tmp_path / "adacos" / "mini2021")
    (run / "environment.json").write_text('{"data": "/gone/away"}', encoding="utf-8")

    parts = parts_of(run)

    made = "".join(parts)
    assert "No sounds of this run: none were found at /gone/away." in made
    found = [card for section in parts for card in cards(section)]
    assert found
    assert {card[3:] for card in found} == {("sound not found at /gone/away", False)}
    assert "licence" not in made


def test_a_page_that_is_full_says_so_on_cards(tmp_path):
    run = heard_run(tmp_path / "adacos" / "mini2021")

    parts = parts_of(run, page_sounds=PageSounds(num_runs=1, bytes_left=100))

    assert {card[3:] for card in cards(parts[0])} == {
        ("sound left out, to keep this file small", False)
    }


def test_sounds_are_left_out_if_nobody_wants_them(tmp_path):
    run = heard_run(tmp_path / "adacos" / "dcase2021", dataset="dcase2021")
    page = PageSounds(num_runs=1, bytes_left=0)

    made = "".join(parts_of(run, maps=embedding_maps(run, seed=0), page_sounds=page))

    assert "Sounds were left out on purpose." in made
    assert "<audio" not in made
    assert "sound left out" not in made
    assert "data:audio" not in made
    assert "licence" not in made


def test_the_lengths_of_sounds_are_said(tmp_path):
    run = heard_run(tmp_path / "adacos" / "mini2021")
    maps = embedding_maps(run, seed=0, method="pca")
    small = PageSounds(num_runs=1, bytes_left=20_000)

    whole = parts_of(run, num_clips=1, maps=maps)[0]
    cut = parts_of(run, num_clips=1, maps=maps, page_sounds=small)[0]

    assert "Sounds of 8 of 8 clips are in this file (up to 12 s):" in whole
    assert "(up to 12 s, of marks in the maps up to 4.0 s):" in cut


def test_cards_of_a_second_run_use_the_sounds_of_the_first(tmp_path):
    runs = [heard_run(tmp_path / name / "mini2021") for name in ("adacos", "adaproj")]
    page = PageSounds(num_runs=2)

    first, second = (parts_of(run, page_sounds=page, level=4) for run in runs)

    assert "data:audio" in first[0]
    assert "data:audio" not in "".join(second)
    assert all(card[-1] for card in cards(second[0]))
    assert "<h4>Most anomalous clips</h4><p" in second[0]
    assert "<h5>fan</h5>" in second[0]


@pytest.mark.parametrize(
    ("dataset", "is_warned"), [("dcase2021", True), ("mini2021", False), ("bench2021", False)]
)
def test_recordings_of_others_come_with_a_warning(tmp_path, dataset, is_warned):
    run = heard_run(tmp_path / "adacos" / dataset, dataset=dataset)

    made = parts_of(run)[0]

    warning = f"Contains recordings of {dataset}: mind its licence before you pass it on."
    assert (warning in made) == is_warned


def test_names_cannot_end_the_data_of_the_script(tmp_path):
    rows = clip_rows("fan", num_clips=1)
    run = heard_run(tmp_path / "adacos" / "mini2021", rows)
    path = run / "scores" / "seed0" / "scores.csv"
    scores = pd.read_csv(path, dtype=str).assign(machine_type=f"fan{HOSTILE}")
    scores["name"] = scores["name"] + "<b>"
    scores.to_csv(path, index=False)

    parts = parts_of(run)

    assert "<b>" not in "".join(parts)
    told = list(data_of(parts)["clips"].values())
    assert "fan_00_source_test_0.wav<b>" in {clip[0] for clip in told}
    assert {clip[1].split(",")[0] for clip in told} == {f"fan{HOSTILE}"}
