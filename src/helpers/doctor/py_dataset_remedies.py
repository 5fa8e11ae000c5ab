"""Remedies of PyDatasets: workers, batches kept in memory, or tf.data's port of ImageDataGenerator."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from helpers.doctor.case import Case
from helpers.machine import limits, memory
from helpers.pipelines.feeds import Feed

WORKERS = 8  # of a PyDataset that waits
LOCKED = 0.5  # share of the interpreter's lock from which threads do not help
Maker = Callable[[], Feed]


@dataclass(frozen=True)
class Done:
    """What is done about a fault.

    Attributes:
        told: in a few words.
        changes: of the data; "" for nothing.
        make: makes the remedied feed.
        left: share of the cost that stays, 0 to 1; None: as the finding predicts.
        calls: that are made at once; None: as now.
    """

    told: str
    changes: str
    make: Maker
    left: float | None = None
    calls: int | None = None


class DoesNotFit(Exception):
    """A remedy does not fit a feed."""


def _wrapped(case, **options):
    def make():
        from helpers.doctor.py_dataset_parts import Wrapped

        return replace(case.feed, data=Wrapped(case.feed.data, **options))

    return make


def workers(case: Case) -> Done:
    """Has several workers wait at the same time."""
    if is_generator(case):
        raise DoesNotFit
    return Done(f"workers={WORKERS}", "", _wrapped(case, workers=WORKERS))


def no_processes(case: Case) -> Done:
    """Leaves the processes out."""
    return Done("use_multiprocessing=False", "", _wrapped(case, use_multiprocessing=False))


def kept_or_shared(case: Case) -> Done:
    """Keeps batches that are the same in every epoch; else shares work among workers, where the lock allows it."""
    if is_image_data_generator(case):
        return Done("TFImageDataGenerator, which makes the same pictures in tf.data", "", _port(case), 0.15)
    if batches_repeat(case):
        return kept(case)
    cores = len(limits.core_numbers())
    whole = case.stages.outer[0]
    if not is_generator(case) and whole.of_lock < LOCKED and cores > 1 and case.feed.data.workers < cores:
        return Done(f"workers={cores}", "", _wrapped(case, workers=cores), 1.0, cores)
    raise DoesNotFit


def kept(case: Case) -> Done:
    """Keeps batches in memory."""
    if not batches_repeat(case):
        raise DoesNotFit
    told = "its batches kept in memory, because they are the same in every epoch"
    return Done(told, "", _wrapped(case, keep=True), 0.0)


def batches_repeat(case: Case) -> bool:
    """Whether each batch, by its number, is the same in both epochs that were read.

    Args:
        case: the feed.
    """
    first, second = case.epochs
    alike = np.array_equal(first.inputs, second.inputs) and first.epoch.sizes == second.epoch.sizes
    if not alike or first.targets is None or second.targets is None:
        return alike
    return np.array_equal(first.targets, second.targets)


def could_be_kept(case: Case) -> bool:
    """Whether it makes the same batches in every epoch, and they take no more than a quarter of the free memory.

    Args:
        case: the feed.
    """
    if case.kind != "PyDataset" or not case.whole or not batches_repeat(case):
        return False
    return case.epochs[0].bytes < 0.25 * memory.available_bytes()


def is_generator(case: Case) -> bool:
    """Whether it is a Python generator, which `fit` reads by one thread whatever the workers.

    Args:
        case: the feed.
    """
    from helpers.doctor.py_dataset_parts import OfGenerator

    return isinstance(getattr(case.feed.data, "whole", case.feed.data), OfGenerator)


def is_image_data_generator(case: Case) -> bool:
    """Whether it is an iterator of ImageDataGenerator over arrays or a folder.

    Args:
        case: the feed.
    """
    return type(whole_of(case.feed.data)).__name__ in ("NumpyArrayIterator", "DirectoryIterator")


def whole_of(data: Any) -> Any:
    """Returns the PyDataset of which one is a part.

    Args:
        data: the one.
    """
    return getattr(data, "whole", data)


def _port(case):
    """Makes ImageDataGenerator's iterator anew as the port's flow."""
    data = case.feed.data
    if data is not whole_of(data):  # a part of its epochs cannot be had from the port
        raise DoesNotFit

    def make():
        import warnings

        from helpers.tf_image_data_generator import TFImageDataGenerator

        generator = TFImageDataGenerator()
        for name, value in vars(data.image_data_generator).items():
            setattr(generator, name, value)
        common = {"batch_size": data.batch_size, "shuffle": data.shuffle, "seed": data.seed}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            if hasattr(data, "directory"):
                flow = generator.flow_from_directory(
                    data.directory,
                    target_size=data.target_size,
                    color_mode=data.color_mode,
                    classes=list(data.class_indices),
                    class_mode=data.class_mode,
                    subset=data.subset,
                    interpolation=data.interpolation,
                    keep_aspect_ratio=data.keep_aspect_ratio,
                    **common,
                )
            else:
                x = data.x if not data.x_misc else (data.x, data.x_misc)
                flow = generator.flow(x, data.y, sample_weight=data.sample_weight, **common)
        return Feed(flow, None, False)

    return make


def narrower(case: Case) -> Done:
    """Makes inputs of eight bytes a number such of four."""

    def change(batch):
        import keras

        narrow = {"float64": "float32", "int64": "int32"}
        x, *rest = batch if isinstance(batch, tuple | list) else (batch,)
        x = keras.tree.map_structure(lambda each: np.asarray(each).astype(narrow.get(str(each.dtype), each.dtype)), x)
        return (x, *rest) if rest else x

    return Done("float32 or int32", "the dtype of inputs", _wrapped(case, change=change))


MAKERS: dict[str, Callable[[Case], Done]] = {
    "single_worker": workers,
    "processes_misused": no_processes,
    "per_item_python": kept_or_shared,
    "no_cache": kept,
    "reload_per_batch": kept,
    "wide_dtype": narrower,
}
