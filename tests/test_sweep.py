import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jupyter_client.manager import AsyncKernelManager

from helpers import machine, results, sweep
from helpers.errors import StudyError
from helpers.sweep import folder, kernels
from helpers.sweep.cell import run_cell

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import trivial_cells

CELL = """
import os
if seed == 1:
    raise RuntimeError("seed one cannot be")
if seed == 2:
    os.kill(os.getpid(), 9)
if seed == 5:
    os.kill(os.getpid(), 19)  # SIGSTOP
if seed == 3:
    time.sleep(60)
"""


@pytest.fixture
def quick_cells(tmp_path, monkeypatch):
    """Grids whose cells take no TensorFlow: `plan(seeds)` writes one and returns its path."""
    monkeypatch.setattr("helpers.sweep.kernels.MODULES", trivial_cells.LIGHT)
    return lambda seeds, name="trivial": trivial_cells.write_grid(tmp_path, seeds, code=CELL, name=name)


def run(plan, out, **options):
    return sweep.run(plan, out, progress=False, notebook=trivial_cells.notebook_of(plan), **options)


def test_a_failing_and_a_killed_cell_keep_their_reason_and_the_sweep_goes_on(quick_cells, tmp_path, capsys):
    out = tmp_path / "run"
    outcome = run(quick_cells([0, 1, 2, 4]), out)
    assert (outcome.done, len(outcome.failed), outcome.exit_code) == (2, 2, 1)
    assert sorted(set(results.read(out)["seed"])) == [0, 4]
    reasons = [(out / "cells" / cell / "error.txt").read_text() for cell in outcome.failed]
    assert "seed one cannot be" in reasons[0]
    assert "DeadKernelError" in reasons[1]
    assert all((out / "cells" / cell / "executed.ipynb").is_file() for cell in outcome.failed)
    capsys.readouterr()

    again = run(quick_cells([0, 1, 2, 4]), out, resume=True)
    assert (again.done, again.before, len(again.failed)) == (0, 2, 2)
    assert "2 of 4 cells were done before" in capsys.readouterr().out


def test_a_finished_sweep_run_again_does_nothing_and_says_so(quick_cells, tmp_path, capsys):
    plan, out = quick_cells([0]), tmp_path / "run"
    run(plan, out)
    written = (out / results.TABLE).read_bytes()
    assert run(plan, out, resume=True).done == 0
    assert "nothing to do" in capsys.readouterr().out
    assert (out / results.TABLE).read_bytes() == written


@pytest.mark.slow
def test_a_cell_that_hangs_is_ended_at_its_time_limit(quick_cells, tmp_path):
    outcome = run(quick_cells([3]), tmp_path / "run", cell_timeout_s=4)
    assert len(outcome.failed) == 1
    assert "Timeout" in (tmp_path / "run" / "cells" / outcome.failed[0] / "error.txt").read_text()


@pytest.mark.slow
def test_a_truncated_rows_file_is_run_again(quick_cells, tmp_path):
    plan, out = quick_cells([0]), tmp_path / "run"
    run(plan, out)
    (rows,) = (out / "cells").glob(f"*/{results.ROWS}")
    rows.write_bytes(rows.read_bytes()[:100])
    assert run(plan, out, resume=True).done == 1


@pytest.mark.slow
def test_a_kernel_that_never_began_is_started_once_more(quick_cells, tmp_path):
    class Stillborn(AsyncKernelManager):
        def format_kernel_cmd(self, extra_arguments=None):
            return [sys.executable, "-c", ""]

    class FirstOnesFail(kernels.Stock):
        def __init__(self, stillborn):
            self.managers = [Stillborn] * stillborn

        def engine_options(self):
            return {"kernel_manager_class": self.managers.pop()} if self.managers else {}

    plan = trivial_cells.plan(quick_cells([0]))
    ran = [
        run_cell(plan.notebook, plan.cells[0], tmp_path / f"{count}", 60, starter=FirstOnesFail(count))
        for count in (1, 2)
    ]
    assert ran == [True, False]
    assert "Kernel died before replying" in (tmp_path / "2" / "error.txt").read_text()


