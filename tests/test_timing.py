"""Epochs timed through the real `fit`, with clocks that are not clocks: what is counted, and from where to where."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from work_clock import WorkClock

from helpers import timing
from helpers.errors import StudyError
from helpers.machine import processes
from helpers.pipelines import Feed
from helpers.timing import epochs, models, simulated_device

BATCH = (np.zeros((4, 8, 8, 3), "float32"), np.zeros(4, "int64"))
SECOND = 10**9


def test_each_part_of_an_epoch_lies_between_its_two_readings_of_the_clock():
    # An epoch, read before its first batch, at three batch ends and at its end, and one that ends with its first batch;
    # no two steps between the readings are as long.
    readings = iter(second * SECOND for second in (1, 2, 4, 8, 16, 32, 64, 128))
    epoch = timing.time_epoch(models.smallest(BATCH), timing.held(BATCH, 3), clock=lambda: next(readings))
    assert epoch.steady_s == pytest.approx(8 - 2)
    assert epoch.end_s == pytest.approx(16 - 8)
    assert epoch.first_batch_s == pytest.approx(64 - 16)
    assert epoch.iterator_s == pytest.approx(32 - 16)
    assert epoch.epoch_s == pytest.approx(64 - 2)
    assert epoch.batch_s == pytest.approx(3)
    assert epoch.start_s == pytest.approx(62 - 3 * 3)
    assert epoch.batches == 3
    assert next(readings, "none left") == "none left"


def test_the_clock_is_read_when_the_first_step_and_the_last_have_ended():
    model = models.smallest(BATCH)
    steps_taken = lambda: int(model.optimizer.iterations.numpy())  # noqa: E731
    timed = timing.time_epochs(model, timing.held(BATCH, 7), 3, clock=lambda: steps_taken() * SECOND)
    assert [(epoch.steady_s, epoch.end_s, epoch.first_batch_s) for epoch in timed] == [pytest.approx((6, 0, 1))] * 3
    assert [epoch.batches for epoch in timed] == [7] * 3


class EndTold(keras.utils.PyDataset):
    """Three batches; notes each end of an epoch that Keras tells of."""

    def __init__(self, **options):
        super().__init__(**options)
        self.ends = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return BATCH

    def on_epoch_end(self):
        self.ends += 1


@pytest.mark.parametrize(("workers", "is_cut"), [(0, True), (1, True), (2, False)])
def test_the_epoch_that_is_not_timed_is_cut_short_unless_workers_would_stay_behind(workers, is_cut):
    before = set(threading.enumerate())
    sequence, whole = EndTold(workers=workers), EndTold(workers=workers)
    model = models.smallest(BATCH)
    timed = timing.time_epochs(model, sequence, 2)
    assert [epoch.batches for epoch in timed] == [3] * 2
    assert int(model.optimizer.iterations.numpy()) == 2 * 3 + (1 if is_cut else 3)
    models.smallest(BATCH).fit(whole, verbose=0)
    before_the_first = whole.ends - 1  # some versions of Keras tell of an end there too
    assert sequence.ends == before_the_first + 2 + (not is_cut)
    # TensorFlow's own threads that called Python are "Dummy" to it.
    assert [thread for thread in set(threading.enumerate()) - before if not thread.name.startswith("Dummy")] == []


def test_a_cache_is_whole_after_an_epoch_that_was_cut_short():
    cached = tf.data.Dataset.from_tensors(BATCH).repeat(5).cache()
    timing.time_epochs(models.smallest(BATCH), cached, 1)
    assert sum(1 for _ in cached) == 5


def test_an_epoch_of_one_batch_has_no_rate_and_is_all_start():
    epoch = timing.time_epoch(models.smallest(BATCH), timing.held(BATCH, 1))
    assert (epoch.batches, epoch.steady_s) == (1, 0)
    assert np.isnan(epoch.batch_s)
    assert epoch.start_s == epoch.epoch_s


def test_cpu_seconds_are_those_from_an_epochs_first_step_to_the_next_ones(monkeypatch):
    readings = iter([5.0, 5.75, 7.0])
    monkeypatch.setattr(processes, "cpu_seconds", lambda: next(readings))
    timed = timing.time_epochs(models.smallest(BATCH), timing.held(BATCH, 3), 2)
    assert [epoch.cpu_s for epoch in timed] == [0.75, 1.25]


def test_all_epochs_are_of_one_fit(monkeypatch):
    model = models.smallest(BATCH)
    fitted, fit = [], model.fit
    monkeypatch.setattr(model, "fit", lambda *data, **options: fitted.append(fit(*data, **options)))
    assert len(timing.time_epochs(model, timing.held(BATCH, 3), 4)) == 4
    (history,) = fitted
    assert len(history.epoch) == 5


def test_a_feed_that_repeats_is_read_by_one_iterator_with_the_steps_that_it_tells():
    made = []

    def batches():
        made.append("iterator")
        while True:
            yield BATCH

    forms = tuple(tf.TensorSpec(part.shape, part.dtype) for part in BATCH)
    endless = tf.data.Dataset.from_generator(batches, output_signature=forms)
    model = models.smallest(BATCH)
    seconds_per_step = 0.05
    by_steps = lambda: round(int(model.optimizer.iterations.numpy()) * seconds_per_step * SECOND)  # noqa: E731
    timed = timing.time_epochs(model, Feed(endless, steps_per_epoch=4), 3, clock=by_steps)
    assert [epoch.batches for epoch in timed] == [4] * 3
    assert len(made) == 1
    steps_before = int(model.optimizer.iterations.numpy()) - (4 * 3 + 1)
    assert steps_before * seconds_per_step == pytest.approx(epochs.LEAD_S, abs=4 * seconds_per_step)


class Numbered(keras.utils.PyDataset):
    """Ten batches; keeps the order in which they were asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def __len__(self):
        return 10

    def __getitem__(self, index):
        self.asked.append(index)
        return BATCH


