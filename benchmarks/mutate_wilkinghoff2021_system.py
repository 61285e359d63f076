"""Break the batches, the scores and the thresholds of wilkinghoff2021 in known ways.

Run: `python benchmarks/mutate_wilkinghoff2021_system.py` (some minutes). Exit code 1 if a
mutant survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("systems/wilkinghoff2021.py", "systems"): {
        "valve term left out": (' + terms["tmax"].fillna(0.0)', ""),
        "valve term on the target domain": (
            '(terms["section"] + terms["target"])',
            '(terms["section"] + terms["target"] + terms["tmax"].fillna(0.0))',
        ),
        "target clips scored by attributes": (
            '(terms["section"] + terms["target"])',
            '(terms["section"] + terms["attributes"])',
        ),
        "unlikelier of attributes and target": ("np.fmin(terms", "np.fmax(terms"),
        "target decisions on the full score": (
            'decision=terms["section"].where(is_target, combined)',
            "decision=combined",
        ),
        "threshold per machine type": (
            'table.groupby(["machine_type", "section"])',
            'table.groupby(["machine_type"])',
        ),
        "threshold over all domains": ("if len(normal)\n", "if False\n"),
        "threshold of the unknown domain from decisions": (
            'columns.loc[training.index, "unknown_domain"]',
            'columns.loc[training.index, "decision"]',
        ),
        "embeddings of any length": (
            'normalize(part.clips[f"embedding_epoch{epoch}"].astype("float64"))',
            'part.clips[f"embedding_epoch{epoch}"].astype("float64")',
        ),
        "statistics over clips": (
            "frames = frames.reshape(-1, frames.shape[-1])",
            "frames = frames.mean(axis=1)",
        ),
        "silent band blown up": ("variance > _SMALLEST_VARIANCE", "variance > -1"),
        "scores of the last epoch only": ("sum(by_epoch.values())", "list(by_epoch.values())[-1]"),
        "valve term for every machine": ("in config.tmax_machines", "is not None"),
    },
    ("scorers/section_mixtures.py", "scorers"): {
        "unlikeliest attribute": ("np.min([scorer", "np.max([scorer"),
        "attributes on all clips": ("embeddings[chosen], means", "embeddings, means"),
        "section means ignored": ("fit(embeddings, section_means)", "fit(embeddings, None)"),
        "seed ignored": ("check_random_state(self.random_state)", "check_random_state(None)"),
        "weights ignored by the target": (
            "component_weights=self.component_weights,\n                random_state",
            "component_weights=True,\n                random_state",
        ),
    },
    ("data/pipeline.py", "data/test_pipeline.py"): {
        "every epoch alike": (
            "tf.constant(seed, tf.int64), epoch]",
            "tf.constant(seed, tf.int64), 0]",
        ),
        "every step mixed alike": (
            "folded_seed(seed, epoch, step + 1)",
            "folded_seed(seed, epoch, 1)",
        ),
        "seed ignored": ("tf.constant(seed, tf.int64)", "tf.constant(0, tf.int64)"),
        "starts over after a resume": (
            "Dataset.range(first_epoch, epochs).flat_map(epoch_steps)\n",
            "Dataset.range(epochs).flat_map(epoch_steps)\n",
        ),
        "labels not mixed": (
            "mix_labels(each, weights, mixup.labels)",
            "each",
        ),
        "labels mixed with other weights": (
            "mix_labels(each, weights, mixup.labels)",
            "mix_labels(each, 1.0 - weights, mixup.labels)",
        ),
        "parts mixed beyond their clip": ("part[:] = mix(part, weights)", "part[:] = part"),
        "batches in any order": ("deterministic=True", "deterministic=False"),
        "waveforms mixed twice": ("tf.ones_like(weights)", "weights"),
        "waveforms not mixed": ("_mix_in_place(waveforms, *weights)", "pass"),
        "no shuffling": (
            "order = tf.random.experimental.stateless_shuffle(\n"
            "            tf.range(num_clips, dtype=tf.int64), folded_seed(seed, epoch, 0)\n"
            "        )",
            "order = tf.range(num_clips, dtype=tf.int64)",
        ),
        "small batch dropped": (
            "from_tensor_slices(order).batch(batch_size)",
            "from_tensor_slices(order).batch(batch_size, drop_remainder=True)",
        ),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
