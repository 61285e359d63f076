"""Break the official baselines, as systems, in known ways.

Run: `python benchmarks/mutate_baseline_systems.py` (a quarter of an hour). Exit code 1 if a
mutant survives.
"""

import sys

from mutants import try_changes

_AUTOENCODER = "systems/test_baseline_autoencoder.py"
_CLASSIFIER = "systems/test_baseline_classifier.py"
_OF_2023 = "systems/test_baseline2023.py"
_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("systems/baselines/front_end.py", _AUTOENCODER): {
        "always mirrored": ("pad_mode=front_end.pad_mode", 'pad_mode="reflect"'),
        "floor always the larger": ("floor_by=front_end.floor_by", 'floor_by="maximum"'),
        "symmetric window": ('window="periodic"', 'window="symmetric"'),
        "shortest clip": ("int(clips.lengths().max())", "int(clips.lengths().min())"),
        "longer clips untold": ("(all_lengths > length)", "(all_lengths > 2 * length)"),
        "one frame fewer": ("1 + clip_length //", "clip_length //"),
    },
    ("systems/baselines/autoencoder.py", _AUTOENCODER): {
        "sign lost in the square only": ("vectors - trained_network", "vectors + trained_network"),
        "absolute error": ("ops.square(differences)", "ops.abs(differences)"),
        "another epsilon": ("epsilon=config.adam_epsilon", "epsilon=1e-3"),
        "another rate": ("Adam(config.learning_rate", "Adam(10 * config.learning_rate"),
        "half held out": ("Holdout(config.validation_fraction,", "Holdout(0.5,"),
    },
    ("systems/baselines/window_training.py", _AUTOENCODER): {
        "nothing validated": (
            "validation=lambda: held_out(config, windows, holdout, labels, as_vectors=as_vectors)",
            "validation=None",
        ),
    },
    ("systems/baselines/machine_type_system.py", _AUTOENCODER): {
        "largest vector": (".mean(axis=1,", ".max(axis=1, initial=0.0) + 0 * (1,"),
        "another scope": ('scope="machine_type_and_part"', 'scope="section"'),
    },
    ("systems/baselines/thresholds.py", _AUTOENCODER): {
        "test clips counted": ('scores[table["split"] == "train"]', "scores"),
        "reason untold": ("if not threshold.reason:", "if True:"),
    },
    ("systems/baselines/section_classifier.py", _CLASSIFIER): {
        "another section": ("own[rows, None, None]", "1 - own[rows, None, None]"),
        "one form for both": ("(of_section, form)", '(of_section, "log_odds")'),
        "clips of the other split": ('table["split"] == split', 'table["split"] != split'),
        "one section accepted": ("if len(names) < 2:", "if len(names) < 1:"),
    },
    ("systems/baselines/machine_type_system.py", _CLASSIFIER): {
        "fitted to the other form": (
            "settings.score if is_same",
            "settings.threshold_score if is_same",
        ),
        "always fitted to what is scored": ("else settings.threshold_score", "else settings.score"),
    },
    ("systems/baseline2023.py", _OF_2023): {
        "sign of a residual": (
            "np.asarray(vectors) - trained.network",
            "np.asarray(vectors) + trained.network",
        ),
        "domains swapped": ("[:, 1] == 1", "[:, 0] == 1"),
        "losses without the held out": ("losses.append(", "losses.count("),
        "nothing held out": ("in batches or ():", "in ():"),
        "distance in spite of its covariance": (
            "_batch_scores(config, scorer if constants else None,",
            "_batch_scores(config, scorer,",
        ),
        "variance for the second moment": (
            "ops.mean(ops.square(rows), axis=1)",
            "ops.var(rows, axis=1)",
        ),
        "sum for the trace": (
            "np.trace(moments, axis1=1, axis2=2)",
            "np.sum(moments, axis=(1, 2))",
        ),
        "other score decides": (
            'constants.get(f"{config.variant}_batches")',
            'constants.get("mse_batches")',
        ),
        "batches in spite of the recipe": ('if config.threshold_data == "batches":', "if True:"),
        "target forgotten": ('constants.get("covariance_target")', "None"),
        "a model per machine type": ('scope="section"', 'scope="machine_type"'),
    },
    ("losses/batch_squared_error.py", "losses/test_batch_squared_error.py"): {
        "sum": ("ops.mean(ops.square", "ops.sum(ops.square"),
        "running": ("self.value.assign(", "self.value.assign_add("),
        "weights ignored": ("if sample_weight is not None:", "if False:"),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
