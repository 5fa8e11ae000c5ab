"""What each stage of a feed costs, and where it was written."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.doctor import costs, parts, prediction, stages
from helpers.doctor.stages import Stage
from helpers.pipelines import Feed

IMAGES = np.random.default_rng(0).random((128, 32, 32, 3), np.float32)


def costly(image):
    return tf.image.resize(tf.image.resize(image, (448, 448)), (32, 32))


def cheap(image):
    return image + 1


def measured(feed):
    return costs.of(parts.part_of(feed, 1.0), 1.0)


def test_the_costly_stage_is_found_with_its_line():
    told = measured(tf.data.Dataset.from_tensor_slices(IMAGES).map(cheap).map(costly).batch(16))
    assert told.costliest.name == "Map costly"
    assert told.costliest.where == f"{__file__}:{costly.__code__.co_firstlineno}"
    assert told.share(told.costliest) == max(map(told.share, told.stages))
    assert sum(map(told.share, told.stages)) == pytest.approx(1)
    assert [stage.name.split()[0] for stage in told.stages] == ["TensorSlice", "Map", "Map", "Batch"]
    assert "costly" in str(told) and "epoch if free" not in str(told)


def test_what_a_cache_keeps_costs_nothing_in_later_epochs():
    told = measured(tf.data.Dataset.from_tensor_slices(IMAGES).map(costly).cache().batch(16))
    assert [stage.first_epoch_only for stage in told.stages] == [True, True, False, False]
    assert told.stages[1].cost_s == 0 < told.stages[1].cpu_s


def test_of_a_feed_that_never_ends_an_epoch_is_measured():
    endless = tf.data.Dataset.from_tensor_slices(IMAGES).repeat().map(costly).batch(16)
    told = measured(Feed(endless, steps_per_epoch=8))
    assert told.costliest.name == "Map costly" and told.batches == 8


def test_a_feed_of_two_branches_is_taken_apart_too():
    both = tf.data.Dataset.zip(tf.data.Dataset.from_tensor_slices(IMAGES).map(costly), tf.data.Dataset.range(128))
    told = measured(both.batch(16))
    assert told.costliest.name == "Map costly" and len(told.stages) == 5


class Python(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        total = 0
        for number in range(400_000):
            total += number
        return IMAGES[:8] + total * 0.0


class Waits(Python):
    def __getitem__(self, index):
        time.sleep(0.05)
        return IMAGES[:8]


def test_a_py_dataset_that_waits_is_told_from_one_that_computes():
    for _ in range(5):  # where others keep the processors, the lock is not seen
        computes, waits = measured(Python()).outer[0], measured(Waits()).outer[0]
        if computes.of_lock > waits.of_lock:
            break
    assert waits.cpu_s < 0.5 * waits.wall_s and "waits for" in waits.note
    assert 0 <= waits.of_lock < computes.of_lock <= 1


def test_the_costly_line_of_a_py_dataset_is_told():
    told = measured(Waits())
    line = Waits.__getitem__.__code__.co_firstlineno + 1
    assert [stage.where for stage in told.stages if stage.inner] == [f"{__file__}:{line}"]


def test_image_data_generator_is_timed_by_its_methods_and_left_as_it_was():
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(rotation_range=20, horizontal_flip=True)
    before = dict(vars(generator))
    told = measured(generator.flow(IMAGES, np.arange(128), batch_size=32))
    inner = {stage.name.rpartition(".")[2]: stage for stage in told.stages if stage.inner}
    assert inner["apply_transform"].wall_s > inner["standardize"].wall_s
    assert inner["apply_transform"].elements == 128
    assert vars(generator).keys() == before.keys()


def test_what_two_ways_tell_is_compared():
    assert stages.disagreement("x", ("a", 1.0), ("b", 1.1)) == []
    (said,) = stages.disagreement("x", ("a", 1.0), ("b", 1.5))
    assert "1000 ms by a" in said


@pytest.mark.parametrize(
    ("seconds", "calls", "expected"), [((1, 3), (1, 1), 4), ((1, 3), (1, 2), 2.5), ((1, 1), (1, 1), 2)]
)
def test_an_epoch_is_the_longest_of_what_goes_on_side_by_side(seconds, calls, expected):
    chain = [Stage("Map", cpu_s=cost, calls=number) for cost, number in zip(seconds, calls, strict=True)]
    assert prediction.epoch_s(chain, 1.0, 2) == max(expected, (sum(seconds) + 1.5) / 2)


def test_without_a_prefetch_the_model_waits_for_each_batch():
    chain = [Stage("Map", cpu_s=2.0)]
    assert prediction.epoch_s(chain, 1.0, 4) == 2.0 and prediction.epoch_s(chain, 1.0, 4, ahead=False) == 3.0


def test_workers_that_wait_need_no_core():
    assert prediction.epoch_s([Stage("all", cpu_s=0.1, wall_s=8.0, calls=8)], 0.1, 2) == 1.0


def test_a_shuffle_does_its_share_of_the_work_before_the_first_batch():
    told = measured(tf.data.Dataset.from_tensor_slices(IMAGES).map(cheap).shuffle(32).batch(16).map(cheap))
    assert prediction.before_the_first_batch(told) == [0.25, 0.25, 0.25, 0.125, 0.125]
    whole = measured(tf.data.Dataset.from_tensor_slices(IMAGES).shuffle(1000).batch(16))
    assert prediction.before_the_first_batch(whole) == [1.0, 1.0, 0.125]


def test_the_making_of_iterators_goes_with_the_stages_that_have_functions():
    told = stages.Stages((Stage("source", cpu_s=0.1), Stage("Map own", "mine.py:1", cpu_s=0.5)), batches=10)
    free = prediction.with_free_epochs(told, prediction.Measured(1.0, 0.05, start_s=0.4), 2).stages
    assert free[1].free_epoch_s < 0.4 < free[0].free_epoch_s


def test_no_stage_gains_more_than_no_input_at_all():
    told = measured(tf.data.Dataset.from_tensor_slices(IMAGES).map(costly).batch(16))
    free = prediction.with_free_epochs(told, prediction.Measured(1.0, 1e-3), 2)
    assert all(1e-3 <= stage.free_epoch_s <= 1.0 for stage in free.stages)
    assert min(free.stages, key=lambda stage: stage.free_epoch_s).name == "Map costly"
