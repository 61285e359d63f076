"""Break the layers that hold a fitted scorer, and the part of a clip that is heard.

Run: `python benchmarks/mutate_scoring_layers.py` (some minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("dsp/precision.py", "dsp/test_precision.py"): {
        "single for good": ("_WORKING_DTYPE.reset(token)", "pass"),
    },
    ("layers/heard_part.py", "layers/test_heard_part.py"): {
        "ends swapped": ('self.keep == "end"', 'self.keep == "start"'),
        "end of a short clip": (
            "ops.maximum(samples - self.clip_length, 0)",
            "(samples - self.clip_length)",
        ),
        "last sample repeated": ("places % samples", "ops.minimum(places, samples - 1)"),
    },
    ("layers/unit_vectors.py", "layers/test_unit_vectors.py"): {
        "no least length": ("lengths < _LEAST_LENGTH", "lengths <= 0.0"),
        "length of all vectors": ("axis=-1, keepdims=True", "keepdims=True"),
    },
    ("layers/mixture_score.py", "layers/test_mixture_score.py"): {
        "weights with the wrong sign": ("- np.log(weights)", "+ np.log(weights)"),
        "worst component": ("ops.min(offsets", "ops.max(offsets"),
        "offset of another component": ("ops.cast(self.offset, dtype)", "self.offset[::-1]"),
    },
    ("layers/exemplar_distance.py", "layers/test_exemplar_distance.py"): {
        "last exemplar forgotten": (
            "range(0, self.num_exemplars, _BLOCK)",
            "range(0, max(1, self.num_exemplars - 1), _BLOCK)",
        ),
        "zeros at half the distance": (
            "_squared_distances(embeddings, exemplars) + missing",
            ("_squared_distances(embeddings, exemplars) + 0.0 * missing"),
        ),
        "cosine distance from a product": (
            "0.5 * (_squared_distances(embeddings, exemplars) + missing)",
            "1.0 - ops.matmul(embeddings, ops.transpose(exemplars))",
        ),
        "farthest exemplar by product": ("1.0 - ops.max(", "1.0 - ops.min("),
    },
    ("layers/mahalanobis_distance.py", "layers/test_mahalanobis_distance.py"): {
        "whitening transposed": (
            "ops.matmul(moments, factor)",
            ("ops.matmul(moments, ops.transpose(factor, (0, 2, 1)))"),
        ),
        "inverse from the wrong side": ("factor @ factor.T", "factor.T @ factor"),
        "farther covariance": ("ops.min(ops.sum(", "ops.max(ops.sum("),
    },
    ("layers/section_posterior_score.py", "layers/test_section_posterior_score.py"): {
        "last section": ("posteriors[..., self.section]", "posteriors[..., -1]"),
        "floor of single precision": ("np.float64).eps", "np.float32).eps"),
    },
    ("layers/gaussian_scores.py", "layers/test_gaussian_scores.py"): {
        "upper median": ("(count - 1) // 2", "count // 2"),
    },
    ("layers/fitted_weights.py", "layers/test_scoring_layers.py"): {
        "stored in single precision": ('dtype="float64"', 'dtype="float32"'),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
