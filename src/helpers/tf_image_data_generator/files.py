"""Image files decoded to the pixels of the original's Pillow path.

JPEG and PNG in colour with `interpolation="nearest"` are decoded and resized by TensorFlow; the rest (other colour
modes, interpolations and file formats, keep_aspect_ratio) by Pillow itself, as the original does, in several threads.
TensorFlow's decoder is about as fast as Pillow's on x86-64, and slower on Arm (0.7 times its rate on a Neoverse V2, by
arXiv 2605.08731): there `interpolation="bilinear"` may well be read faster than "nearest".
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .batches import Source
from .listings import CHANNELS, Listing

IN_TENSORFLOW = (".jpg", ".jpeg", ".png")


def decode(path: Any) -> Any:
    """Decodes a picture in TensorFlow to the pixels that Pillow gives.

    Args:
        path: string tensor, of a JPEG or PNG file: `decode_jpeg` reads both, and needs no `tf.cond` to choose.

    Returns:
        uint8 tensor (height, width, 3), 0 to 255.
    """
    return tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method="INTEGER_ACCURATE")


def decode_to(path: Any, size: tuple[int, int]) -> Any:
    """Decodes a picture and resizes it by the nearest pixel, to the pixels that Pillow gives.

    Args:
        path: as for `decode`.
        size: (height, width), pixels.

    Returns:
        uint8 tensor (height, width, 3), 0 to 255.
    """
    return tf.ensure_shape(pick_nearest(decode(path), size), (*size, 3))


def pick_nearest(image: Any, size: tuple[int, int]) -> Any:
    """Resizes as Pillow's nearest does: positions are summed up one by one (Pillow, `Geometry.c`, ScaleAffine).

    Args:
        image: uint8 tensor (height, width, channels).
        size: (height, width), pixels.

    Returns:
        uint8 tensor of that size.
    """
    parts = np.array([[0.5] + [1.0] * (max(size) - 1)])  # of a step, summed up
    lengths = tf.shape(image)[:2, None]
    steps = tf.cast(lengths, tf.float64) / np.reshape(size, (2, 1)).astype(float)
    indices = tf.minimum(tf.cast(tf.cumsum(steps * parts, axis=1), tf.int32), lengths - 1)
    for axis, wanted in enumerate(size):
        image = tf.gather(image, indices[axis, :wanted], axis=axis)
    return image


def source(listing: Listing, dtype: str) -> Source:
    """Returns the images and labels of listed files.

    Args:
        listing: of a folder or a table.
        dtype: of the labels where they are numbers of classes.
    """
    read, in_graph = _reader(listing)
    return Source(
        read=read,
        in_graph=in_graph,
        shape=(*listing.target_size, CHANNELS[listing.color_mode]),
        labels=_labels(listing, dtype),
        weights=listing.sample_weight,
        images_are_labels=listing.class_mode == "input",
    )


def _reader(listing) -> tuple[Callable, bool]:
    """Returns (read, whether for a graph), as `Source` wants them, of uint8 images."""
    paths, size = listing.filepaths, listing.target_size
    how = {name: getattr(listing, name) for name in ("color_mode", "interpolation", "keep_aspect_ratio")}
    shape = (*size, CHANNELS[listing.color_mode])
    plain = tuple(how.values()) == ("rgb", "nearest", False)
    if plain and all(path.lower().endswith(IN_TENSORFLOW) for path in paths):
        with tf.device("CPU"):
            names = tf.constant(list(paths))
        return lambda index: decode_to(names[index], size), True

    def load(indices):
        pictures = [keras.utils.load_img(paths[index], target_size=size, **how) for index in indices.numpy()]
        return tf.constant(np.stack([np.asarray(picture, np.uint8).reshape(shape) for picture in pictures]))

    return load, False


def _labels(listing, dtype):
    """Returns the labels of all files, as the iterator would yield them, or None."""
    class_mode = listing.class_mode
    if class_mode in ("binary", "sparse"):
        return np.asarray(listing.classes, dtype)
    if class_mode == "categorical":
        labels = np.zeros((listing.samples, len(listing.class_indices)), dtype)
        for row, classes in zip(labels, listing.classes, strict=True):
            row[classes] = 1
        return labels
    if class_mode == "multi_output":
        return tuple(np.asarray(output) for output in listing.labels)
    return np.asarray(listing.labels) if class_mode == "raw" else None
