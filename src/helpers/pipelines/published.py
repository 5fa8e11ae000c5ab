"""The six examples of the two published answers, faithful to their descriptions, faults included.

They are here to be shown and measured as they were published; the fair counterparts are the other
pipelines. What makes each unlike the others is named in its docstring.
"""

import contextlib
import io
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.keras.preprocessing.image import ImageDataGenerator

from helpers.errors import StudyError
from helpers.tasks import Task

BATCH = 32


def _uniform_images(task) -> tuple[np.ndarray, np.ndarray]:
    """1,000 images (or the task's number), float64 0 to 1 (n, 32, 32, 3), and labels 0 or 1."""
    count, generator = task.examples or 1000, np.random.RandomState(task.seed)
    return generator.rand(count, 32, 32, 3), generator.randint(0, 2, count)


class NoiseSequence(keras.utils.PyDataset):
    """Slices in stored order, noise of sd 0.1 on every pixel, float64 batches."""

    def __init__(self, images, labels, batch_size):
        """Takes float64 images (n, height, width, channels) and int64 labels (n,)."""
        super().__init__()
        self.images, self.labels, self.batch_size = images, labels, batch_size

    def __len__(self):
        """Returns the number of batches, the partial one included."""
        return int(np.ceil(len(self.images) / self.batch_size))

    def __getitem__(self, index):
        """Returns a slice with noise added, float64."""
        chosen = slice(index * self.batch_size, (index + 1) * self.batch_size)
        images = self.images[chosen]
        return images + np.random.normal(0, 0.1, images.shape), self.labels[chosen]


def a1_sequence(task: Task) -> NoiseSequence:
    """First answer, example 1. Faults: no shuffling of its own; float64, which the model converts."""
    return NoiseSequence(*_uniform_images(task), BATCH)


def a2_tf_data(task: Task) -> tf.data.Dataset:
    """First answer, example 2. Faults: brightness, one number per image, instead of noise; no shuffling."""
    dataset = tf.data.Dataset.from_tensor_slices(_uniform_images(task)).map(
        lambda image, label: (tf.image.random_brightness(image, 0.1), label),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return dataset.batch(BATCH).prefetch(tf.data.AUTOTUNE)


def a3_tf_data_heavy(task: Task) -> tf.data.Dataset:
    """First answer, example 3. Fault: the cache holds the results, so later epochs measure no preprocessing."""

    def prepare(image, label):
        return tf.image.per_image_standardization(tf.image.resize(image, (224, 224))), label

    dataset = tf.data.Dataset.from_tensor_slices(_uniform_images(task))
    prepared = dataset.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).cache()
    return prepared.shuffle(1000).batch(BATCH).prefetch(tf.data.AUTOTUNE)


def b1_tfds(task: Task) -> tf.data.Dataset:
    """Second answer, example 1. Fault: shuffles 10,000 of 60,000. (TensorFlow makes its plain map parallel.)"""
    scaled = _tfds(task, "mnist").map(lambda image, label: (tf.image.convert_image_dtype(image, tf.float32), label))
    return scaled.cache().shuffle(10_000).batch(BATCH).prefetch(tf.data.AUTOTUNE)


def b2_image_data_generator(task: Task) -> Any:
    """Second answer, example 2. Faults: labels are one-hot float32, unlike 1 and 3; shear 0.2 is in degrees."""
    generator = ImageDataGenerator(rescale=1.0 / 255, shear_range=0.2, zoom_range=0.2, horizontal_flip=True)
    with contextlib.redirect_stdout(io.StringIO()):
        return generator.flow_from_directory(
            task.data.path(),
            target_size=(32, 32),
            batch_size=BATCH,
            class_mode="categorical",
        )


def b3_imitation(task: Task) -> tf.data.Dataset:
    """Second answer, example 3. Faults: no shear, no zoom, brightness instead; cached after augmentation."""

    def augment(image, label):
        image = tf.image.random_flip_left_right(tf.image.convert_image_dtype(image, tf.float32))
        return tf.image.random_brightness(image, max_delta=0.2), label

    dataset = _tfds(task, "cifar10").map(augment)
    return dataset.cache().shuffle(10_000).batch(BATCH).prefetch(tf.data.AUTOTUNE)


def _tfds(task, name):
    if name not in (task.dataset, task.data.stands_for):
        raise StudyError(
            f"this published example reads {name} from TensorFlow Datasets (got dataset {task.dataset!r}); "
            f"use {name}, or {name}-standin"
        )
    return task.data.records(examples=task.examples)
