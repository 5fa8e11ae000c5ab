"""The two models that pipelines are timed with: the smallest one, and a small CNN."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers import checks
from helpers.errors import StudyError
from helpers.machine import device
from helpers.pipelines import feeds
from helpers.pipelines.feeds import Batch


def _compiled(model, **settings):
    import keras

    # On JAX, a step that is not compiled runs operation by operation; "auto" compiles unless a layer forbids it.
    jit_compile = "auto" if keras.backend.backend() == "jax" else False
    model.compile(optimizer="sgd", jit_compile=jit_compile, **settings)
    return model


def smallest(batch: Batch, *, before_last: Any = None) -> Any:
    """Returns a compiled model whose step costs almost nothing, for batches like this one.

    It takes whatever `fit` takes: tables, sequences, pictures, several inputs or outputs as tuples or dictionaries, no
    labels, sample weights, shapes that vary from batch to batch, and, on TensorFlow, strings. Nobody asks how well it
    learns.

    Args:
        batch: x, (x, y) or (x, y, sample weights): arrays (n, …) or structures of them.
        before_last: a layer that comes before the last one, from float32 (n, inputs) to the same; None: no other.

    Raises:
        StudyError: where the parts of the batch do not have the same number of examples.
    """
    import keras

    from helpers.timing.keras_parts import SmallestModel

    device.prepare()
    inputs, labels, _ = feeds.parts_of(batch)
    sizes = {np.shape(part)[:1] for part in keras.tree.flatten((inputs, labels)) if part is not None}
    if len(sizes) != 1 or () in sizes:
        told = ", ".join(str(size[0]) if size else "a single value" for size in sorted(sizes))
        raise StudyError(
            f"every part of a batch must have as many examples (got {told or 'none'}); is batch() missing?"
        )
    outputs = sum(part is not None for part in keras.tree.flatten(labels))
    return _compiled(SmallestModel(max(1, outputs), before_last))


def of(model: Any, batch: Batch, *, layers: Any = None) -> Any:
    """Returns the compiled model that a user gave, or that a user's function makes of a first batch.

    Args:
        model: a compiled Keras model, or a function of a batch that returns one.
        batch: as for `smallest`.
        layers: of a `Feed`, to be put before the model, which then gets what they make of the batch; None: none.

    Raises:
        StudyError: for what is no compiled model.
    """
    import keras

    if layers is not None:
        batch = feeds.through(layers, batch)
    made = model if isinstance(model, keras.Model) or not callable(model) else model(batch)
    if not isinstance(made, keras.Model):
        raise StudyError(
            f"a model must be a compiled Keras model, or a function of a first batch that returns one "
            f"(got {checks.shown(made)})"
        )
    if not made.compiled:
        raise StudyError(f"a model must be compiled (got {made.name}, which is not); call its compile() first")
    if layers is None:
        return made
    from helpers.timing.keras_parts import Behind

    whole = Behind(layers, made)
    optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(made.optimizer))
    whole.compile(optimizer=optimizer, jit_compile="auto" if made.jit_compile else False)  # not all layers can be
    return whole


def small_cnn(
    batch: Batch, *, classes: int, filters: int = 16, rescale: bool = False, first: Sequence[Any] = ()
) -> Any:
    """Returns a compiled CNN of two convolutions, for batches like this one.

    Args:
        batch: (images (n, height, width, channels), labels (n,) or one-hot (n, classes)) as NumPy arrays.
        classes: how many there are; a batch need not show them all.
        filters: of the first convolution; the second has twice as many.
        rescale: whether the model itself brings 0 … 255 to 0 … 1, on the device.
        first: further layers that come first, such as augmentation on the device.
    """
    import keras

    device.prepare()
    images, labels = batch
    kept = "uint8" if images.dtype == "uint8" else None  # bytes are sent as they are; all else becomes float32
    layers = [
        keras.Input(images.shape[1:], dtype=kept),
        *([keras.layers.Rescaling(1 / 255)] if rescale else []),
        *first,
        keras.layers.Conv2D(filters, 3, strides=2, activation="relu"),
        keras.layers.Conv2D(2 * filters, 3, strides=2, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(classes, dtype="float32"),
    ]
    loss = keras.losses.CategoricalCrossentropy if labels.ndim > 1 else keras.losses.SparseCategoricalCrossentropy
    return _compiled(keras.Sequential(layers), loss=loss(from_logits=True))
