"""Whether a feed keeps the device busy: the prediction from parts, and the simulated device."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

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


def test_the_step_that_is_kept_busy_and_the_cores_that_it_needs_are_each_others_inverse():
    assert starvation.busy_from(32, 1e-3) == pytest.approx(0.032)
    assert starvation.busy_from(32, 1e-3, cores=8) == pytest.approx(0.004)
    assert starvation.busy_from(32, 1e-3, cores=64, handover_s=0.001) == 0.001
    for cores in (1, 2, 7, 16):
        assert starvation.cores_needed(32, 1e-3, step_s=starvation.busy_from(32, 1e-3, cores=cores)) == cores


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: starvation.FeedTimes(first_batch_s=-1, batch_s=0, batches=1, overlaps=True),
        lambda: starvation.FeedTimes(first_batch_s=0, batch_s=0, batches=0, overlaps=True),
        lambda: starvation.busy_from(0, 1e-3),
        lambda: starvation.busy_from(32, 1e-3, cores=0),
        lambda: starvation.cores_needed(32, 1e-3, step_s=0),
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
    plain = tf.data.Dataset.from_tensors(BATCH).repeat(3)
    assert not starvation.overlaps(plain)
    assert not starvation.overlaps(plain.map(lambda images, labels: (images + 1, labels)))
    assert starvation.overlaps(plain.prefetch(1))
    assert starvation.overlaps(plain.prefetch(1).with_options(tf.data.Options()))
    assert starvation.overlaps(plain.map(lambda images, labels: (images + 1, labels), num_parallel_calls=2))
    assert starvation.overlaps(Plain())


def test_a_feed_is_taken_apart_into_what_its_epoch_sums_to():
    task = Task(examples=256, transform="rescale")
    parts = starvation.take_apart(pipelines.build("tf_data", task), epochs=2)
    assert parts.batches == 8 and parts.overlaps
    assert min(parts.first_batch_s, parts.batch_s, parts.end_s) > 0


def test_a_simulated_step_takes_its_time_and_little_cpu():
    model = simulated_device.model(BATCH, step_s=0.02)
    timing.time_epoch(model, timing.held(BATCH, 2))
    epoch = timing.time_epoch(model, timing.held(BATCH, 20))
    assert epoch.steady_batch_s >= 0.02  # a sleep is never shorter than asked for
    assert epoch.cpu_s < epoch.epoch_s


def test_a_simulated_device_waits_for_a_slow_feed_as_predicted():
    class Slow(Plain):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            time.sleep(0.02)
            return BATCH

    slow = Slow()
    parts = starvation.take_apart(slow, epochs=1)
    measured = timing.take_training_apart(simulated_device.model(BATCH, step_s=0.005), slow, epochs=1)
    assert measured.waiting_share > 0.5
    assert parts.predict(measured.step_s).waiting_share == pytest.approx(measured.waiting_share, abs=0.15)
