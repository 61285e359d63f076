"""Labels choose which members count, for each machine type and domain, and how."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from asdkeras.experiment.label_choices import best_members
from asdkeras.metrics.development import development_score
from asdkeras.metrics.official import RULES
from asdkeras.scorers.combination import Combination, combine_by_section

NAMES = ("first", "second", "third")
DOMAINS = [(machine, domain) for machine in ("fan", "valve") for domain in ("source", "target")]


def clip_table(dataset="mini2021", sections=("00", "03"), labelled=("fan", "valve")):
    """Per machine type, section, split and domain 8 clips, every other test clip anomalous."""
    rows = [
        (machine, section, split, domain, f"{number}.wav", split == "test" and number % 2 == 1)
        for machine in ("fan", "valve")
        for section in sections
        for split in ("train", "test")
        for domain in ("source", "target")
        for number in range(8)
    ]
    names = ["machine_type", "section", "split", "domain", "path", "is_anomalous"]
    table = pd.DataFrame(rows, columns=names).assign(dataset=dataset)
    texts = dict.fromkeys([*names[:5], "dataset"], "string")
    table = table.astype({**texts, "is_anomalous": "boolean"})
    table.loc[~table["machine_type"].isin(labelled), "is_anomalous"] = pd.NA
    # Rows in an order of no meaning: positions are what counts.
    return table.sample(frac=1.0, random_state=3)


def is_of(table, machine, domain):
    return ((table["machine_type"] == machine) & (table["domain"] == domain)).to_numpy(dtype=bool)


def scores_of(table, skills, seed=0):
    """Noise, and `skills` more for anomalous clips: (machine type, domain) -> one per member.

    In evaluation sections it is the other way round.
    """
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(3, len(table)))
    is_anomalous = table["is_anomalous"].fillna(False).to_numpy(dtype=bool)
    sign = np.where(table["section"] == "00", 1.0, -1.0)
    for group, of_members in skills.items():
        here = is_of(table, *group) & is_anomalous
        scores += np.outer(of_members, here * sign)
    return scores


SKILLS = dict(zip(DOMAINS, [(9, 0, 0), (0, 9, 0), (0, 0, 9), (-9, -9, 9)], strict=True))
BEST_1 = dict(zip(DOMAINS, (0, 1, 2, 2), strict=True))


def best(scores, table, numbers=(1,), methods=(), how="mean", weights=None):
    combination = Combination(how, best_from_labels=numbers, methods_from_labels=methods)
    chosen = best_members(scores, weights, NAMES, table, combination)
    return SimpleNamespace(**dict(zip(("scores", "notes", "oracle"), chosen, strict=True)))


def test_the_best_member_of_each_machine_type_and_domain_counts_alone():
    table = clip_table()
    scores = scores_of(table, SKILLS)

    result = best(scores, table)

    for group, number in BEST_1.items():
        here = is_of(table, *group)
        np.testing.assert_array_equal(result.scores[here], scores[number, here])
    assert result.notes == (
        "chosen by labels: fan source first; fan target second; valve source third; "
        "valve target third",
    )
    assert len(result.oracle) == 1
    assert "labels of development test clips chose" in result.oracle[0]


def searched(scores, table, group, numbers, methods):
    """By hand, from the clips of a machine type and domain: every number and method in turn."""
    here = is_of(table, *group)
    rules = RULES["dcase2021"]
    measured = [development_score(table[here], row[here], rules) for row in scores]
    order = sorted(range(3), key=lambda k: (-measured[k], k))
    found = []
    for how in methods:
        for count in numbers:
            members = sorted(order[:count])
            combined = combine_by_section(scores[members], table, how)
            score = development_score(table[here], combined[here], rules)
            found.append((score, how, members, combined[here]))
    return max(found, key=lambda each: each[0])  # The first of equals.


@pytest.mark.parametrize("seed", range(4))
def test_number_and_method_are_the_best_of_all_by_the_clips_of_the_domain(seed):
    table = clip_table()
    scores = scores_of(table, {group: (0.5, 0.9, 0.7) for group in DOMAINS}, seed)
    methods = ("mean", "median", "maximum", "rank")

    result = best(scores, table, (1, 2, 3), methods)

    for group in DOMAINS:
        _, how, members, expected = searched(scores, table, group, (1, 2, 3), methods)
        np.testing.assert_allclose(result.scores[is_of(table, *group)], expected, rtol=1e-14)
        words = f"{' '.join(group)} {', '.join(NAMES[k] for k in members)} by {how}"
        assert words in result.notes[0]


def test_where_normal_clips_meet_anomalies_of_both_domains_a_machine_type_has_one_choice():
    table = clip_table("mini2022")
    scores = scores_of(table, SKILLS)

    result = best(scores, table)

    chosen = {}
    for machine in ("fan", "valve"):
        here = (table["machine_type"] == machine).to_numpy(dtype=bool)
        measured = [development_score(table[here], row[here], RULES["dcase2022"]) for row in scores]
        number = int(np.argmax(measured))
        chosen[machine] = NAMES[number]
        np.testing.assert_array_equal(result.scores[here], scores[number, here])
    assert result.notes == (f"chosen by labels: fan {chosen['fan']}; valve {chosen['valve']}",)


def test_recordings_of_ones_own_have_one_choice_per_machine_type():
    table = clip_table("factory").assign(domain=pd.array([pd.NA] * 128, dtype="string"))

    result = best(scores_of(clip_table(), SKILLS), table)

    assert result.notes[0].count(";") == 1


def test_machine_types_without_labels_take_all_members():
    table = clip_table(labelled=("fan",))
    scores = scores_of(table, SKILLS)

    result = best(scores, table, how="median")

    valve = (table["machine_type"] == "valve").to_numpy(dtype=bool)
    np.testing.assert_array_equal(result.scores[valve], np.median(scores[:, valve], axis=0))
    assert result.notes[1] == (
        "there are no labels to choose members for valve source, valve target by: all count "
        "there, by median"
    )
    assert result.oracle


def test_without_labels_nothing_is_marked():
    result = best(scores_of(clip_table(), SKILLS), clip_table(sections=("03", "04")))

    assert result.oracle == ()
    assert len(result.notes) == 1


def test_a_member_that_lacks_test_clips_of_a_domain_is_not_chosen_there():
    table = clip_table()
    scores = scores_of(table, SKILLS)
    scores[0, is_of(table, "fan", "source")] = np.nan

    result = best(scores, table, numbers=(3,))

    here = is_of(table, "fan", "source")
    np.testing.assert_allclose(result.scores[here], scores[1:, here].mean(axis=0), rtol=1e-14)
    assert "fan source second, third;" in result.notes[0]


def test_members_of_weight_0_are_not_chosen_and_others_weigh_what_they_weigh():
    table = clip_table()
    scores = scores_of(table, SKILLS)
    weights = np.outer([0.0, 1.0, 3.0], np.ones(len(table)))

    result = best(scores, table, numbers=(2,), weights=weights)

    expected = (scores[1] + 3.0 * scores[2]) / 4.0
    np.testing.assert_allclose(result.scores, expected, rtol=1e-12)


def test_more_members_than_there_are_means_all():
    table = clip_table()
    scores = scores_of(table, SKILLS)

    result = best(scores, table, numbers=(7,))

    np.testing.assert_allclose(result.scores, scores.mean(axis=0), rtol=1e-14)


# By section.

BY_SECTION = clip_table(sections=("00", "01", "03"))
FAN_SOURCE = is_of(BY_SECTION, "fan", "source")


def skilled(skills, seed=0):
    """Noise, and more for anomalous clips: section -> one number per member."""
    scores = 0.1 * np.random.default_rng(seed).normal(size=(3, len(BY_SECTION)))
    is_anomalous = BY_SECTION["is_anomalous"].fillna(False).to_numpy(dtype=bool)
    for section, of_members in skills.items():
        here = (BY_SECTION["section"] == section).to_numpy(dtype=bool) & is_anomalous
        scores += np.outer(of_members, here)
    return scores


def by_section(scores, numbers, weights=None, **options):
    combination = Combination("mean", best_from_labels=numbers, **options)
    chosen = best_members(scores, weights, NAMES, BY_SECTION, combination)
    return SimpleNamespace(**dict(zip(("scores", "notes", "oracle"), chosen, strict=True)))


# The first two are best in section 00, the last two in 01; in 03 nobody knows.
UNLIKE = {"00": (9, 5, -9), "01": (-9, 5, 9), "03": (9, 9, -9)}


def of_section(section):
    return FAN_SOURCE & (BY_SECTION["section"] == section).to_numpy(dtype=bool)


def test_the_best_of_each_section_count_in_all_sections_as_often_as_they_are_among_them():
    """Two of two sections each are four, one of them twice."""
    scores = skilled(UNLIKE)

    result = by_section(scores, (2,), best_of="pooled_sections")

    expected = (scores[0] + 2.0 * scores[1] + scores[2]) / 4.0
    np.testing.assert_allclose(result.scores[FAN_SOURCE], expected[FAN_SOURCE], rtol=1e-12)
    assert "fan source first, second, second, third;" in result.notes[0]


def test_the_best_of_each_section_may_count_there_alone():
    scores = skilled(UNLIKE)

    result = by_section(scores, (2,), best_of="section")

    for section, members in (("00", [0, 1]), ("01", [1, 2])):
        expected = scores[members].mean(axis=0)[of_section(section)]
        np.testing.assert_allclose(result.scores[of_section(section)], expected, rtol=1e-12)
    assert "fan source section 00 first, second / 01 second, third / 03 " in result.notes[0]


def test_a_section_without_labels_has_the_best_members_of_the_others():
    """The second is the best of both sections with labels together."""
    scores = skilled(UNLIKE)

    result = by_section(scores, (1,), best_of="section")

    unlabelled = of_section("03")
    np.testing.assert_array_equal(result.scores[unlabelled], scores[1, unlabelled])


def test_by_default_the_best_are_those_of_the_machine_type():
    scores = skilled(UNLIKE)

    result = by_section(scores, (1,))

    np.testing.assert_array_equal(result.scores[FAN_SOURCE], scores[1, FAN_SOURCE])


@pytest.mark.parametrize("seed", range(4))
def test_each_section_has_the_method_that_is_best_for_it(seed):
    """The number of members is that which is best for the machine type with these methods."""
    scores = skilled({"00": (0.1, 0.2, 0.05), "01": (0.05, 0.1, 0.2)}, seed)
    methods = ("mean", "median", "maximum", "rank")
    rules = RULES["dcase2021"]

    result = by_section(scores, (2, 3), methods_from_labels=methods, method_of="section")

    def score_of(where, values):
        return development_score(BY_SECTION[where], values[where], rules)

    order = sorted(range(3), key=lambda k: -score_of(FAN_SOURCE, scores[k]))
    found = []
    for count in (2, 3):
        members = sorted(order[:count])
        values = {how: combine_by_section(scores[members], BY_SECTION, how) for how in methods}
        combined = values["mean"].copy()  # Where there are no labels.
        for section in ("00", "01"):
            here = of_section(section)
            how = max(methods, key=lambda each: score_of(here, values[each]))
            combined[here] = values[how][here]
        found.append((score_of(FAN_SOURCE, combined), combined[FAN_SOURCE]))
    expected = max(found, key=lambda each: each[0])[1]
    np.testing.assert_allclose(result.scores[FAN_SOURCE], expected, rtol=1e-12)


def test_methods_of_sections_stand_in_the_notes():
    """The mean is best in section 00, the maximum in section 01."""
    scores = skilled({})
    is_anomalous = BY_SECTION["is_anomalous"].fillna(False).to_numpy(dtype=bool)
    for section, misled in (("00", ~is_anomalous), ("01", is_anomalous)):
        here = misled & (BY_SECTION["section"] == section).to_numpy(dtype=bool)
        scores[0, here], scores[1, here] = 9.0, -20.0

    result = by_section(scores, (3,), methods_from_labels=("mean", "maximum"), method_of="section")

    all_three = "first, second, third by"
    words = f"fan source section 00 {all_three} mean / 01 {all_three} maximum / 03 {all_three} mean"
    assert words in result.notes[0]
