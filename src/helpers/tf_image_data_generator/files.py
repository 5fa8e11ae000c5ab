"""Image files decoded to the pixels of the original's Pillow path.

JPEG and PNG in colour with `interpolation="nearest"` are decoded and resized by TensorFlow; the rest (other colour
modes, interpolations and file formats, keep_aspect_ratio) by Pillow itself, as the original does.
"""

import numpy as np

from helpers.datasets import folders

IN_TENSORFLOW = (".jpg", ".jpeg", ".png")


def pick_nearest(image, target_size):
    """Resizes as Pillow's nearest does: positions are summed up one by one (Pillow, `Geometry.c`, ScaleAffine).

    Args:
        image: uint8 tensor (height, width, channels).
        target_size: (height, width), pixels.
    """
    import tensorflow as tf

    for axis, size in enumerate(target_size):
        length = tf.shape(image)[axis]
        step = tf.cast(length, tf.float64) / size
        steps = tf.concat([[step * 0.5], tf.fill([size - 1], step)], axis=0)
        places = tf.minimum(tf.cast(tf.floor(tf.cumsum(steps)), tf.int32), length - 1)
        image = tf.gather(image, places, axis=axis)
    return image


def reader(paths, *, target_size, color_mode, interpolation, keep_aspect_ratio):
    """Returns a function of indices, int64 tensor (n,), that gives uint8 images (n, height, width, channels).

    Args:
        paths: the files.
        target_size: (height, width), pixels.
        color_mode: "rgb", "rgba" or "grayscale".
        interpolation: Pillow's name of how an image is resized.
        keep_aspect_ratio: crop in the centre before resizing.
    """
    import tensorflow as tf

    channels = {"grayscale": 1, "rgb": 3, "rgba": 4}[color_mode]
    shape = (*target_size, channels)
    plain = color_mode == "rgb" and interpolation == "nearest" and not keep_aspect_ratio
    in_tensorflow = plain and all(path.lower().endswith(IN_TENSORFLOW) for path in paths)
    names = tf.constant(list(paths))

    def decode(path):
        image = folders.decode(path)
        image = tf.cond(
            tf.reduce_all(tf.shape(image)[:2] == list(target_size)),
            lambda: image,
            lambda: pick_nearest(image, target_size),
        )
        return tf.ensure_shape(image, shape)

    def load(indices):
        from keras.utils import load_img

        images = np.empty((len(indices), *shape), np.uint8)
        for place, index in enumerate(indices):
            image = load_img(
                paths[index],
                color_mode=color_mode,
                target_size=target_size,
                interpolation=interpolation,
                keep_aspect_ratio=keep_aspect_ratio,
            )
            images[place] = np.asarray(image).reshape(shape)
        return images

    def read(indices):
        if in_tensorflow:
            return tf.map_fn(decode, tf.gather(names, indices), fn_output_signature=tf.TensorSpec(shape, tf.uint8))
        return tf.ensure_shape(tf.numpy_function(load, [indices], tf.uint8), [None, *shape])

    return read


def labels_of(listing, class_mode, dtype):
    """Returns the labels of all files of one of the original's iterators, as it would yield them, or None.

    Args:
        listing: a DirectoryIterator or DataFrameIterator of Keras.
        class_mode: "categorical", "binary", "sparse", "multi_output", "raw", "input" or None.
        dtype: of the labels of the first three.
    """
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
