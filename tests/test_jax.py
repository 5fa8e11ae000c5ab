"""Everything that goes through `fit`, with Keras on JAX and tf.data in TensorFlow: in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from helpers import machine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed"),
]

CODE = """
import json
import numpy as np
from helpers import machine, measurement, pipelines, timing
from helpers.machine import device
from helpers.pipelines import device_prefetch, feeds
from helpers.tasks import Task
from helpers.timing import models, simulated_device, starvation

if __name__ == "__main__":
    task = Task(examples=160, transform="rescale")
    names = ("py_dataset", "image_data_generator", "tf_data", "tf_image_data_generator")
    measured = measurement.measure(task, {name: {} for name in names}, budget_s=0.5, train=True)
    rows = measured.rows(machine_id=machine.describe().id)
    isolated = measurement.measure(task, {"py_dataset": {}, "tf_data": {}}, budget_s=0.2, isolate=True)

    feed = pipelines.build("tf_data", task.but(shuffle=False))
    sent = device_prefetch.prefetched(feed)
    pairs = zip(feeds.batches_of(feed), feeds.batches_of(sent), strict=True)
    batch = timing.first_batch(feed)
    simulated = simulated_device.model(batch, step_s=0.02)
    training = timing.take_training_apart(simulated, pipelines.build("py_dataset", task), epochs=1)

    import jax
    import tensorflow as tf

    print(json.dumps({
        "same": measured.parity.same,
        "rows": json.loads(rows[["pipeline", "backend", "device", "machine_id", "time_ratio", "waiting_share",
                                 "train_step_s", "device_busy_share"]].to_json(orient="records")),
        "isolated": list(isolated.comparison.labels), "memory": min(isolated.peak_rss_bytes.values()),
        "sent": all(np.array_equal(a[0], b[0]) for a, b in pairs),
        "sent type": isinstance(sent[0][0], jax.Array),
        "sent epoch": timing.time_epoch(models.smallest(batch), sent).batches,
        "simulated step": training.step_s,
        "overlaps": [starvation.overlaps(pipelines.build(name, task)) for name in names],
        "tf.data computes on": device.computes_on(feed),
        "devices": machine.describe().devices,
    }))
"""


@pytest.fixture(scope="module")
def on_jax(tmp_path_factory):
    script = tmp_path_factory.mktemp("jax") / "on_jax.py"
    script.write_text(CODE)
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    ran = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.strip().splitlines()[-1])


def test_all_pipelines_do_the_same_work_and_are_ranked(on_jax):
    assert on_jax["same"]
    rows = {row["pipeline"]: row for row in on_jax["rows"]}
    assert len(rows) == 4
    assert all(row["time_ratio"] > 0 for row in rows.values())


def test_training_is_taken_apart(on_jax):
    for row in on_jax["rows"]:
        assert row["train_step_s"] > 0 and 0 <= row["waiting_share"] < 1
        assert row["device_busy_share"] is None  # there is no GPU to ask


def test_every_row_names_backend_and_device_and_is_not_merged_with_another_backends(on_jax):
    assert {row["backend"] for row in on_jax["rows"]} == {"jax"}
    assert {row["device"] for row in on_jax["rows"]} == {"CPU (jax)"}
    assert {row["machine_id"] for row in on_jax["rows"]}.isdisjoint({machine.describe().id})
    assert on_jax["devices"]["jax"][0].startswith("cpu:0")


def test_pipelines_in_processes_of_their_own(on_jax):
    assert on_jax["isolated"] == ["py_dataset", "tf_data"]
    assert on_jax["memory"] > 0


def test_batches_are_prefetched_to_the_device_unchanged(on_jax):
    assert on_jax["sent"] and on_jax["sent type"]
    assert on_jax["sent epoch"] == 5


def test_a_simulated_step_and_what_overlaps(on_jax):
    assert on_jax["simulated step"] >= 0.02
    assert on_jax["overlaps"] == [True] * 4


def test_tf_data_computes_on_the_cpu(on_jax):
    assert on_jax["tf.data computes on"] == "CPU:0"
