"""A clock that stands still but for the work that says how long it takes: the real `fit`, and no wall clock."""

import functools
import threading
from types import SimpleNamespace

import tensorflow as tf

from helpers import timing
from helpers.timing import epochs, simulated_device


class WorkClock:
    """Gives nanoseconds; call `work` to let seconds pass."""

    def __init__(self):
        self.now_ns = 0
        self.lock = threading.Lock()

    def __call__(self):
        return self.now_ns

    def work(self, seconds):
        with self.lock:
            self.now_ns += round(seconds * 1e9)

    def install(self, monkeypatch) -> "WorkClock":
        """Every epoch is timed with this clock, and a simulated device works on it instead of sleeping."""
        for module in (timing, epochs):
            for name in ("time_epoch", "time_epochs"):
                monkeypatch.setattr(module, name, functools.partial(getattr(epochs, name), clock=self))
        monkeypatch.setattr(simulated_device, "time", SimpleNamespace(sleep=self.work))
        return self

    def feed(self, batch, seconds, batches):
        """A dataset each of whose batches takes so long, one after the other: nothing is prepared ahead."""

        def prepare():
            for _ in range(batches):
                self.work(seconds)
                yield batch

        forms = tuple(tf.TensorSpec(part.shape, part.dtype) for part in batch)
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False
        return (
            tf.data.Dataset.from_generator(prepare, output_signature=forms)
            .apply(tf.data.experimental.assert_cardinality(batches))
            .with_options(options)
        )
