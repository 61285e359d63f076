"""Break the front end, mixup, network and scorers of wilkinghoff2021 in known ways.

Run: `python benchmarks/mutate_wilkinghoff2021_parts.py` (some minutes). Exit code 1 if a
mutant survives.
"""

import sys

from mutants import try_changes

_NETWORK = "networks/wilkinghoff_resnet.py"
_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    (_NETWORK, "networks"): {
        "batch normalization before the activation": (
            "residual = _normalization(_activation(residual))",
            "residual = _activation(_normalization(residual))",
        ),
        "batch normalization before the activation in the stem": (
            "x = _normalization(_activation(x))",
            "x = _activation(_normalization(x))",
        ),
        "first pooling keeps the border": (
            "MaxPooling2D(3, strides=2)",
            'MaxPooling2D(3, strides=2, padding="same")',
        ),
        "no batch normalization after the addition": (
            "return _normalization(layers.Add()([shortcut, residual]))",
            "return layers.Add()([shortcut, residual])",
        ),
        "first stage halves too": ("is_halving=stage > 0 and unit == 0", "is_halving=unit == 0"),
        "pooling in place of the stride": (
            "strides=2 if is_halving else 1\n    )",
            "strides=1\n    )\n    residual = layers.MaxPooling2D(2, padding='same')(residual)"
            " if is_halving else residual",
        ),
        "mean over time": ("ops.max(x, axis=1)", "ops.mean(x, axis=1)"),
        "maximum over bands": ("ops.max(x, axis=1)", "ops.max(x, axis=2)"),
        "slope of the activation": ("negative_slope=0.1", "negative_slope=0.3"),
        "epsilon of the normalization": ("epsilon=1e-3", "epsilon=1e-5"),
        "momentum of the normalization": ("momentum=0.99", "momentum=0.9"),
        "decay on biases": (
            "kernel_regularizer=keras.regularizers.L2(weight_decay),\n    )(x)",
            "kernel_regularizer=keras.regularizers.L2(weight_decay),\n"
            "        bias_regularizer=keras.regularizers.L2(weight_decay),\n    )(x)",
        ),
        "no decay on the embedding": (
            'embedding_dim, kernel_regularizer=keras.regularizers.L2(weight_decay), name="e',
            'embedding_dim, name="e',
        ),
    },
    ("layers/log_mel_spectrogram.py", "layers"): {
        "periodic window": ('sym=window == "symmetric"', "sym=False"),
        "windows swapped": ('window == "symmetric"', 'window == "periodic"'),
        "HTK scale": ("n_mels=num_mel_bins,", "n_mels=num_mel_bins, htk=True,"),
        "filters of equal height": ("n_mels=num_mel_bins,", "n_mels=num_mel_bins, norm=None,"),
        "band ignored": ("fmax=upper_hz", "fmax=sample_rate_hz / 2"),
        "floor ignored": (", self.floor)", ", 1e-10)"),
        "half precision": (
            "super().__init__(autocast=False, **kwargs)",
            "super().__init__(**kwargs)",
        ),
    },
    ("dsp/spectrograms.py", "dsp/test_spectrograms.py"): {
        "magnitude": (
            "return ops.square(real) + ops.square(imaginary)",
            "return ops.sqrt(ops.square(real) + ops.square(imaginary))",
        ),
        "always mirrored": ("mode=pad_mode", 'mode="reflect"'),
        "twenty logarithms": ("return 10.0", "return 20.0"),
        "short clip not refused": ("samples <= window", "samples < window"),
    },
    ("layers/mix_with_reversed.py", "layers"): {
        "mixes outside training": ("if not training:", "if False:"),
        "never mixes": ("if not training:", "if True:"),
        "weights in the wrong order": ("weight = ops.", "weight = 1.0 - ops."),
        "partner along another axis": ("axis=0", "axis=1"),
    },
    ("data/mixup.py", "data/test_mixup.py"): {
        "partner is the neighbor": ("values[::-1]", "values[list(range(1, len(values))) + [0]]"),
        "weights swapped": (
            "weights * values + (1.0 - weights) * values[::-1]",
            "(1.0 - weights) * values + weights * values[::-1]",
        ),
        "probability turned round": ("is_mixed = 0.0 **", "is_mixed = 1.0 - 0.0 **"),
        "probability ignored": ("is_mixed = 0.0 **", "is_mixed = 1.0 + 0.0 *"),
        "minimum of labels": ("abs(own - partner)", "-abs(own - partner)"),
        "never mixed forgotten": ("if probability == 0.0:", "if False:"),
    },
    ("scorers/gaussians.py", "scorers/test_gaussians.py"): {
        "component weights left out": ("likelihoods = likelihoods + np.log", "np.log"),
        "mean over components": ("likelihoods.max(axis=1)", "likelihoods.mean(axis=1)"),
        "sign": ("return -likelihoods", "return likelihoods"),
        "determinant halved": ("2.0 * np.log(np.diagonal", "np.log(np.diagonal"),
        "wrong factor": ("(lower, (emb", "(lower.T, (emb"),
    },
    ("scorers/gaussian_mixture.py", "scorers/test_gaussian_mixture.py"): {
        "sample covariance": ("/ len(embeddings) + reg", "/ (len(embeddings) - 1) + reg"),
        "regularization forgotten": ("reg_covar * np.eye(embeddings", "1e-3 * np.eye(embeddings"),
        "too many components": ("min(self.n_components, len(embeddings))", "self.n_components"),
        "means do not start at the clips": ("means_init = embeddings\n", "means_init = None\n"),
        "given means ignored": ("means_init=means_init,", "means_init=None,"),
        "seed ignored": ("random_state=random_state,\n    )", "random_state=0,\n    )"),
        "weights ignored by the scorer": (
            "self.covariances_, self.component_weights",
            "self.covariances_, True",
        ),
        "unequal weights in closed form": ("1.0 / n_clips", "1.0"),
        "identical clips fitted": (" or has_identical_clips", ""),
        "target always fitted": ('self.model == "closed_form" or has', "has"),
        "convergence not recorded": ("bool(mixture.converged_)", "True"),
    },
    ("scorers/thresholds.py", "scorers/test_thresholds.py"): {
        "largest score": ("np.percentile(scores, percentile)", "scores.max()"),
        "nearest score": ("percentile))", 'percentile, method="nearest"))'),
        "other side": (
            "np.percentile(scores, percentile)",
            "np.percentile(scores, 100 - percentile)",
        ),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
