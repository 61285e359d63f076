"""Kuroyanagi 2021: what recipes may say, which models and ensembles follow, and the thresholds."""

import dataclasses
import typing
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from asdkeras.config import build_config, read_recipe
from asdkeras.errors import RecipeError
from asdkeras.scorers.thresholds import gamma_threshold
from asdkeras.systems import kuroyanagi2021
from asdkeras.systems.kuroyanagi.classifier import OutlierClassifierSystem
from asdkeras.systems.kuroyanagi.config_sections import Together, changed
from asdkeras.systems.kuroyanagi.conformer import ConformerSystem
from asdkeras.systems.kuroyanagi.log_mel import log_mel, require_frames
from asdkeras.systems.system import Ensemble
from tests.systems.naive_log_mel import naive_log_mel
from tests.systems.recorded_clips import RATE_HZ, clip_table

FOLDER = Path(__file__).parents[2] / "recipes" / "kuroyanagi2021"
RECIPES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
VARIANTS = typing.get_args(typing.get_type_hints(kuroyanagi2021.Config)["variant"])
AE = ("ae", "ae_short_hop", "ae_few_bands", "ae_few_blocks", "ae_narrow_kernel")
BC = ("bc", "bc_same_dataset", "bc_augmented", "bc_arcface", "bc_resnext50", "bc_efficientnet_b3")


def config_of(variant="ae", recipe="dcase2021", **changes):
    content = read_recipe(FOLDER / f"{recipe}.yaml")["config"]
    config = build_config(kuroyanagi2021.Config, content, "here")
    return dataclasses.replace(config, variant=variant, **changes)


def together(**changes):
    return dataclasses.replace(config_of().together, **changes)


CONFIG = config_of()


# What the recipes say.


def test_the_recipe_of_the_dataset_states_what_the_paper_states():
    ae, bc = CONFIG.ae, CONFIG.bc

    masks = dataclasses.asdict(ae.masks)
    assert masks == {
        "num_time_masks": 50,
        "min_time_width": 1,
        "time_width": 5,
        "num_band_masks": 5,
        "min_band_width": 0,
        "band_width": 10,
        "input_dropout": 0.2,
    }
    assert (ae.num_copies, ae.copy_pooling) == (10, "mean")
    assert (ae.steps, ae.batch_size, ae.warmup_steps) == (50_000, 64, 8000)
    assert (bc.window_length, bc.hop_length, bc.num_mel_bins, bc.num_frames) == (
        1024,
        256,
        256,
        256,
    )
    assert (bc.steps, bc.batch_size, bc.head_rate, bc.network_rate) == (8000, 64, 1e-3, 5e-4)
    assert (bc.adaptation.steps, bc.adaptation.num_target) == (800, 16)
    assert (bc.backbone, bc.negatives) == ("resnet34", "all")
    assert ae.section_id == "regression"


def test_the_recipe_of_the_dataset_takes_from_the_trace_what_the_paper_leaves_open():
    ae, bc = CONFIG.ae, CONFIG.bc

    sizes = (ae.num_blocks, ae.width, ae.kernel_size, ae.num_heads, ae.latent_dim, ae.dropout)
    assert sizes == (4, 144, 31, 4, 64, 0.1)
    assert ae.rate_factor == 1.0
    assert ae.adam_epsilon == bc.adam_epsilon == 1e-8
    assert ae.floor == bc.floor == 1e-5
    assert (ae.reg_covar, ae.target_reg_covar, ae.held_out_fraction) == (1e-6, 1e-3, 0.1)
    assert (bc.num_windows, bc.dropout, bc.posterior_weight) == (10, 0.3, 0.5)
    assert (bc.adaptation.mixup_probability, bc.adaptation.mixup_alpha) == (0.5, 0.2)
    assert (bc.start_weights, bc.held_out_fraction) == ("random", 0.1)
    assert bc.combination == "standardized"
    assert dataclasses.astuple(bc.ddcsad) == ("two_centroid_deep_sad", 1.0, 0.9)
    assert CONFIG.threshold_percentile == 90.0


