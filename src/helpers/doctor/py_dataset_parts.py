"""A PyDataset read in another way: a part of it, with other workers, kept in memory, or changed. Imports Keras."""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from helpers import internals
from helpers.pipelines import feeds


class OfGenerator(keras.utils.PyDataset):
    """A generator, batch after batch, by one worker, as `fit` reads it.

    Attributes:
        make: the function that makes it.
        batches: of an epoch.
        again: whether it is made anew for every epoch; else it goes on from epoch to epoch.
    """

    def __init__(self, make: Callable[[], Iterator[Any]], batches: int, *, again: bool):
        super().__init__()
        self.make, self.batches, self.again = make, batches, again
        self.running = make()

    def __len__(self):
        return self.batches

    def __getitem__(self, index):
        if self.again and index == 0:
            self.running = self.make()
        for batch in self.running:
            return batch
        raise feeds.RanOut(f"a generator must give the {self.batches} batches of every epoch (it ended at {index})")


class Wrapped(keras.utils.PyDataset):
    """Another PyDataset, read in another way.

    Attributes:
        whole: the other one.
        batches: of an epoch.
        kept: the batches so far by their numbers, where they are kept; else None.
    """

    def __init__(
        self,
        whole: Any,
        *,
        batches: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        keep: bool = False,
        change: Callable[[Any], Any] | None = None,
    ):
        processes = whole.use_multiprocessing if use_multiprocessing is None else use_multiprocessing
        calls = whole.workers if workers is None else workers
        super().__init__(calls, processes, max(whole.max_queue_size, 2 * calls if workers else 0))
        self.whole, self.change = whole, change
        self.batches = whole.num_batches if batches is None else batches
        self.kept: dict[int, Any] | None = {} if keep else None

    def __len__(self):
        return self.batches

    def __getitem__(self, index):
        if self.kept is not None and index in self.kept:
            return self.kept[index]
        batch = self.whole[index]
        batch = batch if self.change is None else self.change(batch)
        if self.kept is not None:
            self.kept[index] = batch
        return batch

    def on_epoch_begin(self) -> None:
        """As the other one."""
        internals.begin_epoch(self.whole)

    def on_epoch_end(self) -> None:
        """As the other one."""
        self.whole.on_epoch_end()


class FirstBatches(Wrapped):
    """The first batches of another PyDataset, read with its workers."""

    def __init__(self, whole: Any, batches: int):
        super().__init__(whole, batches=batches)
