"""Break the part of a report that is heard in known ways.

Run: `python benchmarks/mutate_clip_section.py` (some minutes; needs Chromium and playwright).
Exit code 1 if a mutant survives.
"""

import os
import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("report/clip_choice.py", "report/test_clip_choice.py"): {
        "the least anomalous": (
            "sort_values(column, ascending=False",
            "sort_values(column, ascending=True",
        ),
        "margins without a scale": ("trial.thresholds) / spread", "trial.thresholds)"),
        "the answer in place of what is compared": ("[scores.decision_score]", "[scores.answer]"),
        "always the first trial": ("scores.trials.get(seed, next", "scores.trials.get(None, next"),
        "training clips are chosen": ('(clips["split"] == "test") & np', "np"),
        "clips without a label are wrong": ("labels.notna() & (", "(labels.isna() | "),
        "false alarms first": (
            "(wrong[is_missed], wrong[~is_missed])",
            "(wrong[~is_missed], wrong[is_missed])",
        ),
        "the least wrong first": (
            'distance=wrong["margin"].abs()',
            'distance=-wrong["margin"].abs()',
        ),
        "keys that forget the dataset": (
            '("dataset", "machine_type", "section", "domain"',
            '("machine_type", "section", "domain"',
        ),
    },
    ("report/clip_sounds.py", "report/test_clip_sounds.py"): {
        "sounds of another split": (
            "clip.section, clip.split, Path(clip.path).name): Path",
            'clip.section, "test", Path(clip.path).name): Path',
        ),
        "the whole recording": ("[: int(MAX_SECONDS * coded_hz)]", "[:]"),
        "loud parts are cut off": ("clip(-1.0, 1.0)", "clip(-0.1, 0.1)"),
        "coded at 16 kHz": ("_MP3_RATE_HZ = 22050", "_MP3_RATE_HZ = 16000"),
        "shown up to the rate of the file": (
            "min(read_header(path).sample_rate_hz, HIGHEST_RATE_HZ)",
            "read_header(path).sample_rate_hz",
        ),
        "more than fit": ("if left < 0:", "if left < -100_000:"),
        "the first run takes all": ("self.bytes_left // max(self.num_runs, 1)", "self.bytes_left"),
        "sounds twice": ("None if key in self.keys else _embedded", "_embedded"),
        "an unreadable file ends the page": (
            "except DataError as error:",
            "except KeyError as error:",
        ),
        "one machine type after the other": ("clips.groupby(keys).cumcount()", "0"),
        "training clips before test clips": (
            'clips["split"] != "test"',
            'clips["split"] == "test"',
        ),
    },
    ("report/clip_section.py", "report/test_clip_section.py"): {
        "below is above": ('"above" if difference > 0', '"above" if difference < 0'),
        "and is but": ('"and" if label == decision', '"and" if label != decision'),
        "data end at the first tag": ('.replace("<", "\\\\u003c")', ""),
        "sounds of cards once more": ("if key not in cards.done}", "}"),
        "no reason": ("self.reasons.get(key, _LEFT_OUT)", "_LEFT_OUT"),
    },
    ("report/map_panels.py", "report/test_map_panels.py"): {
        "keys of other clips": ("key=keys[row]", "key=keys[-row]"),
    },
    ("report/clip_script.py", "report/test_page_in_browser.py"): {
        "spectrogram upside down": ("(numBins - 1 - bin) * numFrames", "bin * numFrames"),
        "a transform that is none": ("2 * Math.PI * k / size), sine", "Math.PI * k / size), sine"),
        "no window": ("0.5 - 0.5 * Math.cos(2 * Math.PI * n / WINDOW)", "1"),
        "decibels of amplitudes": ("10 * Math.log10(", "20 * Math.log10("),
        "drawn at once": ("if (!isIntersecting) continue;", ""),
        "focus is lost": ("if (hadFocus && cameFrom)", "if (false)"),
        "rings in one panel": (
            "for (const each of marksOf.get(key)) ring",
            "for (const each of [mark]) ring",
        ),
        "right is left": (
            "ArrowLeft: [-1, 0], ArrowRight: [1, 0]",
            "ArrowLeft: [1, 0], ArrowRight: [-1, 0]",
        ),
        "a finger finds nothing": (" || markNear(svg, marks, event)", ""),
        "the mark stays below the player": ("if (hidden > 0) scrollBy", "if (false) scrollBy"),
        "only the last run is told": ("if (!clips.has(key)) clips.set", "clips.set"),
        "the second card stays silent": ("if (sound && !player.dataset.rate)", "if (false)"),
        "the tooltip stays": (
            'svg.addEventListener("pointerout", () => { tip.hidden = true; });',
            "",
        ),
        "something is fetched": (
            "const players = readPage();",
            'const players = readPage(); fetch("https://example.org/a").catch(() => {});',
        ),
    },
}

if __name__ == "__main__":
    os.environ["PYTEST_ADDOPTS"] = '-m "slow or not slow"'  # Those in the browser are slow.
    wanted = sys.argv[1:]  # Names of files; all if none is given.
    sys.exit(
        try_changes(
            {
                place: mistakes
                for place, mistakes in _CHANGES.items()
                if not wanted or place[0].rsplit("/", 1)[-1] in wanted
            }
        )
    )
