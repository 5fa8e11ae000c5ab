"""A simulated device: a model whose step takes a stated time and leaves the CPU alone, as a GPU would.

It shows where the input starves a device of a given speed, on a machine that has none. It is no GPU: nothing is
copied to it, and no transform can run on it. What is measured with it is called simulated wherever it is shown.
"""

import time
from typing import Any

import keras

from helpers.errors import StudyError
from helpers.machine import device
from helpers.pipelines.feeds import Batch
from helpers.timing import models


class _Wait(keras.layers.Layer):
    """Hands its input on after `seconds` of sleep, which other threads use; keeps nothing for the gradient."""

    def __init__(self, seconds):
        super().__init__(name="wait")
        self.seconds = seconds

    def call(self, inputs):
        scalar = keras.ops.stop_gradient(keras.ops.reshape(inputs, (-1,))[0])
        return inputs + 0 * self._sleep(scalar)

    def _sleep(self, scalar):
        """A scalar goes through Python and comes back later; never the batch, which would be copied."""

        def sleep(value):
            time.sleep(self.seconds)
            return value

        if keras.backend.backend() == "jax":
            import jax

            return jax.pure_callback(sleep, jax.ShapeDtypeStruct((), scalar.dtype), scalar)
        import tensorflow as tf

        return tf.ensure_shape(tf.numpy_function(sleep, [scalar], scalar.dtype), ())


def model(batch: Batch, *, step_s: float) -> Any:
    """Returns a compiled model whose training step takes `step_s` and some overhead, almost none of it computing.

    Args:
        batch: as for `models.smallest`.
        step_s: seconds of a step, >= 0.

    Raises:
        StudyError: for a negative time.
    """
    if step_s < 0:
        raise StudyError(f"step_s must be >= 0 (got {step_s}); give the seconds of a step")
    device.prepare()
    return models.smallest(batch, before_last=_Wait(step_s))
