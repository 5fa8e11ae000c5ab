"""Sets that TensorFlow Datasets prepared: where they are, what they say of themselves, and their records."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers import files
from helpers.datasets import array_records, decoded_cache
from helpers.datasets.record_files import RecordFiles
from helpers.datasets.sources import Description, Source
from helpers.errors import NotPrepared, StudyError, first_line
from helpers.paths import data_dir, expanded

LABELS = {"mnist": "MNIST", "cifar10": "CIFAR-10"}
STAND_IN = "-standin"


@dataclass(frozen=True)
class Prepared(Source):
    """MNIST or CIFAR-10 as TensorFlow Datasets prepared it, or a generated stand-in of the same format."""

    read_as = ("arrays", "tfds")

    @property
    def stands_for(self) -> str:
        """The name of the real set where this is its stand-in; else ""."""
        return self.tfds_name if self.name.endswith(STAND_IN) else ""

    @property
    def makes_itself(self) -> bool:  # type: ignore[override]
        """Whether the kit makes it without network: a stand-in."""
        return bool(self.stands_for)

    @property
    def tfds_name(self) -> str:
        """What TensorFlow Datasets calls it, or what it stands for."""
        return self.name.removesuffix(STAND_IN)

    def folder(self) -> Path | None:
        """Returns the folder of the newest prepared version, or None.

        A stand-in is only ever in a folder of its own, so that no real set and no stand-in are taken for each other.
        """
        if self.stands_for:
            roots = [data_dir() / "standin"]
        else:
            others = [os.environ.get("TFDS_DATA_DIR"), "~/tensorflow_datasets"]
            roots = [data_dir() / "tfds", *(expanded(other) for other in others if other)]
        return next(filter(None, (newest_version(root, self.tfds_name) for root in roots)), None)

    @property
    def is_ready(self) -> bool:
        """Whether it is prepared."""
        return self.folder() is not None

    def require(self) -> None:
        """Raises NotPrepared, naming the remedies, unless it is prepared."""
        self._required_folder()

    def _required_folder(self) -> Path:
        if folder := self.folder():
            return folder
        if self.stands_for:
            raise NotPrepared(f"{self.name} is not there yet; run `study prepare {self.name}` (offline, some seconds)")
        raise NotPrepared(
            f"{self.name} is not prepared in {data_dir()}; run `study prepare {self.name}` (network) or `study prepare "
            f"{self.name} --archives DIR` (official archives in DIR), or use --dataset {self.name}{STAND_IN} after "
            f"`study prepare {self.name}{STAND_IN}`"
        )

    def records(self, *, split: str = "train", examples: int | None = None, whole: bool = True) -> Any:
        """Returns the records as a tf.data.Dataset of (uint8 image (h, w, c), int64 label).

        Nothing is shuffled, and TFDS' own caching of small sets is off: it would keep the decoded images in
        memory unasked, so that no pipeline would ever read a record twice.

        Args:
            split: "train" or "test".
            examples: how many, from the first on; None: all.
            whole: end with an error where fewer are read.

        Raises:
            StudyError: where it is not prepared, or has fewer examples.
        """
        self.describe(split=split, examples=examples)
        import tensorflow_datasets as tfds

        builder = tfds.builder_from_directory(str(self._required_folder()))
        part = split if examples is None else f"{split}[:{examples}]"
        # A cache of its own would hide what is measured [fact: tfds-reads-ahead-and-caches].
        config = tfds.ReadConfig(try_autocache=False, assert_cardinality=whole)
        try:
            return builder.as_dataset(split=part, as_supervised=True, shuffle_files=False, read_config=config)
        except (OSError, AssertionError, ValueError) as error:
            raise self._damaged(error) from None

    def coded(self, *, split: str = "train", examples: int | None = None) -> RecordFiles:
        """Returns the records as they lie in their files, to be read by position and decoded by who asks.

        Args:
            split: "train" or "test".
            examples: how many, from the first on; None: all.

        Raises:
            StudyError: where it is not prepared, has fewer examples, or its files are no TFRecords.
        """
        count = self.describe(split=split, examples=examples).examples
        return RecordFiles(tuple(map(str, self._record_paths(split))), count)

    def data_source(self, *, split: str = "train", examples: int | None = None) -> Any:
        """Returns what `tfds.data_source` gives: a sequence of decoded records, read from its file one by one.

        Only ArrayRecord files can be read so; the first call copies the prepared TFRecord files into such.

        Args:
            split: "train" or "test".
            examples: how many, from the first on; None: all.

        Returns:
            A sequence of {"image": uint8 (height, width, channels), "label": int64 ()}.

        Raises:
            StudyError: where it is not prepared, has fewer examples, or its files are no TFRecords.
        """
        count = self.describe(split=split, examples=examples).examples
        try:
            return array_records.data_source(self._required_folder(), split=split, examples=count)
        except StudyError:
            raise
        except (OSError, ValueError, AssertionError) as error:
            raise self._damaged(error) from None

    def record_files(self, *, split: str = "train") -> int:
        """Returns how many record files a split has, of which FILE sharding gives whole ones."""
        return len(self._record_paths(split))

    def _record_paths(self, split):
        return sorted(self._required_folder().glob(f"*-{split}.*-of-*"))

    def _describe(self, split, image_size, examples, channels, classes) -> Description:
        if classes is not None:
            raise StudyError(f"classes can be chosen for synthetic data only (got classes {classes} for {self.name})")
        shape, class_count, available = _read_info(self._required_folder(), split)
        wanted = (*(image_size or shape[:2]), channels or shape[2])
        if wanted != shape:
            raise StudyError(
                f"{self.name} has images of {'x'.join(map(str, shape))} (got {'x'.join(map(str, wanted))}); leave "
                "image_size and channels out, and resize with transform resize_standardize"
            )
        if examples is not None and examples > available:
            raise StudyError(
                f"examples must be <= {available}, what {self.name} {split} has (got {examples}); give fewer"
            )
        label = f"stand-in for {LABELS[self.tfds_name]} (generated)" if self.stands_for else LABELS[self.name]
        return Description(self.name, label, not self.stands_for, shape, class_count, examples or available)

    def _state(self, what, split, seed, examples) -> str:
        file = self._required_folder() / "dataset_info.json"
        return f"{file.parent} {split} {file.stat().st_mtime_ns} {file.read_text()}"

    def _read(self, what, split, seed, examples, state):
        def decode():
            # As large as it may be: one batch holds a hundred images or thousands at the same cost for each.
            batches = self.records(split=split).batch(1024).as_numpy_iterator()
            try:
                images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
            except Exception as error:  # tf.errors.*, which must not be imported for an error that did not happen
                raise self._damaged(error) from None
            return images, labels.astype(np.int64)

        return decoded_cache.load_or_decode(f"{self.name}-{split}", state, what.examples, decode)

    def _damaged(self, error: Exception) -> StudyError:
        reason = first_line(error, most=120)
        return StudyError(
            f"the records of {self.name} in {self.folder()} must be whole (got {reason}); remove it and prepare again"
        )


def newest_version(folder: Path, tfds_name: str) -> Path | None:
    """Returns the folder of the newest version of a TFDS set prepared in the data_dir `folder`, or None."""
    try:
        files = list(folder.glob(f"{tfds_name}/*/dataset_info.json"))
    except OSError:
        return None
    # Not the "incomplete.…" folder of a preparation that was killed.
    versions = [file.parent for file in files if file.parent.name.replace(".", "").isdigit()]
    return max(versions, key=lambda version: tuple(map(int, version.name.split("."))), default=None)


def _read_info(folder: Path, split: str) -> tuple[tuple[int, int, int], int, int]:
    """Returns (image shape, classes, examples of the split) from the two JSON files of a prepared TFDS set."""
    try:
        info = files.read_json(folder / "dataset_info.json")
        fields = files.read_json(folder / "features.json")["featuresDict"]["features"]
        height, width, channels = map(int, fields["image"]["image"]["shape"]["dimensions"])
        classes = int(fields["label"]["classLabel"]["numClasses"])
        lengths = {part["name"]: sum(map(int, part["shardLengths"])) for part in info["splits"]}
        return (height, width, channels), classes, lengths[split]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{folder} must be a set that TensorFlow Datasets prepared (got {type(error).__name__}: {error}); "
            "remove that folder and run `study prepare` again"
        ) from None
