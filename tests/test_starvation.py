"""Whether a feed keeps the device busy: the prediction from parts, and the simulated device."""

import threading
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from work_clock import WorkClock

from helpers import pipelines, timing
from helpers.errors import StudyError
from helpers.tasks import Task
from helpers.timing import simulated_device, starvation

BATCH = (np.zeros((4, 8, 8, 3), "float32"), np.zeros(4, "int64"))
PARTS = {"first_batch_s": 0.1, "batch_s": 0.01, "batches": 11}


def test_a_step_longer_than_a_batch_waits_only_for_the_first_batch_where_they_overlap():
    epoch = starvation.FeedTimes(**PARTS, overlaps=True).predict(0.02)
    assert epoch.epoch_s == pytest.approx(0.1 + 11 * 0.02)
    assert epoch.waiting_share == pytest.approx(0.1 / 0.32)


def test_a_step_shorter_than_a_batch_waits_for_the_rest_of_it():
    epoch = starvation.FeedTimes(**PARTS, overlaps=True).predict(0.004)
    assert epoch.epoch_s == pytest.approx(0.1 + 0.004 + 10 * 0.01)
    # After the first batch the device idles for the share of a batch that its step does not fill.
    later = epoch.epoch_s - 0.104
    assert 1 - 10 * 0.004 / later == pytest.approx(1 - 0.004 / 0.01)


def test_where_nothing_overlaps_every_batch_is_waited_for():
    epoch = starvation.FeedTimes(**PARTS, overlaps=False, end_s=0.05).predict(0.02)
    assert epoch.epoch_s == pytest.approx(0.1 + 0.02 + 10 * 0.03 + 0.05)


def test_overlap_never_makes_a_device_wait_longer():
    for step_s in (1e-4, 1e-3, 1e-2, 1e-1):
        waits = [starvation.FeedTimes(**PARTS, overlaps=one).predict(step_s).waiting_share for one in (True, False)]
        assert waits[0] <= waits[1]


def test_more_cores_keep_a_shorter_step_busy_down_to_the_handover():
    assert starvation.busy_from(32, 1e-3) == pytest.approx(0.032)
    assert starvation.busy_from(32, 1e-3, cores=8) == pytest.approx(0.004)
    assert starvation.busy_from(32, 1e-3, cores=64, handover_s=0.001) == 0.001


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: starvation.FeedTimes(first_batch_s=-1, batch_s=0, batches=1, overlaps=True),
        lambda: starvation.FeedTimes(first_batch_s=0, batch_s=0, batches=0, overlaps=True),
        lambda: starvation.busy_from(0, 1e-3),
        lambda: starvation.busy_from(32, 1e-3, cores=0),
        lambda: simulated_device.model(BATCH, step_s=-1),
    ],
)
def test_numbers_that_cannot_be_are_refused(impossible):
    with pytest.raises(StudyError, match="got"):
        impossible()


