"""Break the networks and the scorers of the official baselines in known ways.

Run: `python benchmarks/mutate_baseline_parts.py` (some minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_MAHALANOBIS_TESTS = "scorers/test_selective_mahalanobis.py"
_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("networks/baseline_autoencoder.py", "networks/test_baseline_autoencoder.py"): {
        "ReLU before the normalization": (
            "x = layers.BatchNormalization(momentum=0.99, epsilon=1e-3)(x)\n"
            "        x = layers.ReLU()(x)",
            "x = layers.ReLU()(x)\n"
            "        x = layers.BatchNormalization(momentum=0.99, epsilon=1e-3)(x)",
        ),
        "leaky ReLU": ("layers.ReLU()", "layers.ReLU(negative_slope=0.01)"),
        "epsilon of the normalization": ("epsilon=1e-3", "epsilon=1e-5"),
        "momentum of the normalization": ("momentum=0.99", "momentum=0.9"),
        "ReLU on the output": (
            "return layers.Dense(vectors.shape[-1])(x)",
            'return layers.Dense(vectors.shape[-1], activation="relu")(x)',
        ),
        "wider bottleneck": ("128, 8, 128", "128, 16, 128"),
    },
    ("networks/baseline_mobilenet_v2.py", "networks/test_baseline_mobilenet_v2.py"): {
        "frames and bands swapped": (
            "ops.expand_dims(windows, axis=-1)",
            "ops.expand_dims(ops.transpose(windows, (0, 2, 1)), axis=-1)",
        ),
        "window in one channel only": (
            "images = ops.repeat(ops.expand_dims(windows, axis=-1), 3, axis=-1)",
            "images = ops.pad(ops.expand_dims(windows, axis=-1), ((0, 0),) * 3 + ((0, 2),))",
        ),
        "width ignored": ("alpha=width", "alpha=0.5"),
        "full width by default": ("width=0.5", "width=1.0"),
        "logits": ("classes=num_classes", "classes=num_classes, classifier_activation=None"),
    },
    ("scorers/section_posterior.py", "scorers/test_section_posterior.py"): {
        "sign": (
            "np.log(others) - log_own if",
            "log_own - np.log(others) if",
        ),
        "forms swapped": ('if form == "log_odds" else', 'if form != "log_odds" else'),
        "2021 by default": ('form="log_odds")', 'form="released_2021")'),
        "floor of single precision": ("np.finfo(np.float64)", "np.finfo(np.float32)"),
        "no floor for the others": ("np.maximum(1.0 - own, _FLOOR)", "1.0 - own + 1e-300"),
        "median over windows": ("scores.mean(axis=1)", "np.median(scores, axis=1)"),
    },
    ("scorers/residual_scatter.py", _MAHALANOBIS_TESTS): {
        "rows not centered": ("centered = rows - mean", "centered = rows"),
        "only the last batch counts": ("scatter.within + within", "within"),
        "mean of means": ("len(rows) / n_rows * gap", "0.5 * gap"),
        "between batches forgotten": ("n_rows * np.outer(gap, gap)", "n_rows * 0"),
    },
    ("scorers/selective_mahalanobis.py", _MAHALANOBIS_TESTS): {
        "rows counted as vectors": ("scatter.within, scatter.n_v", "scatter.within, scatter.n_r"),
        "divided by the full number": ("total / (count - 1)", "total / count"),
        "domains swapped": ("residuals[~is_target])", "residuals[is_target])"),
        "larger term": ("np.fmin", "np.fmax"),
        "covariance not inverted": ("return np.linalg.inv(covariance)", "return covariance"),
        "target form from the source": (
            "self._lengths(residuals, self.precision_target_)",
            "self._lengths(residuals, self.precision_source_)",
        ),
        "singular covariance accepted": ("if not eigenvalues[0] >", "if False and 0 >"),
        "only an exactly singular one refused": (
            "_LEAST_EIGENVALUE * eigenvalues[-1]",
            "0.0 * eigenvalues[-1]",
        ),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
