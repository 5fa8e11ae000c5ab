"""The task by Keras' preprocessing layers, which its documentation recommends instead of ImageDataGenerator.

Called in tf.data's map, a batch at a time (`build`), or within the model that is trained (`build_in_model`). They lack
much of ImageDataGenerator: see notebook 05 for what, and for how their pixels differ.
"""

import math
from inspect import signature

import keras
import tensorflow as tf

from helpers.errors import StudyError
from helpers.pipelines import AUTOTUNE, Feed, tf_data
from helpers.tasks import Task, transforms


def layers_of(task: Task) -> list:
    """Returns the layers that come nearest to the task's transform; those that draw do so in training only."""
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
        case _:  # resize_standardize
            resizing = keras.layers.Resizing(transforms.RESIZED, transforms.RESIZED)
            # Normalization standardises over a dataset; this is over an image.
            of_image = keras.layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-12, center=False, scale=False)
            return [rescaling, resizing, of_image]


def build_in_model(
    task: Task, *, num_parallel_calls: int = AUTOTUNE, prefetch: int = AUTOTUNE, repeat: bool = False
) -> Feed:
    """Returns the task as a `Feed` of undone batches, uint8, and the layers that do the work within the model.

    Args:
        task: what to deliver.
        num_parallel_calls: pictures decoded at once; -1: AUTOTUNE; 0: a plain map.
        prefetch: batches held ready; -1: AUTOTUNE; 0: none.
        repeat: whether it repeats without end: one iterator for all epochs.

    Raises:
        StudyError: for data that is not there.
    """
    dataset, examples = _shuffled(task, num_parallel_calls)
    steps = math.ceil(examples / task.batch_size) if repeat else None
    data = tf_data.finished(dataset.batch(task.batch_size), prefetch=prefetch, steps_per_epoch=steps)
    data = data.data if isinstance(data, Feed) else data
    return Feed(data, steps_per_epoch=steps, layers=keras.Sequential(layers_of(task)))


def _shuffled(task, num_parallel_calls):
    """Returns (dataset of decoded, shuffled examples; how many there are)."""
    dataset, decode, examples = tf_data.source_of(task, "element")
    if decode:
        dataset = dataset.map(decode, num_parallel_calls=num_parallel_calls or None)
    return (dataset.shuffle(examples, seed=task.seed) if task.shuffle else dataset), examples


def build(
    task: Task, *, num_parallel_calls: int = AUTOTUNE, prefetch: int = AUTOTUNE, repeat: bool = False
) -> tf.data.Dataset | Feed:
    """Returns the task as a tf.data.Dataset whose map calls the layers; as a `Feed` where it repeats.

    Raises:
        StudyError: for resize_standardize where Keras trains on JAX.
    """
    if task.transform == "resize_standardize" and keras.backend.backend() != "tensorflow":
        raise StudyError(
            f"keras_layers standardises an image by a layer that tf.data cannot call (got KERAS_BACKEND="
            f"{keras.backend.backend()}); use layers_in_model or tf_data"
        )
    layers = layers_of(task)
    dataset, examples = _shuffled(task, num_parallel_calls)

    def apply(images, labels):
        for layer in layers:
            images = layer(images, training=True) if "training" in signature(layer.call).parameters else layer(images)
        return images, labels

    dataset = dataset.batch(task.batch_size).map(apply, num_parallel_calls=num_parallel_calls or None)
    steps = math.ceil(examples / task.batch_size) if repeat else None
    return tf_data.finished(dataset, prefetch=prefetch, steps_per_epoch=steps)
