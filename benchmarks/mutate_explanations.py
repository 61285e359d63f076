"""Break explanations, oracle marks and the development score in known ways; all must be caught.

Run: `python benchmarks/mutate_explanations.py` (about three minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_CHANGES = {
    ("report/explanations.py", "report/test_explanations.py"): {
        "excess turned round": ("(scores - moments.mean)", "(moments.mean - scores)"),
        "the threshold itself fires": (
            'clips["anomaly_score"] > thresholds',
            'clips["anomaly_score"] >= thresholds',
        ),
        "another percentile": ("FIRING_PERCENTILE = 90.0", "FIRING_PERCENTILE = 95.0"),
        "thresholds from all clips": (
            'training = clips[clips["split"] == "train"]',
            "training = clips",
        ),
        "thresholds of the machine type": ('        "section",\n', '        "machine_type",\n'),
        "the smallest excess first": ("ascending=False", "ascending=True"),
        "what did not fire is listed": (".fillna(0) == 1", ".fillna(0) >= 0"),
        "training clips explained": (
            '[(table["split"] == "test").to_numpy(dtype=bool)]',
            "",
        ),
        "normal clips counted": (
            'clips[clips["is_decided_anomalous"] == 1]',
            "clips",
        ),
        "first and at all exchanged": (
            "{first[name]} ({at_all[name]})",
            "{at_all[name]} ({first[name]})",
        ),
        "margin from the answer": (
            "(decided_by - trial.thresholds)",
            "(clips['anomaly_score'] - trial.thresholds)",
        ),
        "one trial for all": (
            "for each in scores.trials if seed is None",
            "for each in [0] if False",
        ),
    },
    ("report/explained_clips.py", "report/test_explained_clips.py"): {
        "nearest to the threshold first": ('"margin", ascending=False', '"margin", ascending=True'),
        "by the bare score": ('sort_values("margin"', 'sort_values("anomaly_score"'),
        "the answer beside a threshold of another score": (
            'clip.get("decision_score", clip["anomaly_score"])',
            'clip["anomaly_score"]',
        ),
    },
    ("metrics/development.py", "metrics/test_development.py"): {
        "the evaluation set": ('== "dev"', '== "eval"'),
        "rows that do not count": ('in rules.averaged_rows("pauc", "all")', "in rules.rows"),
        "training clips": ("& is_test &", "&"),
    },
    ("report/results.py", "report/test_results.py"): {
        "files without a mark": (
            'frame.assign(oracle="; ".join(oracle)) if oracle',
            "frame if oracle",
        ),
        "titles without a mark": ('", oracle" if scores.oracle', '"" if scores.oracle'),
    },
    ("report/finished_runs.py", "report/test_side_by_side.py"): {
        "runs without a mark": (
            'f"{self.variant} (oracle)" if self.oracle',
            "self.variant if self.oracle",
        ),
    },
    ("experiment/run.py", "experiment/test_scoring.py"): {
        "weights lost": ("weights=(ensemble.weights or {}).get(name)", "weights=None"),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
