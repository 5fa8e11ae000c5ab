"""Pools of threads or processes that prepare the images of a batch one by one, as Sequences are often written."""

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np

from helpers.machine.limits import core_numbers
from helpers.pipelines.examples import Examples
from helpers.tasks import transforms

_work: Callable[[tuple], Any]  # of a worker process: what it does with each key


class OneImage:
    """Reads, draws and transforms one image; its draws depend on its key alone."""

    def __init__(self, read: Examples, transform: str, apply: Callable):
        """Takes the examples, the transform's name, and what applies it: (images, draws) -> float32 images."""
        self.read, self.transform, self.apply = read, transform, apply

    def __call__(self, key: tuple[int, int, int]) -> tuple[np.ndarray, Any]:
        """Returns (image float32 (height, width, channels), label) of the key (seed, epoch, index)."""
        image, label = self.read[key[-1]]
        draws = transforms.get(self.transform).draw_numpy(np.random.default_rng(key), 1, image.shape)
        return self.apply(image[None], draws)[0], label


class Pool:
    """Workers that share the images of a batch among them.

    Threads share this process's memory and its lock: what runs in Python runs in one of them at a time. Processes hold
    a copy of the examples each, and send every finished image back.
    """

    def __init__(self, kind: str, size: int, work: OneImage):
        """Takes "threads" or "processes", how many, 0: one per core, and what they do; starts them at the first use."""
        self.size, self.work, self.kind = size or len(core_numbers()), work, kind
        self.executor: Executor
        if kind == "threads":
            self.executor = ThreadPoolExecutor(self.size)
        else:
            spawn = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
            self.executor = ProcessPoolExecutor(self.size, spawn, initializer=_begin, initargs=(work,))

    def __call__(self, keys: list[tuple]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the images, float32 (n, height, width, channels), and labels, int64 (n,), in the keys' order."""
        made: Iterable
        if self.kind == "threads":
            made = self.executor.map(self.work, keys)
        else:
            made = self.executor.map(_of_process, keys, chunksize=-(-len(keys) // self.size))
        images, labels = zip(*made, strict=True)
        return np.stack(images), np.array(labels)


def _begin(work):
    global _work
    import cv2

    cv2.setNumThreads(1)  # there is a process for every core already
    _work = work


def _of_process(key):
    return _work(key)
