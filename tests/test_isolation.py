"""Pipelines in processes of their own: whose memory is told, where the work is done, and what is left afterwards."""

import os
import re
import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from helpers import measurement, timing
from helpers.errors import StudyError
from helpers.pipelines import Spec
from helpers.tasks import Task
from helpers.timing import isolation

SPECS = {"py_dataset": Spec("py_dataset"), "tf_data": Spec("tf_data")}
TASK = Task(examples=2000, batch_size=256)
IMAGE_BYTES = 2000 * 32 * 32 * 3


def peak_bytes(pid):
    """The highest resident memory of a process, as the system tells it to others."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[1])


def no_epoch_here(*_args, **_options):
    raise AssertionError("an isolated pipeline's epoch runs in its own process, not in this one")


@pytest.fixture(scope="module")
def isolated():
    """`measure(isolate=True)`, and what could be seen of its processes from outside."""
    seen = SimpleNamespace()
    started = isolation.started

    @contextmanager
    def watched(task, specs):
        with started(task, specs) as pipelines:
            seen.processes = {label: psutil.Process(mine._process.pid) for label, mine in pipelines.items()}
            seen.cpu_s = {label: process.cpu_times().user for label, process in seen.processes.items()}
            yield pipelines
            for label, process in seen.processes.items():
                seen.cpu_s[label] = process.cpu_times().user - seen.cpu_s[label]
            seen.resident = {label: process.memory_info().rss for label, process in seen.processes.items()}
            seen.peak = {label: peak_bytes(process.pid) for label, process in seen.processes.items()}
        seen.left = [label for label, process in seen.processes.items() if process.is_running()]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isolation, "started", watched)
        patch.setattr(timing, "time_epoch", no_epoch_here)
        seen.measurement = measurement.measure(TASK, SPECS, budget_s=0.5, precision=0.5, isolate=True)
    return seen


def test_each_pipeline_works_in_a_process_of_its_own(isolated):
    pids = {process.pid for process in isolated.processes.values()}
    assert len(pids) == len(SPECS)
    assert os.getpid() not in pids
    rounds = isolated.measurement.comparison.rounds
    for label, cpu_s in isolated.cpu_s.items():
        assert (rounds.loc[rounds["pipeline"] == label, "batches"] == 8).all()
        assert cpu_s > 0


def test_the_memory_that_is_told_is_that_of_the_process(isolated):
    for label, told in isolated.measurement.peak_rss_bytes.items():
        assert told == pytest.approx(isolated.peak[label], rel=0.01)
        assert told >= 0.99 * isolated.resident[label]


def test_what_a_pipeline_brought_holds_its_images_and_is_less_than_the_whole(isolated):
    for label, brought in isolated.measurement.pipeline_rss_bytes.items():
        assert IMAGE_BYTES <= brought < isolated.measurement.peak_rss_bytes[label] / 2


def test_no_process_is_left_afterwards(isolated):
    assert isolated.left == []


def test_rows_of_isolated_pipelines_say_so_and_rank_them(isolated):
    rows = isolated.measurement.rows().set_index("pipeline")
    assert list(rows.index) == list(SPECS)
    assert rows["isolated"].tolist() == [True, True]
    assert rows["same_work"].tolist() == [True, True]
    assert rows["peak_rss_bytes"].to_dict() == isolated.measurement.peak_rss_bytes
    assert rows["pipeline_rss_bytes"].to_dict() == isolated.measurement.pipeline_rss_bytes
    assert (rows["rounds"] >= 5).all() and (rows["time_ratio"] > 0).all()


@pytest.mark.slow
def test_a_process_that_was_killed_is_named_and_none_is_left_after_the_error():
    with (
        pytest.raises(StudyError, match=r"the process of py_dataset must stay alive \(it ended with -9"),
        isolation.started(Task(examples=8), {"py_dataset": SPECS["py_dataset"]}) as started,
    ):
        process = psutil.Process(started["py_dataset"]._process.pid)
        os.kill(process.pid, signal.SIGKILL)
        started["py_dataset"].time_epochs(1)
    assert not process.is_running()


@pytest.mark.slow
def test_what_cannot_be_built_over_there_is_said_here_and_no_process_is_left():
    before = set(psutil.Process().children())
    with (
        pytest.raises(StudyError, match=r"published_b1, in its own process: .*reads mnist"),
        isolation.started(Task(examples=8), {"published_b1": Spec("published_b1_tfds")}),
    ):
        raise AssertionError("a pipeline that is not built is not handed out")
    left = set(psutil.Process().children()) - before
    assert [child.cmdline() for child in left if "spawn_main" in " ".join(child.cmdline())] == []


@pytest.mark.slow
def test_an_epoch_that_hangs_over_there_ends_at_its_deadline_and_says_what_was_asked():
    with isolation.started(Task(examples=64), {"stuck": SPECS["tf_data"]}) as started:
        stuck = started["stuck"]
        process = psutil.Process(stuck._process.pid)
        process.send_signal(signal.SIGSTOP)
        stuck.deadline_s = 0.5
        with pytest.raises(StudyError, match=r"stuck must run its epochs within 0\.5 s .* fewer examples"):
            stuck.time_epochs(1)
        assert not process.is_running()
        with pytest.raises(StudyError, match="stuck must stay alive"):
            stuck.time_epochs(1)


def test_a_pipeline_that_is_not_built_in_time_ends_at_its_deadline():
    with (
        pytest.raises(StudyError, match=r"tf_data must build its pipeline within 0\.1 s"),
        isolation.started(Task(examples=64), {"tf_data": SPECS["tf_data"]}, deadline_s=0.1),
    ):
        raise AssertionError("a pipeline that is not built is not handed out")


@pytest.mark.slow
def test_a_pipeline_in_a_process_of_its_own_may_have_processes_itself_which_end_with_it():
    specs = {
        "pool": Spec("py_dataset", {"pool": "processes", "pool_size": 1}),
        "grain": Spec("grain", {"processes": 1, "threads": 0, "buffer": 2, "repeat": True}),
    }
    before, seen, ended = set(psutil.Process().children(recursive=True)), set(), threading.Event()

    def watch():  # Grain's process ends with its fit
        while not ended.wait(0.02):
            seen.update(psutil.Process().children(recursive=True))

    with isolation.started(Task(examples=64), specs) as isolated:
        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        for label, pipeline in isolated.items():
            assert [epoch.batches for epoch in pipeline.time_epochs(1)] == [2], label
        ended.set()
        watching.join()
        made = seen - before
        assert len(made) >= 4
    _, alive = psutil.wait_procs(made, timeout=20)
    assert [process for process in alive if "resource_tracker" not in " ".join(process.cmdline())] == []
