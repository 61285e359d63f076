"""Break step orders, outlier batches, front end and stored moments in known ways.

Run: `python benchmarks/mutate_outlier_batches.py` (some minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("data/step_orders.py", "data/test_step_orders.py"): {
        "one order for all passes": ("seed, stream, number)", "seed, stream, 0 * number)"),
        "one order for all streams": ("folded_seed(seed, stream,", "folded_seed(seed, 0,"),
        "resumed at the start of a pass": (".skip(num_met)", ".skip(0)"),
        "passes too few": ("-(-steps * batch_size // len(candidates))", "steps"),
    },
    ("data/sequence_batches.py", "data/test_sequence_batches.py"): {
        "section of another clip": ("ops.take(sections, clips)", "ops.take(sections, clips[::-1])"),
    },
    ("data/waveform_noise.py", "data/test_waveform_noise.py"): {
        "peak of the positive half": ("ops.max(ops.abs(each)", "ops.max((each)"),
        "ratio of powers": ("decibels / 20.0", "decibels / 10.0"),
        "one draw decides on both": (
            "draw_uniform(seeds[4], clips)",
            "draw_uniform(seeds[3], clips)",
        ),
        "level decides on the noise": (
            "draw_uniform(seeds[3], clips)",
            "draw_uniform(seeds[1], clips)",
        ),
    },
    ("data/outlier_batches.py", "data/test_outlier_batches.py"): {
        "one sample late": ("- self.window_length // 2", "- self.window_length // 2 + 1"),
        "last place never": ("num_frames - self.num_frames + 1", "num_frames - self.num_frames"),
        "padding normalized": ('if crop.pad_mode == "constant":', "if False:"),
        "mean of another clip": (
            "self.mean, np.float32)[positions,",
            "self.mean, np.float32)[positions[::-1],",
        ),
        "the same draws in each step": ("_DRAWS, step)", "_DRAWS, 0 * step)"),
        "draws of a step tied to an order": (
            "_DRAWS = range(4)",
            "_DRAWS = (0, 0, 1, 2)",
        ),
        "weights turned round": (
            "weights * crops[len(labels) : batch_size] + (1.0 - weights) * crops[batch_size:]",
            "(1.0 - weights) * crops[len(labels) : batch_size] + weights * crops[batch_size:]",
        ),
        "label not mixed": ("weights + (1.0 - weights) * labels_of_others", "0.0 * weights + 1.0"),
        "classes of the others swapped": (
            "ops.where(is_positive[:, 0], *of_classes)",
            "ops.where(is_positive[:, 0], *of_classes[::-1])",
        ),
        "always mixed": (
            "(seeds[0], targets) < 0.5\n    return",
            "(seeds[0], targets) < 1.5\n    return",
        ),
        "one seed for others and weights": ("_weights(seeds[3],", "_weights(seeds[2],"),
    },
    ("data/store_moments.py", "data/test_store_moments.py"): {
        "spread of the means left out": ("np.sum(squares) + between", "np.sum(squares)"),
        "every set counts the same": (
            "np.dot(weights, distances) / weights.sum()",
            "distances.mean()",
        ),
        "nobody waits": ("fcntl.flock(file, fcntl.LOCK_EX)", "pass"),
        "foreign shape taken": ("moments.shape == unknown.shape and", ""),
    },
    ("layers/spread_windows.py", "layers/test_spread_windows.py"): {
        "last window not at the end": ("starts[-1] = room", "pass"),
    },
    ("layers/log_mel_spectrogram.py", "layers/test_log_mel_spectrogram.py"): {
        "always centered": ("self.pad_mode if self.centered else None", "self.pad_mode"),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
