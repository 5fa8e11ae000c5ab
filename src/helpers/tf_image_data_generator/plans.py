"""Which images a batch takes, and what is drawn for them: dealt out before anything runs in parallel."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from . import affine
from .draws import AFFINE, COLUMNS, Ranges, draw_stateless, draw_stream


def stateless_plan(
    count: int, batch_size: int, *, shuffle: bool, seed: int | None, ranges: Ranges
) -> tuple[tf.data.Dataset, Callable]:
    """Returns a dataset with one element per batch; each pass is an epoch with its own order and seeds.

    Args:
        count: images.
        batch_size: images per batch; the last one is partial.
        shuffle: whether each epoch has its own order.
        seed: of orders and draws; None: a new one.
        ranges: what to draw.

    Returns:
        (dataset, draw): elements are int64 (n,) indices and an int64 (2,) seed. `draw` makes of an element (draws
        float64 (n, 10), None), and may run in parallel.
    """
    seed = int(np.random.default_rng().integers(2**31)) if seed is None else int(seed)
    batches = -(-count // batch_size)
    epochs = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2).take(1)

    def epoch(seed):
        order = tf.range(count, dtype=tf.int64)
        if shuffle:
            order = tf.random.experimental.stateless_shuffle(order, seed)
        starts = tf.data.Dataset.range(0, count, batch_size)
        return starts.map(
            lambda start: (order[start : start + batch_size], seed + tf.stack([0, start // batch_size + 1]))
        )

    planned = epochs.flat_map(epoch).apply(tf.data.experimental.assert_cardinality(batches))
    return planned, lambda indices, seed: (draw_stateless(seed, tf.size(indices), ranges), None)


def stream_plan(
    count: int, batch_size: int, *, shuffle: bool, seed: int | None, ranges: Ranges, size: tuple[int, int]
) -> tuple[tf.data.Dataset, Callable]:
    """Returns the same with draws in place of seeds: those of the original for `seed`, made in Python.

    Seeded as Keras' `Iterator._flow_index` (`legacy/preprocessing/image.py`); a pass of the dataset is an epoch.

    Args:
        count: as for `stateless_plan`, as the following.
        batch_size: images per batch.
        shuffle: whether each epoch has its own order.
        seed: None: NumPy's global state, as it stands.
        ranges: what to draw.
        size: (height, width) of the images, pixels.

    Returns:
        (dataset, draw): `draw` makes of an element (draws float64 (n, 10), the original's own coefficients of the
        affine map, float64 (n, 6)).
    """
    batches = -(-count // batch_size)
    passes = iter(range(2**62))

    def generate():
        seen = next(passes) * batches
        random: Any = np.random if seed is None else np.random.RandomState()
        for number in range(batches):
            if seed is not None:
                random.seed(seed + seen + number)
            if number == 0:
                order = random.permutation(count) if shuffle else np.arange(count)
            taken = order[number * batch_size : (number + 1) * batch_size]
            draws = draw_stream(random, len(taken), ranges)
            yield taken, (draws, [affine.coefficients_as_original(size, *row[AFFINE]) for row in draws])

    drawn = tuple(tf.TensorSpec([None, width], tf.float64) for width in (len(COLUMNS), 6))
    planned = tf.data.Dataset.from_generator(generate, output_signature=(tf.TensorSpec([None], tf.int64), drawn))
    return planned.apply(tf.data.experimental.assert_cardinality(batches)), lambda indices, drawn: drawn
