"""wilkinghoff2021: how terms become a score, thresholds, statistics, and what Config refuses."""

import dataclasses
import types
from pathlib import Path

import librosa
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
from asdkeras.systems.model_files import TrainedNetwork
from asdkeras.systems.system import System
from tests.systems import recorded_clips
from tests.systems.recorded_clips import noisy_clips, scores_of, task

RECIPE = Path(__file__).parents[2] / "recipes" / "wilkinghoff2021" / "dcase2021.yaml"


@pytest.fixture
def config():
    return build_config(system.Config, read_recipe(RECIPE)["config"], "here")


def combined(tmax_weight=1.0, **changes):
    """Scores of a source, a target and a domainless clip by name, from these terms."""
    terms = {
        "section": [1.0, 2.0, 3.0],
        "pooled": None,
        "attributes": [10.0, 20.0, 30.0],
        "target": [100.0, 200.0, 25.0],
        "tmax": None,
    } | changes
    domains = np.array(["source", "target", ""])
    on = OfArrays(terms, np.full(3, False), domains)
    given = MixtureTerms(**{name: each and representation(name) for name, each in terms.items()})
    scores = system._combined(given, tmax_weight)
    return {name: term and on(term).tolist() for name, term in scores.items()}


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


def test_the_attribute_distribution_of_a_valve_contains_the_temporal_maximum_on_source_clips():
    scores = combined(tmax=[5000.0] * 3)

    assert scores["attributes"] == [5010.0, 20.0, 30.0]
    assert scores["tmax"] == [5000.0] * 3
    assert combined()["attributes"] == [10.0, 20.0, 30.0]


def test_the_temporal_maximum_has_its_weight_wherever_it_stands():
    scores = combined(tmax_weight=0.25, tmax=[8.0] * 3)

    assert scores["tmax"] == [2.0] * 3
    assert scores["attributes"] == [12.0, 20.0, 30.0]
    assert scores["combined"][0] == scores["decision"][0] == 1.0 + 10.0 + 2.0


def test_the_mixture_of_both_domains_stands_for_that_of_the_source_on_target_clips():
    scores = combined(pooled=[7.0, 8.0, 9.0])

    assert scores["section"] == [1.0, 8.0, 3.0]
    assert scores["combined"] == [11.0, 8.0 + 200.0, 28.0]
    assert scores["decision"] == [11.0, 8.0, 28.0]
    assert scores["unknown_domain"] == combined()["unknown_domain"]


def test_without_an_attribute_term_section_and_temporal_maximum_are_left():
    scores = combined(attributes=None, tmax=[5000.0] * 3)
    alone = combined(attributes=None, target=None)

    assert "attributes" not in scores
    assert scores["combined"] == [5001.0, 202.0, 28.0]
    assert scores["unknown_domain"] == [101.0, 202.0, 28.0]
    assert alone["combined"] == alone["unknown_domain"] == [1.0, 2.0, 3.0]


def clip_table():
    rows = [("train", "source")] * 10 + [("train", "target")] * 3
    rows += [("test", "source"), ("test", "target"), ("test", pd.NA)]
    table = pd.DataFrame(rows, columns=["split", "domain"]).astype("string")
    return table.assign(dataset="mini2021", machine_type="fan", section="00")


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


def test_band_statistics_show_progress_and_are_kept_for_all_tasks(config, tmp_path, capsys):
    clips = noisy_clips(recorded_clips.clip_table([("00", "source", "train", False)] * 3))
    built = system.create(dataclasses.replace(config, clip_length=4096, batch_size=2))

    def front_end(name):
        context = task(tmp_path / name, clips.table)
        return built.build(clips, {"sections": 2, "attributes": 2}, context).get_layer("front_end")

    front_end("one")
    assert "test band statistics: 3/3" in capsys.readouterr().err
    frames = (
        front_end("another").predict_on_batch(np.array(clips.store.waveforms)).astype("float64")
    )
    assert "band statistics" not in capsys.readouterr().err
    np.testing.assert_allclose(frames.mean(axis=(0, 1)), 0.0, atol=1e-4)
    np.testing.assert_allclose(frames.var(axis=(0, 1)), 1.0, atol=1e-4)


