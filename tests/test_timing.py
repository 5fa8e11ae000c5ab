import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import timing
from helpers.errors import StudyError
from helpers.timing import models

BATCH = (np.zeros((4, 8, 8, 3), "float32"), np.zeros(4, "int64"))


def test_the_parts_of_an_epoch_sum_to_it():
    epoch = timing.time_epoch(models.smallest(BATCH), timing.held(BATCH, 10))
    assert epoch.batches == 10
    assert epoch.first_batch_s + epoch.steady_s + epoch.end_s == pytest.approx(epoch.epoch_s, rel=1e-9)
    assert epoch.steady_batch_s == pytest.approx(epoch.steady_s / 9)


def test_a_fake_clock_is_read_at_the_four_places():
    ticks = iter(range(0, 10**12, 10**9))
    epoch = timing.time_epoch(models.smallest(BATCH), timing.held(BATCH, 3), clock=lambda: next(ticks))
    # start, epoch begin, three batch ends, epoch end: a second apart
    assert (epoch.set_up_s, epoch.first_batch_s, epoch.steady_s, epoch.end_s) == pytest.approx((1, 1, 2, 1))


class Sleeping(keras.utils.PyDataset):
    """Ten batches, each after a sleep of known length."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def __len__(self):
        return 10

    def __getitem__(self, index):
        time.sleep(self.seconds)
        return BATCH


class SleepingStep(keras.layers.Layer):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def call(self, images):
        def sleep(pixels):
            time.sleep(self.seconds)
            return pixels

        slept = tf.numpy_function(sleep, [images], tf.float32)
        slept.set_shape(images.shape)
        return images + 0 * tf.stop_gradient(slept)


def sleeping_model(seconds):
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), SleepingStep(seconds), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse", jit_compile=False)
    return model


def test_a_slow_producer_is_all_waiting_and_a_slow_step_is_none():
    starved = timing.take_training_apart(models.smallest(BATCH), Sleeping(0.03), epochs=2)
    assert starved.waiting_share > 0.8
    assert starved.epoch_s == pytest.approx(10 * 0.03, rel=0.5)
    fed = timing.take_training_apart(sleeping_model(0.03), timing.held(BATCH, 10), epochs=2)
    assert fed.waiting_share < 0.2
    assert fed.step_s == pytest.approx(0.03, rel=0.5)


def test_the_garbage_collector_is_back_on_afterwards_even_after_an_error():
    import gc

    with pytest.raises(RuntimeError), timing.garbage_collection_paused():
        assert not gc.isenabled()
        raise RuntimeError
    assert gc.isenabled()


def test_a_feed_without_a_batch_is_refused():
    with pytest.raises(StudyError, match="at least one batch"):
        timing.first_batch(tf.data.Dataset.from_tensors(BATCH).take(0))
