"""The data that the kit studies: what there is, what it is called, and how it is loaded."""

from helpers.datasets.folders import folder_files, folder_path
from helpers.datasets.load import (
    NAMES,
    Arrays,
    Description,
    best_available,
    check_name,
    describe,
    is_prepared,
    load_arrays,
    record_files,
    require,
    tfds_dataset,
)

__all__ = [
    "NAMES",
    "Arrays",
    "Description",
    "best_available",
    "check_name",
    "describe",
    "folder_files",
    "folder_path",
    "is_prepared",
    "load_arrays",
    "record_files",
    "require",
    "tfds_dataset",
]
