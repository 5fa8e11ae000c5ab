import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import StudyError
from helpers.tf_image_data_generator import TFImageDataGenerator

IMAGES = np.random.default_rng(0).integers(0, 256, (70, 12, 12, 3), dtype=np.uint8)
LABELS = np.arange(70)
GEOMETRY = {
    "rotation_range": 25,
    "width_shift_range": 0.1,
    "height_shift_range": 0.2,
    "shear_range": 10,
    "zoom_range": 0.2,
    "horizontal_flip": True,
}


def both(mode="stream", **options):
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the oddities that it warns about are wanted here
        return ImageDataGenerator(**options), TFImageDataGenerator(**options, mode=mode)


def worst_difference(images, labels, *, epochs=2, batch_size=32, shuffle=True, **options):
    """The largest difference of all batches of the two, and whether all labels are the same."""
    original, port = both(**options)
    if options.keys() & {"featurewise_center", "featurewise_std_normalization", "zca_whitening"}:
        original.fit(images)
        port.fit(images)
    arguments = {"batch_size": batch_size, "shuffle": shuffle, "seed": 3}
    theirs = original.flow(images, labels, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ours = port.flow(images, labels, **arguments)
    worst = 0.0
    for _ in range(epochs):
        for images_here, labels_here in ours.as_numpy_iterator():
            images_there, labels_there = next(theirs)
            np.testing.assert_array_equal(labels_here, labels_there)
            assert images_here.dtype == images_there.dtype
            worst = max(worst, float(np.abs(images_here - images_there).max()))
    assert theirs.batch_index == 0  # the same number of batches
    return worst


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "wrap", "constant"])
@pytest.mark.parametrize("order", [0, 1])
def test_the_stream_is_the_originals_bit_for_bit(fill_mode, order):
    options = GEOMETRY | {"fill_mode": fill_mode, "cval": 9.0, "interpolation_order": order, "rescale": 1 / 255}
    assert worst_difference(IMAGES, LABELS, **options) == 0


def test_a_thousand_shuffled_images_with_a_partial_batch_are_the_same_in_two_epochs():
    images = np.random.default_rng(1).integers(0, 256, (1000, 32, 32, 3), dtype=np.uint8)
    assert worst_difference(images, np.arange(1000), batch_size=128, rescale=1 / 255, **GEOMETRY) == 0


def test_images_that_are_not_square_are_the_same():
    images = np.random.default_rng(2).integers(0, 256, (40, 7, 13, 1), dtype=np.uint8)
    assert worst_difference(images, np.arange(40), **GEOMETRY) == 0


@settings(max_examples=12, deadline=None)
@given(
    options=st.fixed_dictionaries(
        {},
        optional={
            "rotation_range": st.sampled_from([5, 90.5]),
            "width_shift_range": st.sampled_from([0.3, 4, [-2, 3]]),
            "height_shift_range": st.sampled_from([0.1, 2.5]),
            "shear_range": st.just(15.0),
            "zoom_range": st.sampled_from([0.3, [0.5, 0.9]]),
            "channel_shift_range": st.just(40.0),
            "brightness_range": st.just((0.4, 1.7)),
            "horizontal_flip": st.booleans(),
            "vertical_flip": st.booleans(),
            "rescale": st.just(1 / 255),
            "fill_mode": st.sampled_from(["nearest", "reflect", "wrap", "constant"]),
            "featurewise_center": st.booleans(),
            "featurewise_std_normalization": st.booleans(),
        },
    )
)
def test_any_configuration_gives_the_originals_pixels(options):
    # XLA contracts rescale and the featurewise mean into one operation that rounds once instead of twice.
    allowed = 1e-6 if options.get("featurewise_center") or options.get("featurewise_std_normalization") else 0
    assert worst_difference(IMAGES, LABELS, epochs=1, **options) <= allowed


@pytest.mark.parametrize(
    "options",
    [
        {"samplewise_center": True, "samplewise_std_normalization": True, "rescale": 1 / 255},
        {"interpolation_order": 3, "rotation_range": 20},
        {"preprocessing_function": np.sqrt, "rotation_range": 20},
    ],
)
def test_samplewise_splines_and_functions_are_the_same_within_rounding(options):
    assert worst_difference(IMAGES, LABELS, **options) <= 1e-5


def test_without_xla_the_pixels_are_the_same():
    _, port = both(mode="semantics", **GEOMETRY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        plain = TFImageDataGenerator(**GEOMETRY, jit_compile=False)
    for ours, theirs in zip(port.flow(IMAGES, seed=1), plain.flow(IMAGES, seed=1), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_default_mode_is_reproducible_fresh_every_epoch_and_knows_its_length():
    _, port = both(mode="semantics", rotation_range=20)
    dataset, again = (port.flow(IMAGES, LABELS, batch_size=32, seed=4) for _ in range(2))
    assert int(dataset.cardinality()) == 3
    first, second = (np.concatenate([images for images, _ in dataset.as_numpy_iterator()]) for _ in range(2))
    np.testing.assert_array_equal(first, np.concatenate([images for images, _ in again.as_numpy_iterator()]))
    assert not np.array_equal(first, second)


def test_corrected_shifts_move_along_their_own_axis():
    gradient = np.repeat(np.arange(0, 240, 20, dtype=np.uint8)[None, :, None, None], 12, axis=2)
    original, _ = both(width_shift_range=[3.0])
    port = TFImageDataGenerator(width_shift_range=[3.0], mode="corrected")
    # The rows differ, the columns do not: a shift of the width changes nothing, the original's moves rows.
    assert np.array_equal(next(iter(port.flow(gradient, seed=0))), gradient.astype("float32"))
    assert not np.array_equal(next(original.flow(gradient, seed=0)), gradient.astype("float32"))


def test_what_the_original_gets_wrong_silently_is_warned_about():
    with pytest.warns(UserWarning, match="moves nothing"):
        TFImageDataGenerator(width_shift_range=1, height_shift_range=1)


@pytest.mark.parametrize(
    "options", [{"mode": "exact"}, {"fill_mode": "mirror"}, {"dtype": "float16"}, {"zoom_range": [1, 2, 3]}]
)
def test_what_cannot_be_is_refused_in_one_line(options):
    with pytest.raises(StudyError) as caught:
        TFImageDataGenerator(**options)
    assert "\n" not in str(caught.value)


def test_a_folder_is_read_as_the_original_reads_it(picture_folder):
    original, port = both(rescale=1 / 255)
    options = {"target_size": (32, 32), "batch_size": 16, "shuffle": False}
    theirs = original.flow_from_directory(picture_folder, **options)
    ours = port.flow_from_directory(picture_folder, **options)
    assert ours.class_indices == theirs.class_indices
    for images, labels in ours.as_numpy_iterator():
        expected_images, expected_labels = next(theirs)
        np.testing.assert_array_equal(labels, expected_labels)
        np.testing.assert_array_equal(images, expected_images)
