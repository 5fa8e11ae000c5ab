"""Feeds whose batches are copied to the device ahead of their steps, where Keras does not do it by itself."""

import queue
import threading
from typing import Any

import keras
import tensorflow as tf

from helpers.errors import StudyError
from helpers.machine import device
from helpers.pipelines import feeds


def prefetched(feed: Any, *, batches: int = 2) -> Any:
    """Returns a feed whose batches are copied to the device ahead of their steps.

    Args:
        feed: whatever `feeds.opened` takes, without `steps_per_epoch`; on TensorFlow a tf.data.Dataset, which does it
            itself.
        batches: how many may wait on the device.

    Raises:
        StudyError: for a feed that cannot be.
    """
    device.prepare()
    if batches < 1:
        raise StudyError(f"batches must be >= 1 (got {batches}); leave prefetched() out instead")
    opened = feeds.opened(feed)
    if opened.steps_per_epoch is not None:
        raise StudyError("a feed that is copied ahead must end by itself (got one with steps_per_epoch); leave it out")
    if keras.backend.backend() == "jax":
        return _OnDevice(opened.data, batches)
    if feeds.kind(opened.data) != "tf.data":
        raise StudyError("on TensorFlow only a tf.data.Dataset prefetches to the device (got a PyDataset)")
    target = "/GPU:0" if device.has_tensorflow_gpu() else "/CPU:0"
    sent = opened.data.apply(tf.data.experimental.prefetch_to_device(target, buffer_size=batches))
    sent.cardinality = (
        opened.data.cardinality
    )  # it is forgotten on the way, and fit would warn at the end of every epoch
    return sent


class _OnDevice(keras.utils.PyDataset):
    """Another feed's batches in its own order, sent by a thread; every END starts the feed anew."""

    END = object()

    def __init__(self, feed, ahead):
        super().__init__()
        self.feed, self.ahead = feed, ahead
        self.length = int(feed.cardinality()) if feeds.kind(feed) == "tf.data" else feed.num_batches
        self.ready: queue.Queue | None = None
        self.stopped = threading.Event()

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        batch = (self.ready or self._start()).get()
        if batch is self.END:
            batch = self._start().get()
        if isinstance(batch, Exception):
            raise batch
        return batch

    def on_epoch_end(self):
        self.stopped.set()
        self.ready = None

    def _start(self):
        self.ready, self.stopped = queue.Queue(self.ahead), threading.Event()
        threading.Thread(target=self._send_all, args=(self.ready, self.stopped), daemon=True).start()
        return self.ready

    def _send_all(self, ready, stopped):
        def put(item):
            while not stopped.is_set():
                try:
                    return ready.put(item, timeout=0.05)
                except queue.Full:
                    continue

        try:
            for batch in feeds.batches_of(self.feed):
                if stopped.is_set():
                    return
                put(device.send(batch))
            put(self.END)
        except Exception as error:
            put(error)
