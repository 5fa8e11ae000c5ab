"""Without a task: do feeds of any structure deliver the same examples as each other?"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings, strategies as st

from helpers import parity, pipelines
from helpers.errors import StudyError
from helpers.parity import distributions, examples, pairwise
from helpers.pipelines import Feed
from helpers.tasks import Task

N, BATCH = 60, 8
RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(N, 5)).astype("float32")
CLASSES = RNG.integers(0, 3, N)
PICTURES = RNG.integers(0, 256, (N, 6, 6, 3)).astype("uint8")
STRINGS = np.array([f"word {number % 7}" for number in range(N)])
WEIGHTS = np.linspace(0.5, 1, N, dtype="float32")


def sliced(structure, *, shuffle=False, batch=BATCH):
    dataset = tf.data.Dataset.from_tensor_slices(structure)
    return (dataset.shuffle(N) if shuffle else dataset).batch(batch)


class Batches(keras.utils.PyDataset):
    """A Sequence of some arrays' rows."""

    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return -(-N // BATCH)

    def __getitem__(self, index):
        return tuple(array[index * BATCH : (index + 1) * BATCH] for array in self.arrays)


def aspects(first, second):
    return set(parity.compare({"first": first, "second": second}).differences["aspect"])


def padded(lengths, labels, *, shuffle=False):
    """Sequences 1, 2, …, padded to the longest of their batch."""
    dataset = tf.data.Dataset.from_tensor_slices((lengths, labels))
    dataset = dataset.shuffle(N) if shuffle else dataset
    tokens = dataset.map(lambda length, label: (tf.range(1, length + 1), label))
    return tokens.padded_batch(BATCH, padded_shapes=([None], []))


LENGTHS = RNG.integers(0, 9, N)
NAMED = ({"numbers": TABLE, "word": STRINGS}, {"class": CLASSES, "next": TABLE[:, :2]}, WEIGHTS)

# What a feed delivers -> two feeds of it.
ALIKE = {
    "a table": lambda: (sliced((TABLE, CLASSES)), Feed(Batches(TABLE, CLASSES), shuffle=False)),
    "a table in another order every epoch": lambda: (
        sliced((TABLE, CLASSES), shuffle=True),
        Batches(TABLE, CLASSES),
    ),
    "a table that repeats": lambda: (sliced((TABLE, CLASSES)), Feed(sliced((TABLE, CLASSES)).repeat(), 8)),
    "strings, several inputs and outputs, weights": lambda: (sliced(NAMED), lambda: sliced(NAMED)),
    "pictures without labels": lambda: (sliced(PICTURES), sliced(PICTURES)),
    "sequences of several lengths": lambda: (
        padded(LENGTHS, CLASSES, shuffle=True),
        padded(LENGTHS, CLASSES, shuffle=True),
    ),
    "numbers computed in two ways": lambda: (
        sliced((PICTURES.astype("float32") / np.float32(255), CLASSES), shuffle=True),
        sliced((PICTURES.astype("float32") * np.float32(1 / 255), CLASSES), shuffle=True),
    ),
}


@pytest.mark.parametrize("name", ALIKE)
def test_feeds_that_deliver_the_same_are_the_same_work(name):
    first, second = ALIKE[name]()
    report = parity.compare({"first": first, "second": second})
    assert report.same, str(report)
    assert report.verdict == "Same work: first, second deliver the same examples."
    assert "reference" in report._repr_html_()


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("of", ["a table", "pictures", "sequences"])
@settings(max_examples=8, deadline=None)
@given(index=st.integers(0, N - 1))
def test_two_feeds_that_differ_in_one_label_are_told_apart_and_the_example_is_named(of, shuffle, index):
    changed = CLASSES.copy()
    changed[index] = 3
    if of == "sequences":
        first, second = (padded(LENGTHS, labels, shuffle=shuffle) for labels in (CLASSES, changed))
    else:
        inputs = TABLE if of == "a table" else PICTURES
        first, second = (sliced((inputs, labels), shuffle=shuffle) for labels in (CLASSES, changed))
    report = parity.compare({"first": first, "second": second})
    assert set(report.differences["aspect"]) - {"order"} == {"examples"}
    told = report.differences_of("second")["examples"]
    assert f"y 3 instead of {CLASSES[index]}" in told
    if not shuffle:
        assert f"example {index} (batch {index // BATCH})" in told


one_wrong_pixel = PICTURES.copy()
one_wrong_pixel[17, 2, 3, 1] ^= 1
twice = TABLE.copy()
twice[5] = twice[6]

# What is wrong -> (the right feed, the feed that has it, the aspects in which they differ).
FAULTS = {
    "another dtype": (lambda: (sliced((TABLE, CLASSES)), sliced((TABLE, CLASSES.astype("float32")))), {"dtypes"}),
    "labels one-hot": (
        lambda: (sliced((TABLE, CLASSES)), sliced((TABLE, np.eye(3)[CLASSES]))),
        {"dtypes", "shapes", "examples"},
    ),
    "no labels": (lambda: (sliced((TABLE, CLASSES)), sliced(TABLE)), {"parts"}),
    "other names": (lambda: (sliced({"a": TABLE}), sliced({"b": TABLE})), {"parts"}),
    "larger batches": (lambda: (sliced(TABLE), sliced(TABLE, batch=16)), {"batches"}),
    "the last example is missing": (lambda: (sliced(TABLE), sliced(TABLE[:-1])), {"batches", "examples"}),
    "one pixel is one shade off": (lambda: (sliced(PICTURES), sliced(one_wrong_pixel)), {"examples"}),
    "one example twice, another not": (lambda: (sliced(TABLE), sliced(twice)), {"examples"}),
    "a scale": (lambda: (sliced(TABLE, shuffle=True), sliced(TABLE * np.float32(1.001), shuffle=True)), {"examples"}),
    "not shuffled": (lambda: (sliced(TABLE, shuffle=True), sliced(TABLE)), {"order"}),
    "not shuffled by fit": (lambda: (Batches(TABLE), Feed(Batches(TABLE), shuffle=False)), {"order"}),
    "another order, kept": (lambda: (sliced(TABLE), sliced(TABLE[::-1])), {"order"}),
    "labels of the next example": (
        lambda: (sliced((TABLE, CLASSES)), sliced((TABLE, np.roll(CLASSES, 1)))),
        {"examples"},
    ),
    "one weight": (
        lambda: (sliced((TABLE, CLASSES, WEIGHTS)), sliced((TABLE, CLASSES, np.where(WEIGHTS == 1, 2, WEIGHTS)))),
        {"examples"},
    ),
    "one string": (lambda: (sliced(STRINGS), sliced(np.where(np.arange(N) == 9, "other", STRINGS))), {"examples"}),
    "sequences cut": (
        lambda: (padded(LENGTHS, CLASSES, shuffle=True), padded(np.minimum(LENGTHS, 6), CLASSES, shuffle=True)),
        {"examples"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_difference_is_found_where_it_is_and_nowhere_else(fault):
    make, differing = FAULTS[fault]
    first, second = make()
    report = parity.compare({"first": first, "second": second})
    by_chance = {"shapes"} if fault == "sequences cut" else set()  # how wide a batch of drawn sequences is
    assert set(report.differences["aspect"]) - by_chance == differing, str(report)
    assert "Not the same work: second deliver something else than first" in str(report)


# Feeds whose examples change from epoch to epoch, made without TensorFlow's overhead: (generator, epoch) -> batches.
IMAGES, LABELS, SIZE = RNG.random((400, 4, 4, 1)), RNG.integers(0, 4, 400), 25


def augmented(rng, *, by="example", shift=0.0, spread=0.2, flip=True, labels=LABELS, kept=None, quiet=False):
    """One epoch: brightness drawn for each example or batch, and flips. In random order, unless it is sorted."""
    order = np.argsort(labels, kind="stable") if by == "sorted" else rng.permutation(len(labels))
    for chosen in np.split(order, len(order) // SIZE):
        drawn = rng.uniform(-spread, spread, (1 if by == "batch" else SIZE, 1, 1, 1)) + shift
        images = IMAGES[chosen] + drawn * (0 if quiet else 1)
        turned = rng.random(SIZE) < 0.5
        images[turned & flip] = images[turned & flip, :, ::-1]
        yield images, labels[chosen]


def sampled(rng):
    """One epoch: examples drawn with replacement."""
    for _ in range(16):
        chosen = rng.integers(0, 400, SIZE)
        yield IMAGES[chosen], LABELS[chosen]


def differences(epochs_of_first, epochs_of_second):
    """What is found between two feeds, each given as two iterators of batches."""
    seen = [
        pairwise._Seen(*map(examples.read, epochs), shuffled_by_fit=False)
        for epochs in (epochs_of_first, epochs_of_second)
    ]
    found = set()
    pairwise._compare_two(*seen, lambda aspect, holds, *_: None if holds else found.add(aspect))
    return found


def two(make, seed, **options):
    rng = np.random.default_rng(seed)
    return [list(make(rng, **options)) for _ in range(2)]


@pytest.mark.parametrize("kind", ["example", "batch", "sorted", "sampled"])
def test_random_feeds_that_are_alike_raise_no_false_alarm(kind):
    make, options = (sampled, {}) if kind == "sampled" else (augmented, {"by": kind})
    alarms = {}
    for seed in range(0, 40, 2):
        if found := differences(two(make, seed, **options), two(make, seed + 1, **options)):
            alarms[seed] = found
    assert alarms == {}


RANDOM_FAULTS = {
    "brighter": ({"shift": 0.15}, {"distribution"}),
    "drawn too wide": ({"spread": 0.5}, {"distribution"}),
    "never flipped, and nothing drawn": ({"flip": False, "quiet": True}, {"freshness"}),
    "labels belong to other images": ({"labels": np.roll(LABELS, 1)}, set()),
    "one label": ({"labels": np.where(np.arange(400) == 7, 5, LABELS)}, {"examples"}),
}


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), fault=st.sampled_from(sorted(RANDOM_FAULTS)))
def test_a_planted_difference_between_random_feeds_is_found(seed, fault):
    options, differing = RANDOM_FAULTS[fault]
    found = differences(two(augmented, seed), two(augmented, seed + 1, **options))
    assert differing <= found


def test_images_that_change_are_held_to_the_label_that_they_come_with():
    bright = np.where(LABELS == 0, 0.5, 0.0)[:, None, None, None]

    def make(rng, roll):
        for chosen in np.split(rng.permutation(400), 16):
            images = IMAGES[chosen] + bright[chosen] + rng.normal(0, 0.05, (SIZE, 4, 4, 1))
            yield images, np.roll(LABELS, roll)[chosen]

    assert differences(two(make, 1, roll=0), two(make, 2, roll=0)) == set()
    assert differences(two(make, 1, roll=0), two(make, 2, roll=1)) == {"distribution"}


def test_a_frozen_augmentation_is_found_in_real_pipelines():
    task = Task(transform="noise", examples=200)
    fresh = pipelines.build("tf_data", task)
    frozen = pipelines.build("tf_data", task, cache="memory", cache_at="after_map")
    assert aspects(fresh, pipelines.build("py_dataset", task)) == set()
    assert aspects(fresh, frozen) == {"freshness", "order"}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), cluster=st.sampled_from([1, 5, 25]))
def test_the_p_value_allows_for_examples_that_share_a_draw(seed, cluster):
    rng = np.random.default_rng(seed)
    samples = [np.repeat(rng.normal(size=200 // cluster), cluster) for _ in range(2)]
    numbers = np.repeat(np.arange(200 // cluster), cluster)
    assert distributions.p_value(*samples, (numbers, numbers)) > 1e-5


def test_labels_drawn_anew_that_agree_by_chance_in_one_feed_raise_no_false_alarm():
    def make(labels):
        yield np.random.default_rng(labels.sum()).random((20, 3)), labels

    by_chance = [list(make(np.repeat([0, 1], (10, 10)))) for _ in range(2)]
    by_chance[1] = [(by_chance[1][0][0] + 1e-3, by_chance[1][0][1][::-1])]
    others = [list(make(np.repeat([0, 1], (count, 20 - count)))) for count in (9, 12)]
    assert "freshness" not in differences(by_chance, others)
    assert distributions.chance_of_the_same_counts(np.array([1, 1])) == pytest.approx(0.5)
    assert distributions.chance_of_the_same_counts(np.ones(20, int)) < 1e-7


@pytest.mark.parametrize(
    ("feeds", "said"),
    [
        ({"first": sliced(TABLE)}, "at least two feeds"),
        ({"first": sliced(TABLE), "second": TABLE}, "must be a tf.data.Dataset"),
        ({"first": sliced(TABLE), "second": sliced(TABLE).take(0)}, "second: a feed must give at least one example"),
        ({"first": sliced(TABLE), "second": sliced(TABLE).unbatch().map(tf.reduce_sum)}, "is batch"),
    ],
)
def test_what_cannot_be_compared_is_refused(feeds, said):
    with pytest.raises(StudyError) as caught:
        parity.compare(feeds)
    assert said in str(caught.value)
