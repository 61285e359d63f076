"""Break the tables, drawings and commands of report pages in known ways.

Run: `python benchmarks/mutate_report_page.py` (some minutes). Exit code 1 if a mutant survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("report/roc_panels.py", "report/test_roc_panels.py"): {
        "training clips are in the curve": ('(first["split"] == "test") & ', ""),
        "clips of all domains in every row": ("[s[mask] for s", "[0 * s[mask] + s[mask][0] for s"),
        "another end of the shaded part": ("_x(MAX_FPR)\n", "_x(2 * MAX_FPR)\n"),
        "mean curve below upright rises": ('side="right") - 1', 'side="left") - 0'),
        "sections of all machine types": (
            "[roc for roc in rocs if roc.machine_type == machine_type]",
            "list(rocs)",
        ),
        "row of all clips counts twice": ("if curve.domain in rules.auc_domains", ""),
        "both sets together": ("rules.part_of(roc.machine_type, roc.section)", '"dev"'),
        "lines without dashes": ("dash{rank % 3}", "dash0"),
        "thinned to too many": ("if len(corners) > most", "if len(corners) > 9 * most"),
        "only the first trial is drawn": (
            "for points in curve.trials),",
            "for points in curve.trials[:1]),",
        ),
    },
    ("report/score_histograms.py", "report/test_score_histograms.py"): {
        "anomalous clips upwards": (
            '_bars(anomalous, edges, base, unit, "c1 bar")',
            '_bars(anomalous, edges, base, -unit, "c1 bar")',
        ),
        "labels the other way": ("is_test & is_known & ~is_anomalous", "is_test & is_anomalous"),
        "unlabelled clips are normal": (
            "unlabelled=scores[is_test & ~is_known]",
            "unlabelled=scores[:0]",
        ),
        "far scores are lost": ("np.clip(values, edges[0], edges[-1])", "values"),
        "far scores widen the bins": ("if reach > 0:", "if reach < 0:"),
        "training clips widen the bins": ("np.concatenate(s[1:4])", "np.concatenate(s[1:5])"),
        "thresholds of other scores": ("if has_threshold else np.empty(0)", ""),
    },
    ("report/decision_tables.py", "report/test_decision_tables.py"): {
        "FP and FN swapped": (
            "(f & ~truth).sum(), (~f & truth).sum()",
            "(~f & truth).sum(), (f & ~truth).sum()",
        ),
        "training clips are counted": ('(first["split"] == "test") & ', ""),
        "flags of labelled clips": (
            '(first["split"] == "test") & first["is_anomalous"].isna()',
            '(first["split"] == "test")',
        ),
        "only the first trial": ("counts.mean(axis=0)", "counts[0]"),
    },
    ("report/paper_figures.py", "report/test_paper_figures.py"): {
        "figures of other rows": (
            'if (*place, row["published"]) not in printed_places:',
            "if not printed_places:",
        ),
        "differences the other way": ("if difference > 0 else", "if difference < 0 else"),
        "tolerance is twice as wide": ("1 if size <= 1", "1 if size <= 2"),
    },
    ("report/headlines.py", "report/test_headlines.py"): {
        "the verdict is always within": ("abs(difference) <= tolerance", "True"),
    },
    ("report/page_tables.py", "report/test_page_tables.py"): {
        "published minus ours": (
            "(figure.value - figure.published)",
            "(figure.published - figure.value)",
        ),
        "not comparable figures stand beside ours": (
            "if paper is not None and is_comparable",
            "if paper is not None",
        ),
        "named scores of one machine type": (
            '(means["machine_type"] == "all") & means["score"]',
            'means["score"]',
        ),
        "the mean among the rows": ("footer.append([f", "rows.insert(0, [f"),
        "spread of a population": ("ddof=rules.trial_ddof", "ddof=0"),
    },
    ("report/map_section.py", "report/test_page.py"): {
        "maps of other datasets together": ("(run.dataset, one.title)", '("", one.title)'),
    },
    ("report/page.py", "report/test_page.py"): {
        "always the first trial": ("_seed_of(run, seed)\n", "_seed_of(run, None)\n"),
    },
    ("report/comparison_page.py", "report/test_comparison_page.py"): {
        "the worst is marked": ("return max(known)", "return min(known)"),
        "a single run is the best": ("len(known) > 1", "len(known) > 0"),
    },
    ("report/provenance.py", "report/test_provenance.py"): {
        "old values": ("{_flow(new)}", "{_flow(old)}"),
        "changes in sections are lost": ('f"{prefix}{key}."', '"config."'),
        "other keys do not matter": ("if before.keys() != now.keys():", "if not before:"),
        "words are not quoted": ("shlex.quote(word)", "str(word)"),
    },
    ("report/page_frame.py", "report/test_page_frame.py"): {
        "links lead elsewhere": ('href=f"#{name}"', 'href=f"#{section.title}"'),
    },
    ("report/markup.py", "report/test_markup.py"): {
        "rows have no headings": ("if number == 0:", "if number < 0:"),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
