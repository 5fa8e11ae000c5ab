"""Each fault is caused for real; after it, what was finished stands, the rest resumes, the exit code tells."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import cli, files, results, sweep
from helpers.sweep import kernels

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import torture  # noqa: E402
import trivial_cells  # noqa: E402


@pytest.fixture(autouse=True)
def light_server(monkeypatch):
    """These cells need no TensorFlow, so the kernel server imports none."""
    monkeypatch.setattr(kernels, "MODULES", trivial_cells.LIGHT)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MiB of its own, or a skip where we may not mount."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a disk of its own needs the right to mount one: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def run_cells(grid, out, *options):
    """Runs `study sweep` and returns its exit code."""
    return trivial_cells.command(grid, out, "--resume", *options)


def started(grid, out, before=""):
    """Starts `study sweep` in a process of its own, in which the code `before` has run."""
    code = f"{before}\nimport runpy, sys\nsys.path.insert(0, {str(BENCHMARKS)!r})\n"
    code += "runpy.run_module('trivial_cells', run_name='__main__')"
    command = [sys.executable, "-c", code, str(grid), str(out), "--resume"]
    with open(grid.parent / "stderr.txt", "w") as stderr:
        return subprocess.Popen(command, stderr=stderr, start_new_session=True)


def until(condition, limit_s=60):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def seeds_done(out):
    return sorted(set(results.read(out)["seed"])) if (out / results.TABLE).is_file() else []


def reason_of(out, seed):
    (folder,) = [place.parent for place in out.glob("cells/*/error.txt") if f'"seed": {seed},' in place.read_text()]
    assert (folder / "executed.ipynb").is_file()
    return (folder / "error.txt").read_text(), (folder / "executed.ipynb").read_text()


@pytest.mark.slow
def test_ten_kills_at_random_moments_lose_nothing(tmp_path):
    tortured = torture.Torture(tmp_path, cells=4, within_s=2.5)
    tortured.run(kills=10, limit_s=60)
    assert tortured.faults == []
    assert tortured.kills.total() > 0


@pytest.mark.slow
def test_a_kernel_without_memory_fails_its_cell_only(tmp_path):
    code = """
if seed == 1:
    import resource
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
    taken = bytearray(2**30)
"""
    out = tmp_path / "run"
    assert run_cells(trivial_cells.write_grid(tmp_path, range(3), code=code), out) == cli.SOME_FAILED
    assert seeds_done(out) == [0, 2]
    reason, notebook = reason_of(out, 1)
    assert "MemoryError" in reason
    assert "taken = bytearray" in notebook


def memory_group():
    """Makes a control group that may take 200 MB: the folder, or None where that is not ours to make."""
    version_2 = Path("/sys/fs/cgroup/cgroup.controllers").is_file()
    place = Path("/sys/fs/cgroup" if version_2 else "/sys/fs/cgroup/memory") / f"study-test-{os.getpid()}"
    try:
        place.mkdir()
        (place / ("memory.max" if version_2 else "memory.limit_in_bytes")).write_text(str(200 * 10**6))
    except OSError:
        if place.is_dir():
            place.rmdir()
        return None
    return place


@pytest.mark.slow
def test_a_kernel_that_the_system_kills_for_its_memory_fails_its_cell_only(tmp_path):
    group = memory_group()
    if group is None:
        pytest.skip("a control group with a memory limit needs the right to make one")
    code = f"""
if seed == 1:
    import os
    open({str(group / "cgroup.procs")!r}, "w").write(str(os.getpid()))
    taken = b"x" * 10**9
"""
    out = tmp_path / "run"
    try:
        assert run_cells(trivial_cells.write_grid(tmp_path, range(3), code=code), out) == cli.SOME_FAILED
    finally:
        until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()
    assert seeds_done(out) == [0, 2]
    assert "DeadKernelError" in reason_of(out, 1)[0]


@pytest.mark.slow
def test_a_full_disk_ends_the_sweep_and_room_lets_it_go_on(tmp_path, small_disk, capsys):
    out = small_disk / "run"
    code = f"""
import os
if seed == 1 and not os.path.exists({str(tmp_path / "room")!r}):
    with open({str(out / "ballast")!r}, "wb") as ballast:
        try:
            while True:
                ballast.write(bytes(4096)); ballast.flush()
        except OSError:
            pass
"""
    grid = trivial_cells.write_grid(tmp_path, range(3), code=code)
    assert run_cells(grid, out) == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert "No space left" in said and "--resume" in said
    (finished,) = out.glob(f"cells/*/{results.ROWS}")
    (tmp_path / "room").touch()
    (out / "ballast").unlink()
    before = finished.read_bytes()
    assert run_cells(grid, out) == cli.DONE
    assert seeds_done(out) == [0, 1, 2]
    assert finished.read_bytes() == before


def protection(*folders):
    """Returns the commands that make folders read-only and writable again; root needs more than modes."""
    if os.geteuid():
        return ["chmod", "a-w", *folders], ["chmod", "u+w", *folders]
    return ["chattr", "+i", *folders], ["chattr", "-i", *folders]


@pytest.mark.slow
def test_a_folder_that_becomes_read_only_ends_the_sweep_and_is_resumed(tmp_path, capsys):
    out = tmp_path / "run"
    protect, release = protection(str(out), str(out / "cells"))
    if os.geteuid() == 0 and subprocess.run(["chattr", "+i", tmp_path], capture_output=True).returncode:
        pytest.skip("nothing is read-only for root on a disk that knows no chattr +i")
    subprocess.run(["chattr", "-i", tmp_path], capture_output=True, check=False)
    code = f"""
