"""What two epochs of a feed delivered, in what the rules need; and which source example each was made from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from helpers.errors import StudyError
from helpers.parity import examples
from helpers.parity.examples import Epoch
from helpers.parity.matching import block_means
from helpers.pipelines import feeds
from helpers.pipelines.feeds import Batch

MOST_FEATURES = 256
KEPT = 64  # examples kept whole
CLEAR = 0.6  # a match is clear if the next best is so much further
FEWEST_CLEAR = 0.9  # share of an epoch that must be matched before anything is said of it
MOST_PAIRS = 50_000_000  # distances that matching may compute


@dataclass(frozen=True)
class Reading:
    """One epoch.

    Attributes:
        epoch: hashes and figures of each example's parts.
        features: of the first input, float32 (n, k): block means of pictures, the first numbers of all else; None for
            strings and for shapes that vary.
        is_picture: whether the first input is (height, width, 1, 3 or 4 channels).
        labels: whole numbers (n,), of one-hot targets the index of the largest; None where there are no such.
        low, high: of the first input's numbers.
        kept: the first examples' first input.
    """

    epoch: Epoch
    features: np.ndarray | None
    is_picture: bool
    labels: np.ndarray | None
    low: float
    high: float
    kept: tuple[np.ndarray, ...]

    @property
    def count(self) -> int:
        """The number of examples."""
        return self.epoch.count

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs' parts."""
        return tuple(name for name in self.epoch.parts if name.partition(".")[0] == "x")

    @cached_property
    def bytes(self) -> int:
        """The bytes of all its numbers."""
        return sum(
            max(np.dtype(each).itemsize if each != "string" else 1 for each in part.dtypes)
            * sum(int(np.prod(shape)) for shape in part.shapes)
            for part in self.epoch.parts.values()
        )

    @cached_property
    def inputs(self) -> np.ndarray:
        """Hashes of the inputs, uint64 (n,)."""
        return self.epoch.joint(self.names)

    @cached_property
    def targets(self) -> np.ndarray | None:
        """Hashes of the targets, uint64 (n,); None where there are none."""
        names = tuple(name for name in self.epoch.parts if name.partition(".")[0] == "y")
        return self.epoch.joint(names) if names else None

    @property
    def batch_numbers(self) -> np.ndarray:
        """The batch that each example came in, (n,)."""
        return self.epoch.batch_numbers

    def first(self, chosen: np.ndarray, most: int = 3) -> tuple[tuple[int, Any], ...]:
        """Returns the first of some examples, (number, what it is)."""
        return tuple((int(i), self.kept[i] if i < len(self.kept) else None) for i in chosen[:most])


def read(batches: Iterator[Batch]) -> Reading:
    """Reads one epoch of `feeds.epochs_of`.

    Raises:
        StudyError: as `examples.read`, and where there is no example.
    """
    features: list[np.ndarray | None] = []
    labels: list[np.ndarray | None] = []
    kept: list[np.ndarray] = []
    extremes, pictures = [np.inf, -np.inf], [True]

    def noted():
        for batch in batches:
            x, y, _ = feeds.parts_of(batch)
            values = _first_array(x)
            features.append(_features(values))
            labels.append(_labels(y))
            pictures.append(values is not None and values.ndim == 4 and values.shape[-1] in (1, 3, 4))
            if values is not None and values.size and values.dtype.kind in "biuf":
                extremes[0] = min(extremes[0], float(np.nanmin(values)))
                extremes[1] = max(extremes[1], float(np.nanmax(values)))
                kept.extend(np.array(value) for value in values[: max(0, KEPT - len(kept))])
            yield batch

    epoch = examples.read(noted())
    if not epoch.count:
        raise StudyError("a feed must give at least one example in every epoch (got none); look at its source")
    return Reading(epoch, _together(features), all(pictures), _together(labels), extremes[0], extremes[1], tuple(kept))


def of_source(source: Any) -> Reading:
    """Reads the raw examples: (x, y) as arrays, or whatever `feeds.opened` takes."""
    if isinstance(source, tuple) and len(source) == 2:
        x, y = map(np.asarray, source)
        if len(x) != len(y):
            raise StudyError(f"a source must have a target for each input (got {len(x)} and {len(y)})")
        return read((x[start : start + 256], y[start : start + 256]) for start in range(0, len(x), 256))
    return read(feeds.batches_of(source))