@pytest.mark.parametrize("recipe", RECIPES)
def test_noise_volume_and_arcface_are_for_members_of_the_ensemble_alone(recipe):
    bc = config_of(recipe=recipe).bc

    assert bc.augmentation.noise_probability == bc.augmentation.volume_probability == 0.0
    assert bc.augmentation.snr_db == (5.0, 20.0)
    assert bc.augmentation.gain_db == (-10.0, 10.0)
    assert bc.arc_face.weight == 0.0


@pytest.mark.parametrize("recipe", RECIPES)
def test_by_default_labels_choose_nothing(recipe):
    config = config_of(recipe=recipe)

    assert config.variant == "ae"
    assert config.together == Together(
        combine="mean",
        normalize="section_and_domain",
        normalize_on="held_out",
        choice="fixed",
        best_classifiers_of="pooled_sections",
        method_of="section",
    )


# What they may say.

_AT_LEAST_1 = "must be at least 1"
WRONG_AE = [
    ("clip_length", -1, "must not be negative"),
    ("window_length", 1023, "must be even"),
    ("window_length", 0, "must be even"),
    *((name, 0, _AT_LEAST_1) for name in ("hop_length", "num_mel_bins", "num_copies")),
    *((name, 0, _AT_LEAST_1) for name in ("num_blocks", "width", "kernel_size", "num_heads")),
    *((name, 0, _AT_LEAST_1) for name in ("latent_dim", "batch_size", "warmup_steps")),
    ("steps_per_save", 0, _AT_LEAST_1),
    ("steps", 49_999, "must be a multiple of `steps_per_save`, 500"),
    ("steps", 0, "must be a multiple of `steps_per_save`, 500"),
    ("floor", 0.0, "must be above 0"),
    ("width", 146, "must be a multiple of `num_heads`, 4"),
    ("kernel_size", 30, "must be odd"),
    ("dropout", 1.0, r"must lie in \[0, 1\)"),
    ("dropout", -0.1, r"must lie in \[0, 1\)"),
    ("held_out_fraction", 0.0, "must lie between 0 and 1: the scorer goes by"),
    ("held_out_fraction", 1.0, "must lie between 0 and 1: the scorer goes by"),
    ("rate_factor", 0.0, "must be above 0"),
    ("adam_epsilon", 0.0, "must be above 0"),
    ("reg_covar", 0.0, "must be above 0"),
    ("target_reg_covar", 0.0, "must be above 0"),
    ("section_id", "none", "regression"),
    ("copy_pooling", "sum", "mean"),
    ("time_pooling", "sum", "mean"),
    ("masks.num_time_masks", -1, "must not be negative"),
    ("masks.num_band_masks", -1, "must not be negative"),
    ("masks.min_time_width", -1, "must not be negative"),
    ("masks.min_band_width", -1, "must not be negative"),
    ("masks.time_width", 0, "must not be below `min_time_width`, 1"),
    ("masks.band_width", -1, "must not be below `min_band_width`, 0"),
    ("masks.band_width", 129, "must not be above `num_mel_bins`, 128"),
    ("masks.input_dropout", 1.0, r"must lie in \[0, 1\)"),
    ("masks.input_dropout", -0.1, r"must lie in \[0, 1\)"),
]
WRONG_BC = [
    ("clip_length", -1, "must not be negative"),
    ("window_length", 1023, "must be even"),
    ("floor", 0.0, "must be above 0"),
    ("hop_length", 0, _AT_LEAST_1),
    ("num_windows", 0, _AT_LEAST_1),
    ("width", 0, _AT_LEAST_1),
    ("num_frames", 31, "must be at least 32"),
    ("num_mel_bins", 31, "must be at least 32"),
    ("steps", 7999, "must be a multiple of `steps_per_save`, 500"),
    ("steps_per_save", 0, _AT_LEAST_1),
    ("batch_size", 63, "must be even"),
    ("batch_size", 0, "must be even"),
    ("dropout", 1.0, r"must lie in \[0, 1\)"),
    ("head_rate", 0.0, "must be above 0"),
    ("network_rate", 0.0, "must be above 0"),
    ("network_rate", 0.002, "must not be above `head_rate`, 0.001"),
    ("adam_epsilon", 0.0, "must be above 0"),
    ("held_out_fraction", 0.0, "must lie between 0 and 1: the scorer goes by"),
    ("held_out_fraction", 1.0, "must lie between 0 and 1: the scorer goes by"),
    ("start_weights", "imagenet", r"must be `random` or a file of Keras weights"),
    ("start_weights", "weights.h5", r"must be `random` or a file of Keras weights"),
    ("combination", "logit", "standardized"),
    ("posterior_weight", 1.1, r"must lie in \[0, 1\]"),
    ("posterior_weight", -0.1, r"must lie in \[0, 1\]"),
    ("normalization", "none", "own_machine"),
    ("negatives", "none", "same_dataset"),
    ("backbone", "resnet18", "resnet34"),
    ("ddcsad.reading", "other", "ratio"),
    ("ddcsad.weight", -1.0, "must not be negative"),
    ("ddcsad.momentum", 1.0, r"must lie in \[0, 1\)"),
    ("arc_face.weight", -1.0, "must not be negative"),
    ("arc_face.scale", 0.0, "must be above 0"),
    ("augmentation.noise_probability", 1.1, r"must lie in \[0, 1\]"),
    ("augmentation.volume_probability", -0.1, r"must lie in \[0, 1\]"),
    ("augmentation.snr_db", [20.0, 5.0], "the least first"),
    ("augmentation.gain_db", [1.0], "two numbers"),
    ("adaptation.steps", 799, "must be a multiple of `steps_per_save`, 100"),
    ("adaptation.num_target", 0, "must be even: half of the target clips"),
    ("adaptation.num_target", 15, "must be even: half of the target clips"),
    ("adaptation.num_target", 64, "must leave an even number of the 64"),
    ("adaptation.mixup_probability", 1.1, r"must lie in \[0, 1\]"),
    ("adaptation.mixup_alpha", 0.01, "must be at least 0.05"),
]


