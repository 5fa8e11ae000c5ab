"""Outliers and two heaps of times: what is flagged, and how often wrongly."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from helpers.comparison import run_quality
from helpers.errors import StudyError

settings.register_profile("no deadline", deadline=None)  # the first example imports SciPy
settings.load_profile("no deadline")

TIMES = arrays(float, st.integers(1, 60), elements=st.floats(1e-4, 1e3))


@given(TIMES)
def test_flags_come_one_per_time_and_never_for_most_of_them(seconds):
    flagged = run_quality.outliers(seconds)
    assert flagged.shape == seconds.shape
    assert flagged.sum() <= len(seconds) / 2


@given(TIMES)
def test_heaps_lie_in_order_and_share_the_times(seconds):
    found = run_quality.two_modes(seconds)
    assert found.low_s <= found.high_s
    assert 0 <= found.slow_share < 1
    assert bool(found) == (found.slow_share > 0)


def test_an_epoch_of_three_times_the_median_is_an_outlier():
    flagged = run_quality.outliers([1.0, 1.01, 0.99, 1.02, 3.0])
    assert flagged.tolist() == [False, False, False, False, True]


def test_equal_times_have_no_outlier():
    assert not run_quality.outliers(np.ones(10)).any()


def test_two_heaps_are_found_with_their_places():
    rng = np.random.default_rng(0)
    times = np.exp(0.05 * rng.standard_normal(40))
    times[::5] *= 2
    found = run_quality.two_modes(times)
    assert found
    assert found.high_s / found.low_s == pytest.approx(2, rel=0.1)
    assert found.slow_share == pytest.approx(0.2)


@pytest.mark.parametrize(("noise", "at_most"), [("normal", 0.01), ("heavy tails", 0.01), ("exponential tail", 0.03)])
@pytest.mark.parametrize("rounds", [10, 20, 50])
def test_one_heap_is_seldom_called_two(noise, at_most, rounds):
    rng = np.random.default_rng(rounds)
    draw = {
        "normal": lambda: 0.1 * rng.standard_normal(rounds),
        "heavy tails": lambda: 0.1 * rng.standard_t(3, rounds),
        "exponential tail": lambda: rng.exponential(0.2, rounds),
    }[noise]
    wrong = np.mean([bool(run_quality.two_modes(np.exp(draw()))) for _ in range(600)])
    assert wrong <= at_most


def test_two_heaps_are_usually_found_in_fifty_rounds():
    rng = np.random.default_rng(2)
    times = np.exp(0.08 * rng.standard_normal((300, 50)) + np.log(2) * (rng.random((300, 50)) < 0.15))
    assert np.mean([bool(run_quality.two_modes(row)) for row in times]) > 0.8


@pytest.mark.parametrize("wrong", [[], [1.0, 0.0], [[1.0]], [np.nan]])
def test_times_that_are_none_are_refused(wrong):
    with pytest.raises(StudyError):
        run_quality.two_modes(wrong)
    with pytest.raises(StudyError):
        run_quality.outliers(wrong)


def test_a_run_that_slows_by_a_third_is_said_to_drift():
    rng = np.random.default_rng(0)
    found = run_quality.drift(np.linspace(1, 4 / 3, 40) * np.exp(0.05 * rng.standard_normal(40)))
    assert found
    assert found.low < 1 / 3 < found.high


def test_steady_times_seldom_drift():
    rng = np.random.default_rng(1)
    assert np.mean([bool(run_quality.drift(np.exp(0.1 * rng.standard_normal(30)))) for _ in range(400)]) < 0.08


def test_few_rounds_show_no_drift():
    assert not run_quality.drift([1.0, 2.0, 3.0, 4.0])
