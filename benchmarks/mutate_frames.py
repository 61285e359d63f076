"""Break stored frames, their batches, and the training on them in known ways.

Run: `python benchmarks/mutate_frames.py` (some minutes). Exit code 1 if a mutant survives.
"""

import sys

from mutants import try_changes

_TRAINING = "experiment/training.py"
_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("data/frames.py", "data/test_frames.py"): {
        "hop forgotten": ("places * self.hop", "places"),
        "clip and place swapped": (
            "clips, places = np.divmod",
            "places, clips = np.divmod",
        ),
        "one window too few": (
            "1 + (self.store.num_frames - self.num_frames) // self.hop",
            "(self.store.num_frames - self.num_frames) // self.hop or 1",
        ),
        "offset in values": ("self.num_bands * _VALUE_BYTES", "self.num_bands"),
        "cut-off file not seen": ("if num_bytes < values.nbytes:", "if num_bytes == 0:"),
        "only one write": ("while rest:", "if rest:"),
        "half a file is left": ("path.unlink(missing_ok=True)", "pass"),
        "too few clips not seen": ("num_written != num_clips", "num_written > num_clips"),
        "negative index": ("not 0 <= wanted.min()", "not -9 <= wanted.min()"),
    },
    ("data/pipeline.py", "data/test_window_batches.py"): {
        "the same order each epoch": (
            "stateless_shuffle(candidates, folded_seed(seed, epoch, 0))",
            "stateless_shuffle(candidates, folded_seed(seed, tf.zeros_like(epoch), 0))",
        ),
        "seed ignored": (
            "stateless_shuffle(candidates, folded_seed(seed, epoch, 0))",
            "stateless_shuffle(candidates, folded_seed(0, epoch, 0))",
        ),
        "held-out windows are trained with": ("(windows, holdout)[:count]", "(windows, holdout)"),
        "rounded, not floored": ("count = math.floor(", "count = round("),
        "training windows validate": (
            "[num_training_windows(windows, holdout) :]",
            "[: num_training_windows(windows, holdout)]",
        ),
        "drawn as if last": ('if holdout.which == "last":', "if True:"),
        "every draw the same": ("folded_seed(holdout.seed, tf", "folded_seed(0, tf"),
        "label of another clip": ("indices // windows.per_clip", "indices % windows.per_clip"),
        "last batch dropped": (
            "tf.size(order, tf.int64), batch_size)",
            "tf.size(order, tf.int64) // batch_size * batch_size, batch_size)",
        ),
    },
    (_TRAINING, "experiment/test_training.py"): {
        "frames stay": ("store.path.unlink(missing_ok=True)", "pass"),
        "frames in training mode": ("model, training=False)", "model, training=True)"),
        "first epoch recorded": ("self._last_epoch = epochs - 1", "self._last_epoch = 0"),
        "weights before what is recorded": (
            "def on_epoch_end(self, epoch, logs=None):\n        if self._is_last and self._names:",
            "def on_train_end(self, logs=None):\n        if self._is_last and self._names:",
        ),
        "validation may be infinite": ("if not math.isfinite(logs[name])", "if math.nan == 0"),
        "recorded names in the table": (" if name not in self._left_out", ""),
        "resumes at the start": ("batches(first_epoch),", "batches(0),"),
    },
    ("experiment/run.py", "experiment/test_run.py"): {
        "frames are not deleted": (", contextlib.closing(context):", ":"),
        "parts swapped or ignored": ("keys.append(_parts(table))", "pass"),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
