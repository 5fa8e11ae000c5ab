"""The device that trains: its name, its memory, what is copied there, and what its driver says."""

import math
import os
import subprocess
import sys
import time
import types

import numpy as np
import pytest
import tensorflow as tf

from helpers import comparison, machine, pipelines, timing
from helpers.errors import StudyError
from helpers.machine import device, gpu_monitor
from helpers.pipelines import device_prefetch, feeds
from helpers.tasks import Task
from helpers.timing import models

BATCH = (np.arange(4 * 8 * 8 * 3, dtype="float32").reshape(4, 8, 8, 3), np.zeros(4, "int64"))


def test_without_a_gpu_the_cpu_trains_and_says_so():
    assert device.prepare() == device.Device("CPU", "tensorflow")
    assert str(device.prepare()) == "CPU (tensorflow)"
    assert not device.prepare().is_gpu
    assert math.isnan(device.memory_bytes())


def test_memory_is_taken_as_needed_by_both_backends_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    device.grow_memory()
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true"


def test_a_batch_arrives_on_the_device_as_it_was_sent():
    images, labels = device.send(BATCH)
    assert "CPU:0" in images.device
    np.testing.assert_array_equal(images.numpy(), BATCH[0])
    np.testing.assert_array_equal(labels.numpy(), BATCH[1])


def test_prefetching_to_the_device_changes_neither_batches_nor_their_number():
    feed = pipelines.build("tf_data", Task(examples=100, transform="rescale", shuffle=False))
    sent = device_prefetch.prefetched(feed)
    assert sent.cardinality() == 4
    pairs = zip(feeds.batches_of(feed), feeds.batches_of(sent), strict=True)
    assert all(np.array_equal(before[0], after[0]) for before, after in pairs)
    assert timing.time_epoch(models.smallest(BATCH), device_prefetch.prefetched(timing.held(BATCH, 5))).batches == 5


def test_only_a_dataset_prefetches_to_the_device_on_tensorflow():
    with pytest.raises(StudyError, match=r"only a tf\.data\.Dataset"):
        device_prefetch.prefetched(pipelines.build("py_dataset", Task(examples=32, transform="rescale")))
    with pytest.raises(StudyError, match="batches must be >= 1"):
        device_prefetch.prefetched(timing.held(BATCH, 2), batches=0)


@pytest.mark.parametrize("name", ["tf_data", "tf_image_data_generator"])
def test_tf_data_computes_on_the_cpu(name):
    task = Task(examples=64, transform="shear_zoom_flip")
    assert device.computes_on(pipelines.build(name, task)) == "CPU:0"


@pytest.mark.slow
def test_models_may_differ_between_the_feeds_of_a_comparison():
    images, labels = BATCH
    as_bytes = (images.astype("uint8"), labels)
    fitted = {
        "float32": timing.Fitted(models.small_cnn(BATCH, classes=2), timing.held(BATCH, 4)),
        "uint8": timing.Fitted(models.small_cnn(as_bytes, classes=2, rescale=True), timing.held(as_bytes, 4)),
    }
    found = comparison.compare(fitted, budget_s=0.5, max_rounds=5)
    assert list(found.table["rounds"]) == [5, 5]


def test_a_model_that_converts_on_the_device_sees_the_same_numbers():
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), "uint8")
    scaled = images.astype("float32") / 255
    on_device = models.small_cnn((images, BATCH[1]), classes=2, rescale=True)
    before = models.small_cnn((scaled, BATCH[1]), classes=2)
    before.set_weights(on_device.get_weights())
    np.testing.assert_allclose(on_device(images), before(scaled), atol=1e-5)


class MadeUpDriver:
    """Says that the GPU is busy for a quarter of the time, then stops telling."""

    def __init__(self):
        self.told = 0

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetUtilizationRates(self, handle):
        self.told += 1
        if self.told > 4:
            raise RuntimeError("not supported")
        return types.SimpleNamespace(gpu=100 if self.told == 4 else 0)


def test_the_drivers_utilisation_is_averaged_and_its_silence_is_no_failure():
    driver = MadeUpDriver()
    with gpu_monitor.Monitor(library=driver, interval_s=0.001) as monitor:
        deadline = time.monotonic() + 10
        while driver.told < 5 and time.monotonic() < deadline:
            time.sleep(0.001)
    assert monitor.busy_share == 0.25


def test_without_a_gpu_there_is_no_utilisation():
    with gpu_monitor.Monitor() as monitor:
        pass
    assert math.isnan(monitor.busy_share)


def test_a_gpus_name_driver_and_memory_are_read_from_nvidia_smi(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 575.57.08, 143771 MiB'\necho 'NVIDIA L4, 575.57.08, 23034 MiB'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    code = "from helpers import machine; here = machine.describe(); print(here.gpus, here.summary(), sep='|')"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.startswith("('NVIDIA H200, 575.57.08, 143771 MiB', 'NVIDIA L4, 575.57.08, 23034 MiB')|")
    assert "NVIDIA H200, 575.57.08, 143771 MiB" in told.split("|")[1]


def test_the_devices_that_tensorflow_sees_are_described():
    here = machine.describe()
    assert here.devices["tensorflow"] == [one.name.removeprefix("/physical_device:") for one in
                                          tf.config.get_visible_devices()]  # fmt: skip
    assert "tensorflow: CPU:0" in here._repr_html_()


def test_the_backend_is_read_from_keras_own_file_where_no_variable_says_it(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert machine.keras_backend() == "tensorflow"
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    assert machine.keras_backend() == "jax"
    by_file = machine.describe().id
    (tmp_path / "keras.json").write_text("not JSON")
    assert machine.keras_backend() == "tensorflow"
    assert machine.describe().id != by_file
