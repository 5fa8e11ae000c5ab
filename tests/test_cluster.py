import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from helpers import results, sweep
from helpers.errors import StudyError
from helpers.sweep import cluster

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import trivial_cells

SOURCE = Path(cluster.__file__).resolve().parents[2]
CELL = """
import os
from pathlib import Path
marks = Path("MARKS")
(marks / f"{seed}-{os.getppid()}").touch()
if len(list(marks.iterdir())) < 3:
    time.sleep(3)
"""


@pytest.fixture
def cells(tmp_path):
    """A grid of two cells that leave a mark, sleep where they are among the first two, and write a row."""
    marks = tmp_path / "marks"
    marks.mkdir()
    return trivial_cells.write_grid(tmp_path, [0, 1], code=CELL.replace("MARKS", str(marks))), marks


def run(grid, out, scheduler):
    notebook = trivial_cells.notebook_of(grid)
    return sweep.run(grid, out, progress=False, scheduler=scheduler, notebook=notebook)


@pytest.fixture
def dask(tmp_path):
    """A scheduler, and `worker(host, source)` that starts a worker; all real processes."""
    pytest.importorskip("distributed", reason="needs the extra `scale`")
    place = tmp_path / "scheduler.json"
    started = []

    def start(program, *arguments, source=SOURCE, **environment):
        path = os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--scheduler-file", str(place), *arguments]
        with open(tmp_path / f"{program}-{len(started)}.log", "wb") as log:
            started.append(
                subprocess.Popen(
                    command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path, **environment}, stdout=log, stderr=log
                )
            )
        return started[-1]

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")

    def worker(host, source=SOURCE):
        return start(
            "worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard", source=source,
            STUDY_HOST=host,
        )  # fmt: skip

    yield place, worker, scheduler
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_worker_killed_in_mid_cell_loses_nothing_and_one_with_other_software_is_refused(
    cells, dask, tmp_path, capsys
):
    grid, marks = cells
    place, worker, _ = dask
    other = tmp_path / "other" / "src"
    shutil.copytree(SOURCE / "helpers", other / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    (other / "helpers" / "errors.py").write_text((SOURCE / "helpers" / "errors.py").read_text() + "\n# another\n")
    processes = {process.pid: process for process in (worker("a"), worker("b"))}
    stranger = worker("c", source=other)
    address = _address_with_workers(place, 3)

    killed = []

    def kill_the_first():
        while not killed:
            found = [int(mark.name.split("-")[1]) for mark in marks.iterdir()]
            if len(set(found)) == 2:  # both workers are in mid cell: hosts run theirs side by side
                os.kill(found[0], signal.SIGKILL)
                killed.append(found[0])
            time.sleep(0.05)

    killer = threading.Thread(target=kill_the_first, daemon=True)
    killer.start()
    out = tmp_path / "run"
    outcome = run(grid, out, address)
    killer.join(timeout=5)
    assert (outcome.done, outcome.failed) == (2, ())
    assert sorted(set(results.read(out)["seed"])) == [0, 1]
    said = capsys.readouterr().out
    assert (
        "is refused: its software must be ours: helpers" in said and "is gone, or stopped; its cell runs again" in said
    )
    by = [json.loads(file.read_text()) for file in sorted(out.glob("cells/*/worker.json"))]
    assert sorted(one["attempt"] for one in by) == [1, 2], said
    assert killed[0] in processes and {one["pid"] for one in by} == {*processes} - {killed[0]}
    assert stranger.pid not in {int(mark.name.split("-")[1]) for mark in marks.iterdir()}
    assert all(one["machine"]["id"] for one in by)


@pytest.mark.slow
def test_line_72_a_worker_stopped_in_mid_cell_loses_nothing_and_the_sweep_says_so(
    cells, dask, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(cluster, "SILENT_S", 6.0)
    grid, marks = cells
    place, worker, _ = dask
    workers = {process.pid: process for process in (worker("a"), worker("b"))}
    address = _address_with_workers(place, 2)
    stopped = []

    def stop_the_first():
        while not stopped:
            found = [int(mark.name.split("-")[1]) for mark in marks.iterdir()]
            if len(set(found)) == 2:
                os.kill(found[0], signal.SIGSTOP)
                stopped.append(found[0])
            time.sleep(0.05)

    threading.Thread(target=stop_the_first, daemon=True).start()
    outcome = run(grid, tmp_path / "run", address)
    assert (outcome.done, outcome.failed) == (2, ())
    assert sorted(set(results.read(tmp_path / "run")["seed"])) == [0, 1]
    assert "is gone, or stopped; its cell runs again" in capsys.readouterr().out
    by = {json.loads(file.read_text())["pid"] for file in (tmp_path / "run").glob("cells/*/worker.json")}
    assert by == {*workers} - {*stopped}


@pytest.mark.slow
def test_line_72_a_scheduler_that_is_stopped_ends_the_sweep_in_one_line(cells, dask, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "SILENT_S", 3.0)
    grid, marks = cells
    place, worker, scheduler = dask
    worker("a")
    address = _address_with_workers(place, 1)

    def stop_the_scheduler():
        while not list(marks.iterdir()):
            time.sleep(0.05)
        scheduler.send_signal(signal.SIGSTOP)

    threading.Thread(target=stop_the_scheduler, daemon=True).start()
    with pytest.raises(StudyError, match="go on with --resume"):
        run(grid, tmp_path / "run", address)


@pytest.mark.slow
def test_a_scheduler_that_dies_ends_the_sweep_in_one_line_that_says_how_to_go_on(cells, dask, tmp_path):
    grid, marks = cells
    place, worker, scheduler = dask
    worker("a")
    address = _address_with_workers(place, 1)

    def kill_the_scheduler():
        while not list(marks.iterdir()):
            time.sleep(0.05)
        scheduler.kill()

    threading.Thread(target=kill_the_scheduler, daemon=True).start()
    with pytest.raises(StudyError, match="go on with --resume"):
        run(grid, tmp_path / "run", address)


def _address_with_workers(place, count):
    import distributed

    deadline = time.monotonic() + 60
    while not place.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    address = json.loads(place.read_text())["address"]
    with distributed.Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)
    return address


def test_without_dask_a_cluster_is_refused_in_one_line_that_names_the_extra(cells, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(StudyError, match=r"pip install -e '\.\[scale\]'"):
        run(cells[0], tmp_path / "run", "tcp://127.0.0.1:1")


def test_a_scheduler_that_does_not_answer_is_named(cells, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="needs the extra `scale`")
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    with pytest.raises(StudyError, match=r"must answer at tcp://127\.0\.0\.1:1"):
        run(cells[0], tmp_path / "run", "tcp://127.0.0.1:1")


@pytest.fixture
def own_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"study-{os.getuid()}"


def test_a_host_runs_one_cell_at_a_time_whoever_sent_it(own_temporary_folder):
    code = (
        "from helpers.errors import StudyError\nfrom helpers.sweep import cluster\n"
        "for deadline_s in (0, 60):\n"
        "    try:\n"
        "        with cluster.alone_on_host(deadline_s=deadline_s):\n"
        "            print('alone', flush=True)\n"
        "    except StudyError as error:\n"
        "        print(error, flush=True)\n"
    )
    environment = {**os.environ, "TMPDIR": str(own_temporary_folder.parent), "PYTHONPATH": str(SOURCE)}
    with cluster.alone_on_host(deadline_s=0):
        other = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        assert "another cell must leave" in other.stdout.readline()
    assert other.communicate(timeout=60) == ("alone\n", None)


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


@pytest.mark.parametrize("planted", ["folder", "lock"])
def test_a_planted_link_redirects_no_lock_and_what_it_points_to_stays(own_temporary_folder, tmp_path, planted):
    with cluster.alone_on_host(deadline_s=0):
        (lock,) = own_temporary_folder.iterdir()
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (victim / lock.name).write_text("precious")
    if planted == "folder":
        shutil.rmtree(own_temporary_folder)
        own_temporary_folder.symlink_to(victim)
    else:
        lock.unlink()
        lock.symlink_to(victim / lock.name)
    with pytest.raises(StudyError, match="remove it"), cluster.alone_on_host(deadline_s=0):
        pass
    assert (victim / lock.name).read_text() == "precious"
    assert [file.name for file in victim.iterdir()] == [lock.name]


def test_a_lock_folder_that_others_may_use_is_refused(own_temporary_folder):
    own_temporary_folder.mkdir(mode=0o700)
    own_temporary_folder.chmod(0o777)
    with pytest.raises(StudyError, match="that you alone can use"), cluster.alone_on_host(deadline_s=0):
        pass
