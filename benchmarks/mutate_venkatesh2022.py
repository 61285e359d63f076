"""Break the system of Venkatesh 2022 in known ways; the tests must catch every one.

Run: `python benchmarks/mutate_venkatesh2022.py` (about fifteen minutes). Exit code 1 if a
mutant survives.
"""

import sys

from mutants import try_changes

_TESTS = "systems/test_venkatesh2022.py"
_CHANGES = {
    ("systems/venkatesh/scores.py", _TESTS): {
        "neighbors of all sections": (
            'table["section"].to_numpy(), is_training',
            "np.zeros(len(table)), is_training",
        ),
        "neighbors among test clips": (
            '(table["split"] == "train").to_numpy(bool)',
            '(table["split"] != "").to_numpy(bool)',
        ),
        "weights exchanged": (
            'section_weight * distances["section"] + (1.0 - section_weight)',
            '(1.0 - section_weight) * distances["section"] + section_weight',
        ),
        "views concatenated too": ("parts[name] for name in own", "parts[name] for name in parts"),
        "the first epoch is the last": (
            "last = by_epoch[epochs[-1]]",
            "last = by_epoch[epochs[0]]",
        ),
        "the worst epoch": ("max(known, key=known.get)", "min(known, key=known.get)"),
        "weights of Table 4 unmarked": (
            'name == "weighted" and config.section_weight != "equal"',
            "False",
        ),
        "another weight of fan": ('"fan": 0.15', '"fan": 0.85'),
    },
    ("systems/venkatesh/networks.py", _TESTS): {
        "no reversal": (
            "embedding = GradientReversal(config.adversarial_weight)(embedding)",
            "embedding = embedding * 1.0",
        ),
        "mean over the batch": (
            '_MEAN_OVER_KNOWN = "mean_with_sample_weight"',
            '_MEAN_OVER_KNOWN = "sum_over_batch_size"',
        ),
        "no margin": ("config.arcface_margin_rad, config", "0.0, config"),
        "merges exchanged": ('if merge == "mean"', 'if merge != "mean"'),
        "weights for a basis": ("basis, _ = np.linalg.qr(weights)", "basis = weights"),
        "every chunk of the clip's start": ("hop=front_end.test_hop", "hop=front_end.test_hop + 1"),
    },
    ("systems/venkatesh/front_end.py", _TESTS): {
        "frames that start at the hops": ("[(0, 0), (half, half)]", "[(0, 0), (0, 2 * half)]"),
    },
    ("systems/venkatesh/tasks.py", _TESTS): {
        "domains exchanged": (
            '_DOMAINS = ("source", "target")',
            '_DOMAINS = ("target", "source")',
        ),
        "the adversary has a view": (
            "bool(task.group) for task",
            "True for task",
        ),
        "attributes on the embedding of the section": (
            '.get(variant, "attributes")',
            ".get(variant, shared)",
        ),
    },
    ("systems/venkatesh/embeddings.py", _TESTS): {
        "one learning rate": (
            "config.machine_learning_rates.get(machine_type, config.learning_rate)",
            "config.learning_rate",
        ),
        "the last epoch not kept": (
            "{*range(interval, config.epochs + 1, interval), config.epochs}",
            "{*range(interval, config.epochs + 1, interval)}",
        ),
    },
    ("systems/venkatesh2022.py", _TESTS): {
        "one percentile": (
            "config.machine_percentiles.get(machine_type, config.threshold_percentile)",
            "config.threshold_percentile",
        ),
        "thresholds of the machine type": (
            '                "section",\n',
            '                "machine_type",\n',
        ),
        "weights that do not add up": ("1.0 - of_anp[machine]", "of_anp[machine]"),
        "members not standardized": (
            '"section" if config.variant == "msl_anp" else "none"',
            '"none"',
        ),
        "fan by its attributes": ('"sec_arcface": ("fan",)', '"sec_arcface": ("bearing",)'),
        "Table 4 unmarked": ("oracle = [_MSL_REASON]", "oracle = []"),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
