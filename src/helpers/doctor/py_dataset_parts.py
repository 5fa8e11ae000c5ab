"""A PyDataset read in another way: a part of it, with other workers, kept in memory, or changed. Imports Keras."""

from collections.abc import Callable
from typing import Any

import keras

from helpers import internals


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
