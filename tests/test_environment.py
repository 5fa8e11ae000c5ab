import subprocess
import sys
import tomllib
from pathlib import Path

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


def test_the_lock_pins_every_dependency_with_hashes():
    lock = (ROOT / "requirements.lock").read_text()
    for extra in project()["optional-dependencies"]["dev"] + project()["dependencies"]:
        name = extra.split(">")[0].split("=")[0].strip().lower().replace("_", "-")
        assert f"\n{name}==" in f"\n{lock}", name
    assert lock.count("--hash=sha256:") > 500
    assert "http" not in "".join(line for line in lock.splitlines() if "--index" in line or "@ " in line)


def test_help_imports_nothing_heavy():
    code = "import sys, helpers.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\nprint(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("'tensorflow'", "'keras'", "'numpy'", "'pandas'", "'matplotlib'"):
        assert heavy not in modules
