"""Start, rate, and the length of an epoch at which an order turns."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from helpers.comparison import start_and_rate
from helpers.errors import StudyError


def rounds(seed, start, rate, spread=0.02, count=12):
    """Differences of starts and rates by round, with noise."""
    noise = np.random.default_rng(seed).normal(0, spread, (2, count))
    return start * (1 + noise[0]), rate * (1 + noise[1])


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(1e-3, 10), st.floats(1e-5, 1e-1), st.booleans())
def test_the_turn_is_where_the_start_is_paid_back_whoever_starts_slowly(seed, start, rate, swapped):
    turn = start / rate
    starts, rates = rounds(seed, start, -rate)
    found = start_and_rate.turning_point(*((-starts, -rates) if swapped else (starts, rates)))
    if 2 < turn < 5e6:
        assert found.low <= found.value <= found.high
        assert found.value == pytest.approx(turn, rel=0.06)
        assert found.low <= 1.05 * turn and turn <= 1.05 * found.high


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(1e-3, 10), st.floats(1e-5, 1e-1))
def test_there_is_no_turn_where_one_side_has_both_the_shorter_start_and_the_better_rate(seed, start, rate):
    assert start_and_rate.turning_point(*rounds(seed, start, rate)) is None


def test_there_is_no_turn_where_the_rates_are_not_told_apart():
    starts, rates = rounds(0, 1.0, 1e-3)
    assert start_and_rate.turning_point(starts, rates * np.tile([1, -1], 6)) is None


def test_the_interval_of_a_turn_holds_it_as_often_as_it_says():
    inside = 0
    for seed in range(400):
        found = start_and_rate.turning_point(*rounds(seed, 1.0, -0.01, spread=0.1))
        inside += found is not None and found.low <= 100 <= found.high
    assert inside >= 0.93 * 400


def test_an_estimate_may_be_of_any_sign_and_needs_three_rounds():
    found = start_and_rate.estimate([-1.0, 2.0, 0.5, 0.4, 0.6])
    assert found.value == 0.5 and found.low < 0 and found.high > 1
    with pytest.raises(StudyError, match="values must be one-dimensional with >= 3"):
        start_and_rate.estimate([1.0, 2.0])


def epochs_of(seed, *, start_s=0.02, batch_s=0.002, waiting=0.4, batches=32, count=400):
    """Epochs whose ends wait, by chance, until 20, 60, 140 or 300 ms have passed."""
    generator = np.random.default_rng(seed)
    batch_s = batch_s * generator.lognormal(0, 0.03, count)
    iterator_s = (start_s - 0.005) * generator.lognormal(0, 0.05, count)
    first_batch_s = iterator_s + batch_s * generator.lognormal(0, 0.05, count)
    alone_s = (batches - 1) * batch_s + 0.005 + first_batch_s
    wakes = np.array([0.02, 0.06, 0.14, 0.3, 0.62])
    wait_s = (generator.random(count) < waiting) * (wakes[np.searchsorted(wakes, alone_s)] - alone_s)
    first_batch_s, iterator_s = first_batch_s + wait_s, iterator_s + wait_s
    steady_s = (batches - 1) * batch_s
    parts = {"steady_s": steady_s, "first_batch_s": first_batch_s, "iterator_s": iterator_s, "end_s": 0.005}
    return pd.DataFrame(parts | {"batches": batches}).assign(
        epoch_s=lambda row: row["steady_s"] + row["end_s"] + row["first_batch_s"]
    )


@pytest.mark.parametrize("waiting", [0.0, 0.2, 0.4, 0.6])
def test_a_longer_epoch_is_told_from_the_parts_of_a_shorter_and_its_share_of_waits(waiting):
    model = start_and_rate.epoch_model(epochs_of(1, waiting=waiting))
    assert model.waiting == pytest.approx(waiting, abs=0.07)
    assert (model.start_s, model.batch_s) == (pytest.approx(0.02, rel=0.05), pytest.approx(0.002, rel=0.02))
    longer = epochs_of(2, waiting=waiting, batches=128)["epoch_s"].mean()
    assert model.epoch_s(128) == pytest.approx(longer, rel=0.05)
    if waiting == 0.4:  # a straight line through the means would miss: the waits grow in steps
        line = epochs_of(1)["epoch_s"].mean() + 96 * 0.002
        assert abs(line / longer - 1) > 0.02


def test_a_wait_ends_when_the_thread_wakes_and_its_sleeps_double_up_to_a_minute():
    always = start_and_rate.EpochModel(start_s=0.0, batch_s=0.001, waiting=1.0)
    woken = [always.epoch_s(batches) for batches in (5, 100, 200, 400, 100_000)]
    assert woken == pytest.approx([0.02, 0.14, 0.3, 0.62, 141.90])


@pytest.mark.parametrize("waiting", [0.0, 0.2, 0.5])
def test_an_epoch_without_its_wait_is_like_those_that_did_not_wait(waiting):
    epochs = epochs_of(3, waiting=waiting)
    without_s = epochs["epoch_s"] - start_and_rate.waits_s(epochs)
    alone_s = epochs_of(3, waiting=0.0)["epoch_s"]
    assert np.median(without_s) == pytest.approx(np.median(alone_s), rel=0.01)
    assert without_s.std() < 1.2 * alone_s.std()


def test_a_change_of_iterators_that_is_late_while_the_thread_sleeps_is_no_wait():
    epochs = pd.DataFrame({"epoch_s": np.full(20, 0.2), "first_batch_s": 0.02, "iterator_s": 0.015})
    epochs.loc[3] += 0.02  # the epoch takes 0.22 s: the thread wakes at 0.14 and 0.3
    assert not start_and_rate.waits_s(epochs).any()
    epochs.loc[3] += 0.08
    assert start_and_rate.waits_s(epochs)[3] == pytest.approx(0.1)


@given(st.lists(st.tuples(st.floats(1e-4, 100), st.floats(1e-4, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_a_wait_is_a_part_of_the_change_of_iterators(parts):
    epoch_s, first, iterator = np.array(parts).T
    epochs = pd.DataFrame({"epoch_s": epoch_s, "first_batch_s": first * epoch_s})
    epochs["iterator_s"] = iterator * epochs["first_batch_s"]
    waits_s = start_and_rate.waits_s(epochs)
    assert waits_s.shape == epoch_s.shape
    assert (waits_s >= 0).all() and (waits_s <= epochs["iterator_s"]).all()
