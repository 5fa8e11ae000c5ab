"""What a sweep says while it runs: how long it still takes, and nothing of what libraries write to the terminal."""

import os
import subprocess
import sys

import pytest

from helpers.sweep.grid import Cell
from helpers.sweep.progress import AROUND_S, TimeLeft

BETWEEN = """
import os, subprocess, sys
from pathlib import Path
from helpers.machine import processes
with processes.libraries_into(Path(sys.argv[1])):
    {act}
    print("said by Python", file=sys.stderr)
print("said afterwards", file=sys.stderr)
"""


def cells(*budgets):
    return [Cell(str(number), {"budget_s": budget}) for number, budget in enumerate(budgets)]


def test_the_time_left_is_that_of_the_budgets_at_the_pace_of_the_cells_that_are_done():
    now = [100.0]
    planned = cells(20, 50, 80)
    left = TimeLeft(planned, clock=lambda: now[0])
    assert left.seconds() == 150 + 3 * AROUND_S
    assert str(left) == "about 3 min left"
    now[0] += 2 * (20 + AROUND_S)  # twice as long as was expected
    left.done(planned[0])
    assert left.seconds() == 2 * (130 + 2 * AROUND_S)
    for cell in planned[1:]:
        left.done(cell)
    assert left.seconds() == 0 and str(left) == "about a minute left"


def run(act, log, **environment):
    command = [sys.executable, "-c", BETWEEN.format(act=act), str(log)]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})


def test_what_c_code_and_children_write_goes_into_the_file_and_what_python_writes_does_not(tmp_path):
    log = tmp_path / "libraries.log"
    log.write_text("of before\n")
    act = 'os.write(2, b"said in C\\n"); subprocess.run("echo said by a child >&2", shell=True)'
    assert run(act, log).stderr == "said by Python\nsaid afterwards\n"
    assert log.read_text() == "of before\nsaid in C\nsaid by a child\n"


def test_where_nothing_is_said_or_no_folder_is_there_no_file_is_made(tmp_path):
    run("pass", tmp_path / "libraries.log")
    assert run('os.write(2, b"said in C\\n")', tmp_path / "none" / "libraries.log").stderr.count("\n") == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_tensorflows_own_lines_do_not_reach_the_terminal(tmp_path):
    log = tmp_path / "libraries.log"
    act = "import tensorflow as tf; tf.config.list_physical_devices(); tf.zeros(1)"
    assert run(act, log, TF_CPP_MIN_LOG_LEVEL="0").stderr == "said by Python\nsaid afterwards\n"
    assert "oneDNN" in log.read_text() or "cpu_feature_guard" in log.read_text()
