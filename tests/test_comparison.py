import itertools

import numpy as np
import pandas as pd
import pytest

from helpers import comparison, timing
from helpers.errors import StudyError

BATCH = (np.zeros((4, 8, 8, 3), "float32"), np.zeros(4, "int64"))


@pytest.fixture(scope="module")
def short_against_long():
    """The clock moves on by a millisecond a reading: before an epoch's first batch, at each step's end, at its own."""
    feeds = {"short": timing.held(BATCH, 10), "long": timing.held(BATCH, 100)}
    ticks = itertools.count(0, 1_000_000)
    return comparison.compare(feeds, budget_s=4, precision=0.2, seed=3, clock=lambda: next(ticks))


def test_ten_times_the_batches_are_slower_by_what_the_clock_says(short_against_long):
    table = short_against_long.table.set_index("pipeline")
    assert table.loc["long", "verdict"] == "slower"
    assert table.loc["short", "epoch_s"] == pytest.approx(12e-3)
    assert table.loc["long", ["time_ratio", "low", "high"]].tolist() == pytest.approx([102 / 12] * 3)
    assert short_against_long.verdict("short", "long") == "faster"
    assert short_against_long.ratio("short", "long").ratio == pytest.approx(12 / 102)


def test_the_rounds_stop_at_the_look_after_the_first_at_which_every_interval_is_narrow(short_against_long):
    assert short_against_long.stopped == "precise"
    assert short_against_long.table["rounds"].tolist() == [8] * 2


class Scripted:
    """A feed whose rounds take what is written, the last of it for ever."""

    def __init__(self, *epoch_s):
        self.epoch_s = iter(epoch_s)
        self.last = 0.1

    def time_epochs(self, epochs):
        self.last = next(self.epoch_s, self.last)
        parts = {"steady_s": 0.5 * self.last, "end_s": 0.0, "first_batch_s": 0.5 * self.last, "iterator_s": 0.0}
        return [timing.Epoch(epoch_s=self.last, cpu_s=0.0, batches=5, **parts)] * epochs


def test_feeds_leave_one_by_one_and_the_reference_runs_to_the_end():
    noise = np.exp(np.random.default_rng(0).normal(0, 0.2, 60))
    feeds = {"steady": Scripted(0.2), "reference": Scripted(0.1), "noisy": Scripted(*(0.1 * noise))}
    found = comparison.compare(feeds, reference="reference", precision=0.03, max_rounds=20)
    assert found.stopped == "rounds"
    assert found.table.set_index("pipeline")["rounds"].to_dict() == {"steady": 8, "reference": 20, "noisy": 20}
    assert sorted(found.rounds.loc[found.rounds["pipeline"] == "steady", "round"].unique()) == list(range(1, 9))
    assert set(found.rounds.loc[found.rounds["round"] == 9, "pipeline"]) == {"reference", "noisy"}
    assert len(found.seconds("noisy")) == 20 and found.paired("steady", "noisy").shape == (2, 8)
    assert found.ratio("steady").ratio == pytest.approx(2) and found.ratio("steady").rounds == 8
    assert found.ratio_of_totals("steady") == pytest.approx(2)
    np.testing.assert_allclose(found.paired("steady", "noisy")[1], found.seconds("noisy")[:8])
    assert found.turns_at("steady") is None


@pytest.mark.slow
def test_where_verdicts_matter_a_ratio_far_from_1_may_be_known_less_precisely():
    noise = np.exp(np.random.default_rng(0).normal(0, 0.08, (2, 60)))

    def rounds(until):
        feeds = {"reference": Scripted(0.1), "far": Scripted(*(0.4 * noise[0])), "near": Scripted(*(0.1 * noise[1]))}
        found = comparison.compare(feeds, precision=0.01, max_rounds=30, until=until)
        return found.table.set_index("pipeline")["rounds"].to_dict(), found

    assert rounds("precise")[0] == {"reference": 30, "far": 30, "near": 30}
    counted, found = rounds("decided")
    assert counted["far"] < 30 == counted["near"] == counted["reference"]
    assert 0.01 < found.ratio("far").precision < 0.2 and found.verdict("far") == "slower"


