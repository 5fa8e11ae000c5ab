"""The statistics: what must hold for any input, and simulated error rates with fixed seeds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from helpers import ratios
from helpers.errors import StudyError

settings.register_profile("no deadline", deadline=None)  # the first example imports SciPy
settings.load_profile("no deadline")

SECONDS = st.floats(1e-4, 1e3)
LEVELS = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.975, 0.99, 0.999])


@st.composite
def paired_seconds(draw):
    rounds = draw(st.integers(3, 40))
    one = arrays(float, rounds, elements=SECONDS)
    return draw(one), draw(one)


@given(paired_seconds(), LEVELS)
def test_swapping_the_pipelines_gives_the_reciprocal(pair, confidence):
    there = ratios.paired_ratio(*pair, confidence)
    back = ratios.paired_ratio(*pair[::-1], confidence)
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert there.low == pytest.approx(1 / back.high)
    assert there.high == pytest.approx(1 / back.low)


@given(paired_seconds(), st.floats(1e-3, 1e3))
def test_the_unit_does_not_matter(pair, unit):
    plain = ratios.paired_ratio(*pair)
    scaled = ratios.paired_ratio(pair[0] * unit, pair[1] * unit)
    assert scaled.ratio == pytest.approx(plain.ratio)


@given(paired_seconds(), st.floats(0.01, 100))
def test_a_slower_pipeline_scales_the_ratio(pair, factor):
    plain = ratios.paired_ratio(*pair)
    slower = ratios.paired_ratio(pair[0] * factor, pair[1])
    assert slower.ratio == pytest.approx(plain.ratio * factor)


@given(paired_seconds(), st.randoms(use_true_random=False))
def test_the_ratio_does_not_depend_on_the_order_of_the_rounds(pair, random):
    order = list(range(len(pair[0])))
    random.shuffle(order)
    shuffled = ratios.paired_ratio(pair[0][order], pair[1][order])
    assert shuffled.ratio == pytest.approx(ratios.paired_ratio(*pair).ratio)


@given(paired_seconds(), LEVELS)
def test_the_interval_contains_the_ratio(pair, confidence):
    ratio = ratios.paired_ratio(*pair, confidence)
    assert ratio.low <= ratio.ratio <= ratio.high
    assert ratio.rounds == len(pair[0])


@given(paired_seconds(), LEVELS, LEVELS)
def test_less_confidence_gives_no_wider_interval(pair, one, other):
    narrow = ratios.paired_ratio(*pair, min(one, other))
    wide = ratios.paired_ratio(*pair, max(one, other))
    assert wide.low <= narrow.low * (1 + 1e-9)
    assert narrow.high <= wide.high * (1 + 1e-9)


@given(arrays(float, st.integers(3, 60), elements=st.floats(-5, 5)))
def test_effective_rounds_are_never_more_than_the_rounds(differences):
    assert 3 <= ratios.effective_rounds(differences) <= len(differences)


@given(st.floats(0.5, 2), st.floats(0, 0.5), st.floats(0.01, 0.3))
def test_every_interval_gets_one_of_four_verdicts_that_it_supports(centre, half, margin):
    ratio = ratios.Ratio(centre, centre / (1 + half), centre * (1 + half), 20, 0.95)
    verdict = ratios.verdict(ratio, margin=margin)
    if verdict == "slower":
        assert ratio.low > 1
    elif verdict == "faster":
        assert ratio.high < 1
    elif verdict == "the same":
        assert 1 / (1 + margin) <= ratio.low <= ratio.high <= 1 + margin
    else:
        assert verdict == "undecided" and ratio.low <= 1 <= ratio.high


def test_a_small_difference_within_the_margin_is_the_same_even_if_it_is_certain():
    assert ratios.verdict(ratios.Ratio(1.02, 1.01, 1.03, 50, 0.95), margin=0.05) == "the same"


def test_the_equivalence_interval_decides_whether_it_is_the_same():
    wide = ratios.Ratio(1.0, 0.94, 1.06, 10, 0.95)
    assert ratios.verdict(wide) == "undecided"
    assert ratios.verdict(wide, equivalence=ratios.Ratio(1.0, 0.97, 1.03, 10, 0.9)) == "the same"


@given(st.floats(0.05, 1), st.floats(1, 20))
def test_what_is_undecided_is_told_with_the_largest_difference_left_open(low, high):
    told = ratios.in_words(ratios.Verdict.UNDECIDED, low, high)
    assert float(told.removeprefix("undecided, ").removesuffix(" times at most")) == pytest.approx(
        max(high, 1 / low), abs=0.0051
    )
    assert ratios.in_words("slower", low, high) == "slower"
    assert ratios.in_words("undecided", math.nan, math.nan) == "undecided"


def test_failing_to_find_a_difference_is_not_the_same():
    assert ratios.verdict(ratios.Ratio(1.0, 0.7, 1.4, 5, 0.95)) == "undecided"


@pytest.mark.parametrize(
    ("seconds", "reference", "says"),
    [
        ([1, 2, 3], [1, 2, 3, 4], "pair up"),
        ([1, 2], [1, 2], ">= 3"),
        ([1, 2, 0], [1, 2, 3], "positive"),
        ([1, 2, 3], [1, 2, -3], "positive"),
        ([1, 2, math.nan], [1, 2, 3], "positive and finite"),
        ([1, 2, 3], [1, math.inf, 3], "positive and finite"),
        ([[1, 2, 3]], [1, 2, 3], "one-dimensional"),
    ],
)
def test_rounds_that_cannot_be_compared_are_refused(seconds, reference, says):
    with pytest.raises(StudyError, match=says):
        ratios.paired_ratio(seconds, reference)


@pytest.mark.parametrize("confidence", [0, 1, -0.1, 1.5, math.nan])
def test_a_confidence_outside_0_to_1_is_refused(confidence):
    with pytest.raises(StudyError, match="confidence must be above 0 and below 1"):
        ratios.paired_ratio([1, 2, 3], [1, 2, 3], confidence)


@pytest.mark.parametrize("margin", [0, -0.1])
def test_a_margin_that_is_not_positive_is_refused(margin):
    with pytest.raises(StudyError, match="margin must be above 0"):
        ratios.verdict(ratios.Ratio(1, 1, 1, 5, 0.95), margin=margin)


@pytest.mark.parametrize("rounds", [5, 8, 12, 20, 50])
@pytest.mark.parametrize("noise", ["normal", "heavy tails", "one side spikes"])
def test_the_stated_interval_covers_the_median_ratio_as_often_as_it_says(noise, rounds):
    rng = np.random.default_rng(rounds)
    shape = (8000, rounds)
    differences = 0.1 * rng.standard_normal(shape)
    middle = 0.0
    if noise == "heavy tails":
        differences = 0.1 * rng.standard_t(2, shape)
    elif noise == "one side spikes":
        spiky = lambda size: 0.05 * rng.standard_normal(size) + 0.7 * (rng.random(size) < 0.15)  # noqa: E731
        differences, middle = spiky(shape), np.median(spiky(4_000_000))
    _, low, high, _ = ratios.log_ratio_interval(differences, 0.95)
    assert 0.94 <= np.mean((low <= middle) & (middle <= high)) <= 0.985


@pytest.mark.parametrize("rounds", [5, 8, 12])
def test_slow_epochs_of_one_side_do_not_blow_the_interval_up(rounds):
    rng = np.random.default_rng(rounds)
    differences = 0.05 * rng.standard_normal((4000, rounds))
    slow = differences + math.log(2) * (rng.random(differences.shape) < 0.15)
    level = ratios.sequential_confidence(0.95, looks=2, comparisons=4)

    def width(values):
        _, low, high, _ = ratios.log_ratio_interval(values, level)
        return np.median(high - low)

    assert width(slow) < 2.5 * width(differences)
    assert width(slow) < 0.7 * np.median(np.ptp(slow, axis=-1)) * (3 if rounds == 5 else 1)


@given(arrays(float, st.integers(3, 40), elements=st.floats(-5, 5)), st.floats(-3, 3), st.floats(0.01, 10), LEVELS)
def test_the_interval_moves_and_grows_with_the_figures(differences, shift, factor, confidence):
    plain = ratios.log_ratio_interval(differences, confidence)
    moved = ratios.log_ratio_interval(shift + factor * np.round(differences, 3), confidence)
    expected = ratios.log_ratio_interval(np.round(differences, 3), confidence)
    assert [float(value) for value in moved[:3]] == pytest.approx(
        [shift + factor * float(value) for value in expected[:3]], abs=1e-6 * (1 + 30 * factor)
    )
    assert plain[1] <= plain[0] <= plain[2]


@given(arrays(float, (3, 7), elements=st.floats(-5, 5)), LEVELS)
def test_many_comparisons_at_once_are_each_as_alone(differences, confidence):
    together = ratios.log_ratio_interval(differences, confidence)
    for number, alone in enumerate(differences):
        expected = [float(end) for end in ratios.log_ratio_interval(alone, confidence)]
        assert [end[number] for end in together] == pytest.approx(expected)


@pytest.mark.parametrize(("rounds", "least"), [(12, 0.93), (20, 0.93), (60, 0.93)])
def test_rounds_that_resemble_their_neighbours_by_a_third_are_covered_from_12_rounds_on(rounds, least):
    rng = np.random.default_rng(rounds)
    noise = rng.standard_normal((8000, rounds))
    for position in range(1, rounds):
        noise[:, position] = 0.3 * noise[:, position - 1] + math.sqrt(1 - 0.3**2) * noise[:, position]
    _, low, high, _ = ratios.log_ratio_interval(noise, ratios.sequential_confidence(looks=2))
    assert np.mean((low <= 0) & (high >= 0)) >= least


def test_rounds_that_resemble_their_neighbours_widen_the_interval():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2000, 50))
    for position in range(1, 50):
        noise[:, position] = 0.6 * noise[:, position - 1] + 0.8 * noise[:, position]
    _, low, high, effective = ratios.log_ratio_interval(noise, 0.95)
    assert np.median(effective) < 25
    assert np.mean((low <= 0) & (high >= 0)) > 0.9


@pytest.mark.parametrize("rounds", [3, 5, 11, 12, 17, 18, 30])
def test_a_level_beyond_what_the_range_reaches_still_has_an_interval(rounds):
    differences = np.random.default_rng(rounds).standard_normal(rounds)
    middle, low, high, _ = ratios.log_ratio_interval(differences, 1 - 1e-12)
    assert -math.inf < low < middle - 1 < middle + 1 < high < math.inf


def test_looks_grow_and_end_with_the_most():
    assert ratios.look_rounds(50) == [5, 8, 12, 18, 27, 41, 50]
    assert ratios.look_rounds(3) == [3]


def test_more_looks_and_more_pipelines_ask_for_a_stricter_level():
    once = ratios.sequential_confidence(0.95)
    assert once == pytest.approx(0.95)
    assert ratios.sequential_confidence(0.95, looks=8) == pytest.approx(0.975)
    assert ratios.sequential_confidence(0.95, comparisons=4) > 0.98
    assert ratios.sequential_confidence(0.95, looks=8, comparisons=4) > ratios.sequential_confidence(
        0.95, comparisons=4
    )


@pytest.mark.parametrize("wrong", [{"looks": 0}, {"comparisons": 0}])
def test_corrections_need_at_least_one_look_and_one_pipeline(wrong):
    with pytest.raises(StudyError, match=">= 1"):
        ratios.sequential_confidence(0.95, **wrong)


@pytest.mark.parametrize("spread", [0.02, 0.05, 0.1, 0.2])
def test_a_run_that_stops_when_it_is_precise_keeps_its_confidence(spread):
    rng = np.random.default_rng(1)
    looks = ratios.look_rounds(93)
    level = ratios.sequential_confidence(0.95, looks=len(looks))
    differences = spread * rng.standard_normal((4000, looks[-1]))
    running, narrow = np.ones(len(differences), bool), np.zeros(len(differences), bool)
    covered = np.zeros(len(differences), bool)
    for rounds in looks:
        _, low, high, _ = ratios.log_ratio_interval(differences[:, :rounds], level)
        stops = running & (narrow | (rounds == looks[-1]))
        covered[stops] = ((low <= 0) & (high >= 0))[stops]
        narrow |= (high - low) / 2 <= math.log1p(0.03)
        running &= ~stops
    assert covered.mean() >= 0.945


def test_precision_is_half_the_interval_as_a_share():
    ratio = ratios.Ratio(2.0, 2.0 / 1.03, 2.0 * 1.03, 20, 0.95)
    assert ratio.precision == pytest.approx(0.03)
    assert 0.029 < ratio.precision < 0.031


def test_a_ratio_reads_as_one_line():
    assert str(ratios.Ratio(1.25, 1.2, 1.3, 12, 0.95)) == "1.250 (1.200 to 1.300, 12 rounds)"
