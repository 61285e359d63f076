"""Break ensembles and what is reported of named scores in known ways; all must be caught.

Run: `python benchmarks/mutate_ensembles.py` (about six minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_CHANGES = {
    ("experiment/members.py", "experiment/test_ensembles.py"): {
        "members overwrite each other": ("total.add(part)[", "part["),
        "names only some members have": ("[_shared(total, part)]", ""),
        "machines of a member ignored": (
            "if member.machine_types is None:",
            "if True:",
        ),
        "machines of a member turned round": (
            'table["machine_type"].isin(member.machine_types)',
            '~table["machine_type"].isin(member.machine_types)',
        ),
        "mean over all members": ("total.div(total_weight, axis=0)", "total / len(members)"),
        "sum and mean exchanged": ('if rule.how == "sum"', 'if rule.how == "mean"'),
        "other clips accepted": ("if not trial.table[_CLIP].equals(table[_CLIP]):", "if False:"),
        "clips without a member accepted": ("    if lost:", "    if False:"),
        "snapshot keeps its ending": ("name.removesuffix(ending)", "name"),
        "weights of a member ignored": ("each.weights or {}", "{}"),
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
