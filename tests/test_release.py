"""What a release promises: the version, the changelog, and the imports that moved."""

import importlib.util
import re
import tomllib

import pytest

from helpers import paths

ROOT = paths.project_root()
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
MOVED = re.findall(r"^\| `(helpers[\w.]+)` \| `(helpers[\w.]+)` \|$", CHANGELOG, re.M)
MOVED += re.findall(r"`(helpers[\w.]+)` is\s+`(helpers[\w.]+)`", CHANGELOG.split("And single names")[1].split("###")[0])


def is_there(name):
    """Whether a module is there, or a name that a module has."""
    try:
        if importlib.util.find_spec(name):
            return True
    except ModuleNotFoundError:
        pass
    module, _, attribute = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:
        return False


def test_the_changelog_begins_with_the_version_of_the_project():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(r"^## (\S+)", CHANGELOG, re.M)[1] == version


@pytest.mark.parametrize(("before", "now"), MOVED, ids=lambda name: name)
def test_what_moved_is_where_the_changelog_says_and_not_where_it_was(before, now):
    assert is_there(now) and not is_there(before)


def test_many_have_moved():
    assert len(MOVED) > 50