def test_all_feeds_gone_is_the_end():
    feeds = {"reference": Scripted(0.1), "a": Scripted(0.2), "b": Scripted(0.3)}
    found = comparison.compare(feeds, max_rounds=100)
    assert found.stopped == "precise" and found.table["rounds"].tolist() == [8, 8, 8]


@pytest.mark.slow
def test_the_seed_of_the_order_is_drawn_and_kept_and_gives_the_order_again():
    def order(seed):
        found = comparison.compare({name: Scripted(0.1) for name in "abcd"}, seed=seed)
        return found.seed, found.rounds.sort_values(["round", "position"])["pipeline"].tolist()

    first, second = order(None), order(None)
    assert first[0] != second[0]
    assert order(first[0]) == first


def test_the_raw_rounds_are_kept_and_interleaved_in_an_order_that_changes(short_against_long):
    epochs = short_against_long.rounds["epoch"].max()
    assert epochs == 2  # of a tenth of a second by this clock
    assert short_against_long.rounds["epoch"].tolist() == [1, 2] * (len(short_against_long.rounds) // 2)
    rounds = short_against_long.rounds[short_against_long.rounds["epoch"] == 1]
    assert rounds["round"].tolist() == [number for number in range(1, len(rounds) // 2 + 1) for _ in range(2)]
    assert rounds["position"].tolist() == [0, 1] * (len(rounds) // 2)
    assert all(set(pair) == {"short", "long"} for _, pair in rounds.groupby("round")["pipeline"])
    assert rounds[rounds["position"] == 0]["pipeline"].nunique() == 2
    assert rounds["batches"].tolist() == [{"short": 10, "long": 100}[label] for label in rounds["pipeline"]]
    assert short_against_long.labels == ["short", "long"]


def test_an_epoch_is_a_start_and_its_batches_at_their_rate(short_against_long):
    for label, batches in (("short", 10), ("long", 100)):
        start, rate = short_against_long.start(label), short_against_long.rate(label)
        assert rate.value == pytest.approx(1e-3)
        assert start.value == pytest.approx(2e-3)  # the readings at an epoch's end and before its first batch
        assert start.value + batches * rate.value == pytest.approx(np.median(short_against_long.seconds(label)))
        assert short_against_long.batches(label) == batches


def made_up(**seconds):
    """A comparison of feeds of 11 batches; label -> the (start, rate) of each round."""
    rows = [
        {"round": number, "position": 0, "pipeline": label, "epoch": 1, "epoch_s": start + 11 * rate,
         "steady_s": 10 * rate, "end_s": 0.0, "first_batch_s": start + rate, "iterator_s": start - 0.02,
         "cpu_s": 0.0, "batches": 11}
        for label, rounds in seconds.items()
        for number, (start, rate) in enumerate(rounds, 1)
    ]  # fmt: skip
    return comparison.Comparison(
        labels=list(seconds), rounds=pd.DataFrame(rows), reference=next(iter(seconds)), confidence=0.95, margin=0.05,
        precision=0.03, stopped="", wall_s=1.0,
    )  # fmt: skip


def test_the_order_turns_where_the_slower_start_has_paid():
    noise = np.random.default_rng(0).normal(0, 1e-4, (2, 12))
    quick_start = [(0.1 + shift, 0.02) for shift in noise[0]]
    quick_rate = [(0.5 + shift, 0.01) for shift in noise[1]]
    found = made_up(start=quick_start, rate=quick_rate)
    assert found.turns_at("rate").value == pytest.approx(40, rel=0.03)
    assert found.turns_at("rate").low <= found.turns_at("rate").value <= found.turns_at("rate").high
    assert found.turns_at("rate", "start").value == found.turns_at("start", "rate").value
    better = made_up(a=quick_start, b=[(0.05, 0.01)] * 12)
    assert better.turns_at("b") is None


def test_a_rare_slow_epoch_shows_in_the_ratio_of_totals():
    usual = [(0.1, 0.01)] * 12
    found = made_up(steady=usual, moody=[*usual[:-2], (1.0, 0.01), (1.0, 0.01)])
    assert found.ratio("moody").ratio == pytest.approx(1)
    assert found.ratio_of_totals("moody") == pytest.approx((12 * 0.21 + 2 * 0.9) / (12 * 0.21))
    assert "ratio of totals 1.71" in found.flags("moody")
    assert not [flag for flag in found.flags("steady") if "totals" in flag]


def test_a_wait_for_autotunes_thread_is_in_no_ratio_but_told():
    starts_s = np.random.default_rng(0).normal(0.05, 2e-4, 20)  # epochs of 0.16 s; wakings at 0.14 and 0.3 s
    usual = [(start_s, 0.01) for start_s in starts_s]
    late = [(start_s + 0.14 * (number % 3 == 0), 0.01) for number, start_s in enumerate(starts_s)]
    found = made_up(steady=usual, waits=late)
    assert found.ratio("waits").ratio == pytest.approx(1, rel=0.01)
    assert found.ratio_of_totals("waits") == pytest.approx((20 * 0.16 + 7 * 0.14) / (20 * 0.16), rel=0.01)
    assert found.seconds("waits", "wait_s").sum() == pytest.approx(7 * 0.14, rel=0.01)
    assert "35% of its epochs wait for AUTOTUNE's thread, not counted" in found.flags("waits")
    assert found.rounds["epoch_s"].max() > 0.29, "the rounds stay as they were measured"
    assert not [flag for flag in found.flags("steady") if "wait" in flag]


def test_it_shows_itself_with_ratio_interval_and_verdict(short_against_long):
    html = short_against_long._repr_html_()
    assert "slower" in html and "reference" in html and " to " in html
    assert "epochs of 10 to 100 batches" in html and "epochs of 10 to 100 batches" in str(short_against_long)


def test_the_examples_of_an_epoch_stand_by_its_ratios_where_they_are_known():
    found = comparison.compare({"a": Scripted(0.1), "b": Scripted(0.2)}, examples=1000)
    assert "Time of epochs of 1,000 examples as a ratio to a" in str(found)
    assert "Time of epochs of 1,000 examples as a ratio to a" in found._repr_html_()


def test_what_stays_undecided_is_told_with_the_largest_difference_still_possible():
    noise = np.exp(np.random.default_rng(0).normal(0, 0.2, 60))
    found = comparison.compare({"a": Scripted(0.1), "b": Scripted(*(0.1 * noise))}, max_rounds=5)
    ratio = found.ratio("b")
    said = f"undecided, {max(ratio.high, 1 / ratio.low):.2f} times at most"
    assert found.verdict("b") == "undecided" and said in str(found) and said in found._repr_html_()
    assert found.table.set_index("pipeline").loc["b", "verdict"] == "undecided"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"precision": 0}, "precision must be above 0"),
        ({"precision": 3}, "precision must be above 0 and below 1"),
        ({"budget_s": -1}, "budget_s must be above 0"),
        ({"margin": 0}, "margin"),
        ({"confidence": 1}, "confidence"),
        ({"max_rounds": 2}, "max_rounds must be a whole number >= 5"),
        ({"until": "bored"}, "until must be one of precise, decided (got 'bored')"),
        ({"reference": "c"}, "reference must be one of a, b (got 'c')"),
    ],
)
def test_bad_numbers_are_refused_before_anything_runs(change, said):
    with pytest.raises(StudyError) as caught:
        comparison.compare({"a": None, "b": None}, **change)
    assert said in str(caught.value)


def test_one_feed_is_no_comparison():
    with pytest.raises(StudyError, match="at least two feeds"):
        comparison.compare({"a": None})


def test_an_unknown_label_is_refused(short_against_long):
    with pytest.raises(StudyError, match="one of short, long"):
        short_against_long.seconds("middle")


def test_a_feed_whose_epochs_differ_in_length_is_refused():
    import tensorflow as tf

    lengths = iter([6, 6, 6, 6, 5, 5, 5, 5, 5, 5])
    images = np.zeros((8, 4, 4, 1), np.float32)

    def batches():
        for _ in range(next(lengths)):
            yield images, np.zeros(8, np.float32)

    kinds = (tf.TensorSpec((8, 4, 4, 1), tf.float32), tf.TensorSpec((8,), tf.float32))
    shrinking = tf.data.Dataset.from_generator(batches, output_signature=kinds)
    steady = tf.data.Dataset.from_tensors((images, np.zeros(8, np.float32))).repeat(6)
    with pytest.raises(StudyError, match="as long"):
        comparison.compare({"shrinking": shrinking, "steady": steady}, budget_s=2)
