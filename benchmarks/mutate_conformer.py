"""Break the conformer autoencoder, its masks, its Gaussian scorer and its schedule.

Run: `python benchmarks/mutate_conformer.py` (some minutes). Exit code 1 if a mutant survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("networks/conformer_block.py", "networks/test_conformer_block.py"): {
        "feed-forward not halved": (
            "x = frames + 0.5 * _feed_forward",
            "x = frames + 1.0 * _feed_forward",
        ),
        "gate and value swapped": (
            'x = ops.glu(layers.Dense(2 * width, name=f"{name}_gates")(x), axis=-1)',
            'x = ops.flip(layers.Dense(2 * width, name=f"{name}_gates")(x), axis=-1)\n'
            "    x = ops.flip(ops.glu(x, axis=-1), axis=-1)",
        ),
        "convolution hears the past only": ('padding="same"', 'padding="causal"'),
        "epsilon of the normalizations": ("_EPSILON = 1e-5", "_EPSILON = 1e-3"),
        "momentum of the batch normalization": ("_MOMENTUM = 0.9", "_MOMENTUM = 0.99"),
        "attention drops its weights": (
            'name=f"{name}_heads")',
            'name=f"{name}_heads", dropout=dropout)',
        ),
        "attention without dropout": (
            "(x, x)\n    return ResumableDropout(dropout,",
            "(x, x)\n    return layers.Dropout(0.0,",
        ),
        "relu in the feed-forward": (
            'activation="silu", name=f"{name}_expand"',
            'activation="relu", name=f"{name}_expand"',
        ),
        "no normalization at the end": ("return _layer_norm(x, name)", "return x"),
    },
    ("networks/conformer_autoencoder.py", "networks/test_conformer_autoencoder.py"): {
        "section before the rectifier": (
            'activation="relu", name="latent")(x)\n    latent = latent + _section_vector('
            "sections, num_sections, latent_dim)",
            'name="latent")(x)\n    latent = ops.relu(latent + _section_vector('
            "sections, num_sections, latent_dim))",
        ),
        "sections start alike": ("stddev=1.0", "stddev=0.05"),
    },
    ("layers/spec_augment.py", "layers/test_spec_augment.py"): {
        "widest mask never drawn": ("widest - narrowest + 1", "widest - narrowest"),
        "narrowest ignored": ("widths = narrowest + self", "widths = self"),
        "narrowest of the other axis": (
            "time_widths = (self.min_time_width,",
            "time_widths = (self.min_band_width,",
        ),
    },
    ("layers/masked_copies.py", "layers/test_masked_copies.py"): {
        "one seed for masks and dropout": ("seed=losses)", "seed=masks)"),
        "dropout not scaled": (
            "return ops.cast(keras.random.dropout(masked, self.dropout, seed=losses), dtype)",
            "return ops.cast(keras.random.dropout(masked, self.dropout, seed=losses) > 0, dtype)",
        ),
        "drawn where the graph is traced": (
            "initializer=self._drawn_factors,",
            'initializer=self._drawn_factors((self.num_copies, frames, bands), "float32"),',
        ),
        "narrowest masks swapped": (
            "min_time_width=self.min_time_width,\n            min_band_width=self.min_band_width,",
            "min_time_width=self.min_band_width,\n            min_band_width=self.min_time_width,",
        ),
    },
    ("layers/gaussian_scores.py", "layers/test_gaussian_scores.py"): {
        "whitening transposed": ("lower=True).T", "lower=True)"),
        "in single precision": (
            "ops.cast(errors, working_dtype())",
            'ops.cast(ops.cast(errors, "float32"), working_dtype())',
        ),
        "input rounded by the policy": ("(autocast=False, **kwargs)", "(**kwargs)"),
    },
    ("scorers/frame_gaussian.py", "scorers/test_frame_gaussian.py"): {
        "left out with the wrong sign": (
            "part.n_rows / n_rows * (whole.mean - part.mean)",
            "part.n_rows / n_rows * (part.mean - whole.mean)",
        ),
        "gap of the part forgotten": ("- part.within - between", "- part.within"),
        "unbiased": ("/ scatter.n_rows\n", "/ (scatter.n_rows - 1)\n"),
    },
    ("optimizers/noam.py", "optimizers/test_noam.py"): {
        "steps from 0": ('"float32") + 1.0', '"float32") + 1e-9'),
        "base ignored": ("return self.base *", "return"),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
