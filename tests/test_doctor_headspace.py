"""How much of an epoch is the input's, and that the doctor leaves everything as it was."""

import random
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import doctor
from helpers.doctor import parts
from helpers.errors import StudyError
from helpers.pipelines import Feed

pytestmark = pytest.mark.usefixtures("own_seed")

X, Y = np.random.default_rng(0).random((64, 8), np.float32), np.arange(64) % 3


class Slow(keras.utils.PyDataset):
    def __init__(self, wait_s=0.0, **options):
        super().__init__(**options)
        self.wait_s, self.begun, self.asked = wait_s, 0, []

    def __len__(self):
        return 8

    def __getitem__(self, index):
        self.asked.append(index)
        time.sleep(self.wait_s)
        return X[8 * index : 8 * index + 8], Y[8 * index : 8 * index + 8]


def classifier():
    model = keras.Sequential([keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def state_of(model):
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    return [np.array(each) for each in (*model.variables, *model.optimizer.variables, *metrics)]


def test_a_feed_that_waits_is_told_from_one_that_is_ready():
    slow = doctor.headspace(Slow(0.02), budget_s=0.3)
    assert slow.matters and slow.share.low > 0 and slow.at_most.low > 1
    assert "times as fast" in str(slow) and slow.batches == 8


@pytest.mark.slow
def test_the_share_of_a_batch_held_ready_is_small():
    ready = doctor.headspace(tf.data.Dataset.from_tensors((X, Y)).repeat(200), budget_s=1)
    assert ready.share.low < 0.3 and 0 <= ready.share.low <= ready.share.value <= ready.share.high < 1
    assert ready.at_most.low >= 1


def test_a_model_and_the_seeds_are_as_before():
    model = classifier()
    model.fit(X, Y, epochs=2, verbose=0)
    history, before = model.history, state_of(model)
    keras.utils.set_random_seed(3)
    expected = [random.random(), np.random.random(), float(tf.random.uniform(())), float(keras.random.uniform(()))]
    keras.utils.set_random_seed(3)
    doctor.headspace(Slow(), model=model, budget_s=0.1)
    drawn = [random.random(), np.random.random(), float(tf.random.uniform(())), float(keras.random.uniform(()))]
    assert drawn == expected
    for value, now in zip(before, state_of(model), strict=True):
        np.testing.assert_array_equal(value, now)
    assert model.history is history and not model.stop_training


@pytest.mark.slow
def test_a_model_that_was_never_built_begins_its_training_as_if_nobody_had_asked():
    def trained(ask):
        keras.utils.set_random_seed(1)
        model = classifier()
        if ask:
            doctor.headspace(Slow(), model=model, budget_s=0.1)
        return model.fit(X, Y, epochs=2, verbose=0, shuffle=False).history["loss"]

    assert trained(True) == trained(False)


def test_a_one_shot_feed_is_refused_unread():
    read = []

    def batches():
        read.append(1)
        yield X, Y

    with pytest.raises(StudyError, match="give a function without arguments"):
        doctor.headspace(batches())
    assert not read


def test_a_model_that_is_not_compiled_is_refused():
    with pytest.raises(StudyError, match="must be compiled"):
        doctor.headspace(Slow(), model=keras.Sequential([keras.layers.Dense(1)]))


@pytest.mark.parametrize("endless", [False, True])
def test_of_a_long_epoch_a_part_is_read_and_that_is_said(endless):
    numbers = tf.data.Dataset.range(10**6).batch(4)
    feed = Feed(numbers.repeat(), steps_per_epoch=250_000) if endless else numbers
    part = parts.part_of(feed, 0.05)
    assert parts.LEAST_BATCHES <= part.batches < part.of == 250_000
    assert len([*parts.feeds.batches_of(part.feed)]) == part.batches
    assert "batches of 250000 of an epoch" in part.said


def test_a_feed_with_a_cache_is_read_to_its_end():
    seen = []

    def noted(number):
        seen.append(int(number))
        return number

    cached = tf.data.Dataset.range(50).map(lambda number: tf.py_function(noted, [number], tf.int64)).cache().batch(5)
    assert parts.part_of(cached, 0.0).is_whole and sorted(seen) == list(range(50))


def test_a_part_of_a_py_dataset_keeps_its_workers():
    part = parts.part_of(Slow(0.01, workers=2, max_queue_size=3), 0.0)
    assert part.batches < 8 == part.of and part.feed.data.workers == 2 and part.feed.data.max_queue_size == 3


def test_a_feed_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(parts, "HANGS_S", 0.1)
    with pytest.raises(parts.Hangs, match="given up"):
        parts.part_of(Slow(2.0), 0.0)


def test_a_training_is_watched_and_its_model_stays_as_trained(capsys):
    def trained(callbacks):
        keras.utils.set_random_seed(2)
        model = classifier()
        feed = Slow(0.01)
        history = model.fit(feed, epochs=5, verbose=0, shuffle=False, validation_data=(X, Y), callbacks=callbacks(feed))
        return model, history

    watch = []
    model, history = trained(lambda feed: [watch.append(doctor.Watch(feed)) or watch[0]])
    plain, plain_history = trained(lambda feed: [])
    for value, now in zip(state_of(plain), state_of(model), strict=True):
        np.testing.assert_array_equal(value, now)
    assert history is model.history and history.history == plain_history.history
    assert watch[0].headspace.matters and watch[0].batches == 8
    assert "the input's share of an epoch is" in capsys.readouterr().out


def test_a_training_of_few_epochs_says_what_it_lacks(capsys):
    classifier().fit(feed := Slow(), epochs=2, verbose=0, callbacks=[doctor.Watch(feed)])
    assert "4 epochs tell" in capsys.readouterr().out
