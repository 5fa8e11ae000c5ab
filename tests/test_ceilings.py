"""The limits, with a clock that is not a clock."""

import itertools

import numpy as np
import pytest

from helpers.errors import StudyError
from helpers.timing import ceilings

IMAGES = np.arange(10 * 4 * 4 * 3, dtype=np.uint8).reshape(10, 4, 4, 3)


def test_the_rate_is_all_images_over_the_fastest_pass():
    ticks = itertools.count(0, 1_000_000)  # every reading is a millisecond later
    found = ceilings.gather_ceiling(IMAGES, batch_size=4, passes=2, clock=lambda: next(ticks))
    assert found.images_per_s == pytest.approx(10 / 1e-3)
    assert found.method in found.by_method
    assert found.batch_size == 4


METHODS = ["NumPy, one thread", "NumPy, 2 threads", "TensorFlow graph"]


@pytest.mark.parametrize("fastest", METHODS)
def test_the_best_pass_of_the_best_method_counts(fastest, monkeypatch):
    monkeypatch.setattr(ceilings.limits, "core_numbers", lambda: [0, 1])
    best_ns = {method: 10 if method == fastest else 40 for method in METHODS}
    # The passes of a method: one of the best time between two slower ones. The clock stands still in between.
    passes_ns = [later_ns for method in METHODS for later_ns in (70, best_ns[method], 90)]
    readings = itertools.accumulate(step_ns for pass_ns in passes_ns for step_ns in (0, pass_ns))
    found = ceilings.gather_ceiling(IMAGES, batch_size=4, passes=3, clock=lambda: next(readings))
    assert found.by_method == pytest.approx({method: 10 / best_ns[method] * 1e9 for method in METHODS})
    assert (found.method, found.images_per_s) == (fastest, pytest.approx(1e9))
    assert next(readings, "none left") == "none left"


def test_a_real_measurement_gives_a_positive_rate_and_reads_as_a_line():
    found = ceilings.gather_ceiling(IMAGES, batch_size=4, passes=1)
    assert found.images_per_s > 0
    assert "images/s at most" in str(found)
    assert found.share(found.images_per_s / 10) == pytest.approx(0.1)


def test_the_order_names_every_image_once_and_is_the_seeds():
    batches = ceilings._index_batches(IMAGES, 4, seed=3)
    assert sorted(np.concatenate(batches)) == list(range(10))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    again, other = (np.concatenate(ceilings._index_batches(IMAGES, 4, seed=seed)).tolist() for seed in (3, 4))
    assert np.concatenate(batches).tolist() == again != other


@pytest.mark.parametrize(
    ("images", "options", "says"),
    [
        (IMAGES.astype(np.float32), {"batch_size": 4}, "must be uint8"),
        (IMAGES[0], {"batch_size": 4}, "must be uint8 of shape"),
        (IMAGES[:0], {"batch_size": 4}, "n >= 1"),
        (IMAGES, {"batch_size": 0}, "batch_size must be a whole number >= 1"),
        (IMAGES, {"batch_size": 4, "passes": 0}, "passes must be a whole number >= 1"),
    ],
)
def test_what_cannot_be_gathered_is_refused(images, options, says):
    with pytest.raises(StudyError, match=says):
        ceilings.gather_ceiling(images, **options)
