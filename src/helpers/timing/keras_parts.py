"""What the timing of epochs puts into Keras. Imports Keras: a module that may be loaded without it imports it late."""

import threading
from collections.abc import Callable
from typing import Any

import keras

from helpers.machine import processes


class OnePixel(keras.layers.Layer):
    """Looks at one pixel of every image, so that the step costs as little as `fit` allows."""

    def call(self, images: Any) -> Any:
        """Returns (batch, channels) of images (batch, height, width, channels)."""
        return images[:, 0, 0, :]


class EpochClock(keras.callbacks.Callback):
    """Reads the clock at the ends of the first and the last step and of the epoch.

    Keras hands a step's loss over once it is there, so a step has ended when its callback is called. On JAX
    an ordinary callback would make the host wait for every step, which a plain `fit` does not; one that is
    `async_safe` is called from threads of Keras' own instead, in any order.
    """

    async_safe = True

    def __init__(self, clock: Callable[[], int]):
        super().__init__()
        self.clock = clock
        self.batches = self.begin = self.first = self.last = self.end = 0
        self.lock = threading.Lock()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Reads CPU seconds, then the clock."""
        self.begin_cpu = processes.cpu_seconds()
        self.begin = self.clock()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Reads the clock: a step has ended."""
        with self.lock:
            now = self.clock()
            self.first = min(self.first or now, now)
            self.last = max(self.last, now)
            self.batches += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Reads the clock, then CPU seconds."""
        self.end = self.clock()
        self.end_cpu = processes.cpu_seconds()
