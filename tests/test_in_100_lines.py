"""The small version of the measuring, which learners read whole, is held against the full one."""

import inspect

import numpy as np
import pytest

from helpers import ratios
from helpers.comparison import in_100_lines
from helpers.comparison.in_100_lines import interleaved, paired_ratio

TRUE = 1.25


def simulated(seed):
    """A run of 6 to 60 rounds: seconds of a feed and of its reference, which drift together; some rounds are slow."""
    generator = np.random.default_rng(seed)
    rounds = int(generator.integers(6, 61))
    drift = np.linspace(0, 0.3, rounds)
    reference = np.exp(drift + 0.05 * generator.standard_normal(rounds))
    slow = np.where(generator.random(rounds) < 0.1, 2, 1)
    return TRUE * slow * np.exp(drift + 0.05 * generator.standard_normal(rounds)), reference


def test_it_has_at_most_100_lines():
    assert inspect.getsource(in_100_lines).count("\n") <= 100


@pytest.mark.parametrize("seed", range(50))
def test_both_find_the_same_ratio_and_intervals_that_differ_by_less_than_one_round(seed):
    seconds, reference = simulated(seed)
    small, full = paired_ratio(seconds, reference), ratios.paired_ratio(seconds, reference)
    assert small.ratio == pytest.approx(full.ratio)
    logs = np.sort(np.log(seconds / reference))
    if len(logs) < ratios.ORDERED_FROM:  # there the full one has another interval
        assert max(small.low, full.low) <= min(small.high, full.high)
    elif ratios.effective_rounds(np.log(seconds / reference)) == len(logs):
        # The full one stands between the k-th round and the next, where the small one stands on the k-th.
        k = int(np.searchsorted(logs, np.log(small.low) - 1e-9)) + 1
        assert small.low <= full.low * (1 + 1e-9) and full.high <= small.high * (1 + 1e-9)
        assert full.low <= np.exp(logs[k]) * (1 + 1e-9) and np.exp(logs[-k - 1]) <= full.high * (1 + 1e-9)


def test_the_interval_holds_the_true_ratio_as_often_as_it_says():
    held = [found.low <= TRUE <= found.high for found in (paired_ratio(*simulated(seed)) for seed in range(400))]
    assert np.mean(held) > 0.93


def test_both_give_the_same_verdicts_where_the_difference_is_clear():
    for seed in range(50):
        seconds, reference = simulated(seed)
        for factor, said in ((1.0, "slower"), (0.5, "faster")):
            small = paired_ratio(factor * seconds, reference)
            if small.verdict() == said:
                full = ratios.paired_ratio(factor * seconds, reference)
                assert ratios.verdict(full) in (said, "undecided")


def test_each_round_runs_everybody_once_in_an_order_of_its_own():
    told = []
    timers = {name: (lambda name=name: told.append(name) or float(len(told))) for name in "abc"}
    seconds = interleaved(timers, rounds=20)
    orders = [tuple(told[start : start + 3]) for start in range(0, 60, 3)]
    assert all(sorted(order) == ["a", "b", "c"] for order in orders) and len(set(orders)) > 3
    assert [told[int(at) - 1] for at in seconds["b"]] == ["b"] * 20


def test_too_few_rounds_are_refused():
    with pytest.raises(ValueError, match="at least 6 rounds"):
        paired_ratio([1, 2, 3, 4, 5], [1, 1, 1, 1, 1])


def test_an_epoch_is_timed_through_fit():
    import tensorflow as tf

    from helpers.timing import models

    rows = np.zeros((64, 3), "float32"), np.zeros(64, "int64")
    feed = tf.data.Dataset.from_tensor_slices(rows).batch(8)
    model = models.smallest(next(iter(feed.as_numpy_iterator())))
    assert in_100_lines.epoch_seconds(model, feed) > 0