@pytest.mark.parametrize(("key", "value", "rule"), WRONG_AE)
def test_wrong_values_of_the_autoencoder_are_refused_by_name(key, value, rule):
    with pytest.raises(ValueError, match=f"^here.*{key.split('.')[-1]}`.*{rule}.*Received: "):
        changed(CONFIG.ae, {key: value}, "here")


@pytest.mark.parametrize(("key", "value", "rule"), WRONG_BC)
def test_wrong_values_of_the_classifier_are_refused_by_name(key, value, rule):
    with pytest.raises(ValueError, match=f"^here.*{key.split('.')[-1]}`.*{rule}.*Received: "):
        changed(CONFIG.bc, {key: value}, "here")


def test_the_ends_of_ranges_are_allowed():
    ae = changed(
        CONFIG.ae,
        {
            "masks.num_time_masks": 0,
            "masks.num_band_masks": 0,
            "masks.band_width": 128,
            "masks.input_dropout": 0.0,
            "dropout": 0.0,
        },
        "here",
    )
    bc = changed(
        CONFIG.bc,
        {"posterior_weight": 1.0, "network_rate": 0.001, "adaptation.num_target": 62},
        "here",
    )

    assert ae.masks.band_width == 128
    assert bc.adaptation.num_target == 62


def test_changes_reach_into_sections_and_leave_the_rest_as_it_was():
    settings = changed(
        CONFIG.bc, {"augmentation.snr_db": [1.0, 2.0], "hop_length": 128, "ddcsad.weight": 0.5}, ""
    )

    assert settings.augmentation.snr_db == (1.0, 2.0)
    assert settings.ddcsad.weight == 0.5
    restored = dataclasses.replace(
        settings, hop_length=256, augmentation=CONFIG.bc.augmentation, ddcsad=CONFIG.bc.ddcsad
    )
    assert restored == CONFIG.bc == changed(CONFIG.bc, {}, "")


