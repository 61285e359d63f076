"""Break the log-mel spectrogram, the magnitudes and the frame windows in known ways.

Run: `python benchmarks/mutate_front_ends.py` (some minutes). Exit code 1 if a mutant
survives. More of the log-mel spectrogram is in `mutate_wilkinghoff2021_parts.py`.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("layers/log_mel_spectrogram.py", "layers/test_log_mel_spectrogram.py"): {
        "floor never added": ('if self.floor_by == "addition"', "if False"),
        "floor always added": ('if self.floor_by == "addition"', "if True"),
        "default is to add": ('floor_by="maximum",', 'floor_by="addition",'),
        "unknown kind of floor not refused": ("if floor_by not in _FLOORS_BY", "if False"),
        "floor added in dB": (
            "decibels(bands + self.floor)",
            "decibels(ops.maximum(bands, self.floor)) + self.floor",
        ),
        "floor added to every bin": (
            "bands = ops.matmul(spectrogram, self.mel_filters)",
            "spectrogram = spectrogram + (self.floor if self.floor_by == 'addition' else 0)\n"
            "        bands = ops.matmul(spectrogram, self.mel_filters)",
        ),
    },
    ("layers/log_mel_spectrogram.py", "layers/test_agreement_with_librosa.py"): {
        "lower edge ignored": ("fmin=lower_hz", "fmin=0.0"),
        "always mirrored": ("self.pad_mode if self.centered", '"reflect" if self.centered'),
        "window always symmetric": ('sym=window == "symmetric"', "sym=True"),
        "filters rounded": (
            "ops.matmul(spectrogram, self.mel_filters)",
            "ops.matmul(spectrogram, np.round(2**17 * self.mel_filters) / 2**17)",
        ),
        "logarithm of half precision": (
            "return decibels(ops.maximum(bands, self.floor))",
            'return ops.cast(ops.cast(decibels(ops.maximum(bands, self.floor)), "float16"), '
            '"float32")',
        ),
    },
    ("layers/magnitude_spectrogram.py", "layers/test_agreement_with_librosa.py"): {
        "symmetric window": ("sym=False", "sym=True"),
        "hop ignored": ("self.window_values, self.hop_length)", "self.window_values, 512)"),
    },
    ("dsp/spectrograms.py", "layers/test_agreement_with_librosa.py"): {
        "spectrum starts above 0 Hz": (
            "_magnitude(ops.rfft(waveforms))[:, : samples // 2]",
            "_magnitude(ops.rfft(waveforms))[:, 1 : 1 + samples // 2]",
        ),
        "magnitude kept from 0": (
            "ops.sqrt(ops.square(real) + ops.square(imaginary))",
            "ops.sqrt(ops.square(real) + ops.square(imaginary) + 1e-6)",
        ),
    },
    ("layers/frame_windows.py", "layers/test_frame_windows.py"): {
        "hop ignored": ("0, behind_last, self.hop)", "0, behind_last, 1)"),
        "last window left out": (
            "- self.num_frames + 1, 0)",
            "- self.num_frames, 0)",
        ),
        "window in the wrong order": (
            "np.arange(self.num_frames)",
            "np.arange(self.num_frames)[::-1].copy()",
        ),
        "windows of bands": ("axis=1)\n\n", "axis=2)\n\n"),
        "windows behind the frames": (
            "firsts + np.arange(self.num_frames), axis=1)",
            "ops.transpose(firsts + np.arange(self.num_frames)), axis=1)",
        ),
        "default hop": ("hop=1,", "hop=2,"),
        "shape without the hop": ("(frames - self.num_frames) // self.hop", "frames - 5"),
        "short clip not refused": ("shape[1] < self.num_frames", "shape[1] < 0"),
        "clip of one window refused": ("shape[1] < self.num_frames", "shape[1] <= self.num_frames"),
        "short clip fails in a graph": (
            "ops.maximum(ops.shape(frames)[1] - self.num_frames + 1, 0)",
            "ops.shape(frames)[1] - self.num_frames + 1",
        ),
        "any number of axes": ("InputSpec(ndim=3)", "InputSpec(min_ndim=2)"),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
