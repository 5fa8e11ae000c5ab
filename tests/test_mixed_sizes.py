"""A folder of pictures of mixed sizes: every pipeline delivers the pixels that Pillow's nearest gives."""

import numpy as np
import pytest
from PIL import Image

from helpers import parity, pipelines
from helpers.pipelines import feeds
from helpers.tasks import Task

PIPELINES = ("py_dataset", "image_data_generator", "tf_data", "tf_image_data_generator")
SIZES = ((30, 40), (41, 27), (20, 33), (97, 61), (7, 5), (30, 90))  # (height, width); the first is the folder's own


@pytest.fixture(scope="module")
def mixed_folder(tmp_path_factory):
    """One folder per class, 12 pictures each, JPEG and PNG, every size twice."""
    folder = tmp_path_factory.mktemp("mixed")
    generator = np.random.default_rng(0)
    for name in ("bird", "cat"):
        (folder / name).mkdir()
        for number, (height, width) in enumerate((*SIZES, *SIZES)):
            noise = Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))
            noise.save(folder / name / f"{number:02}{'.jpg' if number < len(SIZES) else '.png'}", quality=95)
    return folder


def pillows(folder, size):
    """All pictures as Pillow decodes and resizes them, float32, 0 to 1."""
    height, width = size
    images = []
    for path in sorted(folder.rglob("*.*")):
        with Image.open(path) as picture:
            images.append(np.asarray(picture.resize((width, height), Image.Resampling.NEAREST)))
    return np.stack(images).astype(np.float32) * np.float32(1 / 255)


@pytest.mark.parametrize("size", [None, (25, 32), (11, 50)])
@pytest.mark.parametrize("name", PIPELINES)
def test_pictures_of_mixed_sizes_are_pillows_pixels(name, size, mixed_folder):
    task = Task(dataset=f"folder:{mixed_folder}", source="folder", image_size=size, shuffle=False, batch_size=5)
    delivered = np.concatenate([images for images, _ in feeds.batches_of(pipelines.build(name, task))])
    np.testing.assert_allclose(delivered, pillows(mixed_folder, size or SIZES[0]), rtol=0, atol=1e-7)


def test_pictures_of_mixed_sizes_are_the_same_work_in_all_pipelines(mixed_folder):
    task = Task(dataset=f"folder:{mixed_folder}", source="folder", transform="brightness", image_size=(25, 32))
    report = parity.check(task, {name: pipelines.build(name, task) for name in PIPELINES})
    assert report.same, str(report)
