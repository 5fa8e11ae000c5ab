"""One element after each stage of a pipeline, as lessons show it."""

import numpy as np
import pytest
import tensorflow as tf

from helpers import pipelines
from helpers.errors import StudyError
from helpers.pipelines import stages
from helpers.tasks import Task

ROWS = np.arange(100, dtype="uint8").reshape(25, 4), np.arange(25)


def halved(row, label):
    return tf.cast(row, tf.float32) / 2, label


def written():
    return tf.data.Dataset.from_tensor_slices(ROWS).map(halved).cache().batch(10).prefetch(2)


def test_each_stage_has_a_row_with_what_comes_out_of_it():
    table = pipelines.after_each_stage(written())
    assert table["stage"].tolist() == ["TensorSlice", "Map halved", "Cache", "Batch", "Prefetch"]
    assert table["x"].iloc[0] == "uint8 [0, 1, 2, 3]"
    assert table["x"].iloc[1] == "float32 [0. , 0.5, 1. , 1.5]"
    assert table["x"].iloc[3] == "float32 (10, 4), 0.00 to 19.50"
    assert table["y"].tolist() == ["int64 0"] * 3 + ["int64 (10,), 0 to 9"] * 2


def test_a_cache_is_whole_after_it_was_looked_at():
    dataset = tf.data.Dataset.range(640).prefetch(4).cache().batch(32).map(lambda n: n + 1, num_parallel_calls=2)
    pipelines.after_each_stage(dataset)
    assert [sum(len(batch) for batch in dataset.as_numpy_iterator()) for _ in range(3)] == [640] * 3


def test_stages_before_a_given_one_are_left_out():
    source = tf.data.Dataset.from_tensor_slices(ROWS).map(halved)
    table = pipelines.after_each_stage(source.batch(5), since=source)
    assert table["stage"].tolist() == ["Map halved", "Batch"]


def test_an_endless_pipeline_is_shown_too():
    table = pipelines.after_each_stage(pipelines.Feed(written().repeat(), steps_per_epoch=3))
    assert table["stage"].iloc[-1] == "Repeat"


def test_dictionaries_have_a_column_per_key_and_pairs_within_pairs_are_told_in_one():
    of_dictionaries = tf.data.Dataset.range(3).map(lambda n: {"image": [n, n], "label": n})
    assert pipelines.after_each_stage(of_dictionaries).columns.tolist() == ["stage", "x", "image", "label"]
    numbers = tf.data.Dataset.range(3)
    zipped = tf.data.Dataset.zip(tf.data.Dataset.zip(numbers, numbers), numbers)
    assert pipelines.after_each_stage(zipped)["x"].iloc[-1] == "int64 0; int64 0"


def test_a_py_dataset_has_one_row_its_batch():
    table = pipelines.after_each_stage(pipelines.build("py_dataset", Task(examples=50, batch_size=20)))
    assert len(table) == 1 and table["x"][0].startswith("float32 (20, 32, 32, 3), 0.00")


def test_what_is_no_feed_is_refused():
    with pytest.raises(StudyError, match="a feed must be"):
        pipelines.after_each_stage(ROWS)


def test_texts_are_told_by_their_end():
    path = "/a/very/long/path/to/a/picture/of/a/flower.jpg"
    assert stages.told(path.encode()) == repr("…" + path[-30:])
    assert stages.told(np.array([b"a", b"b"], object)) == "text (2,)"
