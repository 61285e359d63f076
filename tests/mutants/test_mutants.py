from collections import Counter

import pytest

from tests.mutants.mutants import ROOT, load, rooms


def test_there_are_mutants():
    assert rooms()


@pytest.mark.parametrize("room", rooms())
def test_every_mutant_applies_and_is_python(room):
    faults = [fault for mutant in load(room) if (fault := fault_of(mutant))]

    assert not faults


@pytest.mark.parametrize("room", rooms())
def test_named_tests_exist(room):
    files = {mutant.tests.partition("::")[0] for mutant in load(room)}

    assert [name for name in sorted(files) if not (ROOT / "tests" / name).exists()] == []


@pytest.mark.parametrize("room", rooms())
def test_every_mistake_has_a_name_of_its_own(room):
    counts = Counter(mutant.mistake for mutant in load(room))

    assert [mistake for mistake, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("room", rooms())
def test_mutants_stand_in_the_file_of_their_room(room):
    files = {mutant.file for mutant in load(room)}

    assert {name.split("/")[0] if "/" in name else "package" for name in files} == {room}


def fault_of(mutant):
    try:
        mutant.wrong_version((ROOT / "asdkeras" / mutant.file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"{mutant.file}: {mutant.mistake}: {error}"
    return ""
