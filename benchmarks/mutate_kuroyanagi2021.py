"""Break the system of Kuroyanagi 2021 in known ways; the tests must catch every one.

Run: `python benchmarks/mutate_kuroyanagi2021.py` (about ten minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_SYSTEM_TESTS = "systems/test_kuroyanagi2021.py"
_AE_TESTS = "systems/test_kuroyanagi_autoencoder.py"
_BC_TESTS = "systems/test_kuroyanagi_classifier.py"
_CHANGES = {
    ("systems/kuroyanagi2021.py", _SYSTEM_TESTS): {
        "thresholds of a section": ('"section_and_domain"', '"section"'),
        "the better row is not chosen": ("best = (1,)", "best = ()"),
        "all ensembles by one method": (
            'together.combine if config.variant == "ae_ensemble" else "mean"',
            "together.combine",
        ),
    },
    ("systems/kuroyanagi/front_end.py", _SYSTEM_TESTS): {
        "bands of power": ('of="magnitude"', 'of="power"'),
    },
    ("systems/kuroyanagi/autoencoder.py", _AE_TESTS): {
        "sections of copies in another order": (
            "ops.repeat(section, settings.num_copies)",
            "ops.tile(section, settings.num_copies)",
        ),
        "errors against what is hidden": (
            "ops.abs(rebuilt - clean[:, None])",
            "ops.abs(rebuilt - copies)",
        ),
        "frames of held-out clips learned from": (
            "table=clips.table[~is_held_out]",
            "table=clips.table",
        ),
        "hidden by the mean": ('fill="zero"', 'fill="mean"'),
        "no input dropout in training": (
            "    hidden = ResumableDropout(masks.input_dropout)(hidden)\n",
            "",
        ),
        "the same masks in every trial": (
            "        seed=seed,\n    )(clean)",
            "        seed=0,\n    )(clean)",
        ),
        "a resumed training begins anew": (
            "first_step=first_round * settings.steps_per_save",
            "first_step=0",
        ),
        "unknown domains of training clips scored by the target": (
            "np.maximum(domains, SOURCE)",
            "np.abs(domains)",
        ),
        "the larger score of an unknown domain": (
            "own[is_unknown].min(axis=1)",
            "own[is_unknown].max(axis=1)",
        ),
        "own rows counted among training clips": (
            "context.table.index.get_indexer(clips.table.index[fits.positions])",
            "fits.positions",
        ),
    },
    ("systems/kuroyanagi/gaussian_fits.py", _AE_TESTS): {
        "clips scored by themselves": (
            "gaussian.without(one) if len(errors) > 1 else gaussian",
            "gaussian",
        ),
        "one regularization": ("settings.target_reg_covar)", "settings.reg_covar)"),
        "Gaussians of what was learned": (
            "held if held.any() else of_section & is_source",
            "of_section & is_source",
        ),
        "all clips held out": ("len(positions) - 1)", "len(positions))"),
    },
    ("systems/kuroyanagi/classifier.py", _BC_TESTS): {
        "target clips of others heard": ("is_other = is_source & ~is_own", "is_other = ~is_own"),
        "the other dataset": (
            'is_other &= is_toy == machine_type.startswith("Toy")',
            'is_other &= is_toy != machine_type.startswith("Toy")',
        ),
        "normalized the other way": (
            'settings.normalization == "own_machine"',
            'settings.normalization != "own_machine"',
        ),
        "tuned from random weights": ("model.set_weights(before.get_weights())", "pass"),
        "test clips of unknown domain unheard": ("(domains != TARGET)", "(domains == SOURCE)"),
        "distances scaled by test clips": (
            "distance[is_training].min(), distance[is_training].max()",
            "np.nanmin(distance), np.nanmax(distance)",
        ),
        "the larger score of both models": (
            "np.minimum(source, target)",
            "np.maximum(source, target)",
        ),
        "weights of both parts exchanged": (
            "weight * posterior + (1.0 - weight) * distance",
            "weight * distance + (1.0 - weight) * posterior",
        ),
    },
    ("systems/kuroyanagi/classifier_models.py", _BC_TESTS): {
        "classes of ArcFace exchanged": ("[label, 1.0 - label]", "[1.0 - label, label]"),
        "distance to the others": ("of_clips(distances)[:, 0]", "of_clips(distances)[:, 1]"),
        "head without its ReLU": ("(ops.relu(embeddings))", "(embeddings)"),
        "rates exchanged": (
            "settings.network_rate / settings.head_rate",
            "settings.head_rate / settings.network_rate",
        ),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
