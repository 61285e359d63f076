"""The graphs of a run, each checked against scikit-learn before a detector has it."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from asdkeras.detector import fit, graph
from asdkeras.detector.fit import fit_machines
from asdkeras.detector.graph import SectionGraph
from asdkeras.errors import AsdkerasError, RecipeError
from asdkeras.experiment.recipe import PAPERS_THRESHOLDS
from asdkeras.experiment.unit_scores import Section
from tests.clip_table import clip_table

SECTIONS = [Section("fan", "00"), Section("fan", "02"), Section("saw", "00")]
TABLE = clip_table(
    [{"machine_type": name, "section": section, "split": "train"} for name, section in SECTIONS],
    dataset="factory",
)
RUN = SimpleNamespace(
    table=TABLE,
    scored=TABLE,
    recipe=SimpleNamespace(system="some2021", variant="loud", thresholds=PAPERS_THRESHOLDS),
)


def graph_of(factor=1.0, decides=1.0, threshold=0.5):
    """The largest sample is the score; that of layers, and what decides, are multiples of it."""

    def score_of(waveforms):
        largest = waveforms.max(axis=1).astype("float64")
        return np.stack([largest, decides * largest])

    return SectionGraph(
        clip_length=4000,
        keep="start",
        sample_rate_hz=16_000,
        threshold=threshold,
        connect=lambda waveforms: (factor * keras.ops.max(waveforms, axis=1), waveforms[:, :2]),
        score=score_of,
    )


@pytest.fixture
def fitted(monkeypatch):
    """Function from the graph of every section, and machines, to what is fitted."""

    def fitted(of_section, machines=None):
        monkeypatch.setattr(
            fit,
            "section_graphs",
            lambda run, seed, sections: ((section, of_section) for section in sections),
        )
        return list(fit_machines(RUN, 0, machines=machines))

    return fitted


def test_a_machine_of_one_section_goes_by_its_type(fitted):
    machines = [machine for machine, _, _ in fitted(graph_of())]

    assert [machine.name for machine in machines] == ["fan_00", "fan_02", "saw"]
    assert [(machine.machine_type, machine.section) for machine in machines] == SECTIONS
    assert {(machine.clip_length, machine.keep, machine.threshold) for machine in machines} == {
        (4000, "start", 0.5)
    }


@pytest.mark.parametrize(
    ("wanted", "names"),
    [(["fan"], ["fan_00", "fan_02"]), (["fan_02", "saw"], ["fan_02", "saw"])],
)
def test_machine_types_and_sections_can_be_chosen(fitted, wanted, names):
    assert [machine.name for machine, _, _ in fitted(graph_of(), wanted)] == names


def test_a_machine_that_the_run_lacks_is_refused(fitted):
    with pytest.raises(RecipeError, match=r"has no `fan_01`.*It has fan_00, fan_02, saw_00"):
        fitted(graph_of(), ["fan_01"])


@pytest.mark.parametrize("factor", [1.0 + 2e-4, 1.0 - 2e-4, np.nan])
def test_a_graph_that_disagrees_with_scikit_learn_is_refused(fitted, factor):
    with pytest.raises(AsdkerasError, match="fan_00: the graph and scikit-learn disagree by"):
        fitted(graph_of(factor, threshold=0.01))


def test_differences_are_relative_to_score_or_threshold(fitted):
    differences = [
        fitted(graph_of(1.0 + 5e-5, threshold=threshold))[0][2] for threshold in (0.01, 100.0)
    ]

    assert differences[0] == pytest.approx(5e-5, rel=0.01)
    assert 0.0 < differences[1] < 1e-6


def test_a_decision_that_compares_another_score_is_refused(fitted):
    with pytest.raises(AsdkerasError, match="does not compare its score"):
        fitted(graph_of(decides=1.001))


def test_a_score_that_labels_chose_is_refused(monkeypatch):
    system = SimpleNamespace(
        label_free_settings="`weight: equal`", main_score="chosen", needs_labels=lambda score: True
    )
    run = SimpleNamespace(**vars(RUN))
    run.recipe = SimpleNamespace(**vars(RUN.recipe), untrained=False)
    monkeypatch.setattr(graph, "system_of", lambda run: system)

    with pytest.raises(RecipeError, match=r"loud: `chosen` is .*Take `weight: equal`\."):
        list(fit_machines(run, 0))
