"""What is installed is what is here."""

import configparser
from pathlib import Path

ROOT = Path(__file__).parents[2]


def read_setup():
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return setup


def test_every_package_is_installed():
    listed = set(read_setup()["options"]["packages"].split())

    here = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "asdkeras").rglob("__init__.py")
    }
    assert listed == here | {"asdkeras.manifest", "asdkeras.recipes"}


def test_the_manifest_is_installed_from_the_root_and_nothing_with_it():
    setup = read_setup()

    assert "asdkeras.manifest = ." in setup["options"]["package_dir"].splitlines()
    assert setup["options.package_data"]["asdkeras.manifest"] == "data_manifest.yaml"
    assert (ROOT / "data_manifest.yaml").is_file()
    assert not list(ROOT.glob("*.py")), "a module at the root would be installed as well"


def test_sub_packages_are_empty_so_that_importing_one_part_imports_no_other():
    full = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "asdkeras").rglob("__init__.py")
        if path.stat().st_size
    }

    assert full == {f"asdkeras/{room}__init__.py" for room in ("", "cli/", "systems/")}
