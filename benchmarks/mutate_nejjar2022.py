"""Break the system of Nejjar 2022 in known ways; the tests must catch every one.

Run: `python benchmarks/mutate_nejjar2022.py` (about fifteen minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_TESTS = "systems/test_nejjar2022.py"
_TRAINING_TESTS = "experiment/test_training.py"
_CHANGES = {
    ("systems/nejjar/networks.py", _TESTS): {
        "windows mixed the other way round": (
            "return weight * first + (1.0 - weight) * second",
            "return weight * second + (1.0 - weight) * first",
        ),
        "the mixed windows are not heard": (
            "compared=(mixed, mixture)",
            "compared=(first, mixture)",
        ),
        "two views of the same masks": (
            "(expand(encoder(augment(window))) for _ in range(2))",
            "[expand(encoder(augment(window)))] * 2",
        ),
        "views unmasked": ("encoder(augment(window))", "encoder(window)"),
        "fine-tuned with clean windows": (
            "section_logits(mixed, num_classes)",
            "section_logits(first, num_classes)",
        ),
        "consistency without its weight": (
            "weight=settings.consistency_weight",
            "weight=1.0",
        ),
        "always the released form": ("form=settings.form", 'form="released"'),
        "consistency always released": ("form=config.pretraining.form", 'form="released"'),
        "always the released expander": ("form=settings.expander", 'form="released"'),
        "no warm-up": ("warmup_steps=warmup", "warmup_steps=1"),
        "the cosine ends at zero": (
            "alpha=settings.end_learning_rate / settings.learning_rate",
            "alpha=0.0",
        ),
        "the cosine begins late": (
            "settings.epochs * updates_per_epoch - warmup",
            "settings.epochs * updates_per_epoch",
        ),
        "momentum of its own": ("momentum=settings.momentum", "momentum=0.8"),
        "no accumulation": ("steps if steps > 1 else None", "None"),
        "another epsilon": ("epsilon=settings.adam_epsilon", "epsilon=1e-7"),
        "the largest window": ("ops.mean(of_clips, axis=1)", "ops.max(of_clips, axis=1)"),
        "windows at every frame": (
            "FrameWindows(config.num_frames, config.window_hop)",
            "FrameWindows(config.num_frames, 1)",
        ),
        "never standardized": ("if moments is not None", "if False"),
    },
    ("systems/nejjar/training.py", _TESTS): {
        "fine-tuned from random weights": (
            "encoder.set_weights(pretrained.get_weights())",
            "pass",
        ),
        "both phases in one place": ("phase=_PHASE", 'phase=""'),
        "always within sections": ('if settings.pairing == "within_section"', "if True"),
        "never within sections": ('if settings.pairing == "within_section"', "if False"),
        "smaller batches kept": ('"drop_remainder": True', '"drop_remainder": False'),
        "parts of a batch dropped": (
            "updates * settings.accumulation_steps",
            "updates",
        ),
        "pre-training alone unsaid": ("        context.warn(", "        context.say("),
        "no learning rate in the log": (
            '{"learning_rate": float(model.optimizer.learning_rate)}',
            "{}",
        ),
    },
    ("systems/nejjar2022.py", _TESTS): {
        "compared by angle": ('"euclidean"', '"cosine"'),
        "neighbors of all sections": (
            'table["section"].to_numpy()',
            'table["machine_type"].to_numpy()',
        ),
        "the threshold knows test clips": (
            'table["split"] == "train", _ANSWER',
            'table["split"] != "", _ANSWER',
        ),
        "scored before fine-tuning": (
            "_ANSWER = _SCORES[EMBEDDING]",
            "_ANSWER = _SCORES[PRETRAINED]",
        ),
        "lonely clips go on": ("    require_neighbors(clips.table)\n", ""),
    },
    ("experiment/training.py", _TRAINING_TESTS): {
        "one folder for all phases": ("self.folder / phase", "self.folder"),
        "updates taken for batches": (
            " * (optimizer.gradient_accumulation_steps or 1)",
            "",
        ),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
