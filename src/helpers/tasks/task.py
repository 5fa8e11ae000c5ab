"""What every pipeline of one comparison must deliver."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from helpers import checks, datasets
from helpers.datasets import Arrays, Description, Source
from helpers.errors import StudyError
from helpers.tasks import transforms

SOURCES = {
    "arrays": "images in one NumPy array",
    "tfds": "records of a prepared TensorFlow Datasets set",
    "folder": "one folder of JPEG or PNG files per class",
}
ONCE, EVERY_EPOCH = "once", "every epoch"  # when pictures are decoded
MOST_SEED = 2**31 - 1  # what all of NumPy, Keras and TensorFlow take
DATASETS_OF = {
    "tfds": "of TensorFlow Datasets, such as mnist or mnist-standin",
    "folder": "'photographs' or 'folder:PATH'",
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """One piece of work: any pipeline that does it delivers the same examples in the same form.

    A pipeline delivers pairs of images, float32 of shape (batch, height, width, channels), and labels,
    int64 of shape (batch,), 0 … classes - 1; every example once per epoch, the last batch partial.

    Attributes:
        dataset: "synthetic", "mnist", "cifar10", "mnist-standin", "cifar10-standin", "photographs" or "folder:PATH".
        source: where the pipeline reads: "arrays", "tfds" or "folder".
        decode: when pictures are decoded, "every epoch" or "once", before the first; "": arrays once, since they hold
            no coded picture, records and files in every epoch. `decoding` tells which of the two it is.
        transform: a name of `helpers.tasks.transforms`.
        batch_size: examples per batch.
        image_size: (height, width) of the source's images in pixels; None: as the dataset has them.
        examples: how many examples an epoch has; None: all of the training split.
        shuffle: whether every epoch has an order of its own.
        seed: seed of the data, the order and the draws.

    Raises:
        StudyError: where a value is out of range or the combination cannot be.
    """

    dataset: str = "synthetic"
    source: str = "arrays"
    decode: str = ""
    transform: str = "rescale"
    batch_size: int = 32
    image_size: tuple[int, int] | None = None
    examples: int | None = None
    shuffle: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the values, without reading any data."""
        transforms.get(self.transform)
        checks.one_of("source", self.source, SOURCES)
        checks.one_of("decode", self.decode, ("", ONCE, EVERY_EPOCH))
        checks.whole("batch_size", self.batch_size, least=1)
        if self.examples is not None:
            checks.whole("examples", self.examples, least=1)
        checks.whole("seed", self.seed, most=MOST_SEED)
        checks.one_of("shuffle", self.shuffle, (True, False))
        object.__setattr__(self, "image_size", checks.image_size(self.image_size))
        if self.source not in self.data.read_as:
            raise StudyError(
                f"source {self.source!r} needs a dataset {DATASETS_OF[self.source]} (got dataset {self.dataset!r}); "
                f"use source {' or '.join(map(repr, self.data.read_as))}"
            )

        if self.source == "arrays" and self.decode == EVERY_EPOCH:
            raise StudyError("arrays hold decoded pictures (got decode 'every epoch'); use source tfds or folder")

    @property
    def decoding(self) -> str:
        """When pictures are decoded: "once" or "every epoch"; it is part of the work."""
        return self.decode or (ONCE if self.source == "arrays" else EVERY_EPOCH)

    @cached_property
    def data(self) -> Source:
        """Where the examples come from; they need not be there yet."""
        return datasets.named(self.dataset)

    def describe(self) -> Description:
        """Returns what the data is that this task reads; opens it."""
        return self.data.describe(image_size=self.image_size, examples=self.examples)

    def arrays(self) -> Arrays:
        """Returns the source examples: images uint8 (n, height, width, channels), labels int64 (n,)."""
        return self.data.load(examples=self.examples, image_size=self.image_size, seed=self.seed)

    def but(self, **changes: Any) -> "Task":
        """Returns this task with some attributes changed, checked again."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Returns the attributes by name."""
        return asdict(self)
