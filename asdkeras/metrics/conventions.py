"""How each paper averages what it prints: rule sets in the form of those of the challenge.

A paper follows the rules of its year in which clips meet, or does not, and prints means that
no evaluator computes. Its figures can only be compared with ours under its own convention.
"""

import dataclasses

from asdkeras.metrics.official import RULES, RuleSet

CONVENTIONS: dict[str, RuleSet] = {
    rules.name: rules
    for rules in (
        # Means of AUC and of pAUC per machine type and domain, and the official score.
        dataclasses.replace(RULES["dcase2021"], name="wilkinghoff2021"),
        # Every cell joins the AUCs and pAUCs of its sections.
        dataclasses.replace(RULES["dcase2021"], name="kuroyanagi2021", joint_mean="everywhere"),
        dataclasses.replace(RULES["dcase2022"], name="venkatesh2022", joint_mean="machine_types"),
        dataclasses.replace(RULES["dcase2022"], name="nejjar2022", joint_mean="machine_types"),
        # Domains as in 2021, on data of 2022 and 2023, beside all clips of a section; no
        # official score, and the spread over trials is that of a population.
        dataclasses.replace(
            RULES["dcase2021"],
            name="wilkinghoff2024",
            rows=("source", "target", "all"),
            auc_domains=("source", "target", "all"),
            pauc_domains=("source", "target", "all"),
            evaluation=RULES["dcase2022"].evaluation | RULES["dcase2023"].evaluation,
            joint_mean="none",
            rows_apart=True,
            trial_ddof=0,
        ),
    )
}
