"""`docs/reproducing.md` says what every recipe at full size takes, and commands that exist."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from asdkeras import cli
from asdkeras.data.manifest import read_manifest
from asdkeras.experiment.recipe import find_recipe, load_recipe
from asdkeras.published import papers

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reproducing.md").read_text(encoding="utf-8")
CELLS = re.findall(r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \| (.+?) \|$", TEXT, re.MULTILINE)
ROWS = [(*names, *rest.split(" | ")) for *names, rest in CELLS]
COMMANDS = re.findall(r"^    asdkeras (.+?)(?: +#.*)?$", TEXT, re.MULTILINE)


def test_the_table_has_every_estimate_of_a_whole_dataset():
    estimates = pd.read_csv(ROOT / "results" / "estimates" / "full_size.csv")
    estimates = estimates[estimates["recipe"].str.fullmatch(r"dcase\d+")]

    names = ["system", "variant", "recipe", "hours_two_cores", "hours_gpu"]
    stated = [(*row[:3], float(row[5]), float(row[6])) for row in ROWS]
    assert stated == list(estimates[names].itertuples(index=False, name=None))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row[:3]))
def test_size_trials_and_what_is_published_are_those_of_the_package(row):
    system, _, data, gigabytes, trials, *_, published = row

    dataset = read_manifest().dataset(data)
    num_bytes = 2 * dataset.hours * 3600 * dataset.sample_rate_hz * dataset.num_channels
    assert gigabytes == f"{num_bytes / 1e9:.0f}"
    assert int(trials) == len(load_recipe(find_recipe(system, data, None)).seeds)
    table = papers.load(system)
    parts = set(table.loc[table["dataset"] == data, "part"])
    names = {"development": "dev", "evaluation": "eval"}
    assert {names[word] for word in re.findall("development|evaluation", published)} <= parts
    assert bool(parts) or published == "nothing"


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command):
    cli._parser().parse_args(shlex.split(command))


def test_there_are_commands_and_rows():
    assert {command.split()[0] for command in COMMANDS} == {"data", "eval", "compare"}
    assert len(ROWS) > 20
