"""Work within the model: proved by reading through its layers, compared in whole training epochs, and told so."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import comparison, parity, pipelines, results, timing
from helpers.errors import StudyError
from helpers.measurement import SMALLEST, Row, measure
from helpers.pipelines import Feed, feeds
from helpers.plots import condition
from helpers.results import pairs_of
from helpers.tasks import Task
from helpers.timing import models


@pytest.mark.parametrize("transform", ["rescale", "noise", "resize_standardize"])
@pytest.mark.parametrize("name", ["layers_in_model", "keras_layers"])
def test_keras_layers_do_the_task_in_the_map_and_in_the_model(name, transform):
    task = Task(transform=transform, examples=70)
    report = parity.check(task, {name: pipelines.build(name, task)})
    assert report.same, str(report)


def test_a_layer_that_does_other_work_is_told_by_parity():
    task = Task(transform="brightness", examples=70)  # RandomBrightness clips
    assert "pixels" in set(parity.check(task, {"in": pipelines.build("layers_in_model", task)}).differences["aspect"])


def test_fit_gets_the_undone_pictures_and_parity_what_the_layers_make_of_them():
    task = Task(transform="noise", examples=70, shuffle=False)
    feed = pipelines.build("layers_in_model", task, repeat=True)
    assert feed.steps_per_epoch == 3
    (raw, labels), (done, _) = next(feeds.batches_of(feed)), next(next(feeds.delivered(feed, 1)))
    np.testing.assert_array_equal(raw, task.arrays().images[:32])
    np.testing.assert_array_equal(labels, task.arrays().labels[:32])
    assert raw.dtype == np.uint8 and done.dtype == np.float32 and 0.05 < np.std(done - raw / 255) < 0.15


def test_a_function_that_makes_a_feed_keeps_its_layers():
    task = Task(examples=8)
    assert feeds.opened(lambda: pipelines.build("layers_in_model", task)).layers is not None
    layers = keras.Sequential([keras.layers.Rescaling(2.0)])
    assert feeds.opened(Feed(lambda: pipelines.build("tf_data", task), layers=layers)).layers is layers


def test_two_feeds_are_held_against_each_other_through_their_layers():
    x, y = np.random.default_rng(0).random((40, 3), "float32"), np.arange(40) % 2
    plain = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    doubled = plain.map(lambda x, y: (2 * x, y))
    in_model = Feed(plain, layers=keras.Sequential([keras.layers.Rescaling(2.0)]))
    assert parity.compare({"map": doubled, "model": in_model}).same
    assert not parity.compare({"plain": plain, "model": in_model}).same


def test_the_layers_run_in_the_step_and_the_model_behind_them_trains():
    task = Task(transform="rescale", examples=64)
    feed = pipelines.build("layers_in_model", task)
    batch = timing.first_batch(feed)
    model = models.of(lambda given: models.small_cnn(given, classes=10, filters=2), batch, layers=feed.layers)
    before = [np.array(weights) for weights in model.model.get_weights()]
    history = model.fit(feed.data, epochs=2, verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"]).all()
    assert any(not np.array_equal(old, new) for old, new in zip(before, model.model.get_weights(), strict=True))
    np.testing.assert_allclose(model(batch[0]), model.model(batch[0].astype("float32") / 255), atol=1e-5)


@pytest.fixture(scope="module")
def measured():
    specs = {"keras_layers": {}, "layers_in_model": {}, "tf_data": {}}
    return measure(Task(transform="noise", examples=96), specs, budget_s=0.5, filters=2)


def test_whole_training_epochs_are_compared_and_the_rows_say_so(measured):
    rows = measured.rows()
    assert set(rows["model"]) == {"a small CNN"} and rows["same_work"].all() and rows["time_ratio"].notna().all()
    assert "Time of whole training epochs of 96 examples, of a small CNN, as a ratio" in str(measured.comparison)
    assert condition(next(rows.itertuples())).endswith("; whole epochs of a small CNN")


def test_rules_leave_such_cells_out_unless_they_ask_for_them(measured):
    sides = {"pipeline": {"builder": "layers_in_model"}, "reference": {"builder": "keras_layers"}}
    assert pairs_of(measured.rows(), **sides).empty
    assert len(pairs_of(measured.rows(), cells={"model": "a small CNN"}, **sides)) == 1


def test_a_table_from_before_was_measured_with_the_smallest_model(measured, tmp_path):
    rows = measured.rows()
    results.write_table(tmp_path / "results.parquet", rows)
    table = results.read(tmp_path)
    assert set(table["model"]) == {"a small CNN"}
    table.drop(columns="model").to_parquet(tmp_path / "results.parquet", index=False)
    assert set(results.read(tmp_path)["model"]) == {SMALLEST} == {Row.model}


def test_memory_in_a_process_of_its_own_is_refused_before_anything_is_timed():
    with pytest.raises(StudyError, match=r"isolate measures feeds without a training model \(got layers_in_model"):
        measure(Task(examples=32), {"tf_data": {}, "layers_in_model": {}}, isolate=True)


@pytest.mark.slow
def test_a_model_of_ones_own_comes_behind_the_layers():
    task = Task(transform="rescale", examples=64)
    fed = {name: pipelines.build(name, task) for name in ("tf_data", "layers_in_model")}
    own = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
    own.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    told = comparison.compare(fed, model=own, trained="my model", budget_s=0.1, max_rounds=5)
    assert "of my model" in str(told) and own.built


@pytest.mark.slow
def test_it_works_on_jax_too():
    code = """
import json
from helpers import parity, pipelines
from helpers.measurement import measure
from helpers.tasks import Task
task = Task(transform="resize_standardize", examples=40)
grain = {"grain": pipelines.build("grain", task), "in the model": pipelines.build("layers_in_model", task)}
small = Task(transform="noise", examples=64)
rows = measure(small, {"tf_data": {}, "layers_in_model": {}, "grain": {}}, budget_s=0.1, filters=2).rows()
print(json.dumps([parity.check(task, grain).same, bool(rows["same_work"].all()), *set(rows["backend"])]))
"""
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == [True, True, "jax"]
