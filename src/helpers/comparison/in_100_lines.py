"""Measuring fairly, in 100 lines that you can read whole: interleaved rounds, a paired ratio, its interval.

`helpers.comparison.compare` does the same and more: it stops by itself, holds several feeds together, and looks for
drift. A test holds the two together: on simulated runs they find the same ratio, and intervals that agree.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def epoch_seconds(model: Any, feed: Any) -> float:
    """Returns the seconds of one epoch of `fit`, once another epoch has warmed everything up.

    It starts one `fit` of two epochs and notes when each first step has ended. Between the two lies one whole epoch,
    with all that Keras does between epochs.
    """
    import keras

    first_steps = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 0:
                first_steps.append(time.perf_counter())

    by_fit = isinstance(feed, keras.utils.PyDataset)  # all other feeds have their own order
    model.fit(feed, epochs=2, verbose=0, shuffle=by_fit, callbacks=[Watch()])
    return first_steps[1] - first_steps[0]


def interleaved(timers: Mapping[Any, Callable[[], float]], rounds: int, seed: int = 0) -> dict[Any, np.ndarray]:
    """Runs every timer once per round, in a new random order each round.

    So whatever the machine does meanwhile (a neighbour, a warm processor) hits all of them alike.

    Args:
        timers: name -> function that runs one epoch and returns its seconds.
        rounds: how many.
        seed: of the orders.

    Returns:
        name -> seconds, float64 (rounds,).
    """
    generator, names = np.random.default_rng(seed), list(timers)
    seconds: dict[Any, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        generator.shuffle(names)
        for name in names:
            seconds[name].append(timers[name]())
    return {name: np.array(values) for name, values in seconds.items()}


@dataclass(frozen=True)
class PairedRatio:
    """How many times as long one feed takes as another: the median over the rounds, and its 95% interval."""

    ratio: float
    low: float
    high: float

    def verdict(self, margin: float = 0.05) -> str:
        """Returns "faster", "slower", "the same" or "undecided"; differences up to the margin do not matter."""
        if 1 / (1 + margin) <= self.low and self.high <= 1 + margin:
            return "the same"
        return "faster" if self.high < 1 else "slower" if self.low > 1 else "undecided"


def paired_ratio(seconds: ArrayLike, reference: ArrayLike) -> PairedRatio:
    """Divides round by round, and takes the median of the ratios.

    The interval needs no bell curve. Each round's ratio lies above the true median or below it, like a coin's heads
    and tails. So the true median lies between the k-th smallest and the k-th largest ratio, unless the coin fell on
    one side more than n - k times. k is the largest for which that happens in 5% of all runs at most.

    Args:
        seconds: (rounds,) of one feed.
        reference: (rounds,) of the other, in the same rounds; at least 6 of them.
    """
    logs = np.sort(np.log(np.asarray(seconds, float)) - np.log(np.asarray(reference, float)))
    rounds, k = len(logs), 0
    while 2 * sum(math.comb(rounds, heads) for heads in range(k + 1)) <= 0.05 * 2**rounds:
        k += 1
    if k == 0:
        raise ValueError(f"an interval at 95% needs at least 6 rounds (got {rounds})")
    return PairedRatio(*(math.exp(log) for log in (np.median(logs), logs[k - 1], logs[-k])))
