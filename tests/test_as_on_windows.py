"""The kit where Python has no fcntl, resource, sched_getaffinity, getuid or fork, and text is not UTF-8 by default."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import cli, files, paths, sweep, workshop
from helpers.errors import StudyError
from helpers.sweep import loop

HERE = Path(__file__).resolve().parent
ROOT = paths.project_root()
LESSONS = [path for path in workshop.lessons() if path.name[:2] in {f"{n:02}" for n in (*range(9), 10)}]


@pytest.fixture(scope="module")
def as_on_windows():
    """The environment of a process that finds nothing of Unix; ASCII stands for a code page that lacks characters."""
    where = os.pathsep.join(filter(None, (str(HERE / "as_on_windows"), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": where, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_what_windows_lacks_is_really_gone(as_on_windows):
    code = "import os\nfor name in ('getuid', 'fork', 'sched_getaffinity'): assert not hasattr(os, name)\nimport fcntl"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=as_on_windows)
    assert ended.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'fcntl'"


def test_the_kit_is_imported_and_the_machine_described_there(as_on_windows):
    code = "from helpers import cli, doctor, measurement, report, sweep, workshop; cli.main(['machine'])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=as_on_windows)
    assert ended.returncode == 0, ended.stderr
    assert "(machine " in ended.stdout


@pytest.mark.slow
def test_pipelines_are_compared_there(as_on_windows):
    words = ["compare", "--pipelines", "py_dataset,tf_data", "--examples", "64", "--budget", "2"]
    command = [sys.executable, "-m", "helpers.cli", *words]
    ended = subprocess.run(command, capture_output=True, text=True, env=as_on_windows)
    assert ended.returncode == 0, ended.stderr
    assert "tf_data" in ended.stdout and "Same work" in ended.stdout


def test_a_sweep_is_told_in_one_line_to_run_in_wsl(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(files, "HAS_LOCKS", False)
    monkeypatch.setattr(loop.sys, "platform", "win32")
    grid = ROOT / "notebooks" / "sweeps" / "quick.yml"
    with pytest.raises(StudyError, match=r"Linux or macOS \(this is win32\); run it in WSL 2"):
        sweep.run(grid, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert cli.main(["sweep", str(grid), "--list"]) == cli.DONE
    assert "cells, at most" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_lessons_0_to_8_and_10_run_there(lesson, as_on_windows, tmp_path):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--nbval-lax",
        "--nbval-cell-timeout=180",
    ]
    ended = subprocess.run([*command, lesson], capture_output=True, text=True, env=as_on_windows, cwd=ROOT)
    assert ended.returncode == 0, ended.stdout[-3000:]


def test_there_are_ten_of_them():
    assert len(LESSONS) == 10
