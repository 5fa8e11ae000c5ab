"""One line in one's own training that says at its end what the input took. Imports Keras."""

import time
from typing import Any

import keras
import numpy as np

from helpers import ratios, timing
from helpers.doctor import parts, unharmed
from helpers.doctor.headspace import MOST_HELD, Headspace


class Watch(keras.callbacks.Callback):
    """Times the epochs of a training, and at its end some steps on one batch held ready; then prints the headspace.

    The first epoch, in which functions are traced, does not count. Validation does not count either. The model is left
    as the training left it.

    Attributes:
        headspace: what was measured; None where too few epochs were trained.
    """

    def __init__(self, feed: Any):
        super().__init__()
        self.feed = feed
        self.headspace: Headspace | None = None
        self.epoch_s: list[float] = []
        self.batches = 0
        self.end: float | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts anew."""
        self.epoch_s, self.headspace = [], None

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

    def on_train_end(self, logs: Any = None) -> None:
        """Measures the held batch, and prints what came out."""
        epochs = np.array(self.epoch_s[1:])
        if len(epochs) < ratios.LEAST_ROUNDS:
            print(f"doctor: {ratios.LEAST_ROUNDS + 1} epochs tell what the input takes (got {len(self.epoch_s)})")
            return
        with unharmed.seeds():
            batch = parts.first_batch(self.feed)
            with unharmed.model(self.model, batch):
                steps = timing.held(batch, max(2, min(MOST_HELD, self.batches)))
                held = [each.start_s + self.batches * each.batch_s for each in timing.time_epochs(self.model, steps, 5)]
        self.headspace = Headspace(epochs, np.full(len(epochs), np.median(held)), self.batches)
        print(f"doctor: the input's share of an epoch is {self.headspace}")

    def _steps(self):
        return int(self.model.optimizer.iterations)
