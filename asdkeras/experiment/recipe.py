"""Finding and reading the recipe that a command means."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from asdkeras import controls, systems
from asdkeras.config import (
    RECIPE_DEFAULTS,
    Checked,
    Share,
    build_config,
    did_you_mean,
    read_recipe,
    with_overrides,
)
from asdkeras.data.audio import AudioConfig
from asdkeras.errors import RecipeError
from asdkeras.metrics.official import challenge_year, is_generated


@dataclasses.dataclass(frozen=True)
class ClipOptions:
    """Use of a dataset beyond the rules of its challenge.

    Attributes:
        released_attributes: whether attributes that the organizers withheld in 2024 and 2025, and
            released after the challenge, are filled in. Results with them are not first-shot.
        supplemental: `normal` makes the clean recordings of machines among the supplemental clips
            of 2025 training clips; `apart` leaves all of them alone.
    """

    released_attributes: bool
    supplemental: Literal["apart", "normal"]


@dataclasses.dataclass(frozen=True)
class ThresholdOptions(Checked):
    """How thresholds follow from normal clips.

    Attributes:
        rule: `paper` is that of the system, from the scores of clips it has learned from;
            `held_out` takes normal clips that neither network nor scorer has learned from, see
            `asdkeras.experiment.held_out`.
        false_alarm_rate: by `held_out`, the share of normal clips that may be called anomalous.
    """

    rule: Literal["paper", "held_out"]
    false_alarm_rate: Share


PAPERS_THRESHOLDS = ThresholdOptions(**RECIPE_DEFAULTS["thresholds"])


def held_out_overrides(false_alarm_rate: float | None) -> list[str]:
    """Changes of a recipe for thresholds from held-out clips; none if None."""
    if false_alarm_rate is None:
        return []
    return ["thresholds.rule=held_out", f"thresholds.false_alarm_rate={false_alarm_rate}"]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One experiment.

    Attributes:
        dataset: `dcase2021` and the like, `mini`, or `folder` for recordings of one's own.
        seeds: one trial each.
        config: of the system, as the recipe states it.
        precision: of networks, a policy of Keras; all else computes in float32 or more.
        tensor_float_32: whether a GPU may train and represent with 10 bits of mantissa.
        untrained: whether networks stay as they start: a control. Recipes leave it out.
        thresholds: those of the paper where a recipe says nothing.
    """

    system: str
    dataset: str
    seeds: tuple[int, ...]
    clips: ClipOptions
    audio: AudioConfig
    config: dict[str, object]
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    tensor_float_32: bool = False
    untrained: bool = False
    thresholds: ThresholdOptions = PAPERS_THRESHOLDS

    def __post_init__(self) -> None:
        if not self.seeds or min(self.seeds) < 0 or len({*self.seeds}) < len(self.seeds):
            raise ValueError(
                "`seeds` must be different numbers from 0 on, one per trial. "
                f"Received: {list(self.seeds)}"
            )

    @property
    def variant(self) -> str:
        return str(self.config.get("variant"))

    @property
    def run_name(self) -> str:
        """What folders of runs are called, after the system and before the dataset."""
        return f"{self.variant}_untrained" if self.untrained else self.variant

    def as_mapping(self) -> dict[str, object]:
        """The content of a recipe file for this recipe."""
        content = {**dataclasses.asdict(self), "seeds": list(self.seeds)}
        # Left out where they say nothing, so that older runs go on.
        if self.precision == "float32":
            del content["precision"]
        if not self.untrained:
            del content["untrained"]
        if self.thresholds.rule == "paper":
            del content["thresholds"]
        return content

    def digest(self) -> str:
        """Hex digest of all that a trained model depends on; seeds are trials of their own."""
        content = self.as_mapping()
        del content["seeds"], content["dataset"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load_recipe(
    path: Path,
    system: str | None = None,
    variant: str | None = None,
    overrides: Sequence[str] = (),
) -> Recipe:
    """Read a recipe file, with what the command line changes in it.

    Args:
        system: the recipe must be one of this system; None takes any.
        variant: None takes the recipe's.
        overrides: `key=value` changes.

    Raises:
        RecipeError: on anything the recipe or an override says wrong, except what only the
            system's own `Config` can tell (`system_config`).
    """
    if variant is not None:
        overrides = [*overrides, f"config.variant={variant}"]
    content = with_overrides({**RECIPE_DEFAULTS, **read_recipe(path)}, overrides)
    recipe: Recipe = build_config(Recipe, content, where=str(path))
    if recipe.untrained and recipe.system == controls.SPECTRA:
        raise RecipeError(
            f"--untrained: {recipe.system} has no network, and is a control as it is. Leave it "
            "out, or name a system that learns."
        )
    if system is not None and recipe.system != system:
        raise RecipeError(
            f"{path}: a recipe of {recipe.system}, but --system says {system}. Change one of them."
        )
    return recipe


def system_config(recipe: Recipe, path: Path) -> object:
    """The checked configuration of the recipe's system. Imports Keras.

    Raises:
        RecipeError: if the system refuses it.
    """
    module = systems.load(recipe.system)
    config: object = build_config(module.Config, recipe.config, where=f"{path}: config")
    return config


def find_recipe(system: str, dataset: str, name: str | None) -> Path:
    """The recipe file of a system.

    Args:
        name: a file, or the name of one of the system's recipes; None goes by the dataset.

    Raises:
        RecipeError: if there is no such recipe.
    """
    systems.check(system)
    if name is not None and (name.endswith((".yaml", ".yml")) or "/" in name):
        if not Path(name).is_file():
            raise RecipeError(f"--recipe: there is no file `{name}`.")
        return Path(name)
    known = recipes_of(system)
    wanted = name or _recipe_for(dataset)
    if wanted not in known:
        raise RecipeError(
            f"{system} has no recipe `{wanted}`.{did_you_mean(wanted, known)} "
            f"Known: {', '.join(known)}. Choose one with --recipe NAME, or give a file."
        )
    return known[wanted]


def recipes_of(system: str) -> dict[str, Path]:
    """Name -> file of the recipes that come with a system."""
    return {path.stem: path for path in sorted((_folder() / system).glob("*.yaml"))}


def papers_recipe(system: str) -> dict[str, Any]:
    """The content of the recipe with a paper's values: the first one of a year."""
    known = recipes_of(system)
    return read_recipe(next(known[name] for name in known if name.startswith("dcase")))


def _recipe_for(dataset: str) -> str:
    if challenge_year(dataset) is None:
        return "folder"
    return "mini" if is_generated(dataset) else dataset


def _folder() -> Path:
    # In a checkout the recipes stand beside the package, in an installed one within.
    package = Path(__file__).parents[1]
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"
