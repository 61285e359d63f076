"""Break the reading of pipes and the sliding window in known ways.

Run: `python benchmarks/mutate_stream.py` (about two minutes). Exit code 1 if a mutant survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("detector/pcm_format.py", "detector/test_pcm.py"): {
        "what was looked at is lost": ("self._ahead[:most], self._ahead[most:]", 'b"", b""'),
        "a pipe that does not wait is at its end": ("while data is None:", "while False:"),
        "24 bits from the wrong end": ('"s24be": ("PCM_24", "BIG"', '"s24be": ("PCM_24", "LITTLE"'),
    },
    ("detector/pcm_header.py", "detector/test_pcm.py"): {
        "chunks of odd size are not padded": ("size + size % 2", "size"),
        "what a pipe announces is believed": ("0 < size < _SURELY_UNKNOWN_SIZE", "True"),
        "the long size is not read": (
            "return found, long_size or None if is_long",
            "return found, None if is_long",
        ),
        "code of extensible WAV": ("chunk[24:26]", "chunk[16:18]"),
        "RIFX in the order of RIFF": ('order = ">" if kind == b"RIFX" else "<"', 'order = "<"'),
        "one MP3 frame is enough": (
            "if length and _mp3_frame_length(head[length:]):",
            "if length or head[:2] == bytes([255, 255]):",
        ),
        "MP3 of low rates": (
            "samples_per_bit = 144 if version == 1 else 72",
            "samples_per_bit = 144",
        ),
    },
    ("detector/pcm.py", "detector/test_pcm.py"): {
        "a split sample is lost": (
            "_decoded(rest[:whole], pcm), rest[whole:]",
            '_decoded(rest[:whole], pcm), b""',
        ),
        "time stands still in a gap": ("num_taken += piece.num_samples", "num_taken += 0"),
        "the filter rings across a gap": (
            "end = resampler.resample_chunk(nothing, last=True)\n            resampler.clear()",
            "end = nothing",
        ),
        "the end stays in the filter": (
            "    end = resampler.resample_chunk(nothing, last=True)\n    if",
            "    end = nothing\n    if",
        ),
        "NaN passes": ("is_sound = _is_sound(channels)", "is_sound = True"),
        "a pause since the beginning": ("last_came = now\n", "last_came = last_came or now\n"),
        "the first channel for all": (
            "one_channel(Path(PLACE), channels, channel)",
            "channels[:, 0]",
        ),
    },
    ("detector/windows.py", "detector/test_stream.py"): {
        "sound goes across a gap": ("self._num_held = self._num_skipped = 0", "pass"),
        "lost samples do not count": ("self._position += gap.num_samples", "pass"),
        "the end is moved on": (
            "self._held[len(self._held) - self._num_held :]",
            "self._held[: self._num_held]",
        ),
        "windows share their memory": (
            "self._window(self._held.copy())",
            "self._window(self._held)",
        ),
        "the end is always heard": ("if self._is_any:", "if False:"),
        "a second is too short": ("self._num_held >= _LEAST_S", "self._num_held > _LEAST_S"),
    },
    ("detector/live.py", "detector/test_stream.py"): {
        "the newest is lost": (
            "self._pieces.popleft())\n                self._num_held -= num_oldest",
            "self._pieces.pop())\n                self._num_held -= num_oldest",
        ),
        "nothing is lost": ("while self._num_held > self._most_samples:", "while False:"),
        "the reader is left running": (
            "            if self._is_closed:\n                return False\n",
            "",
        ),
    },
    ("detector/stream.py", "detector/test_stream.py"): {
        "silence is scored": ("window.waveform.min() == window.waveform.max()", "False"),
        "lines are kept back": ("print(line, file=out, flush=True)", "print(line, file=out)"),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
