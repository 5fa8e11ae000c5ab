"""The data of the study: synthetic, MNIST and CIFAR-10 (real or a labelled stand-in), folders of pictures.

Nothing is ever substituted silently: a name means one thing, and a stand-in has a name of its own.
"""

import difflib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from helpers import paths
from helpers.errors import StudyError

NAMES = ("synthetic", "mnist", "cifar10", "mnist-standin", "cifar10-standin")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")
JPEG_FOLDER = "cifar10-jpeg"
_LABELS = {
    "synthetic": "synthetic",
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
    "mnist-standin": "stand-in for MNIST (generated)",
    "cifar10-standin": "stand-in for CIFAR-10 (generated)",
}


@dataclass(frozen=True)
class Description:
    """What a dataset is.

    Attributes:
        name: what tasks and grids call it.
        label: what people read.
        real: whether these are real pictures, not generated ones.
        image_shape: (height, width, channels).
        classes: how many.
        examples: how many are used.
    """

    name: str
    label: str
    real: bool
    image_shape: tuple[int, int, int]
    classes: int
    examples: int


@dataclass(frozen=True)
class Arrays:
    """A dataset in memory: images (n, height, width, channels), labels int64 (n,), and what it is."""

    images: np.ndarray
    labels: np.ndarray
    description: Description