@pytest.mark.parametrize("key", ["nothing", "masks.nothing", "hop_length.more", "nothing.more"])
def test_changes_of_what_is_not_there_are_refused(key):
    with pytest.raises(ValueError, match=f"`there` must name fields of .*Received: .*{key}"):
        changed(CONFIG.ae, {key: 1}, "there")


@pytest.mark.parametrize("value", ["256", 256.0, True, None])
def test_changes_have_the_types_of_their_fields(value):
    with pytest.raises(ValueError, match="there: `hop_length` must be of type int"):
        changed(CONFIG.ae, {"hop_length": value}, "there")


def test_changes_are_a_mapping():
    with pytest.raises(ValueError, match=r"`there` must be a mapping.*hop_length"):
        changed(CONFIG.ae, ["hop_length"], "there")


@pytest.mark.parametrize("key", ["ae_members", "bc_members"])
def test_every_member_of_an_ensemble_needs_an_entry_and_no_other_may_have_one(key):
    members = getattr(CONFIG, key)
    missing = dict(list(members.items())[1:])

    for wrong in (missing, {**members, "another": {}}, {}):
        with pytest.raises(ValueError, match=f"`{key}` must have an entry for each of {key[:2]}_"):
            config_of(**{key: wrong})


@pytest.mark.parametrize(
    ("key", "member", "change"),
    [
        ("ae_members", "ae_few_bands", {"num_mel_bins": 8}),  # Below the widest mask.
        ("bc_members", "bc_arcface", {"arc_face.wait": 1.0}),
    ],
)
def test_entries_of_members_are_checked_before_anything_is_trained(key, member, change):
    members = {**getattr(CONFIG, key), member: change}

    with pytest.raises(ValueError, match=rf"{key}\.{member}"):
        config_of(**{key: members})


@pytest.mark.parametrize("percentile", [0.0, 100.0])
def test_a_percentile_lies_between_its_ends(percentile):
    with pytest.raises(ValueError, match="threshold_percentile"):
        config_of(threshold_percentile=percentile)


# The systems that follow.


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_makes_a_system_or_ensemble_of_every_variant(recipe):
    for variant in VARIANTS:
        created = kuroyanagi2021.create(config_of(variant, recipe))

        kind = {**dict.fromkeys(AE, ConformerSystem), **dict.fromkeys(BC, OutlierClassifierSystem)}
        assert type(created) is kind.get(variant, Ensemble)


@pytest.mark.parametrize("variant", AE + BC)
def test_autoencoders_are_of_machine_types_and_classifiers_of_sections(variant):
    system = kuroyanagi2021.create(config_of(variant))

    assert system.scope == ("machine_type" if variant in AE else "section")
    assert system.batch_size == 4


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("ae", {}),
        ("ae_short_hop", {"hop_length": 256}),
        ("ae_few_bands", {"num_mel_bins": 64}),
        ("ae_few_blocks", {"num_blocks": 2}),
        ("ae_narrow_kernel", {"kernel_size": 7}),
        ("bc", {}),
        ("bc_same_dataset", {"negatives": "same_dataset"}),
        ("bc_resnext50", {"backbone": "resnext50_32x4d"}),
        ("bc_efficientnet_b3", {"backbone": "efficientnet_b3"}),
        (
            "bc_augmented",
            {
                "augmentation": dataclasses.replace(
                    CONFIG.bc.augmentation, noise_probability=0.5, volume_probability=0.5
                )
            },
        ),
        ("bc_arcface", {"arc_face": dataclasses.replace(CONFIG.bc.arc_face, weight=1.0)}),
    ],
)
def test_a_member_has_one_setting_changed(variant, expected):
    system = kuroyanagi2021.create(config_of(variant))

    settings = CONFIG.ae if variant in AE else CONFIG.bc
    assert system.settings == dataclasses.replace(settings, **expected)


