import os
import signal

import pytest

from helpers import comparison
from helpers.errors import StudyError
from helpers.pipelines import Spec
from helpers.tasks import Task
from helpers.timing import isolation

SPECS = {"py_dataset": Spec("py_dataset"), "tf_data": Spec("tf_data")}


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
        isolation.started(Task(examples=8), {"published_b1": Spec("published_b1_tfds")}),
    ):
        pass
