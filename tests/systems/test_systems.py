"""Systems are found by their names."""

import shutil
from pathlib import Path

import pytest

from asdkeras import cli, systems
from asdkeras.errors import RecipeError
from asdkeras.experiment import recipe
from asdkeras.published import papers

SOURCE = """\"\"\"A second paper of the year.\"\"\"
variant: Literal["plain", "mixed"]
"""


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Adds the files of a system of a name to copies of the folders they are found in."""
    shipped = [Path(path) for path in systems.__path__]
    monkeypatch.setattr(systems, "__path__", [str(tmp_path / "systems")])
    monkeypatch.setattr(recipe, "_folder", lambda: tmp_path / "recipes")
    monkeypatch.setattr(papers.resources, "files", lambda _: tmp_path / "published")
    shutil.copytree(shipped[0], tmp_path / "systems")
    for room in ("recipes", "published"):
        (tmp_path / room).mkdir()

    def add(name):
        (tmp_path / "systems" / f"{name}.py").write_text(SOURCE)
        (tmp_path / "recipes" / name).mkdir()
        (tmp_path / "recipes" / name / "mini.yaml").write_text("seeds: [0]\n")
        (tmp_path / "published" / f"{name}.csv").write_text("table\n")

    return add


@pytest.mark.parametrize("name", ["wilkinghoff2024ssl", "wilkinghoff2024b", "jiang2023v2"])
def test_a_second_paper_of_author_and_year_is_found_by_its_name(house, capsys, name):
    house(name)

    assert cli.main(["list"]) == 0

    printed = capsys.readouterr().out
    assert name in systems.names()
    assert f"{name}: A second paper of the year." in printed
    assert systems.variants(name) == ("plain", "mixed")
    assert list(recipe.recipes_of(name)) == ["mini"]
    assert recipe.find_recipe(name, "mini2024", None).parent.name == name
    assert recipe.find_recipe(name, "bench2024", None).parent.name == name
    assert papers.names() == [name]


@pytest.mark.parametrize(
    "name",
    ["Wilkinghoff2024", "wilkinghoff_2024", "wilkinghoff2024_ssl", "2024wilkinghoff"],
)
def test_a_module_of_another_name_is_no_system(house, name):
    house(name)

    assert name not in systems.names()
    with pytest.raises(RecipeError, match=f"There is no system `{name}`"):
        systems.check(name)
