"""A part of a PyDataset. Imports Keras."""

from typing import Any

import keras


class FirstBatches(keras.utils.PyDataset):
    """The first batches of another PyDataset, read with its workers."""

    def __init__(self, whole: Any, batches: int):
        super().__init__(whole.workers, whole.use_multiprocessing, whole.max_queue_size)
        self.whole, self.batches = whole, batches

    def __len__(self):
        return self.batches

    def __getitem__(self, index):
        return self.whole[index]

    def on_epoch_begin(self) -> None:
        """As the other one."""
        self.whole.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """As the other one."""
        self.whole.on_epoch_end()
