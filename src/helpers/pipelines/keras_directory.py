"""The task by `keras.utils.image_dataset_from_directory`, which Keras recommends instead of flow_from_directory.

As it comes, it gives batches of float32 images, 0 to 255, resized bilinearly, with int32 labels: the rest of the task
is left to the model. It decodes JPEG by TensorFlow's default, INTEGER_FAST, which differs from Pillow's pixels by up to
6 of 255 on photographs, and has no option for that; it shuffles within 8 batches. Parity says so.
"""

from typing import Any

import keras
import tensorflow as tf

from helpers.errors import StudyError
from helpers.pipelines import Feed, tf_data
from helpers.tasks import Task, transforms


def build(task: Task, *, finish: bool = False, repeat: bool = False) -> tf.data.Dataset | Feed:
    """Returns the folder as a tf.data.Dataset; as a `Feed` where it repeats.

    Args:
        task: what to deliver, of which it knows the folder, the size of the images, the batches, shuffle and seed.
        finish: whether it also resizes by the nearest pixel as the others do, and a map does the task's transform and
            makes the labels int64.
        repeat: whether it repeats without end, with one iterator for all epochs of `fit`.

    Raises:
        StudyError: where the task reads no folder, or a part of one.
    """
    if task.source != "folder":
        raise StudyError(f"keras_directory reads folders (got source {task.source!r}); use source folder")
    available = len(task.data.files()[0])  # and refuses a damaged picture
    if task.examples not in (None, available):
        raise StudyError(
            f"keras_directory reads a whole folder (got examples {task.examples} of {available}); leave examples out"
        )
    options: dict[str, Any] = {"interpolation": "nearest"} if finish else {}
    dataset = keras.utils.image_dataset_from_directory(
        task.data.path(),
        image_size=task.describe().image_shape[:2],
        batch_size=task.batch_size,
        shuffle=task.shuffle,
        seed=task.seed,
        verbose=False,
        **options,
    )
    steps = len(dataset) if repeat else None
    if not finish:
        return tf_data.finished(dataset, prefetch=0, steps_per_epoch=steps)
    transform = transforms.get(task.transform)
    if transform.random:
        dataset = tf_data.with_seeds(dataset, task.seed)

    def apply(*element):
        (images, labels), *own_seed = element if transform.random else (element,)
        images, draws = tf.cast(images, tf.uint8), {}
        if transform.random:
            draws = transform.draw_tf(tf.stack([*own_seed, task.seed]), (tf.shape(images)[0],), images.shape[-3:])
        return transform.apply_tf(images, draws), tf.cast(labels, tf.int64)

    dataset = dataset.map(apply, num_parallel_calls=tf.data.AUTOTUNE)
    return tf_data.finished(dataset, steps_per_epoch=steps)
