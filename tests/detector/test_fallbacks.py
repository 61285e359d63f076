"""Where clips leave a variant nothing to tell apart, its system names one that can do without."""

import pytest

from asdkeras import systems
from asdkeras.experiment.recipe import find_recipe, load_recipe, system_config
from tests.clip_table import clip_table

LONE, TWO = ("00",), ("00", "01")
CLIPS = [("source", "m-n_W"), ("source", "m-n_X"), ("target", "m-n_Y")]


def table_of(sections):
    rows = [
        {"path": f"{name}_{attributes}.wav", "section": name, "domain": domain}
        | {"attributes": attributes, "split": "train"}
        for name in sections
        for domain, attributes in CLIPS
    ]
    return clip_table(rows, dataset="mini2021", machine_type="fan")


def fallback(system, variant, table):
    source = find_recipe(system, "mini2021", None)
    config = system_config(load_recipe(source, system, variant), source)
    return systems.load(system).fallback(config, table)


@pytest.mark.parametrize(
    ("system", "variant", "sections", "able"),
    [
        ("baseline2021", "mobilenetv2", LONE, "ae"),
        ("baseline2021", "mobilenetv2", TWO, "mobilenetv2"),
        ("baseline2022", "mobilenetv2", LONE, "ae"),
        ("venkatesh2022", "disent_cat", LONE, "anp_boot"),
        ("venkatesh2022", "disent_cat", TWO, "disent_cat"),
        ("venkatesh2022", "adversarial", TWO, "adversarial"),
        ("nejjar2022", "no_pretraining", LONE, "dgmix"),
        ("nejjar2022", "no_pretraining", TWO, "no_pretraining"),
        ("kuroyanagi2021", "bc_arcface", LONE, "ae"),
        ("kuroyanagi2021", "mix", LONE, "ae_ensemble"),
        ("kuroyanagi2021", "bc", TWO, "bc"),
    ],
)
def test_a_variant_with_nothing_to_tell_apart_falls_back(system, variant, sections, able):
    assert fallback(system, variant, table_of(sections)) == able


@pytest.mark.parametrize("variant", ["disent_cat", "mtl", "adversarial"])
def test_without_attributes_or_domains_sections_alone_are_told_apart(variant):
    table = table_of(TWO).assign(attributes=None, domain=None)

    assert fallback("venkatesh2022", variant, table) == "sec_softmax"
