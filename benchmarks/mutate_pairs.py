"""Break pairs of windows, moments of frames and neighbors of a section in known ways.

Run: `python benchmarks/mutate_pairs.py` (some minutes). Exit code 1 if a mutant survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("data/pipeline.py", "data/test_pair_batches.py"): {
        "one order for both": ("in tf.unstack(split_seed(seed, 2))", "in [seed, seed]"),
        "seed of pairs ignored": (
            "windows, groups, folded_seed(seed, epoch, 0))",
            "windows, groups, folded_seed(0, epoch, 0))",
        ),
        "pairs of the first epoch": (
            "windows, groups, folded_seed(seed, epoch, 0))",
            "windows, groups, folded_seed(seed, tf.zeros_like(epoch), 0))",
        ),
        "groups ignored": (
            "if groups is None:\n        return firsts",
            "if True:\n        return firsts",
        ),
        "groups of windows": (
            "tf.argsort(tf.gather(groups, order // windows.per_clip))",
            "tf.argsort(tf.gather(groups, order % len(groups)))",
        ),
        "places of the groups not turned round": (
            "places = tf.math.invert_permutation(by_group[0])",
            "places = by_group[0]",
        ),
        "the same weights in each epoch": (
            "beta_weights(folded_seed(seed, epoch, step + 1)",
            "beta_weights(folded_seed(seed, tf.zeros_like(epoch), step + 1)",
        ),
        "the same weights in each step": (
            "beta_weights(folded_seed(seed, epoch, step + 1)",
            "beta_weights(folded_seed(seed, epoch, 1)",
        ),
        "one weight per batch": ("shape = [2, tf.size(positions), 1]", "shape = [2, 1, 1]"),
        "uniform weights": ("draws[0] / (draws[0] + draws[1])", "draws[0] / (draws[0] + 1.0)"),
        "rounded gamma draws": (
            "tf.constant(alpha, tf.float64), dtype=tf.float64)",
            "tf.constant(alpha, tf.float32), dtype=tf.float32)",
        ),
        "windows mixed the other way round": (
            "mixed = _between(first, second,",
            "mixed = _between(second, first,",
        ),
        "classes mixed the other way round": (
            "_between(*classes, weights)",
            "_between(*classes, 1.0 - weights)",
        ),
        "class of another clip": (
            "one_hot(labels, indices // windows.per_clip) for",
            "one_hot(labels, indices % windows.per_clip) for",
        ),
        "last pairs dropped": ("if not drop_remainder:", "if False:"),
        "last pairs kept": ("if not drop_remainder:", "if True:"),
        "last pairs mismatched": ("_slices(seconds[:num_met]", "_slices(seconds[-num_met:]"),
        "single windows kept": ("_slices(order[:num_met]", "_slices(order"),
        "one batch is too few": ("if count < batch_size:", "if count <= batch_size:"),
        "bare inputs": ("return (inputs,)", "return inputs, inputs"),
    },
    ("data/frames.py", "data/test_frames.py"): {
        "sample variance": ("squares / num_frames", "squares / (num_frames - 1)"),
        "means of blocks not joined": (" + shift**2 * num_seen * share", ""),
        "every block counts the same": ("len(block) / (num_seen + len(block))", "0.5"),
        "everything at once": ("max(1, _VALUES_AT_ONCE // self.num_bands)", "num_frames"),
        "squares in float32": ("block.mean(axis=0, dtype=np.float64)", "block.mean(axis=0)"),
    },
    ("scorers/section_neighbors.py", "scorers/test_section_neighbors.py"): {
        "training clips compared with themselves": (
            "scorer.leave_self_out()",
            "scorer.anomaly_score(embeddings[training])",
        ),
        "neighbors of all sections": ("sections == section", "sections == sections"),
        "neighbors among test clips": (
            "fit(embeddings[training])",
            "fit(embeddings[is_here])",
        ),
        "one training clip is enough": ("len(training) < 2:", "len(training) < 1:"),
        "always by the angle": ("NearestNeighborScorer(metric)", "NearestNeighborScorer()"),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
