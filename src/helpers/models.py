"""The two models that pipelines are timed with: the smallest one, and a small CNN."""

from functools import cache

import numpy as np


@cache
def _one_pixel():
    import keras

    class OnePixel(keras.layers.Layer):
        """Looks at one pixel of every image, so that the step costs as little as `fit` allows."""

        def call(self, images):
            return images[:, 0, 0, :]

    return OnePixel


def _compiled(layers, images, labels, classes):
    import keras

    model = keras.Sequential([keras.Input(images.shape[1:]), *layers, keras.layers.Dense(classes)])
    one_hot = labels.ndim > 1
    loss = keras.losses.CategoricalCrossentropy if one_hot else keras.losses.SparseCategoricalCrossentropy
    model.compile(optimizer="sgd", loss=loss(from_logits=True), jit_compile=False)
    return model


def _classes(labels):
    return labels.shape[1] if labels.ndim > 1 else max(int(np.max(labels)) + 1, 10)


def smallest(batch):
    """Returns a compiled model whose step costs almost nothing, for batches like this one.

    Args:
        batch: (images (n, height, width, channels), labels (n,) or one-hot (n, classes)) as NumPy arrays.
    """
    return _compiled([_one_pixel()()], *batch, _classes(batch[1]))


def small_cnn(batch, *, filters: int = 16, classes: int | None = None):
    """Returns a compiled CNN of two convolutions, for batches like this one.

    Args:
        batch: as for `smallest`.
        filters: of the first convolution; the second has twice as many.
        classes: where the batch's labels do not show them all.
    """
    import keras

    layers = [
        keras.layers.Conv2D(filters, 3, strides=2, activation="relu"),
        keras.layers.Conv2D(2 * filters, 3, strides=2, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
    ]
    return _compiled(layers, *batch, classes or _classes(batch[1]))