def naive_log_mel(waveform, config):
    """Decibels, float64 `(frames, bands)`: power in Slaney bands, symmetric Hann, mirrored ends."""
    length = config.window_length
    padded = np.pad(np.asarray(waveform, "float64"), length // 2, mode="reflect")
    bands = librosa.filters.mel(sr=16_000, n_fft=length, n_mels=config.num_mel_bins, dtype=float)
    frames = [
        np.abs(np.fft.rfft(np.hanning(length) * padded[start : start + length])) ** 2
        for start in range(0, len(waveform) + 1, config.hop_length)
    ]
    return 10.0 * np.log10(np.maximum(1e-10, np.array(frames) @ bands.T))


@pytest.mark.parametrize("features", ["decibels", "standardized"])
def test_the_temporal_maximum_is_that_of_the_log_mel_spectrogram(config, tmp_path, features):
    clips = noisy_clips(recorded_clips.clip_table([("00", "source", "train", False)] * 3))
    changes = {"clip_length": 4096, "batch_size": 2, "keep_epochs": (400,)}
    built = system.create(dataclasses.replace(config, tmax_features=features, **changes))
    context = task(tmp_path, clips.table)
    classifier = built.build(clips, {"sections": 2, "attributes": 2}, context)
    networks = {400: TrainedNetwork(None, classifier)}
    waveforms = np.array(clips.store.waveforms)

    model = built.represent(types.SimpleNamespace(networks=networks))["temporal_maximum"]
    maxima = model.predict_on_batch(waveforms)

    log_mel = np.array([naive_log_mel(each, config) for each in waveforms])
    expected = log_mel.max(axis=1)
    if features == "standardized":
        expected = (expected - log_mel.mean(axis=(0, 1))) / log_mel.std(axis=(0, 1))
    np.testing.assert_allclose(maxima, expected, rtol=1e-3, atol=1e-3)  # Decibels of float32.


def scored(config, scale=1.0, num_subclusters=2, family="two_heads"):
    """Clip table of two sections, and their scores by embeddings of some lengths."""
    rng = np.random.default_rng(0)
    table = clip_table().assign(attributes=pd.array(["a", "b"] * 8, dtype="string"))
    table = pd.concat([table, table.assign(machine_type="valve")], ignore_index=True)
    variant = f"{family}_s{num_subclusters}"
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


def test_a_temporal_maximum_that_counts_once_does_so_in_the_sum_of_a_family(config):
    config = dataclasses.replace(config, ensemble_subclusters=(1, 2, 4))
    _, each = scored(config)
    table, once = scored(dataclasses.replace(config, tmax_counts="once"))

    is_valve = (table["machine_type"] == "valve").to_numpy(bool)
    one = each.columns.loc[is_valve, "tmax_epoch1"]
    np.testing.assert_allclose(each.columns.loc[is_valve, "tmax"], 2 * one)
    np.testing.assert_allclose(3 * once.columns.loc[is_valve, "tmax"], one)
    rest = [scores.columns["attributes"] - scores.columns["tmax"] for scores in (each, once)]
    is_source = is_valve & (table["domain"] == "source").fillna(False).to_numpy(bool)
    np.testing.assert_allclose(rest[0][is_source], rest[1][is_source])


def test_the_mixture_of_both_domains_is_chosen_by_the_recipe(config):
    table, scores = scored(config)
    _, pooled = scored(dataclasses.replace(config, target_section_mixture="source_and_target"))

    is_target = (table["domain"] == "target").fillna(False).to_numpy(bool)
    differs = (scores.columns["section"] != pooled.columns["section"]).to_numpy(bool)
    np.testing.assert_array_equal(differs, is_target)


def test_networks_with_one_head_keep_the_attribute_term_unless_the_recipe_says_otherwise(config):
    without = dataclasses.replace(config, one_head_attributes=False)
    columns = {
        (name, family): scored(each, family=family)[1].columns
        for name, each in (("with", config), ("without", without))
        for family in ("one_head", "two_heads")
    }

    built = system.create(dataclasses.replace(without, variant="one_head_s2"))
    for key, scores in columns.items():
        has_term = key != ("without", "one_head")
        assert ("attributes" in scores) == has_term
        assert ("attributes" in built.named_scores(list(scores))) == has_term
        assert np.isfinite(scores["combined"]).all()


@dataclasses.dataclass
class Counted:
    """Training clips by machine type, section and attributes, and what training says of them."""

    table: pd.DataFrame
    warnings: list = dataclasses.field(default_factory=list)

    def __len__(self):
        return len(self.table)

    def lengths(self):
        return np.full(len(self.table), 160_000)

    def say(self, message):
        pass

    def warn(self, message):
        self.warnings.append(message)

    def fit(self, **_):
        raise KeyboardInterrupt


def warnings_before_training(config, expected, variant="two_heads_s2"):
    rows = [("fan", "00", "a"), ("fan", "01", "a"), ("fan", "01", "b"), ("saw", "00", "a")]
    table = pd.DataFrame(rows * 2, columns=["machine_type", "section", "attributes"])
    clips = Counted(table.assign(split="train").astype("string"))
    changes = {"expected_classes": expected, "variant": variant}
    with pytest.raises(KeyboardInterrupt):
        system.create(dataclasses.replace(config, **changes)).train(clips, clips)
    return clips.warnings


@pytest.mark.parametrize("variant", ["two_heads_s2", "one_head_s2"])
def test_other_numbers_of_classes_than_the_papers_are_reported_before_training(config, variant):
    sections, attributes = warnings_before_training(
        config, {"sections": 42, "attributes": 3}, variant
    )

    assert sections == "3 sections, where `config.expected_classes` has 42"
    assert attributes == (
        "4 attributes, where `config.expected_classes` has 3; by other values of "
        "`config.attribute_label`: `machine_attribute` 3, `attribute` 2; `machine_attribute` gives "
        "the expected number"
    )
    (none,) = warnings_before_training(config, {"attributes": 199}, variant)
    assert none.endswith("`machine_attribute` 3, `attribute` 2; none gives the expected number")


def test_expected_numbers_of_classes_are_not_reported_and_none_may_be_expected(config):
    assert warnings_before_training(config, {"sections": 3, "attributes": 4}) == []
    assert warnings_before_training(config, {}) == []


@pytest.mark.parametrize(
    "received", [{"section": 42}, {"sections": 0}, {"sections": True}, {"attributes": "199"}]
)
def test_expected_classes_are_numbers_of_sections_and_attributes(config, received):
    with pytest.raises(ValueError, match=r"some of sections, attributes to numbers.*Received: {"):
        dataclasses.replace(config, expected_classes=received)


def test_recipes_expect_what_the_paper_counts_where_they_are_for_its_data():
    config_of = {path.stem: read_recipe(path)["config"] for path in RECIPE.parent.glob("*.yaml")}

    expected = {name: config["expected_classes"] for name, config in config_of.items()}
    assert expected == {
        "dcase2021": {"sections": 42, "attributes": 199},
        "mini": {},
        "folder": {},
    }


def test_every_recipe_mixes_labels_as_the_authors_code_of_the_time():
    for path in RECIPE.parent.glob("*.yaml"):
        assert read_recipe(path)["config"]["mixup_labels"] == "max", path


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
    assert set(system.create(config).named_scores(list(columns))) == set(ensemble.published_rows)


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
