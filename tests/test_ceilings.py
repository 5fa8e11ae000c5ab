"""The limits, with a clock that is not a clock."""

import itertools

import numpy as np
import pytest

from helpers.errors import StudyError
from helpers.tasks import Task
from helpers.timing import ceilings

TASK = Task(transform="flip_brightness", examples=10, batch_size=4, image_size=(8, 8))
METHODS = [
    "NumPy, one thread",
    "NumPy, one thread per core",
    "TensorFlow graph, one thread",
    "TensorFlow graph, one thread per core",
]


@pytest.mark.parametrize("fastest", METHODS)
def test_the_best_pass_of_the_best_method_counts(fastest):
    best_ns = {method: 10 if method == fastest else 40 for method in METHODS}
    # The passes of a method: one of the best time between two slower ones. The clock stands still in between.
    passes_ns = [later_ns for method in METHODS for later_ns in (70, best_ns[method], 90)]
    readings = itertools.accumulate(step_ns for pass_ns in passes_ns for step_ns in (0, pass_ns))
    found = ceilings.of_task(TASK, clock=lambda: next(readings))
    assert found.by_method == pytest.approx({method: 10 / best_ns[method] * 1e9 for method in METHODS})
    assert (found.method, found.images_per_s, found.batch_size) == (fastest, pytest.approx(1e9), 4)
    assert next(readings, "none left") == "none left"


def test_a_real_measurement_gives_a_positive_rate_and_reads_as_a_line():
    found = ceilings.of_task(TASK, passes=1)
    assert found.images_per_s > 0
    assert "images/s at most" in str(found)
    assert found.share(found.images_per_s / 10) == pytest.approx(0.1)


@pytest.mark.parametrize("transform", ["rescale", "noise", "shear_zoom_flip", "resize_standardize"])
def test_both_methods_do_the_work_of_the_task(transform):
    task = TASK.but(transform=transform)
    images = task.arrays().images
    (_, in_numpy), (_, in_graph) = ceilings._methods(task, images, 0)
    chosen = np.arange(4)
    results = [np.asarray(batch(chosen)) for batch in (in_numpy, in_graph)]
    assert results[0].shape == results[1].shape
    assert results[0].dtype == results[1].dtype == np.float32
    if transform in ("rescale", "resize_standardize"):
        np.testing.assert_allclose(*results, atol=1e-4)


def test_the_order_names_every_image_once_and_is_the_seeds():
    images = TASK.arrays().images
    batches = ceilings._index_batches(TASK, images, seed=3)
    assert sorted(np.concatenate(batches)) == list(range(10))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    again, other = (np.concatenate(ceilings._index_batches(TASK, images, seed=seed)).tolist() for seed in (3, 4))
    assert np.concatenate(batches).tolist() == again != other


def test_no_pass_is_refused():
    with pytest.raises(StudyError, match="passes must be a whole number >= 1"):
        ceilings.of_task(TASK, passes=0)
