import numpy as np
import pytest
import tensorflow as tf

from helpers import parity, pipelines
from helpers.errors import StudyError
from helpers.tasks import Task

TASK = Task(transform="rescale", examples=100, batch_size=32)


def of_arrays(images, labels, batch=32, shuffle=True):
    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    return (dataset.shuffle(len(labels)) if shuffle else dataset).batch(batch)


@pytest.fixture(scope="module")
def right():
    data = TASK.arrays()
    return data.images.astype("float32") * np.float32(1 / 255), data.labels


def aspects(feed, task=TASK):
    return set(parity.check(task, {"mine": feed}).differences["aspect"])


def test_a_users_own_dataset_that_does_the_task_is_the_same(right):
    report = parity.check(TASK, {"mine": of_arrays(*right)})
    assert report.same, str(report)
    assert "same" in report._repr_html_()
    assert report.overview.loc["mine"].tolist().count("same") >= 8


# What is wrong -> (the feed that has it, from the right images and labels; the aspects in which it differs). Where
# pixels or labels are so wrong that an image is taken for another one, it differs in what follows from that as well.
FAULTS = {
    "images are float64": (lambda images, labels: of_arrays(images.astype("float64"), labels), {"image dtype"}),
    "values go up to 255": (
        lambda images, labels: of_arrays(images * 255, labels),
        {"value range", "pixels", "examples", "freshness"},
    ),
    "labels are float32": (lambda images, labels: of_arrays(images, labels.astype("float32")), {"labels"}),
    "labels are one-hot": (lambda images, labels: of_arrays(images, np.eye(10, dtype="float32")[labels]), {"labels"}),
    "batches are too large": (lambda images, labels: of_arrays(images, labels, batch=50), {"batches"}),
    "the last example is missing": (
        lambda images, labels: of_arrays(images[:-1], labels[:-1]),
        {"batches", "examples"},
    ),
    "the order is the stored one": (lambda images, labels: of_arrays(images, labels, shuffle=False), {"shuffling"}),
    "images are cut in half": (lambda images, labels: of_arrays(images[:, :16], labels), {"image shape"}),
    "labels belong to the next image": (
        lambda images, labels: of_arrays(images, np.roll(labels, 1)),
        {"pixels", "examples", "freshness"},
    ),
    "images are a shade too bright": (
        lambda images, labels: of_arrays(images + np.float32(0.002), labels),
        {"pixels", "value range"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_where_it_is_and_nowhere_else(fault, right):
    faulty, differing = FAULTS[fault]
    assert aspects(faulty(*right)) == differing


def test_an_example_that_comes_twice_in_place_of_another_is_found(right):
    images, labels = right
    same_label = np.flatnonzero(labels == labels[0])
    twice = images.copy()
    twice[same_label[0]] = images[same_label[1]]
    assert aspects(of_arrays(twice, labels)) == {"examples"}


def test_a_dropped_partial_batch_is_found(right):
    dataset = tf.data.Dataset.from_tensor_slices(right).shuffle(100).batch(32, drop_remainder=True)
    assert aspects(dataset) == {"batches", "examples"}


def test_too_small_a_shuffle_buffer_is_found():
    task = Task(transform="rescale", examples=1000)
    feed = pipelines.build("tf_data", task, shuffle_buffer=50)
    assert set(parity.check(task, {"mine": feed}).differences["aspect"]) == {"shuffling"}


def test_brightness_in_place_of_noise_is_found():
    task = Task(transform="noise", examples=100)
    brighter = pipelines.build("tf_data", task.but(transform="brightness"))
    assert aspects(brighter, task) == {"draws"}


def test_brightness_drawn_too_wide_is_found():
    task = Task(transform="brightness", examples=200)
    plain = pipelines.build("tf_data", task.but(transform="rescale", batch_size=1)).unbatch()
    wide = plain.map(lambda image, label: (image + tf.random.uniform((), -0.2, 0.2), label)).batch(task.batch_size)
    assert aspects(wide, task) == {"draws", "value range"}


def test_flips_that_were_not_asked_for_are_found():
    task = Task(transform="brightness", examples=200)
    flipped = pipelines.build("tf_data", task.but(transform="flip_brightness"))
    assert aspects(flipped, task) == {"draws", "value range", "pixels", "examples"}


def test_shear_zoom_and_flip_left_out_are_found():
    task = Task(transform="shear_zoom_flip", examples=100)
    assert aspects(pipelines.build("tf_data", task.but(transform="rescale")), task) == {"draws", "freshness"}


def test_noise_in_a_task_without_draws_is_found():
    noisy = pipelines.build("tf_data", TASK.but(transform="noise"))
    assert aspects(noisy) == {"pixels", "freshness", "value range"}


def test_what_is_no_feed_is_refused(right):
    with pytest.raises(StudyError, match="must be a"):
        parity.check(TASK, {"mine": right})
    with pytest.raises(StudyError, match="at least one feed"):
        parity.check(TASK, {})
    with pytest.raises(StudyError, match="end by itself"):
        parity.check(TASK, {"mine": of_arrays(*right).repeat()})


@pytest.mark.slow
def test_many_alike_images_under_a_warp_raise_no_false_alarm():
    task = Task(transform="shear_zoom_flip", examples=3000, batch_size=128)
    report = parity.check(task, {"tf_data": pipelines.build("tf_data", task, map="batch")})
    assert report.same, str(report)
