"""The two models that pipelines are timed with: the smallest one, and a small CNN."""

from collections.abc import Sequence
from typing import Any

from helpers.machine import device
from helpers.pipelines.feeds import Batch


def _compiled(layers, images, outputs, loss):
    import keras

    device.prepare()
    kept = "uint8" if images.dtype == "uint8" else None  # bytes are sent as they are; all else becomes float32
    last = keras.layers.Dense(outputs, dtype="float32")
    model = keras.Sequential([keras.Input(images.shape[1:], dtype=kept), *layers, last])
    # On JAX, a step that is not compiled runs operation by operation; "auto" compiles unless a layer forbids it.
    model.compile(optimizer="sgd", loss=loss, jit_compile="auto" if keras.backend.backend() == "jax" else False)
    return model


def smallest(batch: Batch, *, before_last: Any = None) -> Any:
    """Returns a compiled model whose step costs almost nothing, for batches like this one.

    Its loss is the mean squared error, which takes any labels; nobody asks how well it learns.

    Args:
        batch: (images (n, height, width, channels), labels (n,) or one-hot (n, classes)) as NumPy arrays.
        before_last: a layer that comes before the last one; None: no other.
    """
    from helpers.timing.keras_parts import OnePixel

    images, labels = batch
    layers = [OnePixel(), *([before_last] if before_last is not None else [])]
    return _compiled(layers, images, labels.shape[1] if labels.ndim > 1 else 1, "mean_squared_error")


def small_cnn(
    batch: Batch, *, classes: int, filters: int = 16, rescale: bool = False, first: Sequence[Any] = ()
) -> Any:
    """Returns a compiled CNN of two convolutions, for batches like this one.

    Args:
        batch: as for `smallest`.
        classes: how many there are; a batch need not show them all.
        filters: of the first convolution; the second has twice as many.
        rescale: whether the model itself brings 0 … 255 to 0 … 1, on the device.
        first: further layers that come first, such as augmentation on the device.
    """
    import keras

    images, labels = batch
    layers = [
        *([keras.layers.Rescaling(1 / 255)] if rescale else []),
        *first,
        keras.layers.Conv2D(filters, 3, strides=2, activation="relu"),
        keras.layers.Conv2D(2 * filters, 3, strides=2, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
    ]
    loss = keras.losses.CategoricalCrossentropy if labels.ndim > 1 else keras.losses.SparseCategoricalCrossentropy
    return _compiled(layers, images, classes, loss(from_logits=True))
