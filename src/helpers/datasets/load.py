"""The data that the kit studies: what is there, what it is called, and how it is loaded.

`study prepare` (helpers.prepare) gets data ready; nothing here prepares, downloads or substitutes.
"""

import difflib
import numbers
import weakref
from dataclasses import dataclass

import numpy as np

from helpers.datasets import decoded_cache, records
from helpers.datasets.folders import fingerprint, folder_files, folder_label, folder_path, list_files, read_picture
from helpers.errors import StudyError
from helpers.paths import data_dir

LABELS = {
    "synthetic": "synthetic",
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
    "mnist-standin": "stand-in for MNIST (generated)",
    "cifar10-standin": "stand-in for CIFAR-10 (generated)",
}
NAMES = tuple(LABELS)
DTYPES = ("uint8", "float32", "float64")
SYNTHETIC_EXAMPLES = 1000
SYNTHETIC_SIZE = (32, 32)
_alive = weakref.WeakValueDictionary()  # arrays in use, so that the pipelines of one comparison share them


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


def check_name(name: str) -> None:
    """Raises StudyError, with near matches, unless `name` can be the name of a dataset."""
    if isinstance(name, str) and (name in NAMES or name.startswith("folder:")):
        return
    near = difflib.get_close_matches(str(name).lower().replace("_", "-"), NAMES, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "see `study prepare --help`"
    raise StudyError(f"dataset must be one of {', '.join(NAMES)} or folder:PATH (got {name!r}); {hint}")


def _check_number(what, value, *, least=1):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise StudyError(f"{what} must be a whole number >= {least} (got {value!r})")


def _check_options(split, examples, image_size, channels, classes=None):
    if split not in ("train", "test"):
        raise StudyError(f"split must be train or test (got {split!r})")
    for what, value in (("examples", examples), ("channels", channels), ("classes", classes)):
        if value is not None:
            _check_number(what, value)
    if image_size is not None:
        if np.ndim(image_size) != 1 or len(image_size) != 2:
            raise StudyError(f"image_size must be (height, width) in pixels (got {image_size!r})")
        for side in image_size:
            _check_number("image_size", side)


def is_prepared(name: str) -> bool:
    """Returns whether the dataset can be loaded now."""
    check_name(name)
    if name == "synthetic":
        return True
    if name.startswith("folder:"):
        try:
            return folder_path(name).is_dir()
        except StudyError:
            return False
    return records.prepared_place(name) is not None


def require(name: str) -> None:
    """Raises StudyError, naming the remedies, unless the dataset can be loaded now."""
    if is_prepared(name):
        return
    if name.startswith("folder:"):
        folder_path(name)
    if name.endswith("-standin"):
        raise StudyError(f"{name} is not there yet; run `study prepare {name}` (offline, some seconds)")
    raise StudyError(
        f"{name} is not prepared in {data_dir()}; run `study prepare {name}` (network) or `study prepare {name} "
        f"--archives DIR` (official archives in DIR), or use --dataset {name}-standin after "
        f"`study prepare {name}-standin`"
    )


def best_available(name: str) -> str:
    """Returns the real dataset if it is prepared, else what stands for it; prepares nothing.

    "mnist" becomes "mnist-standin"; "cifar10" becomes "folder:cifar10-jpeg" if that folder is in the data
    folder, else "cifar10-standin"; other names stay. The caller says which one it is (`describe(…).label`).
    """
    check_name(name)
    if name not in ("mnist", "cifar10") or is_prepared(name):
        return name
    if name == "cifar10" and (data_dir() / "folders" / "cifar10-jpeg").is_dir():
        return "folder:cifar10-jpeg"
    return f"{name}-standin"


def describe(
    name: str,
    *,
    split: str = "train",
    image_size: tuple[int, int] | None = None,
    examples: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
) -> Description:
    """Describes a dataset without loading it, and without TensorFlow.

    Args:
        name: a name of `NAMES`, or "folder:PATH".
        split: "train" or "test".
        image_size: (height, width) in pixels, for synthetic data and folders.
        examples: how many are wanted; None: all (synthetic: 1000).
        channels: of synthetic data (default 3) or a folder (3, or 1 for grey).
        classes: of synthetic data (default 10).

    Raises:
        StudyError: where the data is missing or cannot be given so.
    """
    check_name(name)
    _check_options(split, examples, image_size, channels, classes)
    if name == "synthetic":
        shape = (*map(int, image_size or SYNTHETIC_SIZE), int(channels or 3))
        return Description(name, LABELS[name], False, shape, classes or 10, examples or SYNTHETIC_EXAMPLES)
    if classes is not None:
        raise StudyError(f"classes can be chosen for synthetic data only (got classes {classes} for {name})")
    if name.startswith("folder:"):
        if channels not in (None, 1, 3):
            raise StudyError(f"channels of a folder must be 3, or 1 for grey (got {channels})")
        paths, _, names = list_files(name, examples=examples, split=split)
        size = tuple(map(int, image_size)) if image_size is not None else read_picture(paths[0]).shape[:2]
        label, real = folder_label(name)
        return Description(name, label, real, (*size, int(channels or 3)), len(names), len(paths))
    require(name)
    shape, class_count, available = records.read_info(records.prepared_place(name), split)
    if (image_size is not None and tuple(image_size) != shape[:2]) or (channels or shape[2]) != shape[2]:
        wanted = (*(image_size or shape[:2]), channels or shape[2])
        raise StudyError(
            f"{name} has images of {'x'.join(map(str, shape))} (got {'x'.join(map(str, wanted))}); leave "
            "image_size and channels out, and resize with transform resize_standardize"
        )
    if examples is not None and examples > available:
        raise StudyError(f"examples must be <= {available}, what {name} {split} has (got {examples}); give fewer")
    real = not name.endswith("-standin")
    return Description(name, LABELS[name], real, shape, class_count, examples or available)


def tfds_dataset(name: str, *, split: str = "train", examples: int | None = None, whole: bool = True):
    """Returns the prepared records as a tf.data.Dataset of (uint8 image (h, w, c), int64 label).

    Nothing is shuffled, and TFDS' own caching of small sets is off: it would keep the decoded images in
    memory unasked, so that no pipeline would ever read a record twice.

    Args:
        name: of a prepared set.
        split: "train" or "test".
        examples: how many, from the first on; None: all.
        whole: end with an error where fewer are read.

    Raises:
        StudyError: where it is not a prepared TFDS set, or has fewer examples.
    """
    check_name(name)
    if name == "synthetic" or name.startswith("folder:"):
        raise StudyError(f"records exist for mnist, cifar10 and their stand-ins (got {name}); use source 'arrays'")
    describe(name, split=split, examples=examples)
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(str(records.prepared_place(name)))
    part = split if examples is None else f"{split}[:{examples}]"
    config = tfds.ReadConfig(try_autocache=False, assert_cardinality=whole)
    try:
        return builder.as_dataset(split=part, as_supervised=True, shuffle_files=False, read_config=config)
    except (OSError, AssertionError, ValueError) as error:
        raise records.damaged(name, error) from None


def record_files(name: str, *, split: str = "train") -> int:
    """Returns how many record files a split of a prepared TFDS set has, of which FILE sharding gives whole ones."""
    require(name)
    return len(list(records.prepared_place(name).glob(f"*-{split}.*-of-*")))


def load_arrays(
    name: str,
    *,
    examples: int | None = None,
    split: str = "train",
    seed: int = 0,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    classes: int | None = None,
    dtype: str = "uint8",
) -> Arrays:
    """Loads a dataset into memory; decoded images are kept as .npy files in the data folder for the next time.

    Args:
        name: a name of `NAMES`, or "folder:PATH".
        examples: how many, from the first on (a folder: balanced over its classes); None: all
            (synthetic: 1000, and any number can be asked for).
        split: "train" or "test".
        seed: of synthetic data; the split changes it too.
        image_size: (height, width) in pixels; synthetic data (default 32x32) and folders (default: the size of
            the first picture; others are resized by the nearest pixel).
        channels: of synthetic data (default 3) or a folder (3, or 1 for grey).
        classes: of synthetic data (default 10).
        dtype: "uint8" for 0 to 255, "float32" or "float64" for 0 to 1.

    Raises:
        StudyError: where the data is missing, damaged, too small for `examples`, or too large for the memory.
    """
    if dtype not in DTYPES:
        raise StudyError(f"dtype must be one of {', '.join(DTYPES)} (got {dtype!r})")
    _check_number("seed", seed, least=0)
    what = describe(name, split=split, image_size=image_size, examples=examples, channels=channels, classes=classes)
    _check_memory(what, dtype)
    read, state = _reader(what, split, seed, examples)
    key = (what, split, seed, dtype, str(data_dir()), state)
    images, labels = _alive.get((key, "images")), _alive.get((key, "labels"))
    if images is None or labels is None:
        images, labels = read()
        if dtype != "uint8":
            images = images.astype(dtype) / np.asarray(255, dtype)
        for part, array in (("images", images), ("labels", labels)):
            array.flags.writeable = False
            _alive[key, part] = array
    return Arrays(images, labels, what)


def _check_memory(what, dtype):
    import psutil

    needed = what.examples * int(np.prod(what.image_shape)) * np.dtype(dtype).itemsize
    free = psutil.virtual_memory().available
    if needed > free:
        raise StudyError(
            f"the images must fit in memory (got {needed / 2**30:.1f} GiB for {free / 2**30:.1f} GiB free); "
            "give fewer examples or a smaller image_size"
        )


def _reader(what, split, seed, examples):
    """Returns (a function that reads uint8 images and int64 labels, a text that changes with the data)."""
    if what.name == "synthetic":
        return lambda: _synthetic(what, split, seed), ""
    if what.name.startswith("folder:"):
        paths, labels, _ = folder_files(what.name, examples=examples, split=split)
        size, channels = what.image_shape[:2], what.image_shape[2]

        def decode_folder():
            images = np.empty((len(paths), *what.image_shape), np.uint8)
            for row, path in enumerate(paths):
                images[row] = read_picture(path, image_size=size, channels=channels)
            return images, labels

        state = f"{fingerprint(paths)} {what.image_shape}"
        return lambda: decoded_cache.load_or_decode(f"folder-{split}", state, what.examples, decode_folder), state
    place = records.prepared_place(what.name)
    file = place / "dataset_info.json"
    state = f"{place} {split} {file.stat().st_mtime_ns} {file.read_text()}"

    def decode_records():
        # As large as it may be: one batch holds a hundred images or thousands at the same cost for each.
        batches = tfds_dataset(what.name, split=split).batch(1024).as_numpy_iterator()
        try:
            images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        except Exception as error:  # tf.errors.*, which must not be imported for an error that did not happen
            raise records.damaged(what.name, error) from None
        return images, labels.astype(np.int64)

    return lambda: decoded_cache.load_or_decode(f"{what.name}-{split}", state, what.examples, decode_records), state


def _synthetic(what, split, seed):
    generator = np.random.default_rng([seed, split == "test"])
    images = generator.integers(0, 256, (what.examples, *what.image_shape), dtype=np.uint8)
    return images, generator.integers(0, what.classes, what.examples, dtype=np.int64)
