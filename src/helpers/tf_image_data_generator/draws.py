"""The random parameters that ImageDataGenerator draws for an image: as it draws them, and as TensorFlow can.

Both give an array of float64 (images, 10) whose columns `COLUMNS` names, in the terms of the original's
`get_random_transform` (Keras, `legacy/preprocessing/image.py`): degrees, pixels, factors; a flip happens above 0.5.
"""

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

COLUMNS = ("theta", "tx", "ty", "shear", "zx", "zy", "flip_horizontal", "flip_vertical", "channel_shift", "brightness")
AFFINE = slice(0, 6)
FLIPS = slice(6, 8)


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """What is drawn. `tx` moves columns and `ty` rows, whatever option fills them.

    Attributes:
        rotation: degrees, drawn from ± this.
        tx: a shift option of the original: a fraction below 1, pixels from 1 on, a whole number, or a list.
        ty: the same.
        tx_size: pixels that a fraction of `tx` is of.
        ty_size: pixels that a fraction of `ty` is of.
        shear: degrees, drawn from ± this.
        zoom: (lowest, highest) factor.
        horizontal_flip: whether half of the images are mirrored left to right.
        vertical_flip: whether half of the images are mirrored top to bottom.
        channel_shift: drawn from ± this.
        brightness: (lowest, highest) factor, or None.
        whole_reaches: a whole number n draws up to ±n; the original stops at ±(n - 1).
    """

    rotation: float = 0.0
    tx: Any = 0.0
    ty: Any = 0.0
    tx_size: int = 1
    ty_size: int = 1
    shear: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    horizontal_flip: bool = False
    vertical_flip: bool = False
    channel_shift: float = 0.0
    brightness: tuple[float, float] | None = None
    whole_reaches: bool = False

    @property
    def is_affine(self) -> bool:
        """Whether anything but flips moves pixels."""
        return bool(self.rotation or np.any(self.tx) or np.any(self.ty) or self.shear or tuple(self.zoom) != (1, 1))


def _choices(shift, whole_reaches):
    """Returns the magnitudes that a whole number or a list picks from, or None for a float's uniform draw."""
    if isinstance(shift, numbers.Integral):
        return np.arange(int(shift) + whole_reaches)
    return np.asarray(shift) if np.ndim(shift) else None


def _stream_shift(random, shift, size, whole_reaches):
    if not np.any(shift):
        return 0.0
    choices = _choices(shift, whole_reaches)
    if choices is None:
        value = random.uniform(-shift, shift)
    else:
        value = random.choice(choices)
        value = value * random.choice([-1, 1])
    return value * size if np.max(shift) < 1 else value


def draw_stream(random: Any, count: int, ranges: Ranges) -> np.ndarray:
    """Draws as the original does: the same calls in the same order for each image.

    Args:
        random: a `RandomState`, or `numpy.random` itself; advanced.
        count: images.
        ranges: what to draw.

    Returns:
        float64 (count, 10), see `COLUMNS`.
    """
    drawn = np.empty((count, len(COLUMNS)))
    for row in drawn:
        row[0] = random.uniform(-ranges.rotation, ranges.rotation) if ranges.rotation else 0
        row[1] = _stream_shift(random, ranges.tx, ranges.tx_size, ranges.whole_reaches)
        row[2] = _stream_shift(random, ranges.ty, ranges.ty_size, ranges.whole_reaches)
        row[3] = random.uniform(-ranges.shear, ranges.shear) if ranges.shear else 0
        row[4:6] = 1 if tuple(ranges.zoom) == (1, 1) else random.uniform(*ranges.zoom, 2)
        row[6] = (random.random_sample() < 0.5) * ranges.horizontal_flip
        row[7] = (random.random_sample() < 0.5) * ranges.vertical_flip
        row[8] = random.uniform(-ranges.channel_shift, ranges.channel_shift) if ranges.channel_shift else 0
        row[9] = 1 if ranges.brightness is None else random.uniform(*ranges.brightness)
    return drawn


def draw_stateless(seed: Any, count: Any, ranges: Ranges) -> Any:
    """Draws the same distributions from a stateless generator of TensorFlow, in few operations.

    Args:
        seed: int64 tensor (2,): the same seed and count give the same draws, whatever runs in parallel.
        count: scalar tensor, images.
        ranges: what to draw.

    Returns:
        float64 tensor (count, 10), see `COLUMNS`.
    """
    reach, picks = {}, {}
    for column, shift, size in ((1, ranges.tx, ranges.tx_size), (2, ranges.ty, ranges.ty_size)):
        scale = float(size if np.max(shift) < 1 else 1)
        choices = _choices(shift, ranges.whole_reaches)
        reach[column] = shift * scale if choices is None else 0.0
        if choices is not None and np.any(choices):
            picks[column] = np.concatenate([-choices[::-1], choices]) * scale
    symmetric = (ranges.rotation, reach[1], reach[2], ranges.shear)
    flips = (0, ranges.horizontal_flip), (0, ranges.vertical_flip)
    shift, brightness = (-ranges.channel_shift, ranges.channel_shift), ranges.brightness or (1, 1)
    ends = [*((-end, end) for end in symmetric), ranges.zoom, ranges.zoom, *flips, shift, brightness]
    low, high = np.array(ends, float).T
    unit = tf.random.stateless_uniform([count, len(COLUMNS)], seed, dtype=tf.float64, alg="philox")
    drawn = unit * (high - low) + low
    for column, both_signs in picks.items():
        picked = tf.gather(both_signs, tf.cast(unit[:, column] * len(both_signs), tf.int32))
        drawn = tf.concat([drawn[:, :column], picked[:, None], drawn[:, column + 1 :]], axis=1)
    return drawn
