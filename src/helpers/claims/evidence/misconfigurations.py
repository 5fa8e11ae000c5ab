"""Evidence on what there is to get wrong: single slips in a right Sequence and in a right tf.data pipeline, tried.

Both right feeds deliver 1,000 small images, each with one random number added, shuffled anew in every epoch. A slip
changes, leaves out or moves a single method, argument or stage of them. It counts where it delivers wrong data, or
where an epoch of it surely takes over 20% longer; where that is open, the verdict holds whether it counts or not.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from helpers import comparison
from helpers.claims.evidence.collection import Evidence, timed
from helpers.claims.judgement import Judgement

COUNT, BATCH, SIDE = 1000, 32, 32
BUDGET_S = 12.0  # for the rounds of all slips of one API together
COSTS = 1.2
# Each image holds its own number; what is added lies below a half, so that the number can be read from the image.
NUMBERS = np.arange(COUNT, dtype=np.int64)
IMAGES = np.broadcast_to(NUMBERS[:, None, None, None].astype(np.float32), (COUNT, SIDE, SIDE, 3)).copy()


class Sequence(keras.utils.PyDataset):
    """The right one."""

    def __init__(self, **workers):
        super().__init__(**workers)
        self.generator = np.random.default_rng(0)
        self.order = NUMBERS.copy()
        self.on_epoch_end()

    def __len__(self):
        """Returns the number of batches, the partial one included."""
        return -(-COUNT // BATCH)

    def draw(self, index: int, count: int) -> np.ndarray:
        """Returns what is added to each of `count` images."""
        return self.generator.uniform(0, 0.5, (count, 1, 1, 1)).astype(np.float32)

    def __getitem__(self, index):
        """Returns a batch: (images, their numbers)."""
        chosen = self.order[index * BATCH :][:BATCH]
        return IMAGES[chosen] + self.draw(index, len(chosen)), chosen

    def on_epoch_end(self) -> None:
        """Shuffles."""
        self.order = self.generator.permutation(NUMBERS)


class _RoundsDown(Sequence):
    def __len__(self):
        return COUNT // BATCH


class _OrdersOnce(Sequence):
    def on_epoch_end(self):
        if (self.order == NUMBERS).all():
            super().on_epoch_end()


class _LeavesTheOrderToFit(Sequence):
    def on_epoch_end(self):
        pass


class _DrawsPerBatch(Sequence):
    def draw(self, index, count):
        return super().draw(index, 1)


class _SeedsByBatch(Sequence):
    def draw(self, index, count):
        return np.random.default_rng(index).uniform(0, 0.5, (count, 1, 1, 1)).astype(np.float32)


class _ForgetsTheOrderOfLabels(Sequence):
    def __getitem__(self, index):
        images, _ = super().__getitem__(index)
        return images, NUMBERS[index * BATCH :][:BATCH]


class _LoopsOverImages(Sequence):
    def __getitem__(self, index):
        chosen = self.order[index * BATCH :][:BATCH]
        return np.stack([IMAGES[number] + self.draw(index, 1)[0] for number in chosen]), chosen


def _add(image, number):
    shape = (1, 1, 1) if image.shape.rank == 3 else (tf.shape(image)[0], 1, 1, 1)
    return image + tf.random.uniform(shape, 0, 0.5), number


def _add_by_numpy(image, number):
    return image + np.random.default_rng().uniform(0, 0.5), number


def _add_by_seed(image, number):
    return image + tf.random.stateless_uniform((1, 1, 1), (0, 0), 0, 0.5), number


def pipeline(
    *,
    buffer: int = COUNT,
    reshuffle: bool = True,
    add: Callable = _add,
    calls: int | None = tf.data.AUTOTUNE,
    drop: bool = False,
    prefetch: int | None = tf.data.AUTOTUNE,
    order: str = "shuffle map batch prefetch",
) -> tf.data.Dataset:
    """Returns the right pipeline, or one with a setting or the order of its stages changed."""
    stages = {
        "shuffle": lambda feed: feed.shuffle(buffer, reshuffle_each_iteration=reshuffle),
        "map": lambda feed: feed.map(add, num_parallel_calls=calls),
        "batch": lambda feed: feed.batch(BATCH, drop_remainder=drop),
        "prefetch": lambda feed: feed.prefetch(prefetch),
        "cache": lambda feed: feed.cache(),
        "repeat": lambda feed: feed.repeat(2),
    }
    feed = tf.data.Dataset.from_tensor_slices((IMAGES, NUMBERS))
    for stage in order.split():
        feed = stages[stage](feed)
    return feed


# API -> (the right feed, slip -> a feed with it).
SLIPS: dict[str, tuple[Callable[[], Any], dict[str, Callable[[], Any]]]] = {
    "Sequence": (
        Sequence,
        {
            "__len__ rounds down": _RoundsDown,
            "shuffled once": _OrdersOnce,
            "no shuffling of its own": _LeavesTheOrderToFit,
            "one draw per batch": _DrawsPerBatch,
            "seeded by the batch": _SeedsByBatch,
            "labels in stored order": _ForgetsTheOrderOfLabels,
            "a loop over images": _LoopsOverImages,
            "workers=2": lambda: Sequence(workers=2),
            "workers=2, max_queue_size=1": lambda: Sequence(workers=2, max_queue_size=1),
        },
    ),
    "tf.data": (
        pipeline,
        {
            "drop_remainder": lambda: pipeline(drop=True),
            "reshuffle_each_iteration=False": lambda: pipeline(reshuffle=False),
            "a small shuffle buffer": lambda: pipeline(buffer=BATCH),
            "shuffle after batch": lambda: pipeline(order="map batch shuffle prefetch"),
            "NumPy's draw in the map": lambda: pipeline(add=_add_by_numpy),
            "a seed that stays": lambda: pipeline(add=_add_by_seed),
            "cache after the map": lambda: pipeline(order="map cache shuffle batch prefetch"),
            "repeat within an epoch": lambda: pipeline(order="shuffle map repeat batch prefetch"),
            "no parallel calls": lambda: pipeline(calls=None),
            "no prefetch": lambda: pipeline(order="shuffle map batch"),
            "map before shuffle": lambda: pipeline(order="map shuffle batch prefetch"),
        },
    ),
}


def wrong_data(feed: Any) -> str:
    """Returns in what two epochs of a feed are not what they should be; "" where they are."""
    epochs = [_read(feed) for _ in range(2)]
    for images, numbers, batches in epochs:
        if sorted(numbers) != NUMBERS.tolist():
            return "not every example once"
        if (np.floor(images) != numbers).any():
            return "labels of other images"
        added = images - numbers
        if len(np.unique(added.round(6))) < COUNT / 2:
            return "the same draw for many images"
        spread = np.array([np.ptp(numbers[batches == batch]) for batch in np.unique(batches)])
        if np.median(spread) < COUNT / 2:
            return "neighbours stay together"
    (images, numbers, _), (others, other_numbers, _) = epochs
    if (numbers == other_numbers).all():
        return "the same order in every epoch"
    if np.allclose(np.sort(images - numbers), np.sort(others - other_numbers), atol=1e-3):
        return "the same draws in every epoch"
    return ""


def _read(feed):
    """Reads an epoch: (one pixel of each image, float64; their numbers; the number of their batch)."""
    is_sequence = isinstance(feed, keras.utils.PyDataset)
    batches = [feed[index] for index in range(len(feed))] if is_sequence else list(feed.as_numpy_iterator())
    if is_sequence:
        feed.on_epoch_end()
    pixels = np.concatenate([images[:, 0, 0, 0] for images, _ in batches]).astype(float)
    numbers = np.concatenate([numbers for _, numbers in batches])
    return pixels, numbers, np.repeat(np.arange(len(batches)), [len(numbers) for _, numbers in batches])


def misconfigurations() -> Evidence:
    """How many single slips deliver wrong data or cost over 20%, in a Sequence and in tf.data."""
    bounds, told = {}, []
    for api, (right, slips) in SLIPS.items():
        harm = {slip: wrong_data(make()) for slip, make in slips.items()}
        feeds = {"right": right(), **{slip: make() for slip, make in slips.items() if not harm[slip]}}
        compared = comparison.compare(feeds, reference="right", budget_s=BUDGET_S, precision=0.05)
        ratios = {slip: compared.ratio(slip) for slip in feeds if slip != "right"}
        harm |= {slip: f"{ratio.ratio:.1f} times the time" for slip, ratio in ratios.items() if ratio.low > COSTS}
        harmful = {slip: how for slip, how in harm.items() if how}
        open_yet = [slip for slip, ratio in ratios.items() if ratio.low <= COSTS < ratio.high]
        least = len(harmful)
        bounds[api] = (least, least + len(open_yet), len(slips))
        listed = ", ".join(f"{slip} ({how})" for slip, how in harmful.items())
        unknown = f"; {len(open_yet)} more undecided: {', '.join(open_yet)}" if open_yet else ""
        told.append(f"{api} {least} of {len(slips)}: {listed}{unknown}")
    text = f"single slips that cost over 20% or deliver wrong data: {'; '.join(told)}"
    return timed(_verdict(bounds["Sequence"], bounds["tf.data"]), text)


def _verdict(sequence, tf_data):
    """Whether a Sequence has fewer, by number and by share, of (least, most, slips) each."""
    fewer = set()
    for of_all in (lambda count, slips: count, lambda count, slips: count / slips):
        (least, most), (other_least, other_most) = (
            [of_all(count, slips) for count in (least, most)] for least, most, slips in (sequence, tf_data)
        )
        fewer.add(True if most < other_least else False if least >= other_most else None)
    if None in fewer:
        return Judgement.UNDECIDED
    return Judgement.DEPENDS if len(fewer) > 1 else Judgement.SUPPORTED if True in fewer else Judgement.REFUTED
