"""Break the networks, the centroid loss and the optimizer of the binary classifier.

Run: `python benchmarks/mutate_binary_classifier.py` (some minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("networks/residual_networks.py", "networks/test_residual_networks.py"): {
        "strided layers padded on one side": ("if strides > 1 and size > 1:", "if False:"),
        "pooling without padding": ("(layers.ZeroPadding2D(1)(x))", "(x)"),
        "first group halves too": ("if group > 0 and number == 0", "if number == 0"),
        "stride in the first convolution of a bottleneck": (
            'f"{name}_first"))\n    residual = _convolved(residual, inner, 3, f"{name}_grouped", '
            "strides,",
            'f"{name}_first", strides))\n    residual = _convolved(residual, inner, 3, '
            'f"{name}_grouped",',
        ),
        "no groups": (", groups=_CARDINALITY)", ")"),
        "branches start as they are": (', gamma="zeros")\n    return', ")\n    return"),
        "truncated": ('"untruncated_normal"', '"truncated_normal"'),
        "epsilon of Keras": ("epsilon=1e-5", "epsilon=1e-3"),
    },
    ("networks/efficientnet_b3.py", "networks/test_efficientnet_b3.py"): {
        "pixels": ("(*_FOR_PIXELS, keras.layers.Dropout)", "keras.layers.Dropout"),
        "stochastic depth": ("(*_FOR_PIXELS, keras.layers.Dropout)", "_FOR_PIXELS"),
    },
    ("losses/double_centroids.py", "losses/test_double_centroids.py"): {
        "gradient through the centroids": ("ops.stop_gradient(embeddings)", "embeddings"),
        "distances to the centroids before the batch": (
            "            self.centroids.assign(centroids)",
            "            before = 1.0 * self.centroids\n"
            "            self.centroids.assign(centroids)\n"
            "            centroids = before",
        ),
        "moves in validation": ("        if training:", "        if True:"),
        "own distance pushed": (
            "ops.flip(is_met / (distances + self.epsilon), axis=1)",
            "is_met / (distances + self.epsilon)",
        ),
        "momentum of the batch": (
            "self.momentum * self.is_met, 1.0",
            "(1.0 - self.momentum) * self.is_met, 1.0",
        ),
        "first batch moves from zero": ("self.momentum * self.is_met", "self.momentum"),
        "unmet classes count": (
            "is_met * (distances + self.epsilon) + pushes",
            "distances + self.epsilon + pushes",
        ),
        "rounding is a class": ("> _LEAST_SHARE", "> 0.0"),
        "within and between swapped": ('name="within"', 'name="between "'),
    },
    ("optimizers/half_cosines.py", "optimizers/test_one_cycle.py"): {
        "peak a step late": (
            "= warmup_fraction * total_steps - 1",
            "= warmup_fraction * total_steps",
        ),
        "straight lines": (
            "ops.square(ops.sin(quarter_turn * (end - step)))",
            "(end - step) / (end - start)",
        ),
        "goes on behind the end": ("ops.minimum(step, float(end))", "step"),
    },
    ("optimizers/one_cycle.py", "optimizers/test_one_cycle.py"): {
        "beta_1 follows the rate": (
            "values = (least, most, least)",
            "values = (most, least, most)",
        ),
        "all learn fast": ("if self.learns_fast[index]", "if True"),
        "epsilon in the raw root": (
            "(ops.sqrt(square / square_share) + self.epsilon)",
            "((ops.sqrt(square) + self.epsilon) / ops.sqrt(square_share))",
        ),
        "no correction of the mean": ("(mean / mean_share)", "mean"),
        "step counted from zero": ("self.iterations + 1", "ops.maximum(self.iterations, 1)"),
        "part of a name": ('in variable.path.split("/")', "in variable.path"),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
