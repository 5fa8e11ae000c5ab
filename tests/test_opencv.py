"""A Sequence with OpenCV does the same work as the one with NumPy, SciPy and Pillow."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from helpers import parity, pipelines
from helpers.datasets.folders import read_picture
from helpers.errors import StudyError
from helpers.tasks import Task, opencv, transforms

EXACT = sorted(opencv.APPLY if int(cv2.__version__.split(".")[0]) >= 5 else set(opencv.APPLY) - opencv.WARPS)
SIZES = st.tuples(st.integers(2, 60), st.integers(2, 60))


def drawn(seed, size, channels):
    return np.random.default_rng(seed).integers(0, 256, (3, *size, channels), dtype=np.uint8)


@settings(max_examples=30, deadline=None)
@given(size=SIZES, channels=st.sampled_from([1, 3]), name=st.sampled_from(EXACT), seed=st.integers(0, 99))
def test_with_the_same_draws_opencv_gives_the_pixels_of_numpy(size, channels, name, seed):
    images, transform = drawn(seed, size, channels), transforms.get(name)
    draws = transform.draw_numpy(np.random.default_rng(seed), len(images), images.shape[1:])
    made, expected = opencv.APPLY[name](images, draws), transform.apply_numpy(images, draws)
    assert made.dtype == np.float32 and made.shape == expected.shape
    np.testing.assert_allclose(made, expected, atol=transform.tolerance)


def test_an_image_of_one_colour_is_not_divided_by_nothing():
    images = np.full((1, 8, 8, 3), 77, np.uint8)
    np.testing.assert_array_equal(opencv.APPLY["resize_standardize"](images, {}), 0)


@settings(max_examples=20, deadline=None)
@given(size=SIZES, wanted=st.none() | SIZES, form=st.sampled_from(["JPEG", "PNG"]), channels=st.sampled_from([1, 3]))
def test_opencv_decodes_to_pillows_pixels(size, wanted, form, channels):
    coarse = Image.fromarray(drawn(7, (5, 5), 3)[0]).resize(size[::-1], Image.Resampling.BICUBIC)
    file = io.BytesIO()
    coarse.convert("RGB" if channels == 3 else "L").save(file, form)
    expected = read_picture(file, image_size=wanted, channels=channels)
    np.testing.assert_array_equal(opencv.decode(file.getvalue(), image_size=wanted, channels=channels), expected)


def test_what_is_no_picture_is_refused_in_one_line(tmp_path):
    (tmp_path / "cat.jpg").write_bytes(b"not a picture")
    for file, name in ((str(tmp_path / "cat.jpg"), "cat.jpg"), (b"nor this", "a record")):
        with pytest.raises(StudyError, match=f"OpenCV cannot decode .*{name}"):
            opencv.decode(file)


@pytest.mark.parametrize("transform", EXACT)
def test_a_sequence_with_opencv_does_the_task(transform):
    task = Task(transform=transform, examples=70)
    report = parity.check(task, {"opencv": pipelines.build("py_dataset", task, backend="opencv")})
    assert report.same, str(report)


def test_it_decodes_a_folder_for_any_transform(picture_folder):
    task = Task(dataset=f"folder:{picture_folder}", source="folder", transform="brightness", batch_size=16)
    report = parity.check(task, {"opencv": pipelines.build("py_dataset", task, backend="opencv")})
    assert report.same, str(report)


def test_an_opencv_that_warps_by_fractions_of_a_pixel_is_refused(monkeypatch):
    monkeypatch.setattr(cv2, "__version__", "4.10.0")
    with pytest.raises(StudyError, match=r"OpenCV must be 5 or newer \(got 4\.10\.0\).*backend numpy"):
        pipelines.build("py_dataset", Task(transform="shear_zoom_flip"), backend="opencv")
    assert pipelines.build("py_dataset", Task(transform="resize_standardize"), backend="opencv")


def test_where_opencv_would_change_nothing_it_is_refused():
    with pytest.raises(StudyError, match=r"backend opencv decodes, and does .*use backend numpy"):
        pipelines.build("py_dataset", Task(transform="noise"), backend="opencv")
