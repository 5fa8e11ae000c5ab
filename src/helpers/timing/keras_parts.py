"""What the timing of epochs puts into Keras. Imports Keras: a module that may be loaded without it imports it late."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from helpers.machine import processes


class OnePixel(keras.layers.Layer):
    """Looks at one pixel of every image, so that the step costs as little as `fit` allows."""

    def call(self, images: Any) -> Any:
        """Returns (batch, channels) of images (batch, height, width, channels)."""
        return images[:, 0, 0, :]


@dataclass
class EpochMarks:
    """When the parts of an epoch ended, in the clock's nanoseconds, and what the CPU had spent at the first.

    Attributes:
        first: the end of the first step; last: of the last one; end: of the epoch.
        cpu_s: CPU seconds at the end of the first step.
        batches: steps.
    """

    first: int = 0
    last: int = 0
    end: int = 0
    cpu_s: float = 0.0
    batches: int = 0


class EpochClock(keras.callbacks.Callback):
    """Reads the clock at the ends of each epoch's first and last step and of the epoch.

    Keras hands a step's loss over once it is there, so a step has ended when its callback is called. On JAX
    an ordinary callback would make the host wait for every step, which a plain `fit` does not; one that is
    `async_safe` is called from threads of Keras' own instead, in any order, and all before the epoch's end.

    Attributes:
        marks: one per epoch that began, in order.
    """

    async_safe = True

    def __init__(self, clock: Callable[[], int]):
        super().__init__()
        self.clock = clock
        self.marks: list[EpochMarks] = []
        self.lock = threading.Lock()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Turns to the next epoch."""
        self.marks.append(EpochMarks())

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Reads the clock: a step has ended."""
        with self.lock:
            now, mark = self.clock(), self.marks[-1]
            mark.first = min(mark.first or now, now)
            mark.last = max(mark.last, now)
            mark.batches += 1
            if mark.batches == 1:
                mark.cpu_s = processes.cpu_seconds()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Reads the clock."""
        self.marks[-1].end = self.clock()
