"""Fields of a config that can be read otherwise say what the paper says, and readers see it."""

from pathlib import Path

import pytest

from asdkeras import systems
from asdkeras.experiment.recipe import papers_recipe
from asdkeras.readings import Reading, as_markdown, fields_of

RECIPES = Path(__file__).parents[2] / "recipes"
BEGIN, END = "<!-- readings -->\n", "<!-- end of readings -->"
SYSTEMS = systems.names()


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_choice_says_what_the_paper_says(system):
    bare = [
        field.name
        for field in fields_of(systems.load(system).Config)
        if field.choices
        and field.name != "variant"
        and not any(isinstance(note, Reading) for note in field.notes)
    ]

    assert not bare


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_readme_of_a_recipe_lists_the_readings(system):
    text = (RECIPES / system / "README.md").read_text(encoding="utf-8")

    expected = as_markdown(systems.load(system).Config, papers_recipe(system)["config"])
    assert text.partition(BEGIN)[2].partition(END)[0] == expected