def test_only_the_rows_of_the_table_are_compared_with_it():
    rows = {
        variant: kuroyanagi2021.create(config_of(variant)).published_rows for variant in AE + BC
    }

    assert {variant: row for variant, row in rows.items() if row} == {
        "ae": {"gaussian_mean": "ae"},
        "bc": {"combined": "bc"},
    }


def test_the_compared_score_is_the_one_of_the_time_pooling_of_the_recipe():
    ae = dataclasses.replace(CONFIG.ae, time_pooling="maximum")

    assert kuroyanagi2021.create(config_of(ae=ae)).published_rows == {"gaussian_maximum": "ae"}


# Ensembles.


def combination_of(variant, **changes):
    return kuroyanagi2021.create(config_of(variant, together=together(**changes))).combination


@pytest.mark.parametrize(
    ("variant", "members"),
    [
        ("ae_ensemble", AE),
        ("bc_ensemble", BC),
        ("mix", ("ae_ensemble", "bc_ensemble")),
        ("max_of_rows", ("ae_ensemble", "bc_ensemble")),
    ],
)
@pytest.mark.parametrize("choice", ["fixed", "oracle"])
def test_ensembles_have_all_their_members_on_all_machines(variant, members, choice):
    ensemble = kuroyanagi2021.create(config_of(variant, together=together(choice=choice)))

    assert ensemble.members == dict.fromkeys(members)
    assert list(ensemble.members) == list(members)
    assert not ensemble.pools_trials
    assert not ensemble.weights
    assert not ensemble.combination.weights_from_labels


@pytest.mark.parametrize("variant", ["ae_ensemble", "bc_ensemble", "mix", "max_of_rows"])
def test_the_row_of_an_ensemble_is_compared_whatever_its_main_score_is_called(variant):
    rows = kuroyanagi2021.create(config_of(variant)).published_rows

    assert rows == dict.fromkeys(("gaussian_mean", "combined", "anomaly_score"), variant)


@pytest.mark.parametrize("variant", ["ae_ensemble", "bc_ensemble", "mix", "max_of_rows"])
def test_only_the_ensemble_of_autoencoders_may_be_no_mean(variant):
    how = combination_of(variant, combine="rank").how

    assert how == ("rank" if variant == "ae_ensemble" else "mean")


@pytest.mark.parametrize("variant", ["ae_ensemble", "bc_ensemble", "mix"])
@pytest.mark.parametrize(
    ("normalize", "normalize_on"), [("section", "test"), ("section_and_domain", "held_out")]
)
def test_members_are_normalized_as_the_recipe_says(variant, normalize, normalize_on):
    combination = combination_of(variant, normalize=normalize, normalize_on=normalize_on)

    assert (combination.normalize, combination.normalize_on) == (normalize, normalize_on)


def test_scores_of_which_one_is_taken_are_not_normalized():
    assert combination_of("max_of_rows", normalize_on="test").normalize == "none"


_METHODS = ("mean", "median", "maximum", "rank")


@pytest.mark.parametrize(
    ("variant", "choice", "best", "methods"),
    [
        ("ae_ensemble", "fixed", (), ()),
        ("bc_ensemble", "fixed", (), ()),
        ("mix", "fixed", (), ()),
        ("max_of_rows", "fixed", (1,), ()),
        ("ae_ensemble", "oracle", (3, 5), _METHODS),
        ("bc_ensemble", "oracle", (2,), ()),
        ("mix", "oracle", (), ()),
        ("max_of_rows", "oracle", (1,), ()),
    ],
)
def test_labels_choose_where_the_recipe_says_oracle_and_in_the_larger_of_two_rows(
    variant, choice, best, methods
):
    combination = combination_of(variant, choice=choice)

    assert (combination.best_from_labels, combination.methods_from_labels) == (best, methods)


