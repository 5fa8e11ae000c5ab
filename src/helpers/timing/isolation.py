"""Gives each pipeline a process of its own, for pipelines that disturb each other and for memory figures.

The processes are spawned, not forked: each imports TensorFlow itself, has its own thread pools, caches and
allocator, and waits quietly between its epochs. `comparison.compare` takes what `started` yields as feeds.
"""

import gc
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager, suppress

from helpers.errors import StudyError
from helpers.pipelines.specs import Spec, services_of
from helpers.tasks import Task
from helpers.timing import Epoch


class Isolated:
    """A pipeline in a process of its own."""

    def __init__(self, task: Task, label: str, spec: Spec):
        """Starts the process, which builds the pipeline and the smallest model."""
        import multiprocessing

        spawn = multiprocessing.get_context("spawn")
        self.label = label
        self._here, there = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(there, task, spec), daemon=True)
        self._process.start()
        there.close()

    def wait(self) -> "Isolated":
        """Returns when the pipeline is built.

        Raises:
            StudyError: if it could not be built, or its process died.
        """
        self._receive()
        return self

    def time_epoch(self) -> Epoch:
        """Runs and times one epoch over there."""
        return self._ask("epoch")

    def memory(self) -> dict:
        """Returns, in bytes, `tree`: the highest resident memory of the process with its children so far, and
        `pipeline`: how much of the process's peak came after the model was built and before which there was no
        pipeline. NaN where the system does not tell.
        """
        return self._ask("memory")

    def stop(self) -> None:
        """Ends the process."""
        if self._process.is_alive():
            with suppress(OSError):
                self._here.send("stop")
            self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()
        self._here.close()

    def _ask(self, question):
        with suppress(BrokenPipeError):  # then there is no answer either
            self._here.send(question)
        return self._receive()

    def _receive(self):
        try:
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
def started(task: Task, specs: Mapping[str, Spec]):
    """Starts a process a pipeline and yields label -> `Isolated`; ends them all afterwards.

    Args:
        task: what to deliver.
        specs: label -> Spec.

    Raises:
        StudyError: if one cannot be built.
    """
    with ExitStack() as stack:
        started = {}
        for label, spec in specs.items():
            started[label] = Isolated(task, label, spec)
            stack.callback(started[label].stop)
        for isolated in started.values():
            isolated.wait()
        yield started


def _serve(connection, task, spec):
    """The other process: builds, then answers until it is told to stop."""
    from helpers import service, timing
    from helpers.machine import memory
    from helpers.timing import models

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
    while (question := connection.recv()) != "stop":
        try:
            if question == "epoch":
                with service.watched(*services_of({"mine": spec})):
                    answer = timing.time_epoch(model, feed)
                tree_peak = max(tree_peak, memory.tree_bytes())
            else:
                answer = {"tree": max(tree_peak, memory.peak_bytes()), "pipeline": memory.peak_bytes() - before}
        except Exception as error:
            answer = _portable(error)
        connection.send(answer)


def _warm_up_tensorflow():
    """Imports and starts what every pipeline needs, so that it counts for none."""
    import numpy as np

    from helpers import timing
    from helpers.timing import models

    batch = (np.zeros((2, 8, 8, 3), np.float32), np.zeros(2, np.int64))
    timing.time_epoch(models.smallest(batch), timing.held(batch, 3))


def _portable(error):
    """An error as one that any process can unpickle."""
    return RuntimeError(f"{type(error).__name__}: {error}" if not isinstance(error, StudyError) else str(error))
