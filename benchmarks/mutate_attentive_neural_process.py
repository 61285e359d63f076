"""Break the attentive neural process, its points, its loss and its scores in known ways.

Run: `python benchmarks/mutate_attentive_neural_process.py` (some minutes). Exit code 1 if a
mutant survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("layers/window_points.py", "layers/test_window_points.py"): {
        "frequency before time": ('indexing="ij")', 'indexing="ij")[::-1]'),
        "places from 0": ("linspace(-1.0", "linspace(0.0"),
    },
    ("layers/random_points.py", "layers/test_random_points.py"): {
        "one choice for all windows": ("default_rng([self.seed, k])", "default_rng(self.seed)"),
    },
    ("losses/negative_evidence.py", "losses/test_negative_evidence.py"): {
        "sign of the deviation": ("+ ops.log(deviation)", "- ops.log(deviation)"),
        "divergence the other way round": (
            "gaussian_divergence(posterior, prior)",
            "gaussian_divergence(prior, posterior)",
        ),
        "divergence as if once per target": (" / values.shape[1]", ""),
        "mean over the latent": ("ops.sum(terms", "ops.mean(terms"),
    },
    ("networks/attentive_neural_process.py", "networks/test_attentive_neural_process.py"): {
        "no residual": ("(encoded + attended)", "(attended)"),
        "sum over the context": ("ops.mean(_dense_layers", "ops.sum(_dense_layers"),
        "keys read the values": ("context[..., :_NUM_COORDINATES]", "context[..., 1:]"),
        "keys and values swapped": ("(queries, encoded, keys)", "(queries, keys, encoded)"),
        "start of the attention": ("stddev=width**-0.5", "stddev=0.05"),
        "deviation not shrunk": ("+ (1.0 - _SMALLEST_DEVIATION) * spread", "+ spread"),
        "biases in the attention": ("use_bias=False", "use_bias=True"),
    },
    ("data/context_batches.py", "data/test_context_batches.py"): {
        "same draws every step": ("epoch, step + 1)", "epoch, 0 * step + 1)"),
        "one context for the batch": ("order[:, :size]", "order[:1, :size] + 0 * order[:, :size]"),
        "always the first window": ("windows.per_clip + starts", "windows.per_clip + 0 * starts"),
    },
    ("systems/venkatesh/anp.py", "systems/test_venkatesh_anp.py"): {
        "posterior of the context": (
            "process.latent_path(points), process.latent_path(known)",
            "process.latent_path(known), process.latent_path(points)",
        ),
        "worst predicted as context": ("argsort(first_pass", "argsort(-first_pass"),
        "context scored too": ("order[:, num_context:]", "order"),
        "prior's deviation as latent": ("[known, prior[..., 0]", "[known, prior[..., 1]"),
        "one direction of each partition": ("in _PARTITIONS\n    ]", "in _PARTITIONS[::2]\n    ]"),
        "levels not standardized": (
            'network.get_layer("standardized")(log_mel.output)',
            "log_mel.output",
        ),
        "seed of the first pass": ("(num_context, seed)", "(num_context, 0)"),
        "largest window": ('.mean(axis=1, dtype="float64")', ".max(axis=1)"),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
