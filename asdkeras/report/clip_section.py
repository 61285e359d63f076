"""The part of a report that plays clips: which ones it chooses, their cards, the script's data.

Scores of different sections have scales of their own. What ranks clips is their margin, how far
a score lies above its threshold in standard deviations of the training clips of its section.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from asdkeras.metrics.official import is_generated
from asdkeras.report.clip_sounds import MAX_SECONDS, PageSounds, Sound, by_importance, find_sounds
from asdkeras.report.embedding_map import EmbeddingMap
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.markup import Markup, PageSection, asset, element
from asdkeras.report.scored_runs import read_scored_run, recipe_of
from asdkeras.score_files import clip_columns
from asdkeras.scorers.section_standardization import section_moments

NUM_CLIPS = 3  # Of a machine type and list.
RANGE_DB = int(re.findall(r"RANGE_DB = (\d+)", asset("clips.js"))[0])  # Of the color scale.

_ANOMALOUS = (
    "Test clips whose scores lie farthest above their threshold, counted in standard deviations "
    "of the training clips of their section."
)
_WRONG = (
    "Test clips farthest on the wrong side of their threshold, counted likewise: anomalies that "
    "were missed, then false alarms."
)
_NONE_JUDGED = "No test clip was compared with a threshold."
_NONE_WRONG = "No labelled test clip was judged wrongly."
_KINDS = {"train": "training clip, ", "held_out": "training clip, held out, "}
_LEFT_OUT = "sound left out, to keep this file small"


def clip_keys(clips: pd.DataFrame) -> list[str]:
    """Short names of clips, the same on every page, from their place in the dataset.

    Each has seven letters, digits, `-` and `_`: 42 bits of a digest, so that two of ten
    thousand clips share one in one of 80,000 pages.
    """
    names = ("dataset", "machine_type", "section", "domain", "split", "name")
    columns = (clips[name].astype("string").fillna("") for name in names)
    texts = ("\n".join(place) for place in zip(*columns, strict=True))
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return [base64.urlsafe_b64encode(digest)[:7].decode() for digest in digests]


def judged_clips(run: FinishedRun, seed: int) -> pd.DataFrame:
    """Every clip of one trial with its score and decision.

    Returns:
        the clip table, the name of the file in place of its path, and

        - `key`: of `clip_keys`;
        - `score`: that which is compared with the threshold;
        - `threshold`, `is_decided_anomalous` (bool);
        - `margin`: how far the score lies above the threshold, in standard deviations of the
          training clips of the section, or of its test clips if no training clip has a
          score. NaN where the score or the threshold is.

    Raises:
        RecipeError: if the run has not been scored.
    """
    scores = read_scored_run(run.folder, recipe_of(run.folder)["seeds"])
    trial = scores.trial_of(seed)
    decided_by = trial.columns[scores.decision_score]
    spread = section_moments(decided_by, trial.table).spread
    if spread.isna().any():
        spread = spread.fillna(section_moments(decided_by, trial.table, split="test").spread)
    clips = clip_columns(trial.table)
    return clips.assign(
        key=clip_keys(clips),
        score=decided_by,
        threshold=trial.thresholds,
        is_decided_anomalous=trial.decisions == 1,
        margin=(decided_by - trial.thresholds) / spread,
    )


def most_anomalous(clips: pd.DataFrame, num_clips: int) -> pd.DataFrame:
    """The test clips of each machine type with the largest margins, largest first."""
    ranked = _judged(clips).sort_values(["machine_type", "margin"], ascending=[True, False])
    return ranked.groupby("machine_type").head(num_clips)


def most_wrongly_judged(clips: pd.DataFrame, num_clips: int) -> pd.DataFrame:
    """The test clips of each machine type farthest on the wrong side of their threshold.

    By machine type, the missed anomalies first, then the false alarms, so many of each at most,
    the worst first.
    """
    judged = _judged(clips)
    labels = judged["is_anomalous"]
    is_wrong = labels.notna() & (labels.fillna(False) != judged["is_decided_anomalous"])
    wrong = judged[is_wrong.to_numpy(bool)]
    order = wrong.assign(distance=-wrong["margin"].abs())
    keys = ["machine_type", "is_decided_anomalous"]
    ranked = wrong.loc[order.sort_values([*keys, "distance"]).index]
    return ranked.groupby(keys).head(num_clips)


def _judged(clips: pd.DataFrame) -> pd.DataFrame:
    """Test clips that were compared with a threshold."""
    is_judged = (clips["split"] == "test") & np.isfinite(clips["margin"])
    judged: pd.DataFrame = clips[is_judged.to_numpy(bool)]
    return judged


def clip_parts(
    run: FinishedRun,
    maps: Sequence[EmbeddingMap],
    *,
    seed: int,
    num_clips: int = NUM_CLIPS,
    page_sounds: PageSounds | None = None,
    level: int = 2,
) -> tuple[list[PageSection], Markup]:
    """The clips of a run that are worth playing, with their sounds.

    Args:
        maps: those of its embedding maps that the page shows.
        seed: of the trial they are of.
        num_clips: how many of each machine type and kind at most.
        page_sounds: what the page has of sounds, one for all runs of a page; None is a page
            of this run alone. The sounds of cards come before those of marks.
        level: of the headings, 2 for `h2`.

    Returns:
        the sections, and what stands behind them: the data that the script of the page reads.
    """
    clips = judged_clips(run, seed)
    anomalous = most_anomalous(clips, num_clips)
    wrong = most_wrongly_judged(clips, num_clips)
    chosen = [*map(str, anomalous["key"]), *map(str, wrong["key"])]
    on_maps = {key for each in maps for key in clip_keys(each.clips)}
    shown = clips[clips["key"].isin(on_maps.union(chosen)).to_numpy(bool)]
    page_sounds = PageSounds(num_runs=1) if page_sounds is None else page_sounds
    sounds, reasons, notes = _sounds_of(run, by_importance(shown, chosen), chosen, page_sounds)
    cards = _Cards(level, sounds, reasons, page_sounds.keys, set())
    parts = [
        element("p", _ANOMALOUS if len(anomalous) else _NONE_JUDGED, class_="faint"),
        *notes,
        *cards.of(anomalous),
    ]
    sections = [PageSection("Most anomalous clips", parts)]
    if clips["is_anomalous"][(clips["split"] == "test").to_numpy(bool)].notna().any():
        text = element("p", _WRONG if len(wrong) else _NONE_WRONG, class_="faint")
        sections.append(PageSection("Most wrongly judged clips", [text, *cards.of(wrong)]))
    on_marks = {key: each for key, each in sounds.items() if key not in cards.done}
    return sections, _data(run, shown, on_marks)


def _sounds_of(
    run: FinishedRun, clips: pd.DataFrame, chosen: Sequence[str], page_sounds: PageSounds
) -> tuple[dict[str, Sound], dict[str, str], list[Markup]]:
    """What `PageSounds.add` gives, and what the reader must know of it."""
    if page_sounds.are_unwanted:
        return (
            {},
            dict.fromkeys(clips["key"], ""),
            [element("p", "Sounds were left out on purpose.", class_="faint")],
        )
    files = find_sounds(run.folder)
    sounds, reasons = page_sounds.add(clips, files, len({*chosen}))
    if not files.paths:
        where = f" at {files.data}" if files.data else ""
        text = f"No sounds of this run: none were found{where}."
        return sounds, reasons, [element("p", text, class_="faint")]
    num_sounds = int(clips["key"].isin(page_sounds.keys).sum())
    size = sum(len(each.uri) for each in sounds.values()) / 1e6
    lengths = f"up to {MAX_SECONDS:g} s"
    if page_sounds.mark_seconds < MAX_SECONDS:
        lengths += f", of marks in the maps up to {page_sounds.mark_seconds:.1f} s"
    before = (
        f"Sounds of {num_sounds} of {len(clips)} clips are in this file ({lengths}): of those "
        "shown here and, as far as there is room, of others in the maps, test clips first. They "
        f"are coded anew from {files.data}, {size:.1f} MB ("
    )
    after = (
        " sets how many). Spectrograms show them as coded, 0 dB the loudest, the darkest color "
        f"{RANGE_DB} dB below it."
    )
    notes = [element("p", before, element("code", "--sounds MB"), after, class_="faint")]
    if not is_generated(run.dataset):  # Those are computed, nobody recorded them.
        warning = f"Contains recordings of {run.dataset}: mind its licence before you pass it on."
        notes.append(element("p", warning, class_="warn"))
    return sounds, reasons, notes


class _Cards(NamedTuple):
    """Cards of clips; each sound stands in the first card of its clip alone."""

    level: int
    sounds: dict[str, Sound]
    reasons: dict[str, str]
    in_page: set[str]
    done: set[str]

    def of(self, clips: pd.DataFrame) -> list[Markup]:
        parts = []
        for machine_type, rows in clips.groupby("machine_type", sort=False):
            cards = [self._card(clip) for _, clip in rows.iterrows()]
            parts.append(element(f"h{self.level + 1}", str(machine_type)))
            parts.append(element("div", *cards, class_="clips"))
        return parts

    def _card(self, clip: pd.Series) -> Markup:
        return element(
            "article",
            element(f"h{self.level + 2}", clip["name"]),
            element("p", _verdict(clip), class_="verdict"),
            element("p", _facts(clip), class_="faint"),
            self._sound(clip),
            class_="clip",
        )

    def _sound(self, clip: pd.Series) -> Markup:
        key = str(clip["key"])
        if key not in self.in_page:
            reason = self.reasons.get(key, _LEFT_OUT)
            return element("p", reason, class_="faint") if reason else Markup()
        sound = None if key in self.done else self.sounds.get(key)
        self.done.add(key)
        return element(
            "audio",
            controls="",
            preload="none",
            data_clip=key,
            data_rate=sound and sound.sample_rate_hz,
            aria_label=f"sound of {clip['name']}",
            src=sound and sound.uri,  # Without one the script takes that of the other card.
        )


def _verdict(clip: pd.Series) -> str:
    """What was decided, whether rightly, and by how much."""
    decision = "anomalous" if clip["is_decided_anomalous"] else "normal"
    score, threshold = clip["score"], clip["threshold"]
    side = "above" if score > threshold else "below"
    figures = f"score {_figure(score)}, {_figure(abs(score - threshold), 3)} {side} its threshold"
    figures += f" {_figure(threshold)}"
    if pd.isna(clip["is_anomalous"]):
        return f"called {decision}: {figures}"
    label = "anomalous" if clip["is_anomalous"] else "normal"
    link = "and" if label == decision else "but"
    return f"{label}, {link} called {decision}: {figures}"


def _figure(value: float, num_digits: int = 4) -> str:
    """A number with so many digits, and whole where it has more: 1136 and not 1.14e+03."""
    is_long = 10**num_digits <= abs(value) < 1e6
    return f"{value:.0f}" if is_long else f"{value:.{num_digits}g}"


def _facts(clip: pd.Series) -> str:
    facts = [f"{clip['machine_type']}, section {clip['section']}"]
    if not pd.isna(clip["domain"]):
        facts.append(f"{clip['domain']} domain")
    if not pd.isna(clip["attributes"]) and clip["attributes"]:
        facts.append(str(clip["attributes"]))
    return ", ".join(facts)


def _data(run: FinishedRun, clips: pd.DataFrame, sounds: dict[str, Sound]) -> Markup:
    """Names, facts and sounds of the clips, which the script of the page reads."""
    facts = {}
    for _, clip in clips.iterrows():
        kind = _KINDS.get(clip["split"], "")
        text = f"{kind}{_verdict(clip)}" if np.isfinite(clip["margin"]) else "no score"
        facts[str(clip["key"])] = [clip["name"], _facts(clip), text]
    content = {
        "run": f"{run.system} {run.title}",
        "clips": facts,
        "sounds": {key: [each.uri, each.sample_rate_hz] for key, each in sounds.items()},
    }
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return element("script", Markup(text), type="application/json", class_="clip-data")