def test_folders_that_are_not_for_this_sweep_are_refused(quick_cells, tmp_path):
    plan = quick_cells([0])
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(StudyError, match="must be a folder"):
        run(plan, file)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("")
    with pytest.raises(StudyError, match="holds something else"):
        run(plan, other)
    out = tmp_path / "run"
    run(plan, out)
    with pytest.raises(StudyError, match="--resume"):
        run(plan, out)
    with pytest.raises(StudyError, match="another grid"):
        run(quick_cells([0], name="else"), out, resume=True)


@pytest.mark.slow
def test_a_run_resumed_on_another_machine_keeps_both_and_says_so(quick_cells, tmp_path, monkeypatch, capsys):
    plan, out = quick_cells([0, 4]), tmp_path / "run"
    ids, cells = {}, {}
    for name, threads in (("first", "1"), ("second", "2"), ("first", "1")):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)  # counts as another machine
        ids[name] = machine.describe().id
        cells[name] = {cell.id for cell in trivial_cells.plan(plan, machine_id=ids[name]).cells}
        capsys.readouterr()
        again = name in cells and len(cells) == 2 and name == "first"
        outcome = run(plan, out, resume=True)
        assert (outcome.before, outcome.done) == ((2, 0) if again else (0, 2))
    said = capsys.readouterr().out
    assert f"2 cells of machine {ids['second']} stay in the table, as its own; this is machine {ids['first']}" in said
    assert "2 of 2 cells were done before" in said
    assert set(results.read(out)["cell_id"]) == cells["first"] | cells["second"]
    described = {json.loads(file.read_text())["id"]: file.name for file in out.glob("machine*.json")}
    assert described == {ids["first"]: "machine.json", ids["second"]: f"machine-{ids['second']}.json"}


def test_a_run_of_another_schema_is_not_resumed_and_says_so(quick_cells, tmp_path):
    import pyarrow.parquet

    plan, out = quick_cells([0]), tmp_path / "run"
    run(plan, out)
    table = pyarrow.parquet.read_table(out / results.TABLE)
    column = table.schema.get_field_index("schema_version")
    older = table.set_column(column, "schema_version", pyarrow.array([0] * len(table)))
    pyarrow.parquet.write_table(older, out / results.TABLE)
    before = (out / results.TABLE).read_bytes()
    with pytest.raises(StudyError, match=r"of schema 0\); report it as it is, and give another folder"):
        run(plan, out, resume=True)
    assert (out / results.TABLE).read_bytes() == before


@pytest.mark.slow
def test_line_72_a_kernel_that_is_stopped_is_ended_at_its_time_limit_and_the_sweep_goes_on(quick_cells, tmp_path):
    outcome = run(quick_cells([5, 4]), tmp_path / "run", cell_timeout_s=3)
    assert (outcome.done, len(outcome.failed)) == (1, 1)
    assert "Timeout" in (tmp_path / "run" / "cells" / outcome.failed[0] / "error.txt").read_text()


def test_two_sweeps_into_one_folder_are_kept_apart(quick_cells, tmp_path):
    out = tmp_path / "run"
    (out / "cells").mkdir(parents=True)
    with folder.locked(out), pytest.raises(StudyError, match="another sweep is running"):
        run(quick_cells([0]), out, resume=True)


def test_a_sweep_killed_in_the_middle_of_a_cell_resumes_and_loses_nothing(quick_cells, tmp_path):
    plan, out = quick_cells([0, 3, 4]), tmp_path / "run"
    killed = subprocess.Popen([sys.executable, trivial_cells.__file__, plan, out], start_new_session=True)
    planned = trivial_cells.plan(plan, machine_id=machine.describe().id)
    first, second, third = (cell.id for cell in planned.cells)
    deadline = time.monotonic() + 60
    while not (out / "cells" / second).is_dir() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    stamp = (out / "cells" / first / results.ROWS).stat().st_mtime_ns
    outcome = run(plan, out, resume=True, cell_timeout_s=4)
    assert (outcome.before, outcome.done, outcome.failed) == (1, 1, (second,))
    assert (out / "cells" / first / results.ROWS).stat().st_mtime_ns == stamp
    assert results.read(out)["cell_id"].unique().tolist() == [first, third]
