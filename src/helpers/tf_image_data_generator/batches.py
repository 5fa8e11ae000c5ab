"""The batches of a flow as a tf.data.Dataset: planned, made in parallel, labelled, saved where that is asked for."""

import os
from dataclasses import dataclass

import numpy as np

from helpers.tf_image_data_generator import plans
from helpers.tf_image_data_generator.draws import Ranges

SPAN_IMAGES = 256
SPAN_BYTES = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What goes with the images of a flow.

    Attributes:
        labels: array(s) with a row an image, in any nest, or None.
        more: arrays to hand through beside the images.
        weights: (n,), or None.
        images_are_labels: the finished images are their own labels.
        saving: (folder, prefix, format) to write pictures to; folder None: do not.
        data_format: of the finished images, for writing them.
    """

    labels: object = None
    more: tuple = ()
    weights: object = None
    images_are_labels: bool = False
    saving: tuple = (None, "", "png")
    data_format: str = "channels_last"


def span_of(batch_size: int, image_bytes: int) -> int:
    """Returns how many images to make at once: whole batches, and more than one where batches are small.

    A call of a map costs tf.data and XLA the same for one image as for a hundred.
    """
    images = min(SPAN_IMAGES, SPAN_BYTES // max(image_bytes, 1))
    return batch_size * max(1, images // batch_size)


def batches(
    count: int, read, finish, *, ranges: Ranges, parts: Parts, dtype, stream: bool, batch_size: int, span: int,
    shuffle: bool, seed: int | None, size: tuple[int, int],
):  # fmt: skip
    """Returns the dataset.

    Args:
        count: images.
        read: a function of int64 indices (n,) that gives source images.
        finish: a function of images and draws, see `idg_pixels.make`.
        ranges: what to draw.
        parts: what goes with the images.
        dtype: of the finished images.
        stream: whether to draw as the original does.
        batch_size: images a batch; the last one is partial.
        span: images made at once, a multiple of the batch size.
        shuffle: whether each epoch has its own order.
        seed: of orders and draws; None: a new one.
        size: (height, width) of the images, pixels.
    """
    import tensorflow as tf

    with tf.device("CPU"):
        labels, weights = (None if part is None else tf.nest.map_structure(tf.constant, part)
                           for part in (parts.labels, parts.weights))  # fmt: skip
        more = [tf.constant(array) for array in parts.more]
    settings = {"shuffle": shuffle, "seed": seed, "ranges": ranges}
    if stream:
        planned, draw = plans.stream_plan(count, span, size=size, **settings)
    else:
        planned, draw = plans.stateless_plan(count, span, **settings)

    def prepare(indices, drawn_from):
        images = tf.cast(finish(read(indices), draw(indices, drawn_from)), dtype)
        if parts.saving[0]:
            images = _save(images, indices, parts)
        taken = [tf.gather(array, indices) for array in more]
        made = [(images, *taken) if taken else images]
        if parts.images_are_labels:
            made.append(images)
        elif labels is not None:
            made.append(tf.nest.map_structure(lambda array: tf.gather(array, indices), labels))
        if weights is not None and len(made) > 1:
            made.append(tf.gather(weights, indices))
        return tuple(made) if len(made) > 1 else made[0]

    dataset = planned.map(prepare, num_parallel_calls=2 * len(os.sched_getaffinity(0)))
    if span > batch_size:
        dataset = dataset.flat_map(lambda *made: _cut(made if len(made) > 1 else made[0], batch_size))
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread sleeps when an epoch's iterator is deleted: up to 0.6 s
    dataset = dataset.prefetch(2).apply(tf.data.experimental.assert_cardinality(-(-count // batch_size)))
    return dataset.with_options(options)


def _cut(made, batch_size):
    """Returns a dataset of the batches of one span, the last one partial."""
    import tensorflow as tf

    count = tf.shape(tf.nest.flatten(made)[0])[0]
    whole = count // batch_size

    def fold(tensor):
        return tf.reshape(tensor[: whole * batch_size], [-1, batch_size, *tensor.shape[1:]])

    full = tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(fold, made))
    rest = tf.nest.map_structure(lambda tensor: tensor[whole * batch_size :], made)
    partial = tf.data.Dataset.from_tensors(rest).take(tf.cast(count % batch_size > 0, tf.int64))
    return full.concatenate(partial)


def _save(images, indices, parts):
    import tensorflow as tf

    folder, prefix, kind = parts.saving

    def write(images, indices):
        from keras.utils import array_to_img

        for image, index in zip(images, indices, strict=True):
            name = f"{prefix}_{index}_{np.random.default_rng().integers(10**7)}.{kind}"
            array_to_img(image, parts.data_format, scale=True).save(os.path.join(folder, name))
        return images

    return tf.ensure_shape(tf.numpy_function(write, [images, indices], images.dtype), images.shape)
