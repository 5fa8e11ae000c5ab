"""The device that Keras trains on: which it is, what it has in its memory, and how batches get there.

Works for the TensorFlow and the JAX backend, on a GPU and on a CPU, where a copy to the device stays in memory.
"""

import functools
import math
import os
from dataclasses import dataclass
from typing import Any

from helpers.errors import StudyError


@dataclass(frozen=True)
class Device:
    """What Keras trains on.

    Attributes:
        kind: the GPU's name, or "CPU".
        backend: "tensorflow" or "jax".
    """

    kind: str
    backend: str

    @property
    def is_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.kind != "CPU"

    def __str__(self):
        """For people, such as "NVIDIA H200 (jax)"."""
        return f"{self.kind} ({self.backend})"


@functools.cache
def prepare() -> Device:
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
                    "call helpers.machine.device.prepare() before anything else"
                ) from None
    return trains_on()


def grow_memory() -> None:
    """Has TensorFlow and JAX take a GPU's memory as they need it; it must come before either first runs there."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def has_tensorflow_gpu() -> bool:
    """Returns whether TensorFlow sees a GPU; starts TensorFlow."""
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


def _jax_gpus():
    import jax

    return [device for device in jax.local_devices() if device.platform != "cpu"]


def trains_on() -> Device:
    """Returns the device that Keras trains on now."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        kinds = [gpu.device_kind for gpu in _jax_gpus()]
    elif backend == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.get_visible_devices("GPU")
        kinds = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    else:
        raise StudyError(f"KERAS_BACKEND must be tensorflow or jax (got {backend}); set it before Keras is imported")
    return Device(" + ".join(kinds) or "CPU", backend)


def send(batch: Any) -> Any:
    """Copies a batch to the device and waits until it is there.

    Args:
        batch: a NumPy array, or a tuple of them.

    Returns:
        The same as arrays of the backend, on its first device.
    """
    import keras

    prepare()
    if keras.backend.backend() == "jax":
        import jax

        return jax.block_until_ready(jax.device_put(batch, jax.local_devices()[0]))
    import tensorflow as tf

    with tf.device("GPU:0" if has_tensorflow_gpu() else "CPU:0"):
        sent = tf.nest.map_structure(tf.identity, batch)
    if has_tensorflow_gpu():
        tf.test.experimental.sync_devices()
    return sent


def memory_bytes() -> float:
    """Returns the highest number of bytes that this process had in the GPU's memory; NaN on a CPU."""
    import keras

    if not prepare().is_gpu:
        return math.nan
    if keras.backend.backend() == "jax":
        return float(_jax_gpus()[0].memory_stats()["peak_bytes_in_use"])
    import tensorflow as tf

    return float(tf.config.experimental.get_memory_info("GPU:0")["peak"])


def computes_on(dataset: Any) -> str:
    """Returns the device on which a tf.data pipeline computed its first batch, such as "CPU:0"."""
    first = next(iter(dataset.prefetch(1)))  # behind a stage of its own, a feed that gives arrays gives tensors
    while isinstance(first, tuple):
        first = first[0]
    return first.device.rpartition("device:")[2]
