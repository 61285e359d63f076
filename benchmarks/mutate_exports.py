"""Break the transforms by matrix products and the check of exports in known ways.

Run: `python benchmarks/mutate_exports.py` (some minutes). Exit code 1 if a mutant survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("dsp/fourier.py", "dsp/test_fourier.py"): {
        "sign of the sines": (
            "np.concatenate([cosines, -sines])",
            "np.concatenate([cosines, sines])",
        ),
        "sign of the conjugates": ("zip(parts, (1.0, -1.0)", "zip(parts, (1.0, 1.0)"),
        "conjugates not turned round": (
            "ops.flip(others, axis=(1, 2))",
            "ops.flip(others, axis=1)",
        ),
        "twiddle factors turned the other way": (
            "real * cosines + imaginary * sines, imaginary * cosines - real * sines",
            "real * cosines - imaginary * sines, imaginary * cosines + real * sines",
        ),
        "complex matrix transposed": (
            "[[cosines, sines], [-sines, cosines]]",
            "[[cosines, -sines], [sines, cosines]]",
        ),
        "bins of a complex transform in the wrong order": (
            "ops.reshape(ops.transpose(part, (0, 2, 1)), (-1, length)) for part",
            "ops.reshape(part, (-1, length)) for part",
        ),
        "angles of large squares": (
            "(np.arange(length, dtype=object) ** 2 % (2 * length))",
            "(np.arange(length, dtype='float32') ** 2)",
        ),
        "convolution too short": (
            "_convenient_length(length + num_bins - 1)",
            "_convenient_length(length)",
        ),
        "constants in half precision": (
            "values.astype(keras",
            "values.astype('float16').astype(keras",
        ),
        "always by matrices": ("default=False", "default=True"),
        "stays by matrices": ("_BY_MATRICES.reset(token)", "pass"),
        "window left out": (" * ops.cast(window, waveforms.dtype))", ")"),
        "hop of a piece": ("behind_last, hop_length // size)", "behind_last, 1)"),
        "last frame left out": (
            "behind_last = num_pieces - length // size + 1",
            "behind_last = num_pieces - length // size",
        ),
    },
    ("detector/export_check.py", "detector/test_export_check.py"): {
        "relative to the score alone": (
            "np.maximum(np.abs(scores), abs(machine.threshold))",
            "np.abs(scores)",
        ),
        "nan agrees": ("if not relative <= TOLERANCE", "if relative > TOLERANCE"),
        "decisions not compared": ("if np.any(is_other & ~is_near)", "if False"),
        "every difference of decisions matters": ("is_other & ~is_near", "is_other"),
        "last length only": ("return max(differences)", "return differences[-1]"),
        "longest clip not heard": (", (heard * 3 // 2, 1)):", "):"),
        "largest value of the batch": (".max(axis=1, keepdims=True)", ".max()"),
        "smallest tolerance forgotten": ("TOLERANCE = 1e-4", "TOLERANCE = 1e-3"),
    },
    ("detector/exports.py", "detector/test_exports.py"): {
        "not checked": (
            "check_agreement(as_numpy_function(model), exported, machine)",
            "0.0",
        ),
        "another folder replaced": ("path.exists() and not is_saved_model", "False"),
    },
    ("detector/export_formats.py", "detector/test_exports.py"): {
        "double precision in LiteRT": (
            "with single_precision(), matrix_products",
            "with matrix_products",
        ),
        "outputs in another order": ("sorted(function", "reversed(function"),
        "transform in ONNX": (
            "    with matrix_products():\n        function",
            "    with contextlib.nullcontext():\n        function",
        ),
        "training": ("training=False", "training=True"),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
