"""Break the heads, their losses and the guard of a training in known ways; all must be caught.

Run: `python benchmarks/mutate_heads.py` (some 20 minutes). Exit code 1 if a mutant survives.
Sub-cluster AdaCos as it was released has `mutate_sub_cluster_adacos.py`.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("losses/ada_proj.py", "losses/test_ada_proj.py"): {
        "sign of the logit": ("return scale * cosines\n", "return -scale * cosines\n"),
        "distance as printed": (
            "return scale * cosines\n",
            "return scale * (2.0 - 2.0 * cosines)\n",
        ),
        "half the scale": ("return scale * cosines\n", "return 0.5 * scale * cosines\n"),
        "centers not normalized": (
            "    centers = unit_vectors(centers, axis=0)\n",
            "    centers = ops.convert_to_tensor(centers)\n",
        ),
        "centers normalized over classes": ("(centers, axis=0)", "(centers, axis=1)"),
        "embeddings not normalized": (
            "ops.matmul(unit_vectors(embeddings, axis=-1), centers)",
            "ops.matmul(embeddings, centers)",
        ),
        "classes and dimensions swapped in the cosines": (
            "cosines = ops.reshape(cosines, (-1, num_classes, num_centers // num_classes))",
            "cosines = ops.transpose("
            "ops.reshape(cosines, (-1, num_centers // num_classes, num_classes)), (0, 2, 1))",
        ),
        "classes and dimensions swapped in the products": (
            "by_class = ops.transpose(ops.reshape(centers, (dim, num_classes, -1)), (1, 2, 0))",
            "by_class = ops.transpose(ops.reshape("
            "centers, (dim, num_centers // num_classes, num_classes)), (2, 1, 0))",
        ),
        "products of another class": (
            "products = ops.matmul(by_class, ops.transpose(by_class, (0, 2, 1)))",
            "products = ops.matmul(by_class, ops.transpose(by_class, (0, 2, 1)));"
            " products = ops.roll(products, 1, axis=0)",
        ),
        "orthogonal projection": (
            "    by_class = ops.transpose(",
            "    if num_centers // num_classes > 1:\n"
            "        basis = ops.qr(ops.transpose(\n"
            "            ops.reshape(centers, (dim, num_classes, -1)), (1, 0, 2)))[0]\n"
            "        shadows = ops.einsum(\n"
            "            'nd,cdj->ncj', unit_vectors(embeddings, axis=-1), basis)\n"
            "        return ops.sqrt(ops.sum(ops.square(shadows), axis=-1))\n"
            "    by_class = ops.transpose(",
        ),
        "projection not normalized": (
            "return squares * ops.rsqrt(ops.maximum(squared_lengths, 1e-12))",
            "return squares",
        ),
        "centers taken as orthogonal": ("squared_lengths, 1e-12", "squares, 1e-12"),
        "zero vector divides by zero": ("ops.maximum(squared_lengths, 1e-12)", "squared_lengths"),
        "products detached from the centers": (
            "projections = ops.matmul(cosines_by_class, products)",
            "projections = ops.matmul(cosines_by_class, ops.stop_gradient(products))",
        ),
        "own class kept": ("ops.where(labels < 1.0, scale * cosines, 0.0)", "scale * cosines"),
        "own class dropped": (
            "ops.where(labels < 1.0, scale * cosines, 0.0)",
            "ops.where(labels < 1.0, scale * cosines, -math.inf)",
        ),
        "mixed own classes replaced too": ("labels < 1.0", "ops.equal(labels, 0.0)"),
        "label-count factor": (
            "label_angles = ops.sum(labels",
            "label_angles = ops.cast(ops.count_nonzero(labels, axis=-1), 'float32') * "
            "ops.sum(labels",
        ),
        "labels ignored in the angle": ("ops.sum(labels * angles_of", "ops.sum(angles_of"),
        "start counts classes": ("math.log(num_centers - 1)", "math.log(self.num_classes - 1)"),
        "start not reduced by one": ("num_centers - 1)", "num_centers)"),
        "half precision": ('embeddings = ops.cast(embeddings, "float32")', "pass"),
        "centers train by default": ("trainable_centers=False", "trainable_centers=True"),
        "subspace may fill the space": ("self.subspace_dimension >= dim", "False"),
        "inference adapts": ("labels, training, adapted", "labels, True, adapted"),
        "cosine of the cap left out": ("/ ops.cos(capped", "* ops.cos(capped"),
    },
    ("losses/adaptive_scale.py", "losses/test_ada_proj.py"): {
        "gradient through the scale": ("ops.stop_gradient(cosines)", "cosines"),
        "old scale for the batch": ("scale = self._keep(", "scale = 1.0 * scale; self._keep("),
        "reference guarded": (
            'if self.scale_update != "reference":\n            kept',
            "if True:\n            kept",
        ),
        "adapts at inference": ("if training and", "if"),
    },
    ("losses/sub_cluster_adacos.py", "losses/test_adacos2019.py"): {
        "own class kept": ("ops.where(is_rival, scale * cosines, -math.inf)", "scale * cosines"),
        "own class as zero": ("scale * cosines, -math.inf)", "scale * cosines, 0.0)"),
        "only unmixed own classes left out": ("ops.equal(labels, 0.0)", "labels < 1.0"),
        "angles of all sub-clusters": (
            "angles_of(ops.max(cosines, axis=-1))",
            "ops.sum(angles_of(cosines), axis=-1)",
        ),
        "largest angle": ("ops.max(cosines", "ops.min(cosines"),
        "label-count factor in the published form": (
            "    label_angles = ops.sum(labels",
            "    label_angles = ops.cast(ops.count_nonzero(labels, axis=-1), 'float32') * "
            "ops.sum(labels",
        ),
        "start counts centers": ("1 if is_published else self", "self"),
        "released update": ("adapted_scale_2019 if", "adapted_scale if"),
        "published form not accepted": ('"reference", "adacos2019"', '"reference", "2019"'),
    },
    ("losses/adaptive_scale.py", "losses/test_adacos2019.py"): {
        "published form not guarded": (
            'if self.scale_update != "reference":\n            kept',
            'if self.scale_update == "guarded":\n            kept',
        ),
        "number of classes for that of clips": (
            "ops.shape(exponents)[0]",
            "ops.shape(exponents)[-1]",
        ),
    },
    ("losses/arc_face.py", "losses/test_arc_face.py"): {
        "margin on every class": (
            "losses = ops.softplus(_log_sum_of_others(y_pred) - with_margin)",
            "losses = ops.logsumexp(with_margin, axis=-1, keepdims=True) - with_margin",
        ),
        "no margin": ("- with_margin)", "- y_pred)"),
        "sign of the margin": (
            "with_margin = y_pred - self.scale",
            "with_margin = y_pred + self.scale",
        ),
        "margin on the cosine": (
            "lost = cosines * (1.0 - math.cos(margin_rad)) + sines * math.sin(margin_rad)",
            "lost = margin_rad + 0.0 * sines",
        ),
        "sign of the sine": ("+ sines * math.sin", "- sines * math.sin"),
        "no branch beyond pi": ("cosines < -math.cos(margin_rad)", "cosines < -2.0"),
        "branch on the wrong side": ("cosines < -math.cos", "cosines < math.cos"),
        "branch continuous at pi": (
            "margin_rad * math.sin(margin_rad), lost",
            "cosines + 1.0, lost",
        ),
        "margin not scaled": ("y_pred - self.scale * _lost", "y_pred - _lost"),
        "loss ignores its scale": ("y_pred / self.scale", "y_pred / 64.0"),
        "own class among the others": (
            "log_sum + ops.log1p(-shares))",
            "log_sum + 0.0 * ops.log1p(-shares))",
        ),
        "largest among its others": ("ops.where(is_largest, others_of_largest,", "("),
        "infinite slope of the logarithm": (
            "ops.where(is_largest, 0.0, ops.exp(logits - log_sum))",
            "ops.exp(logits - log_sum)",
        ),
        "infinite slope of the sine": ("ops.clip(cosines, -limit, limit)", "cosines"),
        "mean over classes": ("ops.sum(y_true * losses", "ops.mean(y_true * losses"),
        "margin forgotten when saved": ('"margin_rad": self.margin_rad, ', ""),
        "scale of the logits": ("return self.scale * ops", "return ops"),
        "margin in the logits": (
            "self.scale * ops.squeeze(cosines, axis=-1)",
            "self.scale * (ops.squeeze(cosines, axis=-1) - 0.1 * training)",
        ),
        "half precision": ('embeddings = ops.cast(embeddings, "float32")', "pass"),
        "centers always train": ("trainable=self.trainable_centers", "trainable=True"),
        "centers fixed by default": ("trainable_centers=True", "trainable_centers=False"),
    },
    ("losses/class_compactness.py", "losses/test_class_compactness.py"): {
        "sign": (
            "2.0 * ops.matmul(embeddings, centers) - squares",
            "squares - 2.0 * ops.matmul(embeddings, centers)",
        ),
        "half the product": ("return 2.0 * ops", "return 1.0 * ops"),
        "lengths of centers left out": (
            "        squares += ops.sum(ops.square(centers), axis=0)\n",
            "",
        ),
        "never normalized": ("if self.normalize:", "if False:"),
        "always normalized": ("if self.normalize:", "if True:"),
        "centers not normalized": ("centers = unit_vectors(centers, axis=0)", "pass"),
        "embeddings not normalized": ("embeddings = unit_vectors(embeddings, axis=-1)", "pass"),
        "centers train by default": ("trainable_centers=False", "trainable_centers=True"),
        "centers never train": ("trainable=self.trainable_centers", "trainable=False"),
        "half precision": ('embeddings = ops.cast(embeddings, "float32")', "pass"),
        "sign of the loss": ("return -ops.sum(y_true", "return ops.sum(y_true"),
        "mean over classes": ("-ops.sum(y_true", "-ops.mean(y_true"),
        "own class not chosen": ("y_true * y_pred", "y_pred"),
    },
    ("losses/finite_training.py", "losses/test_finite_training.py"): {
        "loss not looked at": ("self._stop(losses)", "pass"),
        "scale not looked at": ("self._stop(watched)", "pass"),
        "metrics stop it": ('if name.endswith("loss")', "if True"),
        "only the total": ('name.endswith("loss")', 'name == "loss"'),
        "all losses named": ("if not math.isfinite(value)]", "]"),
        "epoch from zero": ("self._epoch = epoch + 1", "self._epoch = epoch"),
        "step from zero": ("self._step = batch + 1", "self._step = batch"),
        "arguments taken for scales": (
            "isinstance(scale, keras.Variable) and scale.ndim == 0",
            "scale is not None",
        ),
        "models inside not looked into": ('if hasattr(layer, "layers"):', "if False:"),
        "watch ignored": ("scales_of if watch is None else watch", "scales_of"),
        "advice ignored": ("{self._advice}", "Try again."),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