@pytest.mark.parametrize("best_of", ["pooled_sections", "section", "machine"])
def test_the_best_classifiers_are_those_of_each_section_or_of_the_machine(best_of):
    changes = {"choice": "oracle", "best_classifiers_of": best_of}

    assert combination_of("bc_ensemble", **changes).best_of == best_of
    assert combination_of("ae_ensemble", **changes).best_of == "machine"
    assert combination_of("max_of_rows", **changes).best_of == "machine"


@pytest.mark.parametrize("method_of", ["section", "machine"])
def test_the_best_method_of_autoencoders_is_that_of_each_section_or_of_the_machine(method_of):
    assert (
        combination_of("ae_ensemble", choice="oracle", method_of=method_of).method_of == method_of
    )


# Thresholds.

DOMAINS = [("00", "source"), ("00", "target"), ("01", "source"), ("01", "target")]
TABLE = clip_table(
    [
        (section, domain, split, False)
        for section, domain in DOMAINS
        for split in 12 * ("train",) + 3 * ("test",)
    ]
)


@pytest.mark.parametrize("variant", ["ae", "bc", "ae_ensemble", "mix"])
def test_thresholds_are_of_a_gamma_distribution_per_section_and_domain(variant):
    generator = np.random.default_rng(4)
    own = {"ae": "gaussian_mean", "bc": "combined"}.get(variant)
    name = own or "anomaly_score"
    columns = pd.DataFrame({"another": 0.0, name: generator.gamma(2.0, size=len(TABLE))})

    created = kuroyanagi2021.create(config_of(variant, threshold_percentile=80.0))
    # An ensemble is given the name of its main score.
    thresholds = created.thresholds(columns, TABLE, None if own else name).values

    found = set()
    for section, domain in DOMAINS:
        rows = (TABLE["section"] == section) & (TABLE["domain"] == domain)
        training = columns.loc[rows & (TABLE["split"] == "train"), name]
        expected = gamma_threshold(training, 80.0, restart=True).value
        np.testing.assert_allclose(thresholds[rows], expected, rtol=1e-12)
        found.add(expected)
    assert len(found) == 4


# The front end of both approaches.


@pytest.fixture(scope="module")
def small():
    return dataclasses.replace(CONFIG.ae, window_length=512, hop_length=128, num_mel_bins=16)


def waveforms(samples=1500):
    """Two clips of noise, the second of which falls silent."""
    noise = np.random.default_rng(0).normal(size=(2, samples)).astype("float32")
    return noise * np.where(np.arange(samples) < 700, 1.0, [[1.0], [1e-12]]).astype("float32")


def test_frames_are_logarithms_of_magnitudes_above_the_floor(small):
    waveform = keras.Input((1500,))
    model = keras.Model(waveform, log_mel(waveform, small, RATE_HZ))

    frames = np.array(model(waveforms()))

    expected = [naive_log_mel(each, small, RATE_HZ) for each in waveforms()]
    assert np.min(expected) == -5.0
    np.testing.assert_allclose(frames, expected, rtol=1e-5, atol=2e-5)


def test_frames_that_are_not_centered_start_with_the_first_sample(small):
    waveform = keras.Input((1500,))
    model = keras.Model(waveform, log_mel(waveform, small, RATE_HZ, centered=False))

    frames = np.array(model(waveforms()))

    whole = np.array([naive_log_mel(each, small, RATE_HZ) for each in waveforms()])
    np.testing.assert_allclose(frames, whole[:, 2:10], rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("num_frames", "clip_length", "is_enough"),
    [(5, 512, True), (6, 512, False), (5, 511, False), (1, 257, True), (1, 256, False)],
)
def test_clips_must_have_the_frames_that_are_needed(num_frames, clip_length, is_enough, small):
    """And be longer than half a window, by which their ends are mirrored."""
    if is_enough:
        require_frames(num_frames, small, clip_length, "ae")
        return
    with pytest.raises(RecipeError, match=rf"`ae`: {num_frames} frames .*config\.ae\.hop_length"):
        require_frames(num_frames, small, clip_length, "ae")