import os, subprocess
if seed == 1 and not os.path.exists({str(tmp_path / "writable")!r}):
    subprocess.run({protect!r}, check=True)
"""
    grid = trivial_cells.write_grid(tmp_path, range(3), code=code)
    try:
        assert run_cells(grid, out) == cli.BAD_INPUT
        assert "must be writable" in capsys.readouterr().err
        assert run_cells(grid, out) == cli.BAD_INPUT
        assert "must be a folder that can be written" in capsys.readouterr().err
    finally:
        subprocess.run(release, check=True)
    assert len(list(out.glob(f"cells/*/{results.ROWS}"))) == 2
    (tmp_path / "writable").touch()
    assert run_cells(grid, out) == cli.DONE
    assert seeds_done(out) == [0, 1, 2]


@pytest.mark.slow
def test_data_that_vanish_fail_the_cells_that_need_them(tmp_path, picture_folder):
    data, out = tmp_path / "pictures", tmp_path / "run"
    shutil.copytree(picture_folder, data)
    code = f"""
from helpers import datasets
datasets.require("folder:{data}")
if seed == 0:
    import shutil
    shutil.rmtree({str(data)!r})
"""
    grid = trivial_cells.write_grid(tmp_path, range(2), code=code)
    assert run_cells(grid, out) == cli.SOME_FAILED
    assert seeds_done(out) == [0]
    assert "NotPrepared" in reason_of(out, 1)[0]
    shutil.copytree(picture_folder, data)
    assert run_cells(grid, out) == cli.DONE


def test_ctrl_c_ends_the_sweep_with_130_and_it_resumes(tmp_path):
    out = tmp_path / "run"
    here = tmp_path / "waiting"
    code = f"""
if seed == 1:
    open({str(here)!r}, "w").close()
    time.sleep(0 if os.path.exists({str(tmp_path / "go on")!r}) else 60)
"""
    grid = trivial_cells.write_grid(tmp_path, range(3), code="import os\n" + code)
    process = started(grid, out)
    until(here.exists)
    family = torture.family(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # the terminal sends it to all of the foreground
    assert process.wait(timeout=30) == cli.INTERRUPTED
    assert (tmp_path / "stderr.txt").read_text().endswith("study: interrupted\n")
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))
    assert seeds_done(out) == [0]
    assert len(list(out.glob(f"cells/*/{results.ROWS}"))) == 1
    (tmp_path / "go on").touch()
    assert run_cells(grid, out) == cli.DONE
    assert seeds_done(out) == [0, 1, 2]


def test_a_truncated_notebook_of_a_finished_cell_changes_nothing(tmp_path, capsys):
    grid, out = trivial_cells.write_grid(tmp_path, range(1)), tmp_path / "run"
    assert run_cells(grid, out) == cli.DONE
    (notebook,) = out.glob("cells/*/executed.ipynb")
    notebook.write_bytes(notebook.read_bytes()[:100])
    assert run_cells(grid, out) == cli.DONE
    assert "nothing to do" in capsys.readouterr().out
    assert seeds_done(out) == [0]


@pytest.mark.slow
def test_a_clock_that_jumps_changes_nothing(tmp_path):
    """In the sweep it falls back an hour twice a second, and is a day ahead while cell 1 runs; there it jumps too."""
    out, ahead = tmp_path / "run", tmp_path / "ahead"
    jumping = f"""
import os, time
real = time.time
time.time = lambda: real() - 3600 * int(time.monotonic() * 2) + 86400 * os.path.exists({str(ahead)!r})
"""
    code = f"""
if seed == 1:
    import os
    open({str(ahead)!r}, "w").close()
    real = time.time
    time.time = lambda: real() - 86400 * int(time.monotonic() * 10)
    time.sleep(1)
    os.remove({str(ahead)!r})
"""
    grid = trivial_cells.write_grid(tmp_path, range(3), code=code)
    process = started(grid, out, before=jumping)
    assert process.wait(timeout=60) == cli.DONE, (tmp_path / "stderr.txt").read_text()
    assert seeds_done(out) == [0, 1, 2]
    assert (results.read(out)["wall_s"] >= 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("who", ["kernel", "sweep"])
def test_a_process_killed_while_it_writes_leaves_nothing_half_written(tmp_path, who):
    killing = """
import os
from helpers import files
whole = files.write_whole
def killed(path, write):
    def half(place):
        write(place)
        place.write_bytes(place.read_bytes()[:50])
        os.kill(os.getpid(), 9)
    whole(path, half if path.name == {name!r} else write)
files.write_whole = killed
"""
    out = tmp_path / "run"
    of_rows = killing.format(name=results.ROWS)
    code = f"import os\nif seed == 1 and not os.path.exists({str(tmp_path / 'go on')!r}):\n    exec({of_rows!r})"
    code = code if who == "kernel" else ""
    grid = trivial_cells.write_grid(tmp_path, range(3), code=code)
    process = started(grid, out, before=killing.format(name=results.TABLE) if who == "sweep" else "")
    assert process.wait(timeout=60) == (cli.SOME_FAILED if who == "kernel" else -signal.SIGKILL)
    assert seeds_done(out) == ([0, 2] if who == "kernel" else [])
    assert len(list(out.glob(f"cells/*/{results.ROWS}"))) == (2 if who == "kernel" else 3)
    (tmp_path / "go on").touch()
    assert run_cells(grid, out) == cli.DONE
    assert seeds_done(out) == [0, 1, 2]
    assert list(out.rglob(f"*{files.PART}")) == []
    notebook = trivial_cells.notebook_of(grid)
    assert sweep.run(grid, out, resume=True, progress=False, notebook=notebook).done == 0
