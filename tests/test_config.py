"""Recipes: read strictly, and refused with the line a user can act on."""

import dataclasses
from typing import Annotated, Literal

import pytest

from asdkeras.config import Checked, build_config, form, read_recipe, with_overrides
from asdkeras.errors import RecipeError


@dataclasses.dataclass(frozen=True)
class Inner:
    rate_hz: int


@dataclasses.dataclass(frozen=True)
class Outer:
    name: str
    kind: Literal["one", "two"]
    weight: float
    epochs: int
    is_on: bool
    seeds: tuple[int, ...]
    inner: Inner

    def __post_init__(self):
        if self.weight < 0:
            raise ValueError(f"`weight` must not be negative. Received: {self.weight}")


VALUES = {
    "name": "a",
    "kind": "one",
    "weight": 1,
    "epochs": 3,
    "is_on": True,
    "seeds": [0, 1],
    "inner": {"rate_hz": 5},
}


def write(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_mapping_becomes_the_dataclass():
    assert build_config(Outer, VALUES, "here") == Outer("a", "one", 1.0, 3, True, (0, 1), Inner(5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": 3}, r"here: unknown key `epoch`\. Did you mean `epochs`\?"),
        ({"zzz": 3}, r"unknown key `zzz`\. Known: name, kind"),
        ({"epochs": True}, r"`epochs` must be of type int\. Received: True"),
        ({"epochs": "3"}, r"`epochs` must be of type int\. Received: '3'"),
        ({"weight": "much"}, r"`weight` must be a number\. Received: 'much'"),
        ({"weight": -1}, r"here: `weight` must not be negative\. Received: -1"),
        ({"kind": "twoo"}, r"one of 'one', 'two'\. Received: 'twoo'\. Did you mean `two`\?"),
        ({"is_on": 1}, r"`is_on` must be of type bool\. Received: 1"),
        ({"seeds": [0, "1"]}, r"`seeds` must be a list of int\. Received: \[0, '1'\]"),
        ({"inner": 5}, r"here: `inner` must be a mapping\. Received: 5"),
        ({"inner": {"rate": 5}}, r"`inner`: unknown key `rate`\. Did you mean `rate_hz`\?"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(change, message):
    with pytest.raises(RecipeError, match=message):
        build_config(Outer, {**VALUES, **change}, "here")


@dataclasses.dataclass(frozen=True)
class Listed(Checked):
    rows: tuple[Inner, ...]
    code: Annotated[str | None, form(r"\d\d", "two digits")]
    limit: float | None = None


def test_rows_and_values_that_may_be_null_are_read():
    values = {"rows": [{"rate_hz": 5}, {"rate_hz": 6}], "code": None, "limit": 2}

    assert build_config(Listed, values, "here") == Listed((Inner(5), Inner(6)), None, 2.0)
    assert build_config(Listed, {"rows": [], "code": "07"}, "here") == Listed((), "07")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": {}}, r"here: `rows` must be a list\. Received: {}"),
        ({"rows": [{"rate_hz": 5}, 6]}, r"here\.rows\[1\]: must be a mapping\. Received: 6"),
        ({"rows": [{"rate": 5}]}, r"here\.rows\[0\]: unknown key `rate`\."),
        ({"code": "\u0660\u0667"}, r"here: `code` must be two digits\. Received: "),
        ({"code": "07\n"}, r"here: `code` must be two digits\. Received: '07\\n'"),
        ({"code": 7}, r"here: `code` must be of type str\. Received: 7"),
        ({"limit": "2"}, r"here: `limit` must be a number\. Received: '2'"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place(change, message):
    with pytest.raises(RecipeError, match=message):
        build_config(Listed, {"rows": [], "code": None, **change}, "here")


def test_missing_keys_are_all_named():
    values = {key: VALUES[key] for key in VALUES if key not in ("epochs", "weight")}

    with pytest.raises(RecipeError, match="here: missing `weight`, `epochs`"):
        build_config(Outer, values, "here")


def test_numbers_with_an_exponent_are_numbers(tmp_path):
    path = write(tmp_path, "a: 1e-3\nb: 2.5E+4\nc: '1e-3'\nd: 1e\n")

    assert read_recipe(path) == {"a": 0.001, "b": 25000.0, "c": "1e-3", "d": "1e"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", r"recipe\.yaml, line 3: key `a` stands twice"),
        ("a: 1\nb: {c: 1, c: 2}\n", r"line 2: key `c` stands twice"),
        ("a: [1\n", r"recipe\.yaml, line 2: "),
        ("- 1\n", "a recipe is a mapping"),
        ("", "a recipe is a mapping"),
        ("a: !!python/object:os.system {}\n", r"line 1: could not determine a constructor"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(RecipeError, match=message):
        read_recipe(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.yaml: the recipe cannot be read"):
        read_recipe(tmp_path / "none.yaml")


def test_overrides_change_a_copy():
    recipe = {"seeds": [0], "config": {"epochs": 3, "kind": "one", "ae": {"width": 2}}}

    texts = ["config.epochs=5", "seeds=[1, 2]", "config.kind=two", "config.ae.width=4"]
    changed = with_overrides(recipe, texts)

    assert changed == {
        "seeds": [1, 2],
        "config": {"epochs": 5, "kind": "two", "ae": {"width": 4}},
    }
    assert recipe["config"] == {"epochs": 3, "kind": "one", "ae": {"width": 2}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config.epoch=5", r"unknown key `config\.epoch`\. Did you mean `config\.epochs`\?"),
        ("config.ae.widht=5", r"unknown key .* Did you mean `config\.ae\.width`\?"),
        ("config.epochs", r"--set takes KEY=VALUE, such as .* Received: 'config\.epochs'"),
        ("seeds.a=1", r"unknown key `seeds\.a`"),
        ("seeds=[1", r"--set seeds, line 1: "),
    ],
)
def test_a_wrong_override_is_refused(text, message):
    with pytest.raises(RecipeError, match=message):
        with_overrides({"seeds": [0], "config": {"epochs": 3, "ae": {"width": 2}}}, [text])
