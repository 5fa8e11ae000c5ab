"""Sets that TensorFlow Datasets prepared: where they are and what they say of themselves, without TensorFlow."""

import json
import os
from pathlib import Path

from helpers.errors import StudyError, first_line
from helpers.paths import data_dir


def folders_of(name):
    """Returns the folders in which a TFDS set may be, ours first.

    A stand-in is only ever in a folder of its own, so that no real set and no stand-in are taken for each other.
    """
    if name.endswith("-standin"):
        return [data_dir() / "standin"]
    others = [os.environ.get("TFDS_DATA_DIR"), "~/tensorflow_datasets"]
    return [data_dir() / "tfds", *(Path(other).expanduser() for other in others if other)]


def prepared_place(name):
    """Returns the folder of the newest prepared version of "mnist", "cifar10" or a stand-in, or None."""
    for folder in folders_of(name):
        place = newest_version(folder, name.removesuffix("-standin"))
        if place is not None:
            return place
    return None


def newest_version(folder, tfds_name):
    """Returns the folder of the newest version of a TFDS set prepared in the data_dir `folder`, or None."""
    try:
        versions = [file.parent for file in folder.glob(f"{tfds_name}/*/dataset_info.json")]
    except OSError:
        return None
    # Not the "incomplete.…" folder of a preparation that was killed.
    versions = [place for place in versions if place.name.replace(".", "").isdigit()]
    return max(versions, key=lambda place: tuple(map(int, place.name.split("."))), default=None)


def read_info(place, split):
    """Returns (image shape, classes, examples of the split) from the two JSON files of a prepared TFDS set."""
    try:
        info = json.loads((place / "dataset_info.json").read_text())
        fields = json.loads((place / "features.json").read_text())["featuresDict"]["features"]
        shape = tuple(int(side) for side in fields["image"]["image"]["shape"]["dimensions"])
        classes = int(fields["label"]["classLabel"]["numClasses"])
        lengths = {part["name"]: sum(map(int, part["shardLengths"])) for part in info["splits"]}
        return shape, classes, lengths[split]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{place} must be a set that TensorFlow Datasets prepared (got {type(error).__name__}: {error}); "
            "remove that folder and run `study prepare` again"
        ) from None


def damaged(name, error):
    """Returns the StudyError for records that cannot be read."""
    place = prepared_place(name)
    return StudyError(
        f"the records of {name} in {place} must be whole (got {first_line(error)}); remove it and prepare again"
    )
