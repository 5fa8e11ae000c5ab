"""The device that Keras trains on: which it is, what it has in its memory, and how batches get there.

Works for the TensorFlow and the JAX backend, on a GPU and on a CPU, where a copy to the device stays in memory.
"""

import functools
import math
import os
import queue
import threading

from helpers.errors import StudyError


@functools.cache
def use() -> str:
    """Makes ready what trains, before anything has run on a GPU, and returns `trains_on()`.

    A GPU's memory is taken as it is needed instead of all at once. Where Keras trains on JAX, TensorFlow is kept
    off the GPU: it then only runs tf.data, which computes on the CPU.
    """
    import keras

    grow_memory()
    if keras.backend.backend() != "tensorflow":
        import tensorflow as tf

        try:
            tf.config.set_visible_devices([], "GPU")
        except RuntimeError:  # TensorFlow has run already, and keeps what it has
            if tf.config.list_logical_devices("GPU"):
                raise StudyError(
                    "TensorFlow must not use the GPU that another backend trains on (it does already); "
                    "call helpers.device.use() before anything else"
                ) from None
    return trains_on()


def grow_memory() -> None:
    """Has TensorFlow and JAX take a GPU's memory as they need it; it must come before either first runs there."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def _tensorflow_gpus():
    import tensorflow as tf

    return tf.config.list_logical_devices("GPU")


def _jax_gpus():
    import jax

    return [one for one in jax.local_devices() if one.platform != "cpu"]


def trains_on() -> str:
    """Returns the device and the backend, as "NVIDIA H200 (jax)", or "CPU (tensorflow)" without a GPU."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        kinds = [one.device_kind for one in _jax_gpus()]
    elif backend == "tensorflow":
        import tensorflow as tf

        physical = tf.config.get_visible_devices("GPU")
        kinds = [tf.config.experimental.get_device_details(one).get("device_name", one.name) for one in physical]
    else:
        raise StudyError(f"KERAS_BACKEND must be tensorflow or jax (got {backend}); set it before Keras is imported")
    return f"{' + '.join(kinds) or 'CPU'} ({backend})"


def is_gpu() -> bool:
    """Returns whether Keras trains on a GPU."""
    return not use().startswith("CPU ")


def send(batch):
    """Copies a batch to the device and waits until it is there.

    Args:
        batch: a NumPy array, or a tuple of them.

    Returns:
        The same as arrays of the backend, on its first device.
    """
    import keras

    use()
    if keras.backend.backend() == "jax":
        import jax

        return jax.block_until_ready(jax.device_put(batch, jax.local_devices()[0]))
    import tensorflow as tf

    with tf.device("GPU:0" if _tensorflow_gpus() else "CPU:0"):
        sent = tf.nest.map_structure(lambda array: tf.identity(tf.convert_to_tensor(array)), batch)
    if _tensorflow_gpus():
        tf.test.experimental.sync_devices()
    return sent


def memory_bytes() -> float:
    """Returns the highest number of bytes that this process had in the GPU's memory; NaN on a CPU."""
    import keras

    if not is_gpu():
        return math.nan
    if keras.backend.backend() == "jax":
        return float(_jax_gpus()[0].memory_stats()["peak_bytes_in_use"])
    import tensorflow as tf

    return float(tf.config.experimental.get_memory_info("GPU:0")["peak"])


def computes_on(dataset) -> str:
    """Returns the device on which a tf.data pipeline computed its first batch, such as "CPU:0"."""
    first = next(iter(dataset))
    while isinstance(first, tuple):
        first = first[0]
    return first.device.rpartition("device:")[2]


def prefetched(feed, *, batches: int = 2):
    """Returns a feed whose batches are copied to the device ahead of their steps.

    Args:
        feed: what `fit` takes, finite; on TensorFlow a tf.data.Dataset, which does it itself.
        batches: how many may wait on the device.

    Raises:
        StudyError: for a feed that cannot be.
    """
    import keras
    import tensorflow as tf

    from helpers import feeds

    use()
    if batches < 1:
        raise StudyError(f"batches must be >= 1 (got {batches}); leave prefetched() out instead")
    if keras.backend.backend() == "jax":
        return _on_device()(feed, batches)
    if feeds.kind(feed) != "tf.data":
        raise StudyError("on TensorFlow only a tf.data.Dataset prefetches to the device (got a PyDataset)")
    place = "/GPU:0" if _tensorflow_gpus() else "/CPU:0"
    sent = feed.apply(tf.data.experimental.prefetch_to_device(place, buffer_size=batches))
    sent.cardinality = feed.cardinality  # it is forgotten on the way, and fit would warn at the end of every epoch
    return sent


@functools.cache
def _on_device():
    import keras

    from helpers import feeds

    class OnDevice(keras.utils.PyDataset):
        """Another feed's batches in its own order, sent by a thread; every END starts the feed anew."""

        END = object()

        def __init__(self, feed, ahead):
            super().__init__()
            self.feed, self.ahead = feed, ahead
            self.length = int(feed.cardinality()) if feeds.kind(feed) == "tf.data" else feed.num_batches
            self.ready = self.stopped = None

        def __len__(self):
            return self.length

        def __getitem__(self, index):
            if self.ready is None:
                self._start()
            batch = self.ready.get()
            if batch is self.END:
                self._start()
                batch = self.ready.get()
            if isinstance(batch, Exception):
                raise batch
            return batch

        def on_epoch_end(self):
            if self.stopped is not None:
                self.stopped.set()
            self.ready = None

        def _start(self):
            self.ready, self.stopped = queue.Queue(self.ahead), threading.Event()
            threading.Thread(target=self._send_all, args=(self.ready, self.stopped), daemon=True).start()

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
                    put(send(batch))
                put(self.END)
            except Exception as error:
                put(error)

    return OnDevice
