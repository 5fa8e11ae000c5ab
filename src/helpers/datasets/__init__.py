"""The data that the kit studies: what there is, what it is called, and how it is loaded; nothing here prepares data."""

from typing import Any

from helpers.datasets.names import (
    NAMES as NAMES,
    best_available as best_available,
    named as named,
)
from helpers.datasets.sources import (
    Arrays as Arrays,
    Description as Description,
    Source as Source,
)


def is_prepared(name: str) -> bool:
    """Returns whether the dataset can be loaded now."""
    return named(name).is_ready


def require(name: str) -> None:
    """Raises NotPrepared, naming the remedies, unless the dataset can be loaded now."""
    named(name).require()


def describe(name: str, **options: Any) -> Description:
    """Describes a dataset without loading it; see `Source.describe`."""
    return named(name).describe(**options)


def load_arrays(name: str, **options: Any) -> Arrays:
    """Loads a dataset into memory; see `Source.load`."""
    return named(name).load(**options)


def tfds_dataset(name: str, *, split: str = "train", examples: int | None = None) -> Any:
    """Returns the records of a set of TensorFlow Datasets; see `prepared.Prepared.records`."""
    return named(name).records(split=split, examples=examples)
