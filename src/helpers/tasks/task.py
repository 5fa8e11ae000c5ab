"""What every pipeline of one comparison must deliver."""

from dataclasses import asdict, dataclass, replace

from helpers.errors import StudyError

SOURCES = {
    "arrays": "images in one NumPy array",
    "tfds": "records of a prepared TensorFlow Datasets set",
    "folder": "a folder a class of JPEG or PNG files",
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """One piece of work: any pipeline that does it delivers the same examples in the same form.

    A pipeline delivers pairs of images, float32 of shape (batch, height, width, channels), and labels,
    int64 of shape (batch,), 0 … classes - 1; every example once an epoch, the last batch partial.

    Attributes:
        dataset: "synthetic", "mnist", "cifar10", "mnist-standin", "cifar10-standin" or "folder:PATH".
        source: where the pipeline reads: "arrays", "tfds" or "folder".
        transform: a name of `helpers.transforms`.
        batch_size: examples a batch.
        image_size: (height, width) of the source's images in pixels; None: as the dataset has them.
        examples: how many examples an epoch has; None: all of the training split.
        shuffle: whether every epoch has an order of its own.
        seed: seed of the data, the order and the draws.

    Raises:
        StudyError: where a value is out of range or the combination cannot be.
    """

    dataset: str = "synthetic"
    source: str = "arrays"
    transform: str = "rescale"
    batch_size: int = 32
    image_size: tuple[int, int] | None = None
    examples: int | None = None
    shuffle: bool = True
    seed: int = 0

    def __post_init__(self):
        """Checks the values, without reading any data."""
        from helpers import datasets
        from helpers.tasks import transforms

        transforms.get(self.transform)
        datasets.check_name(self.dataset)
        if self.source not in SOURCES:
            raise StudyError(f"source must be one of {', '.join(SOURCES)} (got {self.source!r})")
        _require_whole("batch_size", self.batch_size, least=1)
        if self.examples is not None:
            _require_whole("examples", self.examples, least=1)
        _require_whole("seed", self.seed, least=0)
        if self.image_size is not None:
            if len(tuple(self.image_size)) != 2:
                raise StudyError(f"image_size must be (height, width) in pixels (got {self.image_size!r})")
            for side in self.image_size:
                _require_whole("image_size", side, least=1)
            object.__setattr__(self, "image_size", tuple(self.image_size))
        is_folder = self.dataset.startswith("folder:")
        if self.source == "folder" and not is_folder:
            raise StudyError(
                f"source 'folder' needs a dataset 'folder:PATH' (got dataset {self.dataset!r}); "
                "use source 'arrays', or name a folder"
            )
        if self.source == "tfds" and (is_folder or self.dataset == "synthetic"):
            raise StudyError(
                f"source 'tfds' needs a dataset of TensorFlow Datasets, such as mnist or mnist-standin "
                f"(got dataset {self.dataset!r}); use source 'arrays'"
            )

    def describe(self):
        """Returns the `datasets.Description` of the data that this task reads; opens the data."""
        from helpers import datasets

        return datasets.describe(self.dataset, image_size=self.image_size, examples=self.examples)

    def arrays(self):
        """Returns the source examples: images uint8 (n, height, width, channels), labels int64 (n,)."""
        from helpers import datasets

        if self.source == "folder":
            return datasets.load_arrays(self.dataset, examples=self.examples, image_size=self.image_size)
        return datasets.load_arrays(self.dataset, examples=self.examples, image_size=self.image_size, seed=self.seed)

    def but(self, **changes) -> "Task":
        """Returns this task with some attributes changed, checked again."""
        return replace(self, **changes)

    def to_dict(self) -> dict:
        """Returns the attributes by name."""
        return asdict(self)


def _require_whole(name, value, *, least):
    import numbers

    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise StudyError(f"{name} must be >= {least} and whole (got {value!r})")
