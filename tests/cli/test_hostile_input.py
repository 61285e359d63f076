"""No command ends in a traceback, whatever its arguments are called and its files hold."""

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asdkeras.experiment.import_keras import import_keras

import_keras()  # Before anything else does, so that TensorFlow is as quiet as for a user.

from tests.cli import hostile  # noqa: E402

COMMANDS = hostile.commands()
NAMES = [" ".join(words) for words, _ in COMMANDS]
HOW = {
    **{"deadline": None, "database": None, "derandomize": True},
    "suppress_health_check": list(HealthCheck),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ASDKERAS_CACHE", "XDG_STATE_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp("state")))
        patch.delenv("ASDKERAS_DATA", raising=False)
        folder = tmp_path_factory.mktemp("hostile") / "world"
        folder.mkdir()
        hostile.make_world(folder)
        yield folder


@contextlib.contextmanager
def copy_of(world, damage=None):
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place, "world")
        shutil.copytree(world, copy, symlinks=True, ignore=shutil.ignore_patterns("unreadable"))
        (copy / "unreadable").mkdir(mode=0)
        if damage:
            hostile.do_damage(copy, damage)
        yield copy


def drive(world, words, parser, num_examples):
    """Try a command with hostile arguments, and with right ones on a damaged file."""

    @settings(max_examples=num_examples, **HOW)
    @given(st.data())
    def with_any_arguments(data):
        line = data.draw(hostile.command_lines(words, parser))
        encoding = data.draw(st.sampled_from(hostile.ENCODINGS))
        with copy_of(world) as copy:
            code, _, said = hostile.answer(
                copy, line, encoding=encoding, stdin=data.draw(st.binary())
            )
        hostile.check(line, code, said)

    @settings(max_examples=num_examples, **HOW)
    @given(st.data())
    def on_a_damaged_file(data):
        line = data.draw(hostile.right_lines(words, parser))
        damage = data.draw(hostile.damages(world, line))
        with copy_of(world, damage) as copy:
            code, _, said = hostile.answer(copy, line)
        hostile.check((line, damage), code, said)

    with_any_arguments()
    on_a_damaged_file()


@pytest.mark.filterwarnings("ignore")  # Of libraries, which a user sees and no traceback.
@pytest.mark.parametrize(("words", "parser"), COMMANDS, ids=NAMES)
def test_no_command_ends_in_a_traceback(world, words, parser):
    drive(world, words, parser, 8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("words", "parser"), COMMANDS, ids=NAMES)
def test_no_command_ends_in_a_traceback_of_many_tries(world, words, parser):
    drive(world, words, parser, 20)


def test_the_world_is_one_that_commands_can_use(world):
    """Else they would all be refused before they read anything."""
    lines = [
        ["list"],
        ["table", "runs"],
        ["report", hostile.RUN],
        ["explain", "explained"],
        ["detect", "press.asd", "today"],
        ["fit", "--run", hostile.RUN, "--out", "new.asd"],
        ["ensemble", hostile.RUN, "--out", "e"],
        ["export", "press.asd", "--format", "saved_model", "--out", "e"],
        ["figure", "figure", "--out", "a.html"],
    ]
    for line in lines:
        with copy_of(world) as copy:
            code, _, said = hostile.answer(copy, line)
        assert code == 0, (line, said)
