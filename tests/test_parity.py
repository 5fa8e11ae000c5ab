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


def test_each_fault_is_found_where_it_is(right):
    images, labels = right
    assert aspects(of_arrays(images.astype("float64"), labels)) == {"image dtype"}
    assert aspects(of_arrays(images * 255, labels)) >= {"value range", "pixels"}
    assert aspects(of_arrays(images, labels.astype("float32"))) == {"labels"}
    assert aspects(of_arrays(images, np.eye(10, dtype="float32")[labels])) == {"labels"}
    assert aspects(of_arrays(images, labels, batch=50)) == {"batches"}
    assert aspects(of_arrays(images[:-1], labels[:-1])) >= {"batches", "examples"}
    assert aspects(of_arrays(images, labels, shuffle=False)) == {"shuffling"}
    assert aspects(of_arrays(images[:, :16], labels)) == {"image shape"}
    assert aspects(of_arrays(images, np.roll(labels, 1))) >= {"pixels"}
    assert aspects(of_arrays(images + np.float32(0.002), labels)) >= {"pixels"}


def test_an_example_that_comes_twice_in_place_of_another_is_found(right):
    images, labels = right
    same_label = np.flatnonzero(labels == labels[0])
    twice = images.copy()
    twice[same_label[0]] = images[same_label[1]]
    assert aspects(of_arrays(twice, labels)) == {"examples"}


def test_a_dropped_partial_batch_is_found(right):
    dataset = tf.data.Dataset.from_tensor_slices(right).shuffle(100).batch(32, drop_remainder=True)
    assert aspects(dataset) >= {"batches", "examples"}


def test_too_small_a_shuffle_buffer_is_found():
    task = Task(transform="rescale", examples=1000)
    feed = pipelines.build("tf_data", task, shuffle_buffer=50)
    assert set(parity.check(task, {"mine": feed}).differences["aspect"]) == {"shuffling"}


def test_brightness_in_place_of_noise_is_found():
    task = Task(transform="noise", examples=100)
    brighter = pipelines.build("tf_data", task.but(transform="brightness"))
    assert "draws" in aspects(brighter, task)


def test_brightness_drawn_too_wide_is_found():
    task = Task(transform="brightness", examples=200)
    wide = pipelines.build("tf_data", task.but(transform="flip_brightness"))
    assert aspects(wide, task) & {"draws", "value range", "pixels"}


def test_zoom_left_out_is_found():
    task = Task(transform="shear_zoom_flip", examples=100)
    assert "draws" in aspects(pipelines.build("tf_data", task.but(transform="rescale")), task)


def test_noise_in_a_task_without_draws_is_found():
    noisy = pipelines.build("tf_data", TASK.but(transform="noise"))
    assert aspects(noisy) >= {"pixels", "freshness"}


def test_what_is_no_feed_is_refused(right):
    with pytest.raises(StudyError, match="must be a"):
        parity.check(TASK, {"mine": right})
    with pytest.raises(StudyError, match="at least one feed"):
        parity.check(TASK, {})
    with pytest.raises(StudyError, match="end by itself"):
        parity.check(TASK, {"mine": of_arrays(*right).repeat()})


def test_many_alike_images_under_a_warp_raise_no_false_alarm():
    task = Task(transform="shear_zoom_flip", examples=3000, batch_size=128)
    report = parity.check(task, {"tf_data": pipelines.build("tf_data", task, map="batch")})
    assert report.same, str(report)
