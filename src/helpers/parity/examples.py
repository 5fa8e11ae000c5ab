"""An epoch of any feed in short: of every part of every example a hash and a few figures, in the order of delivery."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from helpers.errors import StudyError
from helpers.pipelines import feeds
from helpers.pipelines.feeds import Batch

# Figures of one part of an example. Patterns are weighted sums of its numbers, which tell where in it they stand.
PATTERNS = tuple(f"pattern {number}" for number in range(1, 5))
FIGURES = ("mean", "spread", "low", "high", "length", *PATTERNS)


@dataclass(frozen=True)
class Part:
    """One part of all examples, such as x, y, or one of several inputs.

    Attributes:
        dtypes: names of the dtypes that came.
        shapes: of each example.
        hashes: of each example's content, uint64 (n,): of its numbers as float64, without zeros at its end, so that
            neither the dtype nor the padding counts.
        figures: float64 (n, len(FIGURES)).
        values: single numbers and strings, to be told; None for larger content.
        single: whether each example has one number or string.
    """

    dtypes: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    hashes: np.ndarray
    figures: np.ndarray
    values: tuple[Any, ...]

    @property
    def single(self) -> bool:
        """Whether each example has one number or string here."""
        return not any(self.shapes)


@dataclass(frozen=True)
class Epoch:
    """One epoch.

    Attributes:
        sizes: examples of each batch.
        parts: name -> part; "x", "y", "sample weights", or with a path behind, as in "x.image" or "y.0".
    """

    sizes: tuple[int, ...]
    parts: dict[str, Part]

    @property
    def count(self) -> int:
        """The number of examples."""
        return sum(self.sizes)

    @property
    def batch_numbers(self) -> np.ndarray:
        """The batch that each example came in, (n,)."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def joint(self, names: tuple[str, ...]) -> np.ndarray:
        """Returns hashes of some parts together, uint64 (n,)."""
        mixed = np.zeros(self.count, np.uint64)
        for name in names:
            mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + self.parts[name].hashes
            mixed ^= mixed >> np.uint64(29)
        return mixed


def read(epoch: Iterator[Batch]) -> Epoch:
    """Reads an epoch of `feeds.delivered`.

    Raises:
        StudyError: where batches are unlike in structure, or the parts of one in their number of examples.
    """
    sizes: list[int] = []
    kept: dict[str, list[tuple]] = {}
    for batch in epoch:
        parts = dict(_named_parts(batch))
        if sizes and parts.keys() != kept.keys():
            raise StudyError(
                f"every batch must have the same parts (got {', '.join(kept)}, then {', '.join(parts)}); "
                "look at the feed's last batch"
            )
        lengths = {np.shape(values)[:1] for values in parts.values()}
        if len(lengths) != 1 or () in lengths:
            raise StudyError("every part of a batch must have as many examples; is batch() missing?")
        sizes.append(lengths.pop()[0])
        for name, values in parts.items():
            kept.setdefault(name, []).append((str(values.dtype), [values.shape[1:]] * len(values), *_digest(values)))
    return Epoch(tuple(sizes), {name: _joined(batches) for name, batches in kept.items()})


def _joined(batches):
    dtypes, shapes, hashes, figures, values = zip(*batches, strict=True)
    return Part(
        tuple(sorted({"string" if dtype == "object" or dtype[:2] in ("<U", "|S") else dtype for dtype in dtypes})),
        tuple(shape for of_batch in shapes for shape in of_batch),
        np.concatenate(hashes),
        np.nan_to_num(np.concatenate(figures)),
        tuple(value for of_batch in values for value in of_batch),
    )


def _named_parts(batch):
    for name, part in zip(("x", "y", "sample weights"), feeds.parts_of(batch), strict=True):
        yield from _flattened(name, part)


def _flattened(name, value):
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield from _flattened(f"{name}.{key}", value[key])
    elif isinstance(value, tuple | list):
        for number, part in enumerate(value):
            yield from _flattened(f"{name}.{number}", part)
    elif value is not None:
        yield name, np.asarray(value)


def _digest(values):
    """Returns (hashes, figures, values to be told) of one part of a batch."""
    rows = values.reshape(len(values), math.prod(values.shape[1:]))
    if values.dtype.kind not in "biufV":
        texts = ["\0".join(map(_text, row)) for row in rows]
        hashes = np.array([_hash(text.encode()) for text in texts], np.uint64)
        figures = np.zeros((len(rows), len(FIGURES)))
        figures[:, 0], figures[:, FIGURES.index("length")] = hashes / 2.0**64, list(map(len, texts))
        return hashes, figures, texts if values.ndim == 1 else [None] * len(rows)
    numbers = rows.astype(np.float64) + 0.0  # no negative zeros
    exact = rows.astype(np.int64) if rows.dtype.kind in "iu" and np.abs(numbers).max(initial=0) >= 2**53 else numbers
    if values.ndim == 1:
        figures = np.zeros((len(rows), len(FIGURES)))
        figures[:, 0] = numbers[:, 0]
        return exact[:, 0].copy().view(np.uint64), figures, rows[:, 0].tolist()
    lengths = _lengths(numbers)
    of_rows = [_hash(row[:length].tobytes()) for row, length in zip(exact, lengths, strict=True)]
    return np.array(of_rows, np.uint64), _figures(numbers, lengths), [None] * len(rows)


def _text(value):
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


def _hash(content):
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _lengths(numbers):
    """How many numbers of each row are left without the zeros at its end."""
    filled = numbers[:, ::-1] != 0
    return (
        np.where(filled.any(axis=1), numbers.shape[1] - filled.argmax(axis=1), 0)
        if filled.size
        else np.zeros(len(numbers), int)
    )


def _figures(numbers, lengths):
    inside = np.arange(numbers.shape[1]) < lengths[:, None]
    counts = np.maximum(lengths, 1)
    mean = numbers.sum(axis=1) / counts
    spread = np.sqrt(np.maximum(np.square(numbers).sum(axis=1) / counts - np.square(mean), 0))
    low = np.where(inside, numbers, np.inf).min(axis=1, initial=np.inf)
    high = np.where(inside, numbers, -np.inf).max(axis=1, initial=-np.inf)
    patterns = numbers @ _weights(numbers.shape[1]) / np.sqrt(counts)[:, None]
    low, high = (np.where(np.isfinite(extreme), extreme, 0) for extreme in (low, high))
    return np.column_stack([mean, spread, low, high, lengths, patterns])


@lru_cache(maxsize=64)
def _weights(count):
    """Weights of the patterns, (count, patterns); those of fewer numbers are the first of those of more."""
    return np.random.default_rng(0).standard_normal((count, len(PATTERNS)))