@pytest.mark.parametrize("shuffle", [None, True, False])
def test_fit_shuffles_the_batches_of_a_sequence_unless_it_is_told_not_to(shuffle):
    sequence = Numbered()
    timing.time_epoch(models.smallest(BATCH), Feed(sequence, shuffle=shuffle))
    of_an_epoch = sequence.asked[2:12]  # Keras asks for 0 and 1 first, for their form
    assert sorted(of_an_epoch) == list(range(10))
    assert (of_an_epoch == list(range(10))) == (shuffle is False)


@pytest.fixture
def clock(monkeypatch):
    return WorkClock().install(monkeypatch)


@pytest.mark.parametrize(
    ("batch_s", "step_s", "waiting_share"),
    [
        pytest.param(0.03, 0.0, 1.0, marks=pytest.mark.slow),
        pytest.param(0.0, 0.03, 0.0, marks=pytest.mark.slow),
        (0.02, 0.01, 2 / 3),
    ],
    ids=["a slow producer is all waiting", "a slow step is none", "both are told apart"],
)
def test_the_share_of_waiting_is_what_the_steps_do_not_explain(batch_s, step_s, waiting_share, clock):
    model = simulated_device.model(BATCH, step_s=step_s)
    training = timing.take_training_apart(model, clock.feed(BATCH, batch_s, 10), epochs=2)
    assert training.batches == 10
    assert training.step_s == pytest.approx(step_s)
    assert training.epoch_s == pytest.approx(10 * (batch_s + step_s))
    assert training.waiting_share == pytest.approx(waiting_share)


def made(epoch_s, batch_s):
    """An epoch of five batches."""
    return timing.Epoch(
        epoch_s=epoch_s, first_batch_s=0, iterator_s=0, steady_s=4 * batch_s, end_s=0, cpu_s=0, batches=5
    )


def test_the_median_of_the_timed_epochs_counts(monkeypatch):
    feed = timing.held(BATCH, 5)
    through, alone = [made(4, 0), made(1, 0), made(2, 0)], [made(0, 0.7), made(0, 0.2), made(0, 0.1)]
    monkeypatch.setattr(epochs, "time_epoch", lambda model, timed: made(99, 99))
    monkeypatch.setattr(
        epochs, "time_epochs", lambda model, timed, count: (through if timed is feed else alone)[:count]
    )
    training = timing.take_training_apart(None, feed, epochs=3)
    assert (training.epoch_s, training.step_s, training.batches) == (2, pytest.approx(0.2), 5)


def test_a_step_is_the_median_of_three_short_epochs(monkeypatch):
    monkeypatch.setattr(epochs, "time_epoch", lambda model, feed: made(9, 9))
    monkeypatch.setattr(epochs, "time_epochs", lambda model, feed, count: [made(9, s) for s in (0.5, 0.1, 0.2)[:count]])
    assert timing.step_seconds(None, BATCH) == pytest.approx(0.2)


def test_the_garbage_collector_is_back_on_afterwards_even_after_an_error():
    import gc

    with pytest.raises(RuntimeError), timing.garbage_collection_paused():
        assert not gc.isenabled()
        raise RuntimeError
    assert gc.isenabled()


def test_a_feed_without_a_batch_is_refused():
    with pytest.raises(StudyError, match="at least one batch"):
        timing.first_batch(tf.data.Dataset.from_tensors(BATCH).take(0))
