"""The task through the legacy `ImageDataGenerator`, its own options where it has them.

What ImageDataGenerator has no option for (noise, brightness that adds, resizing) goes through its hook
`preprocessing_function`; a change of size, for which it has no hook, is applied to its batches.
"""

import contextlib
import io
from typing import Any

import numpy as np
import pandas as pd
from tensorflow.keras.preprocessing.image import ImageDataGenerator

from helpers.pipelines.feeds import Feed
from helpers.pipelines.py_dataset import Transformed
from helpers.tasks import EVERY_EPOCH, Task, transforms

WHITE = np.float32(255)


def options_of(task: Task) -> tuple[dict[str, Any], bool]:
    """Returns (arguments of ImageDataGenerator, whether its batches are still to be resized) for the transform."""
    transform = transforms.get(task.transform)
    generator = np.random.default_rng(task.seed)

    def add(image):
        drawn = transform.draw_numpy(generator, 1, image.shape)
        return image + drawn["noise" if task.transform == "noise" else "delta"][0] * WHITE

    if task.transform == "resize_standardize":
        return {}, True
    warp = {"shear_range": transforms.SHEAR_DEGREES, "zoom_range": transforms.ZOOM}
    options: dict[str, dict[str, Any]] = {
        "rescale": {},
        "noise": {"preprocessing_function": add},
        "brightness": {"preprocessing_function": add},
        "flip_brightness": {"preprocessing_function": add, "horizontal_flip": True},
        "shear_zoom_flip": {**warp, "horizontal_flip": True},
    }
    return {"rescale": 1 / 255.0, **options[task.transform]}, False


def flow(generator: Any, task: Task) -> Any:
    """Returns what the generator's flow, flow_from_directory or flow_from_dataframe gives for the task's source.

    Args:
        generator: an `ImageDataGenerator`, or its port.
        task: what to deliver.
    """
    common = {"batch_size": task.batch_size, "shuffle": task.shuffle, "seed": task.seed}
    if not _reads_files(task):
        data = task.arrays()
        return generator.flow(data.images, data.labels, **common)
    size = {"target_size": task.image_size or task.describe().image_shape[:2]}
    paths, labels, _ = task.data.files(examples=task.examples)  # and refuses a damaged picture
    if task.examples is None:
        return generator.flow_from_directory(task.data.path(), class_mode="sparse", **size, **common)
    table = pd.DataFrame({"filename": paths, "class": labels})
    return generator.flow_from_dataframe(table, class_mode="raw", validate_filenames=False, **size, **common)


def _reads_files(task):
    return task.source == "folder" and task.decoding == EVERY_EPOCH


def build(task: Task, *, workers: int = 1, max_queue_size: int = 10) -> Any:
    """Returns the task as an ImageDataGenerator's iterator; unshuffled in a `Feed`, because `fit` would shuffle it.

    More than one worker gives fresh draws in an order that no seed reproduces: the original draws from
    NumPy's global state.
    """
    options, to_resize = options_of(task)
    with contextlib.redirect_stdout(io.StringIO()):  # "Found … images belonging to … classes."
        iterator = flow(ImageDataGenerator(**options), task)
    if not to_resize and not (_reads_files(task) and task.examples is None):  # from a directory labels are floats
        iterator.workers, iterator.max_queue_size = workers, max_queue_size
        return _in_its_order(iterator, task)

    def finish(images, labels):
        resized = transforms.get(task.transform).apply_numpy(images) if to_resize else images
        return resized, labels.astype(np.int64)

    return _in_its_order(Transformed(iterator, finish, workers=workers, max_queue_size=max_queue_size), task)


def _in_its_order(batches, task):
    return batches if task.shuffle else Feed(batches, shuffle=False)
