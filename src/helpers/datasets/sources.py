"""What every source of data can do: describe itself, say whether it is there, and load itself into memory."""

import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from helpers import checks
from helpers.errors import StudyError
from helpers.paths import data_dir

DTYPES = ("uint8", "float32", "float64")
SPLITS = ("train", "test")
# Arrays in use, so that the pipelines of one comparison share them.
_in_use: weakref.WeakValueDictionary[tuple, np.ndarray] = weakref.WeakValueDictionary()


@dataclass(frozen=True)
class Description:
    """What a dataset is.

    Attributes:
        name: as given, such as "mnist" or "folder:flowers".
        label: what people read, such as "stand-in for MNIST (generated)".
        real: whether it is what its label names: False for generated images.
        image_shape: (height, width, channels) in pixels.
        classes: number of classes.
        examples: number of examples of the split, or those asked for.
    """

    name: str
    label: str
    real: bool
    image_shape: tuple[int, int, int]
    classes: int
    examples: int

    @property
    def bytes(self) -> int:
        """Bytes of all images as uint8."""
        return self.examples * int(np.prod(self.image_shape))


@dataclass(frozen=True)
class Arrays:
    """A dataset in memory. The arrays are read-only, because all pipelines share them.

    Attributes:
        images: (n, height, width, channels), uint8 in 0 to 255, or float32 or float64 in 0 to 1.
        labels: int64 (n,), 0 … classes - 1.
        description: what the data is.
    """

    images: np.ndarray
    labels: np.ndarray
    description: Description


