"""What the timing of epochs puts into Keras. Imports Keras: a module that may be loaded without it imports it late."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from helpers.machine import processes


class SmallestModel(keras.Model):
    """Looks at one number of every input and label of an example, so that the step costs as little as `fit` allows.

    It takes whatever comes: structures, any shapes, also such as vary from batch to batch, no labels, sample weights
    (which it leaves alone), and strings, of which the length counts.
    """

    def __init__(self, outputs: int, before_last: Any = None):
        super().__init__()
        self.before_last = before_last
        self.last = keras.layers.Dense(outputs, dtype="float32")

    def call(self, inputs: Any) -> Any:
        """Returns float32 (batch, outputs) of arrays (batch, …), or of a structure of such."""
        numbers = keras.ops.stack([_first_number(part) for part in _leaves(inputs)], axis=1)
        return self.last(numbers if self.before_last is None else self.before_last(numbers))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Returns the mean squared difference to the labels' first numbers, or to 0 where there are no labels."""
        wanted = [_first_number(part) for part in _leaves(y)]
        return keras.ops.mean(keras.ops.square(y_pred - (keras.ops.stack(wanted, axis=1) if wanted else 0.0)))


class Behind(keras.Model):
    """A compiled model behind layers that do a part of a feed's work: they run within its training step."""

    def __init__(self, layers: Any, model: Any):
        super().__init__()
        self.before, self.model = layers, model

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns what the model makes of what the layers make of the inputs."""
        return self.model(self.before(inputs, training=training), training=training)

    def compute_loss(self, *arguments: Any, **named: Any) -> Any:
        """Returns the model's own loss."""
        return self.model.compute_loss(*arguments, **named)


def _leaves(structure):
    return [part for part in keras.tree.flatten(structure) if part is not None]


def _first_number(values):
    """The first number of each example, float32 (batch,), of values (batch, …); 0 where an axis is empty."""
    axes = range(1, len(values.shape))
    first = values[(slice(None), *(slice(0, 1) for _ in axes))]
    if keras.backend.standardize_dtype(values.dtype) == "string":
        import tensorflow as tf

        first = tf.strings.length(first)
    return keras.ops.sum(keras.ops.cast(first, "float32"), axis=tuple(axes))


@dataclass
class EpochMarks:
    """When the parts of an epoch ended, in the clock's nanoseconds, and what the CPU had spent at the first.

    Attributes:
        ready: the epoch's iterator is there, and the former one gone; 0 where Keras does not tell.
        first: the end of the first step; last: of the last one; end: of the epoch.
        cpu_s: CPU seconds at the end of the first step.
        batches: steps.
    """

    ready: int = 0
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
        marks: one per epoch that began, in order; those before `settled` are no part of what is timed.
        settled: the number of epochs that ended before `lead_s` seconds had passed.
    """

    async_safe = True

    def __init__(self, clock: Callable[[], int], *, epochs: int = 1, lead_s: float = 0.0, cut_last_epoch: bool = False):
        """Ends training one epoch after the `epochs` that are timed, or cut short after that one's first step."""
        super().__init__()
        self.clock, self.epochs, self.lead_ns = clock, epochs, lead_s * 1e9
        self.cut_last_epoch = cut_last_epoch
        self.marks: list[EpochMarks] = []
        self.settled = 0
        self.lock = threading.Lock()

    @property
    def timed(self) -> list[EpochMarks]:
        """The marks of the epochs that are timed and of the one that ends them."""
        return self.marks[self.settled :]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Turns to the next epoch."""
        self.marks.append(EpochMarks())

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Reads the clock before the first batch is asked for."""
        if not self.marks[-1].ready:
            self.marks[-1].ready = self.clock()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Reads the clock: a step has ended."""
        with self.lock:
            now, mark = self.clock(), self.marks[-1]
            mark.first = min(mark.first or now, now)
            mark.last = max(mark.last, now)
            mark.batches += 1
            if mark.batches == 1:
                mark.cpu_s = processes.cpu_seconds()
                if self.cut_last_epoch and len(self.timed) > self.epochs:
                    self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Reads the clock."""
        self.marks[-1].end = self.clock()
        if self.marks[-1].end - self.marks[0].first < self.lead_ns:
            self.settled = len(self.marks)
        elif len(self.timed) > self.epochs:
            self.model.stop_training = True
