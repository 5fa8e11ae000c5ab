"""Which images and labels a flow has: of arrays, of a folder, of a table; listed and refused as Keras does it.

Source: Keras, `legacy/preprocessing/image.py`, `NumpyArrayIterator`, `DirectoryIterator` and `DataFrameIterator`.
"""

import os
import types
import warnings
from typing import Any

import keras
import numpy as np

from .arguments import Arguments, warn_of_channels

SUFFIXES = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}
OF_A_FOLDER = ("categorical", "binary", "sparse", "input", None)
OF_A_TABLE = ("binary", "categorical", "input", "multi_output", "raw", "sparse", None)
WITHOUT_CLASSES = ("input", "multi_output", "raw", None)
KEPT = (
    *("batch_size", "shuffle", "seed", "save_to_dir", "save_prefix", "save_format"),
    *("class_mode", "interpolation", "keep_aspect_ratio"),
)


class Listing(types.SimpleNamespace):
    """What a flow holds, under the names of the original's iterators; some depend on what was listed.

    Attributes:
        n: images.
        batch_size: images per batch.
        shuffle: whether each epoch has its own order.
        seed: of order and draws, or None.
        data_format: "channels_last" or "channels_first".
        dtype: of finished images.
        save_to_dir: folder to write pictures to, or None; with `save_prefix` and `save_format`.
        labels: of all images, or None.
        sample_weight: (n,), or None.
    """

    white_list_formats = SUFFIXES
    workers, use_multiprocessing, max_queue_size = 1, False, 10

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return -(-self.n // self.batch_size)


def of_arrays(
    given: Arguments,
    x: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    ignore_class_split: bool = False,
    subset: str | None = None,
    **how: Any,
) -> Listing:
    """Lists images in memory.

    Args:
        given: the generator's arguments.
        x: images of rank 4, kept in uint8 or made `given.dtype`; or a pair of those and more arrays of their length.
        y: labels, or None.
        sample_weight: (n,), or None.
        ignore_class_split: do not compare the classes of the two subsets.
        subset: "training", "validation" or None.
        **how: `batch_size`, `shuffle`, `seed`, `save_to_dir`, `save_prefix`, `save_format`.

    Returns:
        A listing with `x`, `x_misc` and `y` too.

    Raises:
        ValueError: for lengths, ranks or subsets that do not fit.
    """
    images, *rest = x if isinstance(x, (tuple, list)) else (x,)
    images = np.asarray(images)
    more = [np.asarray(part) for part in (rest[0] if rest and isinstance(rest[0], list) else rest[:1])]
    labels: Any = None if y is None else np.asarray(y)
    weights: Any = None if sample_weight is None else np.asarray(sample_weight)
    for part in more:
        if len(images) != len(part):
            raise ValueError(
                "All of the arrays in `x` should have the same length. "
                f"Found a pair with: len(x[0]) = {len(images)}, len(x[?]) = {len(part)}"
            )
    for name, shown, part in (("y", "`y` (labels)", labels), ("sample_weight", "`sample_weight`", weights)):
        if part is not None and len(images) != len(part):
            raise ValueError(
                f"`x` (images tensor) and {shown} should have the same length. "
                f"Found: x.shape = {images.shape}, {name}.shape = {part.shape}"
            )
    if subset is not None:
        _check_subset(subset)
        first = int(len(images) * given.validation_split)
        taken = slice(None, first) if subset == "validation" else slice(first, None)
        if labels is not None:
            if not ignore_class_split and not np.array_equal(np.unique(labels[:first]), np.unique(labels[first:])):
                raise ValueError(
                    "Training and validation subsets have different number of classes after the split. "
                    "If your numpy arrays are sorted by the label, you might want to shuffle them."
                )
            labels = labels[taken]
        images, more = images[taken], [part[taken] for part in more]
    if images.dtype != np.uint8:
        images = np.asarray(images, given.dtype)
    if images.ndim != 4:
        raise ValueError(
            f"Input data in `NumpyArrayIterator` should have rank 4. You passed an array with shape {images.shape}"
        )
    warn_of_channels(images.shape, given.data_format)
    return Listing(
        **how,
        x=images,
        x_misc=more,
        y=labels,
        labels=labels,
        sample_weight=weights,
        n=len(images),
        samples=len(images),
        data_format=given.data_format,
        dtype=given.dtype,
    )


def _check_subset(subset):
    if subset not in ("training", "validation"):
        raise ValueError(f'Invalid subset name: {subset}; expected "training" or "validation".')


def _of_files(*, given, directory, target_size, color_mode, subset, **arguments):
    """Lists what folders and tables have in common, as the original names it."""
    if color_mode not in CHANNELS:
        raise ValueError(f'Invalid color mode: {color_mode}; expected "rgb", "rgba", or "grayscale".')
    size, channels, split = tuple(target_size), (CHANNELS[color_mode],), None
    if subset is not None:
        _check_subset(subset)
        split = (0, given.validation_split) if subset == "validation" else (given.validation_split, 1)
    return Listing(
        **{name: arguments[name] for name in KEPT},
        directory=directory or "",
        target_size=size,
        color_mode=color_mode,
        image_shape=size + channels if given.data_format == "channels_last" else channels + size,
        subset=subset,
        split=split,
        data_format=given.data_format,
        dtype=given.dtype,
        sample_weight=None,
    )


def _check_class_mode(listing, known):
    if listing.class_mode not in known:
        raise ValueError(f"Invalid class_mode: {listing.class_mode}; expected one of: {known}")
    listing.allowed_class_modes = set(known)


def _settle(listing, filenames, said):
    """Adds the files, and says how many there are, as the original does."""
    listing.filenames = filenames
    listing.filepaths = [os.path.join(listing.directory, name) for name in filenames]
    listing.n = listing.samples = len(filenames)
    if keras.config.is_interactive_logging_enabled():
        print(f"Found {listing.n} {said}.")
    return listing


def of_folder(
    given: Arguments,
    directory: Any,
    target_size: tuple[int, int] = (256, 256),
    color_mode: str = "rgb",
    classes: Any = None,
    class_mode: str | None = "categorical",
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int | None = None,
    save_to_dir: Any = None,
    save_prefix: str = "",
    save_format: str = "png",
    follow_links: bool = False,
    subset: str | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Listing:
    """Lists the image files of one folder per class; arguments as the original's `flow_from_directory`.

    Returns:
        A listing with `filenames`, `filepaths`, `classes`, `class_indices` and `num_classes` too.

    Raises:
        ValueError: for a mode or a subset that is unknown.
        FileNotFoundError: where there is no such folder.
    """
    arguments = dict(locals())
    listing = _of_files(**arguments)
    _check_class_mode(listing, OF_A_FOLDER)
    names = classes or sorted(name for name in os.listdir(directory) if os.path.isdir(os.path.join(directory, name)))
    listing.class_indices = {name: number for number, name in enumerate(names)}
    listing.num_classes = len(names)
    filenames: list[str] = []
    numbers: list[int] = []
    for name in names:
        found = list(_image_files(os.path.join(directory, name), follow_links))
        if listing.split:
            found = found[slice(*(int(share * len(found)) for share in listing.split))]
        inside = os.path.basename(os.path.join(directory, name))
        filenames += [os.path.join(inside, path) for path in found]
        numbers += [listing.class_indices[inside]] * len(found)
    listing.classes = listing.labels = np.array(numbers, "int32")
    return _settle(listing, filenames, f"images belonging to {len(names)} classes")


def _image_files(folder, follow_links):
    """Yields paths below a folder, relative to it: folder by folder, each sorted by name."""
    for root, _, names in sorted(os.walk(folder, followlinks=follow_links), key=lambda walked: walked[0]):
        for name in sorted(names):
            if name.lower().endswith(".tiff"):
                warnings.warn(
                    'Using ".tiff" files with multiple bands will cause distortion. Please verify your output.',
                    stacklevel=5,
                )
            if name.lower().endswith(SUFFIXES):
                yield os.path.relpath(os.path.join(root, name), folder)


def of_table(
    given: Arguments,
    dataframe: Any,
    directory: Any = None,
    x_col: str = "filename",
    y_col: Any = "class",
    weight_col: str | None = None,
    target_size: tuple[int, int] = (256, 256),
    color_mode: str = "rgb",
    classes: Any = None,
    class_mode: str | None = "categorical",
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int | None = None,
    save_to_dir: Any = None,
    save_prefix: str = "",
    save_format: str = "png",
    subset: str | None = None,
    interpolation: str = "nearest",
    validate_filenames: bool = True,
    **deprecated: Any,
) -> Listing:
    """Lists the image files that a table names; arguments as the original's `flow_from_dataframe`.

    Returns:
        A listing with `filenames` and `filepaths`, and with `classes` and `class_indices` where there are classes.

    Raises:
        ValueError: for a mode or a subset that is unknown, or classes that are not two where there must be.
        TypeError: for a column of another type than its use asks for.
    """
    arguments = {"keep_aspect_ratio": False, **locals()}
    for name in sorted(deprecated.keys() & {"has_ext", "sort", "drop_duplicates"}):
        warnings.warn(f"{name} is deprecated, and changes nothing", DeprecationWarning, stacklevel=3)
    if class_mode == "other":
        warnings.warn('`class_mode="other"` is deprecated, please use "raw"', DeprecationWarning, stacklevel=3)
        arguments["class_mode"] = class_mode = "raw"
    listing = _of_files(**arguments)
    _check_class_mode(listing, OF_A_TABLE)
    _check_columns(dataframe, class_mode, x_col, y_col, weight_col, classes)
    table, has_classes = dataframe, class_mode not in WITHOUT_CLASSES
    if validate_filenames:
        table = _with_files(table, listing.directory, x_col)
    if has_classes:
        table, names = _with_classes(table, y_col, classes)
        listing.class_indices = {name: number for number, name in enumerate(names)}
    if listing.split:
        table = table.iloc[slice(*(int(share * len(table)) for share in listing.split))]
    if has_classes:
        numbers = listing.class_indices
        listing.classes = listing.labels = [
            [numbers[name] for name in label] if isinstance(label, (list, tuple)) else numbers[label]
            for label in table[y_col]
        ]
    elif class_mode == "multi_output":
        listing.labels = [np.array(table[column].tolist()) for column in y_col]
    elif class_mode == "raw":
        listing.labels = table[y_col].values
    listing.sample_weight = table[weight_col].values if weight_col else None
    said = "validated image filenames" if validate_filenames else "non-validated image filenames"
    if has_classes:
        said += f" belonging to {len(listing.class_indices)} classes"
    return _settle(listing, table[x_col].tolist(), said)


def _check_columns(table, class_mode, x_col, y_col, weight_col, classes):
    """Checks what a table holds against what is asked of it."""

    def is_all(column, kinds):
        return all(isinstance(value, kinds) for value in table[column])

    if class_mode == "multi_output" and not isinstance(y_col, list):
        raise TypeError(f'If class_mode="{class_mode}", y_col must be a list. Received {type(y_col).__name__}.')
    if not is_all(x_col, str):
        raise TypeError(f"All values in column x_col={x_col} must be strings.")
    if class_mode in ("binary", "sparse") and not is_all(y_col, str):
        raise TypeError(f'If class_mode="{class_mode}", y_col="{y_col}" column values must be strings.')
    if class_mode == "binary" and classes and len(set(classes)) != 2:
        raise ValueError(f'If class_mode="binary" there must be 2 classes. {len(set(classes))} class/es were given.')
    if class_mode == "binary" and not classes and table[y_col].nunique() != 2:
        raise ValueError(f'If class_mode="binary" there must be 2 classes. Found {table[y_col].nunique()} classes.')
    if class_mode == "categorical" and not is_all(y_col, (str, list, tuple)):
        raise TypeError(
            f'If class_mode="{class_mode}", y_col="{y_col}" column values must be type string, list or tuple.'
        )
    if classes and class_mode in WITHOUT_CLASSES:
        warnings.warn(f'`classes` will be ignored given the class_mode="{class_mode}"', stacklevel=4)
    if weight_col and not issubclass(table[weight_col].dtype.type, np.number):
        raise TypeError(f"Column weight_col={weight_col} must be numeric.")


def _with_files(table, directory, x_col):
    """Returns the rows whose image file is there."""
    paths = [os.path.join(directory, name) for name in table[x_col]]
    is_file = np.array([path.lower().endswith(SUFFIXES) and os.path.isfile(path) for path in paths], bool)
    if not is_file.all():
        warnings.warn(
            f'Found {(~is_file).sum()} invalid image filename(s) in x_col="{x_col}". '
            "These filename(s) will be ignored.",
            stacklevel=4,
        )
    return table[is_file]


def _with_classes(table, y_col, classes):
    """Returns the rows that have a class of those given, without the others, and all classes."""
    if not classes:
        labels = table[y_col].tolist()
        found = {name for label in labels for name in (label if isinstance(label, (list, tuple)) else [label])}
        return table.dropna(subset=[y_col]), sorted(found)
    names = list(dict.fromkeys(classes))

    def known(label):
        if isinstance(label, (list, tuple)):
            return [name for name in label if name in names] or None
        return label if label in names else None

    table = table.copy()
    table[y_col] = table[y_col].map(known)
    return table.dropna(subset=[y_col]), names
