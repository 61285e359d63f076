"""Break the table of runs side by side and the comparison it relies on in known ways.

Run: `python benchmarks/mutate_side_by_side.py` (some minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("report/finished_runs.py", "report/test_finished_runs.py"): {
        "a run is searched for runs": ("below.clear()", "below.sort()"),
        "a run is shown twice": ("elif folder.resolve() not in finished:", "else:"),
        "a named run without results is passed over": ("if reason and folders ==", "if folders =="),
        "an ensemble is called by the folder above": (
            'where.name if "ensemble" in recipe else where.parent.name',
            "where.parent.name",
        ),
        "nothing but the AUC in the score of a machine type": (
            'for metric in ("auc", "pauc")\n        ]',
            'for metric in ("auc",)\n        ]',
        ),
        "domains of the row alone": (
            'rules.averaged_rows(metric, "all")',
            'rules.averaged_rows(metric, "source")',
        ),
        "spread of a population": ("ddof=rules.trial_ddof", "ddof=0"),
        "trials pooled": (
            'groupby(["part", "machine_type", "seed"])',
            'groupby(["part", "machine_type", "section"])',
        ),
        "a machine called NA is missing": ("keep_default_na=False,", "keep_default_na=True,"),
        "figures of other rules": ("or not is_comparable:", "or False:"),
        "figures that must not be compared": (
            'means[means["comparable"]]',
            'means[means["comparable"].notna()]',
        ),
        "figures of another row": (
            '== answer) & comparison["published"].isin(own["percent"].dropna())',
            "== answer)",
        ),
        "published figures in percent": ('means["published"] / 100.0', 'means["published"]'),
    },
    ("report/boards.py", "report/test_side_by_side.py"): {
        "the worst run first": ("(-_headline(run, part)", "(_headline(run, part)"),
        "clips do not matter": (
            "groups.setdefault((run.dataset, part, measured)",
            "groups.setdefault((run.dataset, part, frozenset())",
        ),
        "ranked by pAUC": ('else "auc"', 'else "pauc"'),
        "figures of both parts": ('run.means[run.means["part"] == self.part]', "run.means"),
        "a run alone is best": ("rank == 0 and len(self.runs) > 1", "rank == 0"),
        "clips of both domains counted twice": (
            '{"all"} if "all" in self.rules.rows else set(self.rules.rows)',
            '{"source", "target", "all"}',
        ),
        "fractions": ("100.0 * value", "value"),
        "runs of one name look alike": ("names.count(name) > 1", "names.count(name) > 2"),
    },
    ("report/side_by_side.py", "report/test_side_by_side.py"): {
        "tables too wide": ("width - _EDGES -", "width + 20 -"),
        "tables wider than needed": (
            "_filled(keys, next(narrower, for_figures))",
            "_filled(keys, for_figures)",
        ),
        "Markdown whatever is asked for": ('if out.suffix == ".csv":', "if False:"),
    },
    ("published/baseline2022.csv", "published/test_comparable.py"): {
        "sections miscounted": (
            "valve,all,source,ae2022,auc,harmonic,51.96,,3",
            "valve,all,source,ae2022,auc,harmonic,51.96,,21",
        ),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
