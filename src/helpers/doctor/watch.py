"""One line in one's own training that says at its end what the input took. Imports Keras."""

import time
import weakref
from typing import Any

import keras
import numpy as np

from helpers import ratios, timing
from helpers.doctor import parts, resource_rules, unharmed
from helpers.doctor.findings import Finding, measured
from helpers.doctor.headspace import MOST_HELD, Headspace
from helpers.machine import memory

MOST_SHORT_CALLS = 3  # of `fit` on one model, each of one epoch, until that is told
_short_calls: "weakref.WeakKeyDictionary[Any, int]" = weakref.WeakKeyDictionary()


class Watch(keras.callbacks.Callback):
    """Times the epochs of a training, and at its end some steps on one batch held ready; then prints the headspace.

    The first epoch, in which functions are traced, does not count. Validation does not count either. The model is left
    as the training left it. It also tells memory that grows from epoch to epoch, and `fit` that is called in a loop.

    Attributes:
        headspace: what was measured; None where too few epochs were trained.
        findings: faults that only a training shows.
    """

    def __init__(self, feed: Any):
        super().__init__()
        self.feed = feed
        self.headspace: Headspace | None = None
        self.findings: tuple[Finding, ...] = ()
        self.epoch_s: list[float] = []
        self.resident_bytes: list[float] = []
        self.batches = 0
        self.end: float | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts anew."""
        self.epoch_s, self.resident_bytes, self.headspace, self.findings = [], [], None, ()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Reads the clock."""
        self.begun_with, self.end = self._steps(), None
        self.begin = time.perf_counter()

    def on_test_begin(self, logs: Any = None) -> None:
        """Reads the clock: what follows is validation."""
        self.end = self.end or time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Reads the clock, where there was no validation."""
        self.epoch_s.append((self.end or time.perf_counter()) - self.begin)
        self.batches = self._steps() - self.begun_with
        self.resident_bytes.append(memory.resident_bytes())

    def on_train_end(self, logs: Any = None) -> None:
        """Measures the held batch, and prints what came out."""
        self._look_at_the_loop()
        epochs = np.array(self.epoch_s[1:])
        if len(epochs) < ratios.LEAST_ROUNDS:
            told = f"{ratios.LEAST_ROUNDS + 1} epochs tell what the input takes (got {len(self.epoch_s)})"
        else:
            told = f"the input's share of an epoch is {self._measured(epochs)}"
        for line in (told, *map(str, self.findings)):
            print(f"doctor: {line}")

    def _measured(self, epochs):
        with unharmed.seeds():
            batch = parts.first_batch(self.feed)
            with unharmed.model(self.model, batch):
                steps = timing.held(batch, max(2, min(MOST_HELD, self.batches)))
                held = [each.start_s + self.batches * each.batch_s for each in timing.time_epochs(self.model, steps, 5)]
        self.headspace = Headspace(epochs, np.full(len(epochs), np.median(held)), self.batches)
        return self.headspace

    def _look_at_the_loop(self):
        """Notes faults that only a training shows."""
        calls = _short_calls.get(self.model, 0) + 1 if len(self.epoch_s) == 1 else 0
        _short_calls[self.model] = calls
        if calls == MOST_SHORT_CALLS:
            told = f"fit was called {calls} times for one epoch each: iterators and threads are made anew every time."
            self.findings += (
                measured(
                    "rebuilt_each_epoch", told, "call fit once, with epochs=… [fact: fit-anew-makes-iterators-anew]"
                ),
            )
        if held := resource_rules.growth(np.array(self.resident_bytes), 0.0):
            told = f"Each epoch leaves about {held / 1e6:.1f} MB behind."
            remedy = "keep no batches, tensors or datasets from epoch to epoch"
            self.findings += (measured("memory_growth", told, remedy),)

    def _steps(self):
        return int(self.model.optimizer.iterations.numpy())  # Keras before 3.5 makes no int of a variable itself
