"""Which images a batch takes, and what is drawn for them: dealt out in order before anything runs in parallel."""

import itertools
from typing import Any

import numpy as np
import tensorflow as tf

from .draws import COLUMNS, Ranges, draw_hashed, draw_stream

Planned = tuple[np.ndarray, np.ndarray]  # int64 (n,) indices, and what `draws` needs of them


class HashedPlan:
    """Each epoch has its own order; the draws of an example depend on seed, epoch and example alone."""

    def __init__(self, count: int, batch_size: int, *, shuffle: bool, seed: int | None, ranges: Ranges) -> None:
        """Plans `count` images in batches of `batch_size`, the last one partial.

        Args:
            count: images.
            batch_size: images per batch.
            shuffle: whether each epoch has its own order.
            seed: of orders and draws; None: a new one.
            ranges: what to draw.
        """
        self.count, self.batch_size, self.shuffle, self.ranges = count, batch_size, shuffle, ranges
        self.seed = int(np.random.default_rng().integers(2**31)) if seed is None else int(seed)
        self._epochs = itertools.count()
        self._indexed: tuple[int, np.ndarray] | None = None
        self._visits: dict[int, int] = {}

    def again(self) -> "HashedPlan":
        """Returns the same plan at its first epoch."""
        return HashedPlan(self.count, self.batch_size, shuffle=self.shuffle, seed=self.seed, ranges=self.ranges)

    def dataset(self, *, endless: bool, sizes: list[int]) -> Any:
        """Returns a tf.data.Dataset of planned rows; each pass begins a new epoch.

        Args:
            endless: whether one epoch follows the other; False: one for each pass.
            sizes: how many rows its elements have, in turn; an epoch's in all.
        """

        def begin(_):
            planned = tf.numpy_function(self._begin_epoch, [], [tf.int64, tf.int64])
            return tuple(
                tf.ensure_shape(part, [self.count, *part_shape])
                for part, part_shape in zip(planned, ([], [1]), strict=True)
            )

        if not endless:
            return tf.data.Dataset.range(1).map(begin).rebatch(sizes)
        return tf.data.Dataset.counter().map(begin).prefetch(1).rebatch(sizes)

    def _begin_epoch(self):
        epoch = next(self._epochs)
        return self._order(epoch), np.full((self.count, 1), self._key(epoch))

    def draws(self, indices: np.ndarray, drawn_from: np.ndarray) -> np.ndarray:
        """Returns float64 (n, 10), see `draws.COLUMNS`, of rows that were planned."""
        return draw_hashed(int(drawn_from[0, 0]), indices, self.ranges)

    def batch(self, number: int) -> Planned:
        """Returns the plan of the batch of this number, in the order that stands until `shuffle_batches`.

        A second visit draws anew.
        """
        if self._indexed is None:
            epoch = next(self._epochs)
            self._indexed, self._visits = (epoch, self._order(epoch)), {}
        epoch, order = self._indexed
        visit = self._visits[number] = self._visits.get(number, -1) + 1
        indices = order[number * self.batch_size : (number + 1) * self.batch_size]
        return indices, np.full((len(indices), 1), self._key(epoch, visit))

    def shuffle_batches(self) -> None:
        """Gives `batch` a new order."""
        self._indexed = None

    def _order(self, epoch):
        if not self.shuffle:
            return np.arange(self.count)
        return np.random.default_rng([self.seed, epoch]).permutation(self.count)

    def _key(self, epoch, visit=0):
        return int(np.random.SeedSequence([self.seed, epoch, visit]).generate_state(1, np.uint64)[0] >> np.uint64(1))


class StreamPlan:
    """The original's orders and draws for a seed, made in Python one image after the other.

    Seeded as Keras' `Iterator._flow_index` and `Iterator.__getitem__` (`legacy/preprocessing/image.py`).
    """

    def __init__(self, count: int, batch_size: int, *, shuffle: bool, seed: int | None, ranges: Ranges) -> None:
        """Takes the same arguments as `HashedPlan`; seed None: NumPy's global state, as it stands."""
        self.count, self.batch_size, self.shuffle, self.seed, self.ranges = count, batch_size, shuffle, seed, ranges
        self._batches_begun = 0
        self._random: Any = np.random if seed is None else np.random.RandomState()
        self._order: np.ndarray | None = None
        self._visited = 0

    def again(self) -> "StreamPlan":
        """Returns the same plan at its first epoch."""
        return StreamPlan(self.count, self.batch_size, shuffle=self.shuffle, seed=self.seed, ranges=self.ranges)

    def dataset(self, *, endless: bool, sizes: list[int]) -> Any:
        """Returns a tf.data.Dataset of planned rows, batch by batch; arguments as `HashedPlan.dataset`."""
        rows = tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, len(COLUMNS)], tf.float64)
        return tf.data.Dataset.from_generator(lambda: self._batches(endless), output_signature=rows)

    def _batches(self, endless):
        batches = -(-self.count // self.batch_size)
        random: Any = np.random if self.seed is None else np.random.RandomState()
        while True:
            seen, self._batches_begun = self._batches_begun, self._batches_begun + batches
            for number in range(batches):
                if self.seed is not None:
                    random.seed(self.seed + seen + number)
                if number == 0:
                    order = self._shuffled(random)
                taken = order[number * self.batch_size : (number + 1) * self.batch_size]
                yield taken, draw_stream(random, len(taken), self.ranges)
            if not endless:
                return

    def draws(self, indices: np.ndarray, drawn_from: np.ndarray) -> np.ndarray:
        """Returns float64 (n, 10), see `draws.COLUMNS`, of rows that were planned."""
        return drawn_from

    def batch(self, number: int) -> Planned:
        """Returns the plan of the batch of this number, in the order that stands until `shuffle_batches`."""
        if self.seed is not None:
            self._random.seed(self.seed + self._visited)
        self._visited += 1
        if self._order is None:
            self._order = self._shuffled(self._random)
        taken = self._order[number * self.batch_size : (number + 1) * self.batch_size]
        return taken, draw_stream(self._random, len(taken), self.ranges)

    def shuffle_batches(self) -> None:
        """Gives `batch` a new order."""
        self._order = self._shuffled(self._random)

    def _shuffled(self, random):
        return random.permutation(self.count) if self.shuffle else np.arange(self.count)
