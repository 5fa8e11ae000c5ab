"""Plain papermill and plain nbval, as the README's lines say."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers import paths

ROOT = paths.project_root()
README = (ROOT / "README.md").read_text()


def line_of(program):
    """The README's line that begins with a program's name, in words."""
    (line,) = re.findall(rf"^    ({program} .+)$", README, re.M)
    return shlex.split(line)


def ran(*command):
    """How a program of this environment ended, started in the checkout."""
    program, *words = command
    where = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([program, *words], capture_output=True, text=True, cwd=ROOT, env=where)


@pytest.mark.slow
def test_plain_papermill_runs_a_cell(tmp_path):
    words = [str(tmp_path / word) if word == "out.ipynb" else word for word in line_of("papermill")]
    ended = ran(*words)
    assert ended.returncode == 0, ended.stderr
    executed = nbformat.read(tmp_path / "out.ipynb", 4)
    assert executed.metadata.papermill.parameters == {"transform": "brightness", "examples": 500, "budget_s": 5}
    assert all(not output.get("ename") for cell in executed.cells for output in cell.get("outputs", []))


@pytest.mark.slow
def test_plain_nbval_checks_a_lesson():
    ended = ran(*line_of("pytest"), "-p", "no:cacheprovider", "-q")
    assert ended.returncode == 0, ended.stdout[-2000:]
