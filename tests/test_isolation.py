import os
import signal

import psutil
import pytest

from helpers import comparison
from helpers.errors import StudyError
from helpers.tasks import Task
from helpers.timing import isolation

SPECS = {"py_dataset": {"builder": "py_dataset"}, "tf_data": {"builder": "tf_data"}}


def test_isolated_pipelines_are_compared_and_tell_their_memory():
    task = Task(examples=64)
    with isolation.started(task, SPECS) as started:
        measured = comparison.compare(started, budget_s=1, precision=0.5)
        memory = started["tf_data"].memory()
        assert started["tf_data"]._process.pid != started["py_dataset"]._process.pid != os.getpid()
        os.kill(started["py_dataset"]._process.pid, signal.SIGKILL)
        with pytest.raises(StudyError, match="py_dataset must stay alive"):
            started["py_dataset"].time_epoch()
    assert measured.labels == ["py_dataset", "tf_data"]
    assert memory["tree"] > memory["pipeline"] > 0
    assert not started["tf_data"]._process.is_alive()


def test_what_cannot_be_built_over_there_is_said_here():
    with (
        pytest.raises(StudyError, match=r"published_b1, in its own process: .*reads mnist"),
        isolation.started(Task(examples=8), {"published_b1": {"builder": "published_b1_tfds"}}),
    ):
        pass


def test_an_epoch_that_hangs_over_there_ends_at_its_deadline_and_says_what_was_asked():
    with isolation.started(Task(examples=64), {"stuck": SPECS["tf_data"]}) as started:
        stuck = started["stuck"]
        process = psutil.Process(stuck._process.pid)
        process.send_signal(signal.SIGSTOP)
        stuck.deadline_s = 0.5
        with pytest.raises(StudyError, match=r"stuck must run an epoch within 0\.5 s .* fewer examples"):
            stuck.time_epoch()
        assert not process.is_running()
        with pytest.raises(StudyError, match="stuck must stay alive"):
            stuck.time_epoch()


def test_a_pipeline_that_is_not_built_in_time_ends_at_its_deadline():
    with (
        pytest.raises(StudyError, match=r"tf_data must build its pipeline within 0\.1 s"),
        isolation.started(Task(examples=64), {"tf_data": SPECS["tf_data"]}, deadline_s=0.1),
    ):
        pass
