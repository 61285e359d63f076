"""Break ensembles and what is reported of named scores in known ways; all must be caught.

Run: `python benchmarks/mutate_ensembles.py` (about fifteen minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_CHANGES = {
    ("experiment/members.py", "experiment/test_ensembles.py"): {
        "machines of a member ignored": (
            "if member.machine_types is None:",
            "if True:",
        ),
        "machines of a member turned round": (
            'table["machine_type"].isin(member.machine_types)',
            '~table["machine_type"].isin(member.machine_types)',
        ),
        "other clips accepted": ("if not trial.table[_CLIP].equals(table[_CLIP]):", "if False:"),
        "snapshot keeps its ending": ("name.removesuffix(ending)", "name"),
        "all columns standardized or none": ('if rule.normalize == "none":', "if True:"),
        "answers of two names under that of one": (
            'answers.pop() if len(answers) == 1 else "anomaly_score"',
            "answers.pop()",
        ),
        "machines out of a member's hands standardized": (
            "columns[answer].where(is_scored(member, table))",
            "columns[answer]",
        ),
    },
    ("experiment/combined_scores.py", "experiment/test_ensembles.py"): {
        "members overwrite each other": ("total.add(part)[", "part["),
        "names only some members have": ("[_shared(total, part)]", ""),
        "mean over all members": ("total.div(total_weight, axis=0)", "total / len(members)"),
        "sum and mean exchanged": ('if rule.how == "sum"', 'if rule.how == "mean"'),
        "clips without a member accepted": ("    if lost:", "    if False:"),
        "weights of a member ignored": ("each.weights or {}", "{}"),
        "weights of a member elsewhere ignored": (
            "[each.weight for each in members]",
            "[1.0 for each in members]",
        ),
        "answers without weights": ("rule.how, by_clip)", "rule.how, None)"),
        "machines out of a member's hands combined": (
            "part[answer].where(is_scored(member, table))",
            "part[answer]",
        ),
        "labels choose without a mark": ("[*notes, *best.notes], best.oracle", "notes, ()"),
        "methods of labels ignored": ("methods=rule.methods", "methods=(rule.how,)"),
    },
    ("scorers/ensembles.py", "scorers/test_ensembles.py"): {
        "ranks from 0": ("(lower + up_to) / 2.0 + 0.5", "(lower + up_to) / 2.0 - 0.5"),
        "lowest of equal ranks": ("(lower + up_to) / 2.0 + 0.5", "lower + 1.0"),
        "ranks turned round": (
            "np.where(is_scored, (lower",
            "np.where(is_scored, len(counted) - (lower",
        ),
        "ranks among all clips": (
            "scores[is_counted if is_counted.any() else is_scored]",
            "scores[is_scored]",
        ),
        "ranks among none": ("is_counted if is_counted.any() else is_scored", "is_counted"),
        "mean over all members": ("np.where(counts, weights, 0.0)", "np.ones_like(weights)"),
        "median of zeros": ("np.where(counts, scores, np.nan)", "np.where(counts, scores, 0.0)"),
        "maximum from 0 on": ("np.where(counts, scores, -np.inf)", "np.where(counts, scores, 0.0)"),
        "no score is 0": ("np.where(lost, np.nan, result)", "np.nan_to_num(result)"),
        "members of weight 0 count": ("& (weights > 0.0)", ""),
        "sections together": ('["machine_type", "section"]', '["machine_type"]'),
        "training clips ranked among": ('table["split"] == "test"', 'table["split"] == "train"'),
    },
    ("scorers/section_standardization.py", "scorers/test_section_standardization.py"): {
        "domain of one score": ("inside.nunique() > 1", "len(inside) > 0"),
        "training clips in any case": ('(split, "train")', '("train",)'),
        "spread of a sample": ("counted.std(ddof=0)", "counted.std()"),
        "spread that rounding leaves": (
            "if counted.min() == counted.max():",
            "if counted.std() == 0:",
        ),
        "all clips count": ('(clips["split"] == name)', '(clips["split"] != "")'),
    },
    ("experiment/best_members.py", "experiment/test_best_members.py"): {
        "the worst members": ("-measured[number]", "measured[number]"),
        "the last of equals": ("score > highest", "score >= highest"),
        "the worst choice": ("score > highest", "-score > highest"),
        "domains where anomalies are shared": ('rules.anomalies == "own" and ', ""),
        "members measured on the whole machine": (
            "score = development_score(clips, answer, rules)",
            "score = development_score(machine, answers[number, place.of_machine], rules)",
        ),
        "choices measured on the whole machine": (
            "score = development_score(clips, inside, rules)",
            "score = development_score(machine, scores, rules)",
        ),
        "members that lack clips": ("np.isfinite(answer[is_test]).all()", "True"),
        "members of weight 0": ("(weights[number, place.rows] > 0.0).all()", "True"),
        "scores of other clips": (
            "choice.scores[np.isin(place.of_machine, place.rows)]",
            "choice.scores[: len(place.rows)]",
        ),
        "no mark": ("tuple(oracle if chosen else ())", "()"),
        "marked without labels": ("tuple(oracle if chosen else ())", "tuple(oracle)"),
    },
    ("experiment/combine_runs.py", "experiment/test_combine_runs.py"): {
        "normalized by training clips in any case": (
            'normalize_on="test" if normalize == "test" else "train"',
            'normalize_on="train"',
        ),
        "never normalized": (' else "section"', ' else "none"'),
        "labels do not choose": (
            "        best_from_labels=tuple(best_from_labels),\n    )\n    decide",
            "    )\n    decide",
        ),
        "thresholds of one of several systems": ("len(systems_of(runs)) == 1 and ", ""),
        "thresholds of a system for an ensemble": (
            'and not any("ensemble" in run.recipe for run in runs)',
            "",
        ),
        "rows of one of several systems": ('if "+" not in system else {}', ""),
        "weights of 0 alone": (" or not any(weights)", ""),
    },
    ("experiment/chosen_runs.py", "experiment/test_combine_runs.py"): {
        "systems named twice": ('.split("+")', '.split(" ")'),
        "weights ignored": ("weight=weight,", ""),
    },
    ("experiment/run.py", "experiment/test_scoring.py"): {
        "labels choose no method": ("        ensemble.combine_from_labels,\n", ""),
        "normalized by training clips": ("ensemble.normalize_on,", '"train",'),
    },
    ("experiment/member_weights.py", "experiment/test_ensembles.py"): {
        "weights exchanged": (
            "weights[pair[0]].loc[clips.index] = weight",
            "weights[pair[0]].loc[clips.index] = 1.0 - weight",
        ),
        "the last of the best": ("score > highest", "score >= highest"),
        "the worst": ("score > highest", "score < -highest"),
        "every tenth": ("_NUM_STEPS = 20", "_NUM_STEPS = 10"),
        "chosen without a mark": ("tuple(oracle if chosen else ())", "()"),
        "marked without a choice": ("tuple(oracle if chosen else ())", "tuple(oracle)"),
    },
    ("experiment/ensembles.py", "experiment/test_ensembles.py"): {
        "system asked for a single score": (
            "if result.is_whole and decide is not None:",
            "if decide is not None or True:",
        ),
        "decisions by the answer": (
            "return name if name in result.columns else result.answer",
            "return result.answer",
        ),
        "decisions turned round": (
            "result.columns[decision_score] > thresholds",
            "result.columns[decision_score] < thresholds",
        ),
        "thresholds from all clips": (
            'training = clips[clips["split"] == "train"]',
            "training = clips",
        ),
        "thresholds without domains": ('"section_and_domain"', '"section"'),
        "rows of scores that are gone": (
            "for name, row in published_rows.items() if name in result.columns",
            "for name, row in published_rows.items()",
        ),
        "members' notes lost": (
            '*(f"{name}: {note}" for name, note in told)',
            "*()",
        ),
        "members' marks lost": (
            "*read_oracle(each.folder for each in members)",
            "*()",
        ),
        "groups of one of several members": ("part.where(has & is_alone)", "part.where(has)"),
        "the answer is not named": (
            "named if result.answer in named else [result.answer, *named]",
            "named",
        ),
    },
    ("score_files.py", "test_score_files.py"): {
        "a machine called NA is none": ("keep_default_na=False,", ""),
        "digits lost": (
            'converters=dict.fromkeys([*scores, "threshold"], _number)',
            'converters=dict.fromkeys([*scores, "threshold"], lambda t: round(_number(t), 12))',
        ),
        "name of a score keeps its prefix": (
            "content[scores].rename(columns=lambda name: name.removeprefix(_PREFIX))",
            "content[scores]",
        ),
    },
    ("report/scored_runs.py", "report/test_results.py"): {
        "the answer in place of the named score": (
            "trial.columns.loc[has, name]",
            "trial.columns.loc[has, self.answer]",
        ),
        "clips without the score count": (
            "has = trial.columns[name].notna()",
            "has = trial.columns[self.answer].notna()",
        ),
    },
    ("score_files.py", "report/test_results.py"): {
        "pooled trials counted each": ("if is_pooled else folders", "if False else folders"),
    },
    ("report/results.py", "report/test_results.py"): {
        "own ensembles called by the folder above": (
            'is_own = recipe.is_file() and "ensemble" in read_recipe(recipe)',
            "is_own = False",
        ),
    },
    ("report/results.py", "report/test_comparison.py"): {
        "chosen row of every score": (
            "return {score or scores.answer: row}",
            "return dict.fromkeys(scores.columns, row)",
        ),
        "scores that nobody asked for": ("if score in (None, name)", "if True"),
    },
    ("systems/wilkinghoff2021.py", "systems/test_wilkinghoff2021.py"): {
        "families exchanged, Sec. 2.5": (
            '"two_heads": ("ToyCar", "ToyTrain", "pump", "slider")',
            '"two_heads": ("fan", "gearbox", "valve", "pump")',
        ),
        "one family in all_40": (
            '"all_40": ("two_heads", "one_head")',
            '"all_40": ("two_heads",)',
        ),
        "members averaged": ('combine="sum"', 'combine="mean"'),
        "trials pooled": ("pools_trials=False", "pools_trials=True"),
        "no rows of Table 3": ("rows |= {name: name for name in _DISTRIBUTIONS}", "pass"),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
