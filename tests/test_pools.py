"""A Sequence whose batches are prepared image by image, in a pool of threads or processes."""

import numpy as np
import pytest

from helpers import parity, pipelines, timing
from helpers.errors import StudyError
from helpers.pipelines import forecast
from helpers.tasks import Task, transforms
from helpers.timing import models


@pytest.mark.parametrize("transform", [name for name in transforms.NAMES if name != "shear_zoom_flip"])
def test_a_pool_of_threads_does_the_task(transform):
    task = Task(transform=transform, examples=70)
    report = parity.check(task, {"pool": pipelines.build("py_dataset", task, pool="threads")})
    assert report.same, str(report)


@pytest.mark.parametrize("pool", ["threads", pytest.param("processes", marks=pytest.mark.slow)])
def test_over_opencv_it_does_the_heavy_work(pool):
    task = Task(transform="shear_zoom_flip", examples=40)
    report = parity.check(task, {"pool": pipelines.build("py_dataset", task, pool=pool, backend="opencv")})
    assert report.same, str(report)


def test_a_folder_is_the_same_work(picture_folder):
    task = Task(dataset=f"folder:{picture_folder}", source="folder", transform="brightness", batch_size=16)
    report = parity.check(task, {"pool": pipelines.build("py_dataset", task, pool="threads", backend="opencv")})
    assert report.same, str(report)


def test_how_many_threads_there_are_changes_no_pixel():
    task = Task(transform="noise", examples=40)
    one, three = (pipelines.build("py_dataset", task, pool="threads", pool_size=size) for size in (1, 3))
    for batch in range(len(one)):
        for mine, its in zip(one[batch], three[batch], strict=True):
            np.testing.assert_array_equal(mine, its)


@pytest.mark.slow
def test_nor_does_it_whether_they_are_processes_and_fit_takes_them():
    task = Task(transform="noise", examples=70)
    threads, processes = (pipelines.build("py_dataset", task, pool=pool) for pool in ("threads", "processes"))
    np.testing.assert_array_equal(threads[2][0], processes[2][0])
    epochs = timing.time_epochs(models.smallest(timing.first_batch(processes)), processes, 2)
    assert [epoch.batches for epoch in epochs] == [3, 3]


def test_a_pool_within_processes_is_refused():
    with pytest.raises(StudyError, match="got pool=threads with use_multiprocessing"):
        pipelines.build("py_dataset", Task(examples=8), pool="threads", use_multiprocessing=True)


def test_the_forecast_counts_the_processes_copies():
    task = Task(examples=100)
    held = forecast.parts(task, pipelines.Spec("py_dataset", {"pool": "processes", "pool_size": 3}))
    assert held["a copy in each process"] == 3 * task.describe().bytes