class Plain(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return BATCH


def test_what_works_ahead_is_told_from_what_does_not():
    as_written, plain = tf.data.Options(), tf.data.Dataset.from_tensors(BATCH).repeat(3)
    as_written.autotune.enabled = False
    brighter = lambda images, labels: (images + 1, labels)  # noqa: E731
    assert not starvation.overlaps(plain.with_options(as_written))
    assert not starvation.overlaps(plain.map(brighter).with_options(as_written))
    assert starvation.overlaps(plain), "TensorFlow adds a prefetch"
    assert starvation.overlaps(plain.map(brighter)), "TensorFlow makes the map parallel"
    assert starvation.overlaps(plain.unbatch().map(brighter).batch(2).with_options(as_written)), "and fuses it"
    assert starvation.overlaps(plain.prefetch(1).with_options(as_written))
    assert starvation.overlaps(plain.map(brighter, num_parallel_calls=2).with_options(as_written))
    assert starvation.overlaps(Plain())


@pytest.fixture
def clock(monkeypatch):
    return WorkClock().install(monkeypatch)


def test_a_feed_is_taken_apart_into_what_its_epoch_sums_to(monkeypatch):
    timed = []
    real = timing.time_epochs
    monkeypatch.setattr(timing, "time_epochs", lambda *given: timed.extend(real(*given)) or timed[-given[-1] :])
    parts = starvation.take_apart(pipelines.build("tf_data", Task(examples=256, transform="rescale")), epochs=1)
    assert parts.batches == 8 and parts.overlaps
    sum_s = parts.first_batch_s + (parts.batches - 1) * parts.batch_s + parts.end_s
    assert sum_s == pytest.approx(timed[-1].epoch_s, rel=1e-9)
    assert parts.predict(0).epoch_s == pytest.approx(sum_s, rel=1e-9)


def test_the_parts_of_a_feed_are_medians(monkeypatch):
    def made(first_batch_s, steady_s, end_s):
        return timing.Epoch(epoch_s=first_batch_s + steady_s + end_s, first_batch_s=first_batch_s, steady_s=steady_s,
                            iterator_s=0, end_s=end_s, cpu_s=70, batches=5)  # fmt: skip

    timed = iter([made(30, 4, 90), made(1, 8, 20), made(2, 40, 10)])
    monkeypatch.setattr(timing, "time_epochs", lambda model, feed, epochs: [next(timed) for _ in range(epochs)])
    parts = starvation.take_apart(timing.held(BATCH, 5), epochs=3)
    assert (parts.first_batch_s, parts.batch_s, parts.end_s, parts.batches) == (2, 2, 20, 5)
    assert next(timed, "none left") == "none left"


def test_a_simulated_step_sleeps_once_for_as_long_as_it_was_told(monkeypatch):
    slept = []
    monkeypatch.setattr(simulated_device, "time", SimpleNamespace(sleep=slept.append))
    model = simulated_device.model(BATCH, step_s=0.02)
    assert timing.time_epoch(model, timing.held(BATCH, 20)).batches == 20
    assert slept == [0.02] * 21  # one epoch that is timed, and the first step of the one that ends it


@pytest.mark.slow
def test_a_simulated_device_waits_for_a_slow_feed_as_predicted(clock):
    slow = clock.feed(BATCH, 0.02, 8)
    parts = starvation.take_apart(slow, epochs=1)
    measured = timing.take_training_apart(simulated_device.model(BATCH, step_s=0.005), slow, epochs=1)
    assert not parts.overlaps
    assert measured.waiting_share == pytest.approx(0.8)
    assert parts.predict(measured.step_s).waiting_share == pytest.approx(measured.waiting_share)


DEADLINE_S = 60  # a batch that is not prepared by then never will be


class Counted:
    """Counts the batches that a feed has prepared; a simulated step can wait for more of them."""

    def __init__(self):
        self.batches = 0
        self.prepared = threading.Condition()

    def count(self):
        with self.prepared:
            self.batches += 1
            self.prepared.notify_all()

    def comes(self, batches):
        with self.prepared:
            return self.prepared.wait_for(lambda: self.batches >= batches, DEADLINE_S)


def counting_dataset(counted):
    def prepare():
        for _ in range(6):
            counted.count()
            yield BATCH

    forms = tuple(tf.TensorSpec(part.shape, part.dtype) for part in BATCH)
    alone = tf.data.Options()
    alone.experimental_optimization.inject_prefetch = False
    dataset = tf.data.Dataset.from_generator(prepare, output_signature=forms)
    return dataset.apply(tf.data.experimental.assert_cardinality(6)).with_options(alone)


def counting_py_dataset(counted):
    class Counting(Plain):
        def __len__(self):
            return 6

        def __getitem__(self, index):
            counted.count()
            return BATCH

    return Counting()


@pytest.mark.parametrize(
    ("make", "ahead"),
    [
        (counting_dataset, False),
        (lambda counted: counting_dataset(counted).prefetch(1), True),
        (counting_py_dataset, True),
    ],
    ids=["a plain dataset", "a dataset with prefetch", "a PyDataset"],
)
def test_what_is_said_to_work_ahead_prepares_the_next_batch_during_a_step(make, ahead, monkeypatch):
    counted, seen = Counted(), []

    def step(_seconds):
        taken = len(seen) + 1
        seen.append(counted.comes(min(taken + 1, 6)) if ahead else counted.batches == taken)

    monkeypatch.setattr(simulated_device, "time", SimpleNamespace(sleep=step))
    feed = make(counted)
    assert starvation.overlaps(feed) == ahead
    timing.time_epoch(simulated_device.model(BATCH, step_s=1), feed)
    assert seen == [True] * 7  # an epoch, and the first step of the one that ends it
