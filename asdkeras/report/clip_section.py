"""The part of a report that is heard: clips as cards, and what a page's marks play."""

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from asdkeras.report.clip_choice import (
    clip_keys,
    judged_clips,
    most_anomalous,
    most_wrongly_judged,
)
from asdkeras.report.clip_script import RANGE_DB, SCRIPT
from asdkeras.report.clip_sounds import PageSounds, Sound, SoundFiles, by_importance, find_sounds
from asdkeras.report.clip_style import STYLE
from asdkeras.report.embedding_map import EmbeddingMap
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.markup import Markup, element

NUM_CLIPS = 3
"""Of a machine type and list."""


class ClipParts(NamedTuple):
    """What a page takes in.

    Attributes:
        sections: in order; each begins with its heading.
        style: style sheet, the same for every run.
        script: makes marks and cards play, the same for every run; stands after the sections
            and the maps.
    """

    sections: list[Markup]
    style: str
    script: str


def clip_parts(
    run: FinishedRun,
    maps: Sequence[EmbeddingMap],
    *,
    seed: int,
    num_clips: int = NUM_CLIPS,
    page_sounds: PageSounds | None = None,
    level: int = 2,
) -> ClipParts:
    """The clips of a run that are worth hearing, with their sounds.

    Args:
        run: a finished run.
        maps: those of its embedding maps that the page shows.
        seed: of the trial they are of.
        num_clips: how many of each machine type and kind at most.
        page_sounds: what the page has of sounds, one for all runs of a page; None is a page
            of this run alone. The sounds of cards come before those of marks.
        level: of the headings, 2 for `h2`.
    """
    clips = judged_clips(run, seed)
    anomalous = most_anomalous(clips, num_clips)
    wrong = most_wrongly_judged(clips, num_clips)
    chosen = [*map(str, anomalous["key"]), *map(str, wrong["key"])]
    on_maps = {key for each in maps for key in clip_keys(each.clips)}
    shown = clips[clips["key"].isin(on_maps.union(chosen)).to_numpy(bool)]
    files = find_sounds(run.folder)
    page_sounds = PageSounds(num_runs=1) if page_sounds is None else page_sounds
    sounds, reasons = page_sounds.add(by_importance(shown, chosen), files)

    cards = _Cards(level, sounds, reasons, page_sounds.keys)
    sections = [
        element(
            "section",
            element(f"h{level}", "Most anomalous clips"),
            element("p", _ANOMALOUS if len(anomalous) else _NONE_JUDGED, class_="faint"),
            *_sound_notes(run, shown, sounds, page_sounds, files),
            *cards.of(anomalous),
        )
    ]
    if clips["is_anomalous"][(clips["split"] == "test").to_numpy(bool)].notna().any():
        sections.append(
            element(
                "section",
                element(f"h{level}", "Most wrongly judged clips"),
                element("p", _WRONG if len(wrong) else _NONE_WRONG, class_="faint"),
                *cards.of(wrong),
            )
        )
    on_marks = {key: each for key, each in sounds.items() if key not in cards.done}
    sections[-1] = Markup(sections[-1] + _data(run, shown, on_marks))
    return ClipParts(sections, STYLE, SCRIPT)


_ANOMALOUS = (
    "Test clips whose scores lie farthest above their threshold, counted in standard deviations "
    "of the training clips of their section."
)
_WRONG = (
    "Test clips farthest on the wrong side of their threshold, counted likewise: anomalies that "
    "were missed, then false alarms."
)
_NONE_JUDGED = "No test clip was compared with a threshold."
_LEFT_OUT = "sound left out, to keep this file small"
_NONE_WRONG = "No labelled test clip was judged wrongly."


def _sound_notes(
    run: FinishedRun,
    shown: pd.DataFrame,
    sounds: dict[str, Sound],
    page_sounds: PageSounds,
    files: SoundFiles,
) -> list[Markup]:
    if not files.paths:
        where = f" at {files.data}" if files.data else ""
        return [element("p", f"No sounds of this run: none were found{where}.", class_="faint")]
    num_heard = int(shown["key"].isin(page_sounds.keys).sum())
    size = sum(len(each.uri) for each in sounds.values()) / 1e6
    text = (
        f"Sounds of {num_heard} of {len(shown)} clips are in this file: of those shown here and, "
        f"as far as there is room, of others in the maps. They are coded anew from {files.data} "
        f"({size:.1f} MB). Spectrograms show them as coded, 0 dB the loudest, the darkest color "
        f"{RANGE_DB} dB below it."
    )
    notes = [element("p", text, class_="faint")]
    if not run.dataset.startswith("mini"):  # Those are computed, nobody recorded them.
        warning = f"Contains recordings of {run.dataset}: mind its licence before you pass it on."
        notes.append(element("p", warning, class_="warn"))
    return notes


class _Cards:
    """Cards of clips; each sound stands in the first card of its clip alone."""

    def __init__(
        self, level: int, sounds: dict[str, Sound], reasons: dict[str, str], in_page: set[str]
    ) -> None:
        self.level = level
        self.sounds = sounds
        self.reasons = reasons
        self.in_page = in_page
        self.done: set[str] = set()

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
            return element("p", self.reasons.get(key, _LEFT_OUT), class_="faint")
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
    difference = clip["score"] - clip["threshold"]
    side = "above" if difference > 0 else "below"
    figures = f"score {clip['score']:.4g}, {abs(difference):.3g} {side} its threshold"
    figures += f" {clip['threshold']:.4g}"
    if pd.isna(clip["is_anomalous"]):
        return f"called {decision}: {figures}"
    label = "anomalous" if clip["is_anomalous"] else "normal"
    link = "and" if label == decision else "but"
    return f"{label}, {link} called {decision}: {figures}"


def _facts(clip: pd.Series) -> str:
    facts = [f"{clip['machine_type']}, section {clip['section']}"]
    if not pd.isna(clip["domain"]):
        facts.append(f"{clip['domain']} domain")
    if not pd.isna(clip["attributes"]) and clip["attributes"]:
        facts.append(str(clip["attributes"]))
    return ", ".join(facts)


def _data(run: FinishedRun, clips: pd.DataFrame, sounds: dict[str, Sound]) -> Markup:
    """What marks and cards are about, for the script."""
    content = {
        "run": f"{run.system} {run.title}",
        "clips": {
            str(clip["key"]): [clip["name"], _facts(clip), _figures(clip)]
            for _, clip in clips.iterrows()
        },
        "sounds": {key: [each.uri, each.sample_rate_hz] for key, each in sounds.items()},
    }
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return element("script", Markup(text), type="application/json", class_="clip-data")


def _figures(clip: pd.Series) -> str:
    if not np.isfinite(clip["margin"]):
        return "no score"
    return f"training clip, {_verdict(clip)}" if clip["split"] == "train" else _verdict(clip)
