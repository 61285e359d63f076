"""wilkinghoff2021: how terms become a score, thresholds, statistics, and what Config refuses."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.mixture import GaussianMixture

from asdkeras.config import build_config, read_recipe
from asdkeras.data.labels import attribute_labels, section_labels
from asdkeras.published.papers import load
from asdkeras.scorers import gaussian_mixture
from asdkeras.scorers.combination import Combination
from asdkeras.scorers.section_mixtures import MixtureTerms
from asdkeras.scorers.terms import OfArrays, representation
from asdkeras.systems import variants
from asdkeras.systems import wilkinghoff2021 as system
from asdkeras.systems.system import System
from tests.systems import recorded_clips
from tests.systems.recorded_clips import noisy_clips, scores_of, task

RECIPE = Path(__file__).parents[2] / "recipes" / "wilkinghoff2021" / "dcase2021.yaml"


@pytest.fixture
def config():
    return build_config(system.Config, read_recipe(RECIPE)["config"], "here")


def combined(**changes):
    """Scores of a source, a target and a domainless clip by name, from these terms."""
    terms = {
        "section": [1.0, 2.0, 3.0],
        "attributes": [10.0, 20.0, 30.0],
        "target": [100.0, 200.0, 25.0],
        "tmax": None,
    } | changes
    domains = np.array(["source", "target", ""])
    on = OfArrays(terms, np.full(3, False), domains)
    given = MixtureTerms(**{name: each and representation(name) for name, each in terms.items()})
    return {name: term and on(term).tolist() for name, term in system._combined(given).items()}


def test_a_source_clip_gets_section_and_attributes_equation_2():
    assert combined()["combined"][0] == 1.0 + 10.0


def test_a_source_clip_of_a_valve_gets_the_temporal_maximum_too_equation_4():
    assert combined(tmax=[5000.0] * 3)["combined"][0] == 1.0 + 10.0 + 5000.0


def test_a_target_clip_gets_section_and_target_equation_3_never_the_temporal_maximum():
    assert combined(tmax=[5000.0] * 3)["combined"][1] == 2.0 + 200.0


def test_a_clip_of_unknown_domain_gets_the_likelier_of_attributes_and_target():
    assert combined(tmax=[5000.0] * 3)["combined"][2] == 3.0 + 25.0
    assert combined(target=[100.0, 200.0, 35.0])["combined"][2] == 3.0 + 30.0


def test_without_target_clips_every_clip_but_a_source_clip_gets_section_and_attributes():
    assert combined(target=None, tmax=[5000.0] * 3)["combined"] == [5011.0, 22.0, 33.0]


def test_decisions_on_target_clips_compare_the_section_term_alone():
    assert combined()["decision"] == [11.0, 2.0, 28.0]
    assert combined()["unknown_domain"] == [11.0, 22.0, 28.0]
    assert combined(target=None)["decision"] == [11.0, 2.0, 33.0]


def clip_table():
    rows = [("train", "source")] * 10 + [("train", "target")] * 3
    rows += [("test", "source"), ("test", "target"), ("test", pd.NA)]
    table = pd.DataFrame(rows, columns=["split", "domain"]).astype("string")
    return table.assign(machine_type="fan", section="00")


def test_thresholds_are_percentiles_per_section_and_domain(config):
    decision = np.arange(16.0) ** 2
    columns = pd.DataFrame({"decision": decision, "unknown_domain": -decision})

    thresholds = system.create(config).thresholds(columns, clip_table()).values

    source, target = np.percentile(decision[:10], 90), np.percentile(decision[10:13], 90)
    assert thresholds[13] == pytest.approx(source)
    assert thresholds[14] == pytest.approx(target)
    assert thresholds[15] == pytest.approx(np.percentile(-decision[:13], 90))


def test_sections_have_thresholds_of_their_own(config):
    table = pd.concat([clip_table(), clip_table().assign(section="01")], ignore_index=True)
    values = np.concatenate([np.arange(16.0), 100 + np.arange(16.0)])
    columns = pd.DataFrame({"decision": values, "unknown_domain": values})

    thresholds = system.create(config).thresholds(columns, table).values

    assert thresholds[29] - thresholds[13] == pytest.approx(100.0)


def test_band_statistics_show_progress_and_are_kept_for_a_stopped_task(config, tmp_path, capsys):
    clips = noisy_clips(recorded_clips.clip_table([("00", "source", "train", False)] * 3))
    built = system.create(dataclasses.replace(config, clip_length=4096, batch_size=2))

    def front_end():
        context = task(tmp_path, clips.table)
        return built.build(clips, {"sections": 2, "attributes": 2}, context).get_layer("front_end")

    front_end()
    assert "test band statistics: 3/3" in capsys.readouterr().err
    frames = front_end().predict_on_batch(np.array(clips.store.waveforms)).astype("float64")
    assert "band statistics" not in capsys.readouterr().err
    np.testing.assert_allclose(frames.mean(axis=(0, 1)), 0.0, atol=1e-4)
    np.testing.assert_allclose(frames.var(axis=(0, 1)), 1.0, atol=1e-4)


def scored(config, scale=1.0, num_subclusters=2):
    """Clip table of two sections, and their scores by embeddings of some lengths."""
    rng = np.random.default_rng(0)
    table = clip_table().assign(attributes=pd.array(["a", "b"] * 8, dtype="string"))
    table = pd.concat([table, table.assign(machine_type="valve")], ignore_index=True)
    variant = f"two_heads_s{num_subclusters}"
    built = system.create(dataclasses.replace(config, variant=variant, epochs=2, keep_epochs=(1,)))
    factor = rng.uniform(1.0, scale, size=(len(table), 1))
    arrays = {
        f"embedding_epoch{epoch}": (factor * rng.normal(size=(len(table), 6))).astype("float32")
        for epoch in (1, 2)
    }
    arrays["temporal_maximum"] = rng.normal(size=(len(table), 4)).astype("float32")
    training = table[table["split"] == "train"]
    models = system.TwoHeadModels(
        clip_length=4096,
        sample_rate_hz=16_000,
        keep="end",
        networks={},
        sections=section_labels(training).indices,
        attributes=attribute_labels(training, config.attribute_label).indices,
        section_centers={n: rng.normal(size=(2, num_subclusters, 6)) for n in (1, 2)},
        attribute_centers={n: rng.normal(size=(4, num_subclusters, 6)) for n in (1, 2)},
    )
    return table, scores_of(built, arrays, table, models)


def test_the_length_of_an_embedding_never_matters(config):
    _, short = scored(config)
    _, long = scored(config, scale=100.0)

    pd.testing.assert_frame_equal(short.columns, long.columns, rtol=1e-4)


def test_scores_are_summed_over_the_kept_epochs_and_every_clip_has_one(config):
    table, scores = scored(config)

    combined = scores.columns[["combined_epoch1", "combined_epoch2"]].sum(axis=1)
    np.testing.assert_allclose(scores.columns["combined"], combined)
    assert np.isfinite(scores.columns["combined"]).all()
    assert scores.columns["tmax"].notna().equals(table["machine_type"] == "valve")
    assert scores.notes == ()


def test_a_section_with_fewer_clips_than_components_is_noted(config):
    _, scores = scored(config, num_subclusters=16)

    assert scores.notes[0] == "fan_00: 10 source clips for 16 components; fitted 10"


def test_mixtures_that_do_not_converge_are_counted_in_one_note(config, monkeypatch):
    def stopped(count, **arguments):
        return GaussianMixture(count, **arguments | {"max_iter": 1})

    monkeypatch.setattr(gaussian_mixture, "GaussianMixture", stopped)

    _, scores = scored(config)

    # In both sections and after both epochs, that of the section and those of two attributes.
    assert scores.notes == ("12 mixtures stopped at the iteration limit and are kept",)


def test_the_variant_says_heads_and_subclusters(config):
    assert config.heads == ("sections", "attributes")
    assert config.num_subclusters == 16


def test_the_recipe_states_the_papers_values(config):
    assert (config.epochs, config.keep_epochs, config.batch_size) == (400, (100, 200, 300, 400), 64)
    assert (config.window_length, config.hop_length, config.num_mel_bins) == (1024, 512, 128)
    assert (config.covariance_regularization, config.threshold_percentile) == (1e-3, 90.0)


@pytest.mark.parametrize(
    ("variant", "members"),
    [
        ("two_heads_20", [f"two_heads_s{number}" for number in (1, 2, 4, 8, 16)]),
        ("one_head_20", [f"one_head_s{number}" for number in (1, 2, 4, 8, 16)]),
        (
            "all_40",
            [f"{heads}_s{n}" for heads in ("two_heads", "one_head") for n in (1, 2, 4, 8, 16)],
        ),
    ],
)
def test_an_ensemble_adds_the_networks_of_its_families_section_2_5(config, variant, members):
    ensemble = system.create(dataclasses.replace(config, variant=variant))

    assert list(ensemble.members) == members
    assert set(ensemble.members.values()) == {None}
    assert ensemble.combination == Combination("sum")
    assert not ensemble.pools_trials
    assert variant in ensemble.published_rows["combined"].split("+")


def test_members_are_variants_that_train(config):
    ensemble = system.create(dataclasses.replace(config, variant="all_40"))

    for member in ensemble.members:
        assert isinstance(system.create(dataclasses.replace(config, variant=member)), System)


def test_each_machine_has_the_family_that_section_2_5_names(config):
    ensemble = system.create(dataclasses.replace(config, variant="selected_20"))

    for member, machine_types in ensemble.members.items():
        expected = {
            "two_heads": {"ToyCar", "ToyTrain", "pump", "slider"},
            "one_head": {"fan", "gearbox", "valve"},
        }[member.rpartition("_s")[0]]
        assert set(machine_types) == expected
    assert len(ensemble.members) == 10


@pytest.mark.parametrize("variant", ["two_heads_s4", "one_head_20", "all_40", "selected_20"])
def test_rows_to_compare_with_are_printed_in_the_paper(config, variant):
    built = system.create(dataclasses.replace(config, variant=variant))

    rows = {row for rows in built.published_rows.values() for row in rows.split("+")}
    assert rows <= set(load("wilkinghoff2021")["system_row"])


@pytest.mark.parametrize("variant", ["all_40", "selected_20"])
def test_table_5_stands_beside_both_ensembles_it_may_be_of(config, variant):
    built = system.create(dataclasses.replace(config, variant=variant))
    rows = load("wilkinghoff2021")
    table_5 = rows[(rows["table"] == "5") & ~rows["system_row"].str.contains("baseline")]

    assert set(table_5["system_row"]) <= set(built.published_rows["combined"].split("+"))
    assert table_5["note"].str.contains("all_40 or selected_20").all()


def test_the_distributions_of_table_3_are_scores_of_the_proposed_ensemble(config):
    ensemble = system.create(dataclasses.replace(config, variant="all_40"))
    columns = scored(config)[1].columns

    assert set(ensemble.published_rows) == {"combined", "section", "attributes", "target"}
    assert set(system.create(config).named_scores([])) == set(ensemble.published_rows)
    assert set(ensemble.published_rows) <= set(columns)


@pytest.mark.parametrize("received", [(), (1, 3)])
def test_members_of_ensembles_are_numbers_of_sub_clusters_of_the_paper(config, received):
    with pytest.raises(ValueError, match=r"`ensemble_subclusters` must name some of .*Received"):
        dataclasses.replace(config, ensemble_subclusters=received)


def test_every_row_of_the_paper_stands_beside_a_variant_or_an_official_baseline(config):
    built = [
        system.create(dataclasses.replace(config, variant=variant))
        for variant in variants("wilkinghoff2021")
    ]
    beside = {
        row for each in built for rows in each.published_rows.values() for row in rows.split("+")
    }

    assert beside | {"ae_baseline", "mobilenetv2_baseline"} == {
        *load("wilkinghoff2021")["system_row"]
    }
