"""Recipes: read strictly, and refused with the line a user can act on."""

import dataclasses
from typing import Annotated, Literal

import pytest

from asdkeras.config import (
    Checked,
    Constraint,
    Count,
    above_field,
    at_least_field,
    at_most_field,
    build_config,
    form,
    multiple_of_field,
    read_recipe,
    with_overrides,
)
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


@dataclasses.dataclass(frozen=True)
class Related(Checked):
    """The fields that others go by stand behind them, and are checked before."""

    width: Annotated[Count, multiple_of_field("num_heads")] = 4
    ceiling: Annotated[float, above_field("floor")] = 2.0
    widest: Annotated[int, at_least_field("narrowest")] = 3
    slow: Annotated[float, at_most_field("fast")] = 0.5
    shares: Annotated[
        tuple[float, ...], Constraint("must name shares", lambda value: bool(value), show=list)
    ] = (0.5,)
    num_heads: Count = 2
    floor: float = 1.0
    narrowest: int = 3
    fast: float = 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 5}, "`width` must be a multiple of `num_heads`, 2. Received: 5"),
        ({"width": 0}, "`width` must be at least 1. Received: 0"),
        ({"num_heads": 0}, "`num_heads` must be at least 1. Received: 0"),
        ({"ceiling": 1.0}, "`ceiling` must exceed `floor`. Received: 1.0"),
        ({"widest": 2}, "`widest` must not be below `narrowest`, 3. Received: 2"),
        ({"slow": 0.6}, "`slow` must not be above `fast`, 0.5. Received: 0.6"),
        ({"shares": []}, "`shares` must name shares. Received: []"),
    ],
)
def test_values_that_do_not_fit_another_field_are_refused(change, message):
    assert build_config(Related, {}, "here") == Related()
    with pytest.raises(RecipeError) as caught:
        build_config(Related, change, "here")

    assert str(caught.value) == f"here: {message}"


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


BASE = "seeds: [0]\nconfig: {epochs: 3, rates: {a: 1}, ae: {width: 2}}\n"


def based(tmp_path, text, base=BASE):
    (tmp_path / "base.yaml").write_text(base, encoding="utf-8")
    return write(tmp_path, f"based_on: base.yaml\n{text}")


def test_a_recipe_based_on_another_is_that_one_but_for_what_it_says(tmp_path, monkeypatch):
    text = "seeds: [7]\nconfig.rates: {}\nconfig.ae.width: 1e-3\n"
    path = based(tmp_path, text)
    monkeypatch.chdir("/")

    assert read_recipe(path) == {
        "seeds": [7],
        "config": {"epochs": 3, "rates": {}, "ae": {"width": 0.001}},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config.epoch: 5\n", r"recipe\.yaml: unknown key `config\.epoch`\. Did you mean"),
        ("config.ae.rates: 5\n", r"recipe\.yaml: unknown key `config\.ae\.rates`"),
        ("new: 5\n", r"recipe\.yaml: unknown key `new`\. Known: seeds, config\.epochs"),
        ("based_on: other.yaml\n", r"recipe\.yaml, line 2: key `based_on` stands twice"),
    ],
)
def test_a_recipe_changes_only_what_is_in_its_base(tmp_path, text, message):
    with pytest.raises(RecipeError, match=message):
        read_recipe(based(tmp_path, text))


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("based_on: recipe.yaml\n", r"recipe\.yaml: `based_on` must name a complete recipe"),
        ("- 1\n", r"base\.yaml: a recipe is a mapping"),
    ],
)
def test_the_base_of_a_recipe_is_a_complete_one(tmp_path, base, message):
    with pytest.raises(RecipeError, match=message):
        read_recipe(based(tmp_path, "", base))


def test_a_missing_base_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.yaml: the recipe cannot be read"):
        read_recipe(write(tmp_path, "based_on: none.yaml\n"))


@pytest.mark.parametrize("value", ["1_0", "010", "0x10", "0b11", "1:30", "\uff11\uff10", "٣", "1O"])
@pytest.mark.parametrize("name", ["epochs", "weight"])
def test_what_only_looks_like_a_number_is_none(tmp_path, name, value):
    values = with_overrides(VALUES, [f"{name}={value}"])
    of_file = read_recipe(write(tmp_path, f"{name}: {value}\n"))

    assert values[name] == of_file[name] == value
    with pytest.raises(RecipeError, match=f"`{name}` must be .*Received: '{value}'"):
        build_config(Outer, values, "file")


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", "1e999", "1" + 400 * "0"])
def test_a_number_of_a_recipe_is_finite(value):
    values = with_overrides(VALUES, [f"weight={value}"])

    with pytest.raises(RecipeError, match=r"`weight` must be a number\. Received: "):
        build_config(Outer, values, "file")


def test_numbers_in_the_usual_forms_are_read(tmp_path):
    texts = {"0": 0, "-7": -7, "+7": 7, "0.5": 0.5, ".5": 0.5, "5.": 5.0, "00.5": 0.5}
    texts |= {"-1.5e+3": -1500.0, "1E3": 1000.0}
    text = "".join(f"k{n}: {each}\n" for n, each in enumerate(texts))

    read = read_recipe(write(tmp_path, text)).values()

    assert [(type(each), each) for each in read] == [(type(v), v) for v in texts.values()]


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
