"""The task by `TFImageDataGenerator`: ImageDataGenerator's work in tf.data, compiled by XLA.

It takes the very arguments that the original gets, `preprocessing_function` in Python included.
"""

import contextlib
import io

import tensorflow as tf

from helpers.pipelines import Feed, image_data_generator
from helpers.tasks import Task, transforms
from helpers.tf_image_data_generator import TFImageDataGenerator


def build(
    task: Task, *, coordinates: str = "float64", jit_compile: bool = True, repeat: bool = False
) -> tf.data.Dataset | Feed:
    """Returns the task as a tf.data.Dataset made by `TFImageDataGenerator`; as a `Feed` where it repeats.

    Args:
        task: what to deliver.
        coordinates: of the warp: "float64" gives the original's pixels, "float32" is faster.
        jit_compile: whether XLA compiles the pixel arithmetic.
        repeat: whether it repeats without end, with one iterator for all epochs of `fit`.
    """
    options, to_resize = image_data_generator.options_of(task)
    generator = TFImageDataGenerator(**options, coordinates=coordinates, jit_compile=jit_compile)
    with contextlib.redirect_stdout(io.StringIO()):  # "Found … images belonging to … classes."
        flow = image_data_generator.flow(generator, task)
    steps = len(flow)
    dataset = flow.endless() if repeat else flow
    if to_resize or dataset.element_spec[1].dtype != tf.int64:

        def finish(images, labels):
            resized = transforms.get(task.transform).apply_tf(images) if to_resize else images
            return resized, tf.cast(labels, tf.int64)

        dataset = dataset.map(finish, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
    return Feed(dataset, steps_per_epoch=steps) if repeat else dataset
