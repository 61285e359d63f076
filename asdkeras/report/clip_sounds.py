"""The recordings of clips as parts of a page: found where the run read them, small, playable.

A page with sounds must stay a file that can be sent by mail, so they are cut, made mono and
coded anew, and only so many of them are taken as fit into a budget. Those of marks in maps are cut
shorter, so that all test clips have one where the budget allows.
"""

import base64
import dataclasses
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import soundfile

from asdkeras.data.audio import AudioConfig, read_audio, read_header
from asdkeras.data.clip_table import find_clips
from asdkeras.errors import DataError
from asdkeras.files import as_text
from asdkeras.progress import stage
from asdkeras.report.scored_runs import read_environment

MEGABYTES = 12  # Of all sounds of a page together, as they stand in it.
MIN_SECONDS, MAX_SECONDS = 4.0, 12.0
HIGHEST_RATE_HZ = 16000  # A page shows as much of a sound as the systems take in.
# MP3 at a constant 57 kbit/s. At a sample rate of 16 kHz it would be no smaller, and would lose
# all above 7.2 kHz; at less than this bit rate it is cut as well.
_MP3_RATE_HZ = 22050
_MP3: dict[str, Any] = {
    **{"format": "MP3", "subtype": "MPEG_LAYER_III"},
    **{"compression_level": 0.7, "bitrate_mode": "CONSTANT"},
}
_BYTES_PER_SECOND = 57_000 / 8 * 4 / 3  # Of MP3 as letters.
_FLAC: dict[str, Any] = {"format": "FLAC", "subtype": "PCM_16"}


class Sound(NamedTuple):
    """A recording as a page holds it."""

    uri: str  # `data:` address of the coded sound.
    sample_rate_hz: int  # Up to half of it there is something to see.


class SoundFiles(NamedTuple):
    """Where the recordings of a run lie; none are known if the data are gone."""

    data: str  # As given to the run; empty if its folder does not say.
    paths: dict[tuple[str, str, str, str], Path]  # By machine type, section, split, file name.

    def of(self, clip: pd.Series) -> Path | None:
        split = "train" if clip["split"] == "held_out" else clip["split"]
        return self.paths.get((clip["machine_type"], clip["section"], split, clip["name"]))


@dataclasses.dataclass
class PageSounds:
    """The sounds of a page: each once, all within a budget, of which runs get equal shares."""

    num_runs: int  # Runs that still have to add their sounds.
    bytes_left: int = MEGABYTES * 1_000_000  # As sounds stand in the page; 0: nobody wants any.
    keys: set[str] = dataclasses.field(default_factory=set)  # Clips that have a sound.
    mark_seconds: float = MAX_SECONDS  # Of the last run, at most.

    @property
    def are_unwanted(self) -> bool:
        return not self.bytes_left and not self.keys

    def add(
        self, clips: pd.DataFrame, files: SoundFiles, num_cards: int = 0
    ) -> tuple[dict[str, Sound], dict[str, str]]:
        """Code the recordings of one run's clips, from the first on, until its share is used up.

        Args:
            clips: of `asdkeras.report.clip_section.judged_clips`, the most important first.
            num_cards: so many of them have cards, and sounds of `MAX_SECONDS`. The others are
                cut as short as the test clips among them need to fit, to `MIN_SECONDS` at least.

        Returns:
            the new sounds by key, and by key why a clip has none although there is room.
        """
        left = self.bytes_left // max(self.num_runs, 1)
        num_marks = int((clips["split"][num_cards:] == "test").sum())
        seconds = self.mark_seconds = MAX_SECONDS
        self.num_runs -= 1
        sounds: dict[str, Sound] = {}
        reasons: dict[str, str] = {}
        with stage("sounds") as update:
            for number, (_, clip) in enumerate(clips.iterrows()):
                key = str(clip["key"])
                if number == num_cards and num_marks:
                    room = left / num_marks / _BYTES_PER_SECOND
                    seconds = self.mark_seconds = min(max(room, MIN_SECONDS), MAX_SECONDS)
                sound = None if key in self.keys else _embedded(clip, files, seconds)
                if isinstance(sound, str):
                    reasons[key] = sound
                elif sound is not None:
                    left -= len(sound.uri)
                    if left < 0:
                        break
                    self.bytes_left -= len(sound.uri)
                    self.keys.add(key)
                    sounds[key] = sound
                update(number + 1, len(clips))
        return sounds, reasons


def find_sounds(run: Path) -> SoundFiles:
    """Find the recordings that a run was made from; a page without them is a page as well."""
    data = str(read_environment(run).get("data", ""))
    try:
        found = find_clips(Path(data)).clips if data else []
    except (DataError, OSError):
        found = []
    paths = {
        (as_text(each.machine_type), each.section, each.split, as_text(Path(each.path).name)): Path(
            each.path
        )
        for each in found
    }
    return SoundFiles(data, paths)


def embed(path: Path, seconds: float = MAX_SECONDS) -> Sound:
    """Code the first seconds of a recording for a page, mono.

    MP3 is the smallest form that Chromium, Firefox and Safari all play. Where the sound
    library cannot write it, FLAC, which they play as well, is three times as large.

    Raises:
        DataError: if the file cannot be used; the message says why.
    """
    is_mp3 = "MP3" in soundfile.available_formats()
    shown_hz = min(read_header(path).sample_rate_hz, HIGHEST_RATE_HZ)
    coded_hz = _MP3_RATE_HZ if is_mp3 else shown_hz
    waveform = read_audio(path, AudioConfig(coded_hz, "mean", "resample"))
    waveform = waveform[: int(seconds * coded_hz)].clip(-1.0, 1.0)
    coded = io.BytesIO()
    soundfile.write(coded, waveform, coded_hz, **(_MP3 if is_mp3 else _FLAC))
    text = base64.b64encode(coded.getvalue()).decode()
    return Sound(f"data:audio/{'mpeg' if is_mp3 else 'flac'};base64,{text}", shown_hz)


def by_importance(clips: pd.DataFrame, first: Iterable[str]) -> pd.DataFrame:
    """The order in which clips get their sounds.

    Those with the keys in `first` come first, in this order, then test clips, then training
    clips; machine types, sections and domains take turns.
    """
    rank = pd.Series({key: number for number, key in enumerate(dict.fromkeys(first))})
    places = ("split", "machine_type", "section", "domain")
    keys = [clips[name].astype("string").fillna("") for name in places]
    order = pd.DataFrame(
        {
            "rank": clips["key"].map(rank).fillna(len(rank)),
            "is_training": clips["split"] != "test",
            "turn": clips.groupby(keys).cumcount(),
        }
    )
    return clips.loc[order.sort_values(["rank", "is_training", "turn"], kind="stable").index]


def _embedded(clip: pd.Series, files: SoundFiles, seconds: float) -> Sound | str:
    """The sound of a clip, or why there is none."""
    path = files.of(clip)
    if path is None:
        return f"sound not found at {files.data}" if files.data else "sound not found"
    try:
        return embed(path, seconds)
    except DataError as error:
        return f"sound not readable: {error}"