def check_name(name: str) -> None:
    """Checks that a dataset of that name can exist, without looking for its files.

    Raises:
        StudyError: naming the nearest known one.
    """
    if name in NAMES or (isinstance(name, str) and name.startswith("folder:") and len(name) > len("folder:")):
        return
    near = difflib.get_close_matches(str(name), NAMES, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise StudyError(f"dataset must be one of {', '.join(NAMES)} or folder:PATH (got {name!r}){hint}")


def tfds_name(name: str) -> str:
    """Returns TensorFlow Datasets' name of a dataset: "mnist" for "mnist" and "mnist-standin"."""
    return name.removesuffix("-standin")


def tfds_dirs(name: str) -> list[Path]:
    """Returns the folders where a prepared set of that name may be, the first that is written to first."""
    import os

    if name.endswith("-standin"):
        return [paths.data_dir() / "standin"]
    elsewhere = os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets"
    return [paths.data_dir() / "tfds", Path(elsewhere)]


def prepared(name: str) -> Path | None:
    """Returns the folder of the prepared version of a TensorFlow Datasets set, or None."""
    for place in tfds_dirs(name):
        versions = sorted((place / tfds_name(name)).glob("*/dataset_info.json"))
        if versions:
            return versions[-1].parent
    return None


def best_available(name: str) -> str:
    """Returns the name of the best data that is here in place of `name`; prepares nothing.

    "mnist" is itself if it is prepared, else "mnist-standin". "cifar10" is itself if it is prepared, else the
    folder of its pictures re-encoded as JPEG if that is here, else "cifar10-standin". Others are themselves.
    """
    check_name(name)
    if name not in ("mnist", "cifar10") or prepared(name):
        return name
    jpegs = f"folder:{JPEG_FOLDER}"
    if name == "cifar10" and (paths.data_dir() / "folders" / JPEG_FOLDER).is_dir():
        return jpegs
    return f"{name}-standin"


def require(name: str) -> None:
    """Checks that the data of that name is here.

    Raises:
        StudyError: naming the remedies.
    """
    check_name(name)
    if name == "synthetic":
        return
    if name.startswith("folder:"):
        folder_path(name)
    elif prepared(name) is None:
        if name.endswith("-standin"):
            raise StudyError(f"{name} is not prepared; run `study prepare {name}`")
        raise StudyError(
            f"{name} is not prepared in {paths.data_dir() / 'tfds'}; run `study prepare {name}` "
            f"(without network: `study prepare {name} --archives DIR` with the official archives), "
            f"or use the dataset {name}-standin"
        )


def describe(
    name: str,
    *,
    split: str = "train",
    image_size: tuple[int, int] | None = None,
    examples: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
) -> Description:
    """Describes a dataset as it would be loaded with these arguments.

    Raises:
        StudyError: if it is not here, or has fewer examples.
    """
    require(name)
    if name == "synthetic":
        shape = (*(image_size or (32, 32)), channels or 3)
        return Description(name, _LABELS[name], False, shape, classes or 10, examples or 1000)
    if name.startswith("folder:"):
        files, _, class_names = folder_files(name, examples=examples, split=split)
        shape = (*(image_size or _picture_size(files[0])), 3)
        return Description(name, _folder_label(name), True, shape, len(class_names), len(files))
    if image_size is not None:
        raise StudyError(f"image_size can be chosen for synthetic data and folders only (got {image_size} for {name})")
    images, _ = _stored(name, split)
    total = len(images)
    _check_examples(name, examples, total)
    real = not name.endswith("-standin")
    return Description(name, _LABELS[name], real, images.shape[1:], 10, examples or total)


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
    """Loads a dataset into memory.

    Args:
        name: see `NAMES`, or "folder:PATH".
        examples: how many; None: all (1,000 synthetic ones). Of a folder: evenly spaced over the classes.
        split: "train" or "test".
        seed: of synthetic data.
        image_size: (height, width), for synthetic data and folders.
        channels: of synthetic data.
        classes: of synthetic data.
        dtype: "uint8" (0 to 255), or "float32" or "float64" (0 to 1).

    Raises:
        StudyError: if it is not here, has fewer examples, or a picture cannot be read.
    """
    if dtype not in ("uint8", "float32", "float64"):
        raise StudyError(f"dtype must be uint8, float32 or float64 (got {dtype!r})")
    if split not in ("train", "test"):
        raise StudyError(f"split must be train or test (got {split!r})")
    arguments = {"image_size": image_size, "examples": examples, "channels": channels, "classes": classes}
    description = describe(name, split=split, **arguments)
    if name == "synthetic":
        generator = np.random.default_rng((seed, 0 if split == "train" else 1))
        images = generator.integers(0, 256, (description.examples, *description.image_shape), dtype=np.uint8)
        labels = generator.integers(0, description.classes, description.examples)
    elif name.startswith("folder:"):
        files, labels, _ = folder_files(name, examples=examples, split=split)
        images = _read_pictures(tuple(files), description.image_shape[:2])
    else:
        images, labels = (np.array(stored[: description.examples]) for stored in _stored(name, split))
    if dtype != "uint8":
        images = images.astype(dtype) / np.asarray(255, dtype)
    return Arrays(images, labels.astype(np.int64), description)


def tfds_dataset(name: str, *, split: str = "train", examples: int | None = None):
    """Returns a prepared set as a tf.data.Dataset of (uint8 image (height, width, channels), int64 label).

    Raises:
        StudyError: if the name is none of TensorFlow Datasets', or the set is not prepared.
    """
    require(name)
    place = prepared(name) if name in _LABELS and name != "synthetic" else None
    if place is None:
        raise StudyError(f"TensorFlow Datasets has no {name}; use mnist, cifar10 or a stand-in")
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(place)
    _check_examples(name, examples, builder.info.splits[split].num_examples)
    return builder.as_dataset(split=split if examples is None else f"{split}[:{examples}]", as_supervised=True)


def prepare(name: str, *, archives=None, data_dir=None, progress=print) -> Path:
    """Gets a dataset ready; see `helpers.prepare.prepare`."""
    from helpers import prepare as preparing

    return preparing.prepare(name, archives=archives, data_dir=data_dir, progress=progress)


def folder_path(name: str, *, split: str = "train") -> Path:
    """Returns the folder that holds a folder a class, for "folder:PATH".

    PATH may be absolute, relative to the current folder, or a name under the data folder's `folders/`; it
    holds the classes, or `train/` and `test/` which do.

    Raises:
        StudyError: if there is no such folder, or it has no classes.
    """
    given = Path(name.removeprefix("folder:")).expanduser()
    place = next((p for p in (given, paths.data_dir() / "folders" / given) if p.is_dir()), None)
    if place is None:
        raise StudyError(f"folder:PATH must name a folder (got {str(given)!r}, which is not there)")
    if (place / split).is_dir():
        place = place / split
    elif split == "test":
        raise StudyError(f"{place} has no test/ folder; use split train")
    return place.resolve()


def folder_files(
    name: str, *, examples: int | None = None, split: str = "train"
) -> tuple[list[str], np.ndarray, list[str]]:
    """Lists a folder's pictures in the order of `flow_from_directory`: classes sorted, files sorted within.

    Args:
        name: "folder:PATH".
        examples: how many, evenly spaced within each class and balanced over the classes; None: all.
        split: "train" or "test", where the folder has them.

    Returns:
        Paths, labels int64 (n,), class names.

    Raises:
        StudyError: if the folder is empty, has too few pictures, or one of the chosen is not whole.
    """
    files, labels, class_names = _folder_files(str(folder_path(name, split=split)), examples)
    return list(files), labels.copy(), list(class_names)


@lru_cache(maxsize=8)
def _folder_files(place, examples):
    root = Path(place)
    by_class = {
        folder.name: sorted(str(p) for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
        for folder in sorted(p for p in root.iterdir() if p.is_dir())
    }
    by_class = {name: found for name, found in by_class.items() if found}
    total = sum(map(len, by_class.values()))
    if not total:
        raise StudyError(f"a folder of pictures must hold a folder a class with JPEG or PNG files (got none in {root})")
    _check_examples(f"folder:{root}", examples, total)
    wanted = _balanced([len(found) for found in by_class.values()], examples or total)
    files, labels = [], []
    for label, (found, count) in enumerate(zip(by_class.values(), wanted, strict=True)):
        chosen = np.linspace(0, len(found) - 1, count).round().astype(int) if count else []
        files += [found[index] for index in chosen]
        labels += [label] * count
    for file in files:
        _check_whole(file)
    return tuple(files), np.array(labels, np.int64), tuple(by_class)


def _balanced(sizes, total):
    """Shares `total` out over classes of these sizes as evenly as they allow."""
    counts = [0] * len(sizes)
    while total:
        open_classes = [index for index, size in enumerate(sizes) if counts[index] < size]
        share = max(1, total // len(open_classes))
        for index in open_classes:
            taken = min(share, sizes[index] - counts[index], total)
            counts[index] += taken
            total -= taken
    return counts


def _check_whole(file):
    """Looks at the first and last bytes of a JPEG or PNG file: is it one, and does it end as it must?"""
    with open(file, "rb") as opened:
        head = opened.read(8)
        opened.seek(0, 2)
        opened.seek(max(0, opened.tell() - 64))
        tail = opened.read()
    jpeg = head[:3] == b"\xff\xd8\xff" and b"\xff\xd9" in tail
    png = head == b"\x89PNG\r\n\x1a\n" and b"IEND" in tail
    if not (jpeg or png):
        raise StudyError(f"every picture must be a whole JPEG or PNG file (got {file}); mend it or take it out")


def _picture_size(file):
    from PIL import Image

    with Image.open(file) as picture:
        return picture.size[::-1]


@lru_cache(maxsize=2)
def _read_pictures(files, size):
    from PIL import Image

    images = np.empty((len(files), *size, 3), np.uint8)
    for index, file in enumerate(files):
        try:
            with Image.open(file) as picture:
                picture = picture.convert("RGB")
                if picture.size != size[::-1]:
                    picture = picture.resize(size[::-1], Image.Resampling.NEAREST)
                images[index] = np.asarray(picture)
        except OSError as error:
            raise StudyError(f"every picture must be readable (got {file}: {error}); mend it or take it out") from error
    return images


def _folder_label(name):
    place = Path(name.removeprefix("folder:")).name
    return "CIFAR-10 pictures re-encoded as JPEG" if place == JPEG_FOLDER else f"folder {place}"


def _check_examples(name, examples, total):
    if examples is not None and not 1 <= examples <= total:
        raise StudyError(f"examples must be from 1 to {total}, which is what {name} has (got {examples})")


@lru_cache(maxsize=4)
def _stored(name, split):
    """Returns a prepared set as memory-mapped arrays, decoded once and kept beside the prepared data."""
    place = prepared(name)
    kept = [paths.data_dir() / "arrays" / f"{name}-{place.name}-{split}-{part}.npy" for part in ("images", "labels")]
    newest = (place / "dataset_info.json").stat().st_mtime
    if not all(file.exists() and file.stat().st_mtime >= newest for file in kept):
        import tensorflow_datasets as tfds

        builder = tfds.builder_from_directory(place)
        count = builder.info.splits[split].num_examples
        dataset = builder.as_dataset(split=split, as_supervised=True, batch_size=count)
        decoded = next(iter(tfds.as_numpy(dataset)))
        for file, array in zip(kept, decoded, strict=True):
            _keep(file, array)
    return tuple(np.load(file, mmap_mode="r") for file in kept)


def _keep(file, array):
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{id(array)}.partial")
    with open(partial, "wb") as opened:
        np.save(opened, array)
    partial.replace(file)
