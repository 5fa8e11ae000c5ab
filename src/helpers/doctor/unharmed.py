"""What the doctor touches is as it was before: a model's state, and the sources of random numbers."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from helpers import internals
from helpers.pipelines.feeds import Batch


@contextmanager
def seeds() -> Iterator[None]:
    """Puts the states of Python's, NumPy's, TensorFlow's and Keras' own sources of random numbers back."""
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with internals.kept_seeds():
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)


@contextmanager
def model(fitted: Any, batch: Batch) -> Iterator[None]:
    """Puts a compiled model back: weights, the optimizer's state, metrics, seeds of layers, its history.

    A model that was not built yet is built, as the first call of `fit` would build it.

    Args:
        fitted: a compiled Keras model.
        batch: what it is trained on, as NumPy arrays.
    """
    internals.build_as_fit_does(fitted, batch)
    variables = {id(each): each for each in (*fitted.variables, *fitted.optimizer.variables, *_of_metrics(fitted))}
    values = {key: np.array(each) for key, each in variables.items()}
    kept = {name: getattr(fitted, name) for name in ("history", "stop_training") if hasattr(fitted, name)}
    try:
        yield
    finally:
        for key, each in variables.items():
            each.assign(values[key])
        for name, value in kept.items():
            setattr(fitted, name, value)


def _of_metrics(fitted):
    return [variable for metric in fitted.metrics for variable in metric.variables]
