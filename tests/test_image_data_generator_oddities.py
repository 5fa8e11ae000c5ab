"""Each oddity of the installed Keras' ImageDataGenerator: shown in the original, kept by default, mended on request."""

import numpy as np
import pytest
from originals import original

from helpers.tf_image_data_generator import TFImageDataGenerator

pytestmark = pytest.mark.usefixtures("without_the_warnings_about_oddities")


def corrected(**options):
    return TFImageDataGenerator(**options, mode="corrected")


def one_batch(generator, images, **options):
    return np.asarray(next(iter(generator.flow(images, seed=0, shuffle=False, **options))))


COLUMNS_DIFFER = np.tile(np.arange(0, 240, 20, dtype=np.uint8)[None, None, :, None], (1, 12, 1, 1))
ROWS_DIFFER = COLUMNS_DIFFER.transpose(0, 2, 1, 3)


def test_a_shift_of_the_width_moves_rows_in_the_original_and_columns_when_corrected():
    options = {"width_shift_range": [3.0]}
    assert np.array_equal(one_batch(original(**options), COLUMNS_DIFFER), COLUMNS_DIFFER.astype("float32"))
    assert not np.array_equal(one_batch(original(**options), ROWS_DIFFER), ROWS_DIFFER.astype("float32"))
    assert np.array_equal(one_batch(corrected(**options), ROWS_DIFFER), ROWS_DIFFER.astype("float32"))
    assert not np.array_equal(one_batch(corrected(**options), COLUMNS_DIFFER), COLUMNS_DIFFER.astype("float32"))


def test_a_shift_of_the_width_is_a_fraction_of_the_height_in_the_original():
    image = np.zeros((10, 40, 1), np.float32)
    drawn = original(height_shift_range=[0.5]).get_random_transform(image.shape, seed=0)
    mended = corrected(width_shift_range=[0.5]).get_random_transform(image.shape, seed=0)
    assert abs(drawn["tx"]) == 5  # columns move by half of the 10 rows
    assert abs(mended["tx"]) == 20


def test_an_image_that_is_not_square_turns_about_another_point_in_the_original():
    image = np.zeros((7, 11, 1), np.float32)
    image[3, 5] = 255  # the centre
    turn = {"theta": 90}
    assert original(fill_mode="constant").apply_transform(image, turn)[3, 5, 0] == 0
    assert corrected(fill_mode="constant").apply_transform(image, turn)[3, 5, 0] == 255


def test_brightness_turns_data_of_0_to_1_into_0_or_1_in_the_original():
    image = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)
    options = {"brightness_range": (0.9, 0.9)}
    assert set(np.unique(one_batch(original(**options), image))) <= {0.0, 1.0}
    np.testing.assert_allclose(one_batch(corrected(**options), image), 0.9 * image, rtol=1e-6)


def test_channel_shift_is_in_the_data_before_rescale_in_the_original_and_after_it_when_corrected():
    image = np.random.default_rng(0).integers(60, 200, (1, 8, 8, 3), dtype=np.uint8)
    image[0, 0, 0], image[0, 0, 1] = 0, 255  # the shift is clipped to the image's own range
    options = {"channel_shift_range": 0.2, "rescale": 1 / 255}
    plain = image * np.float32(1 / 255)
    assert np.abs(one_batch(original(**options), image) - plain).max() < 0.2 / 255 + 1e-6
    moved = np.abs(one_batch(corrected(**options), image) - plain).max()
    assert 0.2 / 255 < moved <= 0.2 + 1e-6


def test_fit_ignores_the_preprocessing_function_in_the_original():
    images = np.random.default_rng(0).uniform(0, 255, (20, 4, 4, 3)).astype("float32")
    options = {"featurewise_center": True, "preprocessing_function": lambda image: image - 100}
    theirs, mended = original(**options), corrected(**options)
    theirs.fit(images)
    mended.fit(images)
    np.testing.assert_allclose(np.ravel(theirs.mean), images.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(np.ravel(mended.mean), images.mean(axis=(0, 1, 2)) - 100, rtol=1e-4, atol=1e-3)
    assert abs(one_batch(theirs, images).mean()) > 50  # 100 is subtracted again
    assert abs(one_batch(mended, images).mean()) < 1e-3


def test_a_whole_shift_of_one_moves_nothing_in_the_original():
    drawn = {original(width_shift_range=1).get_random_transform((8, 8, 1), seed=seed)["ty"] for seed in range(20)}
    mended = {corrected(width_shift_range=1).get_random_transform((8, 8, 1), seed=seed)["tx"] for seed in range(20)}
    assert drawn == {0}
    assert mended == {-1, 0, 1}


def test_the_training_subset_gets_the_weights_of_the_first_rows_in_the_original():
    images, weights = np.zeros((10, 4, 4, 1), np.float32), np.arange(10.0)
    options = {"y": np.arange(10), "sample_weight": weights, "subset": "training", "ignore_class_split": True}
    _, labels, given = next(original(validation_split=0.3).flow(images, shuffle=False, **options))
    assert labels.tolist() == [3, 4, 5, 6, 7, 8, 9] and given.tolist() == [0, 1, 2, 3, 4, 5, 6]
    ((_, labels, given),) = corrected(validation_split=0.3).flow(images, shuffle=False, **options)
    assert labels.tolist() == given.tolist()


def test_by_default_the_oddities_are_kept():
    kept = TFImageDataGenerator(brightness_range=(0.9, 0.9), mode="stream")
    image = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)
    np.testing.assert_array_equal(one_batch(kept, image), one_batch(original(brightness_range=(0.9, 0.9)), image))
    turned = TFImageDataGenerator(width_shift_range=[3.0])
    assert np.array_equal(one_batch(turned, COLUMNS_DIFFER), COLUMNS_DIFFER.astype("float32"))
