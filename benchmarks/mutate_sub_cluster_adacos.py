"""Break sub-cluster AdaCos and its loss in known ways; every mutant must be caught.

Run: `python benchmarks/mutate_sub_cluster_adacos.py` (about ten minutes). Exit code 1 if a
mutant survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("losses/sub_cluster_adacos.py", "losses/test_sub_cluster_adacos.py"): {
        "own class left out of the mean": (
            "batch_mean_of_sums(scale * cosines)",
            "batch_mean_of_sums("
            "scale * cosines - 1e9 * ops.cast(labels > 0, 'float32')[..., None])",
        ),
        "number of mixed labels left out": ("num_labels * ops.sum", "ops.sum"),
        "number of mixed labels fixed": (
            'ops.cast(ops.count_nonzero(labels, axis=-1), "float32")',
            "2.0",
        ),
        "labels ignored": ("ops.sum(labels * angles", "ops.sum(angles"),
        "labels tiled instead of repeated": (
            "angles = ops.sum(angles_of(cosines), axis=-1)",
            "angles = angles_of(cosines);"
            " angles = ops.reshape(angles, (-1, angles.shape[2], angles.shape[1]));"
            " angles = ops.sum(angles, axis=1)",
        ),
        "mean of angles": ("ops.sum(angles_of", "ops.mean(angles_of"),
        "cosine of the cap left out": (
            "log_mean_of_sums / ops.cos(capped_median(label_angles)) + 1e-7",
            "log_mean_of_sums * ops.cos(capped_median(label_angles)) + 1e-7",
        ),
        "gradient to nobody": (
            "return ops.logsumexp(scale * cosines, axis=-1)",
            "return ops.logsumexp(scale * ops.stop_gradient(cosines), axis=-1)",
        ),
        "best sub-cluster only": (
            "ops.logsumexp(scale * cosines, axis=-1)",
            "ops.max(scale * cosines, axis=-1)",
        ),
        "start value of the scale": ("num_centers - 1)", "num_centers)"),
        "centers fixed by default": ("trainable_centers=True", "trainable_centers=False"),
        "half precision": ('embeddings = ops.cast(embeddings, "float32")', "pass"),
    },
    ("losses/adaptive_scale.py", "losses/test_sub_cluster_adacos.py"): {
        "mean of the two middle angles": (
            "ops.take(ops.sort(angles), middle)",
            "ops.median(angles)",
        ),
        "upper middle angle": ("(num_angles - 1.0) / 2.0", "num_angles / 2.0"),
        "lower middle angle": ("ops.round((num", "ops.floor((num"),
        "angles not sorted": ("ops.sort(angles)", "angles"),
        "no cap": (
            "ops.minimum(ops.take(ops.sort(angles), middle), math.pi / 4)",
            "ops.take(ops.sort(angles), middle)",
        ),
        "cap at pi/3": ("math.pi / 4)", "math.pi / 3)"),
        "no clipping of cosines": ("ops.clip(cosines, -limit, limit)", "cosines"),
        "sum over the batch": (
            ' - ops.log(ops.cast(ops.shape(exponents)[0], "float32"))',
            "",
        ),
        "always adapts": ("if training and", "if"),
        "never adapts": ("if training and", "if False and"),
        "frozen layer does not adapt": ("if training and", "if training and self.trainable and"),
        "old scale for the batch": ("scale = self._keep(", "scale = 1.0 * scale; self._keep("),
        "scale not kept": ("        self.scale.assign(new_scale)\n", ""),
        "start without the floor": ("max(start, self.scale_floor)", "start"),
        "floor for the reference": ('self.scale_update != "reference"', "True"),
        "guard for the reference": (
            'if self.scale_update != "reference":\n            kept',
            "if True:\n            kept",
        ),
        "no ceiling": ("self.scale_ceiling)\n            kept", "1e9)\n            kept"),
        "no floor": ("ops.clip(new_scale, self.scale_floor", "ops.clip(new_scale, -1e9"),
        "infinite update kept": ("ops.isfinite(new_scale)", "True"),
        "clamped updates not counted": ("ops.cast(is_clamped", "0.0 * ops.cast(is_clamped"),
        "every update counted": ("ops.logical_not(ops.equal(kept, new_scale))", "True"),
        "fixed scale moves": ('self.scale_update != "fixed"', "True"),
        "centers always train": ("trainable=self.trainable_centers", "trainable=True"),
        "scale trains": ("trainable=False", "trainable=True"),
        "centers cast to half precision": (
            "autocast=False,\n            trainable=self",
            "trainable=self",
        ),
        "unit centers not by class": (
            "(self.num_classes, self._centers_per_class, -1)",
            "(self._centers_per_class, self.num_classes, -1)",
        ),
        "unit centers not scaled": ("unit_vectors(self.centers, axis=0)", "self.centers.value"),
    },
    ("losses/adaptive_scale.py", "losses/test_sub_cluster_adacos_golden.py"): {
        "gradient through the scale": ("ops.stop_gradient(cosines)", "cosines"),
    },
    ("losses/cosines.py", "losses/test_cosines.py"): {
        "sub-clusters interleaved": (
            "return ops.reshape(cosines, (-1, num_classes, centers.shape[-1] // num_classes))",
            "cosines = ops.reshape(cosines, (-1, centers.shape[-1] // num_classes, num_classes));"
            " return ops.transpose(cosines, (0, 2, 1))",
        ),
        "embeddings not normalized": ("unit_vectors(embeddings, axis=-1)", "embeddings"),
        "embeddings normalized over the batch": (
            "unit_vectors(embeddings, axis=-1)",
            "unit_vectors(embeddings, axis=0)",
        ),
        "centers normalized over classes": (
            "unit_vectors(centers, axis=0)",
            "unit_vectors(centers, axis=1)",
        ),
        "zero vector divides by zero": ("ops.maximum(squares, 1e-12)", "squares"),
    },
    ("losses/mixed_cross_entropy.py", "losses/test_mixed_cross_entropy.py"): {
        "fused gradient": (
            "return -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)",
            "return ops.categorical_crossentropy(y_true, y_pred, from_logits=True)",
        ),
        "labels scaled to sum to one": (
            'if self.form == "log":',
            "y_true = y_true / ops.maximum(ops.sum(y_true, axis=-1, keepdims=True), 1e-7)\n"
            '        if self.form == "log":',
        ),
        "mean over classes": (
            "return -ops.sum(y_true * ops.log_s",
            "return -ops.mean(y_true * ops.log_s",
        ),
        "sign": ("return -ops.sum(y_true * ops.log_s", "return ops.sum(y_true * ops.log_s"),
        "reference form not clipped": (
            "ops.clip(probabilities, 1e-7, 1.0 - 1e-7)",
            "ops.clip(probabilities, 1e-30, 1.0)",
        ),
        "form forgotten when saved": (
            '{**super().get_config(), "form": self.form}',
            "super().get_config()",
        ),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