@dataclass(frozen=True)
class Source(ABC):
    """Where a dataset's examples come from.

    Attributes:
        name: what tasks and grids call it.
    """

    name: str

    read_as: ClassVar[tuple[str, ...]] = ("arrays",)  # how pipelines may read it: names of `helpers.tasks.SOURCES`
    makes_itself: ClassVar[bool] = False  # whether the kit makes it without network, at its first use

    @property
    def stands_for(self) -> str:
        """The name of the real set that it stands for; "" where it is no stand-in."""
        return ""

    @property
    def is_ready(self) -> bool:
        """Whether it can be loaded now."""
        return True

    def require(self) -> None:  # noqa: B027 (nothing is missing where nothing needs to be there)
        """Raises NotPrepared, naming the remedies, unless it can be loaded now."""

    def fingerprint(self) -> str:
        """Returns a text that changes when files do that its user may edit; "" where there are none."""
        return ""

    def path(self, *, split: str = "train") -> Path:
        """Returns the folder of pictures, see `folders.Folder.path`.

        Raises:
            StudyError: where there is none.
        """
        raise StudyError(f"a folder of pictures is needed (got dataset {self.name!r}); use folder:PATH")

    def record_files(self, *, split: str = "train") -> int:
        """Returns how many record files a split of a prepared set has; 0 where it has none."""
        return 0

    def records(self, *, split: str = "train", examples: int | None = None, whole: bool = True) -> Any:
        """Returns the records of a prepared set, see `prepared.Prepared.records`.

        Raises:
            StudyError: where it has none.
        """
        raise StudyError(f"records exist for mnist, cifar10 and their stand-ins (got {self.name}); use source 'arrays'")

    def coded(self, *, split: str = "train", examples: int | None = None) -> Any:
        """Returns the records of a prepared set by position, see `prepared.Prepared.coded`.

        Raises:
            StudyError: where it has none.
        """
        raise StudyError(f"records exist for mnist, cifar10 and their stand-ins (got {self.name}); use source 'arrays'")

    def data_source(self, *, split: str = "train", examples: int | None = None) -> Any:
        """Returns the decoded records of a prepared set by position, see `prepared.Prepared.data_source`.

        Raises:
            StudyError: where it has none.
        """
        raise StudyError(f"records exist for mnist, cifar10 and their stand-ins (got {self.name}); use source 'arrays'")

    def files(self, *, examples: int | None = None, split: str = "train") -> tuple[list[str], np.ndarray, list[str]]:
        """Returns the files of a folder of pictures, see `folders.Folder.files`.

        Raises:
            StudyError: where it has none.
        """
        raise StudyError(f"a folder of pictures is needed (got dataset {self.name!r}); use folder:PATH")

    def describe(
        self,
        *,
        split: str = "train",
        image_size: tuple[int, int] | None = None,
        examples: int | None = None,
        channels: int | None = None,
        classes: int | None = None,
    ) -> Description:
        """Describes it without loading it, and without TensorFlow.

        Args:
            split: "train" or "test".
            image_size: (height, width) in pixels, for synthetic data and folders.
            examples: how many are wanted; None: all (synthetic: 1000).
            channels: of synthetic data (default 3) or a folder (3, or 1 for grey).
            classes: of synthetic data (default 10).

        Raises:
            StudyError: where the data is missing or cannot be given so.
        """
        checks.one_of("split", split, SPLITS)
        for what, value in (("examples", examples), ("channels", channels), ("classes", classes)):
            if value is not None:
                checks.whole(what, value, least=1)
        return self._describe(split, checks.image_size(image_size), examples, channels, classes)

    def load(
        self,
        *,
        examples: int | None = None,
        split: str = "train",
        seed: int = 0,
        image_size: tuple[int, int] | None = None,
        channels: int | None = None,
        classes: int | None = None,
        dtype: str = "uint8",
    ) -> Arrays:
        """Loads it into memory; decoded images are kept as .npy files in the data folder for the next time.

        Args:
            examples: how many, from the first on (a folder: balanced over its classes); None: all
                (synthetic: 1000, and any number can be asked for).
            split: "train" or "test".
            seed: of synthetic data; the split changes it too.
            image_size: (height, width) in pixels; synthetic data (default 32x32) and folders (default: the size
                of the first picture; others are resized by the nearest pixel).
            channels: of synthetic data (default 3) or a folder (3, or 1 for grey).
            classes: of synthetic data (default 10).
            dtype: "uint8" for 0 to 255, "float32" or "float64" for 0 to 1.

        Raises:
            StudyError: where the data is missing, damaged, too small for `examples`, or too large for the memory.
        """
        checks.one_of("dtype", dtype, DTYPES)
        checks.whole("seed", seed)
        what = self.describe(split=split, image_size=image_size, examples=examples, channels=channels, classes=classes)
        _check_memory(what.bytes * np.dtype(dtype).itemsize)
        state = self._state(what, split, seed, examples)
        key = (what, split, dtype, str(data_dir()), state)
        images, labels = _in_use.get((key, "images")), _in_use.get((key, "labels"))
        if images is None or labels is None:
            images, labels = self._read(what, split, seed, examples, state)
            if dtype != "uint8":
                images = images.astype(dtype) / np.asarray(255, dtype)
            for part, array in (("images", images), ("labels", labels)):
                array.flags.writeable = False
                _in_use[key, part] = array
        return Arrays(images, labels, what)

    @abstractmethod
    def _describe(self, split, image_size, examples, channels, classes) -> Description:
        """Describes it, for arguments that were checked."""

    @abstractmethod
    def _state(self, what: Description, split: str, seed: int, examples: int | None) -> str:
        """Returns a text that changes when what would be read does."""

    @abstractmethod
    def _read(
        self, what: Description, split: str, seed: int, examples: int | None, state: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns images, uint8 (n, height, width, channels), and labels, int64 (n,)."""


def _check_memory(needed: int) -> None:
    import psutil

    free = psutil.virtual_memory().available
    if needed > free:
        raise StudyError(
            f"the images must fit in memory (got {needed / 2**30:.1f} GiB for {free / 2**30:.1f} GiB free); "
            "give fewer examples or a smaller image_size"
        )
