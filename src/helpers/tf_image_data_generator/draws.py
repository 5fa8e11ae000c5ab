"""The random parameters that ImageDataGenerator draws for an image: in its own sequence, and example by example.

Both give an array of float64 (images, 10) whose columns `COLUMNS` names, in the terms of the original's
`get_random_transform` (Keras, `legacy/preprocessing/image.py`): degrees, pixels, factors; a flip happens above 0.5.
"""

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np

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

    @property
    def tx_scale(self) -> float:
        """Pixels per unit of `tx`."""
        return _scale(self.tx, self.tx_size)

    @property
    def ty_scale(self) -> float:
        """Pixels per unit of `ty`."""
        return _scale(self.ty, self.ty_size)


def _scale(shift, size):
    return float(size if np.max(shift) < 1 else 1)


def _choices(shift, whole_reaches):
    """Returns the magnitudes that a whole number or a list picks from, or None for a float's uniform draw."""
    if isinstance(shift, numbers.Integral):
        return np.arange(int(shift) + whole_reaches)
    return np.asarray(shift) if np.ndim(shift) else None


def _stream_shift(random, shift, size, whole_reaches):
    if not shift:  # a list of zeros is drawn from
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


def draw_hashed(key: int, examples: np.ndarray, ranges: Ranges) -> np.ndarray:
    """Draws the same distributions for each example from a number of its own: a hash of key, example and column.

    So an image and its mask, read from two flows, get the same draws whatever their size and whoever else is in the
    batch. The hash is SplitMix64's finaliser (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014) of a counter.

    Args:
        key: of the seed and the epoch, 0 to 2⁶³ - 1.
        examples: int64 (n,), each at least 0.
        ranges: what to draw.

    Returns:
        float64 (n, 10), see `COLUMNS`.
    """
    reach, picks = {}, {}
    for column, shift, scale in ((1, ranges.tx, ranges.tx_scale), (2, ranges.ty, ranges.ty_scale)):
        choices = _choices(shift, ranges.whole_reaches)
        reach[column] = shift * scale if choices is None else 0.0
        if choices is not None and np.any(choices):
            picks[column] = np.concatenate([-choices[::-1], choices]) * scale
    symmetric = (ranges.rotation, reach[1], reach[2], ranges.shear)
    flips = (0, ranges.horizontal_flip), (0, ranges.vertical_flip)
    shift, brightness = (-ranges.channel_shift, ranges.channel_shift), ranges.brightness or (1, 1)
    ends = [*((-end, end) for end in symmetric), ranges.zoom, ranges.zoom, *flips, shift, brightness]
    low, high = np.array(ends, float).T
    unit = hashed_units(key, examples, len(COLUMNS))
    drawn = unit * (high - low) + low
    for column, both_signs in picks.items():
        drawn[:, column] = both_signs[(unit[:, column] * len(both_signs)).astype(np.int64)]
    return drawn


def hashed_units(key: int, rows: np.ndarray, columns: int) -> np.ndarray:
    """Returns float64 (n, columns) in 0 … 1, exclusive of 1, that depend on key, row and column alone.

    Args:
        key: 0 to 2⁶³ - 1.
        rows: int64 (n,), each at least 0.
        columns: how many.
    """
    start = _mixed(np.array([[key]], np.uint64))
    counters = rows.astype(np.uint64)[:, None] * np.uint64(columns) + np.arange(1, columns + 1, dtype=np.uint64)
    return (_mixed(start + counters * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(11)) * 2.0**-53


def _mixed(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
