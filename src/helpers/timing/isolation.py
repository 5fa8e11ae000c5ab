"""Gives each pipeline a process of its own, for pipelines that disturb each other and for memory figures.

The processes are spawned, not forked: each imports TensorFlow itself, has its own thread pools, caches and
allocator, and waits quietly between its epochs. `comparison.compare` takes what `started` yields as feeds.
"""

import gc
import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np

from helpers import service, timing
from helpers.errors import StudyError
from helpers.machine import allocator, memory, processes
from helpers.pipelines.specs import Spec, services_of
from helpers.tasks import Task
from helpers.timing import Epoch, models

DEADLINE_S = 600.0
BUILD, EPOCHS, MEMORY = "build its pipeline", "run its epochs", "tell its memory"  # what a process is asked


class Isolated:
    """A pipeline in a process of its own.

    Attributes:
        label: of the pipeline.
        deadline_s: seconds that it may take to be built, or for the epochs of a round; then its process is killed.
    """

    def __init__(self, task: Task, label: str, spec: Spec, *, deadline_s: float = DEADLINE_S, set_malloc: bool = True):
        """Starts the process, which builds the pipeline and the smallest model."""
        spawn = multiprocessing.get_context("spawn")
        self.label = label
        self.deadline_s = deadline_s
        self._here, there = spawn.Pipe()
        self._process = spawn.Process(
            target=_serve, args=(there, task, spec, set_malloc)
        )  # a daemon may have none itself
        self._process.start()
        there.close()

    def wait(self) -> None:
        """Returns when the pipeline is built.

        Raises:
            StudyError: if it could not be built in time, or its process died.
        """
        self._receive(BUILD)

    def time_epochs(self, epochs: int) -> list[Epoch]:
        """Runs and times so many epochs over there, in one `fit`.

        Raises:
            StudyError: if it failed or took too long, or its process died.
        """
        return self._ask(EPOCHS, epochs)

    def memory(self) -> dict[str, float]:
        """Returns, in bytes, `tree`: the highest resident memory of the process with its children so far, and
        `pipeline`: how much of the process's peak came after the model was built and before which there was no
        pipeline. NaN where the system does not tell.
        """
        return self._ask(MEMORY)

    def stop(self) -> None:
        """Ends the process."""
        if self._process.is_alive():
            with suppress(OSError):
                self._here.send(("stop",))
            self._process.join(timeout=10)
        self._kill()
        self._here.close()

    def _ask(self, question, *arguments):
        with suppress(BrokenPipeError):  # then there is no answer either
            self._here.send((question, *arguments))
        return self._receive(question)

    def _kill(self):
        if self._process.is_alive() and self._process.pid:
            processes.end_tree(self._process.pid)
            self._process.join()

    def _receive(self, question):
        try:
            if not self._here.poll(self.deadline_s):
                self._kill()
                raise StudyError(
                    f"the process of {self.label} must {question} within {self.deadline_s:g} s (it gave no answer and "
                    "was ended); look at what the pipeline waits for, or give it fewer examples"
                )
            answer = self._here.recv()
        except (EOFError, ConnectionResetError) as error:
            self._process.join(timeout=5)
            raise StudyError(
                f"the process of {self.label} must stay alive (it ended with {self._process.exitcode}; "
                "-9 often means that memory ran out)"
            ) from error
        if isinstance(answer, Exception):
            raise StudyError(f"{self.label}, in its own process: {answer}") from answer
        return answer


@contextmanager
def started(
    task: Task, specs: Mapping[str, Spec], *, deadline_s: float = DEADLINE_S, set_malloc: bool = True
) -> Iterator[dict[str, Isolated]]:
    """Starts one process per pipeline and yields label -> `Isolated`; ends them all afterwards.

    Args:
        task: what to deliver.
        specs: label -> Spec.
        deadline_s: seconds that a pipeline may take to be built, or for an epoch.
        set_malloc: whether freed memory is handled as `machine.allocator` does where pipelines share a process; else
            it is left alone, which is what that imitates.

    Raises:
        StudyError: if one cannot be built.
    """
    with ExitStack() as stack:
        isolated = {}
        for label, spec in specs.items():
            isolated[label] = Isolated(task, label, spec, deadline_s=deadline_s, set_malloc=set_malloc)
            stack.callback(isolated[label].stop)
        for pipeline in isolated.values():
            pipeline.wait()
        yield isolated


def _serve(connection, task, spec, set_malloc=True):
    """The other process: builds, then answers until it is told to stop."""
    answer: Any
    if not set_malloc:
        allocator.leave_alone()
    try:
        _warm_up_tensorflow()
        before = memory.resident_bytes()
        feed = spec.build(task)
        model = models.smallest(timing.first_batch(feed))
        connection.send("ready")
    except Exception as error:
        connection.send(_portable(error))
        return
    tree_peak = memory.tree_bytes()
    gc.collect()
    gc.freeze()
    while (asked := connection.recv()) != ("stop",):
        question, *arguments = asked
        try:
            if question == EPOCHS:
                with service.watched(*services_of({"mine": spec})):
                    answer = timing.time_epochs(model, feed, *arguments)
                tree_peak = max(tree_peak, memory.tree_bytes())
            else:
                answer = {"tree": max(tree_peak, memory.peak_bytes()), "pipeline": memory.peak_bytes() - before}
        except Exception as error:
            answer = _portable(error)
        connection.send(answer)


def _warm_up_tensorflow():
    """Imports and starts what every pipeline needs, so that it counts for none."""
    batch = (np.zeros((2, 8, 8, 3), np.float32), np.zeros(2, np.int64))
    timing.time_epoch(models.smallest(batch), timing.held(batch, 3))


def _portable(error):
    """An error as one that any process can unpickle."""
    return RuntimeError(f"{type(error).__name__}: {error}" if not isinstance(error, StudyError) else str(error))
