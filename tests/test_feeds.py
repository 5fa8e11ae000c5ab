"""Whatever `fit` takes is a feed: opened, read epoch by epoch as `fit` reads it, and compared."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import comparison, pipelines, timing
from helpers.errors import StudyError
from helpers.pipelines import Feed, feeds
from helpers.tasks import Task
from helpers.timing import models

N, BATCH = 40, 8
RNG = np.random.default_rng(0)
TABLE, CLASSES = RNG.normal(size=(N, 5)).astype("float32"), RNG.integers(0, 3, N)


class Batches(keras.utils.PyDataset):
    """A Sequence of what a function makes of a batch's number."""

    def __init__(self, make, length=N // BATCH, **settings):
        super().__init__(**settings)
        self.make, self.length, self.asked = make, length, []

    @property
    def num_batches(self):
        return self.length

    def __getitem__(self, index):
        self.asked.append(index)
        return self.make(index)


def rows(*arrays):
    """A function of a batch's number that gives these arrays' rows."""
    return lambda index: tuple(array[index * BATCH : (index + 1) * BATCH] for array in arrays)


def sliced(structure):
    return tf.data.Dataset.from_tensor_slices(structure).batch(BATCH)


def padded(*, seed=0):
    """Sequences of several lengths, padded to the longest of their batch."""
    lengths = np.random.default_rng(seed).integers(0, 9, N)
    of_lengths = tf.data.Dataset.from_tensor_slices((lengths, CLASSES))
    tokens = of_lengths.map(lambda length, label: (tf.range(1, length + 1), label))
    return tokens.padded_batch(BATCH, padded_shapes=([None], []))


def pictures_of_several_sizes(index):
    return np.zeros((BATCH, 4 + index % 3, 6 - index % 2, 3), "uint8"), CLASSES[:BATCH]


def steps_forever():
    while True:
        yield TABLE[:BATCH], CLASSES[:BATCH]


# Feeds that are no pictures of one size with a label each: name -> two ways to make the same.
NO_IMAGES = {
    "a table": (sliced((TABLE, CLASSES)), Batches(rows(TABLE, CLASSES))),
    "sequences of several lengths": (padded(), lambda: padded()),
    "several inputs and outputs, by name": (
        sliced(({"numbers": TABLE, "more": {"index": CLASSES}}, {"class": CLASSES, "next": TABLE[:, :2]})),
        lambda: sliced(({"numbers": TABLE, "more": {"index": CLASSES}}, {"class": CLASSES, "next": TABLE[:, :2]})),
    ),
    "several inputs, as a tuple": (
        sliced(((TABLE, CLASSES), CLASSES)),
        Batches(lambda i: (rows(TABLE, CLASSES)(i), CLASSES[i * BATCH :][:BATCH])),
    ),
    "no labels": (sliced(TABLE), Batches(lambda index: rows(TABLE)(index)[0])),
    "inputs by name, without labels": (
        sliced({"numbers": TABLE}),
        Batches(lambda index: {"numbers": rows(TABLE)(index)[0]}),
    ),
    "sample weights": (
        sliced((TABLE, CLASSES, np.ones(N, "float32"))),
        Batches(rows(TABLE, CLASSES, np.ones(N, "float32"))),
    ),
    "strings": (
        sliced((np.array(["a", "bcd"] * (N // 2)), CLASSES)),
        Feed(sliced((np.array(["a", "bcd"] * (N // 2)), CLASSES)).repeat(), steps_per_epoch=5),
    ),
    "pictures of several sizes": (Batches(pictures_of_several_sizes), Batches(pictures_of_several_sizes, workers=2)),
    "masks as labels, weighted": (
        sliced((np.zeros((N, 6, 6, 3), "uint8"), np.zeros((N, 6, 6, 1), "uint8"), np.ones((N, 6, 6), "float32"))),
        lambda: sliced(
            (np.zeros((N, 6, 6, 3), "uint8"), np.zeros((N, 6, 6, 1), "uint8"), np.ones((N, 6, 6), "float32"))
        ),
    ),
    "a generator that never ends": (Feed(lambda: steps_forever(), steps_per_epoch=5), lambda: Feed(steps_forever(), 5)),
}


QUICK = {"a table", "several inputs and outputs, by name", "pictures of several sizes", "a generator that never ends"}


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NO_IMAGES]
)
def test_feeds_that_are_no_images_are_compared(name):
    first, second = NO_IMAGES[name]
    compared = comparison.compare({"first": first, "second": second}, budget_s=0.1, precision=0.9, margin=0.9)
    assert set(compared.rounds["batches"]) == {N // BATCH}
    assert set(compared.table["pipeline"]) == {"first", "second"}


def labels_read(given, epochs):
    return [[batch[1].tolist() for batch in epoch] for epoch in feeds.epochs_of(given, epochs)]


def test_a_feed_that_repeats_is_read_through_one_iterator_as_fit_reads_it():
    counted = tf.data.Dataset.range(6).map(lambda number: (number, number)).batch(2).repeat()
    assert labels_read(Feed(counted, steps_per_epoch=2), 3) == [
        [[0, 1], [2, 3]],
        [[4, 5], [0, 1]],
        [[2, 3], [4, 5]],
    ]

    class Recorder(keras.Model):
        def train_step(self, data):
            received.extend(np.asarray(data[1]).tolist())
            return {"loss": 0.0}

    received: list[int] = []
    model = Recorder()
    model.compile(optimizer="sgd", loss="mse", run_eagerly=True)
    model.fit(counted, steps_per_epoch=2, epochs=3, verbose=0, shuffle=False)
    assert received == [0, 1, 2, 3, 4, 5] * 2


def test_a_function_is_called_anew_for_each_reading_and_once_for_a_comparison():
    calls = []

    def make():
        calls.append(1)
        return sliced((TABLE, CLASSES)).cache()

    labels_read(make, 2)
    assert len(calls) == 1
    labels_read(make, 1)
    assert len(calls) == 2
    comparison.compare({"a": make, "b": sliced((TABLE, CLASSES))}, budget_s=0.1, precision=0.9)
    assert len(calls) == 3


def test_an_epoch_that_is_left_early_is_read_to_its_end():
    dataset = sliced((TABLE, CLASSES)).cache()
    lengths = []
    for epoch in feeds.epochs_of(dataset, 3):
        next(epoch)
        lengths.append(1)
    assert lengths == [1, 1, 1]
    assert sum(1 for _ in feeds.batches_of(dataset)) == N // BATCH
    timing.first_batch(dataset)
    assert sum(1 for _ in feeds.batches_of(dataset)) == N // BATCH


def test_a_py_dataset_hears_of_every_epoch():
    class Hearing(Batches):
        heard = ()

        def on_epoch_begin(self):
            self.heard += ("begin",)

        def on_epoch_end(self):
            self.heard += ("end",)

    data = Hearing(rows(TABLE, CLASSES))
    labels_read(data, 2)
    assert data.heard == ("begin", "end", "begin", "end")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda: (TABLE, CLASSES), "must be a tf.data.Dataset"),
        (lambda: steps_forever(), "no second epoch"),
        (steps_forever(), "readable more than once"),
        (Feed(steps_forever(), steps_per_epoch=5), "readable more than once"),
        (lambda needed: None, "must need no argument"),
        (sliced(TABLE).repeat(), "must end by itself"),
        (Batches(rows(TABLE), length=None), "must end by itself"),
        (Feed(sliced(TABLE), steps_per_epoch=3), "must divide"),
        (tf.data.Dataset.from_tensors(tf.ragged.constant([[1], [2, 3]])), "plain tensors (got RaggedTensor)"),
        (None, "got NoneType"),
    ],
)
def test_what_cannot_be_read_epoch_by_epoch_is_refused_in_one_line(given, said):
    with pytest.raises(StudyError) as caught:
        feeds.opened(given)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_refused_generator_was_not_read():
    numbers = iter(range(3))
    with pytest.raises(StudyError):
        feeds.opened(number for number in numbers)
    assert next(numbers) == 0


@pytest.mark.parametrize("settings", [{"steps_per_epoch": 0}, {"steps_per_epoch": 2.5}, {"shuffle": "yes"}])
def test_a_feed_with_a_bad_argument_of_fit_is_refused(settings):
    with pytest.raises(StudyError, match=next(iter(settings))):
        Feed(sliced(TABLE), **settings)


def test_data_that_ends_before_its_steps_are_done_is_refused():
    unknown_end = sliced((TABLE, CLASSES)).filter(lambda *_: True)
    with pytest.raises(StudyError, match=r"got \d of 4"):
        labels_read(Feed(unknown_end, steps_per_epoch=4), 2)


@pytest.mark.parametrize("shuffle", [True, False, None])
def test_fit_shuffles_the_batches_of_a_py_dataset_unless_told_not_to(shuffle):
    data = Batches(rows(TABLE, CLASSES), length=5)
    model = models.smallest(timing.first_batch(data))
    feed = Feed(data, shuffle=shuffle)
    assert feeds.opened(feed).shuffle is (shuffle is not False)
    orders = []
    for _ in range(2):
        data.asked.clear()
        timing.time_epoch(model, feed)
        orders.append(data.asked[2:7])  # Keras asks for 0 and 1 first, for their form
    assert all(order == sorted(order) for order in orders) == (shuffle is False)


@pytest.mark.parametrize("name", ["py_dataset", "image_data_generator"])
def test_an_unshuffled_task_stays_unshuffled_through_fit(name):
    task = Task(examples=64, shuffle=False)
    assert feeds.opened(pipelines.build(name, task)).shuffle is False
    assert not isinstance(pipelines.build(name, task.but(shuffle=True)), Feed)


def test_a_model_of_ones_own_is_trained_and_one_that_is_not_compiled_is_refused():
    own = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    both = {"a": sliced((TABLE, CLASSES)), "b": sliced((TABLE, CLASSES))}
    with pytest.raises(StudyError, match="must be compiled"):
        comparison.compare(both, model=own)
    with pytest.raises(StudyError, match="must be a compiled Keras model"):
        comparison.compare(both, model="smallest")
    own.compile(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = own.get_weights()
    comparison.compare(both, model=own, budget_s=0.1, precision=0.9)
    assert not np.array_equal(before[0], own.get_weights()[0])


def test_elements_that_nobody_batched_are_refused():
    with pytest.raises(StudyError, match=r"is batch\(\) missing"):
        models.smallest(timing.first_batch(tf.data.Dataset.from_tensor_slices((TABLE, CLASSES))))
    with pytest.raises(StudyError, match="tuple of 4"):
        models.smallest((TABLE,) * 4)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras does not ask Grain for its length
def test_a_grain_dataset_is_a_feed():
    grain = pytest.importorskip("grain.python", reason="Grain is not installed: pip install grain")
    source = [(TABLE[index], CLASSES[index]) for index in range(N)]
    dataset = grain.MapDataset.source(source).batch(BATCH)
    compared = comparison.compare({"grain": dataset, "tf.data": sliced((TABLE, CLASSES))}, budget_s=0.1, precision=0.9)
    assert set(compared.rounds["batches"]) == {N // BATCH}
