"""Break LARS, VICReg and the divergence from mixed labels in known ways.

Run: `python benchmarks/mutate_vicreg.py` (some minutes). Exit code 1 if a mutant survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("optimizers/lars.py", "optimizers"): {
        "scalars scaled": ("len(variable.shape) <= 1", "len(variable.shape) == 1"),
        "everything scaled": (
            "not (self.exclude_one_dimensional and len(variable.shape) <= 1)",
            "True",
        ),
        "decay after the scaling": (
            "            step += self.coupled_weight_decay * values\n"
            "            step *= trust_ratio(values, step, self.trust_coefficient)\n",
            "            step *= trust_ratio(values, step, self.trust_coefficient)\n"
            "            step += self.coupled_weight_decay * values\n",
        ),
        "decay once more, decoupled": (
            "self.coupled_weight_decay = w",
            "self.coupled_weight_decay = self.weight_decay = w",
        ),
        "rate inside the buffer": (
            '        step += self.momentum * ops.cast(momentum, "float32")\n'
            "        self.assign(momentum, step)\n"
            '        self.assign_sub(variable, ops.cast(learning_rate, "float32") * step)\n',
            '        step *= ops.cast(learning_rate, "float32")\n'
            '        step += self.momentum * ops.cast(momentum, "float32")\n'
            "        self.assign(momentum, step)\n"
            "        self.assign_sub(variable, step)\n",
        ),
        "schedule counts part batches": (
            "self._learning_rate(self.iterations)",
            "self._learning_rate(self._iterations)",
        ),
        "weights of zero stay": ("length / divisor, 1.0)", "length / divisor, 0.0)"),
        "gradient of zero is not looked for": (
            "ops.logical_and(length > 0.0, step_length > 0.0)",
            "length > 0.0",
        ),
        "ratio upside down": (
            "trust_coefficient * length / divisor",
            "trust_coefficient * divisor / length",
        ),
        "norms in the precision of the weights": (
            'values = ops.cast(variable, "float32")\n'
            '        step = ops.cast(gradient, "float32")\n',
            "values = ops.convert_to_tensor(variable)\n        step = gradient\n",
        ),
        "momentum of 1 taken": ("0.0 <= momentum < 1.0", "0.0 <= momentum <= 1.0"),
        "a default in the config": (
            '"trust_coefficient": self.trust_coefficient',
            '"trust_coefficient": 0.001',
        ),
    },
    ("losses/vicreg.py", "losses/test_vicreg.py"): {
        "biased variance and covariance": (
            "ops.shape(embeddings)[0] - 1",
            "ops.shape(embeddings)[0]",
        ),
        "root of zero has its slope": (
            "ops.sqrt(ops.where(is_positive, variance, 1.0))",
            "ops.sqrt(variance)",
        ),
        "no hinge": ("ops.relu(1.0 - deviation)", "1.0 - deviation"),
        "variances count as covariances": (
            "covariances * (1.0 - ops.eye(dim, dtype=covariances.dtype))",
            "covariances",
        ),
        "covariance over pairs of clips": (
            "ops.matmul(ops.transpose(centered), centered)",
            "ops.matmul(centered, ops.transpose(centered))",
        ),
        "variance of both not halved": ("variance / 2.0", "variance"),
        "epsilon in the printed form": ("0.0 if is_printed", "1e-4 if is_printed"),
        "second batch forgotten": (
            "covariance_term(first) + covariance_term(second)",
            "2.0 * covariance_term(first)",
        ),
        "mixtures are not compared": ("if compared is None else compared", "if True else ()"),
        "the mixture is detached": (
            'squared_distance(first, second, "sum"',
            'squared_distance(first, ops.stop_gradient(second), "sum"',
        ),
        "forms exchanged": ('if form == "printed" else "mean"', 'if form != "printed" else "mean"'),
        "smaller batches logged as whole ones": (", sample_weight=ops.shape(first)[0]", ""),
        "half precision": (
            'first, second = ops.cast(first, "float32"), ops.cast(second, "float32")\n'
            "        invariance",
            "invariance",
        ),
        "consistency logged with its weight": (
            "consistency_metric.update_state(distance,",
            "consistency_metric.update_state(self.weight * distance,",
        ),
    },
    ("losses/mixed_divergence.py", "losses/test_mixed_divergence.py"): {
        "cross-entropy": ("(log_labels - ops", "(-ops"),
        "mean over the classes": ("ops.sum(y_true", "ops.mean(y_true"),
        "softmax, then the logarithm": (
            "ops.log_softmax(y_pred, axis=-1)",
            "ops.log(ops.softmax(y_pred, axis=-1))",
        ),
        "labels of zero": ("ops.where(y_true > 0.0, y_true, 1.0)", "y_true"),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