def _first_array(x):
    import keras

    leaves = [leaf for leaf in keras.tree.flatten(x) if leaf is not None]
    return np.asarray(leaves[0]) if leaves else None


def _features(values):
    if values is None or values.dtype.kind not in "biuf" or not values.size:
        return None
    if values.ndim == 4:
        return block_means(values.astype(np.float32)).reshape(len(values), -1)
    return values.reshape(len(values), -1)[:, :MOST_FEATURES].astype(np.float32)


def _labels(y):
    if y is None or not isinstance(y, np.ndarray) or y.dtype.kind not in "biuf":
        return None
    if y.ndim == 2 and y.shape[1] > 1:
        return y.argmax(axis=1) if np.allclose(y.sum(axis=1), 1, atol=1e-3) else None
    flat = y.reshape(len(y), int(np.prod(y.shape[1:])))
    if flat.shape[1] != 1 or not np.array_equal(flat, np.round(flat)):
        return None
    return flat[:, 0].astype(np.int64)


def _together(parts: Iterable):
    parts = list(parts)
    if not parts or any(part is None for part in parts) or len({part.shape[1:] for part in parts}) > 1:
        return None
    return np.concatenate(parts)


@dataclass(frozen=True)
class Matched:
    """Which source example each delivered example was made from.

    Attributes:
        index: (n,), -1 where it is not clear.
        flipped: (n,) whether it is the source's mirror image.
        exact: whether examples were recognised by their very content.
    """

    index: np.ndarray
    flipped: np.ndarray
    exact: bool

    @property
    def clear(self) -> np.ndarray:
        """Which examples were matched, (n,)."""
        return self.index >= 0

    @property
    def is_reliable(self) -> bool:
        """Whether nearly all were matched."""
        return bool(self.clear.mean() >= FEWEST_CLEAR)


def match(reading: Reading, source: Reading) -> Matched:
    """Finds the source of each delivered example: by its very content, else by what scaling and mirroring leave."""
    places: dict[int, int] = {}
    for place, content in enumerate(source.inputs.tolist()):
        places[content] = -2 if content in places else place
    index = np.array([places.get(content, -1) for content in reading.inputs.tolist()])
    nothing = np.zeros(len(index), bool)
    if (index != -1).mean() > 0.5:
        return Matched(np.maximum(index, -1), nothing, True)
    mine, theirs = reading.features, source.features
    if mine is None or theirs is None or mine.shape[1] != theirs.shape[1] or len(mine) * len(theirs) > MOST_PAIRS:
        return Matched(np.full(len(index), -1), nothing, False)
    if not reading.is_picture:
        return Matched(_nearest(_by_column(mine), _by_column(theirs))[0], nothing, False)
    side = int(np.sqrt(mine.shape[1] / reading.kept[0].shape[-1]))
    mirrored = mine.reshape(len(mine), side, side, -1)[:, :, ::-1].reshape(len(mine), -1)
    plain, plain_distance, plain_next = _nearest_of(_by_row(mine), _by_row(theirs))
    mirror, mirror_distance, mirror_next = _nearest_of(_by_row(mirrored), _by_row(theirs))
    flipped = mirror_distance < plain_distance
    best = np.where(flipped, mirror_distance, plain_distance)
    following = np.where(flipped, mirror_next, plain_next)
    found = np.where(flipped, mirror, plain)
    return Matched(np.where(best < CLEAR * following, found, -1), flipped, False)


def _by_row(features):
    centred = features - features.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)


def _by_column(features):
    return (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)


def _nearest_of(mine, theirs):
    """Returns (nearest, its distance, the distance of the next) for each row."""
    if len(theirs) < 2:
        return np.zeros(len(mine), int), np.zeros(len(mine)), np.ones(len(mine))
    squares = (mine**2).sum(1)[:, None] + (theirs**2).sum(1) - 2 * mine @ theirs.T
    distances = np.sqrt(np.maximum(squares, 0))
    two = np.argpartition(distances, 1, axis=1)[:, :2]
    both = np.take_along_axis(distances, two, axis=1)
    order = both.argsort(axis=1)
    two, both = np.take_along_axis(two, order, axis=1), np.take_along_axis(both, order, axis=1)
    return two[:, 0], both[:, 0], both[:, 1]


def _nearest(mine, theirs):
    found, best, following = _nearest_of(mine, theirs)
    return np.where(best < CLEAR * following, found, -1), best
