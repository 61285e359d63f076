"""Break detectors and the scoring graphs of the systems; some test must notice each mistake.

python -m benchmarks.mutate_detector
"""

import sys

from benchmarks.mutants import try_changes

_GRAPHS = "detector/test_scoring_graphs.py"
_CHANGES = {
    ("systems/wilkinghoff2021.py", _GRAPHS): {
        "the target mixture forgotten": (
            "[*mixtures.attributes_, *([mixtures.target_] if mixtures.target_ else [])]",
            "[*mixtures.attributes_]",
        ),
        "weights counted unasked": (
            "weights if config.component_weights else None)",
            "weights)",
        ),
        "embeddings of any length": (
            'embedding = UnitVectors()(tensors[f"embedding_epoch{epoch}"])',
            'embedding = tensors[f"embedding_epoch{epoch}"]',
        ),
        "another section's mixtures": (
            "section_labels(fit.table).indices[fit.is_inside][0]",
            "0",
        ),
        "the first epoch alone": (
            "return sum(scores[1:], scores[0]), tensors",
            "return scores[0] + scores[1], tensors",
        ),
    },
    ("systems/wilkinghoff2024.py", _GRAPHS): {
        "target clips forgotten": (
            "np.concatenate([scorer.centers_, scorer.targets_])",
            "scorer.centers_",
        ),
        "embeddings of any length": (
            'layer(UnitVectors()(tensors["embedding"]))',
            'layer(tensors["embedding"])',
        ),
    },
    ("systems/baseline2023.py", _GRAPHS): {
        "the target covariance forgotten": (
            'names = ("covariance_source", "covariance_target")\n        covariances = [c',
            'names = ("covariance_source",)\n        covariances = [c',
        ),
        "the other moment": ("else moments[:, 0])", "else moments[:, 1])"),
        "a sum in place of a mean": (
            "ops.trace(moments, axis1=1, axis2=2) / bands",
            "ops.trace(moments, axis1=1, axis2=2)",
        ),
    },
    ("systems/baselines/section_classifier.py", _GRAPHS): {
        "the posterior of another section": (
            "section_labels(fit.table).indices[fit.is_inside][0]\n    return SectionP",
            "0\n    return SectionP",
        ),
        "windows of the training clips' hop": (
            'posteriors = tensors["test"]',
            'posteriors = tensors["train"] ** 0.5',
        ),
    },
    ("systems/venkatesh/scores.py", _GRAPHS): {
        "test clips among the neighbors": (
            "fit.representations.clips[name][fit.is_normal].astype",
            "fit.representations.clips[name][fit.is_inside].astype",
        ),
        "both parts the same": (
            'distance("section") + (1.0 - _EQUAL) * distance("attributes")',
            'distance("section") + (1.0 - _EQUAL) * distance("section")',
        ),
        "what labels chose is not refused": ("if column.endswith(ORACLE):", "if False:"),
    },
    ("systems/nejjar2022.py", _GRAPHS): {
        "cosine distances": ('len(normal), "euclidean"', 'len(normal), "cosine"'),
        "neighbors of all sections": ("[fit.is_normal].astype(np.float64)", ".astype(np.float64)"),
    },
    ("systems/kuroyanagi/autoencoder.py", _GRAPHS): {
        "the larger of both domains": ("ops.min(of_domains", "ops.max(of_domains"),
        "another section's Gaussians": (
            "first = names.index(fit.section) * _DOMAINS",
            "first = 0",
        ),
    },
    ("systems/kuroyanagi/classifier.py", _GRAPHS): {
        "the larger of both models": ("ops.minimum(*scores)", "ops.maximum(*scores)"),
        "distances as they are": (
            '(tensors[f"distance_{name}"] - least) / spread',
            'tensors[f"distance_{name}"]',
        ),
        "weights exchanged": (
            "together = weight * posterior + (1.0 - weight) * distance\n            scores",
            "together = (1.0 - weight) * posterior + 2.0 * weight * distance\n            scores",
        ),
    },
    ("systems/venkatesh2022.py", _GRAPHS): {
        "a network without sections": (
            'if has_lone_section(table):\n        return "anp_boot"',
            'if False:\n        return "anp_boot"',
        ),
        "attributes nobody has": (
            'return config.variant if all(groups) else "sec_softmax"',
            "return config.variant",
        ),
    },
    ("detector/graph.py", "detector/test_ensemble_graphs.py"): {
        "weights forgotten": (
            "weighted = [weight * score for",
            "weighted = [score for",
        ),
        "a sum for a mean": ('total if how == "sum" else total / sum(weights)', "total"),
        "the mean not taken off": (
            "(score - float(moments.mean[probe]))",
            "(score - 0.0)",
        ),
        "members that do not score": (
            "if weight == 0.0 or (machine_types and place.machine_type not in machine_types):",
            "if weight == 0.0:",
        ),
        "the wrong column of a member": (
            "each.connect(place, waveform, ensemble.answer)",
            "each.connect(place, waveform)",
        ),
        "ranks are not refused": (
            '"ranks among the test clips": ensemble.combine == "rank"',
            '"ranks among the test clips": False',
        ),
        "probes of a known domain": ('"domain": pd.NA,', '"domain": "source",'),
    },
    ("detector/detector.py", "detector/test_detector.py"): {
        "the machine is not asked for": (
            "name = machine or machine_of(clip, self.machines)",
            "name = machine or next(iter(self.machines))",
        ),
        "one bad clip ends it all": (
            "                if on_error is None:\n                    raise",
            "                if True:\n                    raise",
        ),
        "fits are not kept apart": ("runs=Path(work) / self._digest(table)", "runs=Path(work)"),
    },
    ("detector/fit.py", "detector/test_detector.py"): {
        "graphs are not compared": (
            "if not fitted.largest_difference <= TOLERANCE:",
            "if False:",
        ),
        "everything is anomalous": (
            "ops.greater(score, machine.threshold)",
            "ops.less(score, machine.threshold)",
        ),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
