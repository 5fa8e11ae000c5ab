import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def environment():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = [entry for entry in listed if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in listed if isinstance(entry, dict)]
    return conda, pip


def test_the_conda_file_asks_for_what_the_project_declares():
    conda, pip = environment()
    assert pip[-1] == "-e ."
    assert sorted(pip[:-1]) == sorted(project()["dependencies"])
    assert f"python{project()['requires-python']}" in conda


def test_every_line_of_the_conda_file_says_why_it_is_there():
    lines = (ROOT / "environment.yml").read_text().split("dependencies:\n")[1].splitlines()
    unexplained = [line for line in lines if line.strip() and line.strip() != "- pip:" and "# " not in line]
    assert unexplained == []


def pins(name):
    """The requirements of a lock: name with marker -> version."""
    lines = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;]+)(.*?)\\?$", (ROOT / name).read_text(), re.M)
    return {f"{package}{marker.strip()}": version for package, version, marker in lines}


@pytest.mark.parametrize(
    ("lock", "extras"), [("requirements.lock", ["install"]), ("requirements-dev.lock", ["install", "dev"])]
)
def test_a_lock_pins_every_dependency_with_hashes(lock, extras):
    text, pinned = (ROOT / lock).read_text(), pins(lock)
    declared = [line for extra in extras for line in project()["optional-dependencies"][extra]]
    for line in declared + project()["dependencies"]:
        name = line.split(">")[0].split("=")[0].strip().lower().replace("_", "-")
        assert any(pin.startswith(name) for pin in pinned), name
    assert text.count("--hash=sha256:") > 500
    assert "http" not in "".join(line for line in text.splitlines() if "--index" in line or "@ " in line)


def test_what_tests_need_is_added_to_what_everybody_needs_in_the_same_versions():
    small, large = (
        {name.split(";")[0].strip(): version for name, version in pins(lock).items()}
        for lock in ("requirements.lock", "requirements-dev.lock")
    )
    assert {name: large.get(name) for name in small} == small
    assert not {"jax", "playwright", "ruff", "mypy", "hypothesis", "distributed"} & small.keys()
    assert pins("requirements-cpu.lock") == {"tensorflow-cpu": small["tensorflow"]}


def test_help_imports_nothing_heavy():
    code = "import sys, helpers.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\nprint(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("'tensorflow'", "'keras'", "'numpy'", "'pandas'", "'matplotlib'"):
        assert heavy not in modules
