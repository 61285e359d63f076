"""Where clips leave a variant nothing to tell apart, its system names one that can do without."""

import types
from pathlib import Path

import numpy as np
import pytest

from asdkeras.errors import DataError
from asdkeras.experiment.fallbacks import with_able_variant
from asdkeras.experiment.open_run import Run
from asdkeras.experiment.recipe import find_recipe, load_recipe
from asdkeras.experiment.run_folder import RunFolder
from tests.clip_table import clip_table

LONE, TWO = ("00",), ("00", "01")
CLIPS = [
    *(("source", "m-n_W"), ("source", "m-n_X"), ("source", "m-n_X")),
    *(("target", "m-n_Y"), ("target", "m-n_Y")),
]


def table_of(sections):
    rows = [
        {"path": f"{name}_{number}.wav", "section": name, "domain": domain}
        | {"attributes": attributes, "split": "train"}
        for name in sections
        for number, (domain, attributes) in enumerate(CLIPS)
    ]
    return clip_table(rows, dataset="own", machine_type="fan")


def fallback(system, variant, table):
    """The variant that a detector is made of where all clips have one length."""
    source = find_recipe(system, "mini2021", None)
    recipe = load_recipe(source, system, variant)
    store = types.SimpleNamespace(
        lengths=np.full(len(table), 160_000), sample_rate_hz=16_000, moments=lambda rows: (0, 1)
    )
    folder = RunFolder(Path("runs", system, recipe.run_name, "own"), recipe.digest(), "")
    run = with_able_variant(Run(recipe, source, table, folder, Path("data"), store))
    assert run.folder.path.parent.name == run.recipe.run_name
    assert run.folder.recipe_digest == run.recipe.digest()
    return run.recipe.variant


@pytest.mark.parametrize(
    ("system", "variant", "sections", "able"),
    [
        ("baseline2021", "mobilenetv2", LONE, "ae"),
        ("baseline2021", "mobilenetv2", TWO, "mobilenetv2"),
        ("baseline2022", "mobilenetv2", LONE, "ae"),
        ("venkatesh2022", "disent_cat", LONE, "disent_cat"),
        ("venkatesh2022", "disent_sec", LONE, "anp_boot"),
        ("venkatesh2022", "sec_arcface", LONE, "anp_boot"),
        ("venkatesh2022", "disent_cat", TWO, "disent_cat"),
        ("venkatesh2022", "adversarial", TWO, "adversarial"),
        ("nejjar2022", "no_pretraining", LONE, "dgmix"),
        ("nejjar2022", "no_pretraining", TWO, "no_pretraining"),
        ("kuroyanagi2021", "bc_arcface", LONE, "ae"),
        ("kuroyanagi2021", "mix", LONE, "ae_ensemble"),
        ("kuroyanagi2021", "bc", TWO, "bc"),
        ("wilkinghoff2021", "one_head_s4", LONE, "two_heads_s4"),
        ("wilkinghoff2021", "all_40", LONE, "two_heads_20"),
        ("wilkinghoff2021", "all_40", TWO, "all_40"),
    ],
)
def test_a_variant_with_nothing_to_tell_apart_falls_back(system, variant, sections, able):
    assert fallback(system, variant, table_of(sections)) == able


@pytest.mark.parametrize("variant", ["disent_cat", "mtl", "adversarial"])
def test_without_attributes_or_domains_sections_alone_are_told_apart(variant):
    table = table_of(TWO).assign(attributes=None, domain=None)

    assert fallback("venkatesh2022", variant, table) == "sec_softmax"


def test_a_variant_that_nothing_can_replace_says_what_it_was_refused_for(capsys):
    table = table_of(LONE).assign(attributes=None)

    with pytest.raises(DataError, match="at least 2 classes"):
        fallback("wilkinghoff2021", "all_40", table)
    assert not capsys.readouterr().err


def test_the_user_is_told_of_another_variant_and_why(capsys):
    fallback("baseline2021", "mobilenetv2", table_of(LONE))

    told = capsys.readouterr().err
    assert "fan has one section, 00, and MobileNetV2" in told
    assert "falling back to --variant ae" in told
