"""The task by Keras' preprocessing layers, which its documentation recommends instead of ImageDataGenerator.

Called in tf.data's map, a batch at a time; `stack` gives the same layers to put into a model. They lack much of
ImageDataGenerator: see notebook 05 for what, and for how their pixels differ.
"""

import math

import keras
import tensorflow as tf

from helpers.errors import StudyError
from helpers.pipelines import AUTOTUNE, Feed, tf_data
from helpers.tasks import Task, transforms


def layers_of(task: Task) -> list:
    """Returns the layers that come nearest to the task's transform.

    Raises:
        StudyError: where no layer does it.
    """
    seed, rescaling = task.seed, keras.layers.Rescaling(1 / 255)
    added = transforms.ADDED.get(task.transform)
    flip = keras.layers.RandomFlip("horizontal", seed=seed)
    match task.transform:
        case "rescale":
            return [rescaling]
        case "noise":
            return [rescaling, keras.layers.GaussianNoise(transforms.NOISE_SD, seed=seed)]
        case "brightness":
            return [rescaling, keras.layers.RandomBrightness(added, value_range=(0, 1), seed=seed)]
        case "flip_brightness":
            return [rescaling, flip, keras.layers.RandomBrightness(added, value_range=(0, 1), seed=seed)]
        case "shear_zoom_flip":
            slant = math.tan(math.radians(transforms.SHEAR_DEGREES))
            shear = keras.layers.RandomShear(x_factor=(0.0, slant), y_factor=0, fill_mode="nearest", seed=seed)
            zoom = (-transforms.ZOOM, transforms.ZOOM)
            return [rescaling, shear, keras.layers.RandomZoom(zoom, zoom, fill_mode="nearest", seed=seed), flip]
        case name:
            raise StudyError(
                f"keras_layers has no layer for {name!r} (standardising image by image); use tf_data or py_dataset"
            )


def stack(task: Task) -> keras.Sequential:
    """Returns the layers as one model, to be put before others; they act in training only."""
    return keras.Sequential(layers_of(task))


def build(
    task: Task, *, num_parallel_calls: int = AUTOTUNE, prefetch: int = AUTOTUNE, repeat: bool = False
) -> tf.data.Dataset | Feed:
    """Returns the task as a tf.data.Dataset whose map calls the layers; as a `Feed` where it repeats.

    Raises:
        StudyError: where no layer does the transform.
    """
    layers = layers_of(task)
    dataset, decode, examples = tf_data.source_of(task, "element")
    calls = num_parallel_calls or None
    if decode:
        dataset = dataset.map(decode, num_parallel_calls=calls)
    if task.shuffle:
        dataset = dataset.shuffle(examples, seed=task.seed)

    def apply(images, labels):
        for layer in layers:
            images = layer(images) if isinstance(layer, keras.layers.Rescaling) else layer(images, training=True)
        return images, labels

    dataset = dataset.batch(task.batch_size).map(apply, num_parallel_calls=calls)
    steps = math.ceil(examples / task.batch_size) if repeat else None
    return tf_data.finished(dataset, prefetch=prefetch, steps_per_epoch=steps)
